//! Queues, semaphores and segments: finding them by their keys, and removing them.

use linux_raw_sys::general as g;

use super::call::{args, call};
use super::file;
use crate::errno::Result;

/// Command that removes an object.
const REMOVE: u32 = 0;

/// One of System V's three kinds of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A message queue.
    Messages,
    /// A set of semaphores.
    Semaphores,
    /// A segment of shared memory.
    Segment,
}

/// The identifier of the object with this key.
pub fn find(kind: Kind, key: i32) -> Result<i32> {
    let id = match kind {
        Kind::Messages => call(g::__NR_msgget, args![key, 0]),
        Kind::Semaphores => call(g::__NR_semget, args![key, 0, 0]),
        Kind::Segment => call(g::__NR_shmget, args![key, 0, 0]),
    };
    id.map(|id| id as i32)
}

/// Removes an object.
pub fn remove(kind: Kind, id: i32) -> Result<()> {
    let removed = match kind {
        Kind::Messages => call(g::__NR_msgctl, args![id, REMOVE, 0]),
        Kind::Semaphores => call(g::__NR_semctl, args![id, 0, REMOVE, 0]),
        Kind::Segment => call(g::__NR_shmctl, args![id, REMOVE, 0]),
    };
    removed.map(drop)
}

/// Takes the name of a POSIX message queue away, which need not begin with a slash.
pub fn unlink_queue(name: &[u8]) -> Result<()> {
    let name = name.strip_prefix(b"/").unwrap_or(name);
    call(g::__NR_mq_unlink, args![file::c_path(name)?.as_c_str()]).map(drop)
}
