//! Files without a name that somebody still uses ([`Ext2::hold`]) are in a list on the disk, so
//! that the next mount frees what a power cut left of them; [`Ext2::release`] frees them when
//! nobody does any more.
//!
//! The list begins in the superblock and goes on where an inode has the time of its removal; 0
//! ends it. It is only changed at its end, one block at a time, so that it is whole after every
//! write. What is freed in its midst stays in it until it is at the end ([`Orphan::Done`]).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use super::Ext2;
use super::disk::Disk;
use super::error::{Error, Fault};
use super::shape::offset;
use crate::errno::Errno;
use crate::fs::{Kind, Time};

/// How many freed files may be in the midst of the list before it is made anew.
const DONE_MAX: usize = 16;

/// A file in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Orphan {
    /// Somebody uses it.
    Live(u32),
    /// Nobody does: it has no blocks any more.
    Done(u32),
}

impl Orphan {
    const fn number(self) -> u32 {
        match self {
            Self::Live(number) | Self::Done(number) => number,
        }
    }
}

impl<D: Disk> Ext2<D> {
    /// A file that has lost its last name is still used: the disk remembers to free it. Does
    /// nothing where nothing is known of such a file, or where the disk does already.
    ///
    /// # Errors
    /// The disk's.
    pub fn hold(&mut self, inode: u32) -> Result<(), Error> {
        self.may_write()?;
        let is_listed = self.orphans.contains(&Orphan::Live(inode));
        let Some(named_in) = self.nameless.get(&inode).copied().filter(|_| !is_listed) else {
            return Ok(());
        };
        self.orphans.try_reserve(1).map_err(|_| Error::NoMemory)?;
        let holder = self.end_holder(self.orphans.len())?;
        if let Some(block) = named_in {
            self.cache.order(block, holder)?;
        }
        if let Some(before) = self.orphans.len().checked_sub(1) {
            // The one at the end must not say what follows before it is in the list itself.
            self.cache.order(self.end_holder(before)?, holder)?;
        }
        self.set_end(self.orphans.len(), inode)?;
        self.orphans.push(Orphan::Live(inode));
        Ok(())
    }

    /// The block that says which is the file at an index of the list.
    fn end_holder(&self, index: usize) -> Result<u32, Error> {
        match index.checked_sub(1) {
            Some(before) => Ok(self.place_of(self.orphans[before].number())?.0),
            None => Ok(self.shape.superblock().0),
        }
    }

    /// Has the list say which is the file at an index; 0: none.
    fn set_end(&mut self, index: usize, inode: u32) -> Result<(), Error> {
        match index.checked_sub(1) {
            Some(before) => self.set_next_orphan(self.orphans[before].number(), inode),
            None => self.set_superblock(offset::LAST_ORPHAN, inode),
        }
    }

    /// Nobody uses a file any more that has lost its last name: frees it.
    ///
    /// # Errors
    /// EINVAL: it has a name; the disk's, corruption.
    pub fn release(&mut self, inode: u32, now: Time) -> Result<(), Error> {
        self.may_write()?;
        let is_done = self.orphans.contains(&Orphan::Done(inode));
        if is_done || !self.nameless.contains_key(&inode) {
            return Err(Errno::EINVAL.into());
        }
        let outcome = self.free_content(inode);
        if outcome.is_err() {
            // What is left of it is for e2fsck.
            self.nameless.remove(&inode);
            return outcome;
        }
        match self.orphans.iter().position(|orphan| *orphan == Orphan::Live(inode)) {
            None => self.free_inode(inode, now),
            Some(index) => {
                self.orphans[index] = Orphan::Done(inode);
                self.shorten(now)
            }
        }
    }

    fn free_content(&mut self, number: u32) -> Result<(), Error> {
        let mut inode = self.inode(number)?;
        self.drop_attributes(&mut inode)?;
        let has_blocks = inode.has_blocks(self.shape.block_bytes);
        // A directory's size stays: one of no bytes would make no sense while it is in the list.
        if has_blocks && !inode.is(Kind::Directory) {
            inode.size = 0;
        }
        self.drop_blocks(&mut inode, 0)
    }

    /// Frees an inode that has no blocks and is in no list.
    fn free_inode(&mut self, number: u32, now: Time) -> Result<(), Error> {
        let named_in = self.nameless.get(&number).copied().flatten();
        let mut inode = self.inode(number)?;
        // Smaller numbers would be those of inodes in the list.
        let earliest = i64::from(self.shape.inodes) + 1;
        inode.deleted = now.seconds.clamp(earliest, u32::MAX.into()) as u32;
        inode.size = 0;
        self.put_inode(&inode)?;
        self.nameless.remove(&number);
        let bitmap = self.inode_bitmap_of(number);
        // Its name was gone behind the inode's having none: so that is on the disk by then, too.
        if let Some(block) = named_in {
            self.cache.order(block, bitmap)?;
        }
        self.give_inode(number, inode.attributes.kind)
    }

    /// Takes what is done off the end of the list; makes it anew where too much is not at its end.
    fn shorten(&mut self, now: Time) -> Result<(), Error> {
        self.drop_done(now)?;
        let done = self.orphans.iter().filter(|orphan| matches!(orphan, Orphan::Done(_))).count();
        if done <= DONE_MAX + self.orphans.len() / 2 {
            return Ok(());
        }
        let mut live = Vec::new();
        live.try_reserve(self.orphans.len()).map_err(|_| Error::NoMemory)?;
        while let Some(Orphan::Live(number)) = self.orphans.last().copied() {
            // Between being taken off and being put on again, it is an inode of no use that has a
            // mark in the bitmap: e2fsck frees it.
            self.take_off()?;
            live.push(number);
            self.drop_done(now)?;
        }
        live.into_iter().rev().try_for_each(|number| self.hold(number))
    }

    fn drop_done(&mut self, now: Time) -> Result<(), Error> {
        while let Some(Orphan::Done(number)) = self.orphans.last().copied() {
            self.take_off()?;
            self.free_inode(number, now)?;
        }
        Ok(())
    }

    /// Takes the last file off the list. What was behind it is off before, and whatever its inode
    /// will say comes later.
    fn take_off(&mut self) -> Result<(), Error> {
        let Some(index) = self.orphans.len().checked_sub(1) else { return Ok(()) };
        let (holder, number) = (self.end_holder(index)?, self.orphans[index].number());
        let (place, _) = self.place_of(number)?;
        self.cache.order(place, holder)?;
        self.set_end(index, 0)?;
        self.orphans.pop();
        self.cache.order(holder, place)
    }

    /// Frees what a power cut left in the list. A list that makes no sense is given up.
    pub(super) fn free_orphans(&mut self, now: Time) -> Result<(), Error> {
        let Ok(numbers) = self.listed() else {
            self.note_errors()?;
            return self.set_superblock(offset::LAST_ORPHAN, 0);
        };
        for number in &numbers {
            self.orphans.push(Orphan::Live(*number));
            if self.is_unused(*number)? {
                self.nameless.insert(*number, None);
            }
        }
        let mut left = numbers.into_iter().rev();
        // Those before one that makes no sense stay in the list.
        if left.try_for_each(|number| self.free_orphan(number, now)).is_err() {
            self.note_errors()?;
        }
        Ok(())
    }

    /// Frees the last file of the list, or what is left of it behind its end.
    fn free_orphan(&mut self, number: u32, now: Time) -> Result<(), Error> {
        if self.nameless.contains_key(&number) {
            return self.release(number, now);
        }
        let mut inode = self.inode(number)?;
        let blocks = inode.size.div_ceil(self.shape.block_bytes.into());
        self.drop_blocks(&mut inode, blocks)?;
        self.take_off()?;
        inode.deleted = 0;
        self.put_inode(&inode)
    }

    /// Frees all files without a name, whoever uses them: the last mount ends.
    pub(super) fn release_all(&mut self, now: Time) -> Result<(), Error> {
        let listed = self.orphans.iter().rev().map(|orphan| orphan.number());
        let mut numbers: Vec<u32> = listed.collect();
        numbers.extend(self.nameless.keys());
        for number in numbers {
            let is_done = self.orphans.contains(&Orphan::Done(number));
            if !is_done && self.nameless.contains_key(&number) {
                self.release(number, now)?;
            }
        }
        Ok(())
    }

    /// The numbers in the list.
    fn listed(&mut self) -> Result<Vec<u32>, Error> {
        let mut numbers = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = self.superblock(offset::LAST_ORPHAN)?;
        while next != 0 {
            let is_ordinary = next >= self.shape.first_inode && next <= self.shape.inodes;
            if !is_ordinary || !seen.insert(next) {
                return Err(Error::corrupt(Fault::Orphans, next.into()));
            }
            numbers.try_reserve(1).map_err(|_| Error::NoMemory)?;
            numbers.push(next);
            self.nameless.insert(next, None);
            let readable = self.inode(next);
            self.nameless.remove(&next);
            readable?;
            next = self.next_orphan(next)?;
        }
        Ok(numbers)
    }
}
