//! Ends of a program: [`exit`] through the SiFive finisher, [`exit_by_mailbox`] where there may be
//! none, and the panic handler.

use core::cell::UnsafeCell;
use core::panic::PanicInfo;

use crate::board::FINISHER;
use crate::println;

/// Exit code of a program that panicked.
pub const EXIT_PANIC: u16 = 254;

/// Finisher command: power off successfully.
const PASS: u32 = 0x5555;
/// Finisher command: power off with the exit code in the upper half.
const FAIL: u32 = 0x3333;

/// Powers the machine off with this exit code.
pub fn exit(code: u16) -> ! {
    let command = if code == 0 { PASS } else { u32::from(code) << 16 | FAIL };
    // SAFETY: the finisher's word-wide register; a write ends the machine, which is what
    // "never returns" promises. Reached with translation off, or through its identity mapping.
    unsafe { (FINISHER as *mut u32).write_volatile(command) };
    loop {
        core::hint::spin_loop();
    }
}

/// The mailbox of a host that speaks HTIF, in a page of its own: simulators watch it.
///
/// Source: the `tohost` and `fromhost` symbols of riscv-tests.
#[repr(C, align(4096))]
struct Mailbox(UnsafeCell<u64>);

// SAFETY: every access is a single volatile store.
unsafe impl Sync for Mailbox {}

// SAFETY: nobody else has a symbol of this name.
#[unsafe(export_name = "tohost")]
static TO_HOST: Mailbox = Mailbox(UnsafeCell::new(0));
// SAFETY: as above.
#[unsafe(export_name = "fromhost")]
static FROM_HOST: Mailbox = Mailbox(UnsafeCell::new(0));

/// As [`exit`], also on Spike, which has no finisher. Only programs that call this have a mailbox.
pub fn exit_by_mailbox(code: u16) -> ! {
    /// Far longer than Spike leaves the mailbox alone.
    const PATIENCE_TURNS: u32 = 100_000;
    const EXIT: u64 = 1;
    // SAFETY: valid and aligned, and no reference is made. A simulator that finds both symbols
    // may end the machine, as promised; for the others this is memory.
    unsafe {
        FROM_HOST.0.get().write_volatile(0);
        TO_HOST.0.get().write_volatile(u64::from(code) << 1 | EXIT);
    }
    (0..PATIENCE_TURNS).for_each(|_| core::hint::spin_loop());
    exit(code)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    exit(EXIT_PANIC)
}
