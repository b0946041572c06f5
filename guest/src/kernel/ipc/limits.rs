//! How many queues, semaphores and segments there may be, and how big: /proc/sys/kernel and
//! /proc/sys/fs/mqueue. Values are Linux's.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::errno::Errno;
use guest::ipc::ids::OBJECTS_MAX;
use guest::ipc::mqueue::{LIMIT_BYTES_MAX, LIMIT_MAX};
use guest::proc_text::tunable::Tunable;

const INT_MAX: u64 = i32::MAX as u64;
/// So much that no sum of two sizes goes around.
const UNLIMITED: u64 = u64::MAX - (1 << 24);

/// Bytes of a System V message.
pub(crate) static MESSAGE_BYTES: Tunable = Tunable::new("kernel/msgmax", 8192, 0..=INT_MAX);
/// Bytes of a new queue of them.
pub(crate) static QUEUE_BYTES: Tunable = Tunable::new("kernel/msgmnb", 16384, 0..=INT_MAX);
/// Queues.
pub(crate) static QUEUES: Tunable = Tunable::new("kernel/msgmni", 32000, 0..=OBJECTS_MAX as u64);
/// Bytes of a segment.
pub(crate) static SEGMENT_BYTES: Tunable = Tunable::new("kernel/shmmax", UNLIMITED, 0..=u64::MAX);
/// Pages of all segments.
pub(crate) static SEGMENTS_PAGES: Tunable = Tunable::new("kernel/shmall", UNLIMITED, 0..=u64::MAX);
/// Segments.
pub(crate) static SEGMENTS: Tunable = Tunable::new("kernel/shmmni", 4096, 0..=OBJECTS_MAX as u64);

/// All of these.
pub(crate) static SYSTEM_V: [&Tunable; 6] =
    [&MESSAGE_BYTES, &QUEUE_BYTES, &QUEUES, &SEGMENT_BYTES, &SEGMENTS_PAGES, &SEGMENTS];

/// Messages of a POSIX queue that is made by others than the superuser.
pub(crate) static MQUEUE_MESSAGES: Tunable = Tunable::new("fs/mqueue/msg_max", 10, 1..=LIMIT_MAX);
/// Bytes of each.
pub(crate) static MQUEUE_BYTES: Tunable =
    Tunable::new("fs/mqueue/msgsize_max", 8192, 128..=LIMIT_BYTES_MAX);
/// POSIX queues.
pub(crate) static MQUEUES: Tunable = Tunable::new("fs/mqueue/queues_max", 256, 0..=INT_MAX);
/// Messages of a queue that is made without attributes.
pub(crate) static MQUEUE_MESSAGES_DEFAULT: Tunable =
    Tunable::new("fs/mqueue/msg_default", 10, 1..=LIMIT_MAX);
/// Bytes of each.
pub(crate) static MQUEUE_BYTES_DEFAULT: Tunable =
    Tunable::new("fs/mqueue/msgsize_default", 8192, 128..=LIMIT_BYTES_MAX);

/// All of these.
pub(crate) static POSIX: [&Tunable; 5] =
    [&MQUEUE_MESSAGES, &MQUEUE_BYTES, &MQUEUES, &MQUEUE_MESSAGES_DEFAULT, &MQUEUE_BYTES_DEFAULT];

/// What is limited about semaphores, in the order of /proc/sys/kernel/sem.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Semaphores {
    /// Of a set.
    pub(crate) of_set: u64,
    /// Of all sets.
    pub(crate) all: u64,
    /// Operations of a call.
    pub(crate) operations: u64,
    /// Sets.
    pub(crate) sets: u64,
}

static SEMAPHORES: [AtomicU64; 4] = [
    AtomicU64::new(32000),
    AtomicU64::new(1_024_000_000),
    AtomicU64::new(500),
    AtomicU64::new(32000),
];

/// What is limited about semaphores.
pub(crate) fn semaphores() -> Semaphores {
    let [of_set, all, operations, sets] =
        [0, 1, 2, 3].map(|at| SEMAPHORES[at].load(Ordering::Relaxed));
    Semaphores { of_set, all, operations, sets }
}

/// Changes as many of the four as were written.
///
/// # Errors
/// EINVAL.
pub(crate) fn store_semaphores(text: &str) -> Result<(), Errno> {
    const MOST: [u64; 4] = [65536, INT_MAX, INT_MAX, OBJECTS_MAX as u64];
    let mut numbers = [None; 4];
    for (index, word) in text.split_ascii_whitespace().enumerate() {
        let number: u64 = word.parse().map_err(|_| Errno::EINVAL)?;
        let place = numbers.get_mut(index).ok_or(Errno::EINVAL)?;
        *place = Some(number).filter(|number| *number <= MOST[index]);
        place.ok_or(Errno::EINVAL)?;
    }
    for (place, number) in SEMAPHORES.iter().zip(numbers) {
        number.into_iter().for_each(|number| place.store(number, Ordering::Relaxed));
    }
    Ok(())
}
