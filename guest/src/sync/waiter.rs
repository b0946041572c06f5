//! [`Waiter`]: a task that waits in a queue of `guest::ipc` until somebody tells it what has become
//! of its wish.

use alloc::sync::Arc;
use core::fmt;

use super::{Lock, Queue, System, WaitError};

/// A task that waits for news.
pub struct Waiter<S: System, N: Send> {
    queue: S::Queue,
    news: S::Lock<Option<N>>,
}

impl<S: System, N: Send> fmt::Debug for Waiter<S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter").finish_non_exhaustive()
    }
}

impl<S: System, N: Send> Waiter<S, N> {
    /// One that has not been told anything.
    pub fn new() -> Arc<Self> {
        Arc::new(Self { queue: S::Queue::new(), news: S::Lock::new(None) })
    }

    /// Tells it: whoever has taken it out of its queue, under the lock of that.
    pub fn tell(&self, news: N) {
        *self.news.lock() = Some(news);
        self.queue.wake_all();
    }

    /// Sleeps until it is told something. Where the sleep ends before, `give_up` takes it out of its
    /// queue; false: somebody else had done so before, and it is told all the same.
    ///
    /// # Errors
    /// Why the sleep has ended.
    pub fn wait(
        &self,
        deadline: Option<S::Deadline>,
        give_up: impl FnOnce() -> bool,
    ) -> Result<N, WaitError> {
        let news = || self.news.lock().take();
        match self.queue.wait_interruptible(deadline, news) {
            Err(error) if give_up() => Err(error),
            // Whoever took it out tells it under the same lock.
            Err(_) => Ok(self.queue.wait(news)),
            told => told,
        }
    }
}
