//! Overcommit: how much memory has been promised to processes, and whether more may be.
//!
//! What counts is memory that is private and may be written; each space says what it has whenever
//! that may have changed ([`settle`]), so the sum is at hand.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::errno::Errno;
use guest::mm::Space;

use super::books::total_frames;
use super::{AddressSpace, HereMachine, tunables};

/// Pages promised to all processes.
static COMMITTED_PAGES: AtomicU64 = AtomicU64::new(0);

/// Pages promised to all processes.
pub(crate) fn committed_pages() -> u64 {
    COMMITTED_PAGES.load(Ordering::Relaxed)
}

/// Pages that may be promised where nothing is overcommitted.
pub(crate) fn limit_pages() -> u64 {
    total_frames() * tunables::overcommit_ratio() / 100
}

/// Whether `pages` more may be promised to a process, whose space the caller holds.
///
/// # Errors
/// `ENOMEM`.
pub(crate) fn may_commit(
    own: &AddressSpace,
    space: &Space<HereMachine>,
    pages: u64,
) -> Result<(), Errno> {
    let is_allowed = match tunables::overcommit_memory() {
        // More than there is at all is no use.
        0 => pages <= total_frames(),
        1 => true,
        _ => {
            settle(own, space);
            committed_pages().saturating_add(pages) <= limit_pages()
        }
    };
    if is_allowed { Ok(()) } else { Err(Errno::ENOMEM) }
}

/// Makes the sum right again for this space, which the caller holds.
pub(crate) fn settle(own: &AddressSpace, space: &Space<HereMachine>) {
    let now = space.vmas().totals().committed;
    let before = own.committed.swap(now, Ordering::Relaxed);
    COMMITTED_PAGES.fetch_add(now.wrapping_sub(before), Ordering::Relaxed);
}

/// The space is gone.
pub(super) fn forget(own: &AddressSpace) {
    let before = own.committed.swap(0, Ordering::Relaxed);
    COMMITTED_PAGES.fetch_sub(before, Ordering::Relaxed);
}
