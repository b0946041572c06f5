//! [`Listing`]: an open directory, as getdents64 reads it.

use guest::errno::Errno;
use guest::fs::Kind;
use guest::fs::layout::{Dirent, DirentWriter};

use super::buffer::Buffer;
use super::inode::{File, Flags, Inode};

/// An open directory, whose entries [`read`](fn@read) tells. Position 0 is before `.`, 1 before
/// `..`; the others are the directory's own and two.
pub(crate) struct Listing;

impl File for Listing {
    fn read(&self, _at: &mut u64, _to: &mut Buffer<'_>, _flags: Flags) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn write(&self, _at: &mut u64, _from: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn end(&self) -> Result<u64, Errno> {
        Ok(i64::MAX as u64)
    }
}

/// Entries from a position on, as many as fit; moves the position. `parent` is the number of the
/// directory around it.
///
/// # Errors
/// EINVAL where not even one fits; the directory's own.
pub(crate) fn read(
    directory: &dyn Inode,
    parent: u64,
    position: &mut u64,
    out: &mut [u8],
) -> Result<usize, Errno> {
    let mut writer = DirentWriter::new(out);
    let mut full = false;
    let dots = [(directory.number(), &b"."[..]), (parent, b"..")];
    for (index, (number, name)) in dots.into_iter().enumerate() {
        let (next, kind) = (index as u64 + 1, Kind::Directory.entry_type());
        if *position == index as u64 && !full {
            full = !writer.push(Dirent { number, next, kind, name });
            *position += u64::from(!full);
        }
    }
    if !full {
        // Positions of the directory's own begin behind those of the dots.
        let mut at = *position;
        directory.list(*position - DOTS, &mut |entry| {
            let next = entry.next + DOTS;
            full = !writer.push(Dirent { next, ..entry });
            at = if full { at } else { next };
            !full
        })?;
        *position = at;
    }
    if writer.used() == 0 && full { Err(Errno::EINVAL) } else { Ok(writer.used()) }
}

/// How many entries every directory has besides its own.
const DOTS: u64 = 2;
