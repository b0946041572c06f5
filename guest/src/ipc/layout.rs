//! How Linux lays out for user mode what it tells of System V's objects and of message queues, on
//! riscv64: as words, so that nothing depends on the host.
//!
//! Source: Linux, `include/uapi/asm-generic/{ipcbuf,msgbuf,sembuf,shmbuf}.h`,
//! `include/uapi/linux/{ipc,msg,sem,shm,mqueue}.h`.

use super::ids::{NewOwner, Permissions};

/// Words of `struct ipc64_perm`.
const PERMISSION_WORDS: usize = 6;
/// Words of `struct msqid64_ds`.
pub const MESSAGES_WORDS: usize = 15;
/// Words of `struct semid64_ds`.
pub const SEMAPHORES_WORDS: usize = 11;
/// Words of `struct shmid64_ds`.
pub const SEGMENT_WORDS: usize = 14;

const fn two(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}

/// `struct ipc64_perm`, and room for what follows it.
fn with_permissions<const N: usize>(of: &Permissions) -> [u64; N] {
    let mut words = [0; N];
    words[..4].copy_from_slice(&[
        two(of.key as u32, of.uid),
        two(of.gid, of.creator_uid),
        two(of.creator_gid, of.mode),
        u64::from(of.sequence),
    ]);
    words
}

/// What `IPC_SET` takes from a `struct ipc64_perm`.
pub fn new_owner(words: &[u64]) -> NewOwner {
    let (uid, gid) = ((words[0] >> 32) as u32, words[1] as u32);
    NewOwner { uid, gid, mode: (words[2] >> 32) as u32 }
}

/// What is known of a queue of messages besides its permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagesStatus {
    /// Seconds since 1970 at which something was sent last.
    pub sent: u64,
    /// At which something was received last.
    pub received: u64,
    /// At which it was made, or owner or limit changed.
    pub changed: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// Messages in it.
    pub count: u64,
    /// Bytes that it may hold.
    pub limit_bytes: u64,
    /// Process that sent last.
    pub sender: u32,
    /// Process that received last.
    pub receiver: u32,
}

/// `struct msqid64_ds`.
pub fn messages(permissions: &Permissions, status: &MessagesStatus) -> [u64; MESSAGES_WORDS] {
    let mut words = with_permissions(permissions);
    let MessagesStatus { sent, received, changed, bytes, count, limit_bytes, .. } = *status;
    let numbers = [sent, received, changed, bytes, count, limit_bytes];
    words[PERMISSION_WORDS..][..numbers.len()].copy_from_slice(&numbers);
    words[PERMISSION_WORDS + numbers.len()] = two(status.sender, status.receiver);
    words
}

/// The limit that `IPC_SET` takes from a `struct msqid64_ds`.
pub fn new_limit_bytes(words: &[u64; MESSAGES_WORDS]) -> u64 {
    words[PERMISSION_WORDS + 5]
}

/// What is known of a set of semaphores besides its permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SemaphoresStatus {
    /// Seconds since 1970 at which something was done with them last.
    pub operated: u64,
    /// At which they were made, or changed by `semctl`.
    pub changed: u64,
    /// How many there are.
    pub count: u64,
}

/// `struct semid64_ds`.
pub fn semaphores(permissions: &Permissions, status: &SemaphoresStatus) -> [u64; SEMAPHORES_WORDS] {
    let mut words = with_permissions(permissions);
    let numbers = [status.operated, status.changed, status.count];
    words[PERMISSION_WORDS..][..numbers.len()].copy_from_slice(&numbers);
    words
}

/// What is known of a segment of shared memory besides its permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentStatus {
    /// Its size.
    pub size_bytes: u64,
    /// Seconds since 1970 at which it was attached last.
    pub attached: u64,
    /// At which it was detached last.
    pub detached: u64,
    /// At which it was made, or its owner changed.
    pub changed: u64,
    /// Process that made it.
    pub creator: u32,
    /// Process that attached or detached it last.
    pub user: u32,
    /// Areas that show it.
    pub areas: u64,
}

/// `struct shmid64_ds`.
pub fn segment(permissions: &Permissions, status: &SegmentStatus) -> [u64; SEGMENT_WORDS] {
    let mut words = with_permissions(permissions);
    let SegmentStatus { size_bytes, attached, detached, changed, .. } = *status;
    let who = two(status.creator, status.user);
    let numbers = [size_bytes, attached, detached, changed, who, status.areas];
    words[PERMISSION_WORDS..][..numbers.len()].copy_from_slice(&numbers);
    words
}

/// Numbers as `int`s, two in a word.
fn ints<const N: usize>(numbers: &[u64]) -> [u64; N] {
    let mut words = [0; N];
    for (index, number) in numbers.iter().enumerate() {
        // What does not fit is shown as the largest that does.
        let number = (*number).min(i32::MAX as u64);
        words[index / 2] |= number << (32 * (index % 2));
    }
    words
}

/// `struct msginfo`: pool, map, longest message, bytes of a queue, queues, size of a piece,
/// messages; and the number of pieces.
pub fn messages_info(numbers: [u64; 8]) -> [u64; 4] {
    ints(&numbers)
}

/// `struct seminfo`: map, sets, semaphores, undo structures, semaphores of a set, operations of a
/// call, undo entries of a process, size of an undo structure, largest value, largest adjustment.
pub fn semaphores_info(numbers: [u64; 10]) -> [u64; 5] {
    ints(&numbers)
}

/// `struct shminfo64`: largest and smallest segment in bytes, segments, segments of a process, all
/// pages.
pub fn segments_info([largest, smallest, count, of_process, pages]: [u64; 5]) -> [u64; 9] {
    [largest, smallest, count, of_process, pages, 0, 0, 0, 0]
}

/// `struct shm_info`: segments, their pages, those of them in RAM, those in swap.
pub fn segments_use([count, pages, resident, swapped]: [u64; 4]) -> [u64; 6] {
    [count, pages, resident, swapped, 0, 0]
}

/// `struct mq_attr`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueAttributes {
    /// `O_NONBLOCK`, or nothing.
    pub flags: u64,
    /// Messages that it may hold.
    pub limit: i64,
    /// Bytes that a message may have.
    pub limit_bytes: i64,
    /// Messages in it.
    pub count: u64,
}

/// Words of `struct mq_attr`.
pub const QUEUE_WORDS: usize = 8;

impl QueueAttributes {
    /// As user mode has it.
    pub const fn of_words(words: [u64; QUEUE_WORDS]) -> Self {
        let [flags, limit, limit_bytes, count, ..] = words;
        Self { flags, limit: limit as i64, limit_bytes: limit_bytes as i64, count }
    }

    /// For user mode.
    pub const fn to_words(self) -> [u64; QUEUE_WORDS] {
        [self.flags, self.limit as u64, self.limit_bytes as u64, self.count, 0, 0, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fs::Identity;

    #[test]
    fn fields_lie_where_c_has_them() {
        let mut permissions = Permissions::new(-2, 0o640, &Identity::new(3, 4));
        (permissions.uid, permissions.gid, permissions.sequence) = (5, 6, 7);
        let status = MessagesStatus {
            changed: 11,
            limit_bytes: 12,
            sender: 13,
            receiver: 14,
            ..Default::default()
        };
        let words = messages(&permissions, &status);
        let head = [0xffff_fffe | 5 << 32, 6 | 3 << 32, 4 | 0o640 << 32, 7, 0, 0];
        assert_eq!(words[..6], head);
        assert_eq!(words[6..], [0, 0, 11, 0, 0, 12, 13 | 14 << 32, 0, 0]);
        assert_eq!(new_owner(&words), NewOwner { uid: 5, gid: 6, mode: 0o640 });
        assert_eq!(new_limit_bytes(&words), 12);
        let status =
            SegmentStatus { size_bytes: 1, creator: 2, user: 3, areas: 4, ..Default::default() };
        assert_eq!(segment(&permissions, &status)[6..], [1, 0, 0, 0, 2 | 3 << 32, 4, 0, 0]);
        let status = SemaphoresStatus { operated: 1, changed: 2, count: 3 };
        assert_eq!(semaphores(&permissions, &status)[6..], [1, 2, 3, 0, 0]);
        assert_eq!(messages_info([1, 2, 3, 4, 5, 6, u64::MAX, 8])[3], 0x7fff_ffff | 8 << 32);
    }

    #[test]
    fn attributes_survive_the_way() {
        let attributes = QueueAttributes { flags: 2048, limit: -1, limit_bytes: 9, count: 3 };
        assert_eq!(QueueAttributes::of_words(attributes.to_words()), attributes);
    }
}
