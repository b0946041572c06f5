//! splice, tee and vmsplice: bytes between pipes and whatever else, which need not pass through the
//! caller's memory. What pipes do for them is `fs/pipe/splice.rs`'s.

use guest::errno::Errno;
use guest::fs::Kind;
use linux_raw_sys::general as linux;

use super::copy::{BOUNCE_BYTES, Offset, Side, bounce};
use super::{Answer, file};
use crate::arch::trap::TrapFrame;
use crate::fs::OpenFile;
use crate::fs::buffer::{Buffer, moved_or};
use crate::fs::inode::{File, Flags, Seeking};
use crate::fs::pipe::{Pipe, Transit};
use crate::mm::user::{MOVE_MAX_BYTES, UserBuffer};

/// Flags of all three. That pages are moved or given away, and that more is to come, are hints.
const KNOWN: u32 =
    linux::SPLICE_F_MOVE | linux::SPLICE_F_NONBLOCK | linux::SPLICE_F_MORE | linux::SPLICE_F_GIFT;

/// How a pipe is waited for, as the call's flags and the files say.
fn patience(flags: u32, files: &[&OpenFile]) -> Result<Flags, Errno> {
    if flags & !KNOWN != 0 {
        return Err(Errno::EINVAL);
    }
    let hurried = flags & linux::SPLICE_F_NONBLOCK != 0;
    let hurried = hurried || files.iter().any(|file| file.flags().nonblocking());
    Ok(Flags(if hurried { linux::O_NONBLOCK } else { 0 }))
}

pub(super) fn splice(frame: &mut TrapFrame) -> Answer {
    let (count, flags) = (frame.a(4) as usize, frame.a(5) as u32);
    if count == 0 {
        return Ok(0);
    }
    patience(flags, &[])?;
    let (from, to) = (file(frame, 0)?, file(frame, 2)?);
    let pipes = (Pipe::of(&from), Pipe::of(&to));
    if pipes.0.is_some() && frame.a(1) != 0 || pipes.1.is_some() && frame.a(3) != 0 {
        return Err(Errno::ESPIPE);
    }
    let (to_at, from_at) = (Offset::read(frame.a(3))?, Offset::read(frame.a(1))?);
    from.reader()?;
    to.writer()?;
    let passed = match pipes {
        (Some(source), Some(target)) if core::ptr::eq(source, target) => Err(Errno::EINVAL),
        (Some(source), Some(target)) => {
            source.pass(target, count, patience(flags, &[&from, &to])?, Transit::Move)
        }
        (Some(source), None) => {
            let patience = patience(flags, &[&from])?;
            from_pipe(source, Side::new(to.clone(), to_at), count.min(MOVE_MAX_BYTES), patience)
        }
        (None, Some(target)) => {
            let patience = patience(flags, &[&to])?;
            to_pipe(Side::new(from.clone(), from_at), target, count.min(MOVE_MAX_BYTES), patience)
        }
        (None, None) => Err(Errno::EINVAL),
    };
    passed.map(|passed| passed as u64)
}

/// From a pipe to a file.
fn from_pipe(source: &Pipe, mut to: Side, count: usize, flags: Flags) -> Result<usize, Errno> {
    if to.file.flags().has(linux::O_APPEND) {
        return Err(Errno::EINVAL);
    }
    to.check(count)?;
    let mut part = bounce(BOUNCE_BYTES.min(count))?;
    let passed = source.drain(count, flags, &mut part, |part| {
        let written = to.write(part)?;
        to.advance(written, 0);
        Ok(written)
    });
    to.finish()?;
    passed
}

/// From a file to a pipe, as much as there is room for.
fn to_pipe(mut from: Side, target: &Pipe, count: usize, flags: Flags) -> Result<usize, Errno> {
    from.check(count)?;
    if from.file.inode().kind() == Kind::Directory {
        return Err(Errno::EINVAL);
    }
    let count = count.min(target.room(flags)?);
    let passed = fill(&mut from, target, count, flags);
    if !passed.is_ok_and(|count| count > 0) {
        target.leave_room();
    }
    from.finish()?;
    passed
}

/// The same of so many bytes. What a stream has given is written, whatever others have done to the
/// pipe meanwhile; files of positions go back.
fn fill(from: &mut Side, target: &Pipe, count: usize, flags: Flags) -> Result<usize, Errno> {
    let is_stream = from.file.file()?.seeking() == Seeking::Stream;
    let mut part = bounce(BOUNCE_BYTES.min(count))?;
    let mut done = 0;
    while done < count {
        let wanted = part.len().min(count - done);
        let read = match from.read(&mut part[..wanted]) {
            Ok(0) => break,
            Ok(read) => read,
            Err(errno) => return moved_or(done, errno),
        };
        let mut rest = Buffer::From(&part[..read]);
        let outcome = if is_stream {
            File::write(target, &mut 0, &mut rest, Flags(linux::O_WRONLY))
        } else {
            let hurried = if done > 0 { Flags(linux::O_NONBLOCK) } else { flags };
            target.fill(&mut rest, hurried)
        };
        let written = read - rest.remaining();
        from.advance(written, rest.remaining());
        done += written;
        if let Err(errno) = outcome {
            return moved_or(done, errno);
        }
        if is_stream || written < read {
            break;
        }
    }
    Ok(done)
}

pub(super) fn tee(frame: &mut TrapFrame) -> Answer {
    let (count, flags) = (frame.a(2) as usize, frame.a(3) as u32);
    patience(flags, &[])?;
    if count == 0 {
        return Ok(0);
    }
    let (from, to) = (file(frame, 0)?, file(frame, 1)?);
    from.reader()?;
    to.writer()?;
    let (Some(source), Some(target)) = (Pipe::of(&from), Pipe::of(&to)) else {
        return Err(Errno::EINVAL);
    };
    if core::ptr::eq(source, target) {
        return Err(Errno::EINVAL);
    }
    let patience = patience(flags, &[&from, &to])?;
    source.pass(target, count, patience, Transit::Copy).map(|passed| passed as u64)
}

/// Bytes of the caller into a pipe, or from there. They are copied: unlike on Linux, what becomes
/// of the memory later is of no concern.
pub(super) fn vmsplice(frame: &mut TrapFrame) -> Answer {
    let flags = patience(frame.a(3) as u32, &[])?;
    let open = file(frame, 0)?;
    let writes = open.flags().writes();
    if !writes {
        open.reader()?;
    }
    let mut buffer = Buffer::User(UserBuffer::from_iovec(frame.a(1), frame.a(2) as usize)?);
    if buffer.remaining() == 0 {
        return Ok(0);
    }
    let pipe = Pipe::of(&open).ok_or(Errno::EBADF)?;
    let moved =
        if writes { pipe.fill(&mut buffer, flags) } else { pipe.read(&mut 0, &mut buffer, flags) };
    moved.map(|moved| moved as u64)
}
