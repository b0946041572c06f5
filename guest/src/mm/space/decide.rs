//! What a page fault does: [`decide`], a pure function of what the area allows, what the entry
//! holds and what was tried. `fault.rs` carries it out.

use super::{Absent, Access, Flags, Memory, Owner, Prot, Pte, Sharing, Trouble};

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
    /// Anonymous memory with so many references.
    Anon { refs: u32 },
    /// An object's page.
    Object,
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
    /// Anonymous memory that is in RAM, without V.
    Hidden { refs: u32 },
    /// A mapped page, which grants these of R, W and X.
    Mapped { content: Content, rights: Flags },
}

impl Kind {
    /// What the books say of this word.
    pub(super) fn of(memory: &Memory, word: Pte) -> Self {
        match Absent::decode(word) {
            None => Self::Mapped {
                content: match memory.frames.owner(word.ppn()) {
                    Owner::Anon(cell) => Content::Anon { refs: memory.refs(cell) },
                    Owner::Zero => Content::Zero,
                    Owner::Object | Owner::Orphan => Content::Object,
                    other => panic!("frame {:#x} of {other:?} is a user's", word.ppn().base()),
                },
                rights: word.flags(),
            },
            Some(Absent::Empty) => Self::Empty,
            Some(Absent::Guard) => Self::Guard,
            Some(Absent::Cell(cell)) if memory.cells.frame(cell).is_some() => {
                Self::Hidden { refs: memory.refs(cell) }
            }
            Some(Absent::Cell(_) | Absent::Poison) => Self::Lost,
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
/// [`Trouble::Denied`], [`Trouble::NotMapped`], [`Trouble::Bus`].
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
        Kind::Hidden { .. } if !store => Ok(FaultAction::Rescue),
        Kind::Hidden { refs: 1 } => Ok(FaultAction::RescueToWrite),
        Kind::Hidden { .. } => Ok(FaultAction::CopyHidden),
        Kind::Mapped { rights, .. } if rights.has(needed(access)) => Ok(FaultAction::Touch),
        Kind::Mapped { content, .. } if store => Ok(match content {
            Content::Zero => FaultAction::FillZero,
            Content::Anon { refs: 1 } => FaultAction::Reuse,
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
