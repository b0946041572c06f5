//! [`SpinLock`]: for short sections that never sleep; interrupts are off on this hart meanwhile.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::sync::atomic::{AtomicU32, Ordering};

use crate::arch::{cpu, hart};

/// How often a hart looks before it takes a lock for dead. A section is some thousand instructions
/// at most, so this is never reached by one that ends.
const PATIENCE_TURNS: u32 = 1 << 30;

/// A lock that spins, with interrupts off on this hart while it is held. Fair: first come, first
/// served.
pub(crate) struct SpinLock<T> {
    next: AtomicU32,
    served: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached by one guard at a time.
unsafe impl<T: Send> Sync for SpinLock<T> {}
// SAFETY: as the value.
unsafe impl<T: Send> Send for SpinLock<T> {}

impl<T> SpinLock<T> {
    /// A lock that nobody holds.
    pub(crate) const fn new(value: T) -> Self {
        Self { next: AtomicU32::new(0), served: AtomicU32::new(0), value: UnsafeCell::new(value) }
    }

    /// Takes it.
    #[inline]
    pub(crate) fn lock(&self) -> SpinGuard<'_, T> {
        enter();
        let ticket = self.next.fetch_add(1, Ordering::Relaxed);
        if self.served.load(Ordering::Acquire) != ticket {
            self.wait(ticket);
        }
        SpinGuard { lock: self, not_send: PhantomData }
    }

    /// Takes it if nobody holds it.
    pub(crate) fn try_lock(&self) -> Option<SpinGuard<'_, T>> {
        enter();
        let ticket = self.served.load(Ordering::Relaxed);
        let (taken, failed) = (Ordering::Acquire, Ordering::Relaxed);
        if self.next.compare_exchange(ticket, ticket.wrapping_add(1), taken, failed).is_ok() {
            return Some(SpinGuard { lock: self, not_send: PhantomData });
        }
        leave();
        None
    }

    #[cold]
    fn wait(&self, ticket: u32) {
        for _ in 0..PATIENCE_TURNS {
            core::hint::spin_loop();
            if self.served.load(Ordering::Acquire) == ticket {
                return;
            }
        }
        panic!("a spin lock is never let go of");
    }
}

impl<T> guest::sync::Lock<T> for SpinLock<T> {
    type Guard<'a>
        = SpinGuard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self::new(value)
    }

    #[inline(always)]
    fn lock(&self) -> SpinGuard<'_, T> {
        self.lock()
    }
}

impl<T> fmt::Debug for SpinLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpinLock").finish_non_exhaustive()
    }
}

/// This hart is to hold one lock more; interrupts go off.
#[inline(always)]
fn enter() {
    let before = cpu::interrupts_off();
    let hart = hart::this();
    let depth = hart.spin_depth.load(Ordering::Relaxed);
    if depth == 0 {
        hart.keep_interrupts(before);
    }
    hart.spin_depth.store(depth + 1, Ordering::Relaxed);
}

/// One less. Guards may end in any order: with the last one interrupts are what they were.
#[inline(always)]
fn leave() {
    let hart = hart::this();
    let depth = hart.spin_depth.load(Ordering::Relaxed) - 1;
    hart.spin_depth.store(depth, Ordering::Relaxed);
    if depth == 0 {
        hart.kept_interrupts().restore();
    }
}

/// Held.
pub(crate) struct SpinGuard<'a, T> {
    lock: &'a SpinLock<T>,
    /// It belongs to the hart.
    not_send: PhantomData<*mut ()>,
}

// SAFETY: a shared guard gives shared access to the value only.
unsafe impl<T: Sync> Sync for SpinGuard<'_, T> {}

impl<T> Deref for SpinGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held as long as the guard lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for SpinGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed for this alone.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for SpinGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.served.fetch_add(1, Ordering::Release);
        leave();
    }
}

impl<T: fmt::Debug> fmt::Debug for SpinGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
