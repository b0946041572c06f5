//! [`ToyObject`]: a file or shared memory for tests, beside [`ToyMachine`], on which its pages lie.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::rc::Rc;

use super::ToyMachine;
use crate::mm::object::Pages;
use crate::mm::{CellId, Machine, ObjectAccess, PageError};
use crate::pte::Ppn;

/// An object: a file or shared memory, as long as told, with pages that cannot be read. A clone is
/// the same one.
#[derive(Clone, Debug)]
pub(crate) struct ToyObject(Rc<ObjectState>);

#[derive(Debug)]
struct ObjectState {
    pages: RefCell<Pages>,
    length_pages: Cell<u64>,
    unreadable: RefCell<Vec<u64>>,
}

impl PartialEq for ToyObject {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl ToyObject {
    /// An object of so many pages, all of which are holes.
    pub(crate) fn new(length_pages: u64) -> Self {
        Self(Rc::new(ObjectState {
            pages: RefCell::default(),
            length_pages: Cell::new(length_pages),
            unreadable: RefCell::default(),
        }))
    }

    /// An object whose page `i` begins with the doubleword `words[i]`; the rest is zeros.
    pub(crate) fn with_words(machine: &ToyMachine, words: &[u64]) -> Self {
        let object = Self::new(words.len() as u64);
        for (index, word) in words.iter().enumerate() {
            let access = ObjectAccess::Write;
            let page = object.0.pages.borrow_mut().pin_page(machine, index as u64, access);
            let frame = page.expect("frames");
            machine.poke(frame, 0, *word);
            Pages::unpin_page(machine, frame);
        }
        object
    }

    /// Page `index` answers [`PageError::Io`] from now on.
    pub(crate) fn break_page(&self, index: u64) {
        self.0.unreadable.borrow_mut().push(index);
    }

    /// Makes it this long; what lies behind is let go of.
    pub(crate) fn set_length(&self, machine: &ToyMachine, pages: u64) {
        self.0.length_pages.set(pages);
        self.0.pages.borrow_mut().truncate(machine, pages);
    }

    /// Makes a hole of these pages.
    pub(crate) fn punch(&self, machine: &ToyMachine, pages: Range<u64>) {
        self.0.pages.borrow_mut().punch(machine, pages);
    }

    /// The frame of page `index`, if it is there and in RAM.
    pub(crate) fn frame(&self, machine: &ToyMachine, index: u64) -> Option<Ppn> {
        let cell = self.0.pages.borrow().cell(index)?;
        machine.memory(|memory| memory.cells.frame(cell))
    }

    /// Each page.
    pub(crate) fn cells(&self) -> Vec<CellId> {
        let mut cells = Vec::new();
        self.0.pages.borrow().for_each(&mut |_, cell| cells.push(cell));
        cells
    }

    /// The frame of page `index` for a mapping of it.
    pub(super) fn page(
        &self,
        machine: &ToyMachine,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError> {
        if index >= self.0.length_pages.get() {
            return Err(PageError::BeyondEnd);
        }
        if self.0.unreadable.borrow().contains(&index) {
            return Err(PageError::Io);
        }
        self.0.pages.borrow_mut().map_page(machine, index, access)
    }

    /// For [`Machine::object_pages`](crate::mm::Machine::object_pages).
    pub(super) fn present(&self, machine: &ToyMachine, first: u64, frames: &mut [Option<Ppn>]) {
        let unreadable = self.0.unreadable.borrow();
        let can_be_read =
            |index: &u64| *index < self.0.length_pages.get() && !unreadable.contains(index);
        let pages = self.0.pages.borrow();
        for (index, frame) in (first..).zip(frames).filter(|(index, _)| can_be_read(index)) {
            pages.map_present(machine, index, core::slice::from_mut(frame));
        }
    }
}
