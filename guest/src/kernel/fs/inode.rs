//! [`Inode`], something that names lead to, and [`File`], what an open file does. File systems
//! (`tmpfs.rs`, `synthetic/`), pipes, terminals and devices implement them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::Change;
use guest::fs::layout::{Dirent, Stat};
use guest::fs::path::Target;
use guest::fs::seals::Seals;
use guest::fs::tree::{Actor, Manner};
use guest::fs::{Attributes, Kind};
use linux_raw_sys::general as linux;

use super::buffer::Buffer;
use super::names::Place;
use super::on_disk::OnDisk;
use crate::mm::Object;
use crate::sync::WaitQueue;
use guest::errno::Answer;

/// How a file is open: the O_ flags that stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flags(pub(crate) u32);

impl Flags {
    /// Whether all bits of `flag` are set.
    pub(crate) const fn has(self, flag: u32) -> bool {
        self.0 & flag == flag
    }

    /// Only to name the file: O_PATH.
    pub(crate) const fn is_path(self) -> bool {
        self.has(linux::O_PATH)
    }

    /// Open for reading.
    pub(crate) const fn reads(self) -> bool {
        !self.is_path() && self.0 & linux::O_ACCMODE != linux::O_WRONLY
    }

    /// Open for writing.
    pub(crate) const fn writes(self) -> bool {
        !self.is_path() && self.0 & linux::O_ACCMODE != linux::O_RDONLY
    }

    /// Nobody waits: O_NONBLOCK.
    pub(crate) const fn nonblocking(self) -> bool {
        self.has(linux::O_NONBLOCK)
    }
}

/// Something new that is to get a name.
#[derive(Clone, Copy, Debug)]
pub(crate) enum New<'a> {
    /// Of this kind, with these permissions.
    Plain(Kind, u16),
    /// A device.
    Device(Kind, u16, u64),
    /// A link with this text.
    Link(&'a [u8]),
}

/// Something that names lead to. The defaults are those of something that is no directory, no
/// link, and not to be changed.
pub(crate) trait Inode: Send + Sync {
    /// Number of its file system; that of what has no name, by default.
    fn device(&self) -> u64 {
        super::NAMELESS_DEVICE
    }
    /// Its number there.
    fn number(&self) -> u64;
    /// What it is.
    fn kind(&self) -> Kind {
        self.attributes().kind
    }
    /// What is known of it.
    fn attributes(&self) -> Attributes;
    /// Number of the device that it is; 0: none.
    fn special(&self) -> u64 {
        0
    }
    /// All that stat tells; by default of something without content.
    fn stat(&self) -> Stat {
        Stat {
            device: self.device(),
            number: self.number(),
            attributes: self.attributes(),
            special: self.special(),
            size_bytes: 0,
            blocks: 0,
            block_bytes: PAGE_SIZE_BYTES as u32,
        }
    }
    /// Its path from the root of its file system; or whole, where there is none.
    fn path(&self) -> Vec<u8>;
    /// Itself, for those who know what it is.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;

    /// Opens it. `flags` are allowed.
    fn open(self: Arc<Self>, flags: Flags) -> Result<Arc<dyn File>, Errno>;

    /// What has this name in it.
    fn lookup(&self, _name: &[u8]) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::ENOTDIR)
    }
    /// The directory around it; `None` for the root of a file system.
    fn parent(&self) -> Option<Arc<dyn Inode>> {
        None
    }
    /// Calls `visit` with the entries behind a position (without `.` and `..`) until it yields
    /// false.
    fn list(&self, _behind: u64, _visit: &mut dyn FnMut(Dirent<'_>) -> bool) -> Result<(), Errno> {
        Err(Errno::ENOTDIR)
    }
    /// Makes something in it.
    fn create(&self, _name: &[u8], _new: New<'_>, _by: &Actor) -> Result<Arc<dyn Inode>, Errno> {
        Err(Errno::EPERM)
    }
    /// Gives `target`, of the same file system, a name in it.
    fn link(&self, _name: &[u8], _target: Arc<dyn Inode>, _by: &Actor) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Takes a name away.
    fn unlink(&self, _name: &[u8], _by: &Actor) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Takes an empty directory away.
    fn remove_directory(&self, _name: &[u8], _by: &Actor) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Renames, into a directory of the same file system.
    fn rename(
        &self,
        _from: &[u8],
        _to: (Arc<dyn Inode>, &[u8]),
        _manner: Manner,
        _by: &Actor,
    ) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }

    /// The text of a link.
    fn read_link(&self) -> Result<Vec<u8>, Errno> {
        Err(Errno::EINVAL)
    }
    /// Where a link leads.
    fn follow(&self) -> Result<Target<Place>, Errno> {
        self.read_link().map(Target::Path)
    }

    /// Changes what is known of it.
    fn change(&self, _change: Change, _by: &Actor) -> Result<(), Errno> {
        Err(Errno::EPERM)
    }
    /// Sets its size.
    fn truncate(&self, _size_bytes: u64) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    /// Itself, where its content lies in blocks of a disk.
    fn on_disk(&self) -> Option<&dyn OnDisk> {
        None
    }
    /// Somebody runs it, so that nobody may write: ETXTBSY if somebody does.
    fn deny_writing(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// The end of [`deny_writing`](Self::deny_writing).
    fn allow_writing(&self) {}
}

/// Whether positions mean anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seeking {
    /// It has bytes at positions.
    Positions,
    /// It is the same everywhere: lseek does nothing.
    Everywhere,
    /// It has no positions: ESPIPE.
    Stream,
}

/// What an open file does. One object may serve all who have opened the same thing.
pub(crate) trait File: Send + Sync {
    /// Whether positions mean anything.
    fn seeking(&self) -> Seeking {
        Seeking::Positions
    }
    /// Reads from position `at` on, and moves that.
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno>;
    /// Writes from position `at` on (at the end with O_APPEND), and moves that.
    fn write(&self, at: &mut u64, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno>;
    /// Where its content ends, for SEEK_END; ESPIPE or EINVAL where that means nothing.
    fn end(&self) -> Result<u64, Errno> {
        Err(Errno::EINVAL)
    }
    /// Where data (SEEK_DATA) or a hole (SEEK_HOLE) begins, from a position within the content on.
    fn seek_data(&self, from: u64, _what: Sparse) -> Option<u64> {
        Some(from)
    }
    /// POLLIN and so on, as it is now, for a file that is open so.
    fn poll(&self, _flags: Flags) -> u32 {
        linux::POLLIN | linux::POLLOUT | linux::POLLRDNORM | linux::POLLWRNORM
    }
    /// Woken whenever [`poll`](Self::poll) may have changed; `None` where it never does.
    fn poll_queue(&self) -> Option<&WaitQueue> {
        None
    }
    /// A request of its own.
    fn ioctl(&self, _request: u32, _argument: u64, _flags: Flags) -> Answer {
        Err(Errno::ENOTTY)
    }
    /// Its pages.
    fn object(self: Arc<Self>) -> Result<Object, Errno> {
        Err(Errno::ENODEV)
    }
    /// Makes room for content from one position up to another; the size grows to there if `grow`
    /// says so.
    fn allocate(&self, _start: u64, _end: u64, _how: Allocation) -> Result<(), Errno> {
        Err(Errno::ENODEV)
    }
    /// Makes what was written survive.
    fn sync(&self) -> Result<(), Errno> {
        Ok(())
    }
    /// F_GET_SEALS; `None` for what cannot be sealed.
    fn seals(&self) -> Option<Seals> {
        None
    }
    /// F_ADD_SEALS.
    fn add_seals(&self, _bits: u32) -> Result<(), Errno> {
        Err(Errno::EINVAL)
    }
    /// F_GETPIPE_SZ, and with a size F_SETPIPE_SZ.
    fn pipe_size(&self, _set: Option<usize>) -> Answer {
        Err(Errno::EBADF)
    }
    /// Itself, for those who know what it is, where anybody needs to.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
    /// The current process has closed a descriptor of it; there may be others.
    fn descriptor_closed(&self) {}
    /// Somebody who had opened it so has closed it.
    fn close(&self, _flags: Flags) {}
}

/// What SEEK_DATA and SEEK_HOLE look for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sparse {
    /// Content.
    Data,
    /// Nothing.
    Hole,
}

/// What fallocate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Allocation {
    /// Makes room, and lets the file grow.
    Grow,
    /// Makes room only: FALLOC_FL_KEEP_SIZE.
    KeepSize,
    /// Takes content away: FALLOC_FL_PUNCH_HOLE.
    Punch,
}
