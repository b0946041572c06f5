//! Walking a space's tables: to the leaf table of one page, or over those of a range.

use core::ops::Range;

use super::{
    BATCH_ENTRIES, Class, Counters, Flags, Machine, Memory, OutOfMemory, Owner, PageRange, Ppn,
    Prot, Pte, Vpn,
};
use crate::{ENTRIES, LEVELS, vpn};

/// The index into the table at `level` that `page` selects.
pub(super) const fn index(page: Vpn, level: usize) -> usize {
    vpn(page.base(), level)
}

/// Pages that an entry at `level` maps.
const fn span_pages(level: usize) -> u64 {
    1 << (9 * level)
}

/// The pages that the entry for `page` at `level` maps.
fn span(page: Vpn, level: usize) -> PageRange {
    let pages = span_pages(level);
    PageRange::sized(Vpn(page.0 & !(pages - 1)), pages)
}

/// Where the walk to a page ends.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    /// In this leaf table.
    Leaf(Ppn),
    /// At this table, which is at `level` and has no pointer for the page.
    Missing { table: Ppn, level: usize },
}

impl Way {
    /// How many tables are missing.
    pub(super) fn missing(self) -> usize {
        match self {
            Self::Leaf(_) => 0,
            Self::Missing { level, .. } => level,
        }
    }

    /// The entry for `page`.
    pub(super) fn entry(self, machine: &impl Machine, page: Vpn) -> Pte {
        match self {
            Self::Leaf(table) => machine.pte(table, index(page, 0)),
            Self::Missing { .. } => Pte(0),
        }
    }
}

/// Walks from `root` to the leaf table of `page`.
pub(super) fn walk(machine: &impl Machine, root: Ppn, page: Vpn) -> Way {
    let mut table = root;
    for level in (1..LEVELS).rev() {
        let pte = machine.pte(table, index(page, level));
        if pte.0 == 0 {
            return Way::Missing { table, level };
        }
        table = pte.ppn();
    }
    Way::Leaf(table)
}

/// Frames for the tables that a [`Way`] lacks, the leaf table's first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct NewTables {
    frames: [Ppn; LEVELS - 1],
    count: usize,
}

impl NewTables {
    /// Takes what `way` lacks.
    ///
    /// # Errors
    /// [`OutOfMemory`]; then nothing is taken.
    pub(super) fn take(memory: &mut Memory, way: Way) -> Result<Self, OutOfMemory> {
        let mut new = Self::default();
        for _ in 0..way.missing() {
            match memory.alloc(Class::Kernel, Owner::Table) {
                Ok(frame) => new.frames[new.count] = frame,
                Err(error) => {
                    new.give_back(memory);
                    return Err(error);
                }
            }
            new.count += 1;
        }
        Ok(new)
    }

    /// Frees them unused.
    pub(super) fn give_back(self, memory: &mut Memory) {
        for frame in &self.frames[..self.count] {
            memory.frames.free(*frame);
        }
    }

    /// Puts them where they were missing; the leaf table of `page`.
    pub(super) fn link<M: Machine>(
        self,
        machine: &M,
        way: Way,
        page: Vpn,
        counters: &mut Counters,
    ) -> Ppn {
        let (table, level) = match way {
            Way::Leaf(table) => return table,
            Way::Missing { table, level } => (table, level),
        };
        assert_eq!(self.count, level, "a table for each level that lacks one");
        for frame in &self.frames[..level] {
            machine.zero(*frame);
        }
        for below in 1..level {
            let pointer = Pte::table(self.frames[below - 1]);
            machine.swap_pte(self.frames[below], index(page, below), pointer);
        }
        machine.swap_pte(table, index(page, level), Pte::table(self.frames[level - 1]));
        counters.tables += level as u64;
        self.frames[0]
    }
}

/// Part of a leaf table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaf {
    /// Its frame.
    pub(super) table: Ppn,
    /// The pages of the range that it holds entries of.
    pub(super) pages: PageRange,
}

impl Leaf {
    /// Index of the entry of `page`.
    pub(super) const fn index(page: Vpn) -> usize {
        page.0 as usize % ENTRIES
    }

    /// The page whose entry this is.
    pub(super) const fn page(&self, index: usize) -> Vpn {
        Vpn(self.pages.start.0 - Self::index(self.pages.start) as u64 + index as u64)
    }

    /// Its entries of the range, by index.
    pub(super) const fn indices(&self) -> Range<usize> {
        let start = Self::index(self.pages.start);
        start..start + self.pages.pages() as usize
    }

    /// Its entries of the range that hold something, a few at a time: calls `visit` with the books,
    /// the index of the first and the word there. What is empty is passed over with the books free.
    pub(super) fn work_on<M: Machine, E>(
        &self,
        machine: &M,
        mut visit: impl FnMut(&mut Memory, usize, Pte) -> Result<(), E>,
    ) -> Result<(), E> {
        let table = self.table;
        let Range { mut start, end } = self.indices();
        while start < end {
            if machine.pte(table, start).0 == 0 {
                start += 1;
                continue;
            }
            let stop = end.min(start + BATCH_ENTRIES);
            machine.memory(|memory| {
                for index in start..stop {
                    let word = machine.pte(table, index);
                    if word.0 != 0 {
                        visit(memory, index, word)?;
                    }
                }
                Ok(())
            })?;
            start = stop;
        }
        Ok(())
    }
}

/// What is done on the way over the tables of a range, upwards.
pub(super) trait Visit {
    /// Why a walk may end early.
    type Stop;

    /// For each leaf table.
    ///
    /// # Errors
    /// End the walk.
    fn leaf(&mut self, leaf: Leaf) -> Result<(), Self::Stop>;

    /// For each pointer, entry `index` of `table`, all of whose pages are spare, after everything
    /// below it.
    fn spare(&mut self, _table: Ppn, _index: usize) {}
}

/// Walks over the leaf tables of `range`. Pages of `spare` are known to hold nothing but what is in
/// `range`. Pointers are followed even if V is clear: they may be leaving.
///
/// # Errors
/// The visitor's.
pub(super) fn descend<M: Machine, V: Visit>(
    machine: &M,
    root: Ppn,
    range: PageRange,
    spare: Option<PageRange>,
    visitor: &mut V,
) -> Result<(), V::Stop> {
    let is_spare = |page, level| spare.is_some_and(|spare| spare.covers(span(page, level)));
    let mut at = range.start;
    while at < range.end {
        let (upper, end) = (machine.pte(root, index(at, 2)), span(at, 2).end.min(range.end));
        if upper.0 == 0 {
            at = end;
            continue;
        }
        let (middle, first) = (upper.ppn(), at);
        while at < end {
            let (pointer, leaf_end) =
                (machine.pte(middle, index(at, 1)), span(at, 1).end.min(range.end));
            if pointer.0 != 0 {
                let pages = PageRange::new(at, leaf_end);
                visitor.leaf(Leaf { table: pointer.ppn(), pages })?;
                if is_spare(at, 1) {
                    visitor.spare(middle, index(at, 1));
                }
            }
            at = leaf_end;
        }
        if is_spare(first, 2) {
            visitor.spare(root, index(first, 2));
        }
    }
    Ok(())
}

/// Changes an entry without losing what the hart does to its A and D meanwhile; the entry before.
pub(super) fn update<M: Machine>(
    machine: &M,
    table: Ppn,
    index: usize,
    mut pte: Pte,
    change: impl Fn(Pte) -> Pte,
) -> Pte {
    loop {
        match machine.exchange_pte(table, index, pte, change(pte)) {
            Ok(()) => return pte,
            Err(now) => pte = now,
        }
    }
}

/// The bits that say what an entry grants.
pub(super) const RIGHTS: Flags = Flags::R.with(Flags::W).with(Flags::X);

/// R, W and X of an entry whose page may not be written as it is. `prot` allows something.
pub(super) const fn rights_to_read(prot: Prot) -> Flags {
    let readable = if prot.readable() { Flags::R } else { Flags::NONE };
    let executable = if prot.exec { Flags::X } else { Flags::NONE };
    readable.with(executable)
}

/// R, W and X of an entry whose page may be written: never X with W, even if the area allows both;
/// a fetch then brings the one instead of the other.
pub(super) const RIGHTS_TO_WRITE: Flags = Flags::R.with(Flags::W);

/// A leaf for user mode, as a fault leaves it: accessed, and dirty if it is writable.
pub(super) const fn user_leaf(frame: Ppn, rights: Flags) -> Pte {
    let dirty = if rights.has(Flags::W) { Flags::D } else { Flags::NONE };
    Pte::new(frame, Flags::V.with(Flags::U).with(Flags::A).with(dirty).with(rights))
}
