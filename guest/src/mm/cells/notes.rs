//! What is noted of a cell for somebody who asks later: that it was read before anybody wanted it,
//! for the counters; that it was accessed, for the policy that is asked next.

use super::{AHEAD, Cells, YOUNG};
use crate::mm::CellId;

impl Cells {
    /// Whether it is or was read before anybody has asked for it.
    pub(in crate::mm) fn is_ahead(&self, cell: CellId) -> bool {
        self.cells[cell.index()].flags & AHEAD != 0
    }

    /// Somebody asks for its content; whether it had been read ahead, and nobody had asked before.
    pub(in crate::mm) fn meet(&mut self, cell: CellId) -> bool {
        self.take(cell, AHEAD)
    }

    /// Its accessed bit was set, and somebody has cleared it who does not ask the policy.
    pub(in crate::mm) fn note_access(&mut self, cell: CellId) {
        self.cells[cell.index()].flags |= YOUNG;
    }

    /// Whether it has been [accessed](Self::note_access) since the policy was last asked, which it
    /// now is.
    pub(in crate::mm) fn take_access(&mut self, cell: CellId) -> bool {
        self.take(cell, YOUNG)
    }

    fn take(&mut self, cell: CellId, flag: u8) -> bool {
        let entry = &mut self.cells[cell.index()];
        let was_set = entry.flags & flag != 0;
        entry.flags &= !flag;
        was_set
    }
}
