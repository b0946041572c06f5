//! [`Cells`]: anonymous pages as such, wherever their content is.
//!
//! A cell keeps its identity from the first write to a page until nothing names it any more: PTEs
//! name it, present ones through the frame it lives in, which counts them, absent ones by its number,
//! which are counted here; [`Memory`](super::Memory) sees to it that it ends when both are none, so
//! that what happens to a page that is mapped concerns one entry of the books. What may happen
//! to a cell in which [`State`] is one table, `next`; slots of a swap device, transfers under way
//! and poisoned content are rows to be added there.

use core::fmt;
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

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// Where a cell's content is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    /// Nowhere: no such cell.
    Dead,
    /// In its frame, and nowhere else.
    Resident,
}

/// What happens to a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    /// It comes into being in a frame.
    Create,
    /// One more absent PTE names it.
    Hold,
    /// One absent PTE less names it.
    LetGo,
    /// No PTE names it any more.
    End,
}

/// What becomes of a cell. Events that have no row are mistakes of the caller.
#[inline]
fn next(state: State, event: Event) -> State {
    match (state, event) {
        (State::Dead, Event::Create) => State::Resident,
        (State::Resident, Event::Hold | Event::LetGo) => State::Resident,
        (State::Resident, Event::End) => State::Dead,
        (State::Dead, Event::Hold | Event::LetGo | Event::End)
        | (State::Resident, Event::Create) => impossible(state, event),
    }
}

#[cold]
#[inline(never)]
fn impossible(state: State, event: Event) -> ! {
    panic!("{event:?} of a cell that is {state:?}");
}

/// What is written down of one cell.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Absent PTEs that name it.
    holders: u32,
    /// Resident: number of its frame. Dead: the next dead one, as an id; 0: none.
    place: u32,
    state: State,
}

const _: () = assert!(size_of::<Cell>() <= 16);

impl Cell {
    /// No cell; what storage for cells is filled with.
    pub const DEAD: Self = Self { holders: 0, place: 0, state: State::Dead };

    #[inline]
    fn step(&mut self, event: Event) {
        self.state = next(self.state, event);
    }
}

impl Default for Cell {
    fn default() -> Self {
        Self::DEAD
    }
}

/// The books on cells.
pub struct Cells {
    cells: &'static mut [Cell],
    /// The dead cell that lived last, as an id; 0: none.
    dead: u32,
    /// Cells from this index on have never lived, and their storage has never been looked at.
    fresh: u32,
    live: u32,
}

impl Cells {
    /// Books on as many cells as there is storage for, none of which lives.
    pub fn new(cells: &'static mut [Cell]) -> Self {
        assert!(cells.len() < u32::MAX as usize, "cell ids fit 32 bits");
        Self { cells, dead: 0, fresh: 0, live: 0 }
    }

    /// The id that the next cell will have; `None` if all live.
    #[inline]
    pub(super) fn vacant(&self) -> Option<CellId> {
        if let Some(dead) = NonZeroU32::new(self.dead) {
            return Some(CellId(dead));
        }
        let is_left = (self.fresh as usize) < self.cells.len();
        NonZeroU32::new(self.fresh + 1).filter(|_| is_left).map(CellId)
    }

    /// Brings the cell that [`vacant`](Self::vacant) has announced into being; no absent PTE names it.
    #[inline]
    pub(super) fn create(&mut self, cell: CellId, frame: Ppn) {
        let slot = &mut self.cells[cell.index()];
        if cell.0.get() == self.dead {
            self.dead = slot.place;
        } else {
            assert!(cell.index() == self.fresh as usize, "{cell:?} is not vacant");
            *slot = Cell::DEAD;
            self.fresh += 1;
        }
        slot.step(Event::Create);
        slot.place = u32::try_from(frame.0).expect("frame numbers fit 32 bits");
        self.live += 1;
    }

    /// One more absent PTE names it.
    #[inline]
    pub fn hold(&mut self, cell: CellId) {
        let slot = &mut self.cells[cell.index()];
        slot.step(Event::Hold);
        slot.holders = slot.holders.checked_add(1).expect("PTEs fit in RAM");
    }

    /// One absent PTE less names it; how many still do.
    #[inline]
    pub(super) fn let_go(&mut self, cell: CellId) -> u32 {
        let slot = &mut self.cells[cell.index()];
        slot.step(Event::LetGo);
        slot.holders = slot.holders.checked_sub(1).expect("let go of as often as held");
        slot.holders
    }

    /// Nothing names it any more: it is gone, and leaves the frame behind that it lived in.
    #[inline]
    pub(super) fn end(&mut self, cell: CellId) -> Ppn {
        let slot = &mut self.cells[cell.index()];
        slot.step(Event::End);
        let frame = Ppn(slot.place.into());
        slot.place = self.dead;
        self.dead = cell.0.get();
        self.live -= 1;
        frame
    }

    /// The end of a cell whose frame no PTE maps any more, unless absent ones name it; whether they
    /// do.
    #[inline]
    pub(super) fn end_unless_held(&mut self, cell: CellId) -> bool {
        let is_held = self.holders(cell) != 0;
        if !is_held {
            self.end(cell);
        }
        is_held
    }

    /// How many absent PTEs name it.
    #[inline]
    pub fn holders(&self, cell: CellId) -> u32 {
        self.cells[cell.index()].holders
    }

    /// Where its content is in RAM.
    pub fn frame(&self, cell: CellId) -> Option<Ppn> {
        let slot = &self.cells[cell.index()];
        match slot.state {
            State::Dead => None,
            State::Resident => Some(Ppn(slot.place.into())),
        }
    }

    /// Where its content is at all; dead for a cell that there is no storage for.
    pub fn state(&self, cell: CellId) -> State {
        let slot = self.cells[..self.fresh as usize].get(cell.index());
        slot.map_or(State::Dead, |slot| slot.state)
    }

    /// How many live.
    pub fn live(&self) -> u64 {
        self.live.into()
    }

    /// How many may live at once.
    pub fn capacity(&self) -> u64 {
        self.cells.len() as u64
    }

    /// Each cell that lives.
    pub(super) fn iter_live(&self) -> impl Iterator<Item = CellId> {
        let ids = (1..=self.fresh).filter_map(NonZeroU32::new).map(CellId);
        ids.filter(|cell| self.cells[cell.index()].state != State::Dead)
    }

    /// The same books once more.
    #[cfg(test)]
    pub(crate) fn duplicate(&self) -> Self {
        Self { cells: self.cells.to_vec().leak(), ..*self }
    }
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells").field("live", &self.live).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
