//! Page numbers of the virtual kind, ranges of them, and where user space ends.

use core::fmt;

use crate::PAGE_SIZE_BYTES;

/// First byte behind user space: the lower half of Sv39.
pub const USER_END: u64 = 1 << 38;

/// Number of a virtual page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vpn(pub u64);

impl Vpn {
    /// First page behind user space.
    pub const USER_END: Vpn = Vpn::of(USER_END);

    /// The page that holds address `va`.
    pub const fn of(va: u64) -> Self {
        Self(va / PAGE_SIZE_BYTES)
    }

    /// Address of its first byte.
    pub const fn base(self) -> u64 {
        self.0 * PAGE_SIZE_BYTES
    }

    /// The page `pages` further on.
    #[must_use]
    pub const fn add(self, pages: u64) -> Self {
        Self(self.0 + pages)
    }
}

/// The pages from `start` up to, not including, `end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageRange {
    /// First page.
    pub start: Vpn,
    /// First page behind it.
    pub end: Vpn,
}

impl PageRange {
    /// The pages from `start` to `end`; asserts that they are in this order.
    pub const fn new(start: Vpn, end: Vpn) -> Self {
        assert!(start.0 <= end.0, "a range runs upwards");
        Self { start, end }
    }

    /// `pages` pages from `start` on.
    pub const fn sized(start: Vpn, pages: u64) -> Self {
        Self { start, end: Vpn(start.0 + pages) }
    }

    /// The pages that hold the bytes from `start`, which is page-aligned, on; `None` where that is
    /// not aligned, nothing, or not all in user space.
    pub const fn of_user(start: u64, length_bytes: u64) -> Option<Self> {
        if !start.is_multiple_of(PAGE_SIZE_BYTES) || length_bytes == 0 || length_bytes > USER_END {
            return None;
        }
        let pages = length_bytes.div_ceil(PAGE_SIZE_BYTES);
        if start > USER_END || pages > (USER_END - start) / PAGE_SIZE_BYTES {
            return None;
        }
        Some(Self::sized(Vpn::of(start), pages))
    }

    /// How many pages.
    pub const fn pages(self) -> u64 {
        self.end.0 - self.start.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.start.0 == self.end.0
    }

    /// Whether `page` is one of them.
    pub const fn contains(self, page: Vpn) -> bool {
        self.start.0 <= page.0 && page.0 < self.end.0
    }

    /// Whether all pages of `other` are among them.
    pub const fn covers(self, other: PageRange) -> bool {
        self.start.0 <= other.start.0 && other.end.0 <= self.end.0
    }

    /// The pages in both; `None` where there is none.
    pub fn intersection(self, other: PageRange) -> Option<Self> {
        let (start, end) = (self.start.max(other.start), self.end.min(other.end));
        (start < end).then_some(Self { start, end })
    }

    /// Each of them, upwards.
    pub fn iter(self) -> impl Iterator<Item = Vpn> + use<> {
        (self.start.0..self.end.0).map(Vpn)
    }
}

impl fmt::Debug for PageRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start.base(), self.end.base())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_ranges_are_aligned_and_end_in_user_space() {
        for (start, length, pages) in [
            (0x1000, 1, Some(1)),
            (0x1000, 0x1001, Some(2)),
            (0x1001, 1, None),
            (0x1000, 0, None),
            (USER_END - 0x1000, 0x1000, Some(1)),
            (USER_END - 0x1000, 0x1001, None),
            (USER_END, 1, None),
            (u64::MAX << 12, 0x1000, None),
            (0x1000, u64::MAX, None),
            (0, USER_END, Some(1 << 26)),
        ] {
            let found = PageRange::of_user(start, length).map(PageRange::pages);
            assert_eq!(found, pages, "{start:#x} {length:#x}");
        }
    }

    #[test]
    fn ranges_meet() {
        let range = |start, end| PageRange::new(Vpn(start), Vpn(end));
        for (one, other, both) in [
            (range(1, 4), range(2, 6), Some(range(2, 4))),
            (range(1, 4), range(4, 6), None),
            (range(1, 9), range(4, 6), Some(range(4, 6))),
        ] {
            assert_eq!(one.intersection(other), both);
            assert_eq!(other.intersection(one), both);
        }
    }
}
