//! Pages of files: their content has a home in the file, where the file system writes it and reads
//! it again. A page is clean while its home has the same content, and changed otherwise.
//!
//! An evicted one is [`Home`](super::State::Home) until its file, which alone can read it, lets go
//! of it: so there must be more cells than frames where there are files.

use super::{Cells, Event, FILE, HOME, State};
use crate::mm::CellId;
use crate::mm::frames::List;

/// Pages of files in RAM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub resident: u32,
    /// Those whose home has not the same content.
    pub changed: u32,
}

impl Counts {
    /// One less in RAM, which had this instead of a slot.
    pub(super) fn lose(&mut self, slot: u32) {
        self.resident -= 1;
        self.changed -= u32::from(slot == 0);
    }
}

impl Cells {
    /// It is a file's, and its home has the same content.
    pub(in crate::mm) fn give_to_file(&mut self, cell: CellId) {
        let entry = &mut self.cells[cell.index()];
        entry.step(Event::Save);
        assert!(entry.slot == 0 && entry.flags & FILE == 0, "{cell:?} is somebody's already");
        entry.flags |= FILE;
        entry.slot = HOME;
        self.files.resident += 1;
    }

    /// Its home will have the content that it has now; whether it has had another one.
    pub(in crate::mm) fn save(&mut self, cell: CellId) -> bool {
        let entry = &mut self.cells[cell.index()];
        if entry.flags & FILE == 0 || entry.state != State::Resident || entry.slot == HOME {
            return false;
        }
        entry.step(Event::Save);
        entry.slot = HOME;
        self.files.changed -= 1;
        true
    }

    /// As [`list`](Self::list); `None` also where it has no holder.
    #[inline]
    pub(in crate::mm) fn list_if_held(&self, cell: CellId) -> Option<List> {
        self.list(cell).filter(|_| self.holders(cell) > 0)
    }

    /// Which list the frame belongs on that the cell has, if nobody uses it.
    #[inline]
    pub(in crate::mm) fn list(&self, cell: CellId) -> Option<List> {
        let entry = &self.cells[cell.index()];
        let list = match entry.slot {
            0 if entry.flags & FILE != 0 => List::Changed,
            0 => List::Modified,
            _ => List::Standby,
        };
        (entry.state == State::Resident).then_some(list)
    }

    /// Whether it is a file's page.
    pub fn is_file(&self, cell: CellId) -> bool {
        self.cells[cell.index()].flags & FILE != 0
    }

    /// Whether a slot, or its file, has the same content.
    #[inline]
    pub fn has_copy(&self, cell: CellId) -> bool {
        self.cells[cell.index()].slot != 0
    }

    /// Pages of files in RAM.
    pub fn files(&self) -> Counts {
        self.files
    }
}
