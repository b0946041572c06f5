//! [`Audit`]: whether the books on memory agree with a walk over everything that memory is used
//! for: each frame has one owner, each cell and each frame as many PTEs as are counted, each slot
//! one cell, nobody writes what others share, and what is idle is on the list it belongs on.
//!
//! Runs while nothing changes. [`Audit::begin`] takes memory from the heap, [`Audit::finish`] gives
//! it back; everything in between, [`Audit::judge`] above all, may hold the lock of the books.

mod violation;
mod walk;

use alloc::vec::Vec;
use core::num::NonZeroU32;
use core::ops::Range;

use super::cells::{Sort, State};
use super::frames::check::check;
use super::frames::{Kind, List};
use super::memory::Census;
use super::pieces::Pieces;
use super::{Absent, CellId, Memory, OutOfMemory, Owner, Vpn};
use crate::pte::{Flags, Ppn, Pte};
pub use violation::{Claimant, Violation};

/// How many violations are kept; the others are counted.
const VIOLATIONS_KEPT: usize = 64;
/// Which address space something is in, for messages: a process's number.
pub type SpaceId = u32;

/// How much there is to be audited.
#[derive(Clone, Debug)]
pub struct Extent {
    frames: Range<Ppn>,
    cells: usize,
}

impl Extent {
    /// Bytes of heap that an audit takes, about.
    pub fn audit_bytes(&self) -> usize {
        let frames = (self.frames.end.0 - self.frames.start.0) as usize;
        frames * size_of::<Seen>() + self.cells * size_of::<SeenCell>()
    }
}

impl Memory {
    /// How much there is to be audited.
    pub fn extent(&self) -> Extent {
        Extent { frames: self.frames.range(), cells: self.cells.capacity() as usize }
    }
}

/// What the walk has seen of a frame.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    mapped: u32,
    writable: bool,
    /// By [`Claimant`].
    claims: [u8; Claimant::ALL.len()],
}

/// What the walk has seen of a cell.
#[derive(Clone, Copy, Debug, Default)]
struct SeenCell {
    /// Absent PTEs that name it.
    absent: u32,
    /// Objects that hold it.
    objects: u32,
}

/// An audit under way.
#[derive(Debug)]
pub struct Audit {
    first: Ppn,
    frames: Pieces<Seen>,
    /// By number.
    cells: Pieces<SeenCell>,
    found: Vec<Violation>,
    more: u64,
}

impl Audit {
    /// Nothing seen yet.
    ///
    /// # Errors
    /// [`OutOfMemory`]: the heap has not 8 bytes for each frame and 8 for each cell.
    pub fn begin(extent: Extent) -> Result<Self, OutOfMemory> {
        let frames = (extent.frames.end.0 - extent.frames.start.0) as usize;
        let mut found = Vec::new();
        found.try_reserve_exact(VIOLATIONS_KEPT + 1).map_err(|_| OutOfMemory)?;
        Ok(Self {
            first: extent.frames.start,
            frames: Pieces::new(frames)?,
            // Ids begin with 1.
            cells: Pieces::new(extent.cells + 1)?,
            found,
            more: 0,
        })
    }

    /// A table of a space or of the kernel, to which no entry points that is seen: a root.
    pub fn table(&mut self, frame: Ppn) {
        self.claim(frame, Claimant::Table);
    }

    /// An entry of a space, of whatever level, valid or not; `page` is the first one behind it.
    /// [`space`](Self::space) sees all of a space.
    pub fn entry(&mut self, space: SpaceId, page: Vpn, pte: Pte) {
        if !pte.is_valid() {
            self.absent_entry(space, page, pte);
        } else if pte.is_reserved() {
            self.report(Violation::Reserved { space, page, pte });
        } else if !pte.is_leaf() {
            if page < Vpn::USER_END {
                self.claim(pte.ppn(), Claimant::Table);
            }
        } else {
            self.leaf(space, page, pte);
        }
    }

    /// A page of an object.
    pub fn object_page(&mut self, cell: CellId) {
        match self.cells.get_mut(cell.0.get() as usize) {
            Some(seen) => seen.objects += 1,
            None => self.report(Violation::DeadCell { cell }),
        }
    }

    /// A frame that the kernel knows to be its own. Not all need to be told.
    pub fn kernel_frame(&mut self, frame: Ppn) {
        self.claim(frame, Claimant::Kernel);
    }

    /// What there is less or more than there was, both taken before [`begin`](Self::begin).
    pub fn compare(&mut self, before: &Census, now: &Census) {
        for (kind, (before, now)) in Kind::ALL.into_iter().zip(before.frames.iter().zip(now.frames))
        {
            if *before != now {
                self.report(Violation::Leak { what: kind.name(), before: *before, now });
            }
        }
        for (what, before, now) in
            [("cells", before.cells, now.cells), ("slots", before.slots, now.slots)]
        {
            if before != now {
                self.report(Violation::Leak { what, before, now });
            }
        }
    }

    /// Compares what was seen with the books.
    pub fn judge(&mut self, memory: &Memory) {
        for frame in memory.frames.range().start.0..memory.frames.range().end.0 {
            self.judge_frame(memory, Ppn(frame));
        }
        let mut found = Recount::default();
        for cell in memory.cells.iter_live() {
            self.judge_cell(memory, cell);
            found.add(memory, cell);
        }
        self.judge_counts(memory, &found);
        // What is left is named, but does not live.
        for cell in (1..self.cells.len() as u32).filter_map(NonZeroU32::new).map(CellId) {
            let seen = self.take_cell(cell);
            if seen.absent > 0 || seen.objects > 0 {
                self.report(Violation::DeadCell { cell });
            }
        }
        check(&memory.frames, &mut |disagreement| self.report(disagreement.into()));
    }

    /// What was found; nothing, if all is well.
    pub fn finish(mut self) -> Vec<Violation> {
        if self.more > 0 {
            self.found.push(Violation::More(self.more));
        }
        self.found
    }

    fn absent_entry(&mut self, space: SpaceId, page: Vpn, pte: Pte) {
        let cell = match Absent::decode(pte) {
            Some(Absent::Cell(cell)) => cell,
            Some(Absent::Empty | Absent::Guard) => return,
            _ if pte == Absent::Poison.encode() => return,
            _ => return self.report(Violation::Reserved { space, page, pte }),
        };
        match self.cells.get_mut(cell.0.get() as usize) {
            Some(seen) => seen.absent += 1,
            None => self.report(Violation::DeadCell { cell }),
        }
    }

    fn leaf(&mut self, space: SpaceId, page: Vpn, pte: Pte) {
        let flags = pte.flags();
        if flags.has(Flags::W | Flags::X) {
            self.report(Violation::WritableExecutable { space, page, pte });
        }
        let is_user = page < Vpn::USER_END;
        if flags.has(Flags::U) != is_user || flags.has(Flags::G) == is_user {
            self.report(Violation::WrongHalf { space, page, pte });
        }
        if !is_user {
            return;
        }
        match self.seen(pte.ppn()) {
            Some(seen) => {
                seen.mapped += 1;
                seen.writable |= flags.has(Flags::W);
            }
            None => self.report(Violation::NotRam { space, page, pte }),
        }
    }

    fn claim(&mut self, frame: Ppn, claimant: Claimant) {
        match self.seen(frame) {
            Some(seen) => {
                let claims = &mut seen.claims[claimant as usize];
                *claims = claims.saturating_add(1);
            }
            None => self.report(Violation::ClaimedNotRam { frame, claimant }),
        }
    }

    fn judge_frame(&mut self, memory: &Memory, frame: Ppn) {
        let Some(&mut seen) = self.seen(frame) else { return };
        let owner = memory.frames.owner(frame);
        for claimant in Claimant::ALL {
            let times = seen.claims[claimant as usize];
            let may = match (claimant.kind() == owner.kind(), claimant) {
                (true, Claimant::Kernel) => times <= 1,
                (true, _) => times == 1,
                (false, _) => times == 0,
            };
            if !may {
                self.report(Violation::Claims { frame, owner, claimant, times });
            }
        }
        let counted = memory.frames.mapped(frame);
        if counted != seen.mapped {
            self.report(Violation::Mapped { frame, owner, counted, found: seen.mapped });
        }
        let in_use = seen.mapped > 0 || owner == Owner::Free && memory.frames.pins(frame) > 0;
        if in_use && !owner.kind().is_mappable() {
            self.report(Violation::NotMappable { frame, owner });
        }
        match owner {
            Owner::Zero if seen.writable => self.report(Violation::WritableZeros),
            Owner::Anon(cell) | Owner::Object(cell)
                if memory.cells.own_frame(cell) != Some(frame) =>
            {
                self.report(Violation::Abandoned { frame, owner });
                return;
            }
            Owner::Anon(cell) if seen.writable && memory.sharers(cell) > 1 => {
                let refs = memory.sharers(cell);
                self.report(Violation::WritableShared { frame, cell, refs });
            }
            _ => {}
        }
        let (want, found) = (belongs_on(memory, frame), memory.frames.list_of(frame));
        if want != found {
            self.report(Violation::Misplaced { frame, owner, want, found });
        }
    }

    /// What is counted of cells and slots.
    fn judge_counts(&mut self, memory: &Memory, found: &Recount) {
        for state in State::ALL {
            let (counted, found) = (memory.cells.count(state), found.states[state as usize]);
            if counted != found {
                self.report(Violation::CellCount { state, counted, found });
            }
        }
        let (counted, found) = (memory.slots.used(), found.slots);
        if counted != found {
            self.report(Violation::SlotCount { counted, found });
        }
    }

    fn judge_cell(&mut self, memory: &Memory, cell: CellId) {
        let (counted, seen) = (memory.cells.holders(cell), self.take_cell(cell));
        let found = seen.absent + seen.objects;
        let is_object = memory.cells.sort(cell) == Sort::Object;
        let misnamed = if is_object { seen.absent } else { seen.objects };
        if counted != found || misnamed > 0 || seen.objects > 1 {
            self.report(Violation::Holders { cell, counted, found });
        }
        let state = memory.cells.state(cell);
        let in_flight = matches!(state, State::Writing | State::Reading);
        if memory.sharers(cell) == 0 && !in_flight {
            self.report(Violation::Forgotten { cell });
        }
        if let Some(frame) = memory.cells.own_frame(cell)
            && memory.frames.owner(frame) != memory.cells.owner(cell)
        {
            self.report(Violation::Homeless { cell, frame });
        }
        let slot = memory.cells.slot(cell);
        let fits = match state {
            State::Dead | State::Lost => slot.is_none(),
            State::Home => slot.is_none() && memory.cells.is_file(cell),
            State::Resident => true,
            State::Writing | State::Reading | State::Swapped => slot.is_some(),
        };
        if !fits || slot.is_some_and(|slot| memory.slots.cell_of(slot) != Some(cell)) {
            self.report(Violation::Slot { cell, state, slot });
        }
    }

    fn take_cell(&mut self, cell: CellId) -> SeenCell {
        self.cells.get_mut(cell.0.get() as usize).map(core::mem::take).unwrap_or_default()
    }

    fn seen(&mut self, frame: Ppn) -> Option<&mut Seen> {
        self.frames.get_mut(usize::try_from(frame.0.wrapping_sub(self.first.0)).ok()?)
    }

    fn report(&mut self, violation: Violation) {
        if self.found.len() < VIOLATIONS_KEPT {
            self.found.push(violation);
        } else {
            self.more += 1;
        }
    }
}

/// What there is of cells and slots, counted once more.
#[derive(Debug, Default)]
struct Recount {
    states: [u64; State::ALL.len()],
    slots: u64,
}

impl Recount {
    fn add(&mut self, memory: &Memory, cell: CellId) {
        self.states[memory.cells.state(cell) as usize] += 1;
        self.slots += u64::from(memory.cells.slot(cell).is_some());
    }
}

/// The list that a frame has to be on.
fn belongs_on(memory: &Memory, frame: Ppn) -> Option<List> {
    let cell = memory.frames.owner(frame).cell()?;
    let is_idle = memory.frames.mapped(frame) == 0 && memory.frames.pins(frame) == 0;
    if !is_idle || memory.cells.state(cell) != State::Resident {
        return None;
    }
    Some(match memory.cells.has_copy(cell) {
        true => List::Standby,
        false if memory.cells.is_file(cell) => List::Changed,
        false => List::Modified,
    })
}

#[cfg(test)]
mod tests;
