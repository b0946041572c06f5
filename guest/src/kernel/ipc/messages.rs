//! System V message queues: those that there are. How threads send, receive and wait is
//! `guest::ipc::messages`'.

use alloc::string::String;
use core::fmt::Write as _;

use guest::errno::Errno;
use guest::ipc::ids::{Found, NewOwner, Permissions, READ, Table};
use guest::ipc::layout::MessagesStatus;
use guest::ipc::messages::{Choice, Message, Queue, Queues, Wanted};
use guest::ipc::text;

use super::spare::Spare;
use super::{Lookup, by_current, limits, seconds, who};
use crate::sync::{Kernel, SpinLock};

static QUEUES: Queues<Kernel> = Queues::new(SpinLock::new(Table::new()));
/// Memory for the texts of messages.
pub(crate) static SPARE: Spare = Spare::new();

/// The identifier that the next one is to have; -1: nobody has chosen any.
pub(crate) fn next_id() -> i32 {
    QUEUES.lock().wanted()
}

/// Chooses that.
pub(crate) fn set_next_id(id: i32) {
    QUEUES.lock().want(id);
}

/// `msgget`: the identifier.
///
/// # Errors
/// ENOENT, EEXIST, EACCES, ENOSPC, ENOMEM.
pub(crate) fn get(key: i32, flags: u32) -> Result<i32, Errno> {
    let who = who();
    let mut queues = QUEUES.lock();
    match queues.find(key, flags, &who, |_| Ok(()))? {
        Found::Existing(id) => Ok(id),
        Found::Missing => {
            let permissions = Permissions::new(key, flags, &who);
            let queue = Queue::new(limits::QUEUE_BYTES.get(), seconds());
            let id = queues.insert(permissions, queue, limits::QUEUES.get() as usize);
            id.map_err(|(errno, _)| errno)
        }
    }
}

/// `msgsnd`.
///
/// # Errors
/// EINVAL, EIDRM, EACCES, EAGAIN, ENOMEM, EINTR.
pub(crate) fn send(id: i32, message: Message, flags: u32) -> Result<(), Errno> {
    QUEUES.send(id, message, flags, &who(), by_current())
}

/// `msgrcv`.
///
/// # Errors
/// EINVAL, EIDRM, EACCES, ENOMSG, E2BIG, ENOMEM, EINTR.
pub(crate) fn receive(id: i32, wanted: Wanted, flags: u32) -> Result<Message, Errno> {
    QUEUES.receive(id, wanted, flags, &who(), by_current())
}

/// `msgrcv` with `MSG_COPY`: the message stays; its text is put into `text`, which has room for as
/// much as is wanted. Its type, and its length.
///
/// # Errors
/// EINVAL, EIDRM, EACCES, ENOMSG, E2BIG.
pub(crate) fn copy(id: i32, wanted: Wanted, text: &mut [u8]) -> Result<(i64, usize), Errno> {
    debug_assert!(matches!(wanted.choice, Choice::Number(_)), "others are taken out");
    let who = who();
    let mut queues = QUEUES.lock();
    let entry = queues.get(id)?;
    entry.permissions.check(&who, READ)?;
    let message = entry.object.look(&wanted)?;
    let to = text.get_mut(..message.text.len()).ok_or(Errno::EINVAL)?;
    to.copy_from_slice(&message.text);
    Ok((message.kind, to.len()))
}

/// Everything about a queue: its identifier, its permissions, its status.
///
/// # Errors
/// EINVAL, EIDRM, EACCES.
pub(crate) fn status(id: i32, lookup: Lookup) -> Result<(i32, Permissions, MessagesStatus), Errno> {
    let who = who();
    let mut queues = QUEUES.lock();
    let entry = lookup.find(&mut queues, id, &who)?;
    Ok((entry.id(), entry.permissions, *entry.object.status()))
}

/// Changes owner, permissions and limit. Who waits looks again.
///
/// # Errors
/// EINVAL, EIDRM, EPERM.
pub(crate) fn change(id: i32, owner: NewOwner, limit_bytes: u64) -> Result<(), Errno> {
    let most_bytes = limits::QUEUE_BYTES.get();
    QUEUES.change(id, owner, [limit_bytes, most_bytes], &who(), seconds())
}

/// Takes a queue away. Who waits learns of it.
///
/// # Errors
/// EINVAL, EIDRM, EPERM.
pub(crate) fn remove(id: i32) -> Result<(), Errno> {
    QUEUES.remove(id, &who())
}

/// How many queues there are and the highest place, then messages and bytes of all.
pub(crate) fn usage() -> [u64; 4] {
    let queues = QUEUES.lock();
    let sum =
        |of: fn(&MessagesStatus) -> u64| queues.iter().map(|queue| of(queue.object.status())).sum();
    let (messages, bytes) = (sum(|status| status.count), sum(|status| status.bytes));
    [queues.count() as u64, queues.highest() as u64, messages, bytes]
}

/// /proc/sysvipc/msg.
///
/// # Errors
/// EIO.
pub(crate) fn show(out: &mut String) -> Result<(), Errno> {
    out.push_str(text::MESSAGES_HEAD);
    for place in 0.. {
        let found = {
            let mut queues = QUEUES.lock();
            if place > queues.highest() as i32 {
                break;
            }
            let entry = queues.at_place_of(place).ok();
            entry.map(|entry| (entry.id(), entry.permissions, *entry.object.status()))
        };
        if let Some((id, permissions, status)) = found {
            write!(out, "{}", text::messages(id, &permissions, &status)).map_err(|_| Errno::EIO)?;
        }
    }
    Ok(())
}
