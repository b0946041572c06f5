//! [`Bank`]: the TLB's entries of one translation context: direct-mapped tables, and a log of what
//! was filled, so that emptying it costs what it holds. Neighbour: `tlb.rs` selects banks and says
//! what they have to drop.

use super::Leaf;
use super::tlb::STORES;
use crate::addr::{PAGE_OFFSET_MASK, PAGE_SHIFT, VirtAddr};
use crate::bus::RamOffset;

/// Entries of a table.
const ENTRIES: usize = 512;

/// Fills after which emptying starts over with the whole table.
const FILLS_MAX: usize = 128;

/// The range that one walk mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mapping {
    /// log2 of the size in bytes of the superpage, NAPOT range or base page.
    pub(super) size_shift: u8,
    /// The mapping is known to belong to every address space.
    pub(super) global: bool,
}

impl Mapping {
    /// An address that stands for itself.
    pub(super) const NONE: Self = Self { size_shift: PAGE_SHIFT as u8, global: false };

    /// What a walk found. Where one resumed at the last level, G above it is not known.
    pub(super) fn of(leaf: &Leaf) -> Self {
        Self { size_shift: leaf.size_shift, global: leaf.global }
    }
}

/// One base page that a table holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Page {
    pub(super) va: VirtAddr,
    pub(super) page: RamOffset,
    pub(super) mapping: Mapping,
}

/// What a hit needs to know of a base page.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Virtual page address.
    tag: u64,
    /// What to add to a virtual address to get the offset in RAM, modulo 2^64.
    to_ram: u64,
}

/// Equals no page address, nor one with alignment bits of an access.
const NO_TAG: u64 = u64::MAX;
const EMPTY: Entry = Entry { tag: NO_TAG, to_ram: 0 };

/// A range of addresses that covers every superpage and NAPOT range with entries in one half of
/// the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Large {
    base: u64,
    /// Bits in which any two addresses of the range agree.
    mask: u64,
}

/// Tables of one context.
#[derive(Clone, Debug)]
pub(super) struct Bank<const TABLES: usize> {
    tables: [[Entry; ENTRIES]; TABLES],
    /// What fences ask about each entry; kept apart, so that hits touch few cache lines.
    mappings: [[Mapping; ENTRIES]; TABLES],
    /// Slots filled since the bank was last empty, table number above slot number.
    fills: [u16; FILLS_MAX],
    /// Number of fills; they are not all logged when this is above [`FILLS_MAX`].
    filled: usize,
    /// For the lower and the upper half of the address space.
    large: [Option<Large>; 2],
}

impl<const TABLES: usize> Bank<TABLES> {
    pub(super) fn new() -> Self {
        let (tables, mappings) = ([[EMPTY; ENTRIES]; TABLES], [[Mapping::NONE; ENTRIES]; TABLES]);
        Self { tables, mappings, fills: [0; FILLS_MAX], filled: 0, large: [None; 2] }
    }

    /// Offset in RAM of the byte at `va`, if `table` has an entry with the tag `page`: that of
    /// `va`, with whatever the caller wants to see clear.
    #[inline(always)]
    pub(super) fn lookup(&self, table: usize, va: VirtAddr, page: u64) -> Option<RamOffset> {
        let entry = &self.tables[table][slot(va)];
        (entry.tag == page).then(|| RamOffset(va.0.wrapping_add(entry.to_ram)))
    }

    pub(super) fn insert(&mut self, table: usize, va: VirtAddr, page: RamOffset, mapping: Mapping) {
        let tag = va.page_base().0;
        let slot = slot(va);
        self.tables[table][slot] = Entry { tag, to_ram: page.0.wrapping_sub(tag) };
        self.mappings[table][slot] = mapping;
        if let Some(fill) = self.fills.get_mut(self.filled) {
            *fill = (table * ENTRIES + slot) as u16;
        }
        self.filled += 1;
        if u32::from(mapping.size_shift) > PAGE_SHIFT {
            self.widen(tag, mapping.size_shift);
        }
    }

    /// Makes the range of large mappings cover the one around `tag`.
    fn widen(&mut self, tag: u64, size_shift: u8) {
        let half = &mut self.large[half(tag)];
        let old = half.unwrap_or(Large { base: tag, mask: u64::MAX });
        let mask = old.mask & u64::MAX << size_shift;
        let differing = (old.base ^ tag) & mask;
        let agreeing = !u64::MAX.checked_shr(differing.leading_zeros()).unwrap_or(0);
        *half = Some(Large { base: tag, mask: mask & agreeing });
    }

    /// Drops the pages of what maps `va`: a base page, or all of something larger.
    pub(super) fn drop_address(&mut self, va: VirtAddr) {
        let is_large = |large: Large| (va.0 ^ large.base) & large.mask == 0;
        if self.large[half(va.0)].is_some_and(is_large) {
            let mappings = self.mappings.as_flattened();
            for (entry, mapping) in self.tables.as_flattened_mut().iter_mut().zip(mappings) {
                if (entry.tag ^ va.0) >> mapping.size_shift == 0 {
                    *entry = EMPTY;
                }
            }
            return;
        }
        for table in &mut self.tables {
            let entry = &mut table[slot(va)];
            if entry.tag == va.page_base().0 {
                *entry = EMPTY;
            }
        }
    }

    /// Drops the entries through which `page` could be stored to.
    pub(super) fn forbid_stores(&mut self, page: RamOffset) {
        let Some(table) = self.tables.get_mut(STORES) else { return };
        for entry in table {
            if entry.tag.wrapping_add(entry.to_ram) == page.0 & !PAGE_OFFSET_MASK {
                *entry = EMPTY;
            }
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        match self.fills.get(..self.filled) {
            Some(fills) => fills.iter().for_each(|fill| empty(&mut self.tables, *fill)),
            None => self.tables.as_flattened_mut().fill(EMPTY),
        }
        (self.filled, self.large) = (0, [None; 2]);
    }

    /// Drops everything that is not known to be global.
    pub(super) fn clear_space(&mut self) {
        let Some(fills) = self.fills.get_mut(..self.filled) else { return self.clear() };
        let mappings = self.mappings.as_flattened();
        let mut kept = 0;
        for index in 0..fills.len() {
            let fill = fills[index];
            if mappings[usize::from(fill)].global {
                fills[kept] = fill;
                kept += 1;
            } else {
                empty(&mut self.tables, fill);
            }
        }
        self.filled = kept;
    }

    /// What `table` holds.
    pub(super) fn entries(&self, table: usize) -> impl Iterator<Item = Page> {
        let entries = self.tables[table].iter().zip(&self.mappings[table]);
        entries.filter(|(entry, _)| entry.tag != NO_TAG).map(|(entry, mapping)| Page {
            va: VirtAddr(entry.tag),
            page: RamOffset(entry.tag.wrapping_add(entry.to_ram)),
            mapping: *mapping,
        })
    }
}

/// Empties the slot of a fill, whoever fills it now.
fn empty<const TABLES: usize>(tables: &mut [[Entry; ENTRIES]; TABLES], fill: u16) {
    tables.as_flattened_mut()[usize::from(fill)] = EMPTY;
}

/// Where the page of `va` is kept.
#[inline(always)]
fn slot(va: VirtAddr) -> usize {
    va.page_number() as usize % ENTRIES
}

fn half(va: u64) -> usize {
    (va >> 63) as usize
}
