//! Which blocks a file's content is in: twelve in the inode, the others in trees of indirect
//! blocks, one, two and three deep. A number of 0 is a hole.

use alloc::vec::Vec;

use super::bytes::get32;
use super::disk::Disk;
use super::error::{Error, Fault};
use super::inode::{Inode, POINTERS};
use super::{Ext2, Run};
use crate::errno::Errno;
use crate::fs::Kind;

/// Blocks whose numbers are in the inode.
pub(super) const DIRECT_BLOCKS: u64 = 12;
/// Deepest tree.
pub(super) const DEPTH_MAX: usize = 3;
/// Most sectors that an inode can count.
const SECTORS_MAX: u64 = u32::MAX as u64;

/// The way to a block of a file: which pointer of the inode, and then of each indirect block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Way {
    steps: [u32; DEPTH_MAX + 1],
    length: usize,
}

impl Way {
    /// Which pointer of the inode.
    pub(super) fn root(&self) -> usize {
        self.steps[0] as usize
    }

    /// Which pointers of indirect blocks, one after the other.
    pub(super) fn rest(&self) -> &[u32] {
        &self.steps[1..self.length]
    }
}

/// The way to a block of a file; `None` where no file reaches.
pub(super) fn way(file_block: u64, fanout: u32) -> Option<Way> {
    if file_block < DIRECT_BLOCKS {
        return Some(Way { steps: [file_block as u32, 0, 0, 0], length: 1 });
    }
    let fanout = u64::from(fanout);
    let mut index = file_block - DIRECT_BLOCKS;
    let mut size = 1;
    for depth in 1..=DEPTH_MAX {
        size *= fanout;
        if index < size {
            let mut steps = [0; DEPTH_MAX + 1];
            steps[0] = DIRECT_BLOCKS as u32 + depth as u32 - 1;
            for step in steps[1..=depth].iter_mut().rev() {
                *step = (index % fanout) as u32;
                index /= fanout;
            }
            return Some(Way { steps, length: depth + 1 });
        }
        index -= size;
    }
    None
}

/// What a way leads to.
pub(super) struct End {
    /// The block with the last pointer; `None`: the inode has it.
    pub(super) holder: Option<u32>,
    /// Which pointer there.
    pub(super) index: usize,
    /// How many indirect blocks were passed: fewer than the way has where one is missing.
    pub(super) passed: usize,
    /// The pointer.
    pub(super) block: u32,
}

impl<D: Disk> Ext2<D> {
    /// Largest size of a file.
    pub fn max_file_bytes(&self) -> u64 {
        let (fanout, bytes) = (u64::from(self.shape.fanout()), u64::from(self.shape.block_bytes));
        let blocks = DIRECT_BLOCKS + fanout + fanout.pow(2) + fanout.pow(3);
        (blocks * bytes).min(SECTORS_MAX * 512)
    }

    /// Follows a way as far as there are blocks.
    pub(super) fn follow(&mut self, inode: &Inode, way: &Way) -> Result<End, Error> {
        let mut end =
            End { holder: None, index: way.root(), passed: 0, block: inode.pointers[way.root()] };
        for step in way.rest() {
            if end.block == 0 {
                return Ok(end);
            }
            self.data_block(end.block, inode.number)?;
            let holder = end.block;
            let index = *step as usize;
            let block = get32(self.cache.read(holder)?, index * 4);
            end = End { holder: Some(holder), index, passed: end.passed + 1, block };
        }
        if end.block != 0 {
            self.data_block(end.block, inode.number)?;
        }
        Ok(end)
    }

    /// The block that a block of a file is in; `None`: a hole.
    ///
    /// # Errors
    /// EFBIG beyond what a file can have.
    pub fn map(&mut self, inode: u32, file_block: u64) -> Result<Option<u32>, Error> {
        let inode = self.inode(inode)?;
        self.block_of(&inode, file_block)
    }

    pub(super) fn block_of(
        &mut self,
        inode: &Inode,
        file_block: u64,
    ) -> Result<Option<u32>, Error> {
        let way = self.way_in(inode, file_block)?;
        let end = self.follow(inode, &way)?;
        Ok((end.passed == way.rest().len() && end.block != 0).then_some(end.block))
    }

    /// The way to a block of something that has blocks.
    pub(super) fn way_in(&self, inode: &Inode, file_block: u64) -> Result<Way, Error> {
        if !inode.has_blocks(self.shape.block_bytes) {
            return Err(Errno::EINVAL.into());
        }
        way(file_block, self.shape.fanout()).ok_or(Errno::EFBIG.into())
    }

    /// Blocks of a file from one on, `limit` (at least 1) at most, that are next to each other on
    /// the disk, or a hole. There may be more of the same kind behind them.
    ///
    /// # Errors
    /// As [`map`](Self::map).
    pub fn map_run(&mut self, inode: u32, file_block: u64, limit: u32) -> Result<Run, Error> {
        let inode = self.inode(inode)?;
        let way = self.way_in(&inode, file_block)?;
        let end = self.follow(&inode, &way)?;
        let missing = way.rest().len() - end.passed;
        if missing > 0 {
            // A whole tree is missing: what is left of it from here on is a hole.
            let fanout = u64::from(self.shape.fanout());
            let below = &way.rest()[end.passed..];
            let before = below.iter().fold(0, |index, step| index * fanout + u64::from(*step));
            let left = fanout.pow(missing as u32) - before;
            return Ok(Run { block: None, count: left.min(limit.into()) as u32 });
        }
        let limit = limit.max(1) as usize;
        let mut count = 1;
        let follows = |count: usize, block: u32| match end.block {
            0 => block == 0,
            first => first.checked_add(count as u32) == Some(block),
        };
        match end.holder {
            None => {
                let direct = &inode.pointers[..DIRECT_BLOCKS as usize];
                let behind = direct.iter().skip(end.index + 1).take(limit - 1);
                for block in behind {
                    if !follows(count, *block) {
                        break;
                    }
                    count += 1;
                }
            }
            Some(holder) => {
                let fanout = self.shape.fanout() as usize;
                let bytes = self.cache.read(holder)?;
                while count < limit
                    && end.index + count < fanout
                    && follows(count, get32(bytes, (end.index + count) * 4))
                {
                    count += 1;
                }
            }
        }
        if end.block == 0 {
            return Ok(Run { block: None, count: count as u32 });
        }
        // The first is good; the last that is in its place is the end.
        let is_good =
            |index: &usize| self.data_block(end.block + *index as u32, inode.number).is_ok();
        let count = (1..count).take_while(is_good).count() + 1;
        Ok(Run { block: Some(end.block), count: count as u32 })
    }

    /// The text of a symbolic link.
    ///
    /// # Errors
    /// EINVAL: it is none.
    pub fn read_link(&mut self, number: u32) -> Result<Vec<u8>, Error> {
        let inode = self.inode(number)?;
        if !inode.is(Kind::Symlink) {
            return Err(Errno::EINVAL.into());
        }
        let wrong = Error::corrupt(Fault::Link, number.into());
        let is_fast = inode.is_fast_link(self.shape.block_bytes);
        let room = if is_fast { POINTERS * 4 } else { self.shape.block_bytes as usize };
        let length = usize::try_from(inode.size).map_err(|_| wrong)?;
        if length == 0 || length >= room.min(super::LINK_MAX_BYTES + 1) {
            return Err(wrong);
        }
        let mut text = super::bytes::zeros(length)?;
        if is_fast {
            let bytes = inode.pointers.iter().flat_map(|pointer| pointer.to_le_bytes());
            for (to, from) in text.iter_mut().zip(bytes) {
                *to = from;
            }
        } else {
            let block = self.block_of(&inode, 0)?.ok_or(wrong)?;
            text.copy_from_slice(&self.cache.read(block)?[..length]);
        }
        if text.contains(&0) { Err(wrong) } else { Ok(text) }
    }
}
