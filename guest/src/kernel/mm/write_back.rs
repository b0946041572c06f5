//! The bell of the thread that writes changed pages of files to their disks: the pager rings it when
//! frames are short, writers when much was changed, and the file systems are behind it
//! (`fs/ext2/flusher.rs`).

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::mm::frames::List;

use super::{cell_table, memory};
use crate::sync::WaitQueue;
use crate::time::Instant;

static WANTED: AtomicBool = AtomicBool::new(false);
static WORK: WaitQueue = WaitQueue::new();
/// Pages that are on their way to their files.
static IN_WRITING: AtomicU64 = AtomicU64::new(0);
/// It has tried, and could write nothing.
static IS_STUCK: AtomicBool = AtomicBool::new(false);

/// Sees to it that there is room in the books for pages of files.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn serve_files() -> Result<(), Errno> {
    cell_table::serve_files()
}

/// Whether it is time that files let go of pages that were evicted.
pub(crate) fn is_crowded() -> bool {
    cell_table::is_crowded()
}

/// There is something to write.
pub(crate) fn wake() {
    WANTED.store(true, Ordering::Release);
    WORK.wake(1);
}

/// Waits until there is something to write, or until then; whether there is.
pub(crate) fn wait(until: Instant) -> bool {
    let wanted = || WANTED.swap(false, Ordering::Acquire).then_some(());
    WORK.wait_interruptible(Some(until), wanted).is_ok()
}

/// Whether the last round could write nothing of what there was.
pub(crate) fn note(is_stuck: bool) {
    IS_STUCK.store(is_stuck, Ordering::Relaxed);
}

/// Runs `f`, which writes so many pages to their file.
pub(crate) fn writing<R>(pages: usize, f: impl FnOnce() -> R) -> R {
    IN_WRITING.fetch_add(pages as u64, Ordering::Relaxed);
    let outcome = f();
    IN_WRITING.fetch_sub(pages as u64, Ordering::Relaxed);
    outcome
}

/// Pages that are on their way to their files.
pub(crate) fn in_writing() -> u64 {
    IN_WRITING.load(Ordering::Relaxed)
}

/// Idle frames whose content files have to write, and will.
pub(super) fn coming() -> u64 {
    let changed = memory(|memory| memory.frames.listed(List::Changed));
    if IS_STUCK.load(Ordering::Relaxed) { 0 } else { changed }
}
