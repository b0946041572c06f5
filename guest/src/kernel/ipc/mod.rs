//! What processes talk through besides pipes: POSIX message queues, and System V's queues,
//! semaphores and segments. What they do is `guest::ipc`'s; here are those that there are, and the
//! threads that wait.
//!
//! `messages.rs`, `semaphores.rs` and `segments.rs` keep System V's objects, `mqueue/` the queues
//! that are files; `spare.rs` keeps memory for the next message, `limits.rs` is what /proc/sys can
//! change. Arguments of system calls are taken apart in `syscall::ipc`.

use alloc::sync::Arc;

use guest::errno::Errno;
use guest::fs::Identity;
use guest::ipc::ids::{Entry, Table};
use guest::ipc::messages::By;

use crate::fs::names;
use crate::mm::AddressSpace;
use crate::task::{Process, current_process};
use crate::time;

pub(crate) mod limits;
pub(crate) mod messages;
pub(crate) mod mqueue;
pub(crate) mod segments;
pub(crate) mod semaphores;
mod spare;

/// The current process and the present second.
fn by_current() -> By {
    by(current_process())
}

#[inline(never)]
fn by(process: &Process) -> By {
    By { pid: process.pid, now: seconds() }
}

/// Seconds since 1970.
fn seconds() -> u64 {
    time::real_now() / time::SECOND_NS
}

/// On whose behalf the current process works.
#[inline(never)]
fn who() -> Identity {
    names::who()
}

/// How a command of `msgctl`, `semctl` or `shmctl` that tells something names the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    /// By its identifier: `IPC_STAT`.
    Identifier,
    /// By its place: `MSG_STAT` and the like.
    Place,
    /// The same, for anybody: `MSG_STAT_ANY` and the like.
    PlaceForAnybody,
}

impl Lookup {
    /// The object, if the caller may read it.
    ///
    /// # Errors
    /// EINVAL, EIDRM, EACCES.
    #[inline(never)]
    fn find<'t, T>(
        self,
        table: &'t mut Table<T>,
        id: i32,
        who: &Identity,
    ) -> Result<&'t mut Entry<T>, Errno> {
        let entry = match self {
            Self::Identifier => table.get(id)?,
            Self::Place | Self::PlaceForAnybody => table.at_place_of(id)?,
        };
        if self != Self::PlaceForAnybody {
            entry.permissions.check(who, guest::ipc::ids::READ)?;
        }
        Ok(entry)
    }

    /// What the command yields.
    pub(crate) fn answer(self, id: i32) -> u64 {
        if self == Self::Identifier { 0 } else { id as u64 }
    }
}

/// The current process is a copy of its parent from now on: it has attached what that had.
pub(crate) fn after_fork(space: &AddressSpace) {
    if segments::exist() {
        segments::copied(space);
    }
}

/// The current process ends: its semaphores are as it had found them, and nobody tells it anything.
pub(crate) fn leave(process: &Process) {
    semaphores::undo(process);
    mqueue::forget_process(process.pid);
}

/// Lets go of the memory of the current process, which ends or executes another program.
pub(crate) fn leave_memory(process: &Process, space: Option<Arc<AddressSpace>>) {
    if !segments::exist() {
        return drop(space);
    }
    // Whoever shares it has it still.
    let mine = space.as_ref().filter(|space| Arc::strong_count(space) == 1);
    let attached = mine.map(|space| segments::attached(space));
    drop(space);
    attached.into_iter().for_each(|ids| segments::detached(&ids, process.pid));
}
