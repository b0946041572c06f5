//! [`WalkCache`]: where recent walks ended, so that most walks read one entry. Only fences without
//! an address order the entries above the leaves (Privileged ISA, "Supervisor Memory-Management
//! Fence Instruction"), so only they empty it. Neighbour: `refill.rs` asks it before a walk.

use super::walk::entry_index;
use super::{PTE_SIZE_BYTES, VPN_BITS};
use crate::addr::{PAGE_OFFSET_MASK, PAGE_SHIFT, VirtAddr};
use crate::bus::RamOffset;

/// Ends remembered.
const ENTRIES: usize = 256;

/// log2 of the size in bytes of the range that a last-level table maps. Walks for addresses of one
/// such range end in the same table.
const SPAN_SHIFT: u32 = PAGE_SHIFT + VPN_BITS;

/// Bits of a number of a span.
const SPAN_BITS: u32 = u64::BITS - SPAN_SHIFT;

/// A table where walks end: at the last level, or above it in a superpage. RAM has all of it, and
/// PMP lets the walker read all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Known(u64);

impl Known {
    /// The table at `table`, which begins a page, of `level`.
    pub(super) fn new(table: RamOffset, level: u32) -> Self {
        debug_assert!(table.0 & PAGE_OFFSET_MASK == 0, "tables are pages");
        Self(table.0 | u64::from(level))
    }

    /// Where the table begins.
    #[inline(always)]
    pub(super) fn table(self) -> RamOffset {
        RamOffset(self.0 & !PAGE_OFFSET_MASK)
    }

    /// Level of the table; 0 maps base pages.
    #[inline(always)]
    pub(super) fn level(self) -> u32 {
        (self.0 & PAGE_OFFSET_MASK) as u32
    }

    /// Where the table has the entry for `va`.
    #[inline(always)]
    pub(super) fn entry_of(self, va: VirtAddr) -> RamOffset {
        RamOffset(self.table().0 + entry_index(va, self.level()) * PTE_SIZE_BYTES)
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Number of the span, the cache's epoch above it.
    span: u64,
    satp: u64,
    known: Known,
}

/// The cache.
#[derive(Debug)]
pub(super) struct WalkCache {
    entries: Box<[Entry; ENTRIES]>,
    /// Entries are valid while theirs is this one, which is never 0.
    epoch: u64,
}

impl WalkCache {
    pub(super) fn new() -> Self {
        let empty = Entry { span: 0, satp: 0, known: Known(0) };
        Self { entries: Box::new([empty; ENTRIES]), epoch: 1 }
    }

    /// The table where walks for `va` in the space of `satp` end.
    #[inline(always)]
    pub(super) fn find(&self, va: VirtAddr, satp: u64) -> Option<Known> {
        let entry = &self.entries[slot(va, satp)];
        (entry.span == self.span(va) && entry.satp == satp).then_some(entry.known)
    }

    /// Remembers such a table.
    pub(super) fn insert(&mut self, va: VirtAddr, satp: u64, known: Known) {
        self.entries[slot(va, satp)] = Entry { span: self.span(va), satp, known };
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.epoch += 1;
        if self.epoch >> (u64::BITS - SPAN_BITS) != 0 {
            *self = Self::new();
        }
    }

    #[inline(always)]
    fn span(&self, va: VirtAddr) -> u64 {
        self.epoch << SPAN_BITS | va.0 >> SPAN_SHIFT
    }
}

#[inline(always)]
fn slot(va: VirtAddr, satp: u64) -> usize {
    // The root is in the low bits of satp; the shift puts ASIDs beside them.
    const ASID_TO_LOW_BITS: u32 = 42;
    ((va.0 >> SPAN_SHIFT) ^ satp ^ satp >> ASID_TO_LOW_BITS) as usize % ENTRIES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_where_entries_are() {
        let va = VirtAddr(u64::MAX << 48 | 3 << 39 | 511 << 30 | 7 << 21 | 9 << 12 | 0xfff);
        for (level, index) in [(0, 9), (1, 7), (2, 511), (3, 3), (4, 511)] {
            let known = Known::new(RamOffset(0x7000), level);
            assert_eq!((known.table(), known.level()), (RamOffset(0x7000), level));
            assert_eq!(known.entry_of(va), RamOffset(0x7000 + 8 * index), "level {level}");
        }
    }

    #[test]
    fn finds_what_was_remembered_last_and_nothing_else() {
        let mut cache = WalkCache::new();
        let known = Known::new(RamOffset(0x1000), 0);
        assert_eq!(cache.find(VirtAddr(0), 0), None);
        cache.insert(VirtAddr(0x20_0000), 8 << 60 | 1, known);
        for (va, satp, found) in [
            (0x20_0000, 8 << 60 | 1, true),
            (0x3f_ffff, 8 << 60 | 1, true),
            (0x40_0000, 8 << 60 | 1, false),
            (1 << 63 | 0x20_0000, 8 << 60 | 1, false),
            (0x20_0000, 8 << 60 | 1 | 1 << 44, false),
            (0x20_0000, 9 << 60 | 1, false),
            // The same slot.
            (0x20_0000 | (ENTRIES as u64) << SPAN_SHIFT, 8 << 60 | 1, false),
        ] {
            assert_eq!(cache.find(VirtAddr(va), satp), found.then_some(known), "{va:#x} {satp:#x}");
        }
    }

    #[test]
    fn forgets_for_ever() {
        let mut cache = WalkCache::new();
        let known = Known::new(RamOffset(0x1000), 0);
        for round in 0..3 << (u64::BITS - SPAN_BITS) {
            assert_eq!(cache.find(VirtAddr(0), 1), None, "{round}");
            if round % 0x1_0000 == 0 {
                cache.insert(VirtAddr(0), 1, known);
                assert_eq!(cache.find(VirtAddr(0), 1), Some(known));
            }
            cache.clear();
        }
    }
}
