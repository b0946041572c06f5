//! [`CellId`]: the name of a cell, and how an entry of a page table bears it.

use core::num::NonZeroU32;

use crate::pte::{Flags, Ppn, Pte};

/// Names a cell; fits into an absent PTE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId(pub NonZeroU32);

impl CellId {
    /// In an absent entry, where a present one has R: the page number is a cell's.
    const TAG: Flags = Flags::R;

    /// The absent entry that names the cell.
    pub const fn absent_pte(self) -> Pte {
        Pte::new(Ppn(self.0.get() as u64), Self::TAG)
    }

    /// The cell that an absent entry names.
    pub fn of_absent_pte(pte: Pte) -> Option<Self> {
        let id = u32::try_from(pte.ppn().0).ok().and_then(NonZeroU32::new).map(Self)?;
        (pte == id.absent_pte()).then_some(id)
    }

    pub(super) fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}
