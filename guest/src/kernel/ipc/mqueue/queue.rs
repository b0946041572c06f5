//! [`QueueFile`]: a message queue as a file. How threads send, receive and wait is
//! `guest::ipc::mqueue`'s.

use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::{self, Change};
use guest::fs::layout::Stat;
use guest::fs::tree::Actor;
use guest::fs::{Attributes, Kind};
use guest::ipc::layout::QueueAttributes;
use guest::ipc::mqueue::{Message, Patience, Registered, Shared, Size};
use guest::ipc::text;
use linux_raw_sys::general as linux;

use super::super::spare::Spare;
use super::{CHARGES, directory, tell};
use crate::fs::buffer::Buffer;
use crate::fs::inode::{File, Flags, Inode};
use crate::fs::names::now;
use crate::sync::{Kernel, WaitQueue};
use crate::task::{Pid, current_process};
use crate::time::Instant;

/// Longest line that such a file holds, and the size that it shows.
const LINE_BYTES: u64 = 80;

/// A queue.
pub(crate) struct QueueFile {
    number: u64,
    size: Size,
    name: Arc<[u8]>,
    /// Whose it counts as, and for how much.
    charged: (u32, u64),
    shared: Shared<Kernel>,
    spare: Spare,
}

impl QueueFile {
    /// An empty one, which counts as the user's whom `attributes` belong to.
    ///
    /// # Errors
    /// EMFILE where the user may not have so much, ENOMEM.
    pub(super) fn new(
        number: u64,
        name: Arc<[u8]>,
        attributes: Attributes,
        size: Size,
    ) -> Result<Arc<Self>, Errno> {
        let limit = current_process().limit(linux::RLIMIT_MSGQUEUE);
        let charged = (attributes.uid, size.cost_bytes());
        CHARGES.lock().add(charged.0, charged.1, limit)?;
        let (shared, spare) = (Shared::new(attributes, size), Spare::new());
        Ok(Arc::new(Self { number, size, name, charged, shared, spare }))
    }

    /// It has lost its name.
    pub(super) fn unnamed(&self, by: &Actor) {
        let attributes = &mut self.shared.lock().attributes;
        (attributes.links, attributes.changed) = (0, by.now);
    }

    /// Most bytes of a message.
    pub(crate) fn message_bytes(&self) -> u64 {
        self.size.message_bytes
    }

    /// Memory for its messages.
    pub(crate) fn spare(&self) -> &Spare {
        &self.spare
    }

    /// What `mq_getattr` tells, for a descriptor with these flags.
    pub(crate) fn queue_attributes(&self, flags: Flags) -> QueueAttributes {
        let Size { messages, message_bytes } = self.size;
        let state = self.shared.lock();
        QueueAttributes {
            flags: u64::from(flags.0 & linux::O_NONBLOCK),
            limit: messages as i64,
            limit_bytes: message_bytes as i64,
            count: state.queue.len(),
        }
    }

    /// Sends a message that is not too long.
    ///
    /// # Errors
    /// EAGAIN, EINTR, ENOMEM, ETIMEDOUT.
    pub(crate) fn send(
        &self,
        message: Message,
        flags: Flags,
        deadline: Option<Instant>,
    ) -> Result<(), Errno> {
        let told = self.shared.send(message, patience(flags, deadline), now)?;
        told.into_iter().for_each(tell);
        Ok(())
    }

    /// Takes the next message.
    ///
    /// # Errors
    /// EAGAIN, EINTR, ENOMEM, ETIMEDOUT.
    pub(crate) fn receive(
        &self,
        flags: Flags,
        deadline: Option<Instant>,
    ) -> Result<Message, Errno> {
        self.shared.receive(patience(flags, deadline), now)
    }

    /// Somebody is to be told of the next message: EBUSY.
    pub(super) fn register(&self, wish: Registered) -> Result<(), Errno> {
        self.shared.lock().queue.register(wish)
    }

    /// A process is not to be told any longer.
    pub(super) fn forget(&self, pid: Pid) {
        self.shared.lock().queue.forget(pid);
    }

    /// Whether this process is to be told.
    pub(super) fn tells(&self, pid: Pid) -> bool {
        self.shared.lock().queue.registered().is_some_and(|registered| registered.pid == pid)
    }
}

/// For how long whoever has opened the queue like this waits.
fn patience(flags: Flags, deadline: Option<Instant>) -> Patience<Instant> {
    match deadline {
        _ if flags.nonblocking() => Patience::None,
        Some(deadline) => Patience::Until(deadline),
        None => Patience::Endless,
    }
}

impl Drop for QueueFile {
    fn drop(&mut self) {
        let (uid, bytes) = self.charged;
        CHARGES.lock().remove(uid, bytes);
        directory::one_less();
    }
}

impl Inode for QueueFile {
    fn device(&self) -> u64 {
        directory::DEVICE
    }
    fn number(&self) -> u64 {
        self.number
    }
    fn kind(&self) -> Kind {
        Kind::Regular
    }
    fn attributes(&self) -> Attributes {
        self.shared.lock().attributes
    }

    fn stat(&self) -> Stat {
        Stat {
            device: self.device(),
            number: self.number,
            attributes: self.attributes(),
            special: 0,
            size_bytes: LINE_BYTES,
            blocks: 0,
            block_bytes: PAGE_SIZE_BYTES as u32,
        }
    }

    fn path(&self) -> Vec<u8> {
        let mark: &[u8] = if self.attributes().links == 0 { b" (deleted)" } else { b"" };
        [b"/", &self.name[..], mark].concat()
    }

    fn parent(&self) -> Option<Arc<dyn Inode>> {
        Some(directory::system().root_directory())
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn open(self: Arc<Self>, _flags: Flags) -> Result<Arc<dyn File>, Errno> {
        Ok(self)
    }

    fn change(&self, change: Change, by: &Actor) -> Result<(), Errno> {
        access::apply(&mut self.shared.lock().attributes, change, &by.who, by.now)
    }

    /// Opening such a file with O_TRUNC changes nothing.
    fn truncate(&self, _size_bytes: u64) -> Result<(), Errno> {
        Ok(())
    }
}

impl File for QueueFile {
    /// What it is like: how much is in it, and who is told of the next message.
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>, _flags: Flags) -> Result<usize, Errno> {
        let (bytes, registered) = {
            let state = self.shared.lock();
            (state.queue.bytes(), state.queue.registered().copied())
        };
        let line = text::queue(bytes, registered.as_ref()).to_string();
        let rest = line.as_bytes().get(usize::try_from(*at).unwrap_or(usize::MAX)..);
        let count = to.put(rest.unwrap_or_default())?;
        *at += count as u64;
        Ok(count)
    }

    fn write(&self, _at: &mut u64, _from: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    fn end(&self) -> Result<u64, Errno> {
        Ok(LINE_BYTES)
    }

    fn poll(&self, _flags: Flags) -> u32 {
        let state = self.shared.lock();
        let mut events = 0;
        if !state.queue.is_empty() {
            events |= linux::POLLIN | linux::POLLRDNORM;
        }
        if !state.queue.is_full() {
            events |= linux::POLLOUT | linux::POLLWRNORM;
        }
        events
    }

    fn poll_queue(&self) -> Option<&WaitQueue> {
        Some(self.shared.watchers())
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }

    fn descriptor_closed(&self) {
        self.forget(current_process().pid);
    }
}
