//! What madvise says about pages that are in RAM, or are not: [`make_cold`](AddressSpace::make_cold),
//! [`push_out`](AddressSpace::push_out), [`fetch`](AddressSpace::fetch). All are advice: what cannot
//! be done at the moment is not done.

use alloc::vec::Vec;

use arrayvec::ArrayVec;
use guest::mm::cells::State;
use guest::mm::counters::Event;
use guest::mm::space::{PageState, Scan, Sharers};
use guest::mm::{CellId, PageRange, SlotId};

use super::{AddressSpace, books, memory, swap, transfer};
use crate::block::PIECES_MAX;

/// Pages that are looked at with the space locked.
const CHUNK_PAGES: u64 = 64;

/// Parts of a range.
fn chunks(range: PageRange) -> impl Iterator<Item = PageRange> {
    let mut at = range.start;
    core::iter::from_fn(move || {
        let chunk = PageRange::new(at, at.add(CHUNK_PAGES).min(range.end));
        at = chunk.end;
        (!chunk.is_empty()).then_some(chunk)
    })
}

impl AddressSpace {
    /// Unmaps the pages of a range that nobody else has: those that are not used again soon are the
    /// first to leave RAM. Without swap areas nothing would.
    pub(crate) fn make_cold(&self, range: PageRange) {
        if swap::pages().0 == 0 {
            return;
        }
        let mut left = range;
        while !left.is_empty() {
            let mut space = self.lock();
            let locked = self.locked();
            let scan = Scan { budget: CHUNK_PAGES, keep: locked.ranges(), time: 0 };
            let passed = space.make_cold(self.machine(), &mut left, scan, Sharers::None);
            books::count(Event::Scanned, passed.looked);
        }
    }

    /// Has the pages of a range that nobody else has leave RAM, and waits for that.
    pub(crate) fn push_out(&self, range: PageRange) {
        self.make_cold(range);
        for chunk in chunks(range) {
            let mut cells = ArrayVec::<CellId, { CHUNK_PAGES as usize }>::new();
            self.lock().pages(self.machine(), chunk, &mut |_, state| match state {
                PageState::Present { pte, .. } => cells.extend(CellId::of_absent_pte(pte)),
                PageState::Swapped { .. } | PageState::Absent => {}
            });
            write(&cells);
            take(&cells);
        }
        self.for_each_object(range, &mut |cells| {
            write(cells);
            take(cells);
        });
    }

    /// Begins to read the pages of a range that are on a disk, as long as frames are not short.
    pub(crate) fn fetch(&self, range: PageRange) {
        for chunk in chunks(range) {
            let mut cells = ArrayVec::<CellId, { CHUNK_PAGES as usize }>::new();
            self.lock().pages(self.machine(), chunk, &mut |_, state| {
                if let PageState::Swapped { slot } = state {
                    cells.extend(memory(|memory| memory.slots.cell_of(slot)));
                }
            });
            fetch(&cells);
        }
        self.for_each_object(range, &mut fetch);
    }

    /// Calls `work` with cells of the objects that are mapped in a range, with nothing locked.
    fn for_each_object(&self, range: PageRange, work: &mut dyn FnMut(&[CellId])) {
        let mut objects = Vec::new();
        for area in self.lock().vmas().overlapping(range) {
            let Some(pages) = area.pages.intersection(range) else { continue };
            let Some((object, first)) = area.object_at(pages.start) else { continue };
            if objects.try_reserve(1).is_ok() {
                objects.push((object.clone(), first..first + pages.pages()));
            }
        }
        for (object, pages) in objects {
            let mut cells: Vec<CellId> = Vec::new();
            object.0.for_each_page(&mut |index, cell| {
                if pages.contains(&index) && cells.try_reserve(1).is_ok() {
                    cells.push(cell);
                }
            });
            work(&cells);
        }
    }
}

/// Begins to write those of some cells that nobody maps.
fn write(cells: &[CellId]) {
    for part in cells.chunks(PIECES_MAX) {
        // Fewer slots in a row than cells: the rest is next.
        while transfer::write_these(part) > 0 {}
    }
}

/// Takes the frames of cells that are, or have been, written.
fn take(cells: &[CellId]) {
    for cell in cells {
        transfer::wait_for(*cell);
        memory(|memory| memory.steal_from(*cell));
    }
}

/// Begins to read those of some cells that are on a disk only, in rows.
fn fetch(cells: &[CellId]) {
    let slot = |cell: CellId| {
        memory(|memory| {
            let is_away = memory.cells.state(cell) == State::Swapped;
            memory.cells.slot(cell).filter(|_| is_away)
        })
    };
    let mut row = ArrayVec::<CellId, PIECES_MAX>::new();
    let mut first = None::<SlotId>;
    for cell in cells {
        let Some(slot) = slot(*cell) else { continue };
        let is_next = first.is_some_and(|first| slot.0.get() == first.0.get() + row.len() as u32);
        if !is_next || row.is_full() {
            if let Some(first) = first {
                transfer::fetch(first, &row);
            }
            row.clear();
            first = Some(slot);
        }
        row.push(*cell);
    }
    if let Some(first) = first {
        transfer::fetch(first, &row);
    }
}
