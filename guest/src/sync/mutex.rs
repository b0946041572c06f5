//! [`RawMutex`]: a lock whose waiters sleep, without what it protects. Who waits gets it in its turn:
//! the one that lets go of it hands it over, so nobody starves.

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use super::{Lock, Queue, System};

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody may be waiting.
const WANTED: u32 = 2;

/// A number that tasks change at once.
pub trait Word: Send + Sync {
    /// See [`AtomicU32::compare_exchange`].
    ///
    /// # Errors
    /// What it is instead.
    fn compare_exchange(&self, old: u32, new: u32, success: Ordering) -> Result<u32, u32>;

    /// See [`AtomicU32::swap`].
    fn swap(&self, new: u32, order: Ordering) -> u32;

    /// See [`AtomicU32::store`].
    fn store(&self, new: u32, order: Ordering);
}

impl Word for AtomicU32 {
    #[inline(always)]
    fn compare_exchange(&self, old: u32, new: u32, success: Ordering) -> Result<u32, u32> {
        self.compare_exchange(old, new, success, Ordering::Relaxed)
    }

    #[inline(always)]
    fn swap(&self, new: u32, order: Ordering) -> u32 {
        self.swap(new, order)
    }

    #[inline(always)]
    fn store(&self, new: u32, order: Ordering) {
        self.store(new, order);
    }
}

/// A lock whose waiters sleep.
pub struct RawMutex<S: System> {
    state: S::Word,
    /// Whom it was handed to, until that one takes it.
    heir: S::Lock<Option<S::Task>>,
    waiters: S::Queue,
}

impl<S: System> fmt::Debug for RawMutex<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RawMutex").finish_non_exhaustive()
    }
}

impl<S: System> RawMutex<S> {
    /// One that nobody holds, of the number 0, nobody, and nobody who waits.
    pub const fn new(state: S::Word, heir: S::Lock<Option<S::Task>>, waiters: S::Queue) -> Self {
        Self { state, heir, waiters }
    }

    /// Takes it if nobody holds it; whether that was so.
    #[inline(always)]
    pub fn try_lock(&self) -> bool {
        self.state.compare_exchange(FREE, HELD, Ordering::Acquire).is_ok()
    }

    /// Takes it; sleeps until that is possible.
    pub fn wait(&self) {
        self.waiters.wait(|| {
            let me = S::this();
            let mut heir = self.heir.lock();
            if *heir == Some(me) {
                *heir = None;
                return Some(());
            }
            // Where it is free, nobody has waited longer: it would have been handed over.
            (self.state.swap(WANTED, Ordering::Acquire) == FREE).then_some(())
        });
    }

    /// Lets go of it.
    #[inline(always)]
    pub fn unlock(&self) {
        if self.state.compare_exchange(HELD, FREE, Ordering::Release).is_err() {
            self.hand_over();
        }
    }

    #[cold]
    fn hand_over(&self) {
        loop {
            // Who wants it from now on is seen below; who wanted it before is in the queue.
            self.state.swap(HELD, Ordering::SeqCst);
            let handed = self.waiters.wake_choosing(|task| {
                *self.heir.lock() = Some(task);
                // Others may wait behind it.
                self.state.store(WANTED, Ordering::Release);
            });
            if handed || self.state.compare_exchange(HELD, FREE, Ordering::Release).is_ok() {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::sync::explore::{self, Explored, Play, pause};

    /// So many tasks that take it and let go of it, some of them twice.
    fn taking(tasks: usize, times: usize) -> Play {
        let word = <Explored as System>::Word::default();
        let mutex = RawMutex::<Explored>::new(word, Lock::new(None), Queue::new());
        let shared = Arc::new((mutex, AtomicBool::new(false)));
        let mut play = Play::new();
        for _ in 0..tasks {
            let shared = shared.clone();
            play = play.task(move || {
                let (mutex, is_inside) = &*shared;
                for _ in 0..times {
                    if !mutex.try_lock() {
                        mutex.wait();
                    }
                    assert!(!is_inside.swap(true, Ordering::Relaxed), "somebody else holds it");
                    pause();
                    is_inside.store(false, Ordering::Relaxed);
                    mutex.unlock();
                }
            });
        }
        play
    }

    #[test]
    fn one_holds_it_and_all_get_it() {
        explore::all(3, 1500, || taking(2, 2)).unwrap();
        explore::all(2, 1500, || taking(3, 1)).unwrap();
        explore::seeds(700, || taking(3, 2)).unwrap();
    }
}
