//! Accesses that are special one by one: atomic ones, to a device, under MXR and under MPRV.

use guest_runtime::{arena, board, csr, routines};

use crate::measure::row;
use crate::space::{CHAIN_UNREADABLE, DATA, Space};

routines! {
    /// `a0` times, a multiple of 4: adds 1 to the doubleword at `a1`.
    amo =
        "li t0, 1",
        "1: .rept 4",
        "amoadd.d zero, t0, (a1)",
        ".endr",
        "addi a0, a0, -4",
        "bnez a0, 1b",
        "ret";
    /// The same by load-reserved and store-conditional.
    reserve =
        "1: lr.d t0, (a1)",
        "addi t0, t0, 1",
        "sc.d t1, t0, (a1)",
        "bnez t1, 1b",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "ret";
    /// `a0` times, a multiple of 4: loads the byte at `a1`. Yields how often bit 5 was set.
    device =
        "li a6, 0",
        "1: .rept 4",
        "lbu t0, 0(a1)",
        "srli t0, t0, 5",
        "andi t0, t0, 1",
        "add a6, a6, t0",
        ".endr",
        "addi a0, a0, -4",
        "bnez a0, 1b",
        "mv a0, a6",
        "ret";
    /// `a0` times: loads the doubleword at `a1`, which is executable only, by way of MXR. Yields
    /// the sum.
    executable =
        "li a6, 0",
        "li t3, 1 << 19",
        "1: csrs sstatus, t3",
        "ld t0, 0(a1)",
        "csrc sstatus, t3",
        "add a6, a6, t0",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "mv a0, a6",
        "ret";
    /// In M-mode, `a0` times: loads the doubleword at `a1` as S-mode would. Yields the sum.
    as_supervisor =
        "csrr a7, mstatus",
        "li a6, 0",
        "li t3, 3 << 11",
        "csrc mstatus, t3",
        "li t3, 1 << 11",
        "csrs mstatus, t3",
        "li t3, 1 << 17",
        "1: csrs mstatus, t3",
        "ld t0, 0(a1)",
        "csrc mstatus, t3",
        "add a6, a6, t0",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "csrw mstatus, a7",
        "mv a0, a6",
        "ret";
}

/// UART 16550: the line status register, whose bit 5 says that the transmitter takes a byte.
const LINE_STATUS: u64 = board::UART + 5;

/// `mprv`, in M-mode: an operation sets MPRV, loads, and clears it.
pub(crate) fn machine_rows(space: &Space) {
    csr::write::<{ csr::SATP }>(space.kernel_satp());
    csr::sfence_vma_all();
    row("mprv", 64, |operations, watch| {
        watch.time(|| as_supervisor().call([operations, DATA, 0, 0, 0, 0]))
    });
    csr::write::<{ csr::SATP }>(0);
    csr::sfence_vma_all();
}

/// `mxr`: an operation sets MXR, loads, and clears it. `amo`, `lrsc`: adds 1. `mmio`: loads a
/// device register.
pub(crate) fn rows(space: &mut Space) {
    row("mxr", 64, |operations, watch| {
        watch.time(|| executable().call([operations, CHAIN_UNREADABLE, 0, 0, 0, 0]))
    });
    let counter = space.take_frames(1);
    for (name, routine) in [("amo", amo()), ("lrsc", reserve())] {
        row(name, 64, |operations, watch| {
            arena::write(counter, 0);
            watch.time(|| routine.call([operations, counter, 0, 0, 0, 0]));
            arena::read(counter)
        });
    }
    row("mmio", 64, |operations, watch| {
        // What has been printed is sent first.
        while device().call([4, LINE_STATUS, 0, 0, 0, 0]) < 4 {}
        watch.time(|| device().call([operations, LINE_STATUS, 0, 0, 0, 0]))
    });
}
