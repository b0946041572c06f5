//! [`Usage`]: how many pages the files of a file system have.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::errno::Errno;
use guest::mm::PageError;

use crate::mm::commit;

/// How many pages the files of a file system have, and may have.
pub(in super::super) struct Usage {
    pub(super) pages: AtomicU64,
    limit_pages: u64,
}

impl Usage {
    /// None of so many.
    pub(super) fn new(limit_pages: u64) -> Arc<Self> {
        Arc::new(Self { pages: AtomicU64::new(0), limit_pages })
    }

    /// How many there are, and how many there may be.
    pub(super) fn get(&self) -> (u64, u64) {
        (self.pages.load(Ordering::Relaxed), self.limit_pages)
    }

    /// Lets a page more be promised.
    pub(super) fn promise(&self) -> Result<(), PageError> {
        let has_room = self.pages.load(Ordering::Relaxed) < self.limit_pages;
        let promised = has_room && commit::commit(1, 0).is_ok();
        if promised { Ok(()) } else { Err(PageError::Full) }
    }
}

/// Why there is no page.
pub(super) fn no_space(error: PageError) -> Errno {
    match error {
        PageError::OutOfMemory | PageError::Full => Errno::ENOSPC,
        _ => Errno::EIO,
    }
}
