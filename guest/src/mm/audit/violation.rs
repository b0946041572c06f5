//! [`Violation`]: what an audit may find, each in a line.

use core::fmt;

use super::super::cells::State;
use super::super::frames::check::Disagreement;
use super::super::frames::{Kind, List};
use super::super::{CellId, Owner, SlotId, Vpn};
use super::SpaceId;
use crate::pte::{Ppn, Pte};

/// Who says that a frame is his.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claimant {
    /// A table of which it is one.
    Table,
    /// The kernel.
    Kernel,
}

impl Claimant {
    /// All.
    pub(super) const ALL: [Claimant; 2] = [Claimant::Table, Claimant::Kernel];

    /// The owner that the frame then has.
    pub(super) const fn kind(self) -> Kind {
        match self {
            Claimant::Table => Kind::Table,
            Claimant::Kernel => Kind::Kernel,
        }
    }
}

/// Something that is wrong. `counted` is what the books say, `found` what the walk says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are named for what the line printed says of them")]
pub enum Violation {
    /// An entry that means nothing.
    Reserved { space: SpaceId, page: Vpn, pte: Pte },
    /// W and X in one leaf.
    WritableExecutable { space: SpaceId, page: Vpn, pte: Pte },
    /// A leaf of the user's half without U or with G, or one of the kernel's the other way round.
    WrongHalf { space: SpaceId, page: Vpn, pte: Pte },
    /// A leaf of the user's half for something that is not RAM.
    NotRam { space: SpaceId, page: Vpn, pte: Pte },
    /// The kernel's half of a space is not the kernel's.
    KernelHalf { space: SpaceId, page: Vpn, pte: Pte, want: Pte },
    /// A space miscounts what it has.
    Miscounted { space: SpaceId, what: &'static str, counted: u64, found: u64 },
    /// Something that is not RAM is claimed.
    ClaimedNotRam { frame: Ppn, claimant: Claimant },
    /// A frame is claimed too often, or never, or by the wrong one.
    Claims { frame: Ppn, owner: Owner, claimant: Claimant, times: u8 },
    /// Wrong count of PTEs.
    Mapped { frame: Ppn, owner: Owner, counted: u32, found: u32 },
    /// A frame is mapped or pinned that must not be.
    NotMappable { frame: Ppn, owner: Owner },
    /// Its owner does not have the frame.
    Abandoned { frame: Ppn, owner: Owner },
    /// The page of zeros is mapped for writing.
    WritableZeros,
    /// A frame is mapped for writing whose cell has several holders.
    WritableShared { frame: Ppn, cell: CellId, refs: u32 },
    /// Wrong count of absent entries that name a cell, or objects that hold it, or both do.
    Holders { cell: CellId, counted: u32, found: u32 },
    /// A cell lives that nothing names.
    Forgotten { cell: CellId },
    /// An absent entry names a cell that does not live.
    DeadCell { cell: CellId },
    /// A cell lives in a frame that is not its own.
    Homeless { cell: CellId, frame: Ppn },
    /// A frame is on a list where it does not belong, or not on that where it does.
    Misplaced { frame: Ppn, owner: Owner, want: Option<List>, found: Option<List> },
    /// A cell has no slot though it needs one, or one that is not its own.
    Slot { cell: CellId, state: State, slot: Option<SlotId> },
    /// Wrong count of slots in use.
    SlotCount { counted: u64, found: u64 },
    /// Wrong count of cells in this state.
    CellCount { state: State, counted: u64, found: u64 },
    /// Wrong count of frames with an owner of this kind.
    Count { kind: Kind, counted: u64, found: u64 },
    /// A list of free or idle frames is broken at this one.
    Lists { frame: Ppn },
    /// Some free frames are on no list.
    Unlisted { free: u64, listed: u64 },
    /// There is less or more than before.
    Leak { what: &'static str, before: u64, now: u64 },
    /// So many violations more.
    More(u64),
}

impl From<Disagreement> for Violation {
    fn from(disagreement: Disagreement) -> Self {
        match disagreement {
            Disagreement::Lists(frame) => Violation::Lists { frame },
            Disagreement::Count { kind, found, counted } => {
                Violation::Count { kind, counted, found }
            }
            Disagreement::Unlisted { free, listed } => Violation::Unlisted { free, listed },
        }
    }
}

/// One line.
impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Violation::Reserved { space, page, pte } => {
                write!(f, "{}: {pte:?} means nothing", At(space, page))
            }
            Violation::WritableExecutable { space, page, pte } => {
                write!(f, "{}: {pte:?} is writable and executable", At(space, page))
            }
            Violation::WrongHalf { space, page, pte } => {
                write!(f, "{}: {pte:?} has the other half's U or G", At(space, page))
            }
            Violation::NotRam { space, page, pte } => {
                write!(f, "{}: {pte:?} maps what is not RAM", At(space, page))
            }
            Violation::KernelHalf { space, page, pte, want } => {
                write!(f, "{}: {pte:?}, the kernel has {want:?}", At(space, page))
            }
            Violation::Miscounted { space, what, counted, found } => {
                write!(f, "space {space}: {what}: counted {counted}, found {found}")
            }
            Violation::ClaimedNotRam { frame, claimant } => {
                write!(f, "frame {:#x}: not RAM, but claimed: {claimant:?}", frame.0)
            }
            Violation::Claims { frame, owner, claimant, times } => {
                write!(f, "{}: claimed {times} times: {claimant:?}", Of(frame, owner))
            }
            Violation::Mapped { frame, owner, counted, found } => {
                write!(f, "{}: mapped: counted {counted}, found {found}", Of(frame, owner))
            }
            Violation::NotMappable { frame, owner } => {
                write!(f, "{}: mapped or pinned", Of(frame, owner))
            }
            Violation::Abandoned { frame, owner } => {
                write!(f, "{}: its owner does not have it", Of(frame, owner))
            }
            Violation::WritableZeros => f.write_str("the page of zeros is writable"),
            Violation::WritableShared { frame, cell, refs } => {
                let frame = frame.0;
                write!(f, "frame {frame:#x}: writable, but cell {} has {refs} holders", cell.0)
            }
            Violation::Holders { cell, counted, found } => {
                write!(f, "cell {}: holders: counted {counted}, found {found}", cell.0)
            }
            Violation::Forgotten { cell } => write!(f, "cell {}: lives, but unnamed", cell.0),
            Violation::DeadCell { cell } => write!(f, "cell {}: named, but dead", cell.0),
            Violation::Homeless { cell, frame } => {
                write!(f, "cell {}: frame {:#x} is not its own", cell.0, frame.0)
            }
            Violation::Misplaced { .. }
            | Violation::Slot { .. }
            | Violation::SlotCount { .. }
            | Violation::CellCount { .. } => self.fmt_swap(f),
            Violation::Count { kind, counted, found } => {
                write!(f, "{} frames: counted {counted}, found {found}", kind.name())
            }
            Violation::Lists { frame } => {
                write!(f, "lists: broken at frame {:#x}", frame.0)
            }
            Violation::Unlisted { free, listed } => {
                write!(f, "free lists: {free} frames are free, {listed} on lists")
            }
            Violation::Leak { what, before, now } => {
                write!(f, "leak: {what}: {before} before, {now} now")
            }
            Violation::More(more) => write!(f, "and {more} more"),
        }
    }
}

impl Violation {
    /// One line about slots, or about frames that might be taken.
    fn fmt_swap(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Violation::Misplaced { frame, owner, want, found } => {
                write!(f, "{}: on list {found:?} instead of {want:?}", Of(frame, owner))
            }
            Violation::Slot { cell, state, slot } => {
                write!(f, "cell {}: is {state:?} and has slot {slot:?}", cell.0)
            }
            Violation::SlotCount { counted, found } => {
                write!(f, "slots: counted {counted}, found {found}")
            }
            Violation::CellCount { state, counted, found } => {
                write!(f, "{state:?} cells: counted {counted}, found {found}")
            }
            _ => unreachable!("the others are printed above"),
        }
    }
}

/// A page of a space.
struct At(SpaceId, Vpn);

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "space {} page {:#x}", self.0, self.1.base())
    }
}

/// A frame of an owner.
struct Of(Ppn, Owner);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "frame {:#x} ({})", self.0.0, self.1.kind().name())
    }
}
