//! [`Cache`]: the blocks of metadata that are in memory, and in which order they go to the disk.
//!
//! What is changed is written when its buffer is needed for something else, or by
//! [`Cache::sync`]. Where one block must reach the disk before another, [`Cache::order`] says so
//! before the other is changed; what would make a circle is written at once. So the disk is, after
//! every write, in a state that the order allows.
//!
//! What the disk refuses is not tried again: nothing could ever be written that has to come behind
//! it, and a buffer would be lost for good. The next [`Cache::sync`] says so, e2fsck puts it right.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::bytes::zeros;
use super::disk::{Disk, IoError};
use super::error::Error;

/// Fewest buffers that are worth the name.
const BUFFERS_MIN: usize = 4;
/// What a buffer has that has no block: none has this number.
const NO_BLOCK: u32 = u32::MAX;

/// Blocks in memory.
#[derive(Debug)]
pub(super) struct Cache<D> {
    disk: D,
    block_bytes: usize,
    capacity: usize,
    buffers: Vec<Buffer>,
    /// Which buffer has a block.
    index: BTreeMap<u32, usize>,
    /// Counts uses.
    clock: u64,
    /// The disk has refused a block since somebody was told.
    has_failed: bool,
}

#[derive(Debug)]
struct Buffer {
    block: u32,
    bytes: Vec<u8>,
    is_dirty: bool,
    used_at: u64,
    /// Dirty blocks that must be written before this one.
    after: Vec<u32>,
}

/// A block that is to be written.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) number: u32,
    pub(super) bytes: Vec<u8>,
    /// Those that must be written before it.
    pub(super) after: Vec<u32>,
}

#[cfg(test)]
impl<D> Cache<D> {
    /// All blocks that are to be written.
    pub(super) fn pending(&self) -> Vec<Pending> {
        let dirty = self.buffers.iter().filter(|buffer| buffer.is_dirty);
        let pending = |buffer: &Buffer| Pending {
            number: buffer.block,
            bytes: buffer.bytes.clone(),
            after: buffer.after.clone(),
        };
        dirty.map(pending).collect()
    }
}

impl<D: Disk> Cache<D> {
    /// An empty one, of so many buffers.
    pub(super) fn new(disk: D, block_bytes: usize, capacity: usize) -> Self {
        let capacity = capacity.max(BUFFERS_MIN);
        let (buffers, index) = (Vec::new(), BTreeMap::new());
        Self { disk, block_bytes, capacity, buffers, index, clock: 0, has_failed: false }
    }

    /// The disk.
    pub(super) fn disk(&self) -> &D {
        &self.disk
    }

    /// The disk, once nobody needs the buffers any more.
    pub(super) fn into_disk(self) -> D {
        self.disk
    }

    /// What a block holds.
    pub(super) fn read(&mut self, block: u32) -> Result<&[u8], Error> {
        let index = self.find(block)?;
        Ok(&self.buffers[index].bytes)
    }

    /// What a block holds, to be changed.
    pub(super) fn change(&mut self, block: u32) -> Result<&mut [u8], Error> {
        let index = self.find(block)?;
        let buffer = &mut self.buffers[index];
        buffer.is_dirty = true;
        Ok(&mut buffer.bytes)
    }

    /// A block of zeros, to be filled, whatever the disk has there.
    pub(super) fn fresh(&mut self, block: u32) -> Result<&mut [u8], Error> {
        let index = match self.index.get(&block) {
            Some(index) => *index,
            None => self.make_room(block)?,
        };
        let used_at = self.tick();
        let buffer = &mut self.buffers[index];
        buffer.bytes.fill(0);
        (buffer.is_dirty, buffer.used_at) = (true, used_at);
        Ok(&mut buffer.bytes)
    }

    /// Whatever `first` holds now is written before whatever `then` will hold. To be called after
    /// the change of `first` and before that of `then`.
    #[cfg_attr(test, track_caller)]
    pub(super) fn order(&mut self, first: u32, then: u32) -> Result<(), Error> {
        #[cfg(test)]
        if super::tests::is_left_out(core::panic::Location::caller()) {
            return Ok(());
        }
        if first == then || !self.is_dirty(first) {
            return Ok(());
        }
        if self.is_behind(first, then) {
            self.write_back(first);
            return Ok(());
        }
        let index = self.find(then)?;
        // Finding room for it may have written the first.
        if !self.is_dirty(first) {
            return Ok(());
        }
        let after = &mut self.buffers[index].after;
        if !after.contains(&first) {
            after.try_reserve(1).map_err(|_| Error::NoMemory)?;
            after.push(first);
        }
        Ok(())
    }

    /// Drops a block that is no metadata any more. What was changed is written: others may wait for
    /// it.
    pub(super) fn forget(&mut self, block: u32) {
        self.write_back(block);
        if let Some(index) = self.index.remove(&block) {
            let buffer = &mut self.buffers[index];
            (buffer.block, buffer.used_at) = (NO_BLOCK, 0);
        }
    }

    /// Writes a block, if it was changed, behind all that must be written before.
    fn write_back(&mut self, block: u32) {
        while let Some(first) = self.first_of(block) {
            self.write(first);
        }
    }

    /// Writes everything that was changed, and waits until it is safe.
    ///
    /// # Errors
    /// [`Error::Io`], once, for whatever was refused since the last time.
    pub(super) fn sync(&mut self) -> Result<(), Error> {
        while let Some(buffer) = self.buffers.iter().find(|buffer| buffer.is_dirty) {
            self.write_back(buffer.block);
        }
        self.disk.flush()?;
        if core::mem::take(&mut self.has_failed) { Err(IoError.into()) } else { Ok(()) }
    }

    fn position(&self, block: u32) -> u64 {
        u64::from(block) * self.block_bytes as u64
    }

    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn is_dirty(&self, block: u32) -> bool {
        self.index.get(&block).is_some_and(|index| self.buffers[*index].is_dirty)
    }

    /// The buffer with a block, which is read if need be.
    fn find(&mut self, block: u32) -> Result<usize, Error> {
        let used_at = self.tick();
        if let Some(index) = self.index.get(&block) {
            self.buffers[*index].used_at = used_at;
            return Ok(*index);
        }
        let index = self.make_room(block)?;
        let position = self.position(block);
        let buffer = &mut self.buffers[index];
        buffer.used_at = used_at;
        if let Err(error) = self.disk.read(position, &mut buffer.bytes) {
            // Nothing is known of the block: the next one to ask reads it again.
            self.index.remove(&block);
            buffer.block = NO_BLOCK;
            buffer.used_at = 0;
            return Err(error.into());
        }
        Ok(index)
    }

    fn room_for_one(&mut self) -> Result<Vec<u8>, Error> {
        self.buffers.try_reserve(1).map_err(|_| Error::NoMemory)?;
        zeros(self.block_bytes)
    }

    /// A clean buffer for a block that has none.
    fn make_room(&mut self, block: u32) -> Result<usize, Error> {
        let has_enough = self.buffers.len() >= BUFFERS_MIN;
        let bytes = match self.buffers.len() < self.capacity {
            true => match self.room_for_one() {
                Ok(bytes) => Some(bytes),
                // Where memory is short, those that there are have to do.
                Err(_) if has_enough => None,
                Err(error) => return Err(error),
            },
            false => None,
        };
        if let Some(bytes) = bytes {
            let after = Vec::new();
            self.buffers.push(Buffer { block, bytes, is_dirty: false, used_at: 0, after });
            let index = self.buffers.len() - 1;
            self.index.insert(block, index);
            return Ok(index);
        }
        let oldest = (0..self.buffers.len()).min_by_key(|index| self.buffers[*index].used_at);
        let index = oldest.unwrap_or(0);
        let old = self.buffers[index].block;
        self.write_back(old);
        if self.index.get(&old) == Some(&index) {
            self.index.remove(&old);
        }
        self.buffers[index].block = block;
        self.index.insert(block, index);
        Ok(index)
    }

    /// Whether `block` must be written behind `other`.
    fn is_behind(&self, block: u32, other: u32) -> bool {
        // Most wait for nothing.
        if self.index.get(&block).is_none_or(|index| self.buffers[*index].after.is_empty()) {
            return block == other;
        }
        let mut seen = BTreeSet::new();
        let mut left = Vec::from([block]);
        while let Some(block) = left.pop() {
            if block == other {
                return true;
            }
            if seen.insert(block)
                && let Some(index) = self.index.get(&block)
            {
                left.extend_from_slice(&self.buffers[*index].after);
            }
        }
        false
    }

    /// What must be written next in order to write a block; `None` once that is clean.
    fn first_of(&self, mut block: u32) -> Option<u32> {
        if !self.is_dirty(block) {
            return None;
        }
        while let Some(before) =
            self.index.get(&block).and_then(|index| self.buffers[*index].after.first())
        {
            block = *before;
        }
        Some(block)
    }

    /// Writes a block before which no other must be written.
    fn write(&mut self, block: u32) {
        let Some(index) = self.index.get(&block) else { return };
        let position = self.position(block);
        let buffer = &mut self.buffers[*index];
        self.has_failed |= self.disk.write(position, &buffer.bytes).is_err();
        buffer.is_dirty = false;
        for buffer in &mut self.buffers {
            buffer.after.retain(|before| *before != block);
        }
    }
}
