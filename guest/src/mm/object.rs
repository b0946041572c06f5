//! [`Pages`]: the pages of an object, by number: a file's in memory, a shared segment's.
//!
//! A page that is not there is a hole and costs nothing (`object/tree.rs`). The others are cells
//! that the object holds, which may lose their frames as anonymous ones do; those that processes
//! still map when the object lets go of them end with their last mapping.

mod tree;

use core::ops::{Range, RangeInclusive};

use self::tree::Tree;
use super::cells::State;
use super::{CellId, Class, Machine, ObjectAccess, PageError, Use};
use crate::pte::Ppn;

/// Pages by number. Its owner holds a lock while it calls, and lets go of all pages before it
/// drops this.
#[derive(Debug, Default)]
pub struct Pages {
    cells: Tree,
}

impl ObjectAccess {
    /// What it means for a page that is there.
    const fn usage(self) -> Use {
        match self {
            Self::Read | Self::IfPresent => Use::Read,
            Self::Write => Use::Write,
        }
    }
}

impl Pages {
    /// Page `index`, mapped once more, as [`Machine::object_page`] wants it.
    ///
    /// # Errors
    /// Never [`PageError::BeyondEnd`]: whoever owns this knows the size.
    pub fn map_page(
        &mut self,
        machine: &impl Machine,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        if let Some(cell) = self.cell(index) {
            let page = machine.memory(|memory| memory.map_object(cell, access.usage()));
            return match page {
                Err(PageError::Swapped(_) | PageError::AtHome)
                    if access == ObjectAccess::IfPresent =>
                {
                    Err(PageError::Absent)
                }
                page => page,
            };
        }
        let frame = self.new_page(machine, index, access)?;
        machine.memory(|memory| {
            memory.frames.map(frame);
            memory.unpin(frame);
        });
        Ok(frame)
    }

    /// Those pages from `first` on that are in RAM, as many as `frames` has room for, each mapped once
    /// more, as [`Machine::object_pages`] wants them.
    pub fn map_present(&self, machine: &impl Machine, first: u64, frames: &mut [Option<Ppn>]) {
        machine.memory(|memory| {
            self.cells.each(first, frames.len(), |place, cell| {
                frames[place] = memory.map_object(cell, Use::Read).ok();
            });
        });
    }

    /// Page `index`, pinned for reading or writing its content past all PTEs, under the owner's
    /// lock; [`unpin_page`](Self::unpin_page) ends that. A hole becomes a page of zeros, unless only
    /// [what is there](ObjectAccess::IfPresent) is to be read.
    ///
    /// # Errors
    /// As [`map_page`](Self::map_page); what is in swap is [`PageError::Swapped`] for any access.
    pub fn pin_page(
        &mut self,
        machine: &impl Machine,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        match self.cell(index) {
            Some(cell) => machine.memory(|memory| memory.pin_object(cell, access.usage())),
            None => self.new_page(machine, index, access),
        }
    }

    /// The end of [`pin_page`](Self::pin_page). The page is the last that is taken away.
    pub fn unpin_page(machine: &impl Machine, frame: Ppn) {
        machine.memory(|memory| memory.unpin(frame));
    }

    /// The cell that is page `index`, if it is no hole.
    pub fn cell(&self, index: u64) -> Option<CellId> {
        self.cells.get(index)
    }

    /// Whether page `index` is in RAM.
    pub fn is_resident(&self, machine: &impl Machine, index: u64) -> bool {
        let in_ram = |cell| machine.memory(|memory| memory.cells.frame(cell).is_some());
        self.cell(index).is_some_and(in_ram)
    }

    /// Takes a frame that is the caller's (owner Kernel) as page `index`, which is a hole.
    ///
    /// # Errors
    /// [`PageError::OutOfMemory`]; the frame remains the caller's.
    pub fn adopt(
        &mut self,
        machine: &impl Machine,
        index: u64,
        frame: Ppn,
    ) -> Result<(), PageError> {
        let cell = machine.memory(|memory| {
            let cell = memory.cell_of_frame(frame)?;
            memory.hold_as_object(cell, frame);
            Ok(cell)
        });
        let cell = cell.map_err(|_: super::OutOfMemory| PageError::OutOfMemory)?;
        let inserted = self.cells.insert(index, cell);
        machine.memory(|memory| match inserted {
            Ok(()) => {
                memory.unpin(frame);
                Ok(())
            }
            Err(_) => {
                memory.disown(cell);
                Err(PageError::OutOfMemory)
            }
        })
    }

    /// Takes a frame that is the caller's (owner Kernel) as page `index` of a file, which has the
    /// same content; it is pinned until the caller [unpins](Self::unpin_page) it. The page is a hole,
    /// or was evicted.
    ///
    /// # Errors
    /// [`PageError::OutOfMemory`]; the frame remains the caller's.
    pub fn adopt_file(
        &mut self,
        machine: &impl Machine,
        index: u64,
        frame: Ppn,
    ) -> Result<(), PageError> {
        self.punch(machine, index..index + 1);
        let cell = machine.memory(|memory| {
            let cell = memory.cell_of_frame(frame)?;
            memory.hold_as_object(cell, frame);
            memory.hold_as_file(cell);
            Ok(cell)
        });
        let cell = cell.map_err(|_: super::OutOfMemory| PageError::OutOfMemory)?;
        if self.cells.insert(index, cell).is_err() {
            machine.memory(|memory| memory.disown(cell));
            return Err(PageError::OutOfMemory);
        }
        Ok(())
    }

    /// Whether page `index` of a file was evicted, and has to be read again; a hole has, too.
    pub fn is_away(&self, machine: &impl Machine, index: u64) -> bool {
        let is_home = |cell| machine.memory(|memory| memory.cells.state(cell) == State::Home);
        self.cell(index).is_none_or(is_home)
    }

    /// Lets go of those of these pages that were evicted, so that their cells end.
    pub fn forget_evicted(&mut self, machine: &impl Machine, pages: &[u64]) {
        for index in pages {
            if self.is_away(machine, *index) {
                self.punch(machine, *index..index + 1);
            }
        }
    }

    /// Lets go of the pages from `first` on.
    pub fn truncate(&mut self, machine: &impl Machine, first: u64) {
        self.remove(machine, first..=u64::MAX);
    }

    /// Lets go of these pages, which are holes then.
    pub fn punch(&mut self, machine: &impl Machine, pages: Range<u64>) {
        if !pages.is_empty() {
            self.remove(machine, pages.start..=pages.end - 1);
        }
    }

    fn remove(&mut self, machine: &impl Machine, pages: RangeInclusive<u64>) {
        self.cells.remove(pages, &mut |cell| {
            machine.memory(|memory| memory.release_cell(cell));
        });
    }

    /// How many pages are there, in RAM or in swap.
    pub fn count(&self) -> u64 {
        self.cells.count()
    }

    /// The first page that is there, from `first` on, of which `is_it` is true.
    pub fn find(&self, first: u64, is_it: &mut dyn FnMut(CellId) -> bool) -> Option<u64> {
        self.cells.find(first, is_it)
    }

    /// Calls `visit` with number and cell of each page that is there, upwards.
    pub fn for_each(&self, visit: &mut dyn FnMut(u64, CellId)) {
        self.cells.for_each(visit);
    }

    /// A page of zeros where a hole is, pinned.
    fn new_page(
        &mut self,
        machine: &impl Machine,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        if access == ObjectAccess::IfPresent {
            return Err(PageError::Absent);
        }
        let made = machine.memory(|memory| memory.new_object_cell(Class::User));
        let (cell, frame) = made.map_err(|_| PageError::OutOfMemory)?;
        machine.zero(frame);
        if self.cells.insert(index, cell).is_err() {
            machine.memory(|memory| {
                memory.release_cell(cell);
                memory.unpin(frame);
            });
            return Err(PageError::OutOfMemory);
        }
        Ok(frame)
    }
}

#[cfg(test)]
mod tests;
