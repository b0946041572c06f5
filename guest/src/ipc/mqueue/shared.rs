//! [`Shared`]: a POSIX message queue that several use, with the tasks that wait in it and those that
//! poll.

use alloc::sync::Arc;
use core::fmt;

use super::{Message, Queue, Registered, Sent, Size};
use crate::errno::Errno;
use crate::fs::{Attributes, Time};
use crate::sync::{Lock, Queue as _, System, WaitError, Waiter};

/// What those who wait are told.
#[derive(Debug)]
pub enum News {
    /// Their message is in the queue.
    Sent,
    /// This is the message.
    Received(Message),
}

type Handle<S> = Arc<Waiter<S, News>>;
/// A queue and what is known of it, locked.
type Guard<'a, S> = <<S as System>::Lock<State<S>> as Lock<State<S>>>::Guard<'a>;

/// A queue, and what is known of it as a file.
pub struct State<S: System> {
    /// Owner, permissions, times.
    pub attributes: Attributes,
    /// The messages.
    pub queue: Queue<Handle<S>>,
}

impl<S: System> fmt::Debug for State<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("State").field("attributes", &self.attributes).finish_non_exhaustive()
    }
}

/// For how long somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience<D> {
    /// Not at all.
    None,
    /// For ever.
    Endless,
    /// Until then.
    Until(D),
}

/// A queue that several use.
pub struct Shared<S: System> {
    state: S::Lock<State<S>>,
    /// Those who poll.
    watchers: S::Queue,
}

impl<S: System> fmt::Debug for Shared<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl<S: System> Shared<S> {
    /// An empty one.
    pub fn new(attributes: Attributes, size: Size) -> Self {
        let state = State { attributes, queue: Queue::new(size) };
        Self { state: S::Lock::new(state), watchers: S::Queue::new() }
    }

    /// What is in it.
    #[inline]
    pub fn lock(&self) -> Guard<'_, S> {
        self.state.lock()
    }

    /// Those who poll.
    pub fn watchers(&self) -> &S::Queue {
        &self.watchers
    }

    /// Sends a message that is not too long; and who is to be told of it.
    ///
    /// # Errors
    /// EAGAIN, EINTR, ENOMEM, ETIMEDOUT.
    #[inline]
    pub fn send(
        &self,
        mut message: Message,
        patience: Patience<S::Deadline>,
        now: impl Fn() -> Time,
    ) -> Result<Option<Registered>, Errno> {
        let mut spare: Option<Handle<S>> = None;
        loop {
            let mut state = self.lock();
            let back = match state.queue.send(message)? {
                Sent::Full(back) => back,
                Sent::Queued(told) => {
                    state.attributes.modified = now();
                    drop(state);
                    self.watchers.wake_all();
                    return Ok(told);
                }
                Sent::HandedTo(receiver, message) => {
                    // Under the lock: whoever gives up is told already, or still in the queue.
                    receiver.tell(News::Received(message));
                    return Ok(None);
                }
            };
            if matches!(patience, Patience::None) {
                drop(state);
                return Err(Errno::EAGAIN);
            }
            if let Some(waiter) = spare.take() {
                state.queue.wait_for_room(waiter.clone(), back)?;
                drop(state);
                return self.wait(&waiter, patience).map(|_| None);
            }
            drop(state);
            (message, spare) = (back, Some(Waiter::new()));
        }
    }

    /// Takes the next message.
    ///
    /// # Errors
    /// EAGAIN, EINTR, ENOMEM, ETIMEDOUT.
    #[inline]
    pub fn receive(
        &self,
        patience: Patience<S::Deadline>,
        now: impl Fn() -> Time,
    ) -> Result<Message, Errno> {
        let mut spare: Option<Handle<S>> = None;
        loop {
            let mut state = self.lock();
            if let Some((message, sender)) = state.queue.receive() {
                state.attributes.accessed = now();
                // Under the lock, as above.
                sender.into_iter().for_each(|sender| sender.tell(News::Sent));
                drop(state);
                self.watchers.wake_all();
                return Ok(message);
            }
            if matches!(patience, Patience::None) {
                return Err(Errno::EAGAIN);
            }
            if let Some(waiter) = spare.take() {
                state.queue.wait_for_message(waiter.clone())?;
                drop(state);
                return match self.wait(&waiter, patience)? {
                    News::Received(message) => Ok(message),
                    News::Sent => unreachable!("it has sent nothing"),
                };
            }
            drop(state);
            spare = Some(Waiter::new());
        }
    }

    fn wait(&self, waiter: &Handle<S>, patience: Patience<S::Deadline>) -> Result<News, Errno> {
        let deadline = match patience {
            Patience::Until(deadline) => Some(deadline),
            Patience::None | Patience::Endless => None,
        };
        let give_up = || {
            let left = self.lock().queue.give_up(|other| Arc::ptr_eq(other, waiter));
            left.is_some()
        };
        waiter.wait(deadline, give_up).map_err(|error| match error {
            WaitError::TimedOut => Errno::ETIMEDOUT,
            WaitError::Interrupted => Errno::EINTR,
        })
    }
}

#[cfg(test)]
mod tests;
