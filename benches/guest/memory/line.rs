//! [`Line`]: memory by cache lines. Of each page one line is used, its slot, and of neighbouring
//! pages others, so that what is measured is the TLB and not one set of a cache.

use core::cell::Cell;

/// Size of a page.
pub(crate) const PAGE_BYTES: usize = 4096;
/// Size of a line of most caches.
const LINE_BYTES: usize = 64;
/// Lines of a page.
pub(crate) const LINES_IN_PAGE: usize = PAGE_BYTES / LINE_BYTES;

/// A line of a cache.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(crate) struct Line {
    /// The one to go to from here.
    pub(crate) next: Cell<Option<&'static Line>>,
    /// What is loaded and stored.
    pub(crate) value: Cell<u64>,
}

const _: () = assert!(size_of::<Line>() == LINE_BYTES);

/// The slot of each page, in ascending order.
pub(crate) fn slots(lines: &[Line]) -> impl Iterator<Item = &Line> {
    let pages = lines.chunks_exact(LINES_IN_PAGE).enumerate();
    pages.map(|(page, lines)| &lines[page % LINES_IN_PAGE])
}

/// Gives every slot a value of its own.
pub(crate) fn fill(lines: &[Line]) {
    slots(lines).zip(1..).for_each(|(line, value)| line.value.set(value));
}

/// A checksum of the values of the slots.
pub(crate) fn checksum(lines: &[Line]) -> u64 {
    slots(lines).fold(0, |sum, line| add(sum, line.value.get()))
}

/// Adds to a checksum that tells in which order it got the values.
pub(crate) fn add(sum: u64, value: u64) -> u64 {
    (sum ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23)
}
