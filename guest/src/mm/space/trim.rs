//! Trimming: a scan over the tables, upwards and from the beginning again, that reads and clears the
//! accessed bits, asks about each page whether it is to stay, and hides those that are not: what is
//! still wanted is found again where it was, and the frames of the others are idle and may be taken.

use super::sweep::{Held, fence_pages, hide};
use super::tables::{Leaf, Visit, descend, update};
use super::{
    Absent, Counters, Flags, Machine, Mark, Memory, Owner, PageRange, Pte, Replacement, Seen,
    Space, Verdict, Vpn,
};
use crate::mm::counters::Event;

/// Entries that share a fence.
const WINDOW_ENTRIES: usize = 64;

/// Where the next scan goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor(Vpn);

/// Says of a page, whose mark it may change, whether it stays. The policy that was chosen is at
/// hand. It is asked with the books locked.
pub type Judge<'a> = dyn FnMut(&mut Replacement, &mut Mark, Seen) -> Verdict + 'a;

/// How far a scan goes, and what it leaves alone.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a> {
    /// It ends when it has passed so many pages, or not many more.
    pub budget: u64,
    /// Pages that stay (mlock): in order, and none touches another.
    pub keep: &'a [PageRange],
    /// What [`Seen::time`] is: how long the process has run.
    pub time: u32,
}

/// Whose pages are dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharers {
    /// All.
    Any,
    /// Only those that no other PTE maps: what others use is not theirs to lose.
    None,
}

/// What a scan has done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trimmed {
    /// Pages that it has passed.
    pub looked: u64,
    /// Those of them that had been accessed since the last time.
    pub accessed: u64,
    /// Those of them that are not mapped any more.
    pub trimmed: u64,
    /// Whether it has come to the end of the space, and the next one begins at the start.
    pub done: bool,
}

impl<M: Machine> Space<M> {
    /// Passes pages from where the cursor stands on, and unmaps those that `judge` does not want to
    /// keep. Their content stays where it is for the time being.
    pub fn trim(
        &mut self,
        machine: &M,
        cursor: &mut Cursor,
        scan: Scan<'_>,
        judge: &mut Judge<'_>,
    ) -> Trimmed {
        let trimmed = self.go_on(machine, cursor, scan, Some(judge));
        machine.memory(|memory| {
            memory.counters.add(Event::Scanned, trimmed.looked);
            memory.counters.add(Event::Refilled, trimmed.accessed);
        });
        trimmed
    }

    /// Passes pages from where the cursor stands on, to see which of them were accessed. They stay,
    /// and whoever is asked about them next is told that they were.
    pub fn look_over(&mut self, machine: &M, cursor: &mut Cursor, scan: Scan<'_>) -> Trimmed {
        self.go_on(machine, cursor, scan, None)
    }

    /// Passes pages from where the cursor stands on, and moves that.
    fn go_on(
        &mut self,
        machine: &M,
        cursor: &mut Cursor,
        scan: Scan<'_>,
        judge: Option<&mut Judge<'_>>,
    ) -> Trimmed {
        let range = PageRange::new(cursor.0.min(Vpn::USER_END), Vpn::USER_END);
        let (mut trimmed, next) = self.pass(machine, range, (scan, Sharers::Any), judge);
        trimmed.done = next.is_none();
        cursor.0 = next.unwrap_or(Vpn(0));
        trimmed
    }

    /// madvise(MADV_COLD), MADV_PAGEOUT: unmaps the pages of a range, but those that stay by `scan`
    /// or `sharers`, and takes those that are dealt with from the range. The caller sees to it that
    /// all of it is mapped.
    pub fn make_cold(
        &mut self,
        machine: &M,
        range: &mut PageRange,
        scan: Scan<'_>,
        sharers: Sharers,
    ) -> Trimmed {
        let judge = &mut |_: &mut Replacement, _: &mut Mark, _| Verdict::Trim;
        let (mut trimmed, next) = self.pass(machine, *range, (scan, sharers), Some(judge));
        range.start = next.unwrap_or(range.end);
        trimmed.done = range.is_empty();
        trimmed
    }

    /// Passes the pages of a range; what has been done, and where to go on if that was not all.
    fn pass(
        &mut self,
        machine: &M,
        range: PageRange,
        (scan, sharers): (Scan<'_>, Sharers),
        judge: Option<&mut Judge<'_>>,
    ) -> (Trimmed, Option<Vpn>) {
        let mut hand = Hand {
            machine,
            counters: &mut self.counters,
            scan,
            sharers,
            judge,
            done: Trimmed::default(),
            passed: 0,
        };
        let end = descend(machine, self.root, range, None, &mut hand);
        (hand.done, end.err())
    }
}

/// The scan at work.
struct Hand<'a, 'j, M> {
    machine: &'a M,
    counters: &'a mut Counters,
    scan: Scan<'a>,
    sharers: Sharers,
    /// `None`: nobody is asked.
    judge: Option<&'a mut Judge<'j>>,
    done: Trimmed,
    /// What counts against the budget: a few for each window, however empty.
    passed: u64,
}

/// What has happened to the entries of a window.
#[derive(Clone, Copy, Debug, Default)]
struct Changed {
    /// Some have changed.
    any: bool,
    /// Some are on their way out.
    leaving: bool,
}

impl<M: Machine> Visit for Hand<'_, '_, M> {
    /// Where to go on.
    type Stop = Vpn;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Vpn> {
        let mut at = leaf.pages.start;
        while at < leaf.pages.end {
            let end = at.add(WINDOW_ENTRIES as u64).min(leaf.pages.end);
            self.window(Leaf { table: leaf.table, pages: PageRange::new(at, end) });
            at = end;
            if self.passed >= self.scan.budget {
                return Err(at);
            }
        }
        Ok(())
    }
}

impl<M: Machine> Hand<'_, '_, M> {
    /// Passes the pages of a window of a leaf table.
    fn window(&mut self, window: Leaf) {
        let machine = self.machine;
        let before = self.done.looked;
        let mut changed = Changed::default();
        let Ok(()) = window.work_on(machine, |memory, index, word| {
            if word.is_valid() && !self.stays(window.page(index)) {
                self.look(memory, (window, index), word, &mut changed);
            }
            Ok::<(), core::convert::Infallible>(())
        });
        self.passed += 1 + (self.done.looked - before);
        if changed.any {
            fence_pages(machine, window.pages);
        }
        if changed.leaving {
            self.settle(window);
        }
    }

    /// Whether the page is locked in RAM.
    fn stays(&self, page: Vpn) -> bool {
        let keep = self.scan.keep;
        let next = keep.partition_point(|range| range.end <= page);
        keep.get(next).is_some_and(|range| range.contains(page))
    }

    /// Passes one page.
    fn look(
        &mut self,
        memory: &mut Memory,
        (leaf, index): (Leaf, usize),
        word: Pte,
        changed: &mut Changed,
    ) {
        let frame = word.ppn();
        let (Owner::Anon(cell) | Owner::Object(cell)) = memory.frames.owner(frame) else { return };
        let meta = memory.frames.look(frame);
        if meta.is_pinned() || self.sharers == Sharers::None && meta.mapped() > 1 {
            return;
        }
        let accessed = word.flags().has(Flags::A);
        let mut now = word;
        if accessed {
            let old = self.machine.clear_pte(leaf.table, index, Flags::A);
            now = old.with_flags(old.flags().without(Flags::A));
            changed.any = true;
        }
        let dirty = now.flags().has(Flags::D) || !memory.cells.has_copy(cell);
        self.done.looked += 1;
        self.done.accessed += u64::from(accessed);
        let Some(judge) = &mut self.judge else {
            if accessed {
                memory.cells.note_access(cell);
            }
            return;
        };
        let accessed = accessed | memory.cells.take_access(cell);
        let seen = Seen { accessed, dirty, time: self.scan.time };
        let mark = memory.cells.mark_mut(cell);
        if judge(&mut memory.policy, mark, seen) == Verdict::Trim {
            update(self.machine, leaf.table, index, now, Absent::leaving);
            self.done.trimmed += 1;
            *changed = Changed { any: true, leaving: true };
        }
    }

    /// Hides what has left, behind the fence.
    fn settle(&mut self, window: Leaf) {
        let machine = self.machine;
        let Ok(()) = window.work_on(machine, |memory, index, word| {
            let (stays, held) = hide(memory, word);
            if held != Held::Nothing {
                self.counters.lose(held);
                machine.swap_pte(window.table, index, stays);
            }
            Ok::<(), core::convert::Infallible>(())
        });
    }
}
