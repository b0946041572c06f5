//! [`Once`]: a global that boot sets, and everybody reads.

use core::cell::UnsafeCell;
use core::fmt;
use core::mem::MaybeUninit;
use core::sync::atomic::{AtomicU32, Ordering};

const EMPTY: u32 = 0;
const FILLING: u32 = 1;
const FULL: u32 = 2;

/// A value that is set at most once, and stays.
pub(crate) struct Once<T> {
    state: AtomicU32,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: the value is written by the one who won EMPTY -> FILLING, and read only once it is FULL.
unsafe impl<T: Send + Sync> Sync for Once<T> {}

impl<T> Once<T> {
    /// Without a value.
    pub(crate) const fn new() -> Self {
        Self { state: AtomicU32::new(EMPTY), value: UnsafeCell::new(MaybeUninit::uninit()) }
    }

    /// Gives it its value. Panics where it has one.
    pub(crate) fn set(&self, value: T) -> &T {
        let won = self.state.compare_exchange(EMPTY, FILLING, Ordering::AcqRel, Ordering::Relaxed);
        assert!(won.is_ok(), "set twice");
        // SAFETY: nobody else writes, as just won, and nobody reads before it is FULL.
        unsafe { (*self.value.get()).write(value) };
        self.state.store(FULL, Ordering::Release);
        self.get().expect("just set")
    }

    /// Its value, if it has one.
    #[inline]
    pub(crate) fn get(&self) -> Option<&T> {
        if self.state.load(Ordering::Acquire) != FULL {
            return None;
        }
        // SAFETY: it is FULL, and stays.
        Some(unsafe { (*self.value.get()).assume_init_ref() })
    }
}

impl<T> fmt::Debug for Once<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Once").finish_non_exhaustive()
    }
}
