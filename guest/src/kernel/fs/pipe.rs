//! [`Pipe`]: bytes from one process to another, through a ring of pages (`guest::ipc::ring`) to and
//! from which user memory is copied straight. `pipe/state.rs` is what its lock protects,
//! `pipe/named.rs` makes files of pipes, `pipe/users.rs` limits them.
//!
//! The ring is behind a spin lock, because copies under it never fault: what would is brought in
//! without the lock, and tried again. Wake-ups are handed on: a reader who leaves bytes behind
//! wakes the next one, a writer who leaves room the next writer.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::{Attributes, Kind};
use guest::ipc::Ring;
use guest::ipc::ring::{self, PIPE_BUF_BYTES};
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl;

use super::buffer::{Buffer, Saved, moved_or};
use super::inode::{File, Flags, Seeking};
use super::names::{now, who};
use crate::mm::{reclaim, try_frame_to_user, try_user_to_frame, user};
use crate::sync::{Mutex, SpinLock, WaitQueue};
use crate::task;
use guest::errno::Answer;

mod named;
mod state;
pub(crate) mod users;

pub(crate) use named::new;
pub(super) use named::{FifoEnd, open_fifo};
use state::{Ends, State, Step, Together, free_page};
use users::Share;

/// A pipe.
pub(crate) struct Pipe {
    number: u64,
    attributes: Attributes,
    state: SpinLock<State>,
    readers: WaitQueue,
    writers: WaitQueue,
    /// Those who poll, or wait for the other end of a FIFO to be opened.
    watchers: WaitQueue,
    /// Whose pages the ring's are. Before the state's lock.
    share: Mutex<Share>,
}

impl Pipe {
    fn new() -> Result<Arc<Self>, Errno> {
        const PERMISSIONS: u16 = 0o600;
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut attributes = Attributes::new(Kind::Fifo, PERMISSIONS, &who(), now());
        attributes.links = 1;
        let (reading, writing) = (Ends::default(), Ends::default());
        let mut ring = Ring::new()?;
        let share = Share::new(ring.capacity() as u64 / PAGE_SIZE_BYTES)?;
        if share.pages() * PAGE_SIZE_BYTES < ring.capacity() as u64 {
            ring.resize((share.pages() * PAGE_SIZE_BYTES) as usize, free_page)?;
        }
        Ok(Arc::new(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            attributes,
            state: SpinLock::new(State { ring, reading, writing }),
            readers: WaitQueue::new(),
            writers: WaitQueue::new(),
            watchers: WaitQueue::new(),
            share: Mutex::new(share),
        }))
    }

    /// Reads once; how many bytes.
    fn read_once(&self, to: &mut Buffer<'_>) -> (Step, usize) {
        let mut state = self.state.lock();
        let (before, free) = (state.ring.len(), state.ring.free());
        let step = state.read(to);
        let left = state.ring.len();
        let hung_up = state.writing.open == 0;
        drop(state);
        if left < before {
            self.wake_after_reading(left, free);
        }
        match step {
            Step::Wait if hung_up => (Step::Done, before - left),
            step => (step, before - left),
        }
    }

    /// Writes once.
    fn write_once(&self, from: &mut Buffer<'_>, together: Together) -> Result<Step, Errno> {
        let mut state = self.state.lock();
        if state.reading.open == 0 {
            return Err(Errno::EPIPE);
        }
        let before = state.ring.len();
        let step = match together {
            Together::Yes => state.write_whole(from),
            Together::No => state.write(from),
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
    fn wake_after_reading(&self, left: usize, free_before: usize) {
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
    fn wake_after_writing(&self, before: usize, free: usize) {
        if before == 0 {
            self.readers.wake(1);
        }
        if free > 0 {
            self.writers.wake(1);
        }
        self.watchers.wake_all();
    }

    /// Reads what was not read the short way.
    #[inline(never)]
    fn read_on(
        &self,
        to: &mut Buffer<'_>,
        flags: Flags,
        (mut step, mut done): (Step, usize),
    ) -> Result<usize, Errno> {
        loop {
            let outcome = match step {
                Step::Done => return Ok(done),
                Step::Begin if to.remaining() == 0 => return Ok(0),
                Step::Begin => Ok(()),
                Step::Fault => to.touch_to_put(),
                Step::Wait if done > 0 => return Ok(done),
                Step::Wait if flags.nonblocking() => Err(Errno::EAGAIN),
                Step::Wait => self.wait_for_bytes(),
            };
            if let Err(errno) = outcome {
                return moved_or(done, errno);
            }
            let moved;
            (step, moved) = self.read_once(to);
            done += moved;
        }
    }

    /// Sleeps until there is something to read, or nobody left who might write.
    #[inline(never)]
    fn wait_for_bytes(&self) -> Result<(), Errno> {
        // There was nothing a moment ago: the first look is the one after queueing up.
        let mut is_queued = false;
        let attempt = || {
            if !core::mem::replace(&mut is_queued, true) {
                return None;
            }
            let state = self.state.lock();
            (!state.ring.is_empty() || state.writing.open == 0).then_some(())
        };
        self.readers.wait_interruptible(None, attempt).map_err(|_| {
            // Whoever was woken in our place must not be forgotten.
            self.readers.wake(1);
            Errno::EINTR
        })
    }

    /// Writes what was not written the short way.
    #[inline(never)]
    fn write_on(&self, from: &mut Buffer<'_>, flags: Flags, wanted: usize) -> Result<usize, Errno> {
        if wanted == 0 {
            return Ok(0);
        }
        let together = if wanted <= PIPE_BUF_BYTES { Together::Yes } else { Together::No };
        let mut step = Ok(Step::Begin);
        loop {
            let outcome = match step {
                Ok(Step::Done) => return Ok(wanted),
                Ok(Step::Begin) => Ok(()),
                Ok(Step::Fault) if together == Together::Yes => from.touch_all_to_get(),
                Ok(Step::Fault) => from.touch_to_get(),
                Ok(Step::Wait) if flags.nonblocking() => Err(Errno::EAGAIN),
                Ok(Step::Wait) => {
                    step = self.wait_and_write(from, together);
                    continue;
                }
                Err(Errno::ENOMEM) => reclaim::throttle(),
                Err(errno) => Err(errno),
            };
            if let Err(errno) = outcome {
                let done = wanted - from.remaining();
                if errno == Errno::EPIPE {
                    task::signal::send_to_self(linux::SIGPIPE as u8);
                }
                return moved_or(done, errno);
            }
            step = self.write_once(from, together);
        }
    }

    /// Sleeps until everything is written, or a page is to be brought in, or nobody reads.
    fn wait_and_write(&self, from: &mut Buffer<'_>, together: Together) -> Result<Step, Errno> {
        let attempt = || match self.write_once(from, together) {
            Ok(Step::Wait) => None,
            step => Some(step),
        };
        let waited = self.writers.wait_interruptible(None, attempt);
        waited.unwrap_or_else(|_| {
            self.writers.wake(1);
            Err(Errno::EINTR)
        })
    }

    fn count(&self, flags: Flags) {
        let mut state = self.state.lock();
        if flags.reads() {
            state.reading.add();
        }
        if flags.writes() {
            state.writing.add();
        }
    }

    fn resize(&self, bytes: usize) -> Result<usize, Errno> {
        let pages = ring::pages_of(bytes)? as u64;
        let mut share = self.share.lock();
        let before = share.pages();
        share.resize(pages)?;
        let mut freed = Vec::new();
        let mut state = self.state.lock();
        let resized = state.ring.resize(bytes, |page| freed.push(page));
        let capacity = state.ring.capacity();
        drop(state);
        if resized.is_err() {
            // Nobody can be in the way of what was there before, but others may have taken it.
            let _ = share.resize(before);
        }
        drop(share);
        freed.into_iter().for_each(free_page);
        self.writers.wake(1);
        self.watchers.wake_all();
        resized.map(|()| capacity)
    }
}

impl File for Pipe {
    fn seeking(&self) -> Seeking {
        Seeking::Stream
    }

    fn read(&self, _at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let Some((at, wanted)) = to.only_range() else {
            return self.read_on(to, flags, (Step::Begin, 0));
        };
        loop {
            let mut state = self.state.lock();
            // The short way: everything that is to be read lies in one page.
            if let Some(span) = state.ring.readable()
                && (wanted <= span.count || span.count == state.ring.len())
            {
                let free = state.ring.free();
                let count = wanted.min(span.count);
                let moved = try_frame_to_user(span.page, span.offset, at, count);
                state.ring.consume(moved);
                let left = state.ring.len();
                drop(state);
                self.wake_after_reading(left, free);
                if moved == count {
                    return Ok(count);
                }
                to.restore(Saved::Range((at + moved as u64, wanted - moved)));
                return self.read_on(to, flags, (Step::Fault, moved));
            }
            let is_to_wait = state.ring.is_empty() && state.writing.open > 0 && wanted > 0;
            drop(state);
            if !is_to_wait || flags.nonblocking() {
                return self.read_on(to, flags, (Step::Begin, 0));
            }
            self.wait_for_bytes()?;
        }
    }

    fn write(&self, _at: &mut u64, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let wanted = from.remaining();
        let mut state = self.state.lock();
        // The short way: one range of bytes for one page that is there.
        // What would fault is tried again the long way: nobody has seen what was copied.
        if state.reading.open > 0
            && let Some((at, _)) = from.only_range()
            && let Some(span) = state.ring.room()
            && wanted <= span.count
            && try_user_to_frame(at, span.page, span.offset, wanted) == wanted
        {
            let before = state.ring.len();
            state.ring.produce(wanted);
            drop(state);
            // Writers who wait have somebody who was woken and, having written, hands on.
            self.wake_after_writing(before, 0);
            return Ok(wanted);
        }
        drop(state);
        self.write_on(from, flags, wanted)
    }

    fn poll(&self, flags: Flags) -> u32 {
        let state = self.state.lock();
        let mut events = 0;
        if flags.reads() {
            if !state.ring.is_empty() {
                events |= linux::POLLIN | linux::POLLRDNORM;
            }
            if state.writing.open == 0 && state.writing.ever > 0 {
                events |= linux::POLLHUP;
            }
        }
        if flags.writes() {
            if state.has_room(PIPE_BUF_BYTES) {
                events |= linux::POLLOUT | linux::POLLWRNORM;
            }
            if state.reading.open == 0 {
                events |= linux::POLLERR;
            }
        }
        events
    }

    fn poll_queue(&self) -> Option<&WaitQueue> {
        Some(&self.watchers)
    }

    fn ioctl(&self, request: u32, argument: u64, _flags: Flags) -> Answer {
        match request {
            ioctl::FIONREAD => {
                let waiting = self.state.lock().ring.len() as u32;
                user::write(argument, &waiting)?;
                Ok(0)
            }
            _ => Err(Errno::ENOTTY),
        }
    }

    fn pipe_size(&self, set: Option<usize>) -> Answer {
        match set {
            Some(bytes) => self.resize(bytes).map(|bytes| bytes as u64),
            None => Ok(self.state.lock().ring.capacity() as u64),
        }
    }

    fn close(&self, flags: Flags) {
        let mut state = self.state.lock();
        state.reading.open -= u32::from(flags.reads());
        state.writing.open -= u32::from(flags.writes());
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
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.state.lock().ring.take_pages().for_each(free_page);
    }
}
