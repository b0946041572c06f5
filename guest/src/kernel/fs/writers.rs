//! [`Writers`]: who has a regular file open for writing, and who runs it. Both at once there never
//! are: ETXTBSY.

use core::sync::atomic::{AtomicI32, Ordering};

use guest::errno::Errno;

use super::inode::Flags;

/// How many have a file open for writing; negative: so many run it.
#[derive(Debug)]
pub(super) struct Writers(AtomicI32);

impl Writers {
    /// Nobody.
    pub(super) const fn new() -> Self {
        Self(AtomicI32::new(0))
    }

    /// Changes the number by one, where `may` allows that.
    fn change(&self, by: i32, may: impl Fn(i32) -> bool) -> Result<(), Errno> {
        let changed = |number: i32| may(number).then_some(number + by);
        let done = self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
        done.map(|_| ()).map_err(|_| Errno::ETXTBSY)
    }

    /// Somebody opens it.
    ///
    /// # Errors
    /// ETXTBSY: it is run, and was to be written.
    pub(super) fn opened(&self, flags: Flags) -> Result<(), Errno> {
        if flags.writes() { self.change(1, |number| number >= 0) } else { Ok(()) }
    }

    /// Somebody closes it who had [opened](Self::opened) it.
    pub(super) fn closed(&self, flags: Flags) {
        if flags.writes() {
            self.0.fetch_sub(1, Ordering::AcqRel);
        }
    }

    /// Somebody runs it.
    ///
    /// # Errors
    /// ETXTBSY: it is being written.
    pub(super) fn deny(&self) -> Result<(), Errno> {
        self.change(-1, |number| number <= 0)
    }

    /// The end of [`deny`](Self::deny).
    pub(super) fn allow(&self) {
        self.0.fetch_add(1, Ordering::AcqRel);
    }

    /// ETXTBSY where it is run.
    pub(super) fn check(&self) -> Result<(), Errno> {
        if self.0.load(Ordering::Acquire) < 0 { Err(Errno::ETXTBSY) } else { Ok(()) }
    }
}
