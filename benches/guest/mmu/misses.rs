//! Pages that the hart has to look up: code that runs from page to page, and data behind
//! superpages and NAPOT ranges. Data behind base pages is in `memory.rs`.

use guest_runtime::routines;

use crate::hart::{Hart, skip};
use crate::measure::row;
use crate::space::{CHAIN, MEGAPAGES, NAPOT, SLOTS, STRIDE_BYTES, gigapage_data};

routines! {
    /// `a0` times: calls `a1`. Yields what this adds to `a0` in all.
    call_often =
        "mv t0, a0",
        "mv t1, ra",
        "li a0, 0",
        "1: jalr a1",
        "addi t0, t0, -1",
        "bnez t0, 1b",
        "jr t1";
    /// `a0` times: loads from `a1` pages (a multiple of 8) from `a2` on. Yields the sum.
    sweep =
        "li a6, 0",
        "li t3, 4160",
        "srli t4, a1, 3",
        "1: mv t0, a2",
        "mv t1, t4",
        "2: .rept 8",
        "ld t2, 0(t0)",
        "add t0, t0, t3",
        "add a6, a6, t2",
        ".endr",
        "addi t1, t1, -1",
        "bnez t1, 2b",
        "addi a0, a0, -1",
        "bnez a0, 1b",
        "mv a0, a6",
        "ret";
}

const CODE_PAGES: [u64; 4] = [16, 256, 1024, 4096];

/// `miss.exec.stride.PAGES`, an operation being two instructions on a page, and `super.KIND`, an
/// operation being a load.
pub(crate) fn rows(hart: &Hart) {
    for pages in CODE_PAGES {
        // The chain is entered where as many slots are left.
        let entry = CHAIN + (SLOTS - pages) * STRIDE_BYTES;
        row(format_args!("miss.exec.stride.{pages}"), SLOTS, |operations, watch| {
            watch.time(|| call_often().call([operations / pages, entry, 0, 0, 0, 0]))
        });
    }
    super_row("super.2m", MEGAPAGES);
    super_row("super.1g", gigapage_data());
    if hart.svnapot {
        super_row("super.napot", NAPOT);
    } else {
        skip("super.napot", "no Svnapot");
    }
}

fn super_row(name: &str, data: u64) {
    row(name, SLOTS, |operations, watch| {
        watch.time(|| sweep().call([operations / SLOTS, SLOTS, data, 0, 0, 0]))
    });
}
