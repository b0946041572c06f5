//! What it costs to go on in another address space and to touch what is there.

use core::fmt;

use guest_runtime::routine::Routine;
use guest_runtime::{arena, csr, routines};

use crate::hart::{Hart, skip};
use crate::measure::row;
use crate::space::{ASID_SHIFT, DATA, PAGE_BYTES, STRIDE_BYTES, SV39, Space, data};

/// `a0` times: puts the next of `a2` values from `a1` on into `satp`, and touches 16 pages from
/// `a3` on. Yields the sum of what was loaded.
macro_rules! switch_loop {
    ($name:ident = $($fence:literal),*) => {
        routines! { $name =
            "csrr a7, satp",
            "li a6, 0",
            "li t3, 4160",
            "mv t4, a1",
            "slli t5, a2, 3",
            "add t5, t5, a1",
            "1: ld t0, 0(t4)",
            "addi t4, t4, 8",
            "csrw satp, t0",
            $($fence,)*
            "bne t4, t5, 2f",
            "mv t4, a1",
            "2: mv t0, a3",
            ".rept 16",
            "ld t2, 0(t0)",
            "add t0, t0, t3",
            "add a6, a6, t2",
            ".endr",
            "addi a0, a0, -1",
            "bnez a0, 1b",
            "csrw satp, a7",
            "sfence.vma",
            "mv a0, a6",
            "ret";
        }
    };
}

switch_loop!(by_asid = "");
switch_loop!(by_fence = "sfence.vma");

/// Numbers of address spaces; the kernel's own comes on top.
const FEW: [u64; 3] = [2, 8, 32];
const MANY: [u64; 2] = [128, 1024];
const MAX_SPACES: u64 = 1024;
/// ASIDs of the spaces are from here on. The kernel's is below.
const FIRST_ASID: u64 = 2;
const PAGES: u64 = 16;

/// `switch.asid.SPACES` and `switch.fence.SPACES`; an operation is a switch and 16 pages touched.
pub(crate) fn rows(hart: &Hart, space: &mut Space) {
    let roots = space.take_frames(MAX_SPACES * 8 / PAGE_BYTES);
    for number in 0..MAX_SPACES {
        // 64 slots are 65 pages; so the first 16 are at the same offsets in all spaces.
        let at = data() + number % 64 * 64 * STRIDE_BYTES;
        arena::write(roots + 8 * number, space.fork(DATA, at, PAGES).0);
    }
    let satps = space.take_frames(MAX_SPACES * 8 / PAGE_BYTES);
    let set = |number, asid| {
        let root = arena::read(roots + 8 * number);
        arena::write(satps + 8 * number, SV39 | asid << ASID_SHIFT | root);
    };
    for spaces in FEW.into_iter().chain(MANY) {
        let name = format_args!("switch.asid.{spaces}");
        if FIRST_ASID + spaces > hart.asids {
            skip(name, "too few ASIDs");
            continue;
        }
        (0..spaces).for_each(|number| set(number, FIRST_ASID + number));
        measure(name, by_asid(), satps, spaces);
    }
    for spaces in FEW {
        (0..spaces).for_each(|number| set(number, 0));
        measure(format_args!("switch.fence.{spaces}"), by_fence(), satps, spaces);
    }
}

/// Measures switches among the first so many values for `satp`.
fn measure(name: impl fmt::Display, routine: Routine, satps: u64, spaces: u64) {
    csr::sfence_vma_all();
    row(name, spaces.max(64), |operations, watch| {
        watch.time(|| routine.call([operations, satps, spaces, DATA, 0, 0]))
    });
}
