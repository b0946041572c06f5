//! [`Mutex`]: a lock whose waiters sleep. Who waits gets it in its turn (`guest::sync`'s
//! [`RawMutex`]).

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::AtomicU32;

use guest::sync::RawMutex;

use super::{Kernel, SpinLock, WaitQueue};
use crate::arch::hart;
use crate::debug;

/// How often a task looks whether a holder on another hart is done, before it sleeps.
const SPINS: u32 = 100;

/// A lock whose waiters sleep.
pub(crate) struct Mutex<T> {
    raw: RawMutex<Kernel>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one guard at a time.
unsafe impl<T: Send> Sync for Mutex<T> {}
// SAFETY: as the value.
unsafe impl<T: Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// A lock that nobody holds.
    pub(crate) const fn new(value: T) -> Self {
        let raw = RawMutex::new(AtomicU32::new(0), SpinLock::new(None), WaitQueue::new());
        Self { raw, value: UnsafeCell::new(value) }
    }

    /// Takes it; sleeps until that is possible.
    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        assert!(hart::may_sleep(), "a task takes a mutex with a spin lock held");
        self.try_lock().unwrap_or_else(|| self.wait())
    }

    /// Takes it if nobody holds it.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.raw.try_lock().then(|| MutexGuard { lock: self, not_send: PhantomData })
    }

    #[cold]
    fn wait(&self) -> MutexGuard<'_, T> {
        if hart::online() > 1 {
            for _ in 0..SPINS {
                core::hint::spin_loop();
                if let Some(guard) = self.try_lock() {
                    return guard;
                }
            }
        }
        assert!(!debug::is_panicking(), "a lock is held for ever");
        self.raw.wait();
        MutexGuard { lock: self, not_send: PhantomData }
    }

    /// What it holds; nobody else can, since the lock is not shared.
    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex").finish_non_exhaustive()
    }
}

/// Held.
pub(crate) struct MutexGuard<'a, T> {
    lock: &'a Mutex<T>,
    /// It belongs to the task.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives shared access to the value only.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed for this alone.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock();
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
