//! Ends of a program: [`exit`] through the SiFive finisher, and the panic handler.

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

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    exit(EXIT_PANIC)
}
