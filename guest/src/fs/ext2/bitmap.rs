//! Which blocks and inodes are free: a bitmap of each in every group. Blocks of one file are kept
//! together; what was freed is not used again before the disk knows that nobody has it any more
//! ([`Later`]).

use alloc::collections::BTreeMap;

use super::bytes::get16;
use super::disk::Disk;
use super::error::{Error, Fault};
use super::groups::Count;
use super::shape::offset;
use super::{Access, Ext2};
use crate::fs::{Identity, Kind};

/// Bits of a byte that are all taken.
const FULL: u8 = 0xff;
/// How far from where a block is wanted single free ones are looked for, before whole bytes are.
const NEAR_BLOCKS: u32 = 64;

/// Blocks that were freed since the last sync: the disk may still say that a file has them.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// Where each range ends, by where it begins; none touches another.
    ranges: BTreeMap<u32, u32>,
}

impl Later {
    pub(super) fn add(&mut self, mut start: u32, mut end: u32) {
        if let Some((before, before_end)) = self.ranges.range(..start).next_back()
            && *before_end == start
        {
            start = *before;
        }
        if let Some(behind) = self.ranges.remove(&end) {
            end = behind;
        }
        self.ranges.insert(start, end);
    }

    /// The end of the range that a block is in.
    pub(super) fn end_around(&self, block: u32) -> Option<u32> {
        let (_, end) = self.ranges.range(..=block).next_back()?;
        (block < *end).then_some(*end)
    }

    pub(super) fn clear(&mut self) {
        self.ranges.clear();
    }

    fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }
}

fn is_set(bitmap: &[u8], index: u32) -> bool {
    bitmap[(index / 8) as usize] & 1 << (index % 8) != 0
}

fn set(bitmap: &mut [u8], index: u32) {
    bitmap[(index / 8) as usize] |= 1 << (index % 8);
}

fn clear(bitmap: &mut [u8], index: u32) {
    bitmap[(index / 8) as usize] &= !(1 << (index % 8));
}

/// The first clear bit from `from` up to `end`.
fn find_clear(bitmap: &[u8], from: u32, end: u32) -> Option<u32> {
    let mut index = from;
    while index < end {
        if index.is_multiple_of(8) && bitmap[(index / 8) as usize] == FULL {
            index += 8;
        } else if is_set(bitmap, index) {
            index += 1;
        } else {
            return Some(index);
        }
    }
    None
}

/// The first bit of a byte that is all clear, from `from` up to `end`.
fn find_clear_byte(bitmap: &[u8], from: u32, end: u32) -> Option<u32> {
    let bytes = &bitmap[from.div_ceil(8) as usize..(end / 8).max(from.div_ceil(8)) as usize];
    let found = bytes.iter().position(|byte| *byte == 0)?;
    Some((from.div_ceil(8) + found as u32) * 8)
}

impl<D: Disk> Ext2<D> {
    pub(super) fn may_write(&self) -> Result<(), Error> {
        if self.access == Access::ReadWrite { Ok(()) } else { Err(Error::ReadOnly) }
    }

    /// The block that says whether a block is free.
    pub(super) fn bitmap_of(&self, block: u32) -> Result<u32, Error> {
        let wrong = Error::corrupt(Fault::BlockNumber, block.into());
        let (group, _) = self.shape.group_of(block).ok_or(wrong)?;
        Ok(self.groups[group as usize].block_bitmap)
    }

    /// Blocks are taken on behalf of `who` from now on: the last ones that are free are for root,
    /// and for the user and the group that the superblock names.
    pub(super) fn take_for(&mut self, who: &Identity) -> Result<(), Error> {
        let reserved = self.superblock(offset::RESERVED_BLOCKS)?;
        let (block, at) = self.shape.superblock();
        let superblock = &self.cache.read(block)?[at..];
        let uid = u32::from(get16(superblock, offset::RESERVED_UID));
        let gid = u32::from(get16(superblock, offset::RESERVED_GID));
        // Group 0 is what is there where nobody has chosen one.
        let may = who.is_root() || who.uid == uid || gid != 0 && who.is_in(gid);
        self.spared = if may { 0 } else { reserved };
        Ok(())
    }

    /// Takes free blocks next to each other, `limit` at most, as near to a goal as there are any;
    /// the first, and how many. Whatever points to them must be written behind their bitmap.
    pub(super) fn take_blocks(&mut self, goal: u32, limit: u32) -> Result<(u32, u32), Error> {
        let free = self.superblock(offset::FREE_BLOCKS)?;
        let limit = match free.saturating_sub(self.spared) {
            0 if self.spared > 0 => return Err(Error::NoSpace),
            left if self.spared > 0 => limit.min(left),
            _ => limit,
        };
        loop {
            let (first, index) = self.shape.group_of(goal).unwrap_or((0, 0));
            for step in 0..self.shape.groups {
                let group = (first + step) % self.shape.groups;
                if self.count(group, Count::Blocks)? > 0 {
                    let from = if step == 0 { index } else { 0 };
                    if let Some(taken) = self.take_in_group(group, from, limit)? {
                        return Ok(taken);
                    }
                }
            }
            if self.later.is_empty() {
                return Err(Error::NoSpace);
            }
            self.sync()?;
        }
    }

    /// Takes free blocks of a group, from one of them on if there are any.
    fn take_in_group(
        &mut self,
        group: u32,
        from: u32,
        limit: u32,
    ) -> Result<Option<(u32, u32)>, Error> {
        let end = self.shape.blocks_in(group);
        let near = from.saturating_add(NEAR_BLOCKS).min(end);
        let found = match self.free_in(group, from, near, find_clear)? {
            None => match self.free_in(group, from, end, find_clear_byte)? {
                None => self.free_in(group, 0, end, find_clear)?,
                found => found,
            },
            found => found,
        };
        let Some(first) = found else { return Ok(None) };
        let base = self.shape.first_block(group);
        let mut count = 1;
        while count < limit && self.is_free(group, first + count, end)? {
            count += 1;
        }
        let bitmap = self.groups[group as usize].block_bitmap;
        let bytes = self.cache.change(bitmap)?;
        (first..first + count).for_each(|index| set(bytes, index));
        self.recount(group, Count::Blocks, -(count as i32))?;
        Ok(Some((base + first, count)))
    }

    /// A block of a group that `search` finds and that can be taken.
    fn free_in(
        &mut self,
        group: u32,
        mut from: u32,
        end: u32,
        search: fn(&[u8], u32, u32) -> Option<u32>,
    ) -> Result<Option<u32>, Error> {
        let bitmap = self.groups[group as usize].block_bitmap;
        loop {
            let Some(found) = search(self.cache.read(bitmap)?, from, end) else { return Ok(None) };
            if self.is_free(group, found, end)? {
                return Ok(Some(found));
            }
            let base = self.shape.first_block(group);
            from = self.later.end_around(base + found).map_or(found + 1, |end| end - base);
        }
    }

    /// Whether a block of a group can be taken. A bitmap that says so of the group's own tables is
    /// not believed.
    fn is_free(&mut self, group: u32, index: u32, end: u32) -> Result<bool, Error> {
        let block = self.shape.first_block(group) + index;
        let bitmap = self.groups[group as usize].block_bitmap;
        Ok(index < end
            && self.data_block(block, 0).is_ok()
            && self.later.end_around(block).is_none()
            && !is_set(self.cache.read(bitmap)?, index))
    }

    /// Frees blocks of a group; the disk hears of it behind `holder`, which had them. Those that
    /// are free already are two files', or none's.
    pub(super) fn give_blocks(&mut self, first: u32, count: u32, holder: u32) -> Result<(), Error> {
        let bitmap = self.bitmap_of(first)?;
        self.cache.order(holder, bitmap)?;
        self.clear_blocks(first, count)?;
        self.later.add(first, first + count);
        Ok(())
    }

    /// Frees blocks that nothing has pointed to yet.
    pub(super) fn untake_blocks(&mut self, first: u32, count: u32) -> Result<(), Error> {
        self.clear_blocks(first, count)
    }

    fn clear_blocks(&mut self, first: u32, count: u32) -> Result<(), Error> {
        let wrong = Error::corrupt(Fault::Bitmap, first.into());
        let (group, index) = self.shape.group_of(first).ok_or(wrong)?;
        let bytes = self.cache.change(self.groups[group as usize].block_bitmap)?;
        let mut cleared = 0;
        for index in index..index + count {
            if is_set(bytes, index) {
                clear(bytes, index);
                cleared += 1;
            }
        }
        self.recount(group, Count::Blocks, cleared)?;
        if cleared == count as i32 { Ok(()) } else { Err(wrong) }
    }

    /// Takes an inode for something in a directory.
    pub(super) fn take_inode(&mut self, kind: Kind, directory: u32) -> Result<u32, Error> {
        let near = (directory - 1) / self.shape.inodes_per_group;
        let at_top = kind == Kind::Directory && directory == super::ROOT_INODE;
        let first = if at_top { self.calm_group()? } else { near };
        for step in 0..self.shape.groups {
            let group = (first + step) % self.shape.groups;
            if self.count(group, Count::Inodes)? > 0
                && let Some(number) = self.inode_in_group(group)?
            {
                self.recount(group, Count::Inodes, -1)?;
                if kind == Kind::Directory {
                    self.recount(group, Count::Directories, 1)?;
                }
                return Ok(number);
            }
        }
        Err(Error::NoSpace)
    }

    /// The group with the fewest directories among those that have room for what will be in them.
    fn calm_group(&mut self) -> Result<u32, Error> {
        let groups = self.shape.groups;
        let inodes = self.superblock(offset::FREE_INODES)? / groups;
        let blocks = self.superblock(offset::FREE_BLOCKS)? / groups;
        let mut best = (u32::MAX, 0);
        for group in 0..groups {
            let has_room = self.count(group, Count::Inodes)? >= inodes
                && self.count(group, Count::Blocks)? >= blocks;
            if has_room {
                best = best.min((self.count(group, Count::Directories)?, group));
            }
        }
        Ok(best.1)
    }

    fn inode_in_group(&mut self, group: u32) -> Result<Option<u32>, Error> {
        let per_group = self.shape.inodes_per_group;
        let bitmap = self.groups[group as usize].inode_bitmap;
        let mut from = 0;
        loop {
            let found = find_clear(self.cache.read(bitmap)?, from, per_group);
            let Some(index) = found else { return Ok(None) };
            let number = group * per_group + index + 1;
            if number >= self.shape.first_inode {
                if !self.is_unused(number)? {
                    return Err(Error::corrupt(Fault::Bitmap, number.into()));
                }
                set(self.cache.change(bitmap)?, index);
                return Ok(Some(number));
            }
            from = index + 1;
        }
    }

    /// The block that says whether an inode is free.
    pub(super) fn inode_bitmap_of(&self, number: u32) -> u32 {
        self.groups[((number - 1) / self.shape.inodes_per_group) as usize].inode_bitmap
    }

    /// Frees an inode; whatever must reach the disk before is ordered by then.
    pub(super) fn give_inode(&mut self, number: u32, kind: Kind) -> Result<(), Error> {
        let index = (number - 1) % self.shape.inodes_per_group;
        let group = (number - 1) / self.shape.inodes_per_group;
        let bytes = self.cache.change(self.groups[group as usize].inode_bitmap)?;
        if !is_set(bytes, index) {
            return Err(Error::corrupt(Fault::Bitmap, number.into()));
        }
        clear(bytes, index);
        self.recount(group, Count::Inodes, 1)?;
        if kind == Kind::Directory {
            self.recount(group, Count::Directories, -1)?;
        }
        Ok(())
    }
}
