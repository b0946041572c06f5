//! Giving blocks to files and taking them back. What a pointer leads to is on the disk before the
//! pointer, and a pointer is gone from the disk before its block is free there.

use alloc::vec::Vec;

use super::bytes::{get32, put32};
use super::disk::Disk;
use super::error::{Error, Fault};
use super::inode::{Inode, POINTERS};
use super::map::{DIRECT_BLOCKS, End, Way, way};
use super::shape::{READ_ONLY_LARGE_FILE, offset};
use super::{Ext2, Taken};
use crate::errno::Errno;
use crate::fs::{Identity, Kind, Time};

/// Files from this size on need the superblock to say that there are some.
const LARGE_FILE_BYTES: u64 = 1 << 31;

/// What new blocks of a file hold.
pub(super) type Fill<'a> = Option<&'a mut dyn FnMut(&mut [u8])>;

/// A block that a file has had: the root of a tree of that depth.
#[derive(Clone, Copy, Debug)]
struct Doomed {
    block: u32,
    depth: u8,
    /// What pointed to it.
    holder: u32,
}

impl<D: Disk> Ext2<D> {
    /// Gives a file the blocks from one on, where it has none, `limit` (at least 1) at most and
    /// next to each other; on behalf of `who`, for whom some may not be. What they hold is not
    /// known: the caller writes them whole.
    ///
    /// # Errors
    /// ENOSPC, EFBIG.
    pub fn allocate_run(
        &mut self,
        inode: u32,
        (file_block, limit): (u64, u32),
        who: &Identity,
    ) -> Result<Taken, Error> {
        self.may_write()?;
        let mut inode = self.inode(inode)?;
        if !inode.is(Kind::Regular) {
            return Err(Errno::EINVAL.into());
        }
        let run = self.map_run(inode.number, file_block, limit)?;
        if let Some(block) = run.block {
            return Ok(Taken { block, count: run.count, was_hole: false });
        }
        self.take_for(who)?;
        let (block, count) = self.attach(&mut inode, file_block, run.count, None)?;
        self.put_inode(&inode)?;
        Ok(Taken { block, count, was_hole: true })
    }

    /// [`allocate_run`](Self::allocate_run) for one block, on behalf of root.
    ///
    /// # Errors
    /// ENOSPC, EFBIG.
    pub fn allocate(&mut self, inode: u32, file_block: u64) -> Result<u32, Error> {
        Ok(self.allocate_run(inode, (file_block, 1), &Identity::ROOT)?.block)
    }

    /// Gives a file blocks where it has a hole of so many; the caller puts the inode. What `fill`
    /// makes of a block is on the disk before a pointer to it.
    pub(super) fn attach(
        &mut self,
        inode: &mut Inode,
        file_block: u64,
        limit: u32,
        fill: Fill<'_>,
    ) -> Result<(u32, u32), Error> {
        let way = way(file_block, self.shape.fanout()).ok_or(Errno::EFBIG)?;
        let end = self.follow(inode, &way)?;
        let missing = way.rest().len() - end.passed;
        let limit = self.limit_in_leaf(&way, limit);
        let most = i64::from(limit) + missing as i64;
        let most_sectors = most * i64::from(self.shape.block_bytes / 512);
        if i64::from(inode.sectors) + most_sectors > u32::MAX.into() {
            return Err(Errno::EFBIG.into());
        }
        let goal = self.goal(inode, &end)?;
        let mut indirect = Vec::new();
        let taken = self.take_all(goal, missing, limit, &mut indirect);
        let (first, count) = match taken {
            Ok(taken) => taken,
            Err(error) => {
                for block in indirect {
                    self.untake_blocks(block, 1)?;
                }
                return Err(error);
            }
        };
        if let Some(fill) = fill {
            fill(self.cache.fresh(first)?);
        }
        self.link_in(inode, (&way, &end), &indirect, (first, count))?;
        inode.take_blocks(i64::from(count) + missing as i64, self.shape.block_bytes);
        Ok((first, count))
    }

    /// How many pointers there are behind one, in the inode or in an indirect block.
    fn limit_in_leaf(&self, way: &Way, limit: u32) -> u32 {
        let left = match way.rest().last() {
            None => DIRECT_BLOCKS as u32 - way.root() as u32,
            Some(index) => self.shape.fanout() - index,
        };
        limit.clamp(1, left)
    }

    /// Takes the indirect blocks that are missing, and then blocks for content.
    fn take_all(
        &mut self,
        mut goal: u32,
        missing: usize,
        limit: u32,
        indirect: &mut Vec<u32>,
    ) -> Result<(u32, u32), Error> {
        indirect.try_reserve(missing).map_err(|_| Error::NoMemory)?;
        for _ in 0..missing {
            let (block, _) = self.take_blocks(goal, 1)?;
            indirect.push(block);
            goal = block + 1;
        }
        self.take_blocks(goal, limit)
    }

    /// Where a block is wanted: behind the one before it, or near what points to it.
    fn goal(&mut self, inode: &Inode, end: &End) -> Result<u32, Error> {
        let mut before = None;
        match end.holder {
            None => {
                let pointers = &inode.pointers[..end.index.min(POINTERS)];
                if let Some(index) = pointers.iter().rposition(|pointer| *pointer != 0) {
                    before = Some(pointers[index].wrapping_add((end.index - index) as u32));
                }
            }
            Some(holder) => {
                let bytes = self.cache.read(holder)?;
                let mut behind = (0..end.index).rev();
                if let Some(index) = behind.find(|index| get32(bytes, index * 4) != 0) {
                    let block = get32(bytes, index * 4);
                    before = Some(block.wrapping_add((end.index - index) as u32));
                }
                before = before.or(Some(holder + 1));
            }
        }
        let group = (inode.number - 1) / self.shape.inodes_per_group;
        let inside = before.filter(|block| self.shape.group_of(*block).is_some());
        Ok(inside.unwrap_or(self.shape.first_block(group)))
    }

    /// Points to new blocks, from the last indirect block up to what there is already.
    fn link_in(
        &mut self,
        inode: &mut Inode,
        (way, end): (&Way, &End),
        indirect: &[u32],
        (first, count): (u32, u32),
    ) -> Result<(), Error> {
        let (inode_block, _) = self.place_of(inode.number)?;
        let (mut target, mut count) = (first, count);
        for (level, block) in indirect.iter().enumerate().rev() {
            self.cache.fresh(*block)?;
            let index = way.rest()[end.passed + level];
            self.point(*block, index as usize, (target, count))?;
            (target, count) = (*block, 1);
        }
        if let Some(holder) = end.holder {
            return self.point(holder, end.index, (target, count));
        }
        let bitmap = self.bitmap_of(target)?;
        self.cache.order(bitmap, inode_block)?;
        self.cache.order(target, inode_block)?;
        for (pointer, step) in inode.pointers[end.index..].iter_mut().zip(0..count) {
            *pointer = target + step;
        }
        Ok(())
    }

    /// Has an indirect block point to blocks.
    fn point(
        &mut self,
        holder: u32,
        index: usize,
        (target, count): (u32, u32),
    ) -> Result<(), Error> {
        let bitmap = self.bitmap_of(target)?;
        self.cache.order(bitmap, holder)?;
        self.cache.order(target, holder)?;
        let bytes = self.cache.change(holder)?;
        for step in 0..count {
            put32(bytes, (index + step as usize) * 4, target + step);
        }
        Ok(())
    }

    /// Sets the size of a file. The bytes between a smaller size and the end of its last block are
    /// the caller's to clear.
    ///
    /// # Errors
    /// EFBIG; EINVAL for what has no size to set.
    pub fn resize(&mut self, inode: u32, size_bytes: u64, now: Time) -> Result<(), Error> {
        self.may_write()?;
        let mut inode = self.inode(inode)?;
        if !inode.is(Kind::Regular) {
            return Err(Errno::EINVAL.into());
        }
        self.check_size(size_bytes)?;
        let shrinks = size_bytes < inode.size;
        inode.size = size_bytes;
        (inode.attributes.modified, inode.attributes.changed) = (now, now);
        if !shrinks {
            return self.put_inode(&inode);
        }
        let first = size_bytes.div_ceil(self.shape.block_bytes.into());
        self.drop_blocks(&mut inode, first)
    }

    /// Whether a file may be that large; if so, the superblock allows it.
    fn check_size(&mut self, size_bytes: u64) -> Result<(), Error> {
        if size_bytes > self.max_file_bytes() {
            return Err(Errno::EFBIG.into());
        }
        if size_bytes >= LARGE_FILE_BYTES {
            let features = self.superblock(offset::READ_ONLY)?;
            if !self.shape.is_dynamic {
                return Err(Errno::EFBIG.into());
            }
            if features & READ_ONLY_LARGE_FILE == 0 {
                self.set_superblock(offset::READ_ONLY, features | READ_ONLY_LARGE_FILE)?;
            }
        }
        Ok(())
    }

    /// Takes the blocks from one on away from a file, and puts the inode.
    pub(super) fn drop_blocks(&mut self, inode: &mut Inode, first: u64) -> Result<(), Error> {
        if !inode.has_blocks(self.shape.block_bytes) {
            return self.put_inode(inode);
        }
        let mut doomed = Vec::new();
        self.detach(inode, first, &mut doomed)?;
        self.put_inode(inode)?;
        let mut freed = 0;
        let outcome = self.free_all(&|index| doomed.get(index).copied(), inode.number, &mut freed);
        if freed > 0 {
            inode.take_blocks(-i64::from(freed), self.shape.block_bytes);
            self.put_inode(inode)?;
        }
        outcome
    }

    /// Clears all pointers to blocks from one on.
    fn detach(
        &mut self,
        inode: &mut Inode,
        first: u64,
        doomed: &mut Vec<Doomed>,
    ) -> Result<(), Error> {
        let Some(way) = way(first, self.shape.fanout()) else { return Ok(()) };
        let (holder, _) = self.place_of(inode.number)?;
        doomed.try_reserve(POINTERS).map_err(|_| Error::NoMemory)?;
        let is_start = way.rest().iter().all(|step| *step == 0);
        let root = way.root();
        // The tree that the first block is in may keep some.
        let mut left = (!is_start).then(|| inode.pointers[root]).filter(|block| *block != 0);
        let whole = if is_start { root } else { root + 1 };
        for (index, pointer) in inode.pointers.iter_mut().enumerate().skip(whole) {
            let block = core::mem::take(pointer);
            let depth = (index + 1).saturating_sub(DIRECT_BLOCKS as usize);
            if block != 0 {
                doomed.push(Doomed { block, depth: depth as u8, holder });
            }
        }
        for (level, step) in way.rest().iter().enumerate() {
            let Some(block) = left else { break };
            self.data_block(block, inode.number)?;
            let depth = way.rest().len() - level - 1;
            let is_start = way.rest()[level + 1..].iter().all(|step| *step == 0);
            let whole = *step as usize + usize::from(!is_start);
            let kept = get32(self.cache.read(block)?, *step as usize * 4);
            left = (!is_start && kept != 0).then_some(kept);
            self.detach_in(block, (whole, depth), doomed)?;
        }
        Ok(())
    }

    /// Clears the pointers of an indirect block from one on, to trees of that depth.
    fn detach_in(
        &mut self,
        holder: u32,
        (from, depth): (usize, usize),
        doomed: &mut Vec<Doomed>,
    ) -> Result<(), Error> {
        let fanout = self.shape.fanout() as usize;
        doomed.try_reserve(fanout).map_err(|_| Error::NoMemory)?;
        let bytes = self.cache.change(holder)?;
        for index in from..fanout {
            let block = get32(bytes, index * 4);
            if block != 0 {
                put32(bytes, index * 4, 0);
                doomed.push(Doomed { block, depth: depth as u8, holder });
            }
        }
        Ok(())
    }

    /// Frees trees of blocks, of which nothing but the disk knows any more; counts the blocks.
    fn free_all(
        &mut self,
        doomed: &dyn Fn(usize) -> Option<Doomed>,
        inode: u32,
        freed: &mut u32,
    ) -> Result<(), Error> {
        let mut index = 0;
        while let Some(tree) = doomed(index) {
            let group = self.data_block(tree.block, inode)?;
            if tree.depth > 0 {
                self.free_tree(tree, inode, freed)?;
                index += 1;
                continue;
            }
            let mut count = 1;
            while let Some(next) = doomed(index + count as usize) {
                let follows = next.block.checked_sub(count) == Some(tree.block);
                let is_alike = next.depth == 0 && next.holder == tree.holder && follows;
                if !is_alike || self.data_block(next.block, inode) != Ok(group) {
                    break;
                }
                count += 1;
            }
            for block in tree.block..tree.block + count {
                self.cache.forget(block);
            }
            self.give_blocks(tree.block, count, tree.holder)?;
            *freed += count;
            index += count as usize;
        }
        Ok(())
    }

    /// Frees an indirect block and all below. It is free before what it points to is looked at, so
    /// that blocks which lead in circles are found out.
    fn free_tree(&mut self, tree: Doomed, inode: u32, freed: &mut u32) -> Result<(), Error> {
        // The numbers alone take no more than a block: more in one piece is not always to be had.
        let mut below = Vec::new();
        below.try_reserve_exact(self.shape.fanout() as usize).map_err(|_| Error::NoMemory)?;
        let bytes = self.cache.read(tree.block)?;
        let numbers = bytes.chunks_exact(4).map(|chunk| get32(chunk, 0));
        below.extend(numbers.filter(|block| *block != 0));
        self.cache.forget(tree.block);
        self.give_blocks(tree.block, 1, tree.holder)?;
        *freed += 1;
        let (depth, holder) = (tree.depth - 1, tree.holder);
        let below =
            |index: usize| below.get(index).map(|block| Doomed { block: *block, depth, holder });
        self.free_all(&below, inode, freed)
    }

    /// Takes a file's block of extended attributes away, which others may share.
    pub(super) fn drop_attributes(&mut self, inode: &mut Inode) -> Result<(), Error> {
        const MAGIC: u32 = 0xea02_0000;
        const SHARERS_AT: usize = 4;
        let block = core::mem::take(&mut inode.attributes_block);
        if block == 0 {
            return Ok(());
        }
        self.data_block(block, inode.number)?;
        let bytes = self.cache.read(block)?;
        let (magic, sharers) = (get32(bytes, 0), get32(bytes, SHARERS_AT));
        if magic != MAGIC || sharers == 0 {
            return Err(Error::corrupt(Fault::ExtendedAttributes, block.into()));
        }
        inode.take_blocks(-1, self.shape.block_bytes);
        self.put_inode(inode)?;
        let (holder, _) = self.place_of(inode.number)?;
        if sharers > 1 {
            self.cache.order(holder, block)?;
            put32(self.cache.change(block)?, SHARERS_AT, sharers - 1);
            return Ok(());
        }
        self.cache.forget(block);
        self.give_blocks(block, 1, holder)
    }
}
