//! [`Pipe`]: a pipe as a file. What is read and written when, and who waits and is woken, is
//! `guest::ipc::pipe`'s ([`Channel`]); here user memory is copied straight to and from its pages.
//! `pipe/pages.rs` is those copies, `pipe/named.rs` makes files of pipes, `pipe/splice.rs` moves
//! bytes between them and other files, `pipe/users.rs` limits what pipes of a user take.

use alloc::sync::Arc;
use core::any::Any;
use core::ops::Deref;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::{Answer, Errno};
use guest::fs::{Attributes, Kind};
use guest::ipc::pipe::{Access, Channel, Patience, Step};
use guest::ipc::ring::{self, PIPE_BUF_BYTES};
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl;

use super::buffer::{Buffer, Saved, moved_or};
use super::inode::{File, Flags, Seeking};
use super::names::{now, who};
use crate::mm::{try_frame_to_user, try_user_to_frame, user};
use crate::sync::{Kernel, Mutex, WaitQueue};
use crate::task;

mod named;
mod pages;
mod splice;
pub(crate) mod users;

pub(crate) use named::new;
pub(super) use named::{FifoEnd, open_fifo};
use pages::Frames;
pub(crate) use splice::Transit;
use users::Share;

/// A pipe.
pub(crate) struct Pipe {
    number: u64,
    attributes: Attributes,
    channel: Channel<Kernel, Frames>,
    /// Whose pages it has. Before the channel's lock.
    share: Mutex<Share>,
}

impl Deref for Pipe {
    type Target = Channel<Kernel, Frames>;

    #[inline(always)]
    fn deref(&self) -> &Self::Target {
        &self.channel
    }
}

impl Pipe {
    fn new() -> Result<Arc<Self>, Errno> {
        const PERMISSIONS: u16 = 0o600;
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let mut attributes = Attributes::new(Kind::Fifo, PERMISSIONS, &who(), now());
        attributes.links = 1;
        let channel = Channel::<Kernel, Frames>::new()?;
        let usual = channel.state.lock().ring.capacity() as u64 / PAGE_SIZE_BYTES;
        let share = Share::new(usual)?;
        if share.pages() < usual {
            channel.resize((share.pages() * PAGE_SIZE_BYTES) as usize)?;
        }
        let (number, share) = (NEXT.fetch_add(1, Ordering::Relaxed), Mutex::new(share));
        Ok(Arc::new(Self { number, attributes, channel, share }))
    }

    /// Gives it room for so many bytes, if its user may have as many; how many it has room for.
    fn set_size(&self, bytes: usize) -> Result<usize, Errno> {
        let pages = ring::pages_of(bytes)? as u64;
        let mut share = self.share.lock();
        let before = share.pages();
        share.resize(pages)?;
        let resized = self.channel.resize(bytes);
        if resized.is_err() {
            // Nobody can be in the way of what was there before, but others may have taken it.
            let _ = share.resize(before);
        }
        resized
    }

    /// A writer ends early: whoever waits behind it goes on.
    fn give_up(&self, errno: Errno) -> Errno {
        self.writers.wake(1);
        signalled(errno)
    }
}

/// Whoever writes what nobody can read gets a signal, too.
fn signalled(errno: Errno) -> Errno {
    if errno == Errno::EPIPE {
        task::signal::send_to_self(linux::SIGPIPE as u8);
    }
    errno
}

impl Flags {
    /// The ends of a pipe that are opened with these.
    fn access(self) -> Access {
        Access { reads: self.reads(), writes: self.writes() }
    }

    /// Whether whoever has opened it with these waits.
    fn patience(self) -> Patience {
        if self.nonblocking() { Patience::None } else { Patience::Endless }
    }
}

impl File for Pipe {
    fn seeking(&self) -> Seeking {
        Seeking::Stream
    }

    fn read(&self, _at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let Some((at, wanted)) = to.only_range() else {
            return self.read_on(to, flags.patience(), (Step::Begin, 0));
        };
        loop {
            let mut asked = 0;
            let read = self.read_short(wanted, |span, count| {
                asked = count;
                try_frame_to_user(span.page, span.offset, at, count)
            });
            match read {
                Ok(moved) if moved == asked => return Ok(moved),
                Ok(moved) => {
                    to.restore(Saved::Range((at + moved as u64, wanted - moved)));
                    return self.read_on(to, flags.patience(), (Step::Fault, moved));
                }
                Err(Step::Wait) if !flags.nonblocking() => self.wait_for_bytes()?,
                Err(_) => return self.read_on(to, flags.patience(), (Step::Begin, 0)),
            }
        }
    }

    fn write(&self, _at: &mut u64, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let (wanted, range) = (from.remaining(), from.only_range());
        let is_written = self.write_short(wanted, |span| {
            range.map(|(at, _)| try_user_to_frame(at, span.page, span.offset, wanted))
        });
        if is_written || wanted == 0 {
            return Ok(wanted);
        }
        match self.write_on(from, flags.patience()) {
            Ok(()) => Ok(wanted),
            Err(errno) => moved_or(wanted - from.remaining(), signalled(errno)),
        }
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
            Some(bytes) => self.set_size(bytes).map(|bytes| bytes as u64),
            None => Ok(self.state.lock().ring.capacity() as u64),
        }
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn close(&self, flags: Flags) {
        self.channel.close(flags.access());
    }
}
