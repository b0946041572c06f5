//! [`Bank`]: the TLB's entries of one translation context: direct-mapped tables, and a log of what
//! was filled, so that emptying it costs what it holds. Neighbour: `tlb.rs` selects banks and says
//! what they have to drop.

use super::Leaf;
use super::tlb::STORES;
use crate::addr::{PAGE_OFFSET_MASK, PAGE_SHIFT, VirtAddr};
use crate::bus::{RamHome, RamOffset, RamPage};

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

/// What a hit needs to know of a base page: its virtual address, and how to get from there to RAM.
pub(super) trait Entry: Copy {
    /// Nothing: its tag is [`NO_TAG`].
    const EMPTY: Self;

    /// `page`, under the page address of `va`.
    fn new(va: VirtAddr, page: RamPage) -> Self;

    /// Virtual page address.
    fn tag(&self) -> u64;

    /// Where in RAM, the one with this `home`, the byte at `va` is, which must be in the page.
    fn place(&self, va: VirtAddr, home: RamHome) -> RamOffset;
}

/// An entry for fetches: code is known by its place in RAM.
#[derive(Clone, Copy, Debug)]
pub(super) struct CodeEntry {
    tag: u64,
    /// What to add to a virtual address to get the offset in RAM, modulo 2^64.
    to_ram: u64,
}

impl Entry for CodeEntry {
    const EMPTY: Self = Self { tag: NO_TAG, to_ram: 0 };

    fn new(va: VirtAddr, page: RamPage) -> Self {
        let tag = va.page_base().0;
        Self { tag, to_ram: page.offset().0.wrapping_sub(tag) }
    }

    fn tag(&self) -> u64 {
        self.tag
    }

    #[inline(always)]
    fn place(&self, va: VirtAddr, _home: RamHome) -> RamOffset {
        RamOffset(va.0.wrapping_add(self.to_ram))
    }
}

/// Equals no page address, nor one with alignment bits of an access.
pub(super) const NO_TAG: u64 = u64::MAX;

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
pub(super) struct Bank<E, const TABLES: usize> {
    tables: [[E; ENTRIES]; TABLES],
    /// What fences ask about each entry; kept apart, so that hits touch few cache lines.
    mappings: [[Mapping; ENTRIES]; TABLES],
    /// Slots filled since the bank was last empty, table number above slot number.
    fills: [u16; FILLS_MAX],
    /// Number of fills; they are not all logged when this is above [`FILLS_MAX`].
    filled: usize,
    /// For the lower and the upper half of the address space.
    large: [Option<Large>; 2],
}

impl<E: Entry, const TABLES: usize> Bank<E, TABLES> {
    pub(super) fn new() -> Self {
        let tables = [[E::EMPTY; ENTRIES]; TABLES];
        let mappings = [[Mapping::NONE; ENTRIES]; TABLES];
        Self { tables, mappings, fills: [0; FILLS_MAX], filled: 0, large: [None; 2] }
    }

    /// The only entry of `table` that may be the one of `va`.
    #[inline(always)]
    pub(super) fn entry(&self, table: usize, va: VirtAddr) -> &E {
        &self.tables[table][slot(va)]
    }

    #[inline(always)]
    pub(super) fn insert(&mut self, table: usize, va: VirtAddr, page: RamPage, mapping: Mapping) {
        let (tag, slot) = (va.page_base().0, slot(va));
        self.tables[table][slot] = E::new(va, page);
        self.mappings[table][slot] = mapping;
        let filled = self.filled;
        if let Some(fill) = self.fills.get_mut(filled) {
            *fill = (table * ENTRIES + slot) as u16;
        }
        self.filled = filled + 1;
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
                if (entry.tag() ^ va.0) >> mapping.size_shift == 0 {
                    *entry = E::EMPTY;
                }
            }
            return;
        }
        for table in &mut self.tables {
            let entry = &mut table[slot(va)];
            if entry.tag() == va.page_base().0 {
                *entry = E::EMPTY;
            }
        }
    }

    /// Drops the entries through which the page at `page`, in the RAM with this `home`, could be
    /// stored to.
    pub(super) fn forbid_stores(&mut self, page: RamOffset, home: RamHome) {
        let Some(table) = self.tables.get_mut(STORES) else { return };
        for entry in table {
            if entry.place(VirtAddr(entry.tag()), home).0 == page.0 & !PAGE_OFFSET_MASK {
                *entry = E::EMPTY;
            }
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        match self.fills.get(..self.filled) {
            Some(fills) => fills.iter().for_each(|fill| empty(&mut self.tables, *fill)),
            None => self.tables.as_flattened_mut().fill(E::EMPTY),
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

    /// What `table` holds of the RAM with this `home`.
    pub(super) fn entries(&self, table: usize, home: RamHome) -> impl Iterator<Item = Page> {
        let entries = self.tables[table].iter().zip(&self.mappings[table]);
        entries.filter(|(entry, _)| entry.tag() != NO_TAG).map(move |(entry, mapping)| {
            let va = VirtAddr(entry.tag());
            Page { va, page: entry.place(va, home), mapping: *mapping }
        })
    }
}

/// Empties the slot of a fill, whoever fills it now.
fn empty<E: Entry, const TABLES: usize>(tables: &mut [[E; ENTRIES]; TABLES], fill: u16) {
    tables.as_flattened_mut()[usize::from(fill)] = E::EMPTY;
}

/// Where the page of `va` is kept.
#[inline(always)]
fn slot(va: VirtAddr) -> usize {
    va.page_number() as usize % ENTRIES
}

fn half(va: u64) -> usize {
    (va >> 63) as usize
}
