//! [`Memory`]: the books on frames and cells together, and the steps that change both.

use super::cells::Cells;
use super::counters::Counters;
use super::frames::{Frames, Kind};
use super::{CellId, Class, Owner};
use crate::pte::Ppn;

/// Neither a frame nor a cell to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// The books.
#[derive(Debug)]
pub struct Memory {
    /// Frames.
    pub frames: Frames,
    /// Cells.
    pub cells: Cells,
    /// What has happened.
    pub counters: Counters,
    zero: Ppn,
}

impl Memory {
    /// Books on these frames and cells. The caller fills [`zero_frame`](Self::zero_frame).
    ///
    /// # Errors
    /// [`OutOfMemory`]: there is not even a frame for zeros.
    pub fn new(mut frames: Frames, cells: Cells) -> Result<Self, OutOfMemory> {
        let zero = frames.alloc(Class::Atomic, Owner::Zero)?;
        Ok(Self { frames, cells, counters: Counters::default(), zero })
    }

    /// A new cell, which no PTE names yet, and the frame it lives in, mapped nowhere and with
    /// whatever was in it.
    ///
    /// # Errors
    /// [`OutOfMemory`]; then nothing has changed.
    #[inline]
    pub fn new_cell(&mut self, class: Class) -> Result<(CellId, Ppn), OutOfMemory> {
        let cell = self.cells.vacant().ok_or(OutOfMemory)?;
        let frame = self.frames.alloc(class, Owner::Anon(cell))?;
        self.cells.create(cell, frame);
        Ok((cell, frame))
    }

    /// How many PTEs, present or absent, name the cell.
    #[inline]
    pub fn refs(&self, cell: CellId) -> u32 {
        let mapped = self.cells.frame(cell).map_or(0, |frame| self.frames.mapped(frame));
        mapped + self.cells.holders(cell)
    }

    /// One absent PTE less names the cell; with the last PTE it is gone, and its frame is free.
    #[inline]
    pub fn release_cell(&mut self, cell: CellId) {
        if self.cells.let_go(cell) == 0 && self.refs(cell) == 0 {
            let frame = self.cells.end(cell);
            self.frames.free(frame);
        }
    }

    /// The PTE that names the cell by its frame names it by its number from now on.
    #[inline]
    pub fn hide_cell(&mut self, cell: CellId, frame: Ppn) {
        self.frames.unmap(frame);
        self.cells.hold(cell);
    }

    /// The PTE that names the cell by its number names it by its frame from now on.
    #[inline]
    pub fn show_cell(&mut self, cell: CellId, frame: Ppn) {
        self.frames.map(frame);
        self.cells.let_go(cell);
    }

    /// The cell that lives in this frame.
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

    /// One present PTE less maps the frame; what it was of. After the fence, as with
    /// [`Frames::unmap`]. The frame is free if nobody is left to want it.
    #[inline]
    pub fn drop_mapping(&mut self, frame: Ppn) -> Kind {
        let meta = self.frames.unmap(frame);
        let is_wanted = meta.mapped() != 0
            || match meta.cell() {
                Some(cell) => self.cells.end_unless_held(cell),
                None => meta.kind() != Kind::Orphan,
            };
        if !is_wanted {
            self.frames.free(frame);
        }
        meta.kind()
    }

    /// What there is, to be compared with later: see [`Audit`](super::audit::Audit).
    pub fn census(&self) -> Census {
        Census { frames: Kind::ALL.map(|kind| self.frames.count(kind)), cells: self.cells.live() }
    }
}

#[cfg(test)]
impl Memory {
    /// The same books once more.
    pub(crate) fn duplicate(&self) -> Self {
        let (frames, cells) = (self.frames.duplicate(), self.cells.duplicate());
        Self { frames, cells, counters: self.counters.clone(), zero: self.zero }
    }
}

/// How many frames of each kind and how many cells there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Census {
    /// Frames, by [`Kind`].
    pub frames: [u64; Kind::ALL.len()],
    /// Cells that live.
    pub cells: u64,
}
