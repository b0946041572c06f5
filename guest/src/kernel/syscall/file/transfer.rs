//! System calls that move bytes: read, write and their kin, sendfile, getdents64; and lseek.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::{Answer, file};
use crate::arch::trap::TrapFrame;
use crate::fs::buffer::{Buffer, moved_or};
use crate::fs::inode::Seeking;
use crate::fs::{OpenFile, listing};
use crate::mm::user::{self, UserBuffer};

/// The buffer of arguments 1 and 2: address and length.
#[inline]
fn plain(frame: &TrapFrame) -> Result<Buffer<'static>, Errno> {
    let length = usize::try_from(frame.a(2)).map_err(|_| Errno::EINVAL)?;
    Ok(Buffer::User(UserBuffer::new(frame.a(1), length)?))
}

/// The buffers of arguments 1 and 2: array and count.
fn vector(frame: &TrapFrame) -> Result<Buffer<'static>, Errno> {
    let count = frame.a(2) as u32;
    Ok(Buffer::User(UserBuffer::from_iovec(frame.a(1), count as usize)?))
}

/// The position in argument 3, from which on there must be positions for all bytes of the buffer.
fn position(frame: &TrapFrame, buffer: &Buffer<'_>) -> Result<u64, Errno> {
    let offset = frame.a(3);
    let end = offset.checked_add(buffer.remaining() as u64);
    if end.is_some_and(|end| end <= i64::MAX as u64) { Ok(offset) } else { Err(Errno::EINVAL) }
}

pub(super) fn read(frame: &mut TrapFrame) -> Answer {
    let file = file(frame, 0)?;
    let reader = file.reader()?;
    Ok(file.read_as(reader, &mut plain(frame)?)? as u64)
}

pub(super) fn write(frame: &mut TrapFrame) -> Answer {
    let file = file(frame, 0)?;
    let writer = file.writer()?;
    Ok(file.write_as(writer, &mut plain(frame)?)? as u64)
}

pub(super) fn readv(frame: &mut TrapFrame) -> Answer {
    let file = file(frame, 0)?;
    let reader = file.reader()?;
    Ok(file.read_as(reader, &mut vector(frame)?)? as u64)
}

pub(super) fn writev(frame: &mut TrapFrame) -> Answer {
    let file = file(frame, 0)?;
    let writer = file.writer()?;
    Ok(file.write_as(writer, &mut vector(frame)?)? as u64)
}

pub(super) fn pread64(frame: &mut TrapFrame) -> Answer {
    let (file, mut buffer) = (file(frame, 0)?, plain(frame)?);
    let offset = position(frame, &buffer)?;
    Ok(file.pread(offset, &mut buffer)? as u64)
}

pub(super) fn pwrite64(frame: &mut TrapFrame) -> Answer {
    let (file, mut buffer) = (file(frame, 0)?, plain(frame)?);
    let offset = position(frame, &buffer)?;
    Ok(file.pwrite(offset, &mut buffer)? as u64)
}

pub(super) fn preadv(frame: &mut TrapFrame) -> Answer {
    let (file, mut buffer) = (file(frame, 0)?, vector(frame)?);
    let offset = position(frame, &buffer)?;
    Ok(file.pread(offset, &mut buffer)? as u64)
}

pub(super) fn pwritev(frame: &mut TrapFrame) -> Answer {
    let (file, mut buffer) = (file(frame, 0)?, vector(frame)?);
    let offset = position(frame, &buffer)?;
    Ok(file.pwrite(offset, &mut buffer)? as u64)
}

pub(super) fn lseek(frame: &mut TrapFrame) -> Answer {
    file(frame, 0)?.seek(frame.a(1) as i64, frame.a(2) as u32)
}

/// Bytes that are copied through the kernel at once.
const BOUNCE_BYTES: usize = PAGE_SIZE_BYTES as usize;

fn bounce(bytes: usize) -> Result<Vec<u8>, Errno> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).map_err(|_| Errno::ENOMEM)?;
    buffer.resize(bytes, 0);
    Ok(buffer)
}

pub(super) fn getdents64(frame: &mut TrapFrame) -> Answer {
    let file = file(frame, 0)?;
    file.reader()?;
    let directory = file.inode();
    if directory.kind() != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    let mut user = UserBuffer::new(frame.a(1), frame.a(2) as u32 as usize)?;
    let mut entries = bounce(BOUNCE_BYTES.min(user.remaining()))?;
    let parent = file.place().parent_number();
    let mut position = file.position().lock();
    let mut next = *position;
    let count = listing::read(&**directory, parent, &mut next, &mut entries)?;
    user.put(&entries[..count])?;
    *position = next;
    Ok(count as u64)
}

/// Where one side of a copy between files is: at a position of the caller's, or the file's own.
struct Side {
    file: Arc<OpenFile>,
    /// Address of the caller's position, and what it is.
    own: Option<(u64, u64)>,
}

impl Side {
    fn new(file: Arc<OpenFile>, pointer: u64) -> Result<Self, Errno> {
        let own = match pointer {
            0 => None,
            _ => {
                let offset: i64 = user::read(pointer)?;
                Some((pointer, u64::try_from(offset).map_err(|_| Errno::EINVAL)?))
            }
        };
        Ok(Self { file, own })
    }

    fn read(&self, to: &mut [u8]) -> Result<usize, Errno> {
        match self.own {
            Some((_, offset)) => self.file.pread(offset, &mut Buffer::Into(to)),
            None => self.file.read(&mut Buffer::Into(to)),
        }
    }

    fn write(&self, from: &[u8]) -> Result<usize, Errno> {
        match self.own {
            Some((_, offset)) => self.file.pwrite(offset, &mut Buffer::From(from)),
            None => self.file.write(&mut Buffer::From(from)),
        }
    }

    /// So many bytes were moved; `back` more had been read that the other side did not take.
    fn advance(&mut self, moved: usize, back: usize) {
        if let Some((_, offset)) = &mut self.own {
            *offset += moved as u64;
        } else if back > 0 {
            // A file of positions goes back.
            let _ = self.file.seek(-(back as i64), linux::SEEK_CUR);
        }
    }

    fn finish(&self) -> Result<(), Errno> {
        self.own.map_or(Ok(()), |(pointer, offset)| user::write(pointer, &offset))
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
    let (to, from) = (file(frame, 0)?, file(frame, 1)?);
    to.writer()?;
    from.reader()?;
    // What came from a stream and finds no taker would be lost.
    let is_stream = from.file()?.seeking() == Seeking::Stream;
    if is_stream || from.inode().kind() == Kind::Directory {
        return Err(Errno::EINVAL);
    }
    if to.flags().has(linux::O_APPEND) {
        return Err(Errno::EINVAL);
    }
    let count = (frame.a(3) as usize).min(user::MOVE_MAX_BYTES);
    copy(Side::new(from, frame.a(2))?, Side::new(to, 0)?, count)
}

pub(super) fn copy_file_range(frame: &mut TrapFrame) -> Answer {
    let (from, to) = (file(frame, 0)?, file(frame, 2)?);
    to.writer()?;
    from.reader()?;
    if frame.a(5) != 0 {
        return Err(Errno::EINVAL);
    }
    for file in [&from, &to] {
        match file.inode().kind() {
            Kind::Regular => {}
            Kind::Directory => return Err(Errno::EISDIR),
            _ => return Err(Errno::EINVAL),
        }
    }
    if to.flags().has(linux::O_APPEND) {
        return Err(Errno::EBADF);
    }
    let count = (frame.a(4) as usize).min(user::MOVE_MAX_BYTES);
    let (from, to) = (Side::new(from, frame.a(1))?, Side::new(to, frame.a(3))?);
    if Arc::ptr_eq(from.file.inode(), to.file.inode()) && overlap(&from, &to, count)? {
        return Err(Errno::EINVAL);
    }
    if count == 0 {
        return Ok(0);
    }
    copy(from, to, count)
}

/// Whether two parts of one file overlap.
fn overlap(from: &Side, to: &Side, count: usize) -> Result<bool, Errno> {
    let start = |side: &Side| match side.own {
        Some((_, offset)) => Ok(offset),
        None => side.file.seek(0, linux::SEEK_CUR),
    };
    let (from, to) = (start(from)?, start(to)?);
    Ok(from.abs_diff(to) < count as u64)
}
