//! [`Absent`]: what an entry of a leaf table says while V is clear. The hart looks at no other bit
//! then; `space/` writes these words and reads them back, the audit counts the cells in them.

use super::CellId;
use crate::pte::{Flags, Ppn, Pte};

/// Marks an entry that had V set and is on its way out: its other bits are as they were.
const LEAVING: Flags = Flags::U;
/// The marks that stand alone, beside [`CellId::absent_pte`].
const GUARD: Pte = Pte::new(Ppn(0), Flags::W);
const POISON: Pte = Pte::new(Ppn(0), Flags::X);

/// An entry with V clear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absent {
    /// Nothing: the area says what belongs here.
    Empty,
    /// This cell, in RAM or not, which counts the entry as a reference.
    Cell(CellId),
    /// Nothing, and nothing may come here.
    Guard,
    /// A page whose content is lost.
    Poison,
    /// Still in this frame for the TLBs: between the change of the entry and the fence. Only whoever
    /// holds the space's lock ever sees it. Pointers to tables leave in the same way.
    Leaving(Ppn),
}

impl Absent {
    /// What the entry says; `None` where V is set. A word that nobody writes is [`Absent::Poison`].
    #[inline]
    pub fn decode(pte: Pte) -> Option<Self> {
        if pte.is_valid() {
            return None;
        }
        Some(match pte {
            Pte(0) => Self::Empty,
            GUARD => Self::Guard,
            _ if pte.flags().has(LEAVING) => Self::Leaving(pte.ppn()),
            _ => CellId::of_absent_pte(pte).map_or(Self::Poison, Self::Cell),
        })
    }

    /// The entry that says so.
    pub const fn encode(self) -> Pte {
        match self {
            Self::Empty => Pte(0),
            Self::Cell(cell) => cell.absent_pte(),
            Self::Guard => GUARD,
            Self::Poison => POISON,
            Self::Leaving(frame) => Pte::new(frame, LEAVING),
        }
    }

    /// A valid entry, leaf or pointer, as it is while it leaves.
    pub const fn leaving(pte: Pte) -> Pte {
        pte.with_flags(pte.flags().without(Flags::V).with(LEAVING))
    }
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use super::*;

    fn cell(id: u32) -> Absent {
        Absent::Cell(CellId(NonZeroU32::new(id).expect("not zero")))
    }

    #[test]
    fn every_kind_comes_back_and_is_not_valid() {
        for absent in [
            Absent::Empty,
            cell(1),
            cell(u32::MAX),
            Absent::Guard,
            Absent::Poison,
            Absent::Leaving(Ppn(0)),
            Absent::Leaving(Ppn((1 << 44) - 1)),
        ] {
            let word = absent.encode();
            assert!(!word.is_valid(), "{absent:?}");
            assert_eq!(Absent::decode(word), Some(absent));
        }
        assert_eq!(Absent::Empty.encode(), Pte(0), "a zeroed table is empty");
    }

    #[test]
    fn whatever_leaves_is_found_again_with_its_other_bits() {
        let dirty = Flags::V | Flags::R | Flags::W | Flags::U | Flags::A | Flags::D;
        for pte in [Pte::new(Ppn(0x80123), dirty), Pte::table(Ppn(0x80123))] {
            let word = Absent::leaving(pte);
            assert_eq!(Absent::decode(word), Some(Absent::Leaving(Ppn(0x80123))));
            assert_eq!(word.flags().has(Flags::D), pte.flags().has(Flags::D));
        }
    }

    #[test]
    fn valid_entries_and_stray_words() {
        assert_eq!(Absent::decode(Pte::new(Ppn(1), Flags::V | Flags::R)), None);
        for stray in [0b10, 0b1110, 1 << 5, 1 << 63, 1 << 42 | 0b10] {
            assert_eq!(Absent::decode(Pte(stray)), Some(Absent::Poison), "{stray:#x}");
        }
    }
}
