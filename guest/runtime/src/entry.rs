//! The first instructions: stack, zeroed `.bss`, all memory opened to S- and U-mode, traps
//! caught; then the program's `main`. Harts other than 0 sleep.

use core::arch::global_asm;

// The floating-point unit stays off: Rust code that touched it would trap instead of silently
// losing registers across a trap.
global_asm!(
    ".section .text.entry, \"ax\"",
    ".globl _start",
    "_start:",
    "    csrw mie, zero",
    "    csrr t0, mhartid",
    "    bnez t0, 3f",
    "    la   sp, _stack_top",
    "    la   t0, _bss_start",
    "    la   t1, _bss_end",
    "1:  bgeu t0, t1, 2f",
    "    sd   zero, 0(t0)",
    "    addi t0, t0, 8",
    "    j    1b",
    // PMP entry 0: NAPOT over everything, RWX.
    "2:  li   t0, -1",
    "    csrw pmpaddr0, t0",
    "    li   t0, 0x1f",
    "    csrw pmpcfg0, t0",
    "    csrw mscratch, zero",
    "    la   t0, {vector}",
    "    csrw mtvec, t0",
    "    call guest_main",
    "    li   a0, 0",
    "    call {exit}",
    "3:  wfi",
    "    j    3b",
    ".text",
    vector = sym crate::run::machine_vector,
    exit = sym exit_c,
);

extern "C" fn exit_c(code: u16) -> ! {
    crate::exit(code)
}

/// Makes `fn main()` what the machine runs.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        // SAFETY: the start-up code calls this one symbol, once, and no other crate defines it.
        #[unsafe(no_mangle)]
        extern "C" fn guest_main() {
            let main: fn() = $main;
            main()
        }
    };
}
