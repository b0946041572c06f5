//! The first instructions of a program that starts in M-mode: stack, zeroed `.bss`, all memory
//! opened to S- and U-mode, traps caught; then the program's `main` on hart 0. The other harts
//! wait for work (`harts.rs`); `kernel.rs` is the same for S-mode.

use core::arch::naked_asm;

/// What [`entry!`](crate::entry!) begins with; `main` is in s1.
// The floating-point unit stays off: Rust code that touched it would trap instead of silently
// losing registers across a trap.
#[doc(hidden)]
#[unsafe(naked)]
pub unsafe extern "C" fn machine_start() {
    naked_asm!(
        "csrw mie, zero",
        "csrr tp, mhartid",
        "li   t0, {harts}",
        "bgeu tp, t0, 4f",
        "la   sp, _stack_top",
        "slli t0, tp, {stack_shift}",
        "sub  sp, sp, t0",
        // PMP entry 0: NAPOT over everything, RWX.
        "li   t0, -1",
        "csrw pmpaddr0, t0",
        "li   t0, 0x1f",
        "csrw pmpcfg0, t0",
        "csrw mscratch, zero",
        "la   t0, {vector}",
        "csrw mtvec, t0",
        "bnez tp, 3f",
        "la   t0, _bss_start",
        "la   t1, _bss_end",
        "1:  bgeu t0, t1, 2f",
        "    sd   zero, 0(t0)",
        "    addi t0, t0, 8",
        "    j    1b",
        "2:  jalr s1",
        "    li   a0, 0",
        "    call {exit}",
        "3:  mv   a0, tp",
        "    call {wait}",
        "4:  wfi",
        "    j    4b",
        harts = const crate::harts::MAX_HARTS,
        stack_shift = const crate::harts::STACK_SHIFT,
        vector = sym crate::run::machine_vector,
        exit = sym exit_c,
        wait = sym crate::harts::wait_for_work,
    )
}

extern "C" fn exit_c(code: u16) -> ! {
    crate::exit(code)
}

/// `_start`: goes on at `$start` with the address of `$main` in s1.
#[doc(hidden)]
#[macro_export]
macro_rules! first_instructions {
    ($main:ident, $start:path) => {
        // SAFETY: the one function that the linker script calls _start and puts first; nobody
        // calls it.
        #[unsafe(naked)]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".text.entry")]
        unsafe extern "C" fn _start() {
            ::core::arch::naked_asm!(
                "la s1, {main}",
                "tail {start}",
                main = sym $main,
                start = sym $start,
            )
        }
    };
}

/// Makes `fn main()` what the machine runs, in M-mode on hart 0.
#[macro_export]
macro_rules! entry {
    ($main:path) => {
        extern "C" fn guest_main() {
            let main: fn() = $main;
            main()
        }

        $crate::first_instructions!(guest_main, $crate::machine_start);
    };
}
