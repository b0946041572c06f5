//! System calls, and the kernel's reach into user pages.

use guest_runtime::{arena, routines, user, vectors};

use crate::measure::row;
use crate::space::{PAGE_BYTES, Space, USER_DATA, USER_SCRATCH, scratch};

vectors! {
    /// A call that does nothing but count itself in `a5`.
    null_call =
        "csrr t0, scause",
        "addi t0, t0, -8",
        "bnez t0, 9f",
        "bnez a7, 9f",
        "csrr t0, sepc",
        "addi t0, t0, 4",
        "csrw sepc, t0",
        "addi a5, a5, 1";
}

routines! {
    /// In U-mode, `a0` times: touches `a2` pages (a multiple of 8) from `a1` on and calls.
    calls =
        "li s0, 0",
        "li t3, 4160",
        "srli t4, a2, 3",
        "li a7, 0",
        "1: mv t0, a1",
        "mv t1, t4",
        "beqz t4, 3f",
        "2: .rept 8",
        "ld t2, 0(t0)",
        "add t0, t0, t3",
        "add s0, s0, t2",
        ".endr",
        "addi t1, t1, -1",
        "bnez t1, 2b",
        "3: ecall",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "add a0, a5, s0",
        "li a7, 1",
        "ecall";
    /// `a0` times: copies a doubleword from a page of U-mode, `a1`, to `a2`.
    copy_word =
        "li a6, 0",
        "li t3, 1 << 18",
        "1: csrs sstatus, t3",
        "ld t0, 0(a1)",
        "sd t0, 0(a2)",
        "csrc sstatus, t3",
        "add a6, a6, t0",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "mv a0, a6",
        "ret";
    /// `a0` times: copies a page of U-mode, `a1`, to `a2`.
    copy_page =
        "li t3, 1 << 18",
        "1: csrs sstatus, t3",
        "mv a3, a1",
        "mv a4, a2",
        "li a5, 64",
        "2: ld t0, 0(a3)",
        "ld t1, 8(a3)",
        "ld t2, 16(a3)",
        "ld t4, 24(a3)",
        "sd t0, 0(a4)",
        "sd t1, 8(a4)",
        "sd t2, 16(a4)",
        "sd t4, 24(a4)",
        "ld t0, 32(a3)",
        "ld t1, 40(a3)",
        "ld t2, 48(a3)",
        "ld t4, 56(a3)",
        "sd t0, 32(a4)",
        "sd t1, 40(a4)",
        "sd t2, 48(a4)",
        "sd t4, 56(a4)",
        "addi a3, a3, 64",
        "addi a4, a4, 64",
        "addi a5, a5, -1",
        "bnez a5, 2b",
        "csrc sstatus, t3",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "ret";
}

const TOUCHED_PAGES: [u64; 4] = [0, 16, 64, 256];

/// `ecall.PAGES`: an operation touches the pages in U-mode and calls. `sum.BYTES`: an operation
/// sets SUM, copies, and clears it.
pub(crate) fn rows(space: &mut Space) {
    let calls = space.install(calls());
    for pages in TOUCHED_PAGES {
        row(format_args!("ecall.{pages}"), 64, |operations, watch| {
            let arguments = [operations, USER_DATA, pages, 0, 0, 0];
            watch.time(|| user::run(calls, null_call(), [0; 4], arguments))
        });
    }
    let (from, to) = (scratch(), scratch() + PAGE_BYTES);
    for word in 0..PAGE_BYTES / 8 {
        arena::write(from + 8 * word, word + 1);
    }
    row("sum.8", 64, |operations, watch| {
        watch.time(|| copy_word().call([operations, USER_SCRATCH, to, 0, 0, 0]))
    });
    row("sum.4096", 64, |operations, watch| {
        arena::write(to, 0);
        watch.time(|| copy_page().call([operations, USER_SCRATCH, to, 0, 0, 0]));
        (0..PAGE_BYTES / 8).map(|word| arena::read(to + 8 * word)).sum()
    });
}
