//! [`Queue`]: a POSIX message queue: messages by priority, those of a priority in the order in
//! which they came; who waits for one or for room, first come first served; and who is told when
//! an empty queue gets one. [`Charges`] counts what users have in all queues.
//!
//! A message goes straight to the one who has waited longest, so that nobody who comes later gets
//! it, and everybody gets as many. Limits are Linux's (`mq_overview(7)`).

use alloc::collections::{BinaryHeap, VecDeque};
use alloc::vec::Vec;
use core::cmp::Ordering;

use linux_raw_sys::general as linux;

use super::layout::QueueAttributes;
use crate::errno::Errno;
use crate::task::Pid;

mod shared;

pub use shared::{News, Patience, Shared, State};

/// Priorities are below this: POSIX, MQ_PRIO_MAX.
pub const PRIORITIES: u32 = 32_768;
/// Most messages of any queue.
pub const LIMIT_MAX: u64 = 65_536;
/// Most bytes of any message.
pub const LIMIT_BYTES_MAX: u64 = 16 << 20;

/// What one message, and one priority, counts for besides its bytes: as on Linux.
const MESSAGE_COST_BYTES: u64 = 48;
const PRIORITY_COST_BYTES: u64 = 48;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How urgent; below [`PRIORITIES`].
    pub priority: u32,
    /// What it says.
    pub text: Vec<u8>,
}

/// A message in its queue: the greatest is the next.
#[derive(Debug)]
struct Queued {
    message: Message,
    number: u64,
}

impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_priority = self.message.priority.cmp(&other.message.priority);
        by_priority.then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Queued {}

/// How big a queue and its messages may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Messages.
    pub messages: u64,
    /// Bytes of each.
    pub message_bytes: u64,
}

impl Size {
    /// As `mq_open` is asked for it, within `most`.
    ///
    /// # Errors
    /// EINVAL.
    pub fn wanted(attributes: &QueueAttributes, most: Size) -> Result<Self, Errno> {
        let number = |number: i64, most: u64| match u64::try_from(number) {
            Ok(number) if (1..=most).contains(&number) => Ok(number),
            _ => Err(Errno::EINVAL),
        };
        let messages = number(attributes.limit, most.messages)?;
        let message_bytes = number(attributes.limit_bytes, most.message_bytes)?;
        Ok(Self { messages, message_bytes })
    }

    /// What a queue of this size counts for, full or not.
    pub const fn cost_bytes(self) -> u64 {
        let priorities = match self.messages < PRIORITIES as u64 {
            true => self.messages,
            false => PRIORITIES as u64,
        };
        self.messages * (self.message_bytes + MESSAGE_COST_BYTES) + priorities * PRIORITY_COST_BYTES
    }
}

/// How somebody is told of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Not at all; nobody else is, either.
    Silently,
    /// By a signal.
    Signal {
        /// Which; 0 is none.
        number: u8,
        /// What comes with it.
        value: u64,
    },
}

/// Who is told of the next message that comes into an empty queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registered {
    /// A process.
    pub pid: Pid,
    /// How.
    pub how: How,
}

impl Registered {
    /// As the status line shows it: `SIGEV_x`, the signal, the process.
    pub(super) fn shown(&self) -> (u32, u8, Pid) {
        match self.how {
            How::Silently => (linux::SIGEV_NONE, 0, self.pid),
            How::Signal { number, .. } => (linux::SIGEV_SIGNAL, number, self.pid),
        }
    }
}

/// What became of a message that was sent.
#[derive(Debug, PartialEq, Eq)]
pub enum Sent<W> {
    /// It is in the queue; and who is to be told of that.
    Queued(Option<Registered>),
    /// This one has waited for it.
    HandedTo(W, Message),
    /// There is no room.
    Full(Message),
}

/// A queue, with those who wait.
#[derive(Debug)]
pub struct Queue<W> {
    size: Size,
    messages: BinaryHeap<Queued>,
    /// Bytes in it.
    bytes: u64,
    /// Number of the next message.
    next: u64,
    receivers: VecDeque<W>,
    senders: VecDeque<(W, Message)>,
    registered: Option<Registered>,
}

impl<W> Queue<W> {
    /// An empty one.
    pub const fn new(size: Size) -> Self {
        Self {
            size,
            messages: BinaryHeap::new(),
            bytes: 0,
            next: 0,
            receivers: VecDeque::new(),
            senders: VecDeque::new(),
            registered: None,
        }
    }

    /// How big it may be.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Messages in it.
    pub fn len(&self) -> u64 {
        self.messages.len() as u64
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Whether there is no room for any.
    pub fn is_full(&self) -> bool {
        self.len() >= self.size.messages
    }

    /// Bytes of all messages.
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Who is told of the next message.
    pub const fn registered(&self) -> Option<&Registered> {
        self.registered.as_ref()
    }

    /// Sends a message.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn send(&mut self, message: Message) -> Result<Sent<W>, Errno> {
        if self.is_full() {
            return Ok(Sent::Full(message));
        }
        if let Some(receiver) = self.receivers.pop_front() {
            return Ok(Sent::HandedTo(receiver, message));
        }
        self.messages.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.put(message);
        // Who is told once is told no more.
        let told = if self.messages.len() == 1 { self.registered.take() } else { None };
        Ok(Sent::Queued(told))
    }

    /// Puts a message in; there is room.
    fn put(&mut self, message: Message) {
        self.bytes += message.text.len() as u64;
        self.messages.push(Queued { message, number: self.next });
        self.next += 1;
    }

    /// Takes the next message; and who has waited with another for that one's place.
    pub fn receive(&mut self) -> Option<(Message, Option<W>)> {
        let Queued { message, .. } = self.messages.pop()?;
        self.bytes -= message.text.len() as u64;
        let sender = self.senders.pop_front().map(|(sender, message)| {
            self.put(message);
            sender
        });
        Some((message, sender))
    }

    /// Somebody waits for a message, behind those who do already.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn wait_for_message(&mut self, waiter: W) -> Result<(), Errno> {
        debug_assert!(self.is_empty(), "there is one");
        self.receivers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.receivers.push_back(waiter);
        Ok(())
    }

    /// Somebody waits for room for this message, behind those who do already.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn wait_for_room(&mut self, waiter: W, message: Message) -> Result<(), Errno> {
        debug_assert!(self.is_full(), "there is room");
        self.senders.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.senders.push_back((waiter, message));
        Ok(())
    }

    /// Somebody waits no longer; the handle, and the message that was to be sent. `None` where it
    /// was handed out before.
    pub fn give_up(&mut self, is_it: impl Fn(&W) -> bool) -> Option<(W, Option<Message>)> {
        if let Some(index) = self.receivers.iter().position(&is_it) {
            return self.receivers.remove(index).map(|waiter| (waiter, None));
        }
        let index = self.senders.iter().position(|(waiter, _)| is_it(waiter))?;
        self.senders.remove(index).map(|(waiter, message)| (waiter, Some(message)))
    }

    /// A process is to be told of the next message.
    ///
    /// # Errors
    /// EBUSY where some process is already.
    pub fn register(&mut self, wish: Registered) -> Result<(), Errno> {
        match self.registered {
            Some(_) => Err(Errno::EBUSY),
            None => {
                self.registered = Some(wish);
                Ok(())
            }
        }
    }

    /// A process is not to be told any more.
    pub fn forget(&mut self, pid: Pid) {
        if self.registered.is_some_and(|registered| registered.pid == pid) {
            self.registered = None;
        }
    }
}

/// What the queues of each user count for.
#[derive(Debug, Default)]
pub struct Charges {
    users: Vec<(u32, u64)>,
}

impl Charges {
    /// Nobody has any.
    pub const fn new() -> Self {
        Self { users: Vec::new() }
    }

    /// Counts a queue of a user who may have `limit` bytes: RLIMIT_MSGQUEUE.
    ///
    /// # Errors
    /// EMFILE, ENOMEM.
    pub fn add(&mut self, uid: u32, bytes: u64, limit: u64) -> Result<(), Errno> {
        let known = self.users.iter().position(|(user, _)| *user == uid);
        let before = known.map_or(0, |at| self.users[at].1);
        let after =
            before.checked_add(bytes).filter(|after| *after <= limit).ok_or(Errno::EMFILE)?;
        match known {
            Some(at) => self.users[at].1 = after,
            None => {
                self.users.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                self.users.push((uid, after));
            }
        }
        Ok(())
    }

    /// The end of such a queue.
    pub fn remove(&mut self, uid: u32, bytes: u64) {
        let at = self.users.iter().position(|(user, _)| *user == uid);
        let at = at.expect("its queue was counted");
        self.users[at].1 -= bytes;
        if self.users[at].1 == 0 {
            self.users.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests;
