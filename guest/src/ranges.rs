//! [`Ranges`], a few ranges of addresses from which others are taken away, for a boot that has no
//! heap yet; and [`pages_of`], which cuts a mapping into the largest pages.

use core::ops::Range;

use crate::table::Page;
use crate::{LEVELS, PAGE_SIZE_BYTES, leaf_size_bytes};

/// How many ranges there may be.
const CAPACITY: usize = 32;

/// Ranges of whole pages, in order of address, that do not touch each other.
#[derive(Clone, Debug)]
pub struct Ranges {
    slots: [Range<u64>; CAPACITY],
    used: usize,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { slots: [const { 0..0 }; CAPACITY], used: 0 }
    }
}

impl Ranges {
    /// The ranges, upwards.
    pub fn iter(&self) -> impl Iterator<Item = Range<u64>> {
        self.slots[..self.used].iter().cloned()
    }

    /// Adds the whole pages inside `range`. Where there are too many ranges, the smallest is lost.
    pub fn add(&mut self, range: Range<u64>) {
        let start = range.start.next_multiple_of(PAGE_SIZE_BYTES);
        let end = range.end / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;
        if start >= end {
            return;
        }
        self.remove(start..end);
        self.push(start..end);
    }

    /// Takes all pages away that `range` touches.
    pub fn remove(&mut self, range: Range<u64>) {
        let start = range.start / PAGE_SIZE_BYTES * PAGE_SIZE_BYTES;
        let end = range.end.next_multiple_of(PAGE_SIZE_BYTES);
        if start >= end {
            return;
        }
        let old = core::mem::take(self);
        for slot in old.iter() {
            for left in [slot.start..slot.end.min(start), slot.start.max(end)..slot.end] {
                if left.start < left.end {
                    self.push(left);
                }
            }
        }
    }

    /// Takes `size_bytes`, rounded up to pages, from the lowest range that has them; where.
    pub fn take(&mut self, size_bytes: u64) -> Option<u64> {
        let size = size_bytes.next_multiple_of(PAGE_SIZE_BYTES);
        let start = self.iter().find(|range| range.end - range.start >= size)?.start;
        self.remove(start..start + size);
        Some(start)
    }

    /// Puts a range that touches no other but at its ends in its place.
    fn push(&mut self, range: Range<u64>) {
        if self.used == CAPACITY {
            let size = |slot: &Range<u64>| slot.end - slot.start;
            let smallest = (0..CAPACITY).min_by_key(|slot| size(&self.slots[*slot])).unwrap_or(0);
            if size(&self.slots[smallest]) >= size(&range) {
                return;
            }
            self.slots[smallest..].rotate_left(1);
            self.used -= 1;
        }
        let at = self.iter().take_while(|slot| slot.start < range.start).count();
        let joins_below = at > 0 && self.slots[at - 1].end == range.start;
        let joins_above = at < self.used && self.slots[at].start == range.end;
        match (joins_below, joins_above) {
            (true, true) => {
                self.slots[at - 1].end = self.slots[at].end;
                self.slots[at..self.used].rotate_left(1);
                self.used -= 1;
            }
            (true, false) => self.slots[at - 1].end = range.end,
            (false, true) => self.slots[at].start = range.start,
            (false, false) => {
                self.slots[at..=self.used].rotate_right(1);
                self.slots[at] = range;
                self.used += 1;
            }
        }
    }
}

/// The pages, as large as they get, that map virtual addresses from `va` on to the physical ones
/// of `range`; each with the physical address of its first byte. All are multiples of a page.
pub fn pages_of(va: u64, range: Range<u64>) -> impl Iterator<Item = (Page, u64)> {
    let mut at = range.start;
    core::iter::from_fn(move || {
        let left = range.end.saturating_sub(at);
        let page_va = va + (at - range.start);
        let level = (0..LEVELS).rev().find(|level| {
            let size = leaf_size_bytes(*level);
            size <= left && at.is_multiple_of(size) && page_va.is_multiple_of(size)
        })?;
        let pa = at;
        at += leaf_size_bytes(level);
        Some((Page { va: page_va, level }, pa))
    })
}

#[cfg(test)]
#[expect(clippy::single_range_in_vec_init, reason = "lists of ranges are what is compared")]
mod tests {
    use super::*;

    fn ranges(of: &[Range<u64>]) -> Ranges {
        let mut ranges = Ranges::default();
        for range in of {
            ranges.add(range.clone());
        }
        ranges
    }

    fn pages(ranges: &Ranges) -> Vec<Range<u64>> {
        ranges.iter().map(|range| range.start >> 12..range.end >> 12).collect()
    }

    #[test]
    fn ranges_are_sorted_joined_and_made_of_whole_pages() {
        for (of, want) in [
            (vec![0x4000..0x6000, 0x1000..0x3000], vec![1..3, 4..6]),
            (vec![0x1000..0x3000, 0x3000..0x5000], vec![1..5]),
            (vec![0x1000..0x2000, 0x3000..0x4000, 0x2000..0x3000], vec![1..4]),
            (vec![0x1000..0x5000, 0x2000..0x7000], vec![1..7]),
            (vec![0x1001..0x3fff], vec![2..3]),
            (vec![0x1001..0x1fff], vec![]),
        ] {
            assert_eq!(pages(&ranges(&of)), want, "{of:x?}");
        }
    }

    #[test]
    fn every_page_that_is_touched_goes() {
        for (gone, want) in [
            (0x0..0x1000, vec![1..9]),
            (0x1000..0x2000, vec![2..9]),
            (0x2800..0x2801, vec![1..2, 3..9]),
            (0x8000..0xf000, vec![1..8]),
            (0x0..0xf000, vec![]),
            (0x3000..0x3000, vec![1..9]),
        ] {
            let mut ranges = ranges(&[0x1000..0x9000]);
            ranges.remove(gone.clone());
            assert_eq!(pages(&ranges), want, "{gone:x?}");
        }
    }

    #[test]
    fn the_lowest_range_that_is_large_enough_gives() {
        let mut ranges = ranges(&[0x1000..0x3000, 0x5000..0x9000]);
        assert_eq!(ranges.take(0x2001), Some(0x5000));
        assert_eq!(ranges.take(1), Some(0x1000));
        assert_eq!(ranges.take(0x2000), None);
        assert_eq!(pages(&ranges), [2..3, 8..9]);
    }

    #[test]
    fn too_many_ranges_lose_the_smallest() {
        let mut ranges = Ranges::default();
        for index in 0..CAPACITY as u64 {
            let pages = if index == 5 { 1 } else { 2 };
            ranges.add(index * 0x4000..index * 0x4000 + pages * 0x1000);
        }
        ranges.add(0x90_0000..0x90_3000);
        assert_eq!(ranges.iter().count(), CAPACITY);
        assert!(!ranges.iter().any(|range| range.start == 5 * 0x4000));
        assert_eq!(ranges.iter().last(), Some(0x90_0000..0x90_3000));
    }

    #[test]
    fn mappings_use_the_largest_pages() {
        let levels = |va, range: Range<u64>| {
            let mut expected = range.start;
            let mut counts = [0; LEVELS];
            for (page, pa) in pages_of(va, range.clone()) {
                assert_eq!((pa, page.va), (expected, va + (pa - range.start)));
                counts[page.level] += 1;
                expected += leaf_size_bytes(page.level);
            }
            assert_eq!(expected, range.end);
            counts
        };
        assert_eq!(levels(0x8000_0000, 0x8000_0000..0xc000_0000), [0, 0, 1]);
        assert_eq!(levels(0x8000_0000, 0x8000_0000..0xc020_1000), [1, 1, 1]);
        assert_eq!(levels(0x1000, 0x1000..0x40_0000), [511, 1, 0]);
        // What is aligned in one kind of memory only is mapped by small pages.
        assert_eq!(levels(0x1000, 0x20_0000..0x40_0000), [512, 0, 0]);
        assert_eq!(levels(0, 0..0), [0, 0, 0]);
    }
}
