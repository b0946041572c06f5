//! Independent accesses in ascending order, one a page or several.

use core::hint::black_box;

use crate::line::{LINES_IN_PAGE, Line};

/// Lines of a page that [`hit`] loads from.
const HITS: usize = 8;

/// Loads of one pass of [`hit`].
pub(crate) fn hits_in_pass(lines: &[Line]) -> u64 {
    (lines.len() / LINES_IN_PAGE * HITS) as u64
}

/// Loads so many values, a multiple of [`hits_in_pass`], eight a page; yields their sum.
#[inline(never)]
pub(crate) fn hit(lines: &[Line], operations: u64) -> u64 {
    let mut sum: u64 = 0;
    for _ in 0..operations / hits_in_pass(lines) {
        let (pages, _) = black_box(lines).as_chunks::<LINES_IN_PAGE>();
        for (page, lines) in pages.iter().enumerate() {
            let first = page % (LINES_IN_PAGE / HITS) * HITS;
            for line in &lines[first..first + HITS] {
                sum = sum.wrapping_add(line.value.get());
            }
        }
    }
    sum
}

/// Loads so many values, a multiple of the number of pages, one a page; yields their sum.
#[inline(never)]
pub(crate) fn read(lines: &[Line], operations: u64) -> u64 {
    let mut sum: u64 = 0;
    passes(lines, operations, |_, line| sum = sum.wrapping_add(line.value.get()));
    sum
}

/// Stores so often, a multiple of the number of pages, one a page.
#[inline(never)]
pub(crate) fn write(lines: &[Line], operations: u64) {
    passes(lines, operations, |pass, line| line.value.set(pass));
}

/// Calls `access` with the number of the pass and a slot, so many times.
#[inline(always)]
fn passes(lines: &[Line], operations: u64, mut access: impl FnMut(u64, &Line)) {
    /// Pages at a time: a divisor of every number of pages.
    const PAGES: usize = 16;
    let pages = (lines.len() / LINES_IN_PAGE) as u64;
    for pass in 1..=operations / pages {
        let (groups, _) = black_box(lines).as_chunks::<{ PAGES * LINES_IN_PAGE }>();
        for (group, lines) in groups.iter().enumerate() {
            // The slots of the group, as `line::slots` has them.
            let first = group % (LINES_IN_PAGE / PAGES) * PAGES;
            for page in 0..PAGES {
                access(pass, &lines[first + page * (LINES_IN_PAGE + 1)]);
            }
        }
    }
}
