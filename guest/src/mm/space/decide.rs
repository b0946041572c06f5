//! What a page fault does: [`decide`], a pure function of what the area allows, what the entry
//! holds and what was tried. `fault.rs` carries it out.

use super::{Absent, Access, CellId, Flags, Memory, Ppn, Prot, Pte, ReadHow, Sharing, Trouble};
use crate::mm::cells::State;
use crate::mm::frames::Kind as Owned;

/// What is behind the pages of an area that nobody has written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Zeros.
    Zeros,
    /// An object.
    Object,
}

/// What a decision needs to know of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Area {
    pub(super) prot: Prot,
    pub(super) sharing: Sharing,
    pub(super) source: Source,
}

/// What is in the frame that a valid entry maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// The page of zeros.
    Zero,
    /// Anonymous memory with so many sharers, of which there is a slot, too, or is not.
    Anon { refs: u32, has_slot: bool },
    /// An object's page.
    Object,
}

impl Content {
    /// What the books say of this frame.
    #[inline]
    fn of(memory: &Memory, frame: Ppn) -> Self {
        let meta = memory.frames.look(frame);
        match (meta.kind(), meta.cell()) {
            (Owned::Anon, Some(cell)) => {
                let (claims, has_slot) = memory.cells.claims_and_slot(cell);
                Self::Anon { refs: meta.mapped() + claims, has_slot }
            }
            (Owned::Object, _) => Self::Object,
            (Owned::Zero, _) => Self::Zero,
            (other, _) => panic!("frame {:#x} of {other:?} is a user's", frame.base()),
        }
    }
}

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing yet.
    Empty,
    /// Nothing, ever.
    Guard,
    /// Content that is lost.
    Lost,
    /// Anonymous memory that is in RAM, without V, with so many sharers.
    Hidden { refs: u32 },
    /// Anonymous memory that is in swap alone, with so many sharers.
    Swapped { cell: CellId, refs: u32 },
    /// Anonymous memory that is being read.
    Reading { cell: CellId },
    /// A mapped page, which grants these of R, W and X.
    Mapped { content: Content, rights: Flags },
}

impl Kind {
    /// Whether it is mapped anonymous memory of which there is a slot, too.
    #[inline]
    pub(super) const fn has_slot(self) -> bool {
        matches!(self, Self::Mapped { content: Content::Anon { has_slot: true, .. }, .. })
    }

    /// What the books say of this word.
    pub(super) fn of(memory: &Memory, word: Pte) -> Self {
        match Absent::decode(word) {
            None => Self::Mapped { content: Content::of(memory, word.ppn()), rights: word.flags() },
            Some(Absent::Empty) => Self::Empty,
            Some(Absent::Guard) => Self::Guard,
            Some(Absent::Cell(cell)) => match memory.cells.state(cell) {
                State::Resident | State::Writing => Self::Hidden { refs: memory.sharers(cell) },
                State::Swapped => Self::Swapped { cell, refs: memory.sharers(cell) },
                State::Reading => Self::Reading { cell },
                State::Dead | State::Lost | State::Home => Self::Lost,
            },
            Some(Absent::Poison) => Self::Lost,
            Some(Absent::Leaving(_)) => unreachable!("nothing leaves while the space is locked"),
        }
    }
}

/// How a fault is repaired.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum FaultAction {
    /// Map the page of zeros.
    MapZero,
    /// Map a new cell of zeros; instead of what is mapped, if something is.
    FillZero,
    /// Map the object's page for reading.
    MapObject,
    /// Map a new cell with a copy of the object's page.
    CopyObject,
    /// Map the object's page for writing, which makes it dirty.
    ShareObject,
    /// Map a new cell with a copy of the page that is mapped.
    CopyMapped,
    /// Make the entry writable: nobody else has the page.
    Reuse,
    /// Map a hidden cell for reading.
    Rescue,
    /// Map a hidden cell that nobody else has so that it may be written, but is not yet.
    RescueClean,
    /// Map a hidden cell for writing: nobody else has it.
    RescueToWrite,
    /// Map a new cell with a copy of a hidden one.
    CopyHidden,
    /// Give the entry the rights of a page that is read and fetched, which takes W from it.
    Flip,
    /// Set A, and D for a store: the entry grants the access.
    Touch,
}

impl FaultAction {
    /// Whether it takes a new cell.
    pub(super) const fn makes_cell(self) -> bool {
        matches!(self, Self::FillZero | Self::CopyObject | Self::CopyMapped | Self::CopyHidden)
    }
}

/// What a fault for `access` does in `area` with an entry of this kind.
///
/// # Errors
/// [`Trouble::Denied`], [`Trouble::NotMapped`], [`Trouble::Bus`], [`Trouble::Swapped`],
/// [`Trouble::Busy`].
#[inline]
pub(super) fn decide(area: Area, kind: Kind, access: Access) -> Result<FaultAction, Trouble> {
    let allowed = match access {
        Access::Load => area.prot.readable(),
        Access::Store => area.prot.write,
        Access::Fetch => area.prot.exec,
    };
    if !allowed {
        return Err(Trouble::Denied);
    }
    let store = access == Access::Store;
    match kind {
        Kind::Guard => Err(Trouble::NotMapped),
        Kind::Lost => Err(Trouble::Bus),
        Kind::Empty => Ok(first_touch(area, access)),
        Kind::Reading { cell } => Err(Trouble::Busy(cell)),
        Kind::Swapped { cell, refs } => {
            let how = if store && refs > 1 { ReadHow::Private } else { ReadHow::Whole };
            Err(Trouble::Swapped { cell, how })
        }
        Kind::Hidden { refs: 1 } if access == Access::Load && area.prot.write => {
            Ok(FaultAction::RescueClean)
        }
        Kind::Hidden { .. } if !store => Ok(FaultAction::Rescue),
        Kind::Hidden { refs: 1 } => Ok(FaultAction::RescueToWrite),
        Kind::Hidden { .. } => Ok(FaultAction::CopyHidden),
        Kind::Mapped { rights, .. } if rights.has(needed(access)) => Ok(FaultAction::Touch),
        Kind::Mapped { content, .. } if store => Ok(match content {
            Content::Zero => FaultAction::FillZero,
            Content::Anon { refs: 1, .. } => FaultAction::Reuse,
            Content::Object if area.sharing == Sharing::Shared => FaultAction::ShareObject,
            Content::Anon { .. } | Content::Object => FaultAction::CopyMapped,
        }),
        Kind::Mapped { .. } => Ok(FaultAction::Flip),
    }
}

/// The right that an entry must grant.
const fn needed(access: Access) -> Flags {
    match access {
        Access::Load => Flags::R,
        Access::Store => Flags::W,
        Access::Fetch => Flags::X,
    }
}

/// What happens where nothing is yet.
fn first_touch(area: Area, access: Access) -> FaultAction {
    match (area.source, area.sharing, access) {
        (Source::Zeros, _, Access::Store) => FaultAction::FillZero,
        (Source::Zeros, _, _) => FaultAction::MapZero,
        (Source::Object, Sharing::Private, Access::Store) => FaultAction::CopyObject,
        (Source::Object, Sharing::Shared, Access::Store) => FaultAction::ShareObject,
        (Source::Object, _, _) => FaultAction::MapObject,
    }
}

#[cfg(test)]
mod tests;
