//! Emptying a range of the tables: entries lose V first, then one fence covers them all, and only
//! then are cells released, frames freed, tables given back. Between the steps an entry itself
//! remembers its frame ([`Absent::Leaving`]), so nothing has to be allocated to free memory.

use core::convert::Infallible;

use super::tables::{Leaf, Visit, descend};
use super::{Absent, Counters, Flags, Machine, Memory, PageRange, Ppn, Pte, Reach, Space, Vpn};
use crate::mm::frames::Kind as FrameKind;

/// Above so many pages a fence of the whole space costs less than one of each page.
const FENCE_PAGES_MAX: u64 = 64;

/// What becomes of the pages of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// They are gone.
    Drop,
    /// Private content stays, in entries that grant nothing; what can be found again is gone.
    Hide,
    /// They are gone, and the tables with them: their entries need not be written.
    Forget,
}

/// What an entry that is gone stood for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// No page.
    Nothing,
    /// The page of zeros.
    Zero,
    /// A page of anonymous memory.
    Anon,
    /// An object's page.
    Object,
}

/// Gives up what an entry stands for, which no TLB may hold any more: one PTE less names it, and the
/// frame is free if that was the last.
#[inline]
pub(super) fn release(memory: &mut Memory, word: Pte) -> Held {
    match Absent::decode(word) {
        None | Some(Absent::Leaving(_)) => release_frame(memory, word),
        Some(Absent::Cell(cell)) => {
            memory.release_cell(cell);
            Held::Nothing
        }
        Some(Absent::Empty | Absent::Guard | Absent::Poison) => Held::Nothing,
    }
}

/// Gives up the mapping that this word is or was, of which D counts.
#[inline]
pub(super) fn release_frame(memory: &mut Memory, word: Pte) -> Held {
    match memory.drop_mapping(word) {
        FrameKind::Anon => Held::Anon,
        FrameKind::Object => Held::Object,
        FrameKind::Zero => Held::Zero,
        other => panic!("a user's entry maps frame {:#x} of {other:?}", word.ppn().base()),
    }
}

/// The entry that stays of one whose private content stays; an object's page is given up.
pub(super) fn hide(memory: &mut Memory, word: Pte) -> (Pte, Held) {
    match Absent::decode(word) {
        Some(Absent::Leaving(frame)) => match memory.cell_in(frame) {
            Some(cell) => {
                memory.hide_cell(cell, word);
                (Absent::Cell(cell).encode(), Held::Anon)
            }
            None => (Pte(0), release_frame(memory, word)),
        },
        _ => (word, Held::Nothing),
    }
}

impl Counters {
    /// One valid entry less of this kind.
    pub(super) fn lose(&mut self, held: Held) {
        match held {
            Held::Anon => self.resident_anon -= 1,
            Held::Object => self.resident_object -= 1,
            Held::Zero => self.zero_mapped -= 1,
            Held::Nothing => {}
        }
    }
}

/// First step: valid entries, and pointers to spare tables, leave.
struct Close<'a, M> {
    machine: &'a M,
    /// Whether there is anything at all.
    found: bool,
    /// First and last page that was mapped.
    pages: Option<(Vpn, Vpn)>,
    /// Whether a table leaves.
    tables: bool,
}

impl<M: Machine> Visit for Close<'_, M> {
    type Stop = Infallible;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Infallible> {
        let indices = leaf.indices();
        let mut left = None;
        for index in indices.clone() {
            let pte = self.machine.pte(leaf.table, index);
            if pte.0 == 0 {
                continue;
            }
            self.found = true;
            if pte.is_valid() {
                // What a user's leaf lacks for leaving is only V; D stays as the hart has left it.
                self.machine.clear_pte(leaf.table, index, Flags::V);
                let (first, _) = left.unwrap_or((index, index));
                left = Some((first, index));
            }
        }
        if let Some((first, last)) = left {
            let page = |index: usize| leaf.pages.start.add((index - indices.start) as u64);
            let first = self.pages.map_or(page(first), |(first, _)| first);
            self.pages = Some((first, page(last)));
        }
        Ok(())
    }

    fn spare(&mut self, table: Ppn, index: usize) {
        let pointer = self.machine.pte(table, index);
        self.machine.swap_pte(table, index, Absent::leaving(pointer));
        self.found = true;
        self.tables = true;
    }
}

/// Last step, behind the fence.
struct Settle<'a, M> {
    machine: &'a M,
    counters: &'a mut Counters,
    fate: Fate,
}

impl<M: Machine> Visit for Settle<'_, M> {
    type Stop = Infallible;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Infallible> {
        let (fate, machine) = (self.fate, self.machine);
        leaf.work_on(machine, |memory, index, word| {
            let (stays, held) = match fate {
                Fate::Hide => hide(memory, word),
                Fate::Drop | Fate::Forget => (Pte(0), release(memory, word)),
            };
            self.counters.lose(held);
            if fate != Fate::Forget {
                machine.swap_pte(leaf.table, index, stays);
            }
            Ok(())
        })
    }

    fn spare(&mut self, table: Ppn, index: usize) {
        let pointer = self.machine.swap_pte(table, index, Pte(0));
        self.machine.memory(|memory| memory.frames.free(pointer.ppn()));
        self.counters.tables -= 1;
    }
}

impl<M: Machine> Space<M> {
    /// Empties the entries of `range`. Its areas are gone or stay as they are; tables that no area
    /// needs any more are freed.
    pub(super) fn sweep(&mut self, machine: &M, range: PageRange, fate: Fate) {
        let spare = Some(self.spare_around(range));
        let mut close = Close { machine, found: false, pages: None, tables: false };
        let Ok(()) = descend(machine, self.root, range, spare, &mut close);
        if !close.found {
            return;
        }
        match close.pages {
            _ if close.tables => machine.fence(Reach::Space),
            Some((first, last)) => fence_pages(machine, PageRange::new(first, last.add(1))),
            None => {}
        }
        let mut settle = Settle { machine, counters: &mut self.counters, fate };
        let Ok(()) = descend(machine, self.root, range, spare, &mut settle);
    }

    /// Gives up the pages of `range` and the tables that need not reach beyond `spare`, while no
    /// hart can walk them.
    pub(super) fn forget(&mut self, machine: &M, range: PageRange, spare: PageRange) {
        let mut settle = Settle { machine, counters: &mut self.counters, fate: Fate::Forget };
        let Ok(()) = descend(machine, self.root, range, Some(spare), &mut settle);
    }

    /// The pages around `range` up to the next areas: where tables are needed for nothing else.
    /// With an area in `range` itself there is none.
    fn spare_around(&self, range: PageRange) -> PageRange {
        let nothing = PageRange::new(range.start, range.start);
        if self.vmas.overlapping(range).next().is_some() {
            return nothing;
        }
        let floor = self.vmas.find_below(range.start).map_or(Vpn(0), |below| below.pages.end);
        let ceiling = self.vmas.find_from(range.end).map_or(Vpn::USER_END, |next| next.pages.start);
        PageRange::new(floor, ceiling)
    }
}

/// Fences the pages of `range`, one by one or all of the space at once.
pub(super) fn fence_pages<M: Machine>(machine: &M, range: PageRange) {
    if range.pages() > FENCE_PAGES_MAX {
        machine.fence(Reach::Space);
    } else {
        machine.fence(Reach::Pages(range));
    }
}
