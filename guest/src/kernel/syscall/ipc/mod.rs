//! System calls of message queues, and of System V's queues, semaphores and segments: arguments are
//! taken apart here, in the order in which Linux looks at them; what they do is `ipc`'s.

use alloc::vec::Vec;

use guest::errno::Errno;

use super::Row;
use crate::mm::user;

mod messages;
mod mqueue;
mod segments;
mod semaphores;

macro_rules! rows {
    ($($number:ident $module:ident::$name:ident)*) => {
        &[$(Row {
            number: linux_raw_sys::general::$number,
            name: stringify!($name),
            call: $module::$name,
        }),*]
    };
}

pub(super) const ROWS: &[Row] = rows! {
    __NR_mq_open mqueue::mq_open
    __NR_mq_unlink mqueue::mq_unlink
    __NR_mq_timedsend mqueue::mq_timedsend
    __NR_mq_timedreceive mqueue::mq_timedreceive
    __NR_mq_notify mqueue::mq_notify
    __NR_mq_getsetattr mqueue::mq_getsetattr
    __NR_msgget messages::msgget
    __NR_msgctl messages::msgctl
    __NR_msgrcv messages::msgrcv
    __NR_msgsnd messages::msgsnd
    __NR_semget semaphores::semget
    __NR_semctl semaphores::semctl
    __NR_semtimedop semaphores::semtimedop
    __NR_semop semaphores::semop
    __NR_shmget segments::shmget
    __NR_shmctl segments::shmctl
    __NR_shmat segments::shmat
    __NR_shmdt segments::shmdt
};

/// Commands for a place in the table, those that tell of all, and those for anybody: each kind has
/// its own three numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Commands {
    stat: u32,
    info: u32,
    stat_any: u32,
}

/// An identifier, or a place in the table.
fn identifier(argument: u64) -> Result<i32, Errno> {
    let id = argument as i32;
    if id < 0 { Err(Errno::EINVAL) } else { Ok(id) }
}

/// So many zeros.
#[inline(never)]
fn zeros(count: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(count, 0);
    Ok(bytes)
}

/// Two numbers of `struct timespec`, if there are any.
#[inline(never)]
fn read_time(at: u64) -> Result<Option<[u64; 2]>, Errno> {
    if at == 0 { Ok(None) } else { user::read(at).map(Some) }
}
