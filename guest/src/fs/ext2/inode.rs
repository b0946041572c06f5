//! [`Inode`]: what the disk has of a file besides its content. Fields that nobody here knows stay
//! as they are.
//!
//! Source: Linux, "fs/ext2/ext2.h", `struct ext2_inode`, and "fs/ext4/ext4.h", `struct
//! ext4_inode`, for what larger inodes have behind that.

use super::bytes::{get16, get32, put16, put32};
use super::disk::Disk;
use super::error::{Error, Fault};
use super::{Ext2, ROOT_INODE};
use crate::fs::layout::{device_number, device_parts};
use crate::fs::{Attributes, Kind, Time};

/// Offsets in an inode.
mod at {
    pub(super) const MODE: usize = 0;
    pub(super) const UID: usize = 2;
    pub(super) const SIZE: usize = 4;
    pub(super) const ACCESSED: usize = 8;
    pub(super) const CHANGED: usize = 12;
    pub(super) const MODIFIED: usize = 16;
    pub(super) const DELETED: usize = 20;
    pub(super) const GID: usize = 24;
    pub(super) const LINKS: usize = 26;
    pub(super) const SECTORS: usize = 28;
    pub(super) const FLAGS: usize = 32;
    pub(super) const BLOCKS: usize = 40;
    pub(super) const GENERATION: usize = 100;
    pub(super) const ATTRIBUTES_BLOCK: usize = 104;
    pub(super) const SIZE_HIGH: usize = 108;
    pub(super) const UID_HIGH: usize = 120;
    pub(super) const GID_HIGH: usize = 122;
    /// How many bytes there are from here on, of which the rest says more about times.
    pub(super) const EXTRA: usize = 128;
    pub(super) const CHANGED_EXTRA: usize = 132;
    pub(super) const MODIFIED_EXTRA: usize = 136;
    pub(super) const ACCESSED_EXTRA: usize = 140;
    pub(super) const MADE: usize = 144;
    pub(super) const MADE_EXTRA: usize = 148;
}

/// Block numbers in an inode: direct ones, and the roots of three trees.
pub(super) const POINTERS: usize = 15;
/// Bytes of a link's text that fit in their place.
pub(super) const FAST_LINK_BYTES: usize = POINTERS * 4;
/// What inodes larger than 128 bytes use of the rest.
const EXTRA_BYTES: u16 = 32;
const OLD_INODE_BYTES: usize = 128;
/// EXT2_INDEX_FL: the directory has an index.
const FLAG_INDEX: u32 = 0x1000;
/// EXT4_EXTENTS_FL and EXT4_INLINE_DATA_FL: the pointers are something else.
const FLAGS_UNKNOWN: u32 = 0x8_0000 | 0x1000_0000;
/// Most names that something may have.
pub(super) const LINKS_MAX: u32 = 32_000;

/// A file as the disk has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Inode {
    pub(super) number: u32,
    /// With [`LINKS_MAX`] links at most.
    pub(super) attributes: Attributes,
    pub(super) size: u64,
    /// Blocks that it takes, in units of 512 bytes.
    pub(super) sectors: u32,
    pub(super) flags: u32,
    /// Numbers of blocks; or the number of a device, or a short link's text.
    pub(super) pointers: [u32; POINTERS],
    /// Block of extended attributes; 0: none.
    pub(super) attributes_block: u32,
    /// When it was removed; or the next file without a name; 0: neither.
    pub(super) deleted: u32,
}

/// A time in 32 bits and, in larger inodes, 32 more: two of the epoch, 30 of nanoseconds.
fn decode_time(seconds: u32, extra: u32) -> Time {
    let seconds = i64::from(seconds as i32) + (i64::from(extra & 3) << 32);
    Time { seconds, nanoseconds: (extra >> 2).min(999_999_999) }
}

/// The opposite. What the disk cannot say becomes the nearest time that it can.
fn encode_time(time: Time, has_extra: HasExtra) -> (u32, u32) {
    let epochs = if has_extra == HasExtra::Yes { 3 } else { 0 };
    let last = i64::from(i32::MAX) + (epochs << 32);
    let seconds = time.seconds.clamp(i32::MIN.into(), last);
    let epoch = (seconds - i64::from(seconds as i32)) >> 32;
    (seconds as u32, epoch as u32 & 3 | time.nanoseconds << 2)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum HasExtra {
    No,
    Yes,
}

/// Whether an inode says more about the time at an offset.
fn has_extra(bytes: &[u8], extra_at: usize) -> HasExtra {
    let has = bytes.len() > OLD_INODE_BYTES
        && OLD_INODE_BYTES + usize::from(get16(bytes, at::EXTRA)) >= extra_at + 4
        && bytes.len() >= extra_at + 4;
    if has { HasExtra::Yes } else { HasExtra::No }
}

fn get_time(bytes: &[u8], at: usize, extra_at: usize) -> Time {
    let has_extra = has_extra(bytes, extra_at) == HasExtra::Yes;
    decode_time(get32(bytes, at), if has_extra { get32(bytes, extra_at) } else { 0 })
}

fn put_time(bytes: &mut [u8], at: usize, extra_at: usize, time: Time) {
    let has_extra = has_extra(bytes, extra_at);
    let (seconds, extra) = encode_time(time, has_extra);
    put32(bytes, at, seconds);
    if has_extra == HasExtra::Yes {
        put32(bytes, extra_at, extra);
    }
}

impl Inode {
    /// Something new that has no name and no content yet.
    pub(super) const fn new(number: u32, attributes: Attributes) -> Self {
        let pointers = [0; POINTERS];
        Self {
            number,
            attributes,
            size: 0,
            sectors: 0,
            flags: 0,
            pointers,
            attributes_block: 0,
            deleted: 0,
        }
    }

    /// The inode in these bytes; `None` where its kind makes no sense.
    fn decode(number: u32, bytes: &[u8]) -> Option<Self> {
        let mode = get16(bytes, at::MODE);
        let kind = Kind::of_mode(mode.into())?;
        let wide = |low, high| u32::from(get16(bytes, low)) | u32::from(get16(bytes, high)) << 16;
        let high = if kind == Kind::Regular { get32(bytes, at::SIZE_HIGH) } else { 0 };
        let mut pointers = [0; POINTERS];
        for (index, pointer) in pointers.iter_mut().enumerate() {
            *pointer = get32(bytes, at::BLOCKS + 4 * index);
        }
        let attributes = Attributes {
            kind,
            permissions: mode & crate::fs::access::PERMISSION_BITS,
            uid: wide(at::UID, at::UID_HIGH),
            gid: wide(at::GID, at::GID_HIGH),
            links: get16(bytes, at::LINKS).into(),
            accessed: get_time(bytes, at::ACCESSED, at::ACCESSED_EXTRA),
            modified: get_time(bytes, at::MODIFIED, at::MODIFIED_EXTRA),
            changed: get_time(bytes, at::CHANGED, at::CHANGED_EXTRA),
        };
        Some(Self {
            number,
            attributes,
            size: u64::from(get32(bytes, at::SIZE)) | u64::from(high) << 32,
            sectors: get32(bytes, at::SECTORS),
            flags: get32(bytes, at::FLAGS),
            pointers,
            attributes_block: get32(bytes, at::ATTRIBUTES_BLOCK),
            deleted: get32(bytes, at::DELETED),
        })
    }

    fn encode(&self, bytes: &mut [u8]) {
        let attributes = &self.attributes;
        put16(bytes, at::MODE, attributes.mode() as u16);
        for (low, high, id) in
            [(at::UID, at::UID_HIGH, attributes.uid), (at::GID, at::GID_HIGH, attributes.gid)]
        {
            put16(bytes, low, id as u16);
            put16(bytes, high, (id >> 16) as u16);
        }
        put16(bytes, at::LINKS, attributes.links as u16);
        put_time(bytes, at::ACCESSED, at::ACCESSED_EXTRA, attributes.accessed);
        put_time(bytes, at::MODIFIED, at::MODIFIED_EXTRA, attributes.modified);
        put_time(bytes, at::CHANGED, at::CHANGED_EXTRA, attributes.changed);
        put32(bytes, at::SIZE, self.size as u32);
        if attributes.kind == Kind::Regular {
            put32(bytes, at::SIZE_HIGH, (self.size >> 32) as u32);
        }
        put32(bytes, at::SECTORS, self.sectors);
        put32(bytes, at::FLAGS, self.flags);
        for (index, pointer) in self.pointers.iter().enumerate() {
            put32(bytes, at::BLOCKS + 4 * index, *pointer);
        }
        put32(bytes, at::ATTRIBUTES_BLOCK, self.attributes_block);
        put32(bytes, at::DELETED, self.deleted);
    }

    /// Whether it is of that kind.
    pub(super) fn is(&self, kind: Kind) -> bool {
        self.attributes.kind == kind
    }

    /// Whether the pointers are numbers of blocks.
    pub(super) fn has_blocks(&self, block_bytes: u32) -> bool {
        match self.attributes.kind {
            Kind::Regular | Kind::Directory => true,
            Kind::Symlink => !self.is_fast_link(block_bytes),
            _ => false,
        }
    }

    /// Whether it is a link whose text is in the pointers' place.
    pub(super) fn is_fast_link(&self, block_bytes: u32) -> bool {
        let attributes = if self.attributes_block == 0 { 0 } else { block_bytes / 512 };
        self.is(Kind::Symlink) && self.sectors == attributes
    }

    /// The number of the device that it is, as user mode sees it; 0: none.
    pub(super) fn special(&self) -> u64 {
        let [old, new, ..] = self.pointers;
        match self.attributes.kind {
            Kind::CharDevice | Kind::BlockDevice if old != 0 => {
                device_number(old >> 8 & 0xff, old & 0xff)
            }
            Kind::CharDevice | Kind::BlockDevice => new.into(),
            _ => 0,
        }
    }

    /// Makes it the device with that number.
    pub(super) fn set_special(&mut self, number: u64) {
        let (major, minor) = device_parts(number);
        if major < 256 && minor < 256 {
            self.pointers[0] = major << 8 | minor;
        } else {
            self.pointers[1] = number as u32;
        }
    }

    /// The index, which nobody keeps, is void: names have changed.
    pub(super) fn drop_index(&mut self) {
        self.flags &= !FLAG_INDEX;
    }

    /// It takes so many blocks more, or less.
    pub(super) fn take_blocks(&mut self, count: i64, block_bytes: u32) {
        let sectors = i64::from(self.sectors) + count * i64::from(block_bytes / 512);
        self.sectors = sectors.clamp(0, u32::MAX.into()) as u32;
    }
}

impl<D: Disk> Ext2<D> {
    /// The block that an inode is in, and where there.
    pub(super) fn place_of(&self, number: u32) -> Result<(u32, usize), Error> {
        let is_ordinary = number >= self.shape.first_inode || number == ROOT_INODE;
        if !is_ordinary || number > self.shape.inodes {
            return Err(Error::corrupt(Fault::InodeNumber, number.into()));
        }
        let index = number - 1;
        let group = &self.groups[(index / self.shape.inodes_per_group) as usize];
        let per_block = self.shape.block_bytes / self.shape.inode_bytes;
        let index = index % self.shape.inodes_per_group;
        let at = (index % per_block) * self.shape.inode_bytes;
        Ok((group.inodes + index / per_block, at as usize))
    }

    /// The bytes of an inode.
    pub(super) fn inode_bytes(&mut self, number: u32) -> Result<&[u8], Error> {
        let (block, at) = self.place_of(number)?;
        let bytes = self.shape.inode_bytes as usize;
        Ok(&self.cache.read(block)?[at..at + bytes])
    }

    /// Reads an inode that is in use, if only by those who have it open.
    pub(super) fn inode(&mut self, number: u32) -> Result<Inode, Error> {
        let wrong = Error::corrupt(Fault::Inode, number.into());
        let inode = Inode::decode(number, self.inode_bytes(number)?);
        let Some(inode) = inode else {
            let unused = get16(self.inode_bytes(number)?, at::LINKS) == 0;
            let fault = if unused { Fault::UnusedInode } else { Fault::Inode };
            return Err(Error::corrupt(fault, number.into()));
        };
        if inode.attributes.links == 0 && !self.is_held(number) {
            return Err(Error::corrupt(Fault::UnusedInode, number.into()));
        }
        let has_room = match inode.attributes.kind {
            Kind::Directory => {
                let whole = inode.size.is_multiple_of(self.shape.block_bytes.into());
                let blocks = inode.size / u64::from(self.shape.block_bytes);
                whole && blocks >= 1 && blocks <= self.shape.blocks.into()
            }
            Kind::Regular => inode.size <= self.max_file_bytes(),
            _ => true,
        };
        if has_room && inode.flags & FLAGS_UNKNOWN == 0 { Ok(inode) } else { Err(wrong) }
    }

    /// Whether the number is that of an inode which nothing has; reads it without a doubt.
    pub(super) fn is_unused(&mut self, number: u32) -> Result<bool, Error> {
        Ok(get16(self.inode_bytes(number)?, at::LINKS) == 0)
    }

    /// What an inode has where the time of its removal goes, whatever it is.
    pub(super) fn next_orphan(&mut self, number: u32) -> Result<u32, Error> {
        Ok(get32(self.inode_bytes(number)?, at::DELETED))
    }

    /// Changes what an inode has there.
    pub(super) fn set_next_orphan(&mut self, number: u32, next: u32) -> Result<(), Error> {
        let (block, start) = self.place_of(number)?;
        put32(self.cache.change(block)?, start + at::DELETED, next);
        Ok(())
    }

    /// Writes an inode into its block.
    pub(super) fn put_inode(&mut self, inode: &Inode) -> Result<(), Error> {
        let (block, at) = self.place_of(inode.number)?;
        let bytes = self.shape.inode_bytes as usize;
        inode.encode(&mut self.cache.change(block)?[at..at + bytes]);
        Ok(())
    }

    /// Writes an inode over whatever was there; `now` is when it was made.
    pub(super) fn put_new_inode(&mut self, inode: &Inode) -> Result<(), Error> {
        let (block, at) = self.place_of(inode.number)?;
        let length = self.shape.inode_bytes as usize;
        let bytes = &mut self.cache.change(block)?[at..at + length];
        let generation = get32(bytes, at::GENERATION).wrapping_add(1);
        bytes.fill(0);
        put32(bytes, at::GENERATION, generation);
        if length > OLD_INODE_BYTES {
            put16(bytes, at::EXTRA, EXTRA_BYTES);
            put_time(bytes, at::MADE, at::MADE_EXTRA, inode.attributes.changed);
        }
        inode.encode(bytes);
        Ok(())
    }
}
