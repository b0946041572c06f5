//! Waiting for memory: for frames, and for pages that are elsewhere. Whoever waits here holds no
//! lock of a space or an object, for the pager and other waiters may need it; afterwards it looks
//! again at what it wanted.

use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

use guest::errno::Errno;
use guest::mm::space::Trouble;
use guest::mm::{CellId, OutOfMemory, PageError};

use super::transfer::{self, Pinned};
use super::{address_space, books, heap, load, memory, pager, stack};
use crate::sched;
use crate::sync::WaitQueue;
use crate::task::signal;

/// Tasks that wait for frames.
static WAITERS: WaitQueue = WaitQueue::new();
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Those of them that cannot do without.
static INSISTING: AtomicUsize = AtomicUsize::new(0);
/// The most frames that one of them waits for.
static WANTED_FRAMES: AtomicU64 = AtomicU64::new(0);
/// How often the pager has found nothing to take, wrapping.
static VAIN: AtomicU32 = AtomicU32::new(0);

/// Frames that one step takes at most before it starts afresh: a page and the tables above it.
const STEP_FRAMES: u64 = guest::LEVELS as u64;

/// What is to happen where there is nothing to take from anybody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Resolve {
    /// Some process has to end.
    Insist,
    /// The caller does without.
    Yield,
}

/// Whether processes may have so many frames.
fn has_frames(frames: u64) -> bool {
    memory(|memory| memory.available_frames() >= memory.frames.watermarks().low + frames)
}

/// Runs `f`, whose time is lost by a lack of memory.
pub(super) fn stall<R>(f: impl FnOnce() -> R) -> R {
    load::wake();
    sched::memory_stall(f)
}

/// Whether somebody waits for frames.
pub(super) fn is_waited_for() -> bool {
    WAITING.load(Ordering::Relaxed) > 0
}

/// Whether somebody waits who cannot do without.
pub(super) fn is_insisted_on() -> bool {
    INSISTING.load(Ordering::Relaxed) > 0
}

/// The most frames that somebody waits for.
pub(super) fn wanted_frames() -> u64 {
    WANTED_FRAMES.load(Ordering::Relaxed)
}

/// There may be frames again: wakes those who wait for them, if there are.
pub(super) fn look() {
    if is_waited_for() && has_frames(STEP_FRAMES) {
        WAITERS.wake_all();
    }
}

/// There is nothing to take: whoever can does without.
pub(super) fn give_up() {
    VAIN.fetch_add(1, Ordering::Relaxed);
    WAITERS.wake_all();
}

/// Waits until processes may have so many frames: they are taken from pages that nobody wants.
///
/// # Errors
/// [`OutOfMemory`]: there is nothing to take, and the caller does not insist; or it is to end.
fn wait_for(frames: u64, resolve: Resolve) -> Result<(), OutOfMemory> {
    trim();
    let before = VAIN.load(Ordering::Relaxed);
    let attempt = || {
        WANTED_FRAMES.fetch_max(frames, Ordering::Relaxed);
        if has_frames(frames) {
            return Some(Ok(()));
        }
        if resolve == Resolve::Yield && VAIN.load(Ordering::Relaxed) != before {
            return Some(Err(OutOfMemory));
        }
        // Each time that there are too few: the pager may have stopped when there were enough.
        pager::wake();
        None
    };
    let insisting = usize::from(resolve == Resolve::Insist);
    WAITING.fetch_add(1, Ordering::Relaxed);
    INSISTING.fetch_add(insisting, Ordering::Relaxed);
    // Whoever is killed meanwhile has memory to give, and no need of any.
    let sleep = || WAITERS.wait_interruptible(None, attempt);
    let waited = stall(|| signal::killable(sleep));
    INSISTING.fetch_sub(insisting, Ordering::Relaxed);
    if WAITING.fetch_sub(1, Ordering::Relaxed) == 1 {
        // Who has come meanwhile says it again when the pager looks.
        WANTED_FRAMES.store(0, Ordering::Relaxed);
    }
    waited.unwrap_or(Err(OutOfMemory))
}

/// Waits where less than processes may have is left, so that what is kept for the kernel lasts: at
/// the door of calls that take much of that.
///
/// # Errors
/// `ENOMEM`: nothing can be taken from anybody.
#[inline]
pub(crate) fn throttle() -> Result<(), Errno> {
    throttle_for(STEP_FRAMES)
}

/// The same for calls that take so many frames.
///
/// # Errors
/// As [`throttle`].
#[inline]
pub(crate) fn throttle_for(frames: u64) -> Result<(), Errno> {
    if books::spare_frames() >= frames || has_frames(frames) {
        return Ok(());
    }
    wait_for(frames, Resolve::Yield).map_err(|OutOfMemory| Errno::ENOMEM)
}

/// Gives back all frames that the kernel only keeps for convenience.
pub(crate) fn trim() {
    address_space::forget_gone();
    stack::trim();
    heap::trim();
}

/// What somebody has waited for who tries something again and again: the page that was brought in
/// last stays where it is until the next one is, or this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Patience {
    brought: Option<Pinned>,
}

impl Patience {
    /// Nothing yet.
    pub(crate) const fn new() -> Self {
        Self { brought: None }
    }

    /// Waits until trouble is over that time can heal; then the caller tries again. It holds no
    /// lock of a space or an object.
    ///
    /// # Errors
    /// Other trouble, or this if the caller is to end.
    #[cold]
    pub(crate) fn wait_out(&mut self, trouble: Trouble) -> Result<(), Trouble> {
        match trouble {
            Trouble::Swapped { cell, .. } => self.bring(cell).map_err(|_| trouble),
            Trouble::Busy(cell) => {
                stall(|| transfer::wait_for_content(cell));
                Ok(())
            }
            Trouble::OutOfMemory => {
                wait_for(STEP_FRAMES, Resolve::Insist).map_err(|OutOfMemory| trouble)
            }
            Trouble::NotMapped | Trouble::Denied | Trouble::Bus => Err(trouble),
        }
    }

    /// The same for the pages of an object that are read or written as a file.
    ///
    /// # Errors
    /// Others, [`PageError::OutOfMemory`] also where nothing can be taken from anybody, and if the
    /// caller is to end.
    #[cold]
    pub(crate) fn wait_out_page(&mut self, error: PageError) -> Result<(), PageError> {
        match error {
            PageError::Swapped(cell) => {
                self.bring(cell).map_err(|OutOfMemory| PageError::OutOfMemory)
            }
            PageError::OutOfMemory => {
                wait_for(STEP_FRAMES, Resolve::Yield).map_err(|OutOfMemory| error)
            }
            PageError::BeyondEnd
            | PageError::Io
            | PageError::Full
            | PageError::AtHome
            | PageError::Absent => Err(error),
        }
    }

    /// Waits for the content of a cell, or for a frame for it.
    ///
    /// # Errors
    /// [`OutOfMemory`]: the caller is to end.
    pub(super) fn bring(&mut self, cell: CellId) -> Result<(), OutOfMemory> {
        // What has come before is not needed, or has been used.
        self.brought = None;
        match stall(|| transfer::bring(cell)) {
            Ok(brought) => {
                self.brought = brought;
                Ok(())
            }
            Err(OutOfMemory) => wait_for(STEP_FRAMES, Resolve::Insist),
        }
    }
}
