//! Directories: blocks of entries, each of which says how far the next one is. An entry never
//! moves, so that its position in the directory is where a reader goes on.

use core::ops::Range;

use super::bytes::{get16, get32, put16, put32};
use super::disk::Disk;
use super::error::{Error, Fault};
use super::inode::Inode;
use super::{Ext2, Listed};
use crate::errno::Errno;
use crate::fs::Kind;

/// Bytes of an entry before its name.
const HEAD_BYTES: usize = 8;
/// Bytes of the shortest entry.
const ENTRY_MIN_BYTES: usize = 12;
/// Kinds as entries say them, EXT2_FT_REG_FILE (1) and so on.
const KINDS: [Kind; 7] = [
    Kind::Regular,
    Kind::Directory,
    Kind::CharDevice,
    Kind::BlockDevice,
    Kind::Fifo,
    Kind::Socket,
    Kind::Symlink,
];

/// Bytes that an entry with such a name takes.
pub(super) const fn entry_bytes(name_bytes: usize) -> usize {
    (HEAD_BYTES + name_bytes).next_multiple_of(4)
}

/// An entry in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Where it begins.
    pub(super) at: usize,
    /// Where the next one begins.
    pub(super) end: usize,
    /// 0: it is free.
    pub(super) inode: u32,
    /// As entries say it; 0: unknown.
    kind: u8,
    pub(super) name: &'a [u8],
}

impl Entry<'_> {
    /// Bytes behind what it needs itself.
    fn spare(&self) -> Range<usize> {
        let used = if self.inode == 0 { 0 } else { entry_bytes(self.name.len()) };
        self.at + used..self.end
    }

    fn is_dot(&self) -> bool {
        matches!(self.name, b"." | b"..")
    }

    /// `d_type` of it.
    fn entry_type(&self) -> u8 {
        let kind = usize::from(self.kind).checked_sub(1).and_then(|index| KINDS.get(index));
        kind.map_or(0, |kind| kind.entry_type())
    }
}

/// How entries of a file system look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub(super) has_kinds: bool,
    /// The largest number of an inode.
    pub(super) inodes: u32,
}

impl Format {
    /// The entry at `at`; `None` where it makes no sense.
    fn entry<'a>(&self, block: &'a [u8], at: usize) -> Option<Entry<'a>> {
        let head = block.get(at..at + HEAD_BYTES)?;
        let (inode, length) = (get32(head, 0), usize::from(get16(head, 4)));
        let name_bytes = if self.has_kinds { usize::from(head[6]) } else { get16(head, 6).into() };
        let end = at + length;
        let fits = length >= ENTRY_MIN_BYTES && length.is_multiple_of(4) && end <= block.len();
        if !fits || HEAD_BYTES + name_bytes > length || inode > self.inodes {
            return None;
        }
        let name = &block[at + HEAD_BYTES..][..name_bytes];
        let is_name = (1..=crate::fs::path::NAME_MAX_BYTES).contains(&name_bytes)
            && !name.iter().any(|byte| matches!(byte, 0 | b'/'));
        let kind = if self.has_kinds { head[7] } else { 0 };
        (inode == 0 || is_name).then_some(Entry { at, end, inode, kind, name })
    }

    /// The entries of a block, up to one that makes no sense.
    pub(super) fn entries<'a>(
        self,
        block: &'a [u8],
    ) -> impl Iterator<Item = Result<Entry<'a>, Malformed>> {
        let mut at = 0;
        core::iter::from_fn(move || {
            if at >= block.len() {
                return None;
            }
            let entry = self.entry(block, at);
            at = entry.as_ref().map_or(block.len(), |entry| entry.end);
            Some(entry.ok_or(Malformed))
        })
    }

    /// The entry with a name.
    pub(super) fn find(self, block: &[u8], name: &[u8]) -> Result<Option<(usize, u32)>, Malformed> {
        for entry in self.entries(block) {
            let entry = entry?;
            if entry.inode != 0 && entry.name == name {
                return Ok(Some((entry.at, entry.inode)));
            }
        }
        Ok(None)
    }

    /// Where an entry with such a name has room: behind what is needed of an entry.
    pub(super) fn room(self, block: &[u8], name_bytes: usize) -> Result<Option<usize>, Malformed> {
        for entry in self.entries(block) {
            let spare = entry?.spare();
            if spare.len() >= entry_bytes(name_bytes) {
                return Ok(Some(spare.start));
            }
        }
        Ok(None)
    }

    /// Puts an entry where [`room`](Self::room) found some.
    pub(super) fn insert(
        self,
        block: &mut [u8],
        at: usize,
        (inode, kind): (u32, Kind),
        name: &[u8],
    ) -> Result<(), Malformed> {
        let mut around = None;
        for entry in self.entries(block) {
            let entry = entry?;
            if entry.spare().contains(&at) {
                around = Some((entry.at, entry.end));
                break;
            }
        }
        let (before, end) = around.ok_or(Malformed)?;
        if before != at {
            put16(block, before + 4, (at - before) as u16);
        }
        put16(block, at + 4, (end - at) as u16);
        let name_at = at + HEAD_BYTES;
        block[name_at..name_at + name.len()].copy_from_slice(name);
        self.set_name_bytes(block, at, name.len());
        self.point(block, at, (inode, kind));
        Ok(())
    }

    fn set_name_bytes(self, block: &mut [u8], at: usize, name_bytes: usize) {
        if self.has_kinds {
            block[at + 6] = name_bytes as u8;
        } else {
            put16(block, at + 6, name_bytes as u16);
        }
    }

    /// Makes the entry at `at` that of another file.
    pub(super) fn point(self, block: &mut [u8], at: usize, (inode, kind): (u32, Kind)) {
        put32(block, at, inode);
        if self.has_kinds {
            let index = KINDS.iter().position(|other| *other == kind);
            block[at + 7] = index.map_or(0, |index| index as u8 + 1);
        }
    }

    /// Takes the entry at `at` away: the one before it gets its room.
    pub(super) fn remove(self, block: &mut [u8], at: usize) -> Result<(), Malformed> {
        let mut before = None;
        let mut found = None;
        for entry in self.entries(block) {
            let entry = entry?;
            if entry.at == at {
                found = Some(entry.end);
                break;
            }
            before = Some(entry.at);
        }
        let end = found.ok_or(Malformed)?;
        put32(block, at, 0);
        if let Some(before) = before {
            put16(block, before + 4, (end - before) as u16);
        }
        Ok(())
    }

    /// Makes a block one of free room.
    pub(super) fn clear(self, block: &mut [u8]) {
        block.fill(0);
        let length = block.len() as u16;
        put16(block, 4, length);
    }

    /// Makes a block the first of a directory: `.` and `..`.
    pub(super) fn begin(self, block: &mut [u8], inode: u32, parent: u32) {
        self.clear(block);
        let length = block.len();
        for (at, end, inode, name) in
            [(0, ENTRY_MIN_BYTES, inode, &b"."[..]), (ENTRY_MIN_BYTES, length, parent, &b".."[..])]
        {
            put16(block, at + 4, (end - at) as u16);
            block[at + HEAD_BYTES..][..name.len()].copy_from_slice(name);
            self.set_name_bytes(block, at, name.len());
            self.point(block, at, (inode, Kind::Directory));
        }
    }
}

/// An entry makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

impl Malformed {
    /// In that block.
    pub(super) fn in_block(block: u32) -> impl Fn(Malformed) -> Error {
        move |_| Error::corrupt(Fault::Entry, block.into())
    }
}

/// Where an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) block: u32,
    pub(super) at: usize,
    /// What it leads to.
    pub(super) inode: u32,
}

impl<D: Disk> Ext2<D> {
    pub(super) fn format(&self) -> Format {
        Format { has_kinds: self.shape.has_file_types, inodes: self.shape.inodes }
    }

    /// An inode that must be a directory.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT once it has been removed.
    pub(super) fn directory(&mut self, number: u32) -> Result<Inode, Error> {
        let inode = self.inode(number)?;
        match inode.attributes.links {
            _ if !inode.is(Kind::Directory) => Err(Errno::ENOTDIR.into()),
            0 => Err(Errno::ENOENT.into()),
            _ => Ok(inode),
        }
    }

    /// How many blocks a directory has.
    pub(super) fn directory_blocks(&self, directory: &Inode) -> u64 {
        directory.size / u64::from(self.shape.block_bytes)
    }

    /// A block of a directory, which has no holes.
    pub(super) fn directory_block(&mut self, directory: &Inode, index: u64) -> Result<u32, Error> {
        let block = self.block_of(directory, index)?;
        block.ok_or(Error::corrupt(Fault::Directory, directory.number.into()))
    }

    /// Where a directory has a name.
    pub(super) fn spot(&mut self, directory: &Inode, name: &[u8]) -> Result<Option<Spot>, Error> {
        let format = self.format();
        for index in 0..self.directory_blocks(directory) {
            let block = self.directory_block(directory, index)?;
            let found = format.find(self.cache.read(block)?, name);
            if let Some((at, inode)) = found.map_err(Malformed::in_block(block))? {
                return Ok(Some(Spot { block, at, inode }));
            }
        }
        Ok(None)
    }

    /// What has this name in a directory.
    ///
    /// # Errors
    /// ENOENT, ENOTDIR.
    pub fn lookup(&mut self, directory: u32, name: &[u8]) -> Result<u32, Error> {
        let directory = self.directory(directory)?;
        let spot = self.spot(&directory, name)?.ok_or(Errno::ENOENT)?;
        self.inode(spot.inode)?;
        Ok(spot.inode)
    }

    /// The directory around a directory; the root's is the root.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT once it has been removed.
    pub fn parent(&mut self, directory: u32) -> Result<u32, Error> {
        let directory = self.directory(directory)?;
        Ok(self.dot_dot(&directory)?.inode)
    }

    /// Where a directory says what is around it.
    pub(super) fn dot_dot(&mut self, directory: &Inode) -> Result<Spot, Error> {
        let wrong = Error::corrupt(Fault::Directory, directory.number.into());
        let block = self.directory_block(directory, 0)?;
        let found = self.format().find(self.cache.read(block)?, b"..");
        let (at, inode) = found.map_err(Malformed::in_block(block))?.ok_or(wrong)?;
        Ok(Spot { block, at, inode })
    }

    /// Whether a directory has no names but `.` and `..`.
    pub(super) fn is_empty(&mut self, directory: &Inode) -> Result<bool, Error> {
        let format = self.format();
        for index in 0..self.directory_blocks(directory) {
            let block = self.directory_block(directory, index)?;
            for entry in format.entries(self.cache.read(block)?) {
                let entry = entry.map_err(Malformed::in_block(block))?;
                if entry.inode != 0 && !entry.is_dot() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Calls `visit` with the entries behind a cookie (0: all), without `.` and `..`, until it
    /// yields false. A cookie remains good whatever names come and go.
    ///
    /// # Errors
    /// ENOTDIR; ENOENT once the directory has been removed.
    pub fn list(
        &mut self,
        directory: u32,
        cookie: u64,
        visit: &mut dyn FnMut(Listed<'_>) -> bool,
    ) -> Result<(), Error> {
        let directory = self.directory(directory)?;
        let format = self.format();
        let block_bytes = u64::from(self.shape.block_bytes);
        for index in cookie / block_bytes..self.directory_blocks(&directory) {
            let block = self.directory_block(&directory, index)?;
            for entry in format.entries(self.cache.read(block)?) {
                let entry = entry.map_err(Malformed::in_block(block))?;
                let base = index * block_bytes;
                let is_behind = base + entry.at as u64 >= cookie;
                if entry.inode == 0 || entry.is_dot() || !is_behind {
                    continue;
                }
                let (next, kind) = (base + entry.end as u64, entry.entry_type());
                if !visit(Listed { inode: entry.inode, next, kind, name: entry.name }) {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
