//! Archives of cpio's "new ASCII" format, which the first files come in: [`unpack`] hands their
//! entries to a [`Sink`], [`Unpacking`] one by one. Several archives may follow each other, with zeros between them.
//!
//! Source: Linux, "initramfs buffer format".

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;

use super::{Kind, Time};
use crate::errno::Errno;

/// Length of an entry's header.
const HEADER_BYTES: usize = 110;
/// Entries, names and contents begin at multiples of this.
const ALIGN_BYTES: usize = 4;
/// Name of the entry that ends an archive.
const END_NAME: &[u8] = b"TRAILER!!!";
/// Longest name, with the zero at its end.
const NAME_MAX_BYTES: usize = 4096;

/// What an entry says of a file besides its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Inode number within its device; names with equal ones are of the same file.
    pub number: u32,
    /// Kind and permissions.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// How many names it has.
    pub links: u32,
    /// When its content changed.
    pub modified: u32,
    /// Device that it was archived from: major and minor.
    pub device: (u32, u32),
    /// Device that it is: major and minor.
    pub special: (u32, u32),
}

impl Header {
    /// What it is.
    pub fn kind(&self) -> Option<Kind> {
        Kind::of_mode(self.mode)
    }

    /// The lower twelve bits of its mode.
    pub fn permissions(&self) -> u16 {
        self.mode as u16 & super::access::PERMISSION_BITS
    }

    /// When its content changed.
    pub fn time(&self) -> Time {
        Time { seconds: i64::from(self.modified), nanoseconds: 0 }
    }
}

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// What it says of the file.
    pub header: Header,
    /// Path without slashes at its beginning, and without the zero at its end.
    pub name: &'a [u8],
    /// Content, or where a symbolic link points to.
    pub data: &'a [u8],
}

/// Why an archive cannot be read on, and from which byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpioError {
    /// What is wrong.
    pub trouble: Trouble,
    /// Offset of the entry.
    pub offset: usize,
}

/// What can be wrong with an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It ends in an entry, or without its last one.
    Truncated,
    /// Neither an entry nor padding.
    NoMagic,
    /// A field that is no hexadecimal number.
    BadNumber,
    /// A name that is empty, too long, holds a zero, or leads upwards.
    BadName,
    /// A file could not be made.
    Refused(Errno),
}

impl fmt::Display for CpioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.trouble {
            Trouble::Truncated => f.write_str("truncated archive")?,
            Trouble::NoMagic => f.write_str("not a cpio archive")?,
            Trouble::BadNumber => f.write_str("bad number")?,
            Trouble::BadName => f.write_str("bad name")?,
            Trouble::Refused(errno) => write!(f, "{errno:?}")?,
        }
        write!(f, " at byte {}", self.offset)
    }
}

/// Where unpacked files go.
pub trait Sink {
    /// Makes what the entry describes, and directories on its way that are missing.
    ///
    /// # Errors
    /// The unpacking ends with it.
    fn make(&mut self, entry: &Entry<'_>) -> Result<(), Errno>;

    /// Gives the file of this name, which has been made, another one; content, which may come with
    /// any of the names, replaces what it has unless it is empty.
    ///
    /// # Errors
    /// The unpacking ends with it.
    fn link(&mut self, existing: &[u8], entry: &Entry<'_>) -> Result<(), Errno>;
}

/// Makes everything that the archives in `bytes` hold; how many entries that was.
///
/// # Errors
/// [`CpioError`]; entries before the bad one have been made.
pub fn unpack(bytes: &[u8], sink: &mut impl Sink) -> Result<usize, CpioError> {
    let mut unpacking = Unpacking::default();
    while unpacking.step(&bytes[unpacking.at()..], sink)? {}
    Ok(unpacking.made)
}

/// Unpacks one entry after the other, so that what was unpacked need not stay where it is.
#[derive(Debug, Default)]
pub struct Unpacking {
    /// Where the next entry is.
    at: usize,
    /// Entries that were made.
    made: usize,
    /// Whether an archive has begun and not ended.
    is_within: bool,
    /// First names of files with several, by device and number.
    linked: BTreeMap<((u32, u32), u32), Vec<u8>>,
}

impl Unpacking {
    /// How many bytes are not needed any more.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Makes the next entry, given all bytes from [`at`](Self::at) on; false where nothing is left.
    ///
    /// # Errors
    /// [`CpioError`]; this is over then.
    pub fn step(&mut self, rest: &[u8], sink: &mut impl Sink) -> Result<bool, CpioError> {
        let mut reader = Reader { bytes: rest, begin: self.at, at: 0 };
        if !self.is_within && !reader.skip_padding() {
            reader.check_end()?;
            self.at = reader.position();
            return Ok(false);
        }
        let offset = reader.position();
        let fail = |trouble| CpioError { trouble, offset };
        let entry = reader.entry().map_err(fail)?;
        self.at = reader.position();
        self.is_within = entry.name != END_NAME;
        if !self.is_within {
            self.linked.clear();
            return Ok(true);
        }
        let key = (entry.header.device, entry.header.number);
        let several = entry.header.links > 1 && entry.header.kind() != Some(Kind::Directory);
        let done = match self.linked.get(&key) {
            Some(existing) if several => sink.link(existing, &entry),
            _ => sink.make(&entry),
        };
        done.map_err(|errno| fail(Trouble::Refused(errno)))?;
        if several {
            self.linked.entry(key).or_insert_with(|| entry.name.into());
        }
        self.made += 1;
        Ok(true)
    }
}

/// Reads entries from the rest of something, the first `begin` bytes of which are not there.
struct Reader<'a> {
    bytes: &'a [u8],
    begin: usize,
    at: usize,
}

impl<'a> Reader<'a> {
    /// Where it is in the whole.
    fn position(&self) -> usize {
        self.begin + self.at
    }

    /// Goes to the next archive; false where only zeros, or something else, are left.
    fn skip_padding(&mut self) -> bool {
        let rest = &self.bytes[self.at..];
        let zeros = rest.iter().take_while(|byte| **byte == 0).count();
        self.at += zeros;
        self.bytes[self.at..].starts_with(b"07070")
    }

    fn check_end(&self) -> Result<(), CpioError> {
        let ended = self.at == self.bytes.len();
        let trouble = Trouble::NoMagic;
        if ended { Ok(()) } else { Err(CpioError { trouble, offset: self.position() }) }
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Trouble> {
        let rest = &self.bytes[self.at..];
        let taken = rest.get(..length).ok_or(Trouble::Truncated)?;
        self.at += length;
        Ok(taken)
    }

    /// Goes on to a multiple of four, which at the end of everything may be missing.
    fn align(&mut self) {
        let missing = self.position().next_multiple_of(ALIGN_BYTES) - self.position();
        self.at = (self.at + missing).min(self.bytes.len());
    }

    fn entry(&mut self) -> Result<Entry<'a>, Trouble> {
        let head = self.take(HEADER_BYTES)?;
        if !matches!(&head[..6], b"070701" | b"070702") {
            return Err(Trouble::NoMagic);
        }
        let mut fields = [0; 13];
        for (field, digits) in fields.iter_mut().zip(head[6..].chunks_exact(8)) {
            *field = hexadecimal(digits)?;
        }
        let [number, mode, uid, gid, links, modified, size, ..] = fields;
        let [.., major, minor, special_major, special_minor, name_size, _check] = fields;
        let name_size = name_size as usize;
        if name_size == 0 || name_size > NAME_MAX_BYTES {
            return Err(Trouble::BadName);
        }
        let name = file_name(self.take(name_size)?)?;
        self.align();
        let data = self.take(size as usize)?;
        self.align();
        let header = Header {
            number,
            mode,
            uid,
            gid,
            links,
            modified,
            device: (major, minor),
            special: (special_major, special_minor),
        };
        Ok(Entry { header, name, data })
    }
}

fn hexadecimal(digits: &[u8]) -> Result<u32, Trouble> {
    digits.iter().try_fold(0, |value, digit| {
        let digit = char::from(*digit).to_digit(16).ok_or(Trouble::BadNumber)?;
        Ok(value << 4 | digit)
    })
}

/// The name in a field that ends in a zero, relative to the root.
fn file_name(field: &[u8]) -> Result<&[u8], Trouble> {
    let (last, mut name) = field.split_last().ok_or(Trouble::BadName)?;
    if *last != 0 || name.contains(&0) || name.is_empty() {
        return Err(Trouble::BadName);
    }
    if name.split(|byte| *byte == b'/').any(|part| part == b"..") {
        return Err(Trouble::BadName);
    }
    while let Some(rest) = name.strip_prefix(b"/").or_else(|| name.strip_prefix(b"./")) {
        name = rest;
    }
    Ok(if name.is_empty() { b"." } else { name })
}

#[cfg(test)]
mod tests;
