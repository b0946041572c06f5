//! Making names and taking them away. A new file is on the disk as one that is in use only behind
//! its name; one that loses its last name is unused there before that name is gone: so a power cut
//! leaves names without a file, which e2fsck takes away, but no file without a name.

use super::dir::{Malformed, Spot, entry_bytes};
use super::disk::Disk;
use super::error::Error;
use super::inode::{FAST_LINK_BYTES, Inode, LINKS_MAX};
use super::{Ext2, LINK_MAX_BYTES, New};
use crate::errno::Errno;
use crate::fs::access::{self, Wish, check, check_sticky};
use crate::fs::path::NAME_MAX_BYTES;
use crate::fs::tree::Actor;
use crate::fs::{Kind, Time};

/// Permissions of a symbolic link.
const LINK_PERMISSIONS: u16 = 0o777;

/// Where an entry can go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) block: u32,
    at: usize,
}

pub(super) fn check_name(name: &[u8]) -> Result<(), Error> {
    match name {
        [] => Err(Errno::ENOENT.into()),
        b"." | b".." => Err(Errno::EEXIST.into()),
        _ if name.len() > NAME_MAX_BYTES => Err(Errno::ENAMETOOLONG.into()),
        _ if name.iter().any(|byte| matches!(byte, 0 | b'/')) => Err(Errno::EINVAL.into()),
        _ => Ok(()),
    }
}

impl<D: Disk> Ext2<D> {
    /// Makes something with a name; its number.
    ///
    /// # Errors
    /// EEXIST, EACCES, ENOENT (the directory has been removed), ENOTDIR, ENAMETOOLONG, EMLINK,
    /// ENOSPC.
    pub fn create(
        &mut self,
        directory: u32,
        name: &[u8],
        new: New<'_>,
        by: &Actor,
    ) -> Result<u32, Error> {
        let mut parent = self.vacancy(directory, name, by)?;
        let kind = new.kind();
        if kind == Kind::Directory && parent.attributes.links >= LINKS_MAX {
            return Err(Errno::EMLINK.into());
        }
        let room = self.room(&mut parent, name.len())?;
        let number = self.take_inode(kind, directory)?;
        let inode = match self.make(number, &parent, new, by) {
            Ok(inode) => inode,
            Err(error) => {
                self.give_inode(number, kind)?;
                return Err(error);
            }
        };
        self.cache.order(self.inode_bitmap_of(number), room.block)?;
        self.enter(room, (number, kind), name)?;
        let (place, _) = self.place_of(number)?;
        self.cache.order(room.block, place)?;
        self.cache.order(self.place_of(directory)?.0, place)?;
        self.put_new_inode(&inode)?;
        self.changed(directory, by.now, i32::from(kind == Kind::Directory))?;
        Ok(number)
    }

    /// What a new inode says, with the blocks that it needs from the beginning.
    fn make(
        &mut self,
        number: u32,
        parent: &Inode,
        new: New<'_>,
        by: &Actor,
    ) -> Result<Inode, Error> {
        let (kind, permissions) = match new {
            New::Plain(kind, permissions) | New::Device(kind, permissions, _) => {
                (kind, permissions)
            }
            New::Link(_) => (Kind::Symlink, LINK_PERMISSIONS),
        };
        let (who, now) = (&by.who, by.now);
        let mut attributes = access::inherit(&parent.attributes, kind, permissions, who, now);
        attributes.links = if kind == Kind::Directory { 2 } else { 1 };
        let mut inode = Inode::new(number, attributes);
        match new {
            New::Device(_, _, special) => inode.set_special(special),
            New::Link(text) => self.write_link(&mut inode, text)?,
            New::Plain(Kind::Directory, _) => {
                let format = self.format();
                let around = parent.number;
                let begin = &mut |block: &mut [u8]| format.begin(block, number, around);
                self.attach(&mut inode, 0, 1, Some(begin))?;
                inode.size = self.shape.block_bytes.into();
            }
            New::Plain(..) => {}
        }
        Ok(inode)
    }

    fn write_link(&mut self, inode: &mut Inode, text: &[u8]) -> Result<(), Error> {
        match text.len() {
            0 => return Err(Errno::ENOENT.into()),
            length if length > LINK_MAX_BYTES || length >= self.shape.block_bytes as usize => {
                return Err(Errno::ENAMETOOLONG.into());
            }
            _ => inode.size = text.len() as u64,
        }
        if text.len() < FAST_LINK_BYTES {
            for (pointer, bytes) in inode.pointers.iter_mut().zip(text.chunks(4)) {
                let mut word = [0; 4];
                word[..bytes.len()].copy_from_slice(bytes);
                *pointer = u32::from_le_bytes(word);
            }
            return Ok(());
        }
        let write = &mut |block: &mut [u8]| block[..text.len()].copy_from_slice(text);
        self.attach(inode, 0, 1, Some(write))?;
        Ok(())
    }

    /// A directory in which a name is free, and in which `by` may make it.
    fn vacancy(&mut self, directory: u32, name: &[u8], by: &Actor) -> Result<Inode, Error> {
        self.may_write()?;
        let parent = self.directory(directory)?;
        check_name(name)?;
        if self.spot(&parent, name)?.is_some() {
            return Err(Errno::EEXIST.into());
        }
        self.check_writable(&parent, by)?;
        self.take_for(&by.who)?;
        Ok(parent)
    }

    pub(super) fn check_writable(&self, directory: &Inode, by: &Actor) -> Result<(), Error> {
        Ok(check(&directory.attributes, &by.who, Wish::WRITE | Wish::EXECUTE)?)
    }

    /// Where a directory has room for a name; it grows if it has none, and is put then.
    pub(super) fn room(&mut self, directory: &mut Inode, bytes: usize) -> Result<Room, Error> {
        let format = self.format();
        let blocks = self.directory_blocks(directory);
        for index in 0..blocks {
            let block = self.directory_block(directory, index)?;
            let found = format.room(self.cache.read(block)?, bytes);
            if let Some(at) = found.map_err(Malformed::in_block(block))? {
                return Ok(Room { block, at });
            }
        }
        debug_assert!(entry_bytes(bytes) <= self.shape.block_bytes as usize);
        let clear = &mut |block: &mut [u8]| format.clear(block);
        let (block, _) = self.attach(directory, blocks, 1, Some(clear))?;
        let way = self.way_in(directory, blocks)?;
        if let Some(holder) = self.follow(directory, &way)?.holder {
            let (place, _) = self.place_of(directory.number)?;
            self.cache.order(holder, place)?;
        }
        directory.size += u64::from(self.shape.block_bytes);
        directory.drop_index();
        self.put_inode(directory)?;
        Ok(Room { block, at: 0 })
    }

    /// Puts an entry where there is room.
    pub(super) fn enter(
        &mut self,
        room: Room,
        file: (u32, Kind),
        name: &[u8],
    ) -> Result<Spot, Error> {
        let Room { block, at } = room;
        let inserted = self.format().insert(self.cache.change(block)?, at, file, name);
        inserted.map_err(Malformed::in_block(block))?;
        Ok(Spot { block, at, inode: file.0 })
    }

    /// Takes an entry away.
    pub(super) fn strike(&mut self, spot: Spot) -> Result<(), Error> {
        let removed = self.format().remove(self.cache.change(spot.block)?, spot.at);
        removed.map_err(Malformed::in_block(spot.block))
    }

    /// The names in a directory have changed, and the number of directories in it by so many.
    pub(super) fn changed(&mut self, directory: u32, now: Time, links: i32) -> Result<(), Error> {
        let mut inode = self.inode(directory)?;
        let attributes = &mut inode.attributes;
        (attributes.modified, attributes.changed) = (now, now);
        attributes.links = attributes.links.saturating_add_signed(links);
        inode.drop_index();
        self.put_inode(&inode)
    }

    /// Another name for something.
    ///
    /// # Errors
    /// EPERM for directories, ENOENT for what has no name any more, EEXIST, EACCES, ENOTDIR,
    /// ENAMETOOLONG, EMLINK, ENOSPC.
    pub fn link(
        &mut self,
        directory: u32,
        name: &[u8],
        inode: u32,
        by: &Actor,
    ) -> Result<(), Error> {
        let mut parent = self.vacancy(directory, name, by)?;
        let mut target = self.inode(inode)?;
        match target.attributes.links {
            _ if target.is(Kind::Directory) => return Err(Errno::EPERM.into()),
            0 => return Err(Errno::ENOENT.into()),
            LINKS_MAX.. => return Err(Errno::EMLINK.into()),
            _ => {}
        }
        let room = self.room(&mut parent, name.len())?;
        target.attributes.links += 1;
        target.attributes.changed = by.now;
        self.put_inode(&target)?;
        self.cache.order(self.place_of(inode)?.0, room.block)?;
        self.enter(room, (inode, target.attributes.kind), name)?;
        self.changed(directory, by.now, 0)
    }

    /// Where the name of something is that `by` may take away.
    pub(super) fn removable(
        &mut self,
        directory: u32,
        name: &[u8],
        by: &Actor,
    ) -> Result<(Spot, Inode), Error> {
        self.may_write()?;
        let parent = self.directory(directory)?;
        let spot = self.spot(&parent, name)?.ok_or(Errno::ENOENT)?;
        let victim = self.inode(spot.inode)?;
        self.check_writable(&parent, by)?;
        check_sticky(&parent.attributes, &victim.attributes, &by.who)?;
        Ok((spot, victim))
    }

    /// Takes a name away. The number of what had it, if that was its last: it is to be
    /// [released](Self::release) once nobody uses it, and [held](Self::hold) as long as somebody
    /// does.
    ///
    /// # Errors
    /// ENOENT, EISDIR, EACCES, EPERM, ENOTDIR.
    pub fn unlink(
        &mut self,
        directory: u32,
        name: &[u8],
        by: &Actor,
    ) -> Result<Option<u32>, Error> {
        let (spot, victim) = match self.removable(directory, name, by) {
            Ok(found) => found,
            Err(error) => {
                self.strike_dangling(directory, name, (error, by))?;
                return Ok(None);
            }
        };
        if victim.is(Kind::Directory) {
            return Err(Errno::EISDIR.into());
        }
        let gone = self.drop_name(spot, victim, by.now)?;
        self.changed(directory, by.now, 0)?;
        Ok(gone)
    }

    /// Takes a name away that a power cut has left without a file.
    fn strike_dangling(
        &mut self,
        directory: u32,
        name: &[u8],
        (error, by): (Error, &Actor),
    ) -> Result<(), Error> {
        let is_dangling = matches!(
            error,
            Error::Corrupt { what: super::Fault::UnusedInode, at } if at != u64::from(directory)
        );
        if !is_dangling {
            return Err(error);
        }
        let parent = self.directory(directory)?;
        self.check_writable(&parent, by)?;
        let spot = self.spot(&parent, name)?.ok_or(error)?;
        self.strike(spot)?;
        self.changed(directory, by.now, 0)
    }

    /// Takes an empty directory away; its number, as [`unlink`](Self::unlink) says it.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR, ENOTEMPTY, EACCES, EPERM.
    pub fn remove_directory(
        &mut self,
        directory: u32,
        name: &[u8],
        by: &Actor,
    ) -> Result<u32, Error> {
        let (spot, victim) = self.removable(directory, name, by)?;
        if !victim.is(Kind::Directory) {
            return Err(Errno::ENOTDIR.into());
        }
        if !self.is_empty(&victim)? {
            return Err(Errno::ENOTEMPTY.into());
        }
        let number = victim.number;
        self.drop_name(spot, victim, by.now)?;
        self.changed(directory, by.now, -1)?;
        Ok(number)
    }

    /// Takes an entry away, with the name that something has there; its number, if that was the
    /// last.
    pub(super) fn drop_name(
        &mut self,
        spot: Spot,
        mut victim: Inode,
        now: Time,
    ) -> Result<Option<u32>, Error> {
        let (place, _) = self.place_of(victim.number)?;
        let is_last = victim.is(Kind::Directory) || victim.attributes.links == 1;
        victim.attributes.changed = now;
        if !is_last {
            self.strike(spot)?;
            self.cache.order(spot.block, place)?;
            victim.attributes.links -= 1;
            self.put_inode(&victim)?;
            return Ok(None);
        }
        victim.attributes.links = 0;
        victim.deleted = 0;
        self.nameless.insert(victim.number, Some(spot.block));
        self.put_inode(&victim)?;
        self.cache.order(place, spot.block)?;
        self.strike(spot)?;
        Ok(Some(victim.number))
    }
}
