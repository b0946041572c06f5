//! System calls about descriptors and open files: dup, fcntl, ioctl, flock.

use guest::errno::Errno;
use guest::fs::Kind;
use guest::fs::records::{Lock, Record, Span};
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl as requests;

use super::{Answer, descriptor_limit, file, install, only};
use crate::arch::trap::TrapFrame;
use crate::fs::locks::{self, Patience};
use crate::fs::{AtExec, OpenFile, on_disk};
use crate::mm::user;
use crate::task::current_process;

pub(super) fn dup(frame: &mut TrapFrame) -> Answer {
    install(file(frame, 0)?, 0)
}

pub(super) fn dup3(frame: &mut TrapFrame) -> Answer {
    let (old, new) = (frame.a(0) as u32, frame.a(1) as u32);
    let flags = only(frame.a(2), linux::O_CLOEXEC)?;
    if old == new {
        return Err(Errno::EINVAL);
    }
    let limit = descriptor_limit();
    let files = current_process().files();
    let replaced = {
        let mut files = files.lock();
        let file = files.get(old)?;
        files.replace(new, file, AtExec::of(flags), limit)?
    };
    replaced.iter().for_each(|file| file.descriptor_closed());
    drop(replaced);
    Ok(u64::from(new))
}

pub(super) fn fcntl(frame: &mut TrapFrame) -> Answer {
    let (fd, command, argument) = (frame.a(0) as u32, frame.a(1) as u32, frame.a(2));
    let open = file(frame, 0)?;
    let files = current_process().files();
    if open.flags().is_path() && !WITH_ONLY_A_NAME.contains(&command) {
        return Err(Errno::EBADF);
    }
    match command {
        linux::F_DUPFD | linux::F_DUPFD_CLOEXEC => {
            let close = command == linux::F_DUPFD_CLOEXEC;
            let at_exec = if close { AtExec::Close } else { AtExec::Keep };
            let from = u32::try_from(argument).map_err(|_| Errno::EINVAL)?;
            let limit = descriptor_limit();
            if u64::from(from) >= limit {
                return Err(Errno::EINVAL);
            }
            let inserted = { files.lock().insert(open.clone(), at_exec, from, limit) };
            inserted.map(u64::from)
        }
        linux::F_GETFD => {
            let close = files.lock().at_exec(fd)? == AtExec::Close;
            Ok(if close { u64::from(linux::FD_CLOEXEC) } else { 0 })
        }
        linux::F_SETFD => {
            let close = argument as u32 & linux::FD_CLOEXEC != 0;
            let at_exec = if close { AtExec::Close } else { AtExec::Keep };
            files.lock().set_at_exec(fd, at_exec)?;
            Ok(0)
        }
        linux::F_GETFL => Ok(u64::from(open.flags().0)),
        linux::F_SETFL => {
            open.set_flags(argument as u32);
            Ok(0)
        }
        linux::F_GETPIPE_SZ => open.file()?.pipe_size(None),
        linux::F_SETPIPE_SZ => {
            let bytes = usize::try_from(argument as i32).map_err(|_| Errno::EINVAL)?;
            open.file()?.pipe_size(Some(bytes))
        }
        linux::F_GET_SEALS => {
            let seals = open.file()?.seals().ok_or(Errno::EINVAL)?;
            Ok(u64::from(seals.bits()))
        }
        linux::F_ADD_SEALS if !open.flags().writes() => Err(Errno::EPERM),
        linux::F_ADD_SEALS => open.file()?.add_seals(argument as u32).map(|()| 0),
        // Nobody is told of input by a signal.
        linux::F_GETOWN | linux::F_SETOWN => Ok(0),
        linux::F_GETLK | linux::F_SETLK | linux::F_SETLKW => lock_part(&open, command, argument),
        _ => Err(Errno::EINVAL),
    }
}

/// `struct flock` as words: type and whence, start, length, process.
type Flock = [u64; 4];

/// The commands of fcntl for locks on parts of files.
fn lock_part(open: &OpenFile, command: u32, argument: u64) -> Answer {
    let mut words: Flock = user::read(argument)?;
    let (kind, whence) = (words[0] as u16, (words[0] >> 16) as u16);
    let base = match u32::from(whence) {
        linux::SEEK_SET => 0,
        linux::SEEK_CUR => *open.position().lock() as i64,
        linux::SEEK_END => open.size() as i64,
        _ => return Err(Errno::EINVAL),
    };
    let start = base.checked_add(words[1] as i64).ok_or(Errno::EOVERFLOW)?;
    let span = Span::new(start, words[2] as i64).ok_or(Errno::EINVAL)?;
    let owner = current_process().pid;
    let (lock, allowed) = match u32::from(kind) {
        linux::F_RDLCK => (Lock::Shared, open.flags().reads()),
        linux::F_WRLCK => (Lock::Exclusive, open.flags().writes()),
        linux::F_UNLCK if command != linux::F_GETLK => {
            locks::unlock_part(open, owner, span);
            return Ok(0);
        }
        _ => return Err(Errno::EINVAL),
    };
    let wanted = Record { owner, span, lock };
    if command == linux::F_GETLK {
        match locks::conflict(open, wanted) {
            None => words[0] = words[0] & !0xffff | u64::from(linux::F_UNLCK),
            Some(found) => {
                let kind = match found.lock {
                    Lock::Shared => linux::F_RDLCK,
                    Lock::Exclusive => linux::F_WRLCK,
                };
                let (start, length) = found.span.parts();
                let from_start = u64::from(linux::SEEK_SET) << 16;
                words =
                    [u64::from(kind) | from_start, start as u64, length as u64, found.owner.into()];
            }
        }
        user::write::<Flock>(argument, &words)?;
        return Ok(0);
    }
    if !allowed {
        return Err(Errno::EBADF);
    }
    let wait = command == linux::F_SETLKW;
    locks::lock_part(open, wanted, if wait { Patience::Wait } else { Patience::Try })?;
    Ok(0)
}

/// Commands of fcntl for files that are open with O_PATH.
const WITH_ONLY_A_NAME: [u32; 5] =
    [linux::F_DUPFD, linux::F_DUPFD_CLOEXEC, linux::F_GETFD, linux::F_SETFD, linux::F_GETFL];

pub(super) fn ioctl(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    let (fd, request, argument) = (frame.a(0) as u32, frame.a(1) as u32, frame.a(2));
    let does = open.file()?;
    match request {
        requests::FIOCLEX | requests::FIONCLEX => {
            let at_exec = match request {
                requests::FIOCLEX => AtExec::Close,
                _ => AtExec::Keep,
            };
            current_process().files().lock().set_at_exec(fd, at_exec)?;
            Ok(0)
        }
        requests::FIONBIO => {
            let on: i32 = user::read(argument)?;
            let others = open.flags().0 & !linux::O_NONBLOCK;
            open.set_flags(others | if on == 0 { 0 } else { linux::O_NONBLOCK });
            Ok(0)
        }
        on_disk::FIBMAP if open.inode().kind() == Kind::Regular => {
            on_disk::block_of(&**open.inode(), argument)
        }
        on_disk::FIGETBSZ => {
            user::write(argument, &open.inode().stat().block_bytes)?;
            Ok(0)
        }
        on_disk::FIEMAP => on_disk::extents(&**open.inode(), argument),
        requests::FIONREAD if open.inode().kind() == Kind::Regular => {
            let left = open.size().saturating_sub(*open.position().lock());
            user::write(argument, &(left.min(i32::MAX as u64) as i32))?;
            Ok(0)
        }
        _ => does.ioctl(request, argument, open.flags()),
    }
}

/// LOCK_MAND: a kind of lock that Linux has given up, and grants without doing anything.
const LOCK_MANDATORY: u32 = 32;

pub(super) fn flock(frame: &mut TrapFrame) -> Answer {
    let open = file(frame, 0)?;
    open.file()?;
    let operation = frame.a(1) as u32;
    if operation & LOCK_MANDATORY != 0 {
        return Ok(0);
    }
    let patience = if operation & linux::LOCK_NB != 0 { Patience::Try } else { Patience::Wait };
    match operation & !linux::LOCK_NB {
        linux::LOCK_SH => locks::acquire(&open, Lock::Shared, patience)?,
        linux::LOCK_EX => locks::acquire(&open, Lock::Exclusive, patience)?,
        linux::LOCK_UN => locks::release(&open),
        _ => return Err(Errno::EINVAL),
    }
    Ok(0)
}
