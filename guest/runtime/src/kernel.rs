//! Start-up of a kernel that firmware has put into S-mode, and of its other harts by SBI's HSM
//! extension; `entry.rs` is the same for M-mode.

use core::arch::naked_asm;

use crate::sbi::{self, Answer, extension, hsm};
use crate::supervisor::{self, Trap};
use crate::{csr, exit};

/// What [`kernel!`](crate::kernel!) begins with; `main` is in s1, the hart in a0, the address of
/// the device tree in a1.
#[doc(hidden)]
#[unsafe(naked)]
pub unsafe extern "C" fn kernel_start() {
    naked_asm!(
        "li   t0, {harts}",
        "bgeu a0, t0, 3f",
        "mv   tp, a0",
        "la   sp, _stack_top",
        "slli t0, tp, {stack_shift}",
        "sub  sp, sp, t0",
        "la   t0, _bss_start",
        "la   t1, _bss_end",
        "1:  bgeu t0, t1, 2f",
        "    sd   zero, 0(t0)",
        "    addi t0, t0, 8",
        "    j    1b",
        "2:  mv   a2, s1",
        "    call {boot}",
        "3:  wfi",
        "    j    3b",
        harts = const crate::harts::MAX_HARTS,
        stack_shift = const crate::harts::STACK_SHIFT,
        boot = sym boot,
    )
}

extern "C" fn boot(hart: usize, device_tree: u64, main: extern "C" fn(usize, u64)) -> ! {
    supervisor::handle_traps(unexpected);
    main(hart, device_tree);
    exit(0)
}

extern "C" fn unexpected(trap: &mut Trap) {
    panic!("unexpected trap into S-mode: {trap:x?}");
}

/// A word of the flattened device tree at `device_tree`, which is big-endian.
pub fn device_tree_word(device_tree: u64, index: usize) -> u32 {
    assert!(device_tree >= crate::board::RAM && device_tree.is_multiple_of(4));
    // SAFETY: firmware has put the tree into RAM that is no Rust object's, and nobody changes it.
    u32::from_be(unsafe { (device_tree as *const u32).add(index).read_volatile() })
}

/// Starts a stopped hart, which runs `work` with interrupts off and then stops itself.
pub fn start(hart: usize, work: extern "C" fn(hart: usize)) -> Answer {
    let at = secondary_start as *const () as u64;
    sbi::call(extension::HSM, hsm::START, &[hart as u64, at, work as usize as u64])
}

/// Suspends this hart non-retentively: when an interrupt that it has enabled is pending, it runs
/// `work` as after [`start`]. Returns only where that is refused.
pub fn suspend(kind: u64, work: extern "C" fn(hart: usize)) -> Answer {
    let at = secondary_start as *const () as u64;
    sbi::call(extension::HSM, hsm::SUSPEND, &[kind, at, work as usize as u64])
}

/// Where firmware starts a hart, with its number in a0 and the work in a1.
#[unsafe(naked)]
unsafe extern "C" fn secondary_start() {
    naked_asm!(
        "mv   tp, a0",
        "la   sp, _stack_top",
        "slli t0, tp, {stack_shift}",
        "sub  sp, sp, t0",
        "call {run}",
        stack_shift = const crate::harts::STACK_SHIFT,
        run = sym run_secondary,
    )
}

extern "C" fn run_secondary(hart: usize, work: extern "C" fn(usize)) -> ! {
    csr::write::<{ csr::SIE }>(0);
    supervisor::catch_traps();
    work(hart);
    let answer = sbi::call(extension::HSM, hsm::STOP, &[]);
    panic!("hart {hart} was not stopped: {answer:?}");
}

/// Makes `fn main(hart: usize, device_tree: u64)` what the machine runs, in S-mode on the hart
/// that firmware has chosen. The program is to be linked with `kernel.ld`.
#[macro_export]
macro_rules! kernel {
    ($main:path) => {
        extern "C" fn guest_main(hart: usize, device_tree: u64) {
            let main: fn(usize, u64) = $main;
            main(hart, device_tree)
        }

        $crate::first_instructions!(guest_main, $crate::kernel_start);
    };
}
