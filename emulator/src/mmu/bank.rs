//! [`Bank`]: the TLB's entries of one translation context: direct-mapped tables, and a log of what
//! was filled, so that emptying it costs what it holds. Neighbour: `tlb.rs` selects banks and says
//! what they have to drop.

use super::Leaf;
use super::tlb::STORES;
use crate::addr::{PAGE_OFFSET_MASK, PAGE_SHIFT, VirtAddr};
use crate::bus::{RamHome, RamOffset, RamPage};

/// Entries of a table.
const ENTRIES: usize = 1024;

/// Fills after which emptying starts over with the whole table.
const FILLS_MAX: usize = 512;

/// Hashes of pages that stores reach.
const PAGE_HASHES: usize = 256;

/// No slot leads to a page with this hash.
const NOWHERE: u16 = u16::MAX;

/// Any slot may lead to a page with this hash.
const MANY: u16 = u16::MAX - 1;

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

    /// Becomes nothing.
    fn forget(&mut self);

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
    fn forget(&mut self) {
        self.tag = NO_TAG;
    }

    #[inline(always)]
    fn place(&self, va: VirtAddr, _home: RamHome) -> RamOffset {
        RamOffset(va.0.wrapping_add(self.to_ram))
    }
}

/// Equals no page address, nor one with alignment bits of an access.
pub(super) const NO_TAG: u64 = u64::MAX;

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
    /// A bit for each gibibyte, by its number modulo 64, with a superpage or NAPOT range, or part of
    /// one.
    large: u64,
    /// Which slot leads to a page for stores, by a hash of the page: [`NOWHERE`], [`MANY`], or the
    /// only one that can.
    writable: [u16; PAGE_HASHES],
}

impl<E: Entry, const TABLES: usize> Bank<E, TABLES> {
    pub(super) fn new() -> Self {
        let tables = [[E::EMPTY; ENTRIES]; TABLES];
        let mappings = [[Mapping::NONE; ENTRIES]; TABLES];
        let (fills, writable) = ([0; FILLS_MAX], [NOWHERE; PAGE_HASHES]);
        Self { tables, mappings, fills, filled: 0, large: 0, writable }
    }

    /// The only entry of `table` that may be the one of `va`.
    #[inline(always)]
    pub(super) fn entry(&self, table: usize, va: VirtAddr) -> &E {
        &self.tables[table][slot(va)]
    }

    #[inline(always)]
    pub(super) fn insert(&mut self, table: usize, va: VirtAddr, page: RamPage, mapping: Mapping) {
        let slot = slot(va);
        self.tables[table][slot] = E::new(va, page);
        self.mappings[table][slot] = mapping;
        let filled = self.filled;
        if let Some(fill) = self.fills.get_mut(filled) {
            *fill = (table * ENTRIES + slot) as u16;
        }
        self.filled = filled + 1;
        if u32::from(mapping.size_shift) > PAGE_SHIFT {
            self.large |= gibibytes(va, mapping.size_shift);
        }
        if table == STORES {
            let only = &mut self.writable[page_hash(page.offset())];
            *only = if [NOWHERE, slot as u16].contains(only) { slot as u16 } else { MANY };
        }
    }

    /// Drops the pages of what maps `va`: a base page, or all of something larger. Where that takes
    /// long to find, more.
    #[inline]
    pub(super) fn drop_address(&mut self, va: VirtAddr) {
        if self.large & gibibytes(va, PAGE_SHIFT as u8) != 0 {
            return self.drop_large(va);
        }
        for table in &mut self.tables {
            let entry = &mut table[slot(va)];
            if entry.tag() == va.page_base().0 {
                entry.forget();
            }
        }
    }

    /// [`drop_address`](Self::drop_address) where the mapping may be a large one.
    #[cold]
    fn drop_large(&mut self, va: VirtAddr) {
        let Some(fills) = self.fills.get(..self.filled) else { return self.clear() };
        let entries = self.tables.as_flattened_mut();
        for fill in fills {
            let (entry, mapping) = (
                &mut entries[usize::from(*fill)],
                self.mappings.as_flattened()[usize::from(*fill)],
            );
            if (entry.tag() ^ va.0) >> mapping.size_shift == 0 {
                entry.forget();
            }
        }
    }

    /// Drops the entries through which the page at `page`, in the RAM with this `home`, could be
    /// stored to.
    #[inline]
    pub(super) fn forbid_stores(&mut self, page: RamOffset, home: RamHome) {
        if self.writable[page_hash(page)] != NOWHERE {
            self.drop_writable(RamOffset(page.0 & !PAGE_OFFSET_MASK), home);
        }
    }

    #[cold]
    fn drop_writable(&mut self, page: RamOffset, home: RamHome) {
        let Some(table) = self.tables.get_mut(STORES) else { return };
        let only = &mut self.writable[page_hash(page)];
        let suspects = match *only {
            MANY => 0..ENTRIES,
            slot => usize::from(slot)..usize::from(slot) + 1,
        };
        *only = NOWHERE;
        for (slot, entry) in suspects.clone().zip(&mut table[suspects]) {
            if entry.tag() == NO_TAG {
                continue;
            }
            let to = entry.place(VirtAddr(entry.tag()), home);
            if to == page {
                entry.forget();
            } else if page_hash(to) == page_hash(page) {
                *only = if *only == NOWHERE { slot as u16 } else { MANY };
            }
        }
    }

    /// Drops everything.
    #[inline]
    pub(super) fn clear(&mut self) {
        if let Some(fills) = self.fills.get(..self.filled) {
            let entries = self.tables.as_flattened_mut();
            fills.iter().for_each(|fill| entries[usize::from(*fill)].forget());
        } else {
            self.tables.as_flattened_mut().fill(E::EMPTY);
        }
        (self.filled, self.large) = (0, 0);
    }

    /// Drops everything that is not known to be global.
    #[inline]
    pub(super) fn clear_space(&mut self) {
        let Some(fills) = self.fills.get_mut(..self.filled) else { return self.clear() };
        let (entries, mappings) = (self.tables.as_flattened_mut(), self.mappings.as_flattened());
        let mut kept = 0;
        for index in 0..fills.len() {
            let fill = fills[index];
            if mappings[usize::from(fill)].global {
                fills[kept] = fill;
                kept += 1;
            } else {
                entries[usize::from(fill)].forget();
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

/// Where the page of `va` is kept.
#[inline(always)]
fn slot(va: VirtAddr) -> usize {
    va.page_number() as usize % ENTRIES
}

/// The bits of [`Bank::large`] for the range of that size around `va`.
#[inline(always)]
fn gibibytes(va: VirtAddr, size_shift: u8) -> u64 {
    const GIBIBYTE_SHIFT: u32 = 30;
    match u32::from(size_shift) {
        ..=GIBIBYTE_SHIFT => 1 << ((va.0 >> GIBIBYTE_SHIFT) % 64),
        _ => u64::MAX,
    }
}

/// Index into [`Bank::writable`].
#[inline(always)]
fn page_hash(page: RamOffset) -> usize {
    (page.0 >> PAGE_SHIFT) as usize % PAGE_HASHES
}

#[cfg(test)]
mod tests;
