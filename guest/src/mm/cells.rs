//! [`Cells`]: pages as such, wherever their content is: in a frame, in a slot of a swap area, in
//! both, or on the way from one to the other.
//!
//! A cell keeps its identity from the first write to a page until nothing names it any more. PTEs
//! name it, present ones through the frame it lives in, which counts them, absent ones by its
//! number, which are counted here as holders, as is the object whose page it is;
//! [`Memory`](super::Memory) sees to it that it ends when there is none, so that what happens to a
//! page that is mapped concerns one entry of the books. What may happen to a cell in which
//! [`State`] is one table, in `cells/state.rs`.
//!
//! A page of a file has its home there instead of in a slot, and the same rules: what is at home is
//! the page's content, or it has been spoiled. See `cells/home.rs`.
//!
//! A slot has the content of the page unless a PTE with D says otherwise: whoever takes such a PTE
//! away, or writes past all PTEs, spoils the slot.

use core::fmt;
use core::num::NonZeroU32;

use super::Owner;
use super::memory::Use;
use super::policy::Mark;
use super::swap::SlotId;
use crate::pte::Ppn;

mod home;
mod id;
mod notes;
mod state;

pub use id::CellId;
pub use state::State;
use state::{Event, next};

/// Whose page a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sort {
    /// Anonymous memory's: PTEs name it, who write it only if there is but one.
    Anon,
    /// An object's, which holds it: PTEs only map it, and all may write.
    Object,
}

/// What is written down of one cell.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Absent PTEs that name it, or the object.
    holders: u32,
    /// Resident, Writing, Reading: number of its frame. Swapped: evictions before its own, wrapping.
    /// Dead: the next dead one, as an id; 0: none.
    place: u32,
    /// Its slot; 0: none; [`HOME`]: its file has the content.
    slot: u32,
    mark: Mark,
    /// Threads that come back to it.
    keepers: u16,
    flags: u8,
    state: State,
}

const _: () = assert!(size_of::<Cell>() <= 24);

/// In `flags`: it is an object's page.
const OBJECT: u8 = 1 << 0;
/// In `flags`: it was changed since it is being written.
const SPOILED: u8 = 1 << 1;
/// In `flags`: it was read before anybody asked for it, and nobody has yet.
const AHEAD: u8 = 1 << 2;
/// In `flags`: it was accessed, and no policy has been told.
const YOUNG: u8 = 1 << 3;
/// In `flags`: it is a file's page.
const FILE: u8 = 1 << 4;
/// Instead of a slot; none has this number.
const HOME: u32 = u32::MAX;

impl Cell {
    /// No cell; what storage for cells is filled with.
    pub const DEAD: Self = Self {
        holders: 0,
        place: 0,
        slot: 0,
        mark: Mark::FRESH,
        keepers: 0,
        flags: 0,
        state: State::Dead,
    };

    #[inline]
    fn step(&mut self, event: Event) {
        self.state = next(self.state, event);
    }

    fn slot(&self) -> Option<SlotId> {
        NonZeroU32::new(self.slot).filter(|slot| slot.get() != HOME).map(SlotId)
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
    /// How many are Writing, Reading, Swapped, Lost; the other places are not used.
    away: [u32; State::ALL.len()],
    /// Resident pages of files, and those of them that the file has to write.
    files: home::Counts,
}

impl Cells {
    /// Books on as many cells as there is storage for, none of which lives.
    pub fn new(cells: &'static mut [Cell]) -> Self {
        assert!(cells.len() < u32::MAX as usize, "cell ids fit 32 bits");
        Self {
            cells,
            dead: 0,
            fresh: 0,
            live: 0,
            away: [0; State::ALL.len()],
            files: home::Counts::default(),
        }
    }

    /// Replaces the storage by what `longer` makes of it: the same cells, and more behind them,
    /// whatever is in those.
    pub fn extend(&mut self, longer: impl FnOnce(&'static mut [Cell]) -> &'static mut [Cell]) {
        let before = self.cells.len();
        self.cells = longer(core::mem::take(&mut self.cells));
        let now = self.cells.len();
        assert!(before <= now && now < u32::MAX as usize, "{before} cells become {now}");
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

    /// Brings the cell that [`vacant`](Self::vacant) has announced into being, of
    /// [`Sort::Anon`]; nothing names it.
    #[inline]
    pub(super) fn create(&mut self, cell: CellId, frame: Ppn, mark: Mark) {
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
        slot.mark = mark;
        self.live += 1;
    }

    /// It is an object's, which holds it, from now on.
    pub(super) fn give_to_object(&mut self, cell: CellId) {
        self.hold(cell);
        self.cells[cell.index()].flags |= OBJECT;
    }

    /// One more absent PTE names it.
    #[inline]
    pub fn hold(&mut self, cell: CellId) {
        let slot = &mut self.cells[cell.index()];
        slot.step(Event::Hold);
        slot.holders = slot.holders.checked_add(1).expect("PTEs fit in RAM");
    }

    /// One absent PTE less names it, or the object lets go of it; how many holders are left.
    #[inline]
    pub(super) fn let_go(&mut self, cell: CellId) -> u32 {
        let slot = &mut self.cells[cell.index()];
        slot.step(Event::LetGo);
        slot.holders = slot.holders.checked_sub(1).expect("let go of as often as held");
        slot.holders
    }

    /// A thread comes back to it: it does not end until then.
    pub(super) fn keep(&mut self, cell: CellId) {
        let slot = &mut self.cells[cell.index()];
        slot.step(Event::Hold);
        slot.keepers = slot.keepers.checked_add(1).expect("fewer threads than that");
    }

    /// The thread has come back.
    pub(super) fn stop_keeping(&mut self, cell: CellId) {
        let slot = &mut self.cells[cell.index()];
        slot.step(Event::LetGo);
        slot.keepers = slot.keepers.checked_sub(1).expect("kept as often as not");
    }

    /// The end of a cell whose frame no PTE maps any more, if it has nothing but that and nothing
    /// else names it; whether it is gone.
    #[inline]
    pub(super) fn end_unmapped(&mut self, cell: CellId) -> bool {
        let slot = &mut self.cells[cell.index()];
        let is_more = slot.holders | slot.slot | u32::from(slot.keepers) != 0;
        if is_more || slot.state != State::Resident {
            return false;
        }
        slot.step(Event::End);
        if slot.flags & FILE != 0 {
            self.files.lose(slot.slot);
        }
        slot.flags = 0;
        slot.place = self.dead;
        self.dead = cell.0.get();
        self.live -= 1;
        true
    }

    /// Nothing names it any more, and no transfer is under way: it is gone, and leaves behind what
    /// it had.
    pub(super) fn end(&mut self, cell: CellId) -> (Option<Ppn>, Option<SlotId>) {
        let (frame, slot) = (self.frame(cell), self.slot(cell));
        let is_resident = frame.is_some();
        self.change(cell, Event::End);
        let entry = &mut self.cells[cell.index()];
        if is_resident && entry.flags & FILE != 0 {
            self.files.lose(entry.slot);
        }
        assert!(entry.holders == 0 && entry.keepers == 0, "{cell:?} ends while it is named");
        *entry = Cell { place: self.dead, ..Cell::DEAD };
        self.dead = cell.0.get();
        self.live -= 1;
        (frame, slot)
    }

    /// What is in its slot is not its content any more: the slot that is to be freed, and which it
    /// no longer has. Of one that is being written, the end of that frees it.
    pub(super) fn spoil(&mut self, cell: CellId) -> Option<SlotId> {
        let entry = &mut self.cells[cell.index()];
        if entry.state == State::Writing {
            entry.step(Event::Spoil);
            entry.flags |= SPOILED;
            return None;
        }
        let slot = entry.slot();
        entry.step(Event::Spoil);
        if entry.slot == HOME {
            self.files.changed += 1;
        }
        entry.slot = 0;
        slot
    }

    /// It is being written to this slot, which it gets.
    pub(super) fn write(&mut self, cell: CellId, slot: SlotId) -> Ppn {
        self.change(cell, Event::Write);
        let entry = &mut self.cells[cell.index()];
        assert!(entry.slot == 0, "{cell:?} has a slot already");
        entry.slot = slot.0.get();
        entry.flags &= !SPOILED;
        Ppn(entry.place.into())
    }

    /// The transfer to its slot has ended. If the slot has not got the content, or that is not the
    /// page's any more, it no longer has the slot, which is the second value; the first is its frame.
    pub(super) fn written(
        &mut self,
        cell: CellId,
        result: Result<(), TransferError>,
    ) -> (Ppn, Option<SlotId>) {
        self.change(cell, Event::Written);
        let entry = &mut self.cells[cell.index()];
        let slot = entry.slot().filter(|_| result.is_err() || entry.flags & SPOILED != 0);
        if slot.is_some() {
            entry.slot = 0;
        }
        entry.flags &= !SPOILED;
        (Ppn(entry.place.into()), slot)
    }

    /// Its frame is taken from it; what the policies remember of it.
    pub(super) fn evict(&mut self, cell: CellId, stamp: u32) -> &mut Mark {
        let is_home = self.cells[cell.index()].slot == HOME;
        self.change(cell, if is_home { Event::GoHome } else { Event::Evict });
        if is_home {
            self.files.lose(HOME);
        }
        let entry = &mut self.cells[cell.index()];
        assert!(entry.slot != 0, "the content of {cell:?} is nowhere else");
        entry.place = stamp;
        entry.flags &= !(AHEAD | YOUNG);
        &mut entry.mark
    }

    /// It is being read into this frame, which it gets; its slot and its eviction stamp.
    pub(super) fn read(&mut self, cell: CellId, frame: Ppn, wanted: Wanted) -> (SlotId, u32) {
        self.change(cell, Event::Read);
        let entry = &mut self.cells[cell.index()];
        let stamp = entry.place;
        entry.place = u32::try_from(frame.0).expect("frame numbers fit 32 bits");
        if wanted == Wanted::Ahead {
            entry.flags |= AHEAD;
        }
        (entry.slot().expect("swapped cells have slots"), stamp)
    }

    /// The transfer from its slot has ended; its frame and, if that has failed, its slot, which it
    /// no longer has.
    pub(super) fn read_done(
        &mut self,
        cell: CellId,
        result: Result<(), TransferError>,
    ) -> (Ppn, Option<SlotId>) {
        let is_lost = result.is_err();
        self.change(cell, if is_lost { Event::Lose } else { Event::Returned });
        let entry = &mut self.cells[cell.index()];
        let slot = entry.slot().filter(|_| is_lost);
        if is_lost {
            entry.slot = 0;
            entry.flags &= !AHEAD;
        }
        (Ppn(entry.place.into()), slot)
    }

    /// The transfer from its slot has failed, but not for good: its content is in its slot alone
    /// again. The frame that it had, and what the policies remember of it.
    pub(super) fn give_up(&mut self, cell: CellId, stamp: u32) -> (Ppn, &mut Mark) {
        self.change(cell, Event::GiveUp);
        let entry = &mut self.cells[cell.index()];
        let frame = Ppn(entry.place.into());
        entry.place = stamp;
        entry.flags &= !AHEAD;
        (frame, &mut entry.mark)
    }

    /// A step that changes how many are in which state.
    fn change(&mut self, cell: CellId, event: Event) {
        let entry = &mut self.cells[cell.index()];
        let before = entry.state;
        entry.step(event);
        let after = entry.state;
        if before as u8 >= State::Writing as u8 {
            self.away[before as usize] -= 1;
        }
        if after as u8 >= State::Writing as u8 {
            self.away[after as usize] += 1;
        }
    }
}

/// A device has not done what it was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransferError;

/// Why a cell is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Somebody waits for it.
    Now,
    /// Its neighbour is read, too.
    Ahead,
}

/// What there is to be known.
impl Cells {
    /// How many absent PTEs name it; 1 for an object's, until that lets go.
    #[inline]
    pub fn holders(&self, cell: CellId) -> u32 {
        self.cells[cell.index()].holders
    }

    /// How many threads come back to it.
    pub fn keepers(&self, cell: CellId) -> u16 {
        self.cells[cell.index()].keepers
    }

    /// Holders and threads that come back to it together.
    #[inline]
    pub fn claims(&self, cell: CellId) -> u32 {
        self.claims_and_slot(cell).0
    }

    /// Its [`claims`](Self::claims), and whether it has a slot.
    #[inline]
    pub(super) fn claims_and_slot(&self, cell: CellId) -> (u32, bool) {
        let entry = &self.cells[cell.index()];
        (entry.holders + u32::from(entry.keepers), entry.slot != 0)
    }

    /// Where its content is, if it may be used there, and that takes no notes: nothing else has the
    /// content that is to change, nor did anybody wait for this.
    #[inline]
    pub(super) fn at_hand(&self, cell: CellId, how: Use) -> Option<Ppn> {
        let entry = &self.cells[cell.index()];
        let is_plain = entry.flags & AHEAD == 0 && (how == Use::Read || entry.slot == 0);
        (is_plain && entry.state == State::Resident).then_some(Ppn(entry.place.into()))
    }

    /// Where its content is in RAM.
    #[inline]
    pub fn frame(&self, cell: CellId) -> Option<Ppn> {
        let entry = &self.cells[cell.index()];
        match entry.state {
            State::Resident | State::Writing => Some(Ppn(entry.place.into())),
            State::Dead | State::Reading | State::Swapped | State::Lost | State::Home => None,
        }
    }

    /// The frame that it has, even if its content is not there yet.
    pub fn own_frame(&self, cell: CellId) -> Option<Ppn> {
        let entry = &self.cells[cell.index()];
        match entry.state {
            State::Reading => Some(Ppn(entry.place.into())),
            _ => self.frame(cell),
        }
    }

    /// The stamp of its eviction, while it is in a slot alone.
    pub(super) fn stamp(&self, cell: CellId) -> Option<u32> {
        (self.state(cell) == State::Swapped).then(|| self.cells[cell.index()].place)
    }

    /// Its slot.
    #[inline]
    pub fn slot(&self, cell: CellId) -> Option<SlotId> {
        self.cells[cell.index()].slot()
    }

    /// Whose page it is.
    pub fn sort(&self, cell: CellId) -> Sort {
        match self.cells[cell.index()].flags & OBJECT {
            0 => Sort::Anon,
            _ => Sort::Object,
        }
    }

    /// The owner of its frame.
    pub(super) fn owner(&self, cell: CellId) -> Owner {
        match self.sort(cell) {
            Sort::Anon => Owner::Anon(cell),
            Sort::Object => Owner::Object(cell),
        }
    }

    /// What the policies remember of it.
    pub fn mark_mut(&mut self, cell: CellId) -> &mut Mark {
        &mut self.cells[cell.index()].mark
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

    /// How many are in this state; dead ones do not count.
    pub fn count(&self, state: State) -> u64 {
        match state {
            State::Dead => 0,
            State::Resident => (self.live - self.away.iter().sum::<u32>()).into(),
            _ => self.away[state as usize].into(),
        }
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
}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells").field("live", &self.live).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
