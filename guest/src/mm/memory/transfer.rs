//! Taking frames from cells, and bringing their content back. What moves the bytes is the
//! kernel's, and takes its time: between the beginning of a transfer and its end the cell is
//! [`Writing`](State::Writing) or [`Reading`](State::Reading), and the books are free.

use arrayvec::ArrayVec;

use super::super::cells::{State, TransferError, Wanted};
use super::super::counters::Event;
use super::super::frames::{Frames, List};
use super::super::policy::{Policy, Refault};
use super::super::swap::SlotId;
use super::super::{CellId, Class, Owner};
use super::{Memory, OutOfMemory};
use crate::pte::Ppn;

/// A cell that is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToWrite {
    /// Which.
    pub cell: CellId,
    /// Where its content is.
    pub frame: Ppn,
    /// Where it goes.
    pub slot: SlotId,
}

/// A cell that is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Returning {
    /// Where its content goes.
    pub frame: Ppn,
    /// Where it is.
    pub slot: SlotId,
    /// When it left, and what has come and gone since, for the policy.
    pub refault: Refault,
}

/// Why a cell is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadRefused {
    /// There is no frame for it.
    OutOfMemory,
    /// It is being read already.
    UnderWay,
    /// It is not in a slot alone: in RAM, lost, or gone, and perhaps another one already.
    NotSwapped,
}

/// What is to be done so that a slot gets empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evacuation {
    /// Nothing: it is.
    Empty,
    /// Its content is nowhere else: the cell has to be read.
    Read(CellId),
    /// A transfer is under way, or may be: the cell has to be waited for.
    Wait(CellId),
}

/// How many cells are looked at together for slots.
const CLUSTER_MAX: usize = 32;

impl Memory {
    /// Takes frames from so many cells whose content is in a slot, too, those first that nobody has
    /// wanted for longest; the frames are free. How many there were.
    pub fn steal(&mut self, frames: u32) -> u32 {
        let mut stolen = 0;
        while stolen < frames
            && let Some(frame) = self.frames.first_of(List::Standby)
        {
            self.evict(frame);
            stolen += 1;
        }
        stolen
    }

    /// Takes the frame from a cell if that can be done at once; whether it was.
    pub fn steal_from(&mut self, cell: CellId) -> bool {
        let frame = match self.cells.state(cell) {
            State::Resident => self.cells.frame(cell),
            _ => None,
        };
        let idle = frame.filter(|frame| self.frames.list_of(*frame) == Some(List::Standby));
        idle.map(|frame| self.evict(frame)).is_some()
    }

    /// Frames that were taken from their cells, wrapping.
    pub fn evictions(&self) -> u32 {
        self.evictions
    }

    /// What [`evictions`](Self::evictions) was when the cell's frame was taken, and the slot that
    /// has its content; `None` for one that is not in a slot alone.
    pub fn evicted(&self, cell: CellId) -> Option<(u32, SlotId)> {
        Some((self.cells.stamp(cell)?, self.cells.slot(cell)?))
    }

    /// Takes an idle frame from its cell, a slot of which has the content.
    fn evict(&mut self, frame: Ppn) {
        let cell = self.frames.owner(frame).cell().expect("only cells' frames are idle");
        self.frames.delist(frame);
        let mark = self.cells.evict(cell, self.evictions);
        self.policy.evicted(mark);
        self.evictions = self.evictions.wrapping_add(1);
        self.frames.free(frame);
        self.counters.count(Event::Stolen);
    }

    #[cold]
    #[inline(never)]
    pub(super) fn alloc_stolen(&mut self, class: Class, owner: Owner) -> Result<Ppn, OutOfMemory> {
        match self.frames.lacking(1, class) {
            // It was refused for another reason.
            0 => Err(OutOfMemory),
            lacking if self.steal(lacking) < lacking => Err(OutOfMemory),
            _ => self.frames.alloc(class, owner),
        }
    }

    /// Begins to write cells whose content is nowhere but in idle frames, those first that nobody
    /// has wanted for longest: to slots in a row. How many; 0: there are none, or no slots.
    ///
    /// The caller sees to it that the frames' content gets into the slots, and calls
    /// [`written`](Self::written) for each.
    pub fn take_for_writing(&mut self, out: &mut [ToWrite]) -> usize {
        let most = out.len().min(CLUSTER_MAX);
        let mut cells = ArrayVec::<CellId, CLUSTER_MAX>::new();
        let mut next = self.frames.first_of(List::Modified);
        while cells.len() < most
            && let Some(frame) = next
        {
            cells.extend(self.frames.owner(frame).cell());
            next = self.frames.next_listed(frame);
        }
        self.begin_to_write(&cells, out)
    }

    /// The same of those of these cells whose content is nowhere but in idle frames, in this order.
    pub fn take_these_for_writing(&mut self, cells: &[CellId], out: &mut [ToWrite]) -> usize {
        let is_modified = |cell: &CellId| {
            let frame = self.cells.frame(*cell);
            frame.is_some_and(|frame| self.frames.list_of(frame) == Some(List::Modified))
        };
        let most = out.len().min(CLUSTER_MAX);
        let cells: ArrayVec<CellId, CLUSTER_MAX> =
            cells.iter().copied().filter(is_modified).take(most).collect();
        self.begin_to_write(&cells, out)
    }

    /// Begins to write cells whose frames are on the list of modified ones.
    fn begin_to_write(&mut self, cells: &[CellId], out: &mut [ToWrite]) -> usize {
        let mut slots = [SlotId::FIRST; CLUSTER_MAX];
        let given = self.slots.alloc_cluster(cells, &mut slots[..cells.len()]);
        for (out, (cell, slot)) in out.iter_mut().zip(cells.iter().zip(slots)).take(given) {
            let frame = self.cells.write(*cell, slot);
            self.frames.delist(frame);
            *out = ToWrite { cell: *cell, frame, slot };
        }
        given
    }

    /// A transfer that [`take_for_writing`](Self::take_for_writing) has begun has ended. A slot that
    /// could not be written is never used again; the cell is written to another one later.
    pub fn written(&mut self, cell: CellId, result: Result<(), TransferError>) {
        let (frame, slot) = self.cells.written(cell, result);
        match (slot, result) {
            (Some(slot), Err(TransferError)) => self.retire(slot),
            (Some(slot), Ok(())) => self.slots.free(slot),
            (None, _) => {}
        }
        if result.is_ok() {
            self.counters.count(Event::SwapOut);
        }
        self.settle(cell, frame);
    }

    /// Begins to read a cell. The caller sees to it that the slot's content gets into the frame, and
    /// calls [`read_done`](Self::read_done).
    ///
    /// # Errors
    /// [`ReadRefused`]; nothing has changed then. The cell need not live: whoever has learnt of it
    /// from [`Trouble`](super::super::space::Trouble) or [`PageError`](super::super::PageError) may
    /// be late.
    pub fn begin_read(
        &mut self,
        cell: CellId,
        class: Class,
        wanted: Wanted,
    ) -> Result<Returning, ReadRefused> {
        match self.cells.state(cell) {
            State::Swapped => {}
            State::Reading => return Err(ReadRefused::UnderWay),
            _ => return Err(ReadRefused::NotSwapped),
        }
        let owner = self.cells.owner(cell);
        let frame = self.alloc(class, owner).map_err(|OutOfMemory| ReadRefused::OutOfMemory)?;
        let (slot, stamp) = self.cells.read(cell, frame, wanted);
        let refault = Refault {
            now: self.arrivals,
            distance: self.evictions.wrapping_sub(stamp),
            resident: self.resident(),
        };
        self.arrivals = self.arrivals.wrapping_add(1);
        if wanted == Wanted::Now {
            self.counters.count(Event::Refault);
        }
        self.policy.returned(self.cells.mark_mut(cell), refault);
        Ok(Returning { frame, slot, refault })
    }

    /// A transfer that [`begin_read`](Self::begin_read) has begun has ended. What could not be read
    /// is lost, and its slot is never used again, unless nobody has asked for it: see
    /// [`read_given_up`](Self::read_given_up). A frame that was [pinned](Self::pin) meanwhile, so
    /// that whoever waits finds the content there, ends with its pin then.
    pub fn read_done(&mut self, cell: CellId, result: Result<(), TransferError>) {
        if result.is_err() && self.cells.is_ahead(cell) {
            return self.read_given_up(cell);
        }
        if result.is_ok() {
            self.counters.count(Event::SwapIn);
            if self.cells.is_ahead(cell) {
                self.counters.count(Event::ReadAhead);
            }
        }
        let (frame, slot) = self.cells.read_done(cell, result);
        match slot {
            Some(slot) => {
                self.retire(slot);
                self.counters.count(Event::Lost);
                self.take_back(frame);
                self.end_if_forgotten(cell);
            }
            None => self.settle(cell, frame),
        }
    }

    /// A transfer that [`begin_read`](Self::begin_read) has begun has failed, but that may be the
    /// fault of others that it concerned, or nobody has asked for the page: it is where it was, and
    /// is read once more, for itself, when somebody wants it.
    pub fn read_given_up(&mut self, cell: CellId) {
        let (frame, mark) = self.cells.give_up(cell, self.evictions);
        self.policy.evicted(mark);
        self.take_back(frame);
        self.end_if_forgotten(cell);
    }

    /// A frame has not got the content of its cell, and is not the cell's any more.
    fn take_back(&mut self, frame: Ppn) {
        if self.frames.pins(frame) == 0 {
            self.frames.free(frame);
        } else {
            self.frames.set_owner(frame, Owner::Kernel);
        }
    }

    /// A slot has failed.
    fn retire(&mut self, slot: SlotId) {
        self.slots.retire(slot);
        self.counters.count(Event::Retired);
    }

    /// Nobody works on the content of the cell any more: what becomes of it, and of its frame.
    #[inline(never)]
    pub(super) fn settle(&mut self, cell: CellId, frame: Ppn) {
        if !self.end_if_forgotten(cell) {
            self.rest(cell, frame);
        }
    }

    /// What has to be done so that a slot gets empty whose area is switched off, and gives out
    /// none; what can be done at once is.
    pub fn evacuate(&mut self, slot: SlotId) -> Evacuation {
        let Some(cell) = self.slots.cell_of(slot) else { return Evacuation::Empty };
        match self.cells.state(cell) {
            State::Swapped => Evacuation::Read(cell),
            State::Reading | State::Writing => Evacuation::Wait(cell),
            // Somebody may be reading the slot for itself.
            _ if self.cells.keepers(cell) > 0 => Evacuation::Wait(cell),
            State::Resident | State::Lost | State::Dead | State::Home => {
                self.spoil(cell);
                Evacuation::Empty
            }
        }
    }

    /// Frames of cells that the hand meets, about: neither idle nor on their way.
    pub fn mapped(&self) -> u32 {
        let idle = self.frames.listed(List::Modified) + self.frames.listed(List::Standby);
        let moving = self.cells.count(State::Writing) + self.cells.count(State::Reading);
        self.resident().saturating_sub((idle + moving) as u32)
    }

    /// Frames that cells have.
    pub fn resident(&self) -> u32 {
        Frames::CELLS.iter().map(|kind| self.frames.count(*kind) as u32).sum()
    }
}
