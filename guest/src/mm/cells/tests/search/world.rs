//! [`World`]: two spaces as bare entries, the books, a disk, and what the pages must show. What is
//! done to the books is what `space/` and the kernel do, step by step.

use super::operation::{Operation, Outcome};
use crate::mm::audit::Audit;
use crate::mm::cells::{Cell, Cells, State, Wanted};
use crate::mm::frames::{FrameMeta, Frames};
use crate::mm::memory::{Evacuation, ToWrite};
use crate::mm::swap::{Area, SlotId};
use crate::mm::{CellId, Class, Memory, OutOfMemory, Owner, Vpn};
use crate::pte::{Flags, Ppn, Pte};

pub(super) const SPACES: usize = 2;
const FIRST: Ppn = Ppn(0x8_0000);
/// What a page is mapped with that is not to be written.
const READ: Flags = Flags::V.with(Flags::R).with(Flags::U);
const CLEAN: Flags = READ.with(Flags::W);
const DIRTY: Flags = CLEAN.with(Flags::D);

/// What an operation is done to.
pub(super) type Place = (usize, usize);
/// What a page shows: 0, or 1 more than the number of the space that wrote it last.
pub(super) type Content = u8;
/// A page whose content could not be read.
const LOST: Content = 0xfe;
/// What is in a slot or a frame that nothing may be expected of.
const RUBBISH: Content = 0xff;

/// A transfer between a frame and a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Transfer {
    pub(super) cell: CellId,
    pub(super) frame: Ppn,
    pub(super) slot: SlotId,
    /// Writing: what was in the frame at the beginning. Copying: what was in the slot.
    pub(super) content: Content,
}

pub(super) struct World {
    pub(super) memory: Memory,
    pub(super) pages: usize,
    frames: usize,
    pub(super) ptes: [[Pte; 2]; SPACES],
    /// By frame.
    ram: [Content; 4],
    /// By page of the area.
    pub(super) disk: [Content; 3],
    pub(super) writes: Vec<Transfer>,
    pub(super) reads: Vec<Transfer>,
    pub(super) copy: Option<(Place, Transfer)>,
    /// What the pages must show.
    pub(super) model: [[Content; 2]; SPACES],
}

impl World {
    pub(super) fn new(pages: usize, frames: usize, slots: usize) -> Self {
        let storage = vec![FrameMeta::RESERVED; frames + 1].leak();
        let mut books = Frames::new(FIRST, storage);
        books.donate(books.range());
        books.set_min_free_kbytes(0);
        let cells = Cells::new(vec![Cell::DEAD; frames + slots].leak());
        let mut memory = Memory::new(books, cells).expect("frames");
        if slots > 0 {
            let storage = Area::storage(slots + 1).expect("the host has memory");
            memory.slots.add(Area::new(storage, &[], 0)).expect("room");
        }
        Self {
            memory,
            pages,
            frames,
            ptes: [[Pte::default(); 2]; SPACES],
            ram: [0; 4],
            disk: [RUBBISH; 3],
            writes: Vec::new(),
            reads: Vec::new(),
            copy: None,
            model: [[0; 2]; SPACES],
        }
    }

    pub(super) fn copy_from(&mut self, other: &Self) {
        self.memory.copy_from(&other.memory);
        self.writes.clone_from(&other.writes);
        self.reads.clone_from(&other.reads);
        (self.ptes, self.ram, self.disk) = (other.ptes, other.ram, other.disk);
        (self.copy, self.model) = (other.copy, other.model);
    }

    fn ram(&mut self, frame: Ppn) -> &mut Content {
        &mut self.ram[(frame.0 - FIRST.0) as usize]
    }

    pub(super) fn cell_at(&self, (space, page): Place) -> Option<CellId> {
        let pte = self.ptes[space][page];
        if pte.is_valid() { self.memory.cell_in(pte.ppn()) } else { CellId::of_absent_pte(pte) }
    }

    /// The cell that an absent entry names, and where it is in RAM.
    fn hidden(&self, (space, page): Place) -> Option<(CellId, Option<Ppn>)> {
        let cell = CellId::of_absent_pte(self.ptes[space][page])?;
        Some((cell, self.memory.cells.frame(cell)))
    }

    /// Whether it can be done now.
    pub(super) fn apply(&mut self, operation: Operation) -> bool {
        match operation {
            Operation::Read(place) => return self.read(place),
            Operation::Write(place) => return self.write(place).is_ok_and(|done| done),
            Operation::Trim(place) => self.trim(place),
            Operation::Discard(place) => self.discard(place),
            Operation::Fork(parent) => self.fork(parent),
            Operation::Unmap(space) => self.unmap(space),
            Operation::BeginWrite => self.begin_write(),
            Operation::EndWrite(nth, outcome) => self.end_write(nth, outcome),
            Operation::BeginRead(place) => self.begin_read(place),
            Operation::EndRead(nth, outcome) => self.end_read(nth, outcome),
            Operation::Steal => {
                self.memory.steal(1);
            }
            Operation::BeginCopy(place) => return self.begin_copy(place).is_some(),
            Operation::EndCopy => self.end_copy(),
            Operation::Evacuate(page) => {
                let slot = SlotId::new(0, page).expect("a slot");
                return self.memory.evacuate(slot) == Evacuation::Empty;
            }
        }
        true
    }

    fn read(&mut self, place: Place) -> bool {
        let (space, page) = place;
        match self.hidden(place) {
            Some((_, None)) => return false,
            Some((cell, Some(frame))) => {
                let alone = self.memory.sharers(cell) == 1;
                self.memory.show_cell(cell, frame);
                self.ptes[space][page] = Pte::new(frame, if alone { CLEAN } else { READ });
            }
            None if self.ptes[space][page].is_valid() => {}
            None => {
                let zero = self.memory.zero_frame();
                self.memory.frames.map(zero);
                self.ptes[space][page] = Pte::new(zero, READ);
            }
        }
        true
    }

    /// Whether the page was in RAM.
    fn write(&mut self, place: Place) -> Result<bool, OutOfMemory> {
        let (space, page) = place;
        let old = self.ptes[space][page];
        let alone = self.cell_at(place).is_some_and(|cell| self.memory.sharers(cell) == 1);
        let frame = match self.hidden(place) {
            Some((_, None)) => return Ok(false),
            Some((cell, Some(frame))) if alone => {
                self.memory.spoil(cell);
                self.memory.show_cell(cell, frame);
                frame
            }
            Some((_, Some(source))) => {
                self.memory.pin(source);
                let frame = self.new_frame();
                self.memory.unpin(source);
                let frame = frame?;
                self.drop_pte(old);
                frame
            }
            None if old.flags().has(CLEAN) => old.ppn(),
            None if alone => {
                self.memory.spoil(self.cell_at(place).expect("it is alone"));
                old.ppn()
            }
            None => {
                let frame = self.new_frame()?;
                self.drop_pte(old);
                frame
            }
        };
        self.ptes[space][page] = Pte::new(frame, DIRTY);
        *self.ram(frame) = space as Content + 1;
        self.model[space][page] = space as Content + 1;
        Ok(true)
    }

    /// The frame of a new cell.
    fn new_frame(&mut self) -> Result<Ppn, OutOfMemory> {
        let (_, frame) = self.memory.new_cell(Class::User)?;
        self.memory.frames.map(frame);
        Ok(frame)
    }

    fn drop_pte(&mut self, pte: Pte) {
        if pte.is_valid() {
            self.memory.drop_mapping(pte);
        } else if let Some(cell) = CellId::of_absent_pte(pte) {
            self.memory.release_cell(cell);
        }
    }

    fn discard(&mut self, (space, page): Place) {
        let old = std::mem::take(&mut self.ptes[space][page]);
        self.drop_pte(old);
        self.model[space][page] = 0;
    }

    fn trim(&mut self, place: Place) {
        let old = self.ptes[place.0][place.1];
        if let Some(cell) = self.cell_at(place).filter(|_| old.is_valid()) {
            self.memory.hide_cell(cell, old);
            self.ptes[place.0][place.1] = cell.absent_pte();
        }
    }

    /// The other space becomes a copy of this one.
    fn fork(&mut self, parent: usize) {
        let child = 1 - parent;
        self.unmap(child);
        for page in 0..self.pages {
            let pte = self.ptes[parent][page];
            let mut copy = pte;
            if pte.is_valid() {
                if !self.memory.frames.map_cell(pte.ppn()) {
                    self.memory.frames.map(pte.ppn());
                }
                self.ptes[parent][page] = pte.with_flags(pte.flags().without(Flags::W));
                copy = pte.with_flags(pte.flags().without(Flags::W.with(Flags::D)));
            } else if let Some(cell) = CellId::of_absent_pte(pte) {
                self.memory.cells.hold(cell);
            }
            self.ptes[child][page] = copy;
        }
        self.model[child] = self.model[parent];
    }

    fn unmap(&mut self, space: usize) {
        (0..self.pages).for_each(|page| self.discard((space, page)));
    }

    fn begin_write(&mut self) {
        let nothing = ToWrite {
            cell: CellId(1.try_into().expect("not 0")),
            frame: FIRST,
            slot: SlotId::FIRST,
        };
        let mut out = [nothing];
        if self.memory.take_for_writing(&mut out) == 1 {
            let [ToWrite { cell, frame, slot }] = out;
            let content = *self.ram(frame);
            self.disk[slot.page() as usize] = RUBBISH;
            self.writes.push(Transfer { cell, frame, slot, content });
        }
    }

    fn end_write(&mut self, nth: usize, outcome: Outcome) {
        if nth >= self.writes.len() {
            return;
        }
        let Transfer { cell, frame, slot, content } = self.writes.remove(nth);
        // What changes while it is being written gets there in part.
        let is_whole = outcome == Outcome::Done && *self.ram(frame) == content;
        self.disk[slot.page() as usize] = if is_whole { content } else { RUBBISH };
        self.memory.written(cell, outcome.result());
    }

    fn begin_read(&mut self, place: Place) {
        let Some((cell, None)) = self.hidden(place) else { return };
        if let Ok(returning) = self.memory.begin_read(cell, Class::User, Wanted::Now) {
            let (frame, slot) = (returning.frame, returning.slot);
            *self.ram(frame) = RUBBISH;
            self.reads.push(Transfer { cell, frame, slot, content: 0 });
        }
    }

    fn end_read(&mut self, nth: usize, outcome: Outcome) {
        if nth >= self.reads.len() {
            return;
        }
        let Transfer { cell, frame, slot, .. } = self.reads.remove(nth);
        if outcome == Outcome::GivenUp {
            return self.memory.read_given_up(cell);
        }
        *self.ram(frame) = self.disk[slot.page() as usize];
        if outcome == Outcome::Failed {
            for place in self.places() {
                if self.cell_at(place) == Some(cell) {
                    self.model[place.0][place.1] = LOST;
                }
            }
        }
        self.memory.read_done(cell, outcome.result());
    }

    fn begin_copy(&mut self, place: Place) -> Option<()> {
        let (cell, _) = self.hidden(place).filter(|_| self.copy.is_none())?;
        if self.memory.cells.state(cell) != State::Swapped || self.memory.sharers(cell) == 1 {
            return None;
        }
        let slot = self.memory.cells.slot(cell)?;
        let frame = self.memory.alloc(Class::User, Owner::Kernel).ok()?;
        self.memory.keep(cell);
        let content = self.disk[slot.page() as usize];
        self.copy = Some((place, Transfer { cell, frame, slot, content }));
        Some(())
    }

    fn end_copy(&mut self) {
        let Some((place, Transfer { cell, frame, slot, content })) = self.copy.take() else {
            return;
        };
        let now = self.disk[slot.page() as usize];
        *self.ram(frame) = if now == content { content } else { RUBBISH };
        let (space, page) = place;
        let word = cell.absent_pte();
        if self.ptes[space][page] == word && self.memory.cell_of_frame(frame).is_ok() {
            self.memory.frames.map(frame);
            self.ptes[space][page] = Pte::new(frame, DIRTY);
            // It was lost to the others perhaps, but not to this one.
            self.model[space][page] = *self.ram(frame);
            assert_ne!(*self.ram(frame), RUBBISH, "a copy of something else");
            self.drop_pte(word);
        } else {
            self.memory.frames.free(frame);
        }
        self.memory.stop_keeping(cell);
    }

    pub(super) fn places(&self) -> impl Iterator<Item = Place> + use<> {
        let pages = self.pages;
        (0..SPACES).flat_map(move |space| (0..pages).map(move |page| (space, page)))
    }

    /// What a page shows, wherever it is.
    fn shown(&mut self, place: Place) -> Content {
        let pte = self.ptes[place.0][place.1];
        if pte.is_valid() {
            return *self.ram(pte.ppn());
        }
        let Some(cell) = CellId::of_absent_pte(pte) else { return 0 };
        match (self.memory.cells.frame(cell), self.memory.cells.slot(cell)) {
            (Some(frame), _) => *self.ram(frame),
            (None, Some(slot)) => self.disk[slot.page() as usize],
            (None, None) => LOST,
        }
    }

    pub(super) fn check(&mut self) {
        let mut audit = Audit::begin(self.memory.extent()).expect("a heap");
        for (space, ptes) in self.ptes.iter().enumerate() {
            for (page, pte) in (0x10..).map(Vpn).zip(ptes) {
                audit.entry(space as u32, page, *pte);
            }
        }
        if let Some((_, copy)) = &self.copy
            && self.memory.frames.owner(copy.frame) == Owner::Kernel
        {
            audit.kernel_frame(copy.frame);
        }
        audit.judge(&self.memory);
        assert_eq!(audit.finish(), []);
        for place in self.places() {
            let model = self.model[place.0][place.1];
            assert_eq!(self.shown(place), model, "{place:?} {:?} {:?}", self.ptes, self.model);
        }
        self.check_slots();
        let in_use = self.memory.frames.count(crate::mm::frames::Kind::Anon);
        let copy = u64::from(self.copy.is_some());
        assert_eq!(self.memory.frames.free_frames() + in_use + copy, self.frames as u64);
        let count = |state| self.memory.cells.count(state);
        let in_flight = (self.writes.len() as u64, self.reads.len() as u64);
        assert_eq!((count(State::Writing), count(State::Reading)), in_flight);
    }

    /// A slot has the content of the page unless an entry with D says otherwise.
    fn check_slots(&mut self) {
        for place in self.places() {
            let Some(cell) = self.cell_at(place) else { continue };
            let Some(slot) = self.memory.cells.slot(cell) else { continue };
            let is_dirty = self.places().any(|place| {
                let pte = self.ptes[place.0][place.1];
                pte.flags().has(Flags::V.with(Flags::D)) && self.cell_at(place) == Some(cell)
            });
            if self.memory.cells.state(cell) == State::Resident && !is_dirty {
                let content = self.disk[slot.page() as usize];
                assert_eq!(content, self.model[place.0][place.1], "slot of {place:?}");
            }
        }
    }

    pub(super) fn ram_of(&self, frame: Ppn) -> Content {
        self.ram[(frame.0 - FIRST.0) as usize]
    }
}
