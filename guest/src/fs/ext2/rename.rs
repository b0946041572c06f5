//! Renaming: replacing, exchanging, moving directories about. What loses its name to another is
//! named until the other has it: by the old name where both are in one block, else by one made for
//! that. Only of a directory that moves from one block to another a power cut can leave two names.

use alloc::vec::Vec;

use super::dir::{Malformed, Spot};
use super::disk::Disk;
use super::error::{Error, Fault};
use super::inode::{Inode, LINKS_MAX};
use super::{Ext2, ROOT_INODE};
use crate::errno::Errno;
use crate::fs::Kind;
use crate::fs::access::{Wish, check, check_sticky};
use crate::fs::tree::{Actor, Manner};

/// Something that gets another name: what, and where its old one is.
#[derive(Clone, Copy, Debug)]
struct Mover {
    inode: Inode,
    spot: Spot,
    directory: u32,
}

impl Mover {
    fn file(&self) -> (u32, Kind) {
        (self.inode.number, self.inode.attributes.kind)
    }

    /// How many directories it counts for.
    fn directories(&self) -> i32 {
        i32::from(self.inode.is(Kind::Directory))
    }
}

impl<D: Disk> Ext2<D> {
    /// Gives what has the name `from` (a directory and a name in it) the name `to`. The number of
    /// what has lost its last name by that, as [`unlink`](Self::unlink) says it.
    ///
    /// # Errors
    /// ENOENT, EEXIST, EACCES, EPERM, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL (into itself), EMLINK,
    /// ENAMETOOLONG, ENOSPC.
    pub fn rename(
        &mut self,
        from: (u32, &[u8]),
        to: (u32, &[u8]),
        manner: Manner,
        by: &Actor,
    ) -> Result<Option<u32>, Error> {
        self.may_write()?;
        super::names::check_name(to.1)?;
        let mover = self.mover(from)?.ok_or(Errno::ENOENT)?;
        let victim = match self.mover(to)? {
            Some(_) if manner == Manner::NoReplace => return Err(Errno::EEXIST.into()),
            None if manner == Manner::Exchange => return Err(Errno::ENOENT.into()),
            victim => victim,
        };
        if self.is_around(&mover.inode, to.0)? {
            return Err(Errno::EINVAL.into());
        }
        if let Some(victim) = &victim
            && self.is_around(&victim.inode, from.0)?
        {
            let exchange = manner == Manner::Exchange;
            return Err(if exchange { Errno::EINVAL } else { Errno::ENOTEMPTY }.into());
        }
        if victim.is_some_and(|victim| victim.inode.number == mover.inode.number) {
            return Ok(None);
        }
        self.check_move(&mover, to.0, by)?;
        self.take_for(&by.who)?;
        match victim {
            None => {
                let target = self.directory(to.0)?;
                self.check_writable(&target, by)?;
                self.check_links(&mover, to.0, 0)?;
                self.move_to_free_name(&mover, to, by)?;
                Ok(None)
            }
            Some(victim) if manner == Manner::Exchange => {
                self.check_move(&victim, from.0, by)?;
                self.check_links(&mover, to.0, victim.directories())?;
                self.check_links(&victim, from.0, mover.directories())?;
                self.exchange(&mover, &victim, by)?;
                Ok(None)
            }
            Some(victim) => {
                self.removable(to.0, to.1, by)?;
                self.check_replace(&mover, &victim)?;
                self.check_links(&mover, to.0, victim.directories())?;
                self.replace(&mover, &victim, by)
            }
        }
    }

    /// What has a name in a directory.
    fn mover(&mut self, (directory, name): (u32, &[u8])) -> Result<Option<Mover>, Error> {
        let around = self.directory(directory)?;
        let Some(spot) = self.spot(&around, name)? else { return Ok(None) };
        let inode = self.inode(spot.inode)?;
        Ok(Some(Mover { inode, spot, directory }))
    }

    /// Whether `node` is a directory that `inner` is, or is in.
    fn is_around(&mut self, node: &Inode, mut inner: u32) -> Result<bool, Error> {
        if !node.is(Kind::Directory) {
            return Ok(false);
        }
        // A mark that is set ever further up meets itself in a circle.
        let (mut mark, mut steps, mut limit) = (0, 0, 1);
        while inner != node.number {
            if inner == ROOT_INODE {
                return Ok(false);
            }
            if inner == mark {
                return Err(Error::corrupt(Fault::Loop, inner.into()));
            }
            if steps == limit {
                (mark, steps, limit) = (inner, 0, limit * 2);
            }
            steps += 1;
            inner = self.parent(inner)?;
        }
        Ok(true)
    }

    /// Whether something may lose its name and go to the directory `to`: a directory that gets
    /// another `..` must be writable itself.
    fn check_move(&mut self, mover: &Mover, to: u32, by: &Actor) -> Result<(), Error> {
        let source = self.directory(mover.directory)?;
        self.check_writable(&source, by)?;
        let attributes = &mover.inode.attributes;
        check_sticky(&source.attributes, attributes, &by.who)?;
        if mover.inode.is(Kind::Directory) && mover.directory != to {
            check(attributes, &by.who, Wish::WRITE)?;
        }
        Ok(())
    }

    /// Whether `to` can have another directory in it, after it has lost so many.
    fn check_links(&mut self, mover: &Mover, to: u32, lost: i32) -> Result<(), Error> {
        let comes = mover.directory != to && mover.inode.is(Kind::Directory) && lost == 0;
        let is_full = comes && self.directory(to)?.attributes.links >= LINKS_MAX;
        if is_full { Err(Errno::EMLINK.into()) } else { Ok(()) }
    }

    fn check_replace(&mut self, mover: &Mover, victim: &Mover) -> Result<(), Error> {
        match (mover.inode.is(Kind::Directory), victim.inode.is(Kind::Directory)) {
            (true, false) => Err(Errno::ENOTDIR.into()),
            (false, true) => Err(Errno::EISDIR.into()),
            (true, true) if !self.is_empty(&victim.inode)? => Err(Errno::ENOTEMPTY.into()),
            _ => Ok(()),
        }
    }

    fn move_to_free_name(
        &mut self,
        mover: &Mover,
        to: (u32, &[u8]),
        by: &Actor,
    ) -> Result<(), Error> {
        let (directory, name) = to;
        if directory != mover.directory || !self.rename_in_block(mover, name)? {
            let mut target = self.directory(directory)?;
            let room = self.room(&mut target, name.len())?;
            let spot = self.enter(room, mover.file(), name)?;
            // A block that the directory has got for it is nothing without the directory.
            self.cache.order(self.place_of(directory)?.0, mover.spot.block)?;
            self.settle(mover, spot.block, directory)?;
            self.cache.order(spot.block, mover.spot.block)?;
            self.strike(mover.spot)?;
        }
        self.renamed(mover, by)?;
        let count = mover.directories();
        self.changed(mover.directory, by.now, -count)?;
        self.changed(directory, by.now, count)
    }

    /// Renames within one block, if there is room in it.
    fn rename_in_block(&mut self, mover: &Mover, name: &[u8]) -> Result<bool, Error> {
        let (format, Spot { block, at, .. }) = (self.format(), mover.spot);
        let malformed = Malformed::in_block(block);
        let mut scratch = super::bytes::zeros(self.shape.block_bytes as usize)?;
        scratch.copy_from_slice(self.cache.read(block)?);
        format.remove(&mut scratch, at).map_err(&malformed)?;
        let Some(at) = format.room(&scratch, name.len()).map_err(&malformed)? else {
            return Ok(false);
        };
        format.insert(&mut scratch, at, mover.file(), name).map_err(&malformed)?;
        self.cache.change(block)?.copy_from_slice(&scratch);
        Ok(true)
    }

    /// Has a directory that goes into another one say so, when its new name is written and before
    /// its old one is gone.
    fn settle(&mut self, mover: &Mover, named_in: u32, directory: u32) -> Result<(), Error> {
        if !mover.inode.is(Kind::Directory) || mover.directory == directory {
            return Ok(());
        }
        let dot_dot = self.dot_dot(&mover.inode)?;
        self.cache.order(named_in, dot_dot.block)?;
        self.point_to(dot_dot, (directory, Kind::Directory))?;
        self.cache.order(dot_dot.block, mover.spot.block)
    }

    /// Has an entry lead somewhere else.
    fn point_to(&mut self, spot: Spot, file: (u32, Kind)) -> Result<(), Error> {
        let format = self.format();
        format.point(self.cache.change(spot.block)?, spot.at, file);
        Ok(())
    }

    fn renamed(&mut self, mover: &Mover, by: &Actor) -> Result<(), Error> {
        let mut inode = self.inode(mover.inode.number)?;
        inode.attributes.changed = by.now;
        self.put_inode(&inode)
    }

    fn exchange(&mut self, mover: &Mover, victim: &Mover, by: &Actor) -> Result<(), Error> {
        let is_apart = victim.spot.block != mover.spot.block;
        let needs_name = is_apart && !victim.inode.is(Kind::Directory);
        let rest = needs_name.then(|| self.name_for_now(victim)).transpose()?;
        self.point_to(victim.spot, mover.file())?;
        self.cache.order(victim.spot.block, mover.spot.block)?;
        self.point_to(mover.spot, victim.file())?;
        self.settle(mover, victim.spot.block, victim.directory)?;
        self.settle(victim, mover.spot.block, mover.directory)?;
        if let Some(spot) = rest {
            self.cache.order(mover.spot.block, spot.block)?;
            self.strike(spot)?;
        }
        self.renamed(mover, by)?;
        self.renamed(victim, by)?;
        let more = mover.directories() - victim.directories();
        self.changed(mover.directory, by.now, -more)?;
        self.changed(victim.directory, by.now, more)
    }

    fn replace(&mut self, mover: &Mover, victim: &Mover, by: &Actor) -> Result<Option<u32>, Error> {
        let has_others = !victim.inode.is(Kind::Directory) && victim.inode.attributes.links > 1;
        let (old, new) = (mover.spot, victim.spot);
        let rest = match () {
            () if has_others => None,
            () if old.block == new.block => Some(old),
            () => Some(self.name_for_now(victim)?),
        };
        // From here to the end of the block's changes nothing may write it.
        self.point_to(new, mover.file())?;
        match rest {
            Some(spot) if spot.block == old.block && spot.at == old.at => {
                self.point_to(old, victim.file())?;
                self.settle(mover, new.block, victim.directory)?;
            }
            _ if old.block == new.block => {
                self.strike(old)?;
                self.settle(mover, new.block, victim.directory)?;
            }
            _ => {
                self.settle(mover, new.block, victim.directory)?;
                self.cache.order(new.block, old.block)?;
                self.strike(old)?;
            }
        }
        self.renamed(mover, by)?;
        let (place, _) = self.place_of(victim.inode.number)?;
        self.cache.order(new.block, place)?;
        let lost = self.inode(victim.inode.number)?;
        let gone = match rest {
            // The name for now was written before the block that leads to the mover.
            Some(spot) => self.drop_name(spot, lost, by.now)?,
            None => {
                let mut lost = lost;
                lost.attributes.links -= 1;
                lost.attributes.changed = by.now;
                self.put_inode(&lost)?;
                None
            }
        };
        self.changed(mover.directory, by.now, -mover.directories())?;
        self.changed(victim.directory, by.now, mover.directories() - victim.directories())?;
        Ok(gone)
    }

    /// Gives something that is to lose its name another one for as long as that takes; written
    /// before the block with its name is.
    fn name_for_now(&mut self, victim: &Mover) -> Result<Spot, Error> {
        const TRIES: u32 = 100;
        let mut directory = self.directory(victim.directory)?;
        // A power cut may have left some.
        let mut name = Vec::new();
        for number in 0..TRIES {
            name = alloc::format!(".replaced-{}-{number}", victim.inode.number).into_bytes();
            if self.spot(&directory, &name)?.is_none() {
                break;
            }
        }
        if self.spot(&directory, &name)?.is_some() {
            return Err(Errno::EBUSY.into());
        }
        let room = self.room(&mut directory, name.len())?;
        let spot = self.enter(room, victim.file(), &name)?;
        self.cache.order(self.place_of(victim.directory)?.0, victim.spot.block)?;
        self.cache.order(spot.block, victim.spot.block)?;
        Ok(spot)
    }
}
