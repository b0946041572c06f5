//! Sv39 tables in physical frames: [`PageTable`] maps and changes pages through [`FrameMemory`],
//! taking new frames from a [`FramePool`]. Reads entries by value: the hart may set A and D
//! behind our back, so nobody holds a reference to a live entry.

use crate::pte::{Flags, Ppn, Pte};
use crate::{ENTRIES, LEVELS, is_canonical, leaf_size_bytes, vpn};

/// Physical memory as page tables need it.
pub trait FrameMemory {
    /// The entry `index` (below 512) of the table in frame `table`.
    fn read_pte(&self, table: Ppn, index: usize) -> Pte;
    /// Replaces the entry `index` (below 512) of the table in frame `table`.
    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte);
}

/// Free frames, handed out in ascending order and never taken back.
#[derive(Debug)]
pub struct FramePool {
    next: Ppn,
    end: Ppn,
}

impl FramePool {
    /// The frames from `first` up to, not including, `end`.
    pub const fn new(first: Ppn, end: Ppn) -> Self {
        Self { next: first, end }
    }

    /// The next free frame, or `None` when all are gone.
    pub fn take(&mut self) -> Option<Ppn> {
        if self.next >= self.end {
            return None;
        }
        let frame = self.next;
        self.next = Ppn(frame.0 + 1);
        Some(frame)
    }
}

/// Why a page could not be mapped or changed. Nothing was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapError {
    /// The virtual address is not canonical, or one of the addresses not aligned to the page.
    BadAddress,
    /// A mapping is in the way.
    Occupied,
    /// There is no mapping to change.
    NotMapped,
    /// The pool is empty.
    OutOfFrames,
}

/// One page of a given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// First virtual address.
    pub va: u64,
    /// 0 for 4 KiB, 1 for a 2 MiB megapage, 2 for a 1 GiB gigapage.
    pub level: usize,
}

/// A three-level Sv39 table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageTable {
    root: Ppn,
}

impl PageTable {
    /// An empty table in a frame of its own.
    ///
    /// # Errors
    /// [`MapError::OutOfFrames`].
    pub fn new(memory: &mut impl FrameMemory, pool: &mut FramePool) -> Result<Self, MapError> {
        Ok(Self { root: empty_table(memory, pool)? })
    }

    /// The table whose root is in this frame.
    pub const fn at(root: Ppn) -> Self {
        Self { root }
    }

    /// Frame of the root table, for `satp.PPN`.
    pub const fn root(self) -> Ppn {
        self.root
    }

    /// Physical address of the entry for `va` in the table at `level`; `None` where a level above
    /// has no pointer.
    pub fn pte_at(self, memory: &impl FrameMemory, va: u64, level: usize) -> Option<u64> {
        let mut table = self.root;
        for level in (level + 1..LEVELS).rev() {
            let pte = memory.read_pte(table, vpn(va, level));
            if !pte.is_valid() || pte.is_leaf() {
                return None;
            }
            table = pte.ppn();
        }
        Some(table.base() + 8 * vpn(va, level) as u64)
    }

    /// Maps `page` to physical memory from `ppn` on, with `flags` and V.
    ///
    /// # Errors
    /// Every [`MapError`] but [`MapError::NotMapped`]. Tables made on the way stay.
    pub fn map(
        self,
        memory: &mut impl FrameMemory,
        pool: &mut FramePool,
        page: Page,
        ppn: Ppn,
        flags: Flags,
    ) -> Result<(), MapError> {
        assert!(page.level < LEVELS, "level {}", page.level);
        assert!(flags.has_any(Flags::R | Flags::X), "a leaf is readable or executable");
        let size = leaf_size_bytes(page.level);
        let aligned = page.va.is_multiple_of(size) && ppn.base().is_multiple_of(size);
        if !is_canonical(page.va) || !aligned {
            return Err(MapError::BadAddress);
        }
        let mut table = self.root;
        for level in (page.level + 1..LEVELS).rev() {
            table = next_table(memory, pool, table, vpn(page.va, level))?;
        }
        let index = vpn(page.va, page.level);
        if memory.read_pte(table, index).is_valid() {
            return Err(MapError::Occupied);
        }
        memory.write_pte(table, index, Pte::new(ppn, flags | Flags::V));
        Ok(())
    }

    /// Replaces the flags of the leaf that maps `va` by `change` of them; V stays.
    ///
    /// # Errors
    /// [`MapError::NotMapped`], [`MapError::BadAddress`].
    pub fn change_flags(
        self,
        memory: &mut impl FrameMemory,
        va: u64,
        change: impl FnOnce(Flags) -> Flags,
    ) -> Result<(), MapError> {
        if !is_canonical(va) {
            return Err(MapError::BadAddress);
        }
        let mut table = self.root;
        for level in (0..LEVELS).rev() {
            let pte = memory.read_pte(table, vpn(va, level));
            if !pte.is_valid() {
                break;
            }
            if pte.is_leaf() {
                let flags = change(pte.flags()) | Flags::V;
                memory.write_pte(table, vpn(va, level), pte.with_flags(flags));
                return Ok(());
            }
            table = pte.ppn();
        }
        Err(MapError::NotMapped)
    }
}

fn empty_table(memory: &mut impl FrameMemory, pool: &mut FramePool) -> Result<Ppn, MapError> {
    let table = pool.take().ok_or(MapError::OutOfFrames)?;
    for index in 0..ENTRIES {
        memory.write_pte(table, index, Pte::default());
    }
    Ok(table)
}

fn next_table(
    memory: &mut impl FrameMemory,
    pool: &mut FramePool,
    table: Ppn,
    index: usize,
) -> Result<Ppn, MapError> {
    let pte = memory.read_pte(table, index);
    if pte.is_valid() {
        return if pte.is_leaf() { Err(MapError::Occupied) } else { Ok(pte.ppn()) };
    }
    let next = empty_table(memory, pool)?;
    memory.write_pte(table, index, Pte::table(next));
    Ok(next)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::collections::HashMap;

    /// Frames that exist once an entry of them is written.
    #[derive(Default)]
    pub(crate) struct FakeMemory(HashMap<(Ppn, usize), Pte>);

    impl FrameMemory for FakeMemory {
        fn read_pte(&self, table: Ppn, index: usize) -> Pte {
            *self.0.get(&(table, index)).unwrap_or_else(|| panic!("{table:?} is not a table"))
        }

        fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
            assert!(index < ENTRIES);
            self.0.insert((table, index), pte);
        }
    }

    pub(crate) fn fixture(frames: u64) -> (FakeMemory, FramePool, PageTable) {
        let mut memory = FakeMemory::default();
        let mut pool = FramePool::new(Ppn(0x100), Ppn(0x100 + frames));
        let table = PageTable::new(&mut memory, &mut pool).expect("one frame");
        (memory, pool, table)
    }

    const RW: Flags = Flags::R.with(Flags::W);

    #[test]
    fn mapping_makes_the_tables_it_needs_and_no_more() {
        let (mut memory, mut pool, table) = fixture(5);
        let mut map =
            |va, level, ppn| table.map(&mut memory, &mut pool, Page { va, level }, Ppn(ppn), RW);
        assert_eq!(map(0x4000_0000, 0, 7), Ok(()));
        assert_eq!(map(0x4000_1000, 0, 8), Ok(()));
        assert_eq!(map(0x4020_0000, 1, 0x200), Ok(()));
        assert_eq!(map(0x8000_0000, 2, 0x80000), Ok(()));
        assert_eq!(memory.read_pte(Ppn(0x100), 1), Pte::table(Ppn(0x101)));
        assert_eq!(memory.read_pte(Ppn(0x101), 0), Pte::table(Ppn(0x102)));
        assert_eq!(memory.read_pte(Ppn(0x102), 1), Pte::new(Ppn(8), RW | Flags::V));
        assert_eq!(memory.read_pte(Ppn(0x101), 1), Pte::new(Ppn(0x200), RW | Flags::V));
        assert_eq!(memory.read_pte(Ppn(0x100), 2), Pte::new(Ppn(0x80000), RW | Flags::V));
        assert_eq!(pool.take(), Some(Ppn(0x103)));
        assert_eq!(table.pte_at(&memory, 0x4000_1234, 0), Some(0x102008));
        assert_eq!(table.pte_at(&memory, 0x4000_1234, 1), Some(0x101000));
        assert_eq!(table.pte_at(&memory, 0x8000_0000, 2), Some(0x100010));
        assert_eq!(table.pte_at(&memory, 0x8000_0000, 1), None);
        assert_eq!(table.pte_at(&memory, 0xc000_0000, 0), None);
    }

    #[test]
    fn refusals() {
        let (mut memory, mut pool, table) = fixture(3);
        let mut map =
            |va, level, ppn| table.map(&mut memory, &mut pool, Page { va, level }, Ppn(ppn), RW);
        assert_eq!(map(1 << 38, 0, 7), Err(MapError::BadAddress));
        assert_eq!(map(0x4000_0800, 0, 7), Err(MapError::BadAddress));
        assert_eq!(map(0x4020_0000, 1, 0x201), Err(MapError::BadAddress));
        assert_eq!(map(0x4000_0000, 0, 7), Ok(()));
        assert_eq!(map(0x4000_0000, 0, 9), Err(MapError::Occupied));
        assert_eq!(map(0x4000_0000, 1, 0x200), Err(MapError::Occupied));
        assert_eq!(map(0x8000_0000, 2, 0x80000), Ok(()));
        assert_eq!(map(0x8000_1000, 0, 9), Err(MapError::Occupied));
        assert_eq!(map(0xc000_0000, 0, 9), Err(MapError::OutOfFrames));
    }

    #[test]
    fn flags_change_in_place() {
        let (mut memory, mut pool, table) = fixture(3);
        let page = Page { va: 0x4000_0000, level: 0 };
        table.map(&mut memory, &mut pool, page, Ppn(7), Flags::R).expect("free");
        let add_w = |flags: Flags| flags | Flags::W;
        assert_eq!(table.change_flags(&mut memory, page.va + 0xfff, add_w), Ok(()));
        assert_eq!(memory.read_pte(Ppn(0x102), 0), Pte::new(Ppn(7), RW | Flags::V));
        let nothing = |_| Flags::NONE;
        assert_eq!(table.change_flags(&mut memory, 0x4000_1000, nothing), Err(MapError::NotMapped));
        assert_eq!(table.change_flags(&mut memory, 1 << 40, nothing), Err(MapError::BadAddress));
    }
}
