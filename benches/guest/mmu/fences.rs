//! What a fence costs: after so many pages have been touched, which has to be paid for again.

use guest_runtime::routine::Routine;
use guest_runtime::routines;

use crate::hart::{Hart, skip};
use crate::measure::row;
use crate::space::{DATA, Space};

/// Touches `a1` pages (a multiple of 8) from `a2` on, fences, and does it again: `a0` times, a
/// multiple of 4. `t4` is the page to fence, another one each time; `a3` the ASID. Yields the sum
/// of what was loaded.
macro_rules! fence_loop {
    ($name:ident = $($fence:literal),+) => {
        routines! { $name =
            "li a6, 0",
            "li t3, 4160",
            "mv t4, a2",
            "mv t5, a1",
            "beqz a1, 4f",
            "1: mv t0, a2",
            "srli t1, a1, 3",
            "2: .rept 8",
            "ld t2, 0(t0)",
            "add t0, t0, t3",
            "add a6, a6, t2",
            ".endr",
            "addi t1, t1, -1",
            "bnez t1, 2b",
            $($fence,)+
            "add t4, t4, t3",
            "addi t5, t5, -1",
            "bnez t5, 3f",
            "mv t4, a2",
            "mv t5, a1",
            "3: addi a0, a0, -1",
            "bnez a0, 1b",
            "mv a0, a6",
            "ret",
            // Nothing to touch.
            "4: .rept 4",
            $($fence,)+
            ".endr",
            "addi a0, a0, -4",
            "bnez a0, 4b",
            "ret";
        }
    };
}

fence_loop!(all = "sfence.vma");
fence_loop!(page = "sfence.vma t4, zero");
fence_loop!(space = "sfence.vma zero, a3");
fence_loop!(page_space = "sfence.vma t4, a3");
fence_loop!(sinval = "sfence.w.inval", "sinval.vma t4, zero", "sfence.inval.ir");

const TOUCHED_PAGES: [u64; 5] = [0, 16, 64, 256, 1024];

/// `fence.FORM.PAGES`; an operation touches the pages and fences.
pub(crate) fn rows(hart: &Hart, address_space: &Space) {
    let forms: [(&str, fn() -> Routine); 4] = [
        ("fence.all", all),
        ("fence.page", page),
        ("fence.space", space),
        ("fence.page-space", page_space),
    ];
    for (stem, routine) in forms {
        measure(stem, routine(), address_space);
    }
    if hart.svinval {
        measure("fence.sinval", sinval(), address_space);
    } else {
        skip("fence.sinval", "no Svinval");
    }
}

fn measure(stem: &str, routine: Routine, space: &Space) {
    for pages in TOUCHED_PAGES {
        row(format_args!("{stem}.{pages}"), 64, |operations, watch| {
            watch.time(|| routine.call([operations, pages, DATA, space.asid(), 0, 0]))
        });
    }
}
