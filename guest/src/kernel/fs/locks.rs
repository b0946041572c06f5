//! Locks of whole files, which belong to open files: flock(2); and of parts of files, which belong
//! to processes: fcntl(2), whose rules are `guest::fs::records`.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use guest::errno::Errno;
use guest::fs::records::{Lock, Record, Records, Span};

use super::OpenFile;
use crate::sync::{SpinLock, WaitQueue};
use crate::task::{self, Pid};

/// A lock that somebody has.
struct Held {
    /// Device and number of the file.
    file: (u64, u64),
    /// Address of the open file, which is alive as long as this is here.
    owner: usize,
    lock: Lock,
}

static HELD: SpinLock<Vec<Held>> = SpinLock::new(Vec::new());
static FREED: WaitQueue = WaitQueue::new();

fn owner(file: &OpenFile) -> usize {
    core::ptr::from_ref(file).addr()
}

/// Whether somebody who must wait does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// Until the file is free.
    Wait,
    /// EWOULDBLOCK at once.
    Try,
}

/// Locks a file, giving back the lock that this open file has.
pub(crate) fn acquire(file: &OpenFile, lock: Lock, patience: Patience) -> Result<(), Errno> {
    file.mark_locked();
    let identity = (file.inode().device(), file.inode().number());
    let attempt = || {
        let mut held = HELD.lock();
        let before = held.len();
        held.retain(|other| other.owner != owner(file));
        let freed = held.len() < before;
        let mut others = held.iter().filter(|other| other.file == identity);
        let taken = match lock {
            Lock::Exclusive => others.next().is_some(),
            Lock::Shared => others.any(|other| other.lock == Lock::Exclusive),
        };
        if !taken {
            held.push(Held { file: identity, owner: owner(file), lock });
        }
        drop(held);
        if freed {
            FREED.wake_all();
        }
        if taken { None } else { Some(()) }
    };
    if patience == Patience::Try {
        return { attempt }().ok_or(Errno::EAGAIN);
    }
    FREED.wait_interruptible(None, attempt).map_err(|_| Errno::EINTR)
}

/// Gives the lock of an open file back.
pub(crate) fn release(file: &OpenFile) {
    let mut held = HELD.lock();
    held.retain(|other| other.owner != owner(file));
    drop(held);
    FREED.wake_all();
}

/// The locks on parts of a file, by its device and number.
type Parts = ((u64, u64), Records);

static PARTS: SpinLock<Vec<Parts>> = SpinLock::new(Vec::new());
/// Whether anybody ever had such a lock: closing a file need not look otherwise.
static PARTS_USED: AtomicBool = AtomicBool::new(false);

fn identity(file: &OpenFile) -> (u64, u64) {
    (file.inode().device(), file.inode().number())
}

/// Runs `f` with the locks on a file.
fn with_parts<R>(file: (u64, u64), f: impl FnOnce(&mut Records) -> R) -> R {
    let mut parts = PARTS.lock();
    let index = parts.iter().position(|(other, _)| *other == file).unwrap_or_else(|| {
        parts.push((file, Records::default()));
        parts.len() - 1
    });
    let result = f(&mut parts[index].1);
    if parts[index].1.is_empty() {
        parts.swap_remove(index);
    }
    result
}

/// A lock of another process that is in the way of this one: F_GETLK.
pub(crate) fn conflict(file: &OpenFile, wanted: Record) -> Option<Record> {
    with_parts(identity(file), |records| records.conflict(wanted))
}

/// Locks part of a file: F_SETLK, F_SETLKW.
pub(crate) fn lock_part(file: &OpenFile, wanted: Record, patience: Patience) -> Result<(), Errno> {
    PARTS_USED.store(true, Ordering::Relaxed);
    let attempt = || {
        with_parts(identity(file), |records| match records.conflict(wanted) {
            Some(_) => None,
            None => {
                records.set(wanted.owner, wanted.span, Some(wanted.lock));
                Some(())
            }
        })
    };
    if patience == Patience::Try {
        return { attempt }().ok_or(Errno::EAGAIN);
    }
    FREED.wait_interruptible(None, attempt).map_err(|_| Errno::EINTR)?;
    // It may have shared what it had alone before.
    FREED.wake_all();
    Ok(())
}

/// Unlocks part of a file.
pub(crate) fn unlock_part(file: &OpenFile, owner: Pid, span: Span) {
    with_parts(identity(file), |records| records.set(owner, span, None));
    FREED.wake_all();
}

/// A process has closed a descriptor of this file, whichever of them: all its locks on parts of it
/// are gone.
pub(super) fn closed(file: &OpenFile) {
    if !PARTS_USED.load(Ordering::Relaxed) {
        return;
    }
    let owner = task::current_process().pid;
    if with_parts(identity(file), |records| records.release(owner)) {
        FREED.wake_all();
    }
}
