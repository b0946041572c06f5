//! [`Channel`]: a pipe with those who wait at its ends: what is read and written when, who is woken
//! after which change, how the ends of a named pipe meet. `state.rs` is what its lock protects.
//!
//! The lock never sleeps, because copies under it never fault ([`Sink`], [`Source`]): what would is
//! brought in without the lock, and tried again. Wake-ups are handed on: a reader who leaves bytes
//! behind wakes the next one, a writer who leaves room the next writer.

use alloc::vec::Vec;
use core::fmt;

use super::ring::{PIPE_BUF_BYTES, Span};
use crate::errno::Errno;
use crate::sync::{Lock, Queue, System};

mod state;

pub use state::{Ends, State, Together};

/// Pages that bytes are kept in.
pub trait Pages: 'static {
    /// One of them.
    type Page: Copy + Send;

    /// A new one.
    ///
    /// # Errors
    /// ENOMEM.
    fn get() -> Result<Self::Page, Errno>;

    /// It is not needed any more.
    fn put(page: Self::Page);

    /// Waits until there may be some, without a lock.
    ///
    /// # Errors
    /// Why that is in vain.
    fn wait() -> Result<(), Errno>;
}

/// Where bytes are read to.
pub trait Sink<P> {
    /// Bytes that there is room for.
    fn remaining(&self) -> usize;

    /// Puts bytes of a page there, as far as that needs no fault; how many.
    fn try_put(&mut self, page: P, offset: usize, count: usize) -> usize;

    /// Brings in where putting has stopped.
    ///
    /// # Errors
    /// EFAULT.
    fn touch(&self) -> Result<(), Errno>;
}

/// Where bytes that are written come from.
pub trait Source<P> {
    /// Where it stood.
    type Saved;

    /// Bytes left.
    fn remaining(&self) -> usize;

    /// Takes bytes into a page, as far as that needs no fault; how many.
    fn try_get(&mut self, page: P, offset: usize, count: usize) -> usize;

    /// Where it stands, to go back there.
    fn save(&self) -> Self::Saved;

    /// Goes back.
    fn restore(&mut self, saved: Self::Saved);

    /// Brings in where taking has stopped, or all of it.
    ///
    /// # Errors
    /// EFAULT.
    fn touch(&self, together: Together) -> Result<(), Errno>;
}

/// What is to be done once the lock is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Everything.
    Begin,
    /// Nothing: all is done.
    Done,
    /// The buffer's next page is to be brought in.
    Fault,
    /// Somebody else must do something first.
    Wait,
}

/// Whether somebody may have to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// EAGAIN instead.
    None,
    /// As long as it takes.
    Endless,
}

/// Which ends somebody opens or closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// The one that bytes come out of.
    pub reads: bool,
    /// The one that they go into.
    pub writes: bool,
}

/// A pipe.
pub struct Channel<S: System, M: Pages> {
    /// What is in it, and how often it is open.
    pub state: S::Lock<State<M::Page>>,
    /// Those who wait for bytes.
    pub readers: S::Queue,
    /// Those who wait for room.
    pub writers: S::Queue,
    /// Those who poll, or wait for the other end to be opened.
    pub watchers: S::Queue,
}

impl<S: System, M: Pages> fmt::Debug for Channel<S, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").finish_non_exhaustive()
    }
}

impl<S: System, M: Pages> Channel<S, M> {
    /// An empty one that nobody has open.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new() -> Result<Self, Errno> {
        let state = S::Lock::new(State::new()?);
        let queue = S::Queue::new;
        Ok(Self { state, readers: queue(), writers: queue(), watchers: queue() })
    }

    /// Reads the short way, if all that is to be read lies in one page: `copy` puts so many bytes of
    /// it where they belong, as far as it can; how many. Else what is to be done.
    #[inline(always)]
    pub fn read_short(
        &self,
        wanted: usize,
        copy: impl FnOnce(Span<M::Page>, usize) -> usize,
    ) -> Result<usize, Step> {
        let mut state = self.state.lock();
        if let Some(span) = state.readable()
            && (wanted <= span.count || span.count == state.ring.len())
        {
            let free = state.ring.free();
            let moved = copy(span, wanted.min(span.count));
            state.ring.consume(moved);
            let left = state.ring.len();
            drop(state);
            self.wake_after_reading(left, free);
            return Ok(moved);
        }
        let must_wait = state.has_to_come() && wanted > 0;
        Err(if must_wait { Step::Wait } else { Step::Begin })
    }

    /// Writes the short way, into a page that is there; whether that was possible. `copy` copies
    /// everything, or what it has copied does not count.
    #[inline(always)]
    pub fn write_short(
        &self,
        wanted: usize,
        copy: impl FnOnce(Span<M::Page>) -> Option<usize>,
    ) -> bool {
        let mut state = self.state.lock();
        if state.reading.open > 0
            && let Some(span) = state.ring.room()
            && wanted <= span.count
            && copy(span) == Some(wanted)
        {
            let before = state.ring.len();
            state.ring.produce(wanted);
            drop(state);
            // Writers who wait have somebody who was woken and, having written, hands on.
            self.wake_after_writing(before, 0);
            return true;
        }
        false
    }

    /// Reads once; how many bytes.
    pub fn read_once(&self, to: &mut impl Sink<M::Page>) -> (Step, usize) {
        let mut state = self.state.lock();
        let (before, free) = (state.ring.len(), state.ring.free());
        let step = state.read(to);
        let left = state.ring.len();
        let must_wait = state.has_to_come();
        drop(state);
        if left < before {
            self.wake_after_reading(left, free);
        }
        match step {
            Step::Wait if !must_wait => (Step::Done, before - left),
            step => (step, before - left),
        }
    }

    /// Writes once.
    ///
    /// # Errors
    /// EPIPE, ENOMEM.
    pub fn write_once(
        &self,
        from: &mut impl Source<M::Page>,
        together: Together,
    ) -> Result<Step, Errno> {
        let mut state = self.state.lock();
        if state.reading.open == 0 {
            return Err(Errno::EPIPE);
        }
        let before = state.ring.len();
        let step = match together {
            Together::Yes => state.write_whole(from, M::get),
            Together::No => state.write(from, M::get),
        };
        let (after, free) = (state.ring.len(), state.ring.free());
        drop(state);
        if after > before {
            self.wake_after_writing(before, free);
        }
        step
    }

    /// Bytes were read: `left` are left. Before that, so many were free that a writer may have
    /// waited, or not.
    #[inline]
    pub fn wake_after_reading(&self, left: usize, free_before: usize) {
        if left > 0 {
            self.readers.wake(1);
        }
        if free_before < PIPE_BUF_BYTES {
            self.writers.wake(1);
        }
        self.watchers.wake_all();
    }

    /// Bytes were written: a reader may have waited if there were none before, and another writer
    /// may wait for what is free still.
    #[inline]
    pub fn wake_after_writing(&self, before: usize, free: usize) {
        if before == 0 {
            self.readers.wake(1);
        }
        if free > 0 {
            self.writers.wake(1);
        }
        self.watchers.wake_all();
    }

    /// Reads what was not read the short way: from this step on, with so many bytes read.
    ///
    /// # Errors
    /// EAGAIN, EINTR, EFAULT, where nothing was read.
    #[inline(never)]
    pub fn read_on(
        &self,
        to: &mut impl Sink<M::Page>,
        patience: Patience,
        (mut step, mut done): (Step, usize),
    ) -> Result<usize, Errno> {
        loop {
            let outcome = match step {
                Step::Done => return Ok(done),
                Step::Begin if to.remaining() == 0 => return Ok(0),
                Step::Begin => Ok(()),
                Step::Fault => to.touch(),
                Step::Wait if done > 0 => return Ok(done),
                Step::Wait if patience == Patience::None => Err(Errno::EAGAIN),
                Step::Wait => self.wait_for_bytes(),
            };
            if let Err(errno) = outcome {
                // Whoever waits behind it goes on.
                self.readers.wake(1);
                return if done > 0 { Ok(done) } else { Err(errno) };
            }
            let moved;
            (step, moved) = self.read_once(to);
            done += moved;
        }
    }

    /// Sleeps until there is something to read, or nobody left who might write.
    ///
    /// # Errors
    /// EINTR.
    #[inline(never)]
    pub fn wait_for_bytes(&self) -> Result<(), Errno> {
        // There was nothing a moment ago: the first look is the one after queueing up.
        let mut is_queued = false;
        let attempt = || {
            if !core::mem::replace(&mut is_queued, true) {
                return None;
            }
            (!self.state.lock().has_to_come()).then_some(())
        };
        let waited = self.readers.wait_interruptible(None, attempt);
        waited.map_err(|_| Errno::EINTR)
    }

    /// Writes what was not written the short way.
    ///
    /// # Errors
    /// EAGAIN, EINTR, EFAULT, EPIPE, and those of [`Pages::wait`]; some may have been written.
    #[inline(never)]
    pub fn write_on(
        &self,
        from: &mut impl Source<M::Page>,
        patience: Patience,
    ) -> Result<(), Errno> {
        let together = Together::of(from.remaining());
        let mut step = Ok(Step::Begin);
        loop {
            let outcome = match step {
                Ok(Step::Done) => return Ok(()),
                Ok(Step::Begin) => Ok(()),
                Ok(Step::Fault) => from.touch(together),
                Ok(Step::Wait) if patience == Patience::None => Err(Errno::EAGAIN),
                Ok(Step::Wait) => {
                    step = self.wait_and_write(from, together);
                    continue;
                }
                Err(Errno::ENOMEM) => M::wait(),
                Err(errno) => Err(errno),
            };
            if let Err(errno) = outcome {
                // Whoever waits behind it goes on.
                self.writers.wake(1);
                return Err(errno);
            }
            step = self.write_once(from, together);
        }
    }

    /// Sleeps until everything is written, or a page is to be brought in, or nobody reads.
    fn wait_and_write(
        &self,
        from: &mut impl Source<M::Page>,
        together: Together,
    ) -> Result<Step, Errno> {
        let attempt = || match self.write_once(from, together) {
            Ok(Step::Wait) => None,
            step => Some(step),
        };
        let waited = self.writers.wait_interruptible(None, attempt);
        waited.unwrap_or(Err(Errno::EINTR))
    }

    /// Looks at the next bytes, which nobody else may read before [`let_go`](Self::let_go): what
    /// `look` yields, how many those are; `None` where some may come still.
    pub fn hold(&self, look: impl FnOnce(&State<M::Page>) -> usize) -> Option<usize> {
        let mut state = self.state.lock();
        if state.has_to_come() {
            return None;
        }
        let count = look(&state);
        state.is_held = count > 0;
        Some(count)
    }

    /// So many of the bytes that were held have been read, and others may read again.
    pub fn let_go(&self, taken: usize) {
        let mut state = self.state.lock();
        let free = state.ring.free();
        state.is_held = false;
        state.ring.consume(taken);
        let (left, hung_up) = (state.ring.len(), state.writing.open == 0);
        drop(state);
        self.wake_after_reading(left, free);
        if hung_up {
            self.readers.wake_all();
        }
    }

    /// One more has these ends.
    pub fn add(&self, access: Access) {
        self.state.lock().add(access);
    }

    /// Opens ends of a named pipe: with the other end missing it waits for that.
    ///
    /// # Errors
    /// ENXIO where nobody reads, and nobody waits for that; EINTR.
    pub fn open(&self, access: Access, patience: Patience) -> Result<(), Errno> {
        let is_both = access.reads && access.writes;
        let other = |state: &State<M::Page>| match access.reads {
            true => state.writing,
            false => state.reading,
        };
        let mut state = self.state.lock();
        // Who opens the other end from now on sees this one: it counts, even if it is closed again
        // while this one sleeps.
        let before = other(&state);
        let is_alone = !is_both && before.open == 0;
        if is_alone && access.writes && patience == Patience::None {
            return Err(Errno::ENXIO);
        }
        state.add(access);
        drop(state);
        self.watchers.wake_all();
        if is_alone && patience == Patience::Endless {
            let attempt = || (other(&self.state.lock()).ever != before.ever).then_some(());
            if self.watchers.wait_interruptible(None, attempt).is_err() {
                self.close(access);
                return Err(Errno::EINTR);
            }
        }
        Ok(())
    }

    /// Ends are closed.
    pub fn close(&self, access: Access) {
        let mut state = self.state.lock();
        state.reading.open -= u32::from(access.reads);
        state.writing.open -= u32::from(access.writes);
        let (no_reader, no_writer) = (state.reading.open == 0, state.writing.open == 0);
        drop(state);
        if no_writer {
            self.readers.wake_all();
        }
        if no_reader {
            self.writers.wake_all();
        }
        self.watchers.wake_all();
    }

    /// Changes how much it holds; how much that is then.
    ///
    /// # Errors
    /// EBUSY, EINVAL, ENOMEM.
    pub fn resize(&self, bytes: usize) -> Result<usize, Errno> {
        let mut freed = Vec::new();
        let mut state = self.state.lock();
        let resized = state.ring.resize(bytes, |page| freed.push(page));
        let capacity = state.ring.capacity();
        drop(state);
        freed.into_iter().for_each(M::put);
        self.writers.wake(1);
        self.watchers.wake_all();
        resized.map(|()| capacity)
    }
}

impl<S: System, M: Pages> Drop for Channel<S, M> {
    fn drop(&mut self) {
        self.state.lock().ring.take_pages().for_each(M::put);
    }
}

#[cfg(test)]
mod tests;
