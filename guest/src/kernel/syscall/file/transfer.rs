//! System calls that move bytes between files and the caller: read, write and their kin, getdents64;
//! and lseek.

use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::copy::{BOUNCE_BYTES, bounce};
use super::{Answer, file};
use crate::arch::trap::TrapFrame;
use crate::fs::buffer::Buffer;
use crate::fs::inode::{Flags, Seeking};
use crate::fs::pipe::Pipe;
use crate::fs::{OpenFile, listing};
use crate::mm::user::UserBuffer;

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

/// Flags of preadv2 and pwritev2 that there are.
const RWF_HIPRI: u32 = 1;
const RWF_DSYNC: u32 = 1 << 1;
const RWF_SYNC: u32 = 1 << 2;
const RWF_NOWAIT: u32 = 1 << 3;
const RWF_APPEND: u32 = 1 << 4;
const RWF_NOAPPEND: u32 = 1 << 5;

/// How a file is open for one transfer with these flags.
fn flags_with(open: &OpenFile, wish: u32) -> Result<Flags, Errno> {
    let known = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND | RWF_NOAPPEND;
    if wish & !known != 0 {
        return Err(Errno::EOPNOTSUPP);
    }
    let has = |flag| wish & flag != 0;
    if has(RWF_APPEND) && has(RWF_NOAPPEND) {
        return Err(Errno::EINVAL);
    }
    // Only pipes know beforehand whether they would wait.
    if has(RWF_NOWAIT) && Pipe::of(open).is_none() {
        return Err(Errno::EOPNOTSUPP);
    }
    let mut flags = open.flags().0;
    for (wished, flag) in [
        (RWF_DSYNC, linux::O_DSYNC),
        (RWF_SYNC, linux::O_SYNC),
        (RWF_NOWAIT, linux::O_NONBLOCK),
        (RWF_APPEND, linux::O_APPEND),
    ] {
        flags |= if has(wished) { flag } else { 0 };
    }
    Ok(Flags(if has(RWF_NOAPPEND) { flags & !linux::O_APPEND } else { flags }))
}

/// The position that stands for the file's own.
const OWN_POSITION: u64 = u64::MAX;

pub(super) fn preadv2(frame: &mut TrapFrame) -> Answer {
    let file = file(frame, 0)?;
    if frame.a(3) != OWN_POSITION && file.file()?.seeking() == Seeking::Stream {
        return Err(Errno::ESPIPE);
    }
    let (does, _) = file.reader()?;
    let mut buffer = vector(frame)?;
    if buffer.remaining() == 0 {
        return Ok(0);
    }
    let flags = flags_with(&file, frame.a(5) as u32)?;
    let read = match frame.a(3) {
        OWN_POSITION => file.read_as((does, flags), &mut buffer)?,
        _ => does.read(&mut position(frame, &buffer)?, &mut buffer, flags)?,
    };
    Ok(read as u64)
}

pub(super) fn pwritev2(frame: &mut TrapFrame) -> Answer {
    let file = file(frame, 0)?;
    if frame.a(3) != OWN_POSITION && file.file()?.seeking() == Seeking::Stream {
        return Err(Errno::ESPIPE);
    }
    let (does, _) = file.writer()?;
    let mut buffer = vector(frame)?;
    if buffer.remaining() == 0 {
        return Ok(0);
    }
    let flags = flags_with(&file, frame.a(5) as u32)?;
    let written = match frame.a(3) {
        OWN_POSITION => file.write_as((does, flags), &mut buffer)?,
        _ => file.pwrite_as((does, flags), position(frame, &buffer)?, &mut buffer)?,
    };
    Ok(written as u64)
}

pub(super) fn lseek(frame: &mut TrapFrame) -> Answer {
    file(frame, 0)?.seek(frame.a(1) as i64, frame.a(2) as u32)
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
