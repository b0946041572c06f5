//! [`MessageQueues`]: the file system of message queues: one directory, with a file for each queue.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::{self, Change, Wish};
use guest::fs::layout::{Dirent, Statfs};
use guest::fs::tree::Actor;
use guest::fs::{Attributes, Identity, Kind};
use guest::ipc::mqueue::Size;

use super::super::limits;
use super::queue::QueueFile;
use crate::fs::inode::{File, Flags, Inode, New};
use crate::fs::listing::Listing;
use crate::fs::mount::FileSystem;
use crate::fs::names::now;
use crate::sync::SpinLock;

/// Magic number in statfs: Linux's `MQUEUE_MAGIC`.
const MAGIC: u64 = 0x1980_0202;
/// Number of the file system.
pub(super) const DEVICE: u64 = 4;
/// Number of its directory.
const ROOT: u64 = 1;
/// Permissions of that: everybody makes queues, and removes their own.
const PERMISSIONS: u16 = 0o1777;

/// The message queues, of which there is one system.
pub(crate) struct MessageQueues {
    root: Arc<Root>,
}

/// Its directory.
pub(super) struct Root {
    state: SpinLock<State>,
}

struct State {
    attributes: Attributes,
    /// In the order in which they were made, which is that of their numbers.
    entries: Vec<(Arc<[u8]>, Arc<QueueFile>)>,
    /// Number of the next one.
    next: u64,
}

/// Queues that there are, with a name or without.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A queue has gone.
pub(super) fn one_less() {
    COUNT.fetch_sub(1, Ordering::Relaxed);
}

/// The file system.
pub(crate) fn system() -> Arc<MessageQueues> {
    static SYSTEM: SpinLock<Option<Arc<MessageQueues>>> = SpinLock::new(None);
    if let Some(system) = &*SYSTEM.lock() {
        return system.clone();
    }
    let mut attributes = Attributes::new(Kind::Directory, PERMISSIONS, &Identity::ROOT, now());
    attributes.links = 2;
    let state = State { attributes, entries: Vec::new(), next: ROOT + 1 };
    let new = Arc::new(MessageQueues { root: Arc::new(Root { state: SpinLock::new(state) }) });
    SYSTEM.lock().get_or_insert(new).clone()
}

impl MessageQueues {
    /// Its directory.
    pub(super) fn root_directory(&self) -> Arc<Root> {
        self.root.clone()
    }
}

impl FileSystem for MessageQueues {
    fn kind(&self) -> &'static str {
        "mqueue"
    }
    fn root(&self) -> Arc<dyn Inode> {
        self.root.clone()
    }
    fn statfs(&self) -> Statfs {
        Statfs {
            magic: MAGIC,
            block_bytes: PAGE_SIZE_BYTES,
            blocks: 0,
            blocks_free: 0,
            device: DEVICE,
            flags: 0,
        }
    }
}

impl State {
    fn find(&self, name: &[u8]) -> Option<usize> {
        self.entries.iter().position(|(own, _)| **own == *name)
    }

    /// Whether somebody may change names.
    fn check_writable(&self, by: &Actor) -> Result<(), Errno> {
        access::check(&self.attributes, &by.who, Wish::WRITE | Wish::EXECUTE)
    }

    fn changed(&mut self, by: &Actor) {
        (self.attributes.modified, self.attributes.changed) = (by.now, by.now);
    }
}

impl Root {
    /// The queue with this name: ENOENT.
    pub(super) fn find(&self, name: &[u8]) -> Result<Arc<QueueFile>, Errno> {
        let state = self.state.lock();
        let at = state.find(name).ok_or(Errno::ENOENT)?;
        Ok(state.entries[at].1.clone())
    }

    /// Makes a queue, of this size if that is any.
    ///
    /// # Errors
    /// EEXIST, EACCES, EMFILE, ENOMEM, ENOSPC; what is wrong with the size.
    pub(super) fn make(
        &self,
        name: &[u8],
        mode: u16,
        size: Result<Size, Errno>,
        by: &Actor,
    ) -> Result<Arc<QueueFile>, Errno> {
        let number = {
            let mut state = self.state.lock();
            state.check_writable(by)?;
            state.next += 1;
            state.next
        };
        let before = COUNT.fetch_add(1, Ordering::Relaxed);
        let is_allowed = before < limits::MQUEUES.get() || by.who.is_root();
        let name: Arc<[u8]> = Arc::from(name);
        let mut attributes = Attributes::new(Kind::Regular, mode, &by.who, by.now);
        attributes.links = 1;
        let made = match size {
            _ if !is_allowed => Err(Errno::ENOSPC),
            Err(errno) => Err(errno),
            Ok(size) => QueueFile::new(number, name.clone(), attributes, size),
        };
        // From here on the queue itself says that it has gone.
        let queue = made.inspect_err(|_| one_less())?;
        let mut state = self.state.lock();
        if state.find(&name).is_some() {
            drop(state);
            return Err(Errno::EEXIST);
        }
        let room = state.entries.try_reserve(1);
        if room.is_err() {
            drop(state);
            return Err(Errno::ENOMEM);
        }
        // Somebody who has begun later may have come before.
        let at = state.entries.partition_point(|(_, other)| other.number() < number);
        state.entries.insert(at, (name, queue.clone()));
        state.changed(by);
        Ok(queue)
    }

    /// Takes a name away.
    fn take(&self, name: &[u8], by: &Actor) -> Result<Arc<QueueFile>, Errno> {
        let mut state = self.state.lock();
        let at = state.find(name).ok_or(Errno::ENOENT)?;
        state.check_writable(by)?;
        let victim = state.entries[at].1.attributes();
        access::check_sticky(&state.attributes, &victim, &by.who)?;
        state.changed(by);
        Ok(state.entries.remove(at).1)
    }
}

impl Inode for Root {
    fn device(&self) -> u64 {
        DEVICE
    }
    fn number(&self) -> u64 {
        ROOT
    }
    fn kind(&self) -> Kind {
        Kind::Directory
    }
    fn attributes(&self) -> Attributes {
        self.state.lock().attributes
    }
    fn path(&self) -> Vec<u8> {
        b"/".to_vec()
    }
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }

    fn open(self: Arc<Self>, _flags: Flags) -> Result<Arc<dyn File>, Errno> {
        Ok(Arc::new(Listing))
    }

    fn lookup(&self, name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Ok(self.find(name)?)
    }

    fn list(&self, behind: u64, visit: &mut dyn FnMut(Dirent<'_>) -> bool) -> Result<(), Errno> {
        let state = self.state.lock();
        for (name, queue) in state.entries.iter().filter(|(_, queue)| queue.number() > behind) {
            let (number, kind) = (queue.number(), Kind::Regular.entry_type());
            if !visit(Dirent { number, next: number, kind, name }) {
                break;
            }
        }
        Ok(())
    }

    fn create(&self, name: &[u8], new: New<'_>, by: &Actor) -> Result<Arc<dyn Inode>, Errno> {
        match new {
            New::Plain(Kind::Regular, mode) => Ok(self.make(name, mode, super::size(None), by)?),
            _ => Err(Errno::EPERM),
        }
    }

    fn unlink(&self, name: &[u8], by: &Actor) -> Result<(), Errno> {
        // It may end here, with the lock free.
        self.take(name, by)?.unnamed(by);
        Ok(())
    }

    fn change(&self, change: Change, by: &Actor) -> Result<(), Errno> {
        access::apply(&mut self.state.lock().attributes, change, &by.who, by.now)
    }
}
