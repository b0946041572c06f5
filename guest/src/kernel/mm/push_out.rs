//! Whole processes out of RAM and back. The pager unmaps all pages of a space, has them written and
//! takes their frames; what has left so comes back in few large transfers.

use alloc::vec::Vec;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrayvec::ArrayVec;
use guest::mm::cells::State;
use guest::mm::space::Cursor;
use guest::mm::{CellId, SlotId, Vpn};
use guest::task::Pid;

use super::{AddressSpace, memory, pager, reclaim, transfer};
use crate::block::PIECES_MAX;
use crate::sync::{WaitError, WaitQueue};
use crate::task;
use crate::time;

/// How often all pages are unmapped where threads that have not paused yet bring some back.
const PASSES_MAX: u32 = 3;
/// Whoever waits for a space to be out looks so often whether it is still there.
const LOOK_NS: u64 = 50_000_000;

/// Some space is to be pushed out.
static WANTED: AtomicBool = AtomicBool::new(false);
static DONE: WaitQueue = WaitQueue::new();

/// What is known of a space that is pushed out, or was.
#[derive(Debug, Default)]
pub(crate) struct Pushed {
    /// It is to be.
    is_wanted: AtomicBool,
    /// How many of its pages are to come back together.
    returning: AtomicU64,
}

/// Has all pages of a space leave RAM, to come back with so many of them. Takes its time.
pub(crate) fn begin(space: &AddressSpace, returning: u64) {
    space.pushed.returning.store(returning, Ordering::Relaxed);
    space.pushed.is_wanted.store(true, Ordering::Release);
    WANTED.store(true, Ordering::Release);
    pager::wake();
}

/// Waits until they have left as far as they can, or it is not wanted any more.
///
/// # Errors
/// A signal has ended the wait.
pub(crate) fn wait_for(space: &AddressSpace) -> Result<(), WaitError> {
    loop {
        let is_over = || (!space.pushed.is_wanted.load(Ordering::Acquire)).then_some(());
        let deadline = time::now().after(LOOK_NS);
        match DONE.wait_interruptible(Some(deadline), is_over) {
            Err(WaitError::TimedOut) if has_process(space) => {}
            Err(WaitError::TimedOut) => return Ok(()),
            other => return other,
        }
    }
}

/// Whether some process has this space.
fn has_process(space: &AddressSpace) -> bool {
    any_space(|own| core::ptr::eq(own, space).then_some(())).is_some()
}

/// The first answer that `f` has for the space of a process.
fn any_space<R>(mut f: impl FnMut(&AddressSpace) -> Option<R>) -> Option<R> {
    let mut last: Pid = 0;
    while let Some(process) = task::next_process(last) {
        last = process.pid;
        if let Some(space) = process.space()
            && let Some(result) = f(&space)
        {
            return Some(result);
        }
    }
    None
}

/// Pushes out what is to be; false where something is left, as somebody works on it. The pager
/// calls this.
pub(super) fn work() -> bool {
    if !WANTED.swap(false, Ordering::AcqRel) {
        return true;
    }
    let mut is_done = true;
    let _: Option<()> = any_space(|space| {
        if space.pushed.is_wanted.load(Ordering::Acquire) {
            is_done &= push(space);
        }
        None
    });
    if !is_done {
        WANTED.store(true, Ordering::Release);
    }
    is_done
}

/// Pushes a space out; false where somebody works on it.
fn push(space: &AddressSpace) -> bool {
    for _ in 0..PASSES_MAX {
        if memory(|memory| memory.slots.total()) == 0 {
            break;
        }
        let Some(unmapped) = unmap_all(space) else { return false };
        if unmapped == 0 {
            break;
        }
        while transfer::write_some() > 0 {}
        if !steal_all(space) {
            return false;
        }
        reclaim::look();
    }
    space.pushed.is_wanted.store(false, Ordering::Release);
    DONE.wake_all();
    true
}

/// Unmaps all pages; how many, or `None` where somebody works on the space.
fn unmap_all(space: &AddressSpace) -> Option<u64> {
    let (mut cursor, mut unmapped) = (Cursor::default(), 0);
    loop {
        let trimmed = space.unmap(&mut cursor)?;
        unmapped += trimmed.trimmed;
        if trimmed.done {
            return Some(unmapped);
        }
    }
}

/// Takes the frames of pages that are not mapped, as soon as they are written; false where somebody
/// works on the space.
fn steal_all(space: &AddressSpace) -> bool {
    let mut from = Vpn(0);
    loop {
        let mut cells = ArrayVec::<CellId, PIECES_MAX>::new();
        let Some(locked) = space.try_lock() else { return false };
        locked.hidden_cells(space.machine(), from, &mut |page, cell| {
            cells.push(cell);
            from = page.add(1);
            if cells.is_full() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        });
        drop(locked);
        let is_last = !cells.is_full();
        for cell in cells {
            if memory(|memory| memory.cells.state(cell)) == State::Writing {
                transfer::wait_for(cell);
            }
            // One that is used again, or could not be written, keeps its frame.
            memory(|memory| memory.steal_from(cell));
        }
        if is_last {
            return true;
        }
    }
}

/// A page that is in a slot alone.
#[derive(Clone, Copy, Debug)]
struct Away {
    /// Evictions since its own.
    age: u32,
    slot: SlotId,
    cell: CellId,
}

/// Begins to bring back the pages that have left last, as many as are to come back together and
/// there is room for.
pub(crate) fn bring_back(space: &AddressSpace) {
    space.pushed.is_wanted.store(false, Ordering::Release);
    DONE.wake_all();
    let returning = space.pushed.returning.swap(0, Ordering::Relaxed) as usize;
    let mut count = 0;
    for_each_away(space, &mut |_| count += 1);
    let mut pages: Vec<Away> = Vec::new();
    // Without a list they come when they are asked for.
    if returning == 0 || pages.try_reserve_exact(count).is_err() {
        return;
    }
    for_each_away(space, &mut |page| {
        if pages.len() < count {
            pages.push(page);
        }
    });
    if pages.len() > returning {
        pages.select_nth_unstable_by_key(returning, |page| page.age);
        pages.truncate(returning);
    }
    pages.sort_unstable_by_key(|page| page.slot);
    reclaim::stall(|| fetch_all(&pages));
}

fn for_each_away(space: &AddressSpace, f: &mut dyn FnMut(Away)) {
    space.lock().hidden_cells(space.machine(), Vpn(0), &mut |_, cell| {
        let away = memory(|memory| {
            let (stamp, slot) = memory.evicted(cell)?;
            Some(Away { age: memory.evictions().wrapping_sub(stamp), slot, cell })
        });
        if let Some(away) = away {
            f(away);
        }
        ControlFlow::Continue(())
    });
}

/// Begins to read pages, in order of their slots.
fn fetch_all(pages: &[Away]) {
    for row in pages.chunk_by(|page, next| next.slot.0.get() == page.slot.0.get() + 1) {
        let mut left = row;
        while let Some(first) = left.first() {
            let cells: ArrayVec<CellId, PIECES_MAX> =
                left.iter().take(PIECES_MAX).map(|page| page.cell).collect();
            let begun = transfer::fetch(first.slot, &cells);
            if begun == 0 && !transfer::has_plenty() {
                return;
            }
            // The first one may be wanted no more.
            left = &left[begun.max(1)..];
        }
    }
}
