//! System V semaphores: the sets that there are. How threads operate and wait is
//! `guest::ipc::semaphores`'.

use alloc::string::String;
use core::fmt::Write as _;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::ipc::ids::{Entry, Found, NewOwner, Permissions, READ, Table};
use guest::ipc::layout::SemaphoresStatus;
use guest::ipc::semaphores::{Operation, Set, Sets, UNDO, Waited};
use guest::ipc::text;

use super::{Lookup, by, by_current, limits, seconds, who};
use crate::sync::{Kernel, SpinLock};
use crate::task::Process;
use crate::time::Instant;

/// A set with its threads.
pub(crate) type WaitedSet = Waited<Kernel>;

static SETS: Sets<Kernel> = Sets::new(SpinLock::new(Table::new()));
/// Semaphores of all of them; changed under their lock.
static SEMAPHORES: AtomicU64 = AtomicU64::new(0);
/// Whether anybody ever wanted anything undone: most systems have nothing to look for.
static IS_UNDONE: AtomicBool = AtomicBool::new(false);

/// The identifier that the next one is to have; -1: nobody has chosen any.
pub(crate) fn next_id() -> i32 {
    SETS.lock().wanted()
}

/// Chooses that.
pub(crate) fn set_next_id(id: i32) {
    SETS.lock().want(id);
}

/// `semget`: the identifier.
///
/// # Errors
/// EINVAL, ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM.
pub(crate) fn get(key: i32, count: i32, flags: u32) -> Result<i32, Errno> {
    let (who, limits) = (who(), limits::semaphores());
    let count = usize::try_from(count).map_err(|_| Errno::EINVAL)?;
    if count as u64 > limits.of_set {
        return Err(Errno::EINVAL);
    }
    let fits = |set: &WaitedSet| if count > set.count() { Err(Errno::EINVAL) } else { Ok(()) };
    if let Found::Existing(id) = SETS.lock().find(key, flags, &who, fits)? {
        return Ok(id);
    }
    if count == 0 {
        return Err(Errno::EINVAL);
    }
    let set = Set::new(count, seconds())?;
    let mut sets = SETS.lock();
    // Somebody else may have been faster.
    if let Found::Existing(id) = sets.find(key, flags, &who, fits)? {
        return Ok(id);
    }
    if SEMAPHORES.load(Ordering::Relaxed) + count as u64 > limits.all {
        return Err(Errno::ENOSPC);
    }
    let id = sets.insert(Permissions::new(key, flags, &who), set, limits.sets as usize);
    let id = id.map_err(|(errno, _)| errno)?;
    SEMAPHORES.fetch_add(count as u64, Ordering::Relaxed);
    Ok(id)
}

/// `semop` and `semtimedop`.
///
/// # Errors
/// EINVAL, EIDRM, EFBIG, EACCES, ERANGE, EAGAIN, ENOMEM, EINTR.
pub(crate) fn operate(
    id: i32,
    operations: &[Operation],
    deadline: Option<Instant>,
) -> Result<(), Errno> {
    if operations.iter().any(|operation| operation.flags & UNDO != 0) {
        IS_UNDONE.store(true, Ordering::Relaxed);
    }
    SETS.operate(id, operations, deadline, &who(), by_current())
}

/// A process ends: what it wanted undone is.
pub(super) fn undo(process: &Process) {
    if !IS_UNDONE.load(Ordering::Relaxed) {
        return;
    }
    SETS.end(by(process));
}

/// Looks at a set with these rights.
///
/// # Errors
/// EINVAL, EIDRM, EACCES; those of `look`.
pub(crate) fn read<R>(
    id: i32,
    look: impl FnOnce(&WaitedSet) -> Result<R, Errno>,
) -> Result<R, Errno> {
    let who = who();
    let mut sets = SETS.lock();
    let entry = sets.get(id)?;
    entry.permissions.check(&who, READ)?;
    look(&entry.object)
}

/// How many semaphores a set has.
///
/// # Errors
/// EINVAL, EIDRM, EACCES.
pub(crate) fn count(id: i32, wish: u32) -> Result<usize, Errno> {
    let who = who();
    let mut sets = SETS.lock();
    let entry = sets.get(id)?;
    entry.permissions.check(&who, wish)?;
    Ok(entry.object.count())
}

/// Sets values from the semaphore `first` on: of one, or of all.
///
/// # Errors
/// EINVAL, EIDRM, EACCES, ERANGE.
pub(crate) fn set_values(id: i32, first: usize, values: &[u16]) -> Result<(), Errno> {
    SETS.set_values(id, first, values, &who(), by_current())
}

/// Everything about a set: its identifier, its permissions, its status.
///
/// # Errors
/// EINVAL, EIDRM, EACCES.
pub(crate) fn status(
    id: i32,
    lookup: Lookup,
) -> Result<(i32, Permissions, SemaphoresStatus), Errno> {
    let who = who();
    let mut sets = SETS.lock();
    lookup.find(&mut sets, id, &who).map(|entry| told(entry))
}

fn told(entry: &Entry<WaitedSet>) -> (i32, Permissions, SemaphoresStatus) {
    (entry.id(), entry.permissions, entry.object.status())
}

/// Changes owner and permissions.
///
/// # Errors
/// EINVAL, EIDRM, EPERM.
pub(crate) fn change(id: i32, owner: NewOwner) -> Result<(), Errno> {
    let who = who();
    let mut sets = SETS.lock();
    let entry = sets.get(id)?;
    entry.permissions.check_owner(&who)?;
    entry.permissions.change(owner);
    entry.object.touch(seconds());
    Ok(())
}

/// Takes a set away. Who waits learns of it.
///
/// # Errors
/// EINVAL, EIDRM, EPERM.
pub(crate) fn remove(id: i32) -> Result<(), Errno> {
    let count = SETS.remove(id, &who())?;
    SEMAPHORES.fetch_sub(count as u64, Ordering::Relaxed);
    Ok(())
}

/// How many sets there are, the highest place, and the semaphores of all.
pub(crate) fn usage() -> [u64; 3] {
    let sets = SETS.lock();
    [sets.count() as u64, sets.highest() as u64, SEMAPHORES.load(Ordering::Relaxed)]
}

/// /proc/sysvipc/sem.
///
/// # Errors
/// EIO.
pub(crate) fn show(out: &mut String) -> Result<(), Errno> {
    out.push_str(text::SEMAPHORES_HEAD);
    for place in 0.. {
        let found = {
            let mut sets = SETS.lock();
            if place > sets.highest() as i32 {
                break;
            }
            sets.at_place_of(place).ok().map(|entry| told(entry))
        };
        if let Some((id, permissions, status)) = found {
            write!(out, "{}", text::semaphores(id, &permissions, &status))
                .map_err(|_| Errno::EIO)?;
        }
    }
    Ok(())
}
