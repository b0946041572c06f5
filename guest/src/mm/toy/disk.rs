//! The toy machine's swap area: slots that keep pages, and transfers that end when they are told
//! to, as they are told to. What changes while it is being written gets there in part; what is free
//! or being read is rubbish.

use super::{RUBBISH, ToyMachine};
use crate::ENTRIES;
use crate::mm::cells::{TransferError, Wanted};
use crate::mm::memory::{Evacuation, ReadRefused, ToWrite};
use crate::mm::swap::{Area, SlotId};
use crate::mm::{CellId, Class, Machine, Owner};
use crate::pte::Ppn;

/// A page's content.
pub(crate) type Page = [u64; ENTRIES];

/// A transfer under way.
#[derive(Clone, Debug)]
pub(super) struct Transfer {
    cell: CellId,
    frame: Ppn,
    slot: SlotId,
    /// Of one that writes: what the frame had at the beginning.
    written: Option<Page>,
}

impl ToyMachine {
    /// Adds a swap area of so many pages, the header among them.
    pub(crate) fn add_swap(&self, pages: usize) {
        let area = Area::new(Area::storage(pages).expect("the host has memory"), &[], 0);
        self.memory(|memory| memory.slots.add(area)).expect("room");
    }

    /// Begins to write up to `most` pages; how many.
    pub(crate) fn begin_writes(&self, most: usize) -> usize {
        let nothing = ToWrite {
            cell: CellId(1.try_into().expect("not 0")),
            frame: Ppn(0),
            slot: SlotId::FIRST,
        };
        let mut out = vec![nothing; most];
        let given = self.memory(|memory| memory.take_for_writing(&mut out));
        for ToWrite { cell, frame, slot } in &out[..given] {
            let written = Some(self.page(*frame));
            self.disk().remove(slot);
            let transfer = Transfer { cell: *cell, frame: *frame, slot: *slot, written };
            self.shared.transfers.borrow_mut().push(transfer);
        }
        given
    }

    /// Begins to read a cell.
    pub(crate) fn begin_read(&self, cell: CellId, wanted: Wanted) -> Result<(), ReadRefused> {
        let returning = self.memory(|memory| memory.begin_read(cell, Class::User, wanted))?;
        let (frame, slot) = (returning.frame, returning.slot);
        self.fill(frame, RUBBISH);
        let transfer = Transfer { cell, frame, slot, written: None };
        self.shared.transfers.borrow_mut().push(transfer);
        Ok(())
    }

    /// How many transfers are under way.
    pub(crate) fn transfers(&self) -> usize {
        self.shared.transfers.borrow().len()
    }

    /// Whether this transfer writes.
    pub(crate) fn is_write(&self, nth: usize) -> bool {
        self.shared.transfers.borrow()[nth].written.is_some()
    }

    /// Ends one of the transfers under way.
    pub(crate) fn end_transfer(&self, nth: usize, result: Result<(), TransferError>) {
        let Transfer { cell, frame, slot, written } =
            self.shared.transfers.borrow_mut().remove(nth);
        match written {
            Some(before) => {
                let mut page = self.page(frame);
                if page != before {
                    page[ENTRIES / 2..].fill(RUBBISH);
                }
                if result.is_ok() {
                    self.disk().insert(slot, page);
                }
                self.memory(|memory| memory.written(cell, result));
            }
            None => {
                if result.is_ok() {
                    self.shared.ram.borrow_mut()[Self::ram_index(frame)] = self.slot(slot);
                }
                self.memory(|memory| memory.read_done(cell, result));
            }
        }
    }

    /// Waits until the cell is not being read or written any more.
    pub(crate) fn wait_for(&self, cell: CellId) {
        let position =
            self.shared.transfers.borrow().iter().position(|transfer| transfer.cell == cell);
        if let Some(position) = position {
            self.end_transfer(position, Ok(()));
        }
    }

    /// Reads a cell into a frame for somebody who will change it, and keeps the cell.
    pub(crate) fn read_private(&self, cell: CellId) -> Option<Ppn> {
        let (frame, slot) = self.memory(|memory| {
            let slot = memory.cells.slot(cell)?;
            let frame = memory.alloc(Class::User, Owner::Kernel).ok()?;
            memory.keep(cell);
            Some((frame, slot))
        })?;
        self.shared.ram.borrow_mut()[Self::ram_index(frame)] = self.slot(slot);
        Some(frame)
    }

    /// What is in a slot.
    pub(crate) fn slot(&self, slot: SlotId) -> Page {
        self.disk().get(&slot).copied().unwrap_or([RUBBISH; ENTRIES])
    }

    /// Empties all slots of the first area as far as there are frames for that; whether it is empty.
    pub(crate) fn evacuate(&self) -> bool {
        let mut page = 0;
        while let Some((slot, _)) = self.memory(|memory| memory.slots.first_used(0, page)) {
            match self.memory(|memory| memory.evacuate(slot)) {
                Evacuation::Empty => page = slot.page() + 1,
                Evacuation::Wait(cell) => self.wait_for(cell),
                Evacuation::Read(cell) => {
                    if self.begin_read(cell, Wanted::Now).is_err() {
                        return false;
                    }
                    self.wait_for(cell);
                }
            }
        }
        self.memory(|memory| memory.slots.used()) == 0
    }

    /// Makes rubbish of what is in free frames.
    pub(crate) fn spoil_free_frames(&self) {
        let range = self.memory(|memory| memory.frames.range());
        for frame in (range.start.0..range.end.0).map(Ppn) {
            if self.memory(|memory| memory.frames.owner(frame)) == Owner::Free {
                self.fill(frame, RUBBISH);
            }
        }
    }

    fn page(&self, frame: Ppn) -> Page {
        self.shared.ram.borrow()[Self::ram_index(frame)]
    }

    fn disk(&self) -> std::cell::RefMut<'_, std::collections::BTreeMap<SlotId, Page>> {
        self.shared.disk.borrow_mut()
    }
}
