//! [`Operation`]: what happens to a [`World`](super::world::World).

use super::world::{Place, SPACES};
use crate::mm::cells::TransferError;

/// How a transfer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Failed,
    /// A read only: it failed, together with others.
    GivenUp,
}

impl Outcome {
    pub(super) fn result(self) -> Result<(), TransferError> {
        if self == Self::Done { Ok(()) } else { Err(TransferError) }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Read(Place),
    Write(Place),
    /// The page's frame is taken from it, but the cell keeps it.
    Trim(Place),
    Discard(Place),
    Fork(usize),
    Unmap(usize),
    BeginWrite,
    EndWrite(usize, Outcome),
    BeginRead(Place),
    EndRead(usize, Outcome),
    /// Somebody needs a frame and gives it back.
    Steal,
    /// A store needs a copy of what is in swap.
    BeginCopy(Place),
    EndCopy,
    /// The area is being switched off.
    Evacuate(u32),
}

impl Operation {
    pub(super) fn all(pages: usize, slots: usize) -> impl Iterator<Item = Self> {
        let places = (0..SPACES).flat_map(move |space| (0..pages).map(move |page| (space, page)));
        let of_place = |place| {
            [
                Self::Read(place),
                Self::Write(place),
                Self::Trim(place),
                Self::Discard(place),
                Self::BeginRead(place),
                Self::BeginCopy(place),
            ]
        };
        let transfers = (0..slots).flat_map(|nth| {
            let ends = [Outcome::Done, Outcome::Failed].into_iter();
            let ends = ends.flat_map(move |outcome| {
                [Self::EndWrite(nth, outcome), Self::EndRead(nth, outcome)]
            });
            ends.chain([Self::EndRead(nth, Outcome::GivenUp)])
        });
        places
            .flat_map(of_place)
            .chain((0..SPACES).flat_map(|space| [Self::Fork(space), Self::Unmap(space)]))
            .chain(transfers)
            .chain((1..=slots as u32).map(Self::Evacuate))
            .chain([Self::BeginWrite, Self::Steal, Self::EndCopy])
    }

    /// Whether it needs a swap area.
    pub(super) fn is_transfer(self) -> bool {
        !matches!(
            self,
            Self::Read(_)
                | Self::Write(_)
                | Self::Trim(_)
                | Self::Discard(_)
                | Self::Fork(_)
                | Self::Unmap(_)
        )
    }

    /// Whether it is a device that fails.
    pub(super) fn is_failure(self) -> bool {
        matches!(
            self,
            Self::EndWrite(_, Outcome::Failed)
                | Self::EndRead(_, Outcome::Failed | Outcome::GivenUp)
        )
    }
}
