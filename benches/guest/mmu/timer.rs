//! Timer interrupts of S-mode.

use guest_runtime::routines;

use crate::hart::{Hart, skip};
use crate::measure::row;

routines! {
    /// `a0` times: lets the time that `stimecmp` waits for be over, and waits until the handler has
    /// disarmed it. Yields the number of interrupts.
    arm =
        "csrr a7, stvec",
        "la t0, 3f",
        "csrw stvec, t0",
        "li a5, 1 << 5",
        "csrs sie, a5",
        "li a6, 0",
        "csrsi sstatus, 2",
        "1: li t6, 0",
        "csrw 0x14d, zero",
        "2: beqz t6, 2b",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "csrci sstatus, 2",
        "csrc sie, a5",
        "csrw stvec, a7",
        "mv a0, a6",
        "ret",
        // The handler: saves what another one would, too.
        ".balign 4",
        "3: addi sp, sp, -32",
        "sd t0, 0(sp)",
        "sd t1, 8(sp)",
        "sd t2, 16(sp)",
        "sd t3, 24(sp)",
        "csrr t0, scause",
        "li t1, -1",
        "slli t2, t1, 63",
        "addi t2, t2, 5",
        "bne t0, t2, 4f",
        "csrw 0x14d, t1",
        "addi a6, a6, 1",
        "li t6, 1",
        "ld t0, 0(sp)",
        "ld t1, 8(sp)",
        "ld t2, 16(sp)",
        "ld t3, 24(sp)",
        "addi sp, sp, 32",
        "sret",
        // Not the timer: it happens again, to the kernel's own handler.
        "4: csrw stvec, a7",
        "addi sp, sp, 32",
        "sret";
}

/// `timer`; an operation is an interrupt.
pub(crate) fn rows(hart: &Hart) {
    if !hart.sstc {
        skip("timer", "no Sstc");
        return;
    }
    row("timer", 64, |operations, watch| {
        let interrupts = watch.time(|| arm().call([operations, 0, 0, 0, 0, 0]));
        assert_eq!(interrupts, operations, "each once");
        interrupts
    });
}
