//! Groups: where each has its bitmaps and inodes, which is checked once ([`Groups`]), and the
//! counts in its descriptor and in the superblock, which change.

use alloc::vec::Vec;

use super::bytes::{get16, get32, put16, put32};
use super::disk::Disk;
use super::error::{Error, Fault};
use super::shape::{DESCRIPTOR_BYTES, Shape, offset};
use super::{Ext2, cache::Cache};

/// Offsets in a group's descriptor.
mod at {
    pub(super) const BLOCK_BITMAP: usize = 0;
    pub(super) const INODE_BITMAP: usize = 4;
    pub(super) const INODES: usize = 8;
    pub(super) const FREE_BLOCKS: usize = 12;
    pub(super) const FREE_INODES: usize = 14;
    pub(super) const DIRECTORIES: usize = 16;
}

/// Where a group has what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) block_bitmap: u32,
    pub(super) inode_bitmap: u32,
    /// The first block of inodes.
    pub(super) inodes: u32,
}

/// A number that a group's descriptor counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    /// Free blocks.
    Blocks,
    /// Free inodes.
    Inodes,
    /// Directories.
    Directories,
}

impl Count {
    const fn in_descriptor(self) -> usize {
        match self {
            Self::Blocks => at::FREE_BLOCKS,
            Self::Inodes => at::FREE_INODES,
            Self::Directories => at::DIRECTORIES,
        }
    }

    const fn in_superblock(self) -> Option<usize> {
        match self {
            Self::Blocks => Some(offset::FREE_BLOCKS),
            Self::Inodes => Some(offset::FREE_INODES),
            Self::Directories => None,
        }
    }
}

/// The block with a group's descriptor, and where there.
fn descriptor(shape: &Shape, group: u32) -> (u32, usize) {
    let per_block = shape.block_bytes / DESCRIPTOR_BYTES as u32;
    let block = shape.first_data_block + 1 + group / per_block;
    (block, (group % per_block) as usize * DESCRIPTOR_BYTES)
}

/// Reads all descriptors.
pub(super) fn read_groups<D: Disk>(
    cache: &mut Cache<D>,
    shape: &Shape,
) -> Result<Vec<Group>, Error> {
    let mut groups = Vec::new();
    groups.try_reserve_exact(shape.groups as usize).map_err(|_| Error::NoMemory)?;
    for group in 0..shape.groups {
        let (block, from) = descriptor(shape, group);
        let bytes = &cache.read(block)?[from..from + DESCRIPTOR_BYTES];
        let read = Group {
            block_bitmap: get32(bytes, at::BLOCK_BITMAP),
            inode_bitmap: get32(bytes, at::INODE_BITMAP),
            inodes: get32(bytes, at::INODES),
        };
        check_group(shape, group, read)?;
        groups.push(read);
    }
    Ok(groups)
}

/// A group's tables lie in it, behind its copy of the superblock, and not on one another.
fn check_group(shape: &Shape, number: u32, group: Group) -> Result<(), Error> {
    let first = u64::from(shape.first_block(number)) + u64::from(shape.head_blocks(number));
    let end = u64::from(shape.first_block(number)) + u64::from(shape.blocks_in(number));
    let inodes = u64::from(group.inodes)..u64::from(group.inodes) + u64::from(shape.inode_blocks());
    let (blocks, used) = (u64::from(group.block_bitmap), u64::from(group.inode_bitmap));
    let inside = |block: u64| (first..end).contains(&block);
    let apart = blocks != used && !inodes.contains(&blocks) && !inodes.contains(&used);
    let lies_well = inside(blocks) && inside(used) && first <= inodes.start && inodes.end <= end;
    if lies_well && apart { Ok(()) } else { Err(Error::corrupt(Fault::Group, number.into())) }
}

impl<D: Disk> Ext2<D> {
    /// Which group may have a file's data in this block; an error for blocks that belong to the
    /// file system itself or that are not there.
    pub(super) fn data_block(&self, block: u32, inode: u32) -> Result<u32, Error> {
        let wrong = Error::corrupt(Fault::BlockNumber, inode.into());
        let (number, index) = self.shape.group_of(block).ok_or(wrong)?;
        let group = &self.groups[number as usize];
        let is_inodes = block.wrapping_sub(group.inodes) < self.shape.inode_blocks();
        let is_table = block == group.block_bitmap || block == group.inode_bitmap || is_inodes;
        if is_table || index < self.shape.head_blocks(number) { Err(wrong) } else { Ok(number) }
    }

    /// A number that a group counts.
    pub(super) fn count(&mut self, group: u32, count: Count) -> Result<u32, Error> {
        let (block, from) = descriptor(&self.shape, group);
        Ok(get16(self.cache.read(block)?, from + count.in_descriptor()).into())
    }

    /// Changes a number that a group counts, and the file system's sum of it.
    pub(super) fn recount(&mut self, group: u32, count: Count, by: i32) -> Result<(), Error> {
        let (block, from) = descriptor(&self.shape, group);
        let bytes = self.cache.change(block)?;
        let old = get16(bytes, from + count.in_descriptor());
        let new = (i32::from(old) + by).clamp(0, u16::MAX.into());
        put16(bytes, from + count.in_descriptor(), new as u16);
        if let Some(at) = count.in_superblock() {
            let old = self.superblock(at)?;
            self.set_superblock(at, old.saturating_add_signed(by))?;
        }
        Ok(())
    }

    /// A number in the superblock.
    pub(super) fn superblock(&mut self, at: usize) -> Result<u32, Error> {
        let (block, from) = self.shape.superblock();
        Ok(get32(self.cache.read(block)?, from + at))
    }

    /// Changes a number in the superblock.
    pub(super) fn set_superblock(&mut self, at: usize, value: u32) -> Result<(), Error> {
        let (block, from) = self.shape.superblock();
        put32(self.cache.change(block)?, from + at, value);
        Ok(())
    }
}
