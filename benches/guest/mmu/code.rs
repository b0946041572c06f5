//! Code that changes, and data that does so next to code.

use guest_runtime::{arena, csr, routines};

use crate::measure::row;
use crate::space::{SELF_MODIFYING, Space, WRITE};

/// `li a0, 7` and `ret`.
const SEVEN: u64 = 0x0000_8067_0070_0513;
/// In the page, another function, which is in another line.
const OTHER: u64 = 64;

routines! {
    /// `a0` times: makes the function at `a1` yield the next number, modulo 2048, and calls it.
    /// Yields the sum.
    same =
        "mv t4, ra",
        "mv t3, a0",
        "li a6, 0",
        "li t5, 0",
        "li t1, 0x513",
        "li t6, 0x7ff",
        "1: addi t5, t5, 1",
        "and t0, t5, t6",
        "slli t0, t0, 20",
        "or t0, t0, t1",
        "sw t0, 0(a1)",
        "fence.i",
        "jalr a1",
        "add a6, a6, a0",
        "addi t3, t3, -1",
        "bnez t3, 1b",
        "mv a0, a6",
        "jr t4";
    /// The same with the function 64 bytes further on, while the one at `a1` is called; at last
    /// that which has changed.
    line =
        "mv t4, ra",
        "mv t3, a0",
        "li a6, 0",
        "li t5, 0",
        "li t1, 0x513",
        "li t6, 0x7ff",
        "1: addi t5, t5, 1",
        "and t0, t5, t6",
        "slli t0, t0, 20",
        "or t0, t0, t1",
        "sw t0, 64(a1)",
        "fence.i",
        "jalr a1",
        "add a6, a6, a0",
        "addi t3, t3, -1",
        "bnez t3, 1b",
        "addi a1, a1, 64",
        "jalr a1",
        "add a0, a0, a6",
        "jr t4";
    /// `a0` times: stores to the page of the function at `a1`, calls it and loads what was stored.
    /// Yields the sum of both results.
    data =
        "mv t4, ra",
        "mv t3, a0",
        "li a6, 0",
        "1: sd t3, 1024(a1)",
        "jalr a1",
        "add a6, a6, a0",
        "ld t0, 1024(a1)",
        "add a6, a6, t0",
        "addi t3, t3, -1",
        "bnez t3, 1b",
        "mv a0, a6",
        "jr t4";
}

/// `smc`: an operation is an instruction stored, a `fence.i` and a call. `smc.line`: the same, but
/// the call is to what was not changed. `smc.data`: data stored next to code, and a call.
pub(crate) fn rows(space: &mut Space) {
    let page = space.take_frames(1);
    space.map(SELF_MODIFYING, page, 1, WRITE | guest::Flags::X);
    csr::sfence_vma_all();
    for (name, routine) in [("smc", same()), ("smc.line", line()), ("smc.data", data())] {
        row(name, 64, |operations, watch| {
            arena::write(page, SEVEN);
            arena::write(page + OTHER, SEVEN);
            csr::fence_i();
            watch.time(|| routine.call([operations, SELF_MODIFYING, 0, 0, 0, 0]))
        });
    }
}
