//! [`Queue`]: a queue of System V messages: each has a type, by which receivers choose. Who waits
//! gets a message as it comes, who waits for room has it put in as room is made; so nothing that is
//! here is waited for.
//!
//! Source: `msgop(2)`, `msgctl(2)`; POSIX, `msgrcv`.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ids::NO_WAIT;
use super::layout::MessagesStatus;
use crate::errno::Errno;
use crate::task::Pid;

mod queues;

pub use queues::{News, Queues};

/// Flag of `msgrcv`: a message that is too long is cut.
pub const NO_ERROR: u32 = 0o10000;
/// Flag of `msgrcv`: any type but this.
pub const EXCEPT: u32 = 0o20000;
/// Flag of `msgrcv`: it stays in the queue.
pub const COPY: u32 = 0o40000;

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its type, above 0.
    pub kind: i64,
    /// What it says.
    pub text: Vec<u8>,
}

/// Which message is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The first.
    First,
    /// The first of this type.
    Only(i64),
    /// The first of another type.
    Except(i64),
    /// The first of the lowest type up to this.
    UpTo(i64),
    /// The one with so many before it.
    Number(i64),
}

impl Choice {
    /// What a type and flags of `msgrcv` mean.
    ///
    /// # Errors
    /// EINVAL for flags that contradict each other.
    pub const fn of(kind: i64, flags: u32) -> Result<Self, Errno> {
        if flags & COPY != 0 {
            let is_good = flags & EXCEPT == 0 && flags & NO_WAIT != 0;
            return if is_good { Ok(Self::Number(kind)) } else { Err(Errno::EINVAL) };
        }
        Ok(match kind {
            0 => Self::First,
            i64::MIN..0 => Self::UpTo(kind.saturating_neg()),
            1.. if flags & EXCEPT != 0 => Self::Except(kind),
            1.. => Self::Only(kind),
        })
    }

    /// Whether a message that comes alone is it.
    fn takes(self, message: &Message) -> bool {
        match self {
            Self::First => true,
            Self::Only(kind) => message.kind == kind,
            Self::Except(kind) => message.kind != kind,
            Self::UpTo(kind) => message.kind <= kind,
            Self::Number(_) => false,
        }
    }
}

/// What a receiver wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Which message.
    pub choice: Choice,
    /// Bytes that there is room for.
    pub room: usize,
    /// Whether a longer one is cut.
    pub may_cut: bool,
}

impl Wanted {
    fn fits(&self, message: &Message) -> bool {
        self.may_cut || message.text.len() <= self.room
    }
}

/// Who does something: a process, and the second in which.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct By {
    /// Its number.
    pub pid: Pid,
    /// Since 1970.
    pub now: u64,
}

/// What those who wait are told.
#[derive(Debug, PartialEq, Eq)]
pub enum Told<W> {
    /// A receiver gets this, or E2BIG.
    Receiver(W, Result<Message, Errno>),
    /// A sender's message is in the queue.
    Sender(W),
}

/// Somebody who waits for a message.
#[derive(Debug)]
struct Receiver<W> {
    waiter: W,
    wanted: Wanted,
    pid: Pid,
}

/// Somebody who waits for room.
#[derive(Debug)]
struct Sender<W> {
    waiter: W,
    message: Message,
    pid: Pid,
}

/// A queue, with those who wait.
#[derive(Debug)]
pub struct Queue<W> {
    messages: VecDeque<Message>,
    status: MessagesStatus,
    receivers: VecDeque<Receiver<W>>,
    senders: VecDeque<Sender<W>>,
}

impl<W> Queue<W> {
    /// An empty one.
    pub fn new(limit_bytes: u64, now: u64) -> Self {
        let status = MessagesStatus { limit_bytes, changed: now, ..MessagesStatus::default() };
        let (receivers, senders) = (VecDeque::new(), VecDeque::new());
        Self { messages: VecDeque::new(), status, receivers, senders }
    }

    /// What is known of it.
    pub const fn status(&self) -> &MessagesStatus {
        &self.status
    }

    /// Whether there is room for a message of so many bytes. Without bytes, so many messages fit as
    /// bytes would.
    fn has_room(&self, bytes: usize) -> bool {
        let MessagesStatus { bytes: used, count, limit_bytes, .. } = self.status;
        used + bytes as u64 <= limit_bytes && count < limit_bytes
    }

    /// Sends a message; `tell` learns of receivers who have waited for it. It is given back where
    /// there is no room.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn send(
        &mut self,
        message: Message,
        by: By,
        tell: &mut dyn FnMut(Told<W>),
    ) -> Result<Option<Message>, Errno> {
        if !self.has_room(message.text.len()) {
            return Ok(Some(message));
        }
        self.messages.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.put(message, by, tell);
        Ok(None)
    }

    /// Puts a message in, or hands it to the first who wants it; there is room.
    fn put(&mut self, message: Message, by: By, tell: &mut dyn FnMut(Told<W>)) {
        (self.status.sender, self.status.sent) = (by.pid, by.now);
        let mut index = 0;
        while let Some(receiver) = self.receivers.get(index) {
            if !receiver.wanted.choice.takes(&message) {
                index += 1;
                continue;
            }
            let fits = receiver.wanted.fits(&message);
            let Some(Receiver { waiter, pid, .. }) = self.receivers.remove(index) else { break };
            if fits {
                (self.status.receiver, self.status.received) = (pid, by.now);
                return tell(Told::Receiver(waiter, Ok(message)));
            }
            // The one who waits learns of it; the message goes on.
            tell(Told::Receiver(waiter, Err(Errno::E2BIG)));
        }
        self.status.bytes += message.text.len() as u64;
        self.status.count += 1;
        self.messages.push_back(message);
    }

    /// Takes a message; `tell` learns of senders for whom this has made room, and of receivers who
    /// have waited for what those send. `None`: there is no such message.
    ///
    /// # Errors
    /// E2BIG.
    pub fn receive(
        &mut self,
        wanted: &Wanted,
        by: By,
        tell: &mut dyn FnMut(Told<W>),
    ) -> Result<Option<Message>, Errno> {
        let Some(index) = self.find(wanted.choice) else { return Ok(None) };
        if !wanted.fits(&self.messages[index]) {
            return Err(Errno::E2BIG);
        }
        let Some(message) = self.messages.remove(index) else { return Ok(None) };
        (self.status.receiver, self.status.received) = (by.pid, by.now);
        self.status.bytes -= message.text.len() as u64;
        self.status.count -= 1;
        self.admit(by.now, tell);
        Ok(Some(message))
    }

    /// A message that stays in the queue.
    ///
    /// # Errors
    /// ENOMSG, E2BIG.
    pub fn look(&self, wanted: &Wanted) -> Result<&Message, Errno> {
        let found = self.find(wanted.choice).and_then(|index| self.messages.get(index));
        let message = found.ok_or(Errno::ENOMSG)?;
        if wanted.fits(message) { Ok(message) } else { Err(Errno::E2BIG) }
    }

    fn find(&self, choice: Choice) -> Option<usize> {
        match choice {
            Choice::Number(number) => {
                usize::try_from(number).ok().filter(|number| *number < self.messages.len())
            }
            Choice::UpTo(_) => {
                let numbered = self.messages.iter().enumerate();
                let mine = numbered.filter(|(_, message)| choice.takes(message));
                // The first of those with the least.
                mine.min_by_key(|(_, message)| message.kind).map(|(index, _)| index)
            }
            choice => self.messages.iter().position(|message| choice.takes(message)),
        }
    }

    /// Lets in the messages of senders for which there is room, in their order.
    fn admit(&mut self, now: u64, tell: &mut dyn FnMut(Told<W>)) {
        let mut index = 0;
        while let Some(sender) = self.senders.get(index) {
            let fits = self.has_room(sender.message.text.len());
            if !fits || self.messages.try_reserve(1).is_err() {
                index += 1;
                continue;
            }
            let Some(Sender { waiter, message, pid }) = self.senders.remove(index) else { break };
            tell(Told::Sender(waiter));
            self.put(message, By { pid, now }, tell);
        }
    }

    /// Somebody waits for a message, behind those who do already.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn wait_for_message(&mut self, waiter: W, wanted: Wanted, pid: Pid) -> Result<(), Errno> {
        self.receivers.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.receivers.push_back(Receiver { waiter, wanted, pid });
        Ok(())
    }

    /// Somebody waits for room for this message, behind those who do already.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn wait_for_room(&mut self, waiter: W, message: Message, pid: Pid) -> Result<(), Errno> {
        self.senders.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.senders.push_back(Sender { waiter, message, pid });
        Ok(())
    }

    /// Somebody waits no longer; the handle, and the message that was to be sent. `None` where it
    /// was told something before.
    pub fn give_up(&mut self, is_it: impl Fn(&W) -> bool) -> Option<(W, Option<Message>)> {
        let receiver = self.receivers.iter().position(|receiver| is_it(&receiver.waiter));
        if let Some(index) = receiver {
            return self.receivers.remove(index).map(|receiver| (receiver.waiter, None));
        }
        let index = self.senders.iter().position(|sender| is_it(&sender.waiter))?;
        self.senders.remove(index).map(|sender| (sender.waiter, Some(sender.message)))
    }

    /// Another limit; owners are the table's.
    pub fn change(&mut self, limit_bytes: u64, now: u64) {
        (self.status.limit_bytes, self.status.changed) = (limit_bytes, now);
    }

    /// Takes all out who wait: the queue goes, or their rights have changed. Senders come with
    /// their messages.
    pub fn expel(&mut self) -> impl Iterator<Item = (W, Option<Message>)> + use<W> {
        let receivers = core::mem::take(&mut self.receivers).into_iter();
        let senders = core::mem::take(&mut self.senders).into_iter();
        let senders = senders.map(|sender| (sender.waiter, Some(sender.message)));
        receivers.map(|receiver| (receiver.waiter, None)).chain(senders)
    }
}

#[cfg(test)]
mod tests;
