//! System V's queues, semaphores and segments: making them, finding them by their keys, removing them,
//! and what is done with queues and semaphores; segments are attached by `mapping`.

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

/// Makes an object with a key that no other has: a queue, a set of so many semaphores, or a segment of
/// so many bytes.
pub fn create(kind: Kind, key: i32, size: usize) -> Result<i32> {
    const CREATE: u32 = 0o1000;
    const EXCLUSIVE: u32 = 0o2000;
    const FLAGS: u32 = CREATE | EXCLUSIVE | 0o600;
    let id = match kind {
        Kind::Messages => call(g::__NR_msgget, args![key, FLAGS]),
        Kind::Semaphores => call(g::__NR_semget, args![key, size, FLAGS]),
        Kind::Segment => call(g::__NR_shmget, args![key, size, FLAGS]),
    };
    id.map(|id| id as i32)
}

/// A message with 64 bytes of text: its type, which is not 0, and the text.
pub type Message = [u64; 9];

/// Puts a message into a queue.
#[inline]
pub fn send(queue: i32, message: &Message) -> Result<()> {
    let length = size_of_val(message) - size_of::<u64>();
    call(g::__NR_msgsnd, args![queue, message, length, 0_usize]).map(drop)
}

/// Takes the oldest message out of a queue, whatever its type; the length of its text.
#[inline]
pub fn receive(queue: i32, message: &mut Message) -> Result<usize> {
    let length = size_of_val(message) - size_of::<u64>();
    call(g::__NR_msgrcv, args![queue, message, length, 0_usize, 0_usize])
}

/// Adds to a semaphore of a set; waits where it would fall below 0.
#[inline]
pub fn add(set: i32, number: i16, amount: i16) -> Result<()> {
    let operation = [number, amount, 0];
    call(g::__NR_semop, args![set, &operation, 1_usize]).map(drop)
}

/// Takes the name of a POSIX message queue away, which need not begin with a slash.
pub fn unlink_queue(name: &[u8]) -> Result<()> {
    let name = name.strip_prefix(b"/").unwrap_or(name);
    call(g::__NR_mq_unlink, args![file::c_path(name)?.as_c_str()]).map(drop)
}
