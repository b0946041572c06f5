//! System calls that tell of files: stat and its kin, statfs, access, readlink.

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::access::Wish;
use guest::fs::layout::{STAT_BYTES, STATFS_BYTES, STATX_BYTES, Statfs};
use guest::fs::{Identity, Kind};
use linux_raw_sys::general as linux;

use super::{Answer, Start, file, locate, locate_as, only, path};
use crate::arch::trap::TrapFrame;
use crate::fs::Place;
use crate::fs::names::who;
use crate::mm::user;
use crate::task::current_process;
use guest::fs::path::Goal;

pub(super) fn fstat(frame: &mut TrapFrame) -> Answer {
    let stat = file(frame, 0)?.inode().stat().to_stat();
    user::write::<[u8; STAT_BYTES]>(frame.a(1), &stat)?;
    Ok(0)
}

/// Flags of calls that look at a file.
const LOOKING: u32 = linux::AT_SYMLINK_NOFOLLOW | linux::AT_NO_AUTOMOUNT | linux::AT_EMPTY_PATH;

pub(super) fn newfstatat(frame: &mut TrapFrame) -> Answer {
    let flags = only(frame.a(3), LOOKING)?;
    let stat = locate(frame.a(0), frame.a(1), flags)?.inode.stat().to_stat();
    user::write::<[u8; STAT_BYTES]>(frame.a(2), &stat)?;
    Ok(0)
}

pub(super) fn statx(frame: &mut TrapFrame) -> Answer {
    const MASK_RESERVED: u32 = 1 << 31;
    let flags = only(frame.a(2), LOOKING | linux::AT_STATX_SYNC_TYPE)?;
    if frame.a(3) as u32 & MASK_RESERVED != 0
        || flags & linux::AT_STATX_SYNC_TYPE == linux::AT_STATX_SYNC_TYPE
    {
        return Err(Errno::EINVAL);
    }
    let stat = locate(frame.a(0), frame.a(1), flags)?.inode.stat().to_statx();
    user::write::<[u8; STATX_BYTES]>(frame.a(4), &stat)?;
    Ok(0)
}

/// What there is to tell of the file system that a place is in.
fn statfs_of(place: &Place) -> [u8; STATFS_BYTES] {
    /// Of Linux's `PIPEFS_MAGIC`.
    const PIPES_MAGIC: u64 = 0x5049_5045;
    let statfs = match &place.mount {
        Some(mount) => mount.statfs(),
        None => Statfs {
            magic: PIPES_MAGIC,
            block_bytes: PAGE_SIZE_BYTES,
            blocks: 0,
            blocks_free: 0,
            device: place.inode.device(),
            flags: 0,
        },
    };
    statfs.to_bytes()
}

pub(super) fn statfs(frame: &mut TrapFrame) -> Answer {
    let place = locate(linux::AT_FDCWD as u64, frame.a(0), 0)?;
    user::write::<[u8; STATFS_BYTES]>(frame.a(1), &statfs_of(&place))?;
    Ok(0)
}

pub(super) fn fstatfs(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    user::write::<[u8; STATFS_BYTES]>(frame.a(1), &statfs_of(open.place()))?;
    Ok(0)
}

pub(super) fn faccessat(frame: &mut TrapFrame) -> Answer {
    access(frame, 0)
}

pub(super) fn faccessat2(frame: &mut TrapFrame) -> Answer {
    let allowed = linux::AT_EACCESS | linux::AT_SYMLINK_NOFOLLOW | linux::AT_EMPTY_PATH;
    let flags = only(frame.a(3), allowed)?;
    access(frame, flags)
}

fn access(frame: &TrapFrame, flags: u32) -> Answer {
    const ALL: u64 = 7;
    let wish = frame.a(2);
    if wish & !ALL != 0 {
        return Err(Errno::EINVAL);
    }
    let who = match flags & linux::AT_EACCESS {
        0 => {
            let (credentials, groups) = current_process().identity();
            Identity { uid: credentials.uid, gid: credentials.gid, groups }
        }
        _ => who(),
    };
    let place = locate_as(frame.a(0), frame.a(1), flags, who.clone())?;
    let runs_nothing = place.mount.as_ref().is_some_and(|mount| mount.has(linux::MS_NOEXEC));
    let runs = wish as u8 & Wish::EXECUTE.0 != 0 && place.inode.kind() == Kind::Regular;
    if runs && runs_nothing {
        return Err(Errno::EACCES);
    }
    place.check(&who, Wish(wish as u8))?;
    Ok(0)
}

pub(super) fn readlinkat(frame: &mut TrapFrame) -> Answer {
    let path = path(frame, 1)?;
    let size = frame.a(3) as i32;
    if size <= 0 {
        return Err(Errno::EINVAL);
    }
    let start = Start::at(frame.a(0), &path)?;
    let place = match &path[..] {
        b"" => start.place,
        path => start.go(path, Goal::Entry)?.found()?,
    };
    if place.inode.kind() != Kind::Symlink {
        return Err(if path.is_empty() { Errno::ENOENT } else { Errno::EINVAL });
    }
    let text = place.inode.read_link()?;
    let count = text.len().min(size as usize);
    user::UserBuffer::new(frame.a(2), count)?.put(&text[..count])?;
    Ok(count as u64)
}
