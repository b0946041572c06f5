//! System calls that make, remove and change names, and those about the working directory.

use guest::errno::Errno;
use guest::fs::Kind;
use guest::fs::access::{PERMISSION_BITS, Wish};
use guest::fs::path::{Goal, Walked};
use guest::fs::tree::Manner;
use linux_raw_sys::general as linux;

use super::open::umask;
use super::{Answer, Start, file, locate, only, path};
use crate::arch::trap::TrapFrame;
use crate::fs::Place;
use crate::fs::inode::New;
use crate::fs::names::{actor, who};
use crate::mm::user;
use crate::task::current_process;

pub(super) fn getcwd(frame: &mut TrapFrame) -> Answer {
    let context = current_process().fs().lock().clone();
    let mut path = context.cwd();
    if path.ends_with(b" (deleted)") && context.current.inode.attributes().links == 0 {
        return Err(Errno::ENOENT);
    }
    path.push(0);
    if path.len() as u64 > frame.a(1) {
        return Err(Errno::ERANGE);
    }
    user::UserBuffer::new(frame.a(0), path.len())?.put(&path)?;
    Ok(path.len() as u64)
}

/// Makes a directory of the process its working directory, or its root.
fn enter(place: Place) -> Result<Place, Errno> {
    if place.inode.kind() != Kind::Directory {
        return Err(Errno::ENOTDIR);
    }
    place.check(&who(), Wish::EXECUTE)?;
    Ok(place)
}

fn set_current(place: Place) {
    let context = current_process().fs();
    // The old one is dropped with the lock free.
    let old = { core::mem::replace(&mut context.lock().current, place) };
    drop(old);
}

pub(super) fn chdir(frame: &mut TrapFrame) -> Answer {
    set_current(enter(locate(linux::AT_FDCWD as u64, frame.a(0), 0)?)?);
    Ok(0)
}

pub(super) fn fchdir(frame: &mut TrapFrame) -> Answer {
    set_current(enter(file(frame, 0)?.place().clone())?);
    Ok(0)
}

pub(super) fn chroot(frame: &mut TrapFrame) -> Answer {
    let place = enter(locate(linux::AT_FDCWD as u64, frame.a(0), 0)?)?;
    if !who().is_root() {
        return Err(Errno::EPERM);
    }
    let context = current_process().fs();
    let old = { core::mem::replace(&mut context.lock().root, place) };
    drop(old);
    Ok(0)
}

/// A name under which something new is to be made; EEXIST for what is there already.
fn free_name<'p>(start: &Start, path: &'p [u8]) -> Result<Walked<'p, Place>, Errno> {
    let walked = start.parent(path)?;
    if walked.name.is_empty() || walked.parent.inode.lookup(&walked.name).is_ok() {
        return Err(Errno::EEXIST);
    }
    walked.parent.check_writable()?;
    Ok(walked)
}

pub(super) fn mkdirat(frame: &mut TrapFrame) -> Answer {
    // What else than the sticky bit a mode has is for chmod.
    const ALLOWED: u16 = 0o1777;
    let path = path(frame, 1)?;
    let walked = free_name(&Start::at(frame.a(0), &path)?, &path)?;
    let permissions = frame.a(2) as u16 & ALLOWED & !umask();
    let new = New::Plain(Kind::Directory, permissions);
    walked.parent.inode.create(&walked.name, new, &actor())?;
    Ok(0)
}

pub(super) fn mknodat(frame: &mut TrapFrame) -> Answer {
    let path = path(frame, 1)?;
    let mode = frame.a(2) as u32;
    let permissions = mode as u16 & PERMISSION_BITS & !umask();
    let new = match Kind::of_mode(mode) {
        None if mode & linux::S_IFMT == 0 => New::Plain(Kind::Regular, permissions),
        Some(Kind::Directory) => return Err(Errno::EPERM),
        Some(kind @ (Kind::Regular | Kind::Fifo | Kind::Socket)) => New::Plain(kind, permissions),
        Some(kind @ (Kind::CharDevice | Kind::BlockDevice)) => {
            if !who().is_root() {
                return Err(Errno::EPERM);
            }
            New::Device(kind, permissions, frame.a(3) & 0xffff_ffff)
        }
        _ => return Err(Errno::EINVAL),
    };
    make_no_directory(&Start::at(frame.a(0), &path)?, &path, new)
}

/// Makes something that may not have slashes behind its name.
fn make_no_directory(start: &Start, path: &[u8], new: New<'_>) -> Answer {
    let walked = free_name(start, path)?;
    if walked.slashes {
        return Err(Errno::ENOENT);
    }
    walked.parent.inode.create(&walked.name, new, &actor())?;
    Ok(0)
}

pub(super) fn symlinkat(frame: &mut TrapFrame) -> Answer {
    let (target, path) = (path(frame, 0)?, path(frame, 2)?);
    if target.is_empty() {
        return Err(Errno::ENOENT);
    }
    make_no_directory(&Start::at(frame.a(1), &path)?, &path, New::Link(&target))
}

pub(super) fn linkat(frame: &mut TrapFrame) -> Answer {
    let flags = only(frame.a(4), linux::AT_SYMLINK_FOLLOW | linux::AT_EMPTY_PATH)?;
    let follow = flags & linux::AT_SYMLINK_FOLLOW != 0;
    let how = flags & linux::AT_EMPTY_PATH | if follow { 0 } else { linux::AT_SYMLINK_NOFOLLOW };
    let old = locate(frame.a(0), frame.a(1), how)?;
    let path = path(frame, 3)?;
    let walked = free_name(&Start::at(frame.a(2), &path)?, &path)?;
    if walked.slashes {
        return Err(Errno::ENOENT);
    }
    old.check_same_mount(&walked.parent)?;
    walked.parent.inode.link(&walked.name, old.inode, &actor())?;
    Ok(0)
}

pub(super) fn unlinkat(frame: &mut TrapFrame) -> Answer {
    let path = path(frame, 1)?;
    let flags = only(frame.a(2), linux::AT_REMOVEDIR)?;
    let directory = flags & linux::AT_REMOVEDIR != 0;
    let walked = Start::at(frame.a(0), &path)?.parent(&path)?;
    if walked.name.is_empty() {
        return Err(last_is_no_name(&path, directory));
    }
    walked.parent.check_writable()?;
    walked.parent.check_uncovered(&walked.name)?;
    let parent = &walked.parent.inode;
    if directory {
        parent.remove_directory(&walked.name, &actor())?;
    } else {
        if walked.slashes {
            let kind = parent.lookup(&walked.name)?.kind();
            let is_directory = kind == Kind::Directory;
            return Err(if is_directory { Errno::EISDIR } else { Errno::ENOTDIR });
        }
        parent.unlink(&walked.name, &actor())?;
    }
    Ok(0)
}

/// Why a path that ends in `.`, `..` or at the root cannot be removed.
fn last_is_no_name(path: &[u8], directory: bool) -> Errno {
    let trimmed = path.trim_ascii_end();
    let last = trimmed.rsplit(|byte| *byte == b'/').find(|part| !part.is_empty());
    match last {
        _ if !directory => Errno::EISDIR,
        Some(b".") => Errno::EINVAL,
        Some(b"..") => Errno::ENOTEMPTY,
        _ => Errno::EBUSY,
    }
}

pub(super) fn renameat2(frame: &mut TrapFrame) -> Answer {
    let (old_path, new_path) = (path(frame, 1)?, path(frame, 3)?);
    let manner = match frame.a(4) as u32 {
        0 => Manner::Replace,
        linux::RENAME_NOREPLACE => Manner::NoReplace,
        linux::RENAME_EXCHANGE => Manner::Exchange,
        _ => return Err(Errno::EINVAL),
    };
    let (from_start, to_start) =
        (Start::at(frame.a(0), &old_path)?, Start::at(frame.a(2), &new_path)?);
    let (from, to) = (from_start.parent(&old_path)?, to_start.parent(&new_path)?);
    from.parent.check_same_mount(&to.parent)?;
    if from.name.is_empty() || to.name.is_empty() {
        return Err(Errno::EBUSY);
    }
    from.parent.check_writable()?;
    let old = from_start.go(&old_path, Goal::Entry)?;
    if let (Some(place), true) = (&old.place, from.slashes || to.slashes)
        && place.inode.kind() != Kind::Directory
    {
        return Err(Errno::ENOTDIR);
    }
    from.parent.check_uncovered(&from.name)?;
    to.parent.check_uncovered(&to.name)?;
    let into = (to.parent.inode.clone(), &to.name[..]);
    from.parent.inode.rename(&from.name, into, manner, &actor())?;
    Ok(0)
}
