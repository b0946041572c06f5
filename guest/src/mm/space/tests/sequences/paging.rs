//! What happens to pages behind the backs of processes: they are trimmed, written, taken away, read
//! ahead, brought back because an area is switched off.

use proptest::prelude::*;

use super::steps::pages;
use super::*;
use crate::mm::cells::{TransferError, Wanted};
use crate::mm::memory::ReadRefused;
use crate::mm::policy::{Policy, Verdict};
use crate::mm::space::{ReadHow, Scan};

/// How far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Out {
    /// Nothing is mapped.
    Hidden,
    /// It is being written.
    Writing,
    /// It is in slots, and in frames that could be taken.
    Written,
    /// It is in slots alone.
    Gone,
}

#[derive(Clone, Debug)]
pub(super) enum Paging {
    /// So many pages are looked at; those that were not accessed go, or all.
    Trim { budget: u64, all: bool, keep: Option<Range<u64>> },
    /// So many writes begin.
    Write(usize),
    /// One of the transfers under way ends; one that writes may have failed.
    End { nth: usize, fails: bool },
    /// So many frames are taken.
    Steal(u32),
    /// One of the slots in use is read, whoever wants it.
    Ahead(usize),
    /// The area is emptied, and used again.
    Empty,
    /// Everything goes as far out as it can: so far.
    Out(Out),
}

pub(super) fn paging() -> impl Strategy<Value = Paging> {
    let keep = prop::option::weighted(0.2, pages());
    prop_oneof![
        6 => (1..80u64, any::<bool>(), keep)
            .prop_map(|(budget, all, keep)| Paging::Trim { budget, all, keep }),
        4 => (1..6usize).prop_map(Paging::Write),
        5 => (any::<usize>(), prop::bool::weighted(0.1))
            .prop_map(|(nth, fails)| Paging::End { nth, fails }),
        4 => (1..6u32).prop_map(Paging::Steal),
        2 => any::<usize>().prop_map(Paging::Ahead),
        1 => Just(Paging::Empty),
        8 => prop_oneof![Just(Out::Hidden), Just(Out::Writing), Just(Out::Written), Just(Out::Gone)]
            .prop_map(Paging::Out),
    ]
}

impl Process {
    /// What a thread does that has met this trouble: it waits, and tries again.
    pub(in super::super) fn bring_in(&mut self, va: u64, trouble: Trouble) -> Result<(), Trouble> {
        let machine = &self.machine;
        match trouble {
            Trouble::Busy(cell) => machine.wait_for(cell),
            Trouble::Swapped { cell, how: ReadHow::Whole } => {
                match machine.begin_read(cell, Wanted::Now) {
                    Err(ReadRefused::OutOfMemory) => return Err(Trouble::OutOfMemory),
                    Ok(()) | Err(ReadRefused::UnderWay | ReadRefused::NotSwapped) => {}
                }
                machine.wait_for(cell);
            }
            Trouble::Swapped { cell, how: ReadHow::Private } => {
                let frame = machine.read_private(cell).ok_or(Trouble::OutOfMemory)?;
                let repaired = self.space.fault_with_copy(machine, va, cell, frame);
                machine.memory(|memory| memory.stop_keeping(cell));
                repaired?;
            }
            other => return Err(other),
        }
        Ok(())
    }
}

impl World {
    pub(super) fn page(&mut self, at: usize, paging: Paging) {
        let machine = &self.rig.machine;
        match paging {
            Paging::Trim { budget, all, keep } => self.trim(at, budget, (all, keep)),
            Paging::Write(most) => {
                machine.begin_writes(most);
            }
            Paging::End { nth, fails } if machine.transfers() > 0 => {
                let nth = nth % machine.transfers();
                let is_write = machine.is_write(nth);
                let result = if fails && is_write { Err(TransferError) } else { Ok(()) };
                machine.end_transfer(nth, result);
            }
            Paging::End { .. } => {}
            Paging::Steal(frames) => {
                machine.memory(|memory| memory.steal(frames));
            }
            Paging::Ahead(nth) => {
                let cells = self.swapped();
                if let Some(cell) = cells.get(nth % cells.len().max(1)) {
                    // There may be no frame for it.
                    let _ = machine.begin_read(*cell, Wanted::Ahead);
                }
            }
            Paging::Out(far) => self.push_out(far),
            Paging::Empty => {
                assert!(machine.evacuate() || self.may_be_out_of_memory());
            }
        }
    }

    fn push_out(&mut self, far: Out) {
        for at in 0..self.processes.len() {
            self.trim(at, u64::MAX, (true, None));
            self.trim(at, u64::MAX, (true, None));
        }
        let machine = &self.rig.machine;
        while far != Out::Hidden && machine.begin_writes(32) > 0 {}
        while far != Out::Hidden && far != Out::Writing && machine.transfers() > 0 {
            machine.end_transfer(0, Ok(()));
        }
        if far == Out::Gone {
            machine.memory(|memory| memory.steal(u32::MAX));
        }
    }

    /// Cells that have slots.
    fn swapped(&self) -> Vec<CellId> {
        let mut cells = Vec::new();
        let mut page = 0;
        let next = |page| self.rig.machine.memory(|memory| memory.slots.first_used(0, page));
        while let Some((slot, cell)) = next(page) {
            cells.push(cell);
            page = slot.page() + 1;
        }
        cells
    }

    fn trim(&mut self, at: usize, budget: u64, (all, keep): (bool, Option<Range<u64>>)) {
        let Process { machine, space } = &mut self.processes[at];
        let keep: Vec<_> =
            keep.iter().map(|keep| PageRange::new(Vpn(keep.start), Vpn(keep.end))).collect();
        let resident = |space: &Space<ToyMachine>, page: Vpn| matches!(space.page(machine, page), PageState::Present { pte, .. } if pte.is_valid());
        let kept = |space: &Space<ToyMachine>| {
            let pages = keep.iter().flat_map(|range| range.iter());
            pages.filter(|page| resident(space, *page)).count()
        };
        let (before, mapped) = (kept(space), space.mapped_pages());
        let mut cursor = self.cursors[at];
        let scan = Scan { budget, keep: &keep, time: 0 };
        let trimmed = space.trim(machine, &mut cursor, scan, &mut |policy, mark, seen| {
            if all { Verdict::Trim } else { policy.look(mark, seen) }
        });
        self.cursors[at] = cursor;
        assert_eq!(kept(space), before, "locked pages stay");
        assert_eq!(mapped - space.mapped_pages(), trimmed.trimmed);
        assert!(trimmed.trimmed <= trimmed.looked && trimmed.accessed <= trimmed.looked);
        assert_eq!(trimmed.done, cursor == Cursor::default());
    }

    /// What a page in swap reads as.
    pub(super) fn slot_words(&self, slot: SlotId) -> Words {
        let page = self.rig.machine.slot(slot);
        OFFSETS.map(|offset| page[offset as usize / 8])
    }
}
