//! Breadth first through every state that two address spaces of two pages reach with three frames
//! and three cells. Each page shows what was last written through it, and an audit of each state
//! finds nothing.

use std::collections::{HashMap, VecDeque};

use crate::mm::audit::Audit;
use crate::mm::cells::{Cell, Cells};
use crate::mm::frames::{FrameMeta, Frames};
use crate::mm::{CellId, Class, Memory, OutOfMemory, Owner, Vpn};
use crate::pte::{Flags, Ppn, Pte};

const SPACES: usize = 2;
const PAGES: usize = 2;
const FRAMES: usize = 3;
const FIRST: Ppn = Ppn(0x8_0000);
/// What a page is mapped with that is not written.
const READ: Flags = Flags::V.with(Flags::R).with(Flags::U);

/// What an operation is done to.
type Place = (usize, usize);
/// What a page shows: 0, or 1 more than the number of the space that wrote it last.
type Content = u8;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Read(Place),
    Write(Place),
    /// The page's frame is taken from it, but the cell keeps it.
    Trim(Place),
    Discard(Place),
    Fork(usize),
    Unmap(usize),
}

impl Operation {
    fn all() -> Vec<Self> {
        let places = (0..SPACES).flat_map(|space| (0..PAGES).map(move |page| (space, page)));
        let mut all: Vec<Self> = places
            .flat_map(|place| {
                [Self::Read(place), Self::Write(place), Self::Trim(place), Self::Discard(place)]
            })
            .collect();
        all.extend((0..SPACES).flat_map(|space| [Self::Fork(space), Self::Unmap(space)]));
        all
    }
}

struct World {
    memory: Memory,
    ptes: [[Pte; PAGES]; SPACES],
    /// By frame.
    content: [Content; FRAMES + 1],
    /// What the pages must show.
    model: [[Content; PAGES]; SPACES],
}

/// A world without the names of frames and cells: entries by order of first appearance.
type Key = [[(u8, bool, Content); PAGES]; SPACES];

impl World {
    fn new() -> Self {
        let storage = vec![FrameMeta::RESERVED; FRAMES + 1].leak();
        let mut frames = Frames::new(FIRST, storage);
        frames.donate(frames.range());
        frames.set_min_free_kbytes(0);
        let cells = Cells::new(vec![Cell::DEAD; FRAMES].leak());
        Self {
            memory: Memory::new(frames, cells).expect("frames"),
            ptes: [[Pte::default(); PAGES]; SPACES],
            content: [0; FRAMES + 1],
            model: [[0; PAGES]; SPACES],
        }
    }

    fn duplicate(&self) -> Self {
        Self { memory: self.memory.duplicate(), ..*self }
    }

    fn content(&mut self, frame: Ppn) -> &mut Content {
        &mut self.content[(frame.0 - FIRST.0) as usize]
    }

    /// A page fault brings back what an absent entry names.
    fn rescue(&mut self, (space, page): Place) {
        if let Some(cell) = CellId::of_absent_pte(self.ptes[space][page]) {
            let frame = self.memory.cells.frame(cell).expect("resident");
            self.memory.show_cell(cell, frame);
            self.ptes[space][page] = Pte::new(frame, READ);
        }
    }

    fn read(&mut self, place: Place) {
        self.rescue(place);
        let (space, page) = place;
        if !self.ptes[space][page].is_valid() {
            let zero = self.memory.zero_frame();
            self.memory.frames.map(zero);
            self.ptes[space][page] = Pte::new(zero, READ);
        }
    }

    fn write(&mut self, place: Place) -> Result<(), OutOfMemory> {
        self.rescue(place);
        let (space, page) = place;
        let old = self.ptes[space][page];
        let alone = old.is_valid()
            && self.memory.cell_in(old.ppn()).is_some_and(|cell| self.memory.refs(cell) == 1);
        let frame = if alone { old.ppn() } else { self.new_frame(old)? };
        self.ptes[space][page] = Pte::new(frame, READ | Flags::W);
        *self.content(frame) = space as Content + 1;
        self.model[space][page] = space as Content + 1;
        Ok(())
    }

    /// A new cell instead of what the entry maps.
    fn new_frame(&mut self, old: Pte) -> Result<Ppn, OutOfMemory> {
        let (_, frame) = self.memory.new_cell(Class::User)?;
        self.memory.frames.map(frame);
        self.drop_pte(old);
        Ok(frame)
    }

    fn drop_pte(&mut self, pte: Pte) {
        let frame = self.frame(pte);
        if pte.is_valid() {
            self.memory.drop_mapping(pte.ppn());
        } else if let Some(cell) = CellId::of_absent_pte(pte) {
            self.memory.release_cell(cell);
        }
        if let Some(frame) = frame.filter(|frame| self.memory.frames.owner(*frame) == Owner::Free) {
            *self.content(frame) = Content::MAX;
        }
    }

    fn discard(&mut self, (space, page): Place) {
        let old = std::mem::take(&mut self.ptes[space][page]);
        self.drop_pte(old);
        self.model[space][page] = 0;
    }

    fn trim(&mut self, (space, page): Place) {
        let old = self.ptes[space][page];
        let cell = self.memory.cell_in(old.ppn()).filter(|_| old.is_valid());
        if let Some(cell) = cell {
            self.memory.hide_cell(cell, old.ppn());
            self.ptes[space][page] = cell.absent_pte();
        }
    }

    /// The other space becomes a copy of this one.
    fn fork(&mut self, parent: usize) {
        let child = 1 - parent;
        self.unmap(child);
        for page in 0..PAGES {
            let pte = self.ptes[parent][page];
            if pte.is_valid() {
                if !self.memory.frames.map_cell(pte.ppn()) {
                    self.memory.frames.map(pte.ppn());
                }
                self.ptes[parent][page] = pte.with_flags(pte.flags().without(Flags::W));
            } else if let Some(cell) = CellId::of_absent_pte(pte) {
                self.memory.cells.hold(cell);
            }
        }
        self.ptes[child] = self.ptes[parent];
        self.model[child] = self.model[parent];
    }

    fn unmap(&mut self, space: usize) {
        (0..PAGES).for_each(|page| self.discard((space, page)));
    }

    /// Whether it could be done.
    fn apply(&mut self, operation: Operation) -> bool {
        match operation {
            Operation::Read(place) => self.read(place),
            Operation::Write(place) => return self.write(place).is_ok(),
            Operation::Trim(place) => self.trim(place),
            Operation::Discard(place) => self.discard(place),
            Operation::Fork(parent) => self.fork(parent),
            Operation::Unmap(space) => self.unmap(space),
        }
        true
    }

    /// Frame behind an entry, absent ones included.
    fn frame(&self, pte: Pte) -> Option<Ppn> {
        if pte.is_valid() {
            return Some(pte.ppn());
        }
        CellId::of_absent_pte(pte).and_then(|cell| self.memory.cells.frame(cell))
    }

    fn check(&mut self) {
        let mut audit = Audit::begin(self.memory.extent()).expect("a heap");
        for (space, ptes) in self.ptes.iter().enumerate() {
            for (page, pte) in (0x10..).map(Vpn).zip(ptes) {
                audit.entry(space as u32, page, *pte);
            }
        }
        audit.judge(&self.memory);
        assert_eq!(audit.finish(), []);
        for (ptes, model) in self.ptes.into_iter().flatten().zip(self.model.into_iter().flatten()) {
            let shown = self.frame(ptes).map_or(0, |frame| *self.content(frame));
            assert_eq!(shown, model, "{:?} {:?}", self.ptes, self.model);
        }
        let live = self.memory.cells.live();
        assert_eq!(self.memory.frames.free_frames() + live, FRAMES as u64);
    }

    fn key(&self) -> Key {
        let mut names = HashMap::from([(self.memory.zero_frame(), 1)]);
        let mut key = Key::default();
        for (space, page) in (0..SPACES).flat_map(|space| (0..PAGES).map(move |page| (space, page)))
        {
            let pte = self.ptes[space][page];
            let next = names.len() as u8 + 1;
            let name = self.frame(pte).map_or(0, |frame| *names.entry(frame).or_insert(next));
            let flags = u8::from(pte.is_valid()) << 7;
            let writable = pte.is_valid() && pte.flags().has(Flags::W);
            key[space][page] = (name | flags, writable, self.model[space][page]);
        }
        key
    }
}

#[test]
fn every_state_of_two_spaces_is_sound() {
    let operations = Operation::all();
    let start = World::new();
    let mut seen = HashMap::from([(start.key(), 0)]);
    let mut queue = VecDeque::from([start]);
    let (mut deepest, mut refused) = (0, 0);
    while let Some(mut world) = queue.pop_front() {
        world.check();
        let depth = seen[&world.key()] + 1;
        for operation in &operations {
            let mut next = world.duplicate();
            if !next.apply(*operation) {
                refused += 1;
                next.check();
            }
            let key = next.key();
            if let std::collections::hash_map::Entry::Vacant(place) = seen.entry(key) {
                place.insert(depth);
                deepest = depth;
                queue.push_back(next);
            }
        }
    }
    // Fewer would mean that an operation has stopped doing anything.
    assert_eq!((seen.len(), deepest), (2368, 11));
    assert!(refused > 0);
}
