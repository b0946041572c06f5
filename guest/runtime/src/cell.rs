//! [`Global`]: a value that main code and trap handler of one hart share.

use core::cell::UnsafeCell;
use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};

/// A global variable that is lent to one user at a time.
pub struct Global<T> {
    lent: AtomicBool,
    value: UnsafeCell<Option<T>>,
}

// SAFETY: `with` hands out the value only between a won and a released `lent`.
unsafe impl<T: Send> Sync for Global<T> {}

impl<T> Global<T> {
    /// A variable without a value.
    pub const fn empty() -> Self {
        Self { lent: AtomicBool::new(false), value: UnsafeCell::new(None) }
    }

    /// Gives it a value.
    pub fn set(&self, value: T) {
        self.lend(|slot| *slot = Some(value));
    }

    /// Works on the value. Panics where it is lent already (a trap inside `work`) or has none.
    pub fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        self.lend(|slot| work(slot.as_mut().expect("set before use")))
    }

    fn lend<R>(&self, work: impl FnOnce(&mut Option<T>) -> R) -> R {
        assert!(!self.lent.swap(true, Ordering::Acquire), "a global is lent twice");
        // SAFETY: `lent` was false and is now true, so no other reference exists until it is
        // released below; a panic in `work` ends the machine.
        let result = work(unsafe { &mut *self.value.get() });
        self.lent.store(false, Ordering::Release);
        result
    }
}

impl<T> fmt::Debug for Global<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Global").field("lent", &self.lent).finish_non_exhaustive()
    }
}
