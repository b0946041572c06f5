//! The second extended file system: [`Ext2`], names, inodes and the map of blocks on a [`Disk`].
//!
//! Metadata goes through a small cache (`cache.rs`), in an order that leaves a file system which
//! `e2fsck -p` repairs wherever the power is cut. The content of files does not: whoever owns
//! pages asks for blocks ([`Ext2::map_run`], [`Ext2::allocate_run`]) and moves the bytes. What the
//! disk holds is not trusted: everything is checked where it is read, and what makes no sense is
//! [`Error::Corrupt`].
//!
//! Order of writes: what is new is initialised on the disk before anything leads to it; names are
//! gone before what they led to is free (`blocks.rs`, `names.rs`, `rename.rs`, `orphan.rs`).
//!
//! The layout is in `shape.rs` (superblock), `groups.rs`, `inode.rs`, `map.rs` and `dir.rs`.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use self::bitmap::Later;
use self::cache::Cache;
use self::groups::Group;
use self::orphan::Orphan;
use self::shape::{SUPERBLOCK_BYTES, SUPERBLOCK_POSITION, Shape, offset};
use super::access::{self, Change};
use super::layout::Stat;
use super::tree::Actor;
use super::{Attributes, Kind, Time};

mod bitmap;
mod blocks;
mod bytes;
mod cache;
mod dir;
mod disk;
mod error;
mod groups;
mod inode;
mod map;
mod names;
mod orphan;
mod rename;
mod shape;
#[cfg(test)]
mod tests;

pub use disk::{Disk, IoError};
pub use error::{Error, Fault};
pub use shape::ROOT_INODE;

/// EXT2_SUPER_MAGIC, as statfs tells it.
pub const STATFS_MAGIC: u64 = 0xef53;
/// Longest text of a symbolic link.
pub const LINK_MAX_BYTES: usize = 4095;

/// EXT2_VALID_FS in `s_state`: it was unmounted.
const STATE_CLEAN: u16 = 1;
/// EXT2_ERROR_FS: something on it made no sense.
const STATE_ERRORS: u16 = 2;

/// How a file system is mounted.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Blocks of metadata that may be in memory.
    pub buffers: usize,
    /// What is done with it.
    pub access: Access,
    /// The present.
    pub now: Time,
}

/// What is done with a file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// It is only read.
    ReadOnly,
    /// It is changed.
    ReadWrite,
}

/// A file system that is mounted. Its owner holds a lock while it calls.
#[derive(Debug)]
pub struct Ext2<D> {
    cache: Cache<D>,
    shape: Shape,
    groups: Vec<Group>,
    access: Access,
    /// What `s_state` was.
    state: u16,
    /// Files that have lost their last name and are still in use: the block that the name was in.
    nameless: BTreeMap<u32, Option<u32>>,
    /// Those of them that the disk knows of, in the order of its list.
    orphans: Vec<Orphan>,
    later: Later,
    /// How many free blocks are not for the one on whose behalf blocks are taken.
    spared: u32,
}

/// Blocks next to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Number of the first on the disk, in the file system's blocks; `None`: they are a hole.
    pub block: Option<u32>,
    /// How many; 1 at least.
    pub count: u32,
}

/// Blocks that a file has got, or had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Number of the first on the disk, in the file system's blocks.
    pub block: u32,
    /// How many; 1 at least.
    pub count: u32,
    /// Whether they are new, and hold whatever they held before.
    pub was_hole: bool,
}

/// Something new that is to get a name.
#[derive(Clone, Copy, Debug)]
pub enum New<'a> {
    /// Of this kind, with these permissions, from which the umask is already taken.
    Plain(Kind, u16),
    /// A device with that number, as user mode sees it.
    Device(Kind, u16, u64),
    /// A link with this text.
    Link(&'a [u8]),
}

impl New<'_> {
    const fn kind(&self) -> Kind {
        match self {
            Self::Plain(kind, _) | Self::Device(kind, ..) => *kind,
            Self::Link(_) => Kind::Symlink,
        }
    }
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Number of the file.
    pub inode: u32,
    /// Cookie to go on behind it.
    pub next: u64,
    /// DT_REG and so on; DT_UNKNOWN (0) where the file system does not say.
    pub kind: u8,
    /// Its name.
    pub name: &'a [u8],
}

/// What statfs tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbers {
    /// Size of a block.
    pub block_bytes: u32,
    /// Blocks, without those of the file system's own tables.
    pub blocks: u32,
    /// Blocks that are free.
    pub blocks_free: u32,
    /// Blocks of them that only root should take.
    pub blocks_reserved: u32,
    /// Files that there may be.
    pub inodes: u32,
    /// Files that there may still be.
    pub inodes_free: u32,
}

impl<D: Disk> Ext2<D> {
    /// Mounts what is on a disk. What unknown features or the disk forbid to write is mounted for
    /// reading only.
    ///
    /// # Errors
    /// [`Error::NotExt2`], [`Error::Unsupported`], corruption.
    pub fn mount(disk: D, options: Options) -> Result<Self, Error> {
        let mut superblock = [0; SUPERBLOCK_BYTES];
        if disk.size_bytes() < SUPERBLOCK_POSITION + SUPERBLOCK_BYTES as u64 {
            return Err(Error::NotExt2);
        }
        disk.read(SUPERBLOCK_POSITION, &mut superblock)?;
        let shape = Shape::new(&superblock, disk.size_bytes())?;
        let must_not_write = disk.is_read_only() || shape.is_read_only;
        let access = if must_not_write { Access::ReadOnly } else { options.access };
        let mut cache = Cache::new(disk, shape.block_bytes as usize, options.buffers);
        let groups = groups::read_groups(&mut cache, &shape)?;
        let state = bytes::get16(&superblock, offset::STATE);
        let (nameless, orphans, later) = (BTreeMap::new(), Vec::new(), Later::default());
        let spared = 0;
        let mut system =
            Self { cache, shape, groups, access, state, nameless, orphans, later, spared };
        if access == Access::ReadWrite {
            system.begin(options.now)?;
        }
        Ok(system)
    }

    /// Says on the disk that it is in use, and frees what nobody has any more.
    fn begin(&mut self, now: Time) -> Result<(), Error> {
        let (block, at) = self.shape.superblock();
        let superblock = &mut self.cache.change(block)?[at..];
        let state = bytes::get16(superblock, offset::STATE) & !STATE_CLEAN;
        bytes::put16(superblock, offset::STATE, state);
        let mounts = bytes::get16(superblock, offset::MOUNT_COUNT).saturating_add(1);
        bytes::put16(superblock, offset::MOUNT_COUNT, mounts);
        bytes::put32(superblock, offset::MOUNT_TIME, now.seconds as u32);
        bytes::put32(superblock, offset::WRITE_TIME, now.seconds as u32);
        self.sync()?;
        self.free_orphans(now)
    }

    /// Writes everything, and says on the disk that it is whole, if it was when it was mounted.
    /// Then it is only to be read.
    ///
    /// # Errors
    /// The disk's.
    pub fn unmount(&mut self, now: Time) -> Result<(), Error> {
        if self.access == Access::ReadOnly {
            return Ok(());
        }
        if self.release_all(now).is_err() {
            self.note_errors()?;
        }
        let written = self.sync();
        self.set_superblock(offset::WRITE_TIME, now.seconds as u32)?;
        if self.state & STATE_CLEAN != 0 && written.is_ok() {
            self.change_state(|state| state | STATE_CLEAN)?;
        }
        self.sync()?;
        self.access = Access::ReadOnly;
        written
    }

    /// Changes what is done with it. To be read only, it is written as when it is
    /// [unmounted](Self::unmount).
    ///
    /// # Errors
    /// [`Error::ReadOnly`] where unknown features or the disk forbid to write; the disk's.
    pub fn set_access(&mut self, access: Access, now: Time) -> Result<(), Error> {
        match (self.access, access) {
            (Access::ReadWrite, Access::ReadOnly) => self.unmount(now),
            (Access::ReadOnly, Access::ReadWrite) => {
                if self.shape.is_read_only || self.cache.disk().is_read_only() {
                    return Err(Error::ReadOnly);
                }
                self.access = access;
                self.begin(now)
            }
            _ => Ok(()),
        }
    }

    /// Writes all metadata that was changed, and waits until the disk has it.
    ///
    /// # Errors
    /// The disk's, once; it then says itself that e2fsck should look at it.
    pub fn sync(&mut self) -> Result<(), Error> {
        let written = self.cache.sync();
        self.later.clear();
        if written.is_err() {
            self.note_errors()?;
            // Where this fails, too, the first error is what matters.
            let _ = self.cache.sync();
        }
        written
    }

    /// Something on the disk made no sense: it says so itself from now on, so that e2fsck looks at
    /// it. To be called with every [`Error::Corrupt`]; on what is only read it does nothing.
    ///
    /// # Errors
    /// The disk's.
    pub fn note_errors(&mut self) -> Result<(), Error> {
        if self.access == Access::ReadWrite {
            self.change_state(|state| state | STATE_ERRORS)?;
        }
        Ok(())
    }

    fn change_state(&mut self, change: impl FnOnce(u16) -> u16) -> Result<(), Error> {
        let (block, at) = self.shape.superblock();
        let superblock = &mut self.cache.change(block)?[at..];
        let state = change(bytes::get16(superblock, offset::STATE));
        bytes::put16(superblock, offset::STATE, state);
        Ok(())
    }

    /// The disk, once it is [unmounted](Self::unmount).
    pub fn into_disk(self) -> D {
        self.cache.into_disk()
    }

    /// What is done with it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Whether it was unmounted before it was mounted, and nothing on it was wrong then.
    pub fn was_clean(&self) -> bool {
        self.state & (STATE_CLEAN | STATE_ERRORS) == STATE_CLEAN
    }

    /// Size of a block.
    pub fn block_bytes(&self) -> u32 {
        self.shape.block_bytes
    }

    /// The disk, to move what files hold.
    pub fn disk(&self) -> &D {
        self.cache.disk()
    }

    /// What statfs tells.
    ///
    /// # Errors
    /// The disk's.
    pub fn numbers(&mut self) -> Result<Numbers, Error> {
        let heads = (0..self.shape.groups).map(|group| self.shape.head_blocks(group));
        let tables = self.shape.groups * (2 + self.shape.inode_blocks());
        let overhead = heads.sum::<u32>() + tables + self.shape.first_data_block;
        let blocks = self.shape.blocks.saturating_sub(overhead);
        Ok(Numbers {
            block_bytes: self.shape.block_bytes,
            blocks,
            blocks_free: self.superblock(offset::FREE_BLOCKS)?.min(blocks),
            blocks_reserved: self.superblock(offset::RESERVED_BLOCKS)?,
            inodes: self.shape.inodes,
            inodes_free: self.superblock(offset::FREE_INODES)?.min(self.shape.inodes),
        })
    }

    /// What is known of a file.
    ///
    /// # Errors
    /// Corruption where no file has this number.
    pub fn attributes(&mut self, inode: u32) -> Result<Attributes, Error> {
        Ok(self.inode(inode)?.attributes)
    }

    /// All that stat tells; `device` is the number of the file system.
    ///
    /// # Errors
    /// Corruption where no file has this number.
    pub fn stat(&mut self, inode: u32, device: u64) -> Result<Stat, Error> {
        let inode = self.inode(inode)?;
        Ok(Stat {
            device,
            number: inode.number.into(),
            attributes: inode.attributes,
            special: inode.special(),
            size_bytes: inode.size,
            blocks: inode.sectors.into(),
            block_bytes: self.shape.block_bytes,
        })
    }

    /// Changes what is known of a file, if `by` may.
    ///
    /// # Errors
    /// EPERM, EACCES.
    pub fn change(&mut self, inode: u32, change: Change, by: &Actor) -> Result<(), Error> {
        self.may_write()?;
        let mut inode = self.inode(inode)?;
        access::apply(&mut inode.attributes, change, &by.who, by.now)?;
        self.put_inode(&inode)
    }

    /// Changes what is known of a file, whoever asks: the times of reading and writing, say. Kind
    /// and links remain.
    ///
    /// # Errors
    /// Corruption where no file has this number.
    pub fn update(
        &mut self,
        inode: u32,
        update: impl FnOnce(&mut Attributes),
    ) -> Result<(), Error> {
        self.may_write()?;
        let mut inode = self.inode(inode)?;
        let (kind, links) = (inode.attributes.kind, inode.attributes.links);
        update(&mut inode.attributes);
        (inode.attributes.kind, inode.attributes.links) = (kind, links);
        self.put_inode(&inode)
    }

    /// Whether a file without a name is still in use.
    fn is_held(&self, inode: u32) -> bool {
        self.nameless.contains_key(&inode)
    }
}
