//! System calls that copy from one file to another: sendfile and copy_file_range. [`Side`] is one end
//! of such a copy, for `splice.rs`, too.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::{Answer, file};
use crate::arch::trap::TrapFrame;
use crate::fs::OpenFile;
use crate::fs::buffer::{Buffer, moved_or};
use crate::fs::inode::Seeking;
use crate::mm::user;

/// Bytes that are copied through the kernel at once.
pub(super) const BOUNCE_BYTES: usize = PAGE_SIZE_BYTES as usize;

/// Memory for that.
pub(super) fn bounce(bytes: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}

/// A position that the caller keeps: its address, and what it is.
#[derive(Clone, Copy)]
pub(super) struct Offset {
    pointer: u64,
    at: i64,
}

impl Offset {
    /// The one at an address; `None` for address 0.
    ///
    /// # Errors
    /// EFAULT.
    pub(super) fn read(pointer: u64) -> Result<Option<Self>, Errno> {
        let read = |pointer| user::read(pointer).map(|at| Self { pointer, at });
        Some(pointer).filter(|pointer| *pointer != 0).map(read).transpose()
    }
}

/// Where one side of a copy between files is: at a position of the caller's, or the file's own.
pub(super) struct Side {
    pub(super) file: Arc<OpenFile>,
    own: Option<Offset>,
}

impl Side {
    pub(super) fn new(file: Arc<OpenFile>, own: Option<Offset>) -> Self {
        Self { file, own }
    }

    /// Where it begins.
    fn start(&self) -> Result<i64, Errno> {
        match self.own {
            Some(offset) => Ok(offset.at),
            None if self.file.file()?.seeking() == Seeking::Positions => {
                Ok(*self.file.position().lock() as i64)
            }
            None => Ok(0),
        }
    }

    /// EINVAL where there are no positions for so many bytes, or none at all, though one is given.
    pub(super) fn check(&self, count: usize) -> Result<(), Errno> {
        if self.own.is_some() && self.file.file()?.seeking() == Seeking::Stream {
            return Err(Errno::EINVAL);
        }
        let start = self.start()?;
        let end = start.checked_add(count as i64);
        if start >= 0 && end.is_some() { Ok(()) } else { Err(Errno::EINVAL) }
    }

    pub(super) fn read(&self, to: &mut [u8]) -> Result<usize, Errno> {
        match self.own {
            Some(offset) => self.file.pread(offset.at as u64, &mut Buffer::Into(to)),
            None => self.file.read(&mut Buffer::Into(to)),
        }
    }

    pub(super) fn write(&self, from: &[u8]) -> Result<usize, Errno> {
        match self.own {
            Some(offset) => self.file.pwrite(offset.at as u64, &mut Buffer::From(from)),
            None => self.file.write(&mut Buffer::From(from)),
        }
    }

    /// So many bytes were moved; `back` more had been read that the other side did not take.
    pub(super) fn advance(&mut self, moved: usize, back: usize) {
        if let Some(offset) = &mut self.own {
            offset.at += moved as i64;
        } else if back > 0 {
            // A file of positions goes back.
            let _ = self.file.seek(-(back as i64), linux::SEEK_CUR);
        }
    }

    /// Tells the caller where it is now.
    pub(super) fn finish(&self) -> Result<(), Errno> {
        self.own.map_or(Ok(()), |offset| user::write(offset.pointer, &offset.at))
    }
}

/// Copies up to `count` bytes from one file to another.
fn copy(mut from: Side, mut to: Side, count: usize) -> Answer {
    let mut bytes = bounce(BOUNCE_BYTES.min(count))?;
    let mut done = 0;
    let mut outcome = Ok(());
    while done < count && outcome.is_ok() {
        let wanted = bytes.len().min(count - done);
        let read = match from.read(&mut bytes[..wanted]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(errno) => {
                outcome = Err(errno);
                break;
            }
        };
        let written = to.write(&bytes[..read]).unwrap_or_else(|errno| {
            outcome = Err(errno);
            0
        });
        from.advance(written, read - written);
        to.advance(written, 0);
        done += written;
        if written < read {
            break;
        }
    }
    from.finish()?;
    to.finish()?;
    let done = outcome.map_or_else(|errno| moved_or(done, errno), |()| Ok(done))?;
    Ok(done as u64)
}

pub(super) fn sendfile(frame: &mut TrapFrame) -> Answer {
    let own = Offset::read(frame.a(2))?;
    let (to, from) = (file(frame, 0)?, file(frame, 1)?);
    to.writer()?;
    from.reader()?;
    // What came from a stream and finds no taker would be lost.
    let is_stream = from.file()?.seeking() == Seeking::Stream;
    if is_stream || from.inode().kind() == Kind::Directory {
        return Err(if own.is_some() && is_stream { Errno::ESPIPE } else { Errno::EINVAL });
    }
    if to.flags().has(linux::O_APPEND) {
        return Err(Errno::EINVAL);
    }
    let count = (frame.a(3) as usize).min(user::MOVE_MAX_BYTES);
    let from = Side::new(from, own);
    from.check(count)?;
    copy(from, Side::new(to, None), count)
}

pub(super) fn copy_file_range(frame: &mut TrapFrame) -> Answer {
    let (from, to) = (file(frame, 0)?, file(frame, 2)?);
    from.file()?;
    to.file()?;
    let (from_at, to_at) = (Offset::read(frame.a(1))?, Offset::read(frame.a(3))?);
    if frame.a(5) as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let kinds = [&from, &to].map(|file| file.inode().kind());
    if kinds.contains(&Kind::Directory) {
        return Err(Errno::EISDIR);
    }
    if kinds != [Kind::Regular; 2] {
        return Err(Errno::EINVAL);
    }
    from.reader()?;
    to.writer()?;
    if to.flags().has(linux::O_APPEND) {
        return Err(Errno::EBADF);
    }
    if from.inode().device() != to.inode().device() {
        return Err(Errno::EXDEV);
    }
    let (from, to) = (Side::new(from, from_at), Side::new(to, to_at));
    let count = range_to_copy(&from, &to, frame.a(4))?;
    if count == 0 {
        return Ok(0);
    }
    copy(from, to, count)
}

/// How many of `wanted` bytes there are to be copied.
///
/// # Errors
/// EINVAL, EOVERFLOW; EINVAL where the parts of one file overlap.
fn range_to_copy(from: &Side, to: &Side, wanted: u64) -> Result<usize, Errno> {
    let (source, target) = (from.start()?, to.start()?);
    // Positions are added up without a sign.
    let behind = |start: i64| (start as u64).checked_add(wanted).ok_or(Errno::EOVERFLOW);
    behind(source)?;
    behind(target)?;
    let left = (from.file.size() as i64).saturating_sub(source).max(0) as u64;
    let count = wanted.min(left);
    let overlap = source.abs_diff(target) < count;
    if Arc::ptr_eq(from.file.inode(), to.file.inode()) && overlap {
        return Err(Errno::EINVAL);
    }
    if source < 0 || target < 0 {
        return Err(Errno::EINVAL);
    }
    Ok((count as usize).min(user::MOVE_MAX_BYTES))
}
