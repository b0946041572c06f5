//! System calls that change files: size, permissions, owners, times; and those that make
//! changes survive.

use guest::errno::Errno;
use guest::fs::Kind;
use guest::fs::access::{Change, PERMISSION_BITS, Stamp, Wish};
use guest::fs::layout::{self, TIMESPEC_BYTES};
use linux_raw_sys::general as linux;

use super::copy::{BOUNCE_BYTES, bounce};
use super::{Answer, file, locate, only};
use crate::arch::trap::TrapFrame;
use crate::block;
use crate::fs::inode::{Allocation, Seeking};
use crate::fs::names::{actor, who};
use crate::fs::{OpenFile, Place, ext2, size_limit};
use crate::mm::user;

/// A size or position that is not negative.
fn position(value: u64) -> Result<u64, Errno> {
    if value as i64 >= 0 { Ok(value) } else { Err(Errno::EINVAL) }
}

pub(super) fn truncate(frame: &mut TrapFrame) -> Answer {
    let size = position(frame.a(1))?;
    let place = locate(linux::AT_FDCWD as u64, frame.a(0), 0)?;
    match place.inode.kind() {
        Kind::Regular => {}
        Kind::Directory => return Err(Errno::EISDIR),
        _ => return Err(Errno::EINVAL),
    }
    place.check(&who(), Wish::WRITE)?;
    size_limit::check(&*place.inode, size)?;
    place.inode.truncate(size)?;
    Ok(0)
}

pub(super) fn ftruncate(frame: &mut TrapFrame) -> Answer {
    let size = position(frame.a(1))?;
    let open = file(frame, 0)?;
    open.file()?;
    if !open.flags().writes() || open.inode().kind() != Kind::Regular {
        return Err(Errno::EINVAL);
    }
    size_limit::check(&**open.inode(), size)?;
    open.inode().truncate(size)?;
    Ok(0)
}

pub(super) fn fallocate(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    let (start, length) = (position(frame.a(2))?, position(frame.a(3))?);
    if length == 0 {
        return Err(Errno::EINVAL);
    }
    let mode = frame.a(1) as u32;
    let keeps_size = mode & linux::FALLOC_FL_KEEP_SIZE != 0;
    let how = match (mode & !linux::FALLOC_FL_KEEP_SIZE, keeps_size) {
        (0, false) => Some(Allocation::Grow),
        (0, true) => Some(Allocation::KeepSize),
        (linux::FALLOC_FL_PUNCH_HOLE, true) => Some(Allocation::Punch),
        // No file system here has these, as Linux's tmpfs has not; what else is wrong comes first.
        (linux::FALLOC_FL_ZERO_RANGE | linux::FALLOC_FL_UNSHARE_RANGE, _)
        | (linux::FALLOC_FL_COLLAPSE_RANGE | linux::FALLOC_FL_INSERT_RANGE, false) => None,
        _ => return Err(Errno::EOPNOTSUPP),
    };
    let (does, _) = open.writer()?;
    match open.inode().kind() {
        Kind::Fifo => return Err(Errno::ESPIPE),
        Kind::Directory => return Err(Errno::EISDIR),
        _ => {}
    }
    let end = start.checked_add(length).filter(|end| i64::try_from(*end).is_ok());
    let (end, how) = (end.ok_or(Errno::EFBIG)?, how.ok_or(Errno::EOPNOTSUPP)?);
    if how != Allocation::Punch {
        // As Linux's tmpfs does, whether the size is kept or not.
        size_limit::check(&**open.inode(), end)?;
    }
    does.allocate(start, end, how)?;
    Ok(0)
}

fn change(place: &Place, change: Change) -> Answer {
    place.check_writable()?;
    place.inode.change(change, &actor())?;
    Ok(0)
}

pub(super) fn fchmod(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    open.file()?;
    change(open.place(), Change::Permissions(frame.a(1) as u16 & PERMISSION_BITS))
}

pub(super) fn fchmodat(frame: &mut TrapFrame) -> Answer {
    let place = locate(frame.a(0), frame.a(1), 0)?;
    change(&place, Change::Permissions(frame.a(2) as u16 & PERMISSION_BITS))
}

/// A user and a group as chown takes them: -1 leaves what is there.
fn owner(uid: u64, gid: u64) -> Change {
    let wanted = |id: u64| Some(id as u32).filter(|id| *id != u32::MAX);
    Change::Owner { uid: wanted(uid), gid: wanted(gid) }
}

pub(super) fn fchown(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    open.file()?;
    change(open.place(), owner(frame.a(1), frame.a(2)))
}

pub(super) fn fchownat(frame: &mut TrapFrame) -> Answer {
    let flags = only(frame.a(4), linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH)?;
    let place = locate(frame.a(0), frame.a(1), flags)?;
    change(&place, owner(frame.a(2), frame.a(3)))
}

pub(super) fn utimensat(frame: &mut TrapFrame) -> Answer {
    let flags = only(frame.a(3), linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH)?;
    let (accessed, modified) = match frame.a(2) {
        0 => (Stamp::Now, Stamp::Now),
        times => {
            let [accessed, modified]: [[u8; TIMESPEC_BYTES]; 2] = user::read(times)?;
            (layout::stamp(accessed)?, layout::stamp(modified)?)
        }
    };
    let wanted = Change::Times { accessed, modified };
    if frame.a(1) == 0 && frame.a(0) as i32 != linux::AT_FDCWD {
        let open = file(frame, 0)?;
        return change(open.place(), wanted);
    }
    change(&locate(frame.a(0), frame.a(1), flags)?, wanted)
}

pub(super) fn sync(_frame: &mut TrapFrame) -> Answer {
    ext2::sync_all();
    block::disks().iter().for_each(|disk| {
        // Nobody could be told that it has failed.
        let _ = block::flush(&**disk);
    });
    Ok(0)
}

pub(super) fn fsync(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    let file = open.file()?;
    match open.inode().kind() {
        Kind::Fifo | Kind::CharDevice => Err(Errno::EINVAL),
        _ if file.seeking() == Seeking::Stream => Err(Errno::EINVAL),
        Kind::Directory => sync_system(&open),
        _ => file.sync().map(|()| 0),
    }
}

pub(super) fn syncfs(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    sync_system(&open)
}

/// Makes all that was written to the file system of a file survive.
fn sync_system(open: &OpenFile) -> Answer {
    open.place().mount.as_ref().map_or(Ok(()), |mount| mount.sync())?;
    Ok(0)
}

pub(super) fn fadvise64(frame: &mut TrapFrame) -> Answer {
    const HIGHEST_ADVICE: u64 = 5;
    let open = file(frame, 0)?;
    if open.file()?.seeking() == Seeking::Stream {
        return Err(Errno::ESPIPE);
    }
    position(frame.a(2))?;
    if frame.a(3) > HIGHEST_ADVICE { Err(Errno::EINVAL) } else { Ok(0) }
}

/// Brings content into memory that is going to be read.
pub(super) fn readahead(frame: &mut TrapFrame) -> Answer {
    /// More is not read at once, as on Linux.
    const AHEAD_MAX_BYTES: u64 = 2 << 20;
    let open = file(frame, 0)?;
    open.reader()?;
    if open.inode().kind() != Kind::Regular {
        return Err(Errno::EINVAL);
    }
    let (start, count) = (frame.a(1), position(frame.a(2))?);
    let end = start.saturating_add(count.min(AHEAD_MAX_BYTES)).min(open.size());
    let mut part = bounce(BOUNCE_BYTES)?;
    let mut at = start;
    while at < end {
        // It is a hint: whoever reads is told what is wrong.
        if !open.read_at(at, &mut part).is_ok_and(|read| read > 0) {
            break;
        }
        at += BOUNCE_BYTES as u64;
    }
    Ok(0)
}

/// Writes part of a file, or, which is allowed, more of it.
pub(super) fn sync_file_range(frame: &mut TrapFrame) -> Answer {
    let writes = linux::SYNC_FILE_RANGE_WRITE;
    let waits = linux::SYNC_FILE_RANGE_WAIT_BEFORE | linux::SYNC_FILE_RANGE_WAIT_AFTER;
    let open = file(frame, 0)?;
    let does = open.file()?;
    let flags = only(frame.a(3), writes | waits)?;
    let (start, count) = (position(frame.a(1))?, position(frame.a(2))?);
    position(start.wrapping_add(count))?;
    match open.inode().kind() {
        Kind::Regular if flags != 0 => does.sync().map(|()| 0),
        Kind::Regular | Kind::BlockDevice | Kind::Directory | Kind::Symlink => Ok(0),
        _ => Err(Errno::ESPIPE),
    }
}
