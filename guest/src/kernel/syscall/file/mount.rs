//! System calls that put file systems in place and take them away.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::fs::Kind;
use guest::fs::ext2::Access;
use guest::fs::path::PATH_MAX_BYTES;
use linux_raw_sys::general as linux;

use super::{Answer, locate, only};
use crate::arch::trap::TrapFrame;
use crate::fs::mount::{self, FileSystem, Unmount};
use crate::fs::names::{now, who};
use crate::fs::tmpfs::{Options, Tmpfs};
use crate::fs::{self, Place, ext2};
use crate::ipc;
use crate::mm::{memory, user};

/// Ways to share mounts, of which there is one here.
const PROPAGATION: u32 =
    linux::MS_SHARED | linux::MS_PRIVATE | linux::MS_SLAVE | linux::MS_UNBINDABLE;

/// A string that may be missing.
fn optional(at: u64) -> Result<Vec<u8>, Errno> {
    if at == 0 { Ok(Vec::new()) } else { user::read_string(at, PATH_MAX_BYTES) }
}

pub(super) fn mount(frame: &mut TrapFrame) -> Answer {
    let mut flags = frame.a(3) as u32;
    if flags & linux::MS_MGC_MSK == linux::MS_MGC_VAL {
        // As programs for old kernels have it.
        flags &= !linux::MS_MGC_MSK;
    }
    let (kind, source, options) =
        (optional(frame.a(2))?, optional(frame.a(0))?, optional(frame.a(4))?);
    let place = locate(linux::AT_FDCWD as u64, frame.a(1), 0)?;
    if !who().is_root() {
        return Err(Errno::EPERM);
    }
    if flags & linux::MS_REMOUNT != 0 {
        mount::remount(&place, flags)?;
        return Ok(0);
    }
    if flags & linux::MS_BIND != 0 {
        return bind(frame.a(0), place, flags);
    }
    if flags & PROPAGATION != 0 {
        return Ok(0);
    }
    if flags & linux::MS_MOVE != 0 || frame.a(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let system = match &kind[..] {
        b"ext2" if frame.a(0) == 0 => return Err(Errno::EINVAL),
        b"ext2" => disk_system(&source, flags)?,
        _ => file_system(&kind, &options)?,
    };
    let is_same = Arc::ptr_eq(&system.root(), &place.inode);
    let mounted = match place.inode.kind() {
        _ if is_same => Err(Errno::EBUSY),
        Kind::Directory => mount::mount(system.clone(), Some(place), &source, flags).map(|_| 0),
        _ => Err(Errno::ENOTDIR),
    };
    mounted.inspect_err(|_| system.unmounted())
}

/// Shows what another path leads to at a place, too. What is mounted below stays where it is, so
/// MS_REC is refused.
fn bind(from: u64, place: Place, flags: u32) -> Answer {
    if from == 0 || flags & linux::MS_REC != 0 {
        return Err(Errno::EINVAL);
    }
    let source = locate(linux::AT_FDCWD as u64, from, 0)?;
    let is_directory = |place: &Place| place.inode.kind() == Kind::Directory;
    if is_directory(&source) != is_directory(&place) {
        return Err(Errno::ENOTDIR);
    }
    mount::bind(&source, place)?;
    Ok(0)
}

/// The ext2 file system on the disk that a path leads to; ENOTBLK where it leads to no disk.
fn disk_system(source: &[u8], flags: u32) -> Result<Arc<dyn FileSystem>, Errno> {
    let inode = fs::locate_file(source)?;
    if inode.kind() != Kind::BlockDevice {
        return Err(Errno::ENOTBLK);
    }
    let read_only = flags & linux::MS_RDONLY != 0;
    let access = if read_only { Access::ReadOnly } else { Access::ReadWrite };
    Ok(Arc::new(ext2::mount(inode.stat().special, access)?))
}

/// A file system of this kind; ENODEV for others.
fn file_system(kind: &[u8], options: &[u8]) -> Result<Arc<dyn FileSystem>, Errno> {
    match kind {
        b"tmpfs" => Ok(Tmpfs::new(tmpfs_options(options)?, now())),
        b"ramfs" => {
            let options = tmpfs_options(options)?;
            Ok(Tmpfs::new(Options { kind: "ramfs", limit_pages: None, ..options }, now()))
        }
        b"devtmpfs" => Ok(fs::devices().ok_or(Errno::ENODEV)?),
        b"proc" => Ok(fs::proc_system()),
        b"mqueue" => Ok(ipc::mqueue::system()),
        _ => Err(Errno::ENODEV),
    }
}

/// What the options of a tmpfs say: `mode=` and `size=`; half of RAM, where they do not.
fn tmpfs_options(options: &[u8]) -> Result<Options, Errno> {
    const PERMISSIONS: u16 = 0o1777;
    let total = memory(|memory| memory.frames.total_frames());
    let (mut permissions, mut limit) = (PERMISSIONS, total / 2);
    for option in options.split(|byte| *byte == b',') {
        if let Some(mode) = option.strip_prefix(b"mode=") {
            let digits = core::str::from_utf8(mode).map_err(|_| Errno::EINVAL)?;
            permissions = u16::from_str_radix(digits, 8).map_err(|_| Errno::EINVAL)?;
        } else if let Some(size) = option.strip_prefix(b"size=") {
            limit = pages(size, total).ok_or(Errno::EINVAL)?;
        }
    }
    Ok(Options { kind: "tmpfs", permissions, limit_pages: Some(limit) })
}

/// A size in bytes, with `k`, `m` or `g` behind it, or in percent of `total` pages; in pages.
fn pages(size: &[u8], total: u64) -> Option<u64> {
    let digits = size.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, unit) = size.split_at(digits);
    let number: u64 = core::str::from_utf8(number).ok()?.parse().ok()?;
    let shift = match unit {
        b"" => 0,
        b"k" | b"K" => 10,
        b"m" | b"M" => 20,
        b"g" | b"G" => 30,
        b"%" => return Some(number.checked_mul(total)? / 100),
        _ => return None,
    };
    Some(number.checked_mul(1 << shift)?.div_ceil(PAGE_SIZE_BYTES))
}

pub(super) fn umount2(frame: &mut TrapFrame) -> Answer {
    let allowed = linux::MNT_FORCE | linux::MNT_DETACH | linux::MNT_EXPIRE | linux::UMOUNT_NOFOLLOW;
    let flags = only(frame.a(1), allowed)?;
    let link = flags & linux::UMOUNT_NOFOLLOW != 0;
    let how = if link { linux::AT_SYMLINK_NOFOLLOW } else { 0 };
    let place = locate(linux::AT_FDCWD as u64, frame.a(0), how)?;
    if !who().is_root() {
        return Err(Errno::EPERM);
    }
    let manner = match (flags & linux::MNT_EXPIRE != 0, flags & linux::MNT_DETACH != 0) {
        (true, false) if flags & linux::MNT_FORCE == 0 => Unmount::IfExpired,
        (true, _) => return Err(Errno::EINVAL),
        (false, true) => Unmount::Detach,
        (false, false) => Unmount::IfIdle,
    };
    mount::unmount(place, manner)?;
    Ok(0)
}
