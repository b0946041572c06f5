//! [`Memory`]: the books on frames, cells and slots together, and the steps that change several of
//! them. `memory/transfer.rs` has those that take frames from cells and bring content back.

use super::cells::{Cells, Sort, State};
use super::counters::{Counters, Event};
use super::frames::{Frames, Kind, List};
use super::policy::{self, Mark, Replacement};
use super::swap::SwapAreas;
use super::{CellId, Class, Owner, PageError};
use crate::pte::{Flags, Ppn, Pte};

mod transfer;

pub use transfer::{Evacuation, ReadRefused, Returning, ToWrite};

/// Neither a frame nor a cell to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// What somebody wants to do to a page past all PTEs, or by a PTE that is dirty from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// Look at it.
    Read,
    /// Change it.
    Write,
}

/// The books.
#[derive(Debug)]
pub struct Memory {
    /// Frames.
    pub frames: Frames,
    /// Cells.
    pub cells: Cells,
    /// Slots.
    pub slots: SwapAreas,
    /// What has happened.
    pub counters: Counters,
    /// Which pages have to leave.
    pub policy: Replacement,
    zero: Ppn,
    /// Pages that have come in, wrapping.
    arrivals: u32,
    /// Frames that were taken from their cells, wrapping.
    evictions: u32,
}

impl Memory {
    /// Books on these frames and cells. The caller fills [`zero_frame`](Self::zero_frame).
    ///
    /// # Errors
    /// [`OutOfMemory`]: there is not even a frame for zeros.
    pub fn new(mut frames: Frames, cells: Cells) -> Result<Self, OutOfMemory> {
        let zero = frames.alloc(Class::Atomic, Owner::Zero)?;
        Ok(Self {
            frames,
            cells,
            slots: SwapAreas::new(),
            counters: Counters::default(),
            policy: Replacement::new(policy::Kind::ClockPro),
            zero,
            arrivals: 0,
            evictions: 0,
        })
    }

    /// A frame, as [`Frames::alloc`], but if need be one that is taken from its cell.
    ///
    /// # Errors
    /// None is free above the class's watermark, nor idle with its content in a slot.
    #[inline]
    pub fn alloc(&mut self, class: Class, owner: Owner) -> Result<Ppn, OutOfMemory> {
        match self.frames.alloc(class, owner) {
            Ok(frame) => Ok(frame),
            Err(OutOfMemory) => self.alloc_stolen(class, owner),
        }
    }

    /// Contiguous frames, as [`Frames::alloc_block`], but if need be some are taken from their cells.
    ///
    /// # Errors
    /// There is no such block, or it would leave too few.
    pub fn alloc_block(
        &mut self,
        order: u8,
        class: Class,
        owner: Owner,
    ) -> Result<Ppn, OutOfMemory> {
        let lacking = self.frames.lacking(1 << order.min(super::frames::MAX_ORDER), class);
        if lacking > 0 {
            self.steal(lacking);
        }
        self.frames.alloc_block(order, class, owner)
    }

    /// Frames that are free, or could be at once.
    pub fn available_frames(&self) -> u64 {
        self.frames.free_frames() + self.frames.listed(List::Standby)
    }

    /// A new cell, which nothing names yet, and the frame it lives in, mapped nowhere and with
    /// whatever was in it. It is mapped or kept before anybody else sees the books.
    ///
    /// # Errors
    /// [`OutOfMemory`]; then nothing has changed.
    #[inline(always)]
    pub fn new_cell(&mut self, class: Class) -> Result<(CellId, Ppn), OutOfMemory> {
        let cell = self.cells.vacant().ok_or(OutOfMemory)?;
        let frame = self.alloc(class, Owner::Anon(cell))?;
        self.cells.create(cell, frame, Mark::arrived(self.arrivals));
        self.arrivals = self.arrivals.wrapping_add(1);
        Ok((cell, frame))
    }

    /// A new cell in a frame that is the caller's (owner Kernel), which nothing names yet. It is
    /// mapped or kept before anybody else sees the books.
    ///
    /// # Errors
    /// [`OutOfMemory`]: there is no cell.
    pub fn cell_of_frame(&mut self, frame: Ppn) -> Result<CellId, OutOfMemory> {
        let owner = self.frames.owner(frame);
        assert!(owner == Owner::Kernel, "{owner:?} frame given to a cell");
        let cell = self.cells.vacant().ok_or(OutOfMemory)?;
        self.frames.set_owner(frame, Owner::Anon(cell));
        self.cells.create(cell, frame, Mark::arrived(self.arrivals));
        self.arrivals = self.arrivals.wrapping_add(1);
        Ok(cell)
    }

    /// The number that the next page to come in gets, for [`Mark::arrived`].
    pub fn arrivals(&self) -> u32 {
        self.arrivals
    }

    /// How many PTEs, present or absent, name the cell; an object that holds it counts as one.
    #[inline]
    pub fn refs(&self, cell: CellId) -> u32 {
        let mapped = self.cells.frame(cell).map_or(0, |frame| self.frames.mapped(frame));
        mapped + self.cells.holders(cell)
    }

    /// References to the cell, and threads that come back to it: who has the only one may write the
    /// page where it is.
    #[inline]
    pub fn sharers(&self, cell: CellId) -> u32 {
        let mapped = self.cells.frame(cell).map_or(0, |frame| self.frames.mapped(frame));
        mapped + self.cells.claims(cell)
    }

    /// One absent PTE less names the cell, or the object lets go of it; with the last reference it
    /// is gone, and so are its frame and its slot.
    #[inline]
    pub fn release_cell(&mut self, cell: CellId) {
        if self.cells.let_go(cell) == 0 {
            self.end_if_forgotten(cell);
        }
    }

    /// The PTE that names the cell by its frame, this word, names it by its number from now on.
    pub fn hide_cell(&mut self, cell: CellId, word: Pte) {
        self.cells.hold(cell);
        self.drop_mapping(word);
    }

    /// The PTE that names the cell by its number names it by its frame from now on.
    pub fn show_cell(&mut self, cell: CellId, frame: Ppn) {
        self.meet(cell);
        self.frames.delist(frame);
        self.frames.map(frame);
        self.cells.let_go(cell);
        self.counters.count(Event::Rescued);
    }

    /// The anonymous cell that lives in this frame.
    #[inline]
    pub fn cell_in(&self, frame: Ppn) -> Option<CellId> {
        match self.frames.owner(frame) {
            Owner::Anon(cell) => Some(cell),
            _ => None,
        }
    }

    /// The one frame of zeros.
    pub fn zero_frame(&self) -> Ppn {
        self.zero
    }

    /// One present PTE less, this word, maps its frame; what that was of. After the fence, as with
    /// [`Frames::unmap`]. The frame is free if nobody is left to want it.
    #[inline]
    pub fn drop_mapping(&mut self, word: Pte) -> Kind {
        let frame = word.ppn();
        let meta = self.frames.unmap(frame);
        if meta.mapped() != 0 {
            if word.flags().has(Flags::D)
                && let Some(cell) = meta.cell()
            {
                self.spoil(cell);
            }
        } else if let Some(cell) = meta.cell() {
            if self.cells.end_unmapped(cell) {
                self.frames.free(frame);
            } else {
                self.rest_unmapped(cell, frame, word);
            }
        }
        meta.kind()
    }

    /// No PTE maps the frame of a cell that has holders, or a slot.
    #[inline(never)]
    fn rest_unmapped(&mut self, cell: CellId, frame: Ppn, word: Pte) {
        if word.flags().has(Flags::D) {
            self.spoil(cell);
        }
        if !self.end_if_forgotten(cell) {
            self.rest(cell, frame);
        }
    }

    /// What is in the cell's slot, if it has one, is not its content any more, or will not be at
    /// once.
    #[inline(always)]
    pub fn spoil(&mut self, cell: CellId) {
        if self.cells.has_copy(cell) {
            self.spoil_slot(cell);
        }
    }

    #[cold]
    #[inline(never)]
    fn spoil_slot(&mut self, cell: CellId) {
        let is_written = self.cells.state(cell) == State::Writing;
        if let Some(slot) = self.cells.spoil(cell) {
            self.slots.free(slot);
        } else if is_written {
            return;
        }
        if let Some(frame) = self.cells.frame(cell) {
            self.rest(cell, frame);
        }
    }

    /// Ends the cell if nothing names it and nobody comes back to it; whether it is gone. While a
    /// transfer is under way it stays; the end of that looks again.
    fn end_if_forgotten(&mut self, cell: CellId) -> bool {
        let is_forgotten = match self.cells.state(cell) {
            State::Dead | State::Writing | State::Reading => false,
            State::Resident | State::Swapped | State::Lost | State::Home => {
                self.cells.keepers(cell) == 0 && self.refs(cell) == 0
            }
        };
        let is_pinned = self.cells.frame(cell).is_some_and(|frame| self.frames.pins(frame) > 0);
        if !is_forgotten || is_pinned {
            return false;
        }
        let (frame, slot) = self.cells.end(cell);
        if let Some(frame) = frame {
            self.frames.delist(frame);
            self.frames.free(frame);
        }
        if let Some(slot) = slot {
            self.slots.free(slot);
        }
        true
    }

    /// Puts the frame of a cell at the end of the list that it belongs on, if it is idle.
    fn rest(&mut self, cell: CellId, frame: Ppn) {
        self.frames.delist(frame);
        if self.frames.look(frame).is_idle()
            && let Some(list) = self.cells.list(cell)
        {
            self.frames.enlist(frame, list);
        }
    }

    /// Somebody asks for the content of a cell that is in RAM.
    fn meet(&mut self, cell: CellId) {
        if self.cells.meet(cell) {
            self.counters.count(Event::ReadAheadHit);
        }
    }

    /// A thread comes back to the cell later, which does not end until it
    /// [does](Self::stop_keeping), and is not another one then.
    pub fn keep(&mut self, cell: CellId) {
        self.cells.keep(cell);
    }

    /// The end of [`keep`](Self::keep).
    pub fn stop_keeping(&mut self, cell: CellId) {
        self.cells.stop_keeping(cell);
        self.end_if_forgotten(cell);
    }

    /// What there is, to be compared with later: see [`Audit`](super::audit::Audit).
    pub fn census(&self) -> Census {
        Census {
            frames: Kind::ALL.map(|kind| self.frames.count(kind)),
            cells: self.cells.live(),
            slots: self.slots.used(),
        }
    }
}

/// Pages of objects, and content that is touched past all PTEs.
impl Memory {
    /// A new cell that an object holds, and its frame, which is pinned.
    ///
    /// # Errors
    /// [`OutOfMemory`]; then nothing has changed.
    pub fn new_object_cell(&mut self, class: Class) -> Result<(CellId, Ppn), OutOfMemory> {
        let (cell, frame) = self.new_cell(class)?;
        self.hold_as_object(cell, frame);
        Ok((cell, frame))
    }

    /// A cell that nothing names is held by an object from now on, and its frame pinned.
    pub fn hold_as_object(&mut self, cell: CellId, frame: Ppn) {
        self.cells.give_to_object(cell);
        self.frames.set_owner(frame, Owner::Object(cell));
        self.frames.pin(frame);
    }

    /// A cell that an object holds is a page of a file, which has the same content.
    pub fn hold_as_file(&mut self, cell: CellId) {
        self.cells.give_to_file(cell);
    }

    /// Pins the frame of a page of a file if the file has another content, which is now to be
    /// written there; from now on the page counts as clean. Where that fails, and where somebody
    /// changes the page before it is done, it is [spoiled](Self::spoil) again.
    pub fn save(&mut self, cell: CellId) -> Option<Ppn> {
        if !self.cells.save(cell) {
            return None;
        }
        let frame = self.cells.frame(cell)?;
        self.pin(frame);
        Some(frame)
    }

    /// Takes back what [`hold_as_object`](Self::hold_as_object) has done to a frame, and ends the
    /// cell; the frame is the caller's.
    pub fn disown(&mut self, cell: CellId) {
        self.cells.let_go(cell);
        if let (Some(frame), _) = self.cells.end(cell) {
            self.frames.unpin(frame);
            self.frames.set_owner(frame, Owner::Kernel);
        }
    }

    /// One more PTE maps the page of an object, from which it has found the cell under its lock.
    ///
    /// # Errors
    /// [`PageError::Swapped`], [`PageError::Io`]: it is not in RAM.
    pub fn map_object(&mut self, cell: CellId, how: Use) -> Result<Ppn, PageError> {
        let frame = self.object_frame(cell, how)?;
        self.frames.map(frame);
        Ok(frame)
    }

    /// Pins the frame of an object's page, so that it can be used past all PTEs.
    ///
    /// # Errors
    /// As [`map_object`](Self::map_object).
    pub fn pin_object(&mut self, cell: CellId, how: Use) -> Result<Ppn, PageError> {
        let frame = self.object_frame(cell, how)?;
        self.frames.pin(frame);
        Ok(frame)
    }

    #[inline(always)]
    fn object_frame(&mut self, cell: CellId, how: Use) -> Result<Ppn, PageError> {
        debug_assert!(self.cells.sort(cell) == Sort::Object, "{cell:?} is no object's");
        let frame = match self.cells.at_hand(cell, how) {
            Some(frame) => frame,
            None => self.object_frame_elsewhere(cell, how)?,
        };
        self.frames.delist(frame);
        Ok(frame)
    }

    #[cold]
    #[inline(never)]
    fn object_frame_elsewhere(&mut self, cell: CellId, how: Use) -> Result<Ppn, PageError> {
        let Some(frame) = self.cells.frame(cell) else {
            return Err(match self.cells.state(cell) {
                State::Lost => PageError::Io,
                State::Home => PageError::AtHome,
                _ => PageError::Swapped(cell),
            });
        };
        if how == Use::Write {
            self.spoil(cell);
        }
        self.meet(cell);
        Ok(frame)
    }

    /// Pins the frame of a cell, which is then taken from it by nobody.
    pub fn pin(&mut self, frame: Ppn) {
        self.frames.delist(frame);
        self.frames.pin(frame);
    }

    /// The end of a pin. A frame that is no cell's any more, for its content could not be read, is
    /// free with its last pin.
    pub fn unpin(&mut self, frame: Ppn) {
        let meta = self.frames.unpin(frame);
        if !meta.is_idle() {
            return;
        }
        let Some(cell) = meta.cell() else { return self.frames.free(frame) };
        match self.cells.list_if_held(cell) {
            Some(list) => self.frames.enlist(frame, list),
            None => self.settle(cell, frame),
        }
    }
}

#[cfg(test)]
impl Memory {
    /// Makes these books, of the same size, say what `other` says.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.frames.copy_from(&other.frames);
        self.cells.copy_from(&other.cells);
        self.slots.copy_from(&other.slots);
        self.counters = other.counters.clone();
        (self.arrivals, self.evictions) = (other.arrivals, other.evictions);
    }
}

/// How many frames of each kind, and how many cells and slots in use there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Frames, by [`Kind`].
    pub frames: [u64; Kind::ALL.len()],
    /// Cells that live.
    pub cells: u64,
    /// Slots that have content.
    pub slots: u64,
}
