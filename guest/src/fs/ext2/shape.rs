//! [`Shape`]: what the superblock says of a file system that does not change: sizes, numbers,
//! features; all checked once, so that nobody has to doubt them later.
//!
//! Source: Linux, "Documentation/filesystems/ext2.rst" and "fs/ext2/ext2.h", `struct
//! ext2_super_block`.

use super::bytes::{get16, get32};
use super::error::{Error, Fault};

/// Where the superblock begins on the disk.
pub(super) const SUPERBLOCK_POSITION: u64 = 1024;
/// Bytes of the superblock.
pub(super) const SUPERBLOCK_BYTES: usize = 1024;
/// Bytes of a group's descriptor.
pub(super) const DESCRIPTOR_BYTES: usize = 32;
/// Number of the root directory's inode.
pub const ROOT_INODE: u32 = 2;

/// Offsets in the superblock.
pub(super) mod offset {
    pub(in super::super) const INODES: usize = 0;
    pub(in super::super) const BLOCKS: usize = 4;
    pub(in super::super) const RESERVED_BLOCKS: usize = 8;
    pub(in super::super) const FREE_BLOCKS: usize = 12;
    pub(in super::super) const FREE_INODES: usize = 16;
    pub(in super::super) const FIRST_DATA_BLOCK: usize = 20;
    pub(in super::super) const LOG_BLOCK_SIZE: usize = 24;
    pub(in super::super) const BLOCKS_PER_GROUP: usize = 32;
    pub(in super::super) const INODES_PER_GROUP: usize = 40;
    pub(in super::super) const MOUNT_TIME: usize = 44;
    pub(in super::super) const WRITE_TIME: usize = 48;
    pub(in super::super) const MOUNT_COUNT: usize = 52;
    pub(in super::super) const MAGIC: usize = 56;
    pub(in super::super) const STATE: usize = 58;
    pub(in super::super) const REVISION: usize = 76;
    pub(in super::super) const RESERVED_UID: usize = 80;
    pub(in super::super) const RESERVED_GID: usize = 82;
    pub(in super::super) const FIRST_INODE: usize = 84;
    pub(in super::super) const INODE_BYTES: usize = 88;
    pub(in super::super) const INCOMPATIBLE: usize = 96;
    pub(in super::super) const READ_ONLY: usize = 100;
    pub(in super::super) const RESERVED_DESCRIPTORS: usize = 206;
    pub(in super::super) const LAST_ORPHAN: usize = 232;
}

/// What `s_magic` is.
pub(super) const MAGIC: u16 = 0xef53;
/// EXT2_FEATURE_INCOMPAT_FILETYPE: entries say of what kind their file is.
const INCOMPATIBLE_FILETYPE: u32 = 2;
/// EXT2_FEATURE_RO_COMPAT_SPARSE_SUPER: few groups have copies of the superblock.
const READ_ONLY_SPARSE_SUPER: u32 = 1;
/// EXT2_FEATURE_RO_COMPAT_LARGE_FILE: some file may have 2 GiB or more.
pub(super) const READ_ONLY_LARGE_FILE: u32 = 2;

/// The first revision's inodes.
const OLD_INODE_BYTES: u32 = 128;
const OLD_FIRST_INODE: u32 = 11;
/// Blocks of 1024 << this are the largest.
const LOG_BLOCK_SIZE_MAX: u32 = 2;
/// Fewest blocks in a group, as e2fsprogs has it.
const BLOCKS_PER_GROUP_MIN: u32 = 256;

/// What does not change.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    pub(super) block_bytes: u32,
    pub(super) blocks: u32,
    pub(super) inodes: u32,
    pub(super) first_data_block: u32,
    pub(super) blocks_per_group: u32,
    pub(super) inodes_per_group: u32,
    pub(super) groups: u32,
    pub(super) inode_bytes: u32,
    /// The first inode that is no special one.
    pub(super) first_inode: u32,
    /// Blocks of descriptors, and those kept for more of them.
    pub(super) descriptor_blocks: u32,
    pub(super) reserved_descriptor_blocks: u32,
    pub(super) has_file_types: bool,
    pub(super) is_sparse: bool,
    /// Whether features that nobody here knows forbid to write.
    pub(super) is_read_only: bool,
    /// Whether the superblock has the fields of the second revision.
    pub(super) is_dynamic: bool,
}

fn wrong(offset: usize) -> Error {
    Error::corrupt(Fault::Superblock, offset as u64)
}

fn check(holds: bool, offset: usize) -> Result<(), Error> {
    if holds { Ok(()) } else { Err(wrong(offset)) }
}

impl Shape {
    /// What a superblock says, on a disk of that size.
    pub(super) fn new(superblock: &[u8], disk_bytes: u64) -> Result<Self, Error> {
        let word = |at| get32(superblock, at);
        if get16(superblock, offset::MAGIC) != MAGIC {
            return Err(Error::NotExt2);
        }
        let is_dynamic = word(offset::REVISION) >= 1;
        let feature = |at| if is_dynamic { word(at) } else { 0 };
        let incompatible = feature(offset::INCOMPATIBLE);
        let read_only = feature(offset::READ_ONLY);
        if incompatible & !INCOMPATIBLE_FILETYPE != 0 {
            return Err(Error::Unsupported(incompatible & !INCOMPATIBLE_FILETYPE));
        }
        let log = word(offset::LOG_BLOCK_SIZE);
        if log > LOG_BLOCK_SIZE_MAX {
            return Err(Error::Unsupported(log));
        }
        let block_bytes = 1024 << log;
        let (blocks, first_data_block) = (word(offset::BLOCKS), word(offset::FIRST_DATA_BLOCK));
        let blocks_per_group = word(offset::BLOCKS_PER_GROUP);
        check(first_data_block == u32::from(log == 0), offset::FIRST_DATA_BLOCK)?;
        check(u64::from(blocks) * u64::from(block_bytes) <= disk_bytes, offset::BLOCKS)?;
        check(blocks > first_data_block, offset::BLOCKS)?;
        let per_group = BLOCKS_PER_GROUP_MIN..=block_bytes * 8;
        check(per_group.contains(&blocks_per_group), offset::BLOCKS_PER_GROUP)?;
        let groups = (blocks - first_data_block).div_ceil(blocks_per_group);
        let descriptor_blocks = (groups * DESCRIPTOR_BYTES as u32).div_ceil(block_bytes);
        let reserved =
            if is_dynamic { u32::from(get16(superblock, offset::RESERVED_DESCRIPTORS)) } else { 0 };
        check(reserved <= block_bytes / 4, offset::RESERVED_DESCRIPTORS)?;
        let mut shape = Self {
            block_bytes,
            blocks,
            inodes: word(offset::INODES),
            first_data_block,
            blocks_per_group,
            inodes_per_group: word(offset::INODES_PER_GROUP),
            groups,
            inode_bytes: OLD_INODE_BYTES,
            first_inode: OLD_FIRST_INODE,
            descriptor_blocks,
            reserved_descriptor_blocks: reserved,
            has_file_types: incompatible & INCOMPATIBLE_FILETYPE != 0,
            is_sparse: read_only & READ_ONLY_SPARSE_SUPER != 0,
            is_read_only: read_only & !(READ_ONLY_SPARSE_SUPER | READ_ONLY_LARGE_FILE) != 0,
            is_dynamic,
        };
        if is_dynamic {
            shape.inode_bytes = u32::from(get16(superblock, offset::INODE_BYTES));
            shape.first_inode = word(offset::FIRST_INODE);
        }
        shape.check_inodes()?;
        Ok(shape)
    }

    fn check_inodes(&self) -> Result<(), Error> {
        let fits = (OLD_INODE_BYTES..=self.block_bytes).contains(&self.inode_bytes);
        check(fits && self.inode_bytes.is_power_of_two(), offset::INODE_BYTES)?;
        let per_group = self.inodes_per_group;
        check((1..=self.block_bytes * 8).contains(&per_group), offset::INODES_PER_GROUP)?;
        let inodes = u64::from(per_group) * u64::from(self.groups);
        check(inodes == u64::from(self.inodes), offset::INODES)?;
        let ordinary = OLD_FIRST_INODE..=self.inodes;
        check(ordinary.contains(&self.first_inode), offset::FIRST_INODE)
    }

    /// The block with the superblock in it, and where there.
    pub(super) const fn superblock(&self) -> (u32, usize) {
        let block_bytes = self.block_bytes as u64;
        let block = SUPERBLOCK_POSITION / block_bytes;
        (block as u32, (SUPERBLOCK_POSITION % block_bytes) as usize)
    }

    /// Blocks that a group's inodes take.
    pub(super) const fn inode_blocks(&self) -> u32 {
        (self.inodes_per_group * self.inode_bytes).div_ceil(self.block_bytes)
    }

    /// Block numbers in an indirect block.
    pub(super) const fn fanout(&self) -> u32 {
        self.block_bytes / 4
    }

    /// The first block of a group.
    pub(super) const fn first_block(&self, group: u32) -> u32 {
        self.first_data_block + group * self.blocks_per_group
    }

    /// How many blocks a group has: the last one may have fewer.
    pub(super) fn blocks_in(&self, group: u32) -> u32 {
        self.blocks_per_group.min(self.blocks - self.first_block(group))
    }

    /// The group that a block is in, and which of its blocks it is; `None` outside all groups.
    pub(super) fn group_of(&self, block: u32) -> Option<(u32, u32)> {
        let inside = block >= self.first_data_block && block < self.blocks;
        let index = block.wrapping_sub(self.first_data_block);
        inside.then(|| (index / self.blocks_per_group, index % self.blocks_per_group))
    }

    /// Whether a group begins with a copy of the superblock and the descriptors.
    pub(super) fn has_superblock(&self, group: u32) -> bool {
        let is_power = |base: u32| {
            let mut power = base;
            while power < group {
                power *= base;
            }
            power == group
        };
        !self.is_sparse || group <= 1 || [3, 5, 7].into_iter().any(is_power)
    }

    /// How many blocks at the beginning of a group belong to copies of the superblock and the
    /// descriptors.
    pub(super) fn head_blocks(&self, group: u32) -> u32 {
        let head = 1 + self.descriptor_blocks + self.reserved_descriptor_blocks;
        if self.has_superblock(group) { head } else { 0 }
    }
}
