//! Blocking as far as it is policy: when a task that waits queues up, looks, sleeps and hands on a
//! wake-up ([`wait`], [`wake`]), and how it is told what it has waited for ([`Waiter`]), and
//! how a lock is handed over ([`RawMutex`]). Locks and
//! queues are behind [`System`]: the kernel's are spin locks and lists of tasks; those of the tests
//! (`explore/`) let one task at a time take a step, in every order.

use core::ops::DerefMut;

#[cfg(test)]
pub(crate) mod explore;
mod mutex;
mod wait;
mod waiter;

pub use mutex::{RawMutex, Word};
pub use wait::{WaitError, Waiters, Waiting, wait, wake};
pub use waiter::Waiter;

/// What those who share something exclude each other and sleep with.
pub trait System: Sized + 'static {
    /// For short sections that never sleep.
    type Lock<T: Send>: Lock<T> + Send + Sync;
    /// Tasks that wait for something to change.
    type Queue: Queue<Deadline = Self::Deadline, Task = Self::Task> + Send + Sync;
    /// When a wait ends at the latest.
    type Deadline: Copy;
    /// A number that tasks change at once.
    type Word: Word;
    /// What a task is known by.
    type Task: Copy + Eq + Send;

    /// The task that runs here.
    fn this() -> Self::Task;
}

/// A lock for short sections that never sleep.
pub trait Lock<T> {
    /// Held as long as this lives.
    type Guard<'a>: DerefMut<Target = T>
    where
        Self: 'a;

    /// One that nobody holds.
    fn new(value: T) -> Self;

    /// Takes it.
    fn lock(&self) -> Self::Guard<'_>;
}

/// Tasks that wait for something to change. Who changes something wakes afterwards.
pub trait Queue {
    /// When a wait ends at the latest.
    type Deadline;
    /// What a task is known by.
    type Task;

    /// Nobody waits.
    fn new() -> Self;

    /// Sleeps until `attempt` yields something; no wake-up after the last attempt is lost. Signals
    /// do not end it.
    fn wait<R>(&self, attempt: impl FnMut() -> Option<R>) -> R;

    /// The same, ended by a signal or at the deadline.
    ///
    /// # Errors
    /// Which of them it was.
    fn wait_interruptible<R>(
        &self,
        deadline: Option<Self::Deadline>,
        attempt: impl FnMut() -> Option<R>,
    ) -> Result<R, WaitError>;

    /// Wakes up to `count` waiters, first come first; how many.
    fn wake(&self, count: usize) -> usize;

    /// Wakes the first one, after `choose` was told who it is; false where nobody waits.
    fn wake_choosing(&self, choose: impl FnOnce(Self::Task)) -> bool;

    /// Wakes all.
    fn wake_all(&self) {
        self.wake(usize::MAX);
    }
}
