//! Pages that come and go at random, as under a swapper.

use guest::{Ppn, Pte};
use guest_runtime::{arena, csr, routines};

use crate::measure::row;
use crate::space::{CHURN, CHURN_PAGES, PAGE_BYTES, READ, Space, data};

/// Pages that are mapped at any time, each to a frame of its own.
const RESIDENT: u64 = 1024;
const LINE_BYTES: u64 = 64;
/// Where in a line the frame's number is.
const IN_LINE_BYTES: u64 = 16;
/// Entry 0 of the table is index 0 of the random numbers' upper 16 bits.
const _: () = assert!(CHURN_PAGES == 1 << 16);

routines! {
    /// `a0` times: unmaps the page that has been mapped longest, fences it, maps a random one to
    /// its frame, fences that, and loads from a random line of it. `a1` is the table of the entries
    /// of the pages from `a2` on, `a3` the ring of the numbers of mapped pages, `a4` the entry of the
    /// first frame. Yields the sum of what was loaded.
    churn =
        "li a5, 0x1ff8",
        "li a6, 0",
        "li a7, 0",
        "li t0, 1",
        "li t3, 6364136223846793005",
        "li t4, 1442695040888963407",
        "1: add t5, a3, a7",
        "ld t1, 0(t5)",
        "slli t2, t1, 3",
        "add t2, t2, a1",
        "sd zero, 0(t2)",
        "slli t1, t1, 12",
        "add t1, t1, a2",
        "sfence.vma t1, zero",
        "mul t0, t0, t3",
        "add t0, t0, t4",
        "srli t1, t0, 48",
        "sd t1, 0(t5)",
        "slli t2, t1, 3",
        "add t2, t2, a1",
        // Eight bytes of the ring are a frame, which is 1 << 10 in an entry.
        "slli t6, a7, 7",
        "add t6, t6, a4",
        "sd t6, 0(t2)",
        "slli t1, t1, 12",
        "add t1, t1, a2",
        "sfence.vma t1, zero",
        "srli t6, t0, 40",
        "andi t6, t6, 63",
        "slli t6, t6, 6",
        "add t1, t1, t6",
        "ld t6, 16(t1)",
        "add a6, a6, t6",
        "addi a7, a7, 8",
        "and a7, a7, a5",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "mv a0, a6",
        "ret";
}

const _: () = assert!((RESIDENT - 1) * 8 == 0x1ff8 && IN_LINE_BYTES == 16);

/// `churn.PAGES`; an operation is a page unmapped, another mapped and touched, and two fences.
pub(crate) fn rows(space: &mut Space) {
    let table = space.churn_table();
    let ring = space.take_frames(RESIDENT * 8 / PAGE_BYTES);
    for line in 0..RESIDENT * PAGE_BYTES / LINE_BYTES {
        let at = data() + line * LINE_BYTES;
        arena::write(at + IN_LINE_BYTES, 1 + line * LINE_BYTES / PAGE_BYTES);
    }
    let first = Pte::new(Ppn::of(data()), READ | guest::Flags::V);
    row("churn.65536", RESIDENT, |operations, watch| {
        for number in 0..RESIDENT {
            arena::write(table + 8 * arena::read(ring + 8 * number), 0);
            arena::write(ring + 8 * number, 0);
        }
        csr::sfence_vma_all();
        watch.time(|| churn().call([operations, table, CHURN, ring, first.0, 0]))
    });
}
