//! [`Bank`]: the TLB's entries of one translation context: direct-mapped tables, and a log of what
//! was filled, so that emptying it costs what it holds. Neighbour: `tlb.rs` selects banks and says
//! what they have to drop.

use super::tlb::STORES;
use crate::addr::{PAGE_OFFSET_MASK, PAGE_SHIFT, VirtAddr};
use crate::bus::RamOffset;

/// Entries of a table.
const ENTRIES: usize = 256;

/// Fills after which emptying starts over with the whole table.
const FILLS_MAX: usize = 128;

/// Set in a fill of a global mapping.
const GLOBAL: u16 = 1 << 15;

/// The range that one walk mapped.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping {
    /// log2 of the size in bytes of the superpage, NAPOT range or base page.
    pub(super) size_shift: u8,
    /// The mapping is known to belong to every address space.
    pub(super) global: bool,
}

/// One base page.
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

/// Superpages and NAPOT ranges with entries in one half of the address space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Large {
    /// An address in a range that covers all of them.
    base: u64,
    /// Bits in which any two addresses of that range agree.
    mask: u64,
    /// log2 of the size in bytes of the largest.
    size_shift: u8,
}

/// Tables of one context.
#[derive(Debug)]
pub(super) struct Bank<const TABLES: usize> {
    tables: [[Entry; ENTRIES]; TABLES],
    /// Slots filled since the bank was last empty: [`GLOBAL`], table number, slot number.
    fills: [u16; FILLS_MAX],
    /// Number of fills; they are not all logged when this is above [`FILLS_MAX`].
    filled: usize,
    /// For the lower and the upper half of the address space.
    large: [Option<Large>; 2],
}

impl<const TABLES: usize> Bank<TABLES> {
    pub(super) fn new() -> Self {
        let tables = [[EMPTY; ENTRIES]; TABLES];
        Self { tables, fills: [0; FILLS_MAX], filled: 0, large: [None; 2] }
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
        if let Some(fill) = self.fills.get_mut(self.filled) {
            let global = if mapping.global { GLOBAL } else { 0 };
            *fill = global | (table * ENTRIES + slot) as u16;
        }
        self.filled += 1;
        if u32::from(mapping.size_shift) > PAGE_SHIFT {
            self.widen(tag, mapping.size_shift);
        }
    }

    /// Makes the range of large mappings cover the one around `tag`.
    fn widen(&mut self, tag: u64, size_shift: u8) {
        let half = &mut self.large[half(tag)];
        let old = half.unwrap_or(Large { base: tag, mask: u64::MAX, size_shift });
        let mask = old.mask & u64::MAX << size_shift;
        let agreeing =
            !u64::MAX.checked_shr(((old.base ^ tag) & mask).leading_zeros()).unwrap_or(0);
        let size_shift = size_shift.max(old.size_shift);
        *half = Some(Large { base: tag, mask: mask & agreeing, size_shift });
    }

    /// Drops the page of `va`, and where that may be part of something larger, all around it.
    pub(super) fn drop_address(&mut self, va: VirtAddr) {
        match self.large[half(va.0)] {
            Some(large) if (va.0 ^ large.base) & large.mask == 0 => {
                let is_near = |tag: u64| (tag ^ va.0) >> large.size_shift == 0;
                for entry in self.tables.as_flattened_mut() {
                    if is_near(entry.tag) {
                        *entry = EMPTY;
                    }
                }
            }
            _ => {
                for table in &mut self.tables {
                    let entry = &mut table[slot(va)];
                    if entry.tag == va.page_base().0 {
                        *entry = EMPTY;
                    }
                }
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
        let mut kept = 0;
        for index in 0..fills.len() {
            let fill = fills[index];
            if fill & GLOBAL == 0 {
                empty(&mut self.tables, fill);
            } else {
                fills[kept] = fill;
                kept += 1;
            }
        }
        self.filled = kept;
    }
}

/// Empties the slot of a fill, whoever fills it now.
fn empty<const TABLES: usize>(tables: &mut [[Entry; ENTRIES]; TABLES], fill: u16) {
    tables.as_flattened_mut()[usize::from(fill & !GLOBAL)] = EMPTY;
}

/// Where the page of `va` is kept.
#[inline(always)]
fn slot(va: VirtAddr) -> usize {
    va.page_number() as usize % ENTRIES
}

fn half(va: u64) -> usize {
    (va >> 63) as usize
}
