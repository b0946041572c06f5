//! [`Error`]: why something on an ext2 file system cannot be done, and [`Fault`], what is wrong with
//! an image.

use core::fmt;

use super::disk::IoError;
use crate::errno::Errno;

/// Why something cannot be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The disk failed.
    Io,
    /// No block, or no inode, is free.
    NoSpace,
    /// The heap is exhausted.
    NoMemory,
    /// The file system is only to be read.
    ReadOnly,
    /// There is no ext2 file system on the disk.
    NotExt2,
    /// It needs something that nobody here knows: the bits of `s_feature_incompat`, or a size of
    /// blocks.
    Unsupported(u32),
    /// What the disk holds makes no sense.
    Corrupt {
        /// What.
        what: Fault,
        /// Where: number of the inode, the block or the group.
        at: u64,
    },
    /// It may not be done: ENOENT, EEXIST and so on.
    Refused(Errno),
}

/// What is wrong with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// A number in the superblock; where: its offset there.
    Superblock,
    /// A group's bitmaps or inodes are not where they can be.
    Group,
    /// No inode has this number, or none that names may lead to.
    InodeNumber,
    /// A name leads to an inode that is not in use.
    UnusedInode,
    /// A field of an inode.
    Inode,
    /// An inode's blocks: outside the file system, or where its own tables are.
    BlockNumber,
    /// A block that is free belongs to a file, or one that is in use to two.
    Bitmap,
    /// An entry of a directory; where: the block.
    Entry,
    /// A directory has a hole, or no `..`.
    Directory,
    /// Directories lead in circles.
    Loop,
    /// The list of files without names.
    Orphans,
    /// A symbolic link's text.
    Link,
    /// A block of extended attributes.
    ExtendedAttributes,
}

impl Error {
    pub(super) const fn corrupt(what: Fault, at: u64) -> Self {
        Self::Corrupt { what, at }
    }

    /// What a system call fails with.
    pub const fn errno(self) -> Errno {
        match self {
            Self::Io => Errno::EIO,
            Self::NoSpace => Errno::ENOSPC,
            Self::NoMemory => Errno::ENOMEM,
            Self::ReadOnly => Errno::EROFS,
            Self::NotExt2 | Self::Unsupported(_) => Errno::EINVAL,
            Self::Corrupt { .. } => Errno::EUCLEAN,
            Self::Refused(errno) => errno,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io => f.write_str("the disk failed"),
            Self::NoSpace => f.write_str("no space is left"),
            Self::NoMemory => f.write_str("no memory is left"),
            Self::ReadOnly => f.write_str("the file system is only to be read"),
            Self::NotExt2 => f.write_str("no ext2 file system"),
            Self::Unsupported(bits) => write!(f, "unknown features {bits:#x}"),
            Self::Corrupt { what, at } => write!(f, "corrupt: {what:?} at {at}"),
            Self::Refused(errno) => write!(f, "{errno:?}"),
        }
    }
}

impl From<IoError> for Error {
    fn from(_: IoError) -> Self {
        Self::Io
    }
}

impl From<Errno> for Error {
    fn from(errno: Errno) -> Self {
        Self::Refused(errno)
    }
}

impl From<Error> for Errno {
    fn from(error: Error) -> Self {
        error.errno()
    }
}
