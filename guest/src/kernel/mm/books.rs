//! The one [`Memory`] of the machine, behind its lock: the innermost one. What happens often is
//! counted beside it, without the lock.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use guest::Ppn;
use guest::mm::Memory;
use guest::mm::counters::Event;

use crate::sync::SpinLock;

static BOOKS: SpinLock<Option<Memory>> = SpinLock::new(None);
static EVENTS: [AtomicU64; Event::ALL.len()] = [const { AtomicU64::new(0) }; Event::ALL.len()];

/// Frames that are not reserved.
static TOTAL_FRAMES: AtomicU64 = AtomicU64::new(0);

/// Frames that processes may have for sure.
static SPARE_FRAMES: AtomicU32 = AtomicU32::new(0);

/// Begins the books; boot does so once.
pub(super) fn begin(mut memory: Memory) {
    memory.frames.publish_to(&SPARE_FRAMES);
    TOTAL_FRAMES.store(memory.frames.total_frames(), Ordering::Relaxed);
    *BOOKS.lock() = Some(memory);
}

/// Gives frames that were reserved to the free ones.
pub(super) fn donate(frames: Range<Ppn>) {
    let total = memory(|memory| {
        memory.frames.donate(frames);
        memory.frames.total_frames()
    });
    TOTAL_FRAMES.store(total, Ordering::Relaxed);
}

/// Frames that are not reserved.
#[inline]
pub(crate) fn total_frames() -> u64 {
    TOTAL_FRAMES.load(Ordering::Relaxed)
}

/// Frames that processes may have for sure: there may be more, which only the books know.
#[inline]
pub(super) fn spare_frames() -> u64 {
    SPARE_FRAMES.load(Ordering::Relaxed).into()
}

/// Runs `f` with the books on memory, interrupts off. No heap, no other lock, no page's content
/// in it.
#[inline]
pub(crate) fn memory<R>(f: impl FnOnce(&mut Memory) -> R) -> R {
    f(BOOKS.lock().as_mut().expect("boot begins the books before anybody looks"))
}

/// It has happened so many times more.
#[inline]
pub(crate) fn count(event: Event, times: u64) {
    EVENTS[event as usize].fetch_add(times, Ordering::Relaxed);
}

/// How often it has happened.
pub(crate) fn events(event: Event) -> u64 {
    let counted = memory(|memory| memory.counters.get(event));
    counted + EVENTS[event as usize].load(Ordering::Relaxed)
}
