//! [`Waiter`]: a thread that waits in a queue of `guest::ipc` until somebody tells it what has
//! become of its wish.

use alloc::sync::Arc;

use crate::sync::{SpinLock, WaitError, WaitQueue};
use crate::time::Instant;

/// A thread that waits for news.
#[derive(Debug)]
pub(crate) struct Waiter<N> {
    queue: WaitQueue,
    news: SpinLock<Option<N>>,
}

impl<N> Waiter<N> {
    /// One that has not been told anything.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self { queue: WaitQueue::new(), news: SpinLock::new(None) })
    }

    /// Tells it: whoever has taken it out of its queue.
    pub(super) fn tell(&self, news: N) {
        *self.news.lock() = Some(news);
        self.queue.wake_all();
    }

    /// Sleeps until it is told something. Where the sleep ends before, `give_up` takes it out of its
    /// queue; false: somebody else had done so before, and it is told all the same.
    ///
    /// # Errors
    /// Why the sleep has ended.
    pub(super) fn wait(
        &self,
        deadline: Option<Instant>,
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
