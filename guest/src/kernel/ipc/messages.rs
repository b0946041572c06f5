//! System V message queues: those that there are, and the threads that wait.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt::Write as _;

use guest::errno::Errno;
use guest::ipc::ids::{Found, NO_WAIT, NewOwner, Permissions, READ, Table, WRITE};
use guest::ipc::layout::MessagesStatus;
use guest::ipc::messages::{Choice, Message, Queue, Told, Wanted};
use guest::ipc::text;

use super::spare::Spare;
use super::waiter::Waiter;
use super::{Lookup, by_current, limits, seconds, who};
use crate::sync::SpinLock;

/// What those who wait are told.
#[derive(Debug)]
enum News {
    /// Their message is in the queue.
    Sent,
    /// This is the message, or why there is none.
    Received(Result<Message, Errno>),
    /// They have to look again; a message that was to be sent comes back.
    Changed(Option<Message>),
    /// The queue has gone.
    Removed,
}

type Handle = Arc<Waiter<News>>;

static QUEUES: SpinLock<Table<Queue<Handle>>> = SpinLock::new(Table::new());
/// Memory for the texts of messages.
pub(crate) static SPARE: Spare = Spare::new();

fn pass_on(told: Told<Handle>) {
    match told {
        Told::Receiver(waiter, received) => waiter.tell(News::Received(received)),
        Told::Sender(waiter) => waiter.tell(News::Sent),
    }
}

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
pub(crate) fn send(id: i32, mut message: Message, flags: u32) -> Result<(), Errno> {
    let (who, by) = (who(), by_current());
    let mut spare: Option<Handle> = None;
    loop {
        let mut queues = QUEUES.lock();
        let entry = queues.get(id)?;
        entry.permissions.check(&who, WRITE)?;
        let Some(back) = entry.object.send(message, by, &mut pass_on)? else { return Ok(()) };
        if flags & NO_WAIT != 0 {
            drop(queues);
            return Err(Errno::EAGAIN);
        }
        let Some(waiter) = spare.take() else {
            drop(queues);
            (message, spare) = (back, Some(Waiter::new()));
            continue;
        };
        entry.object.wait_for_room(waiter.clone(), back, by.pid)?;
        drop(queues);
        match wait(id, &waiter)? {
            News::Changed(Some(back)) => message = back,
            News::Removed => return Err(Errno::EIDRM),
            _ => return Ok(()),
        }
    }
}

/// `msgrcv`.
///
/// # Errors
/// EINVAL, EIDRM, EACCES, ENOMSG, E2BIG, ENOMEM, EINTR.
pub(crate) fn receive(id: i32, wanted: Wanted, flags: u32) -> Result<Message, Errno> {
    let (who, by) = (who(), by_current());
    let mut spare: Option<Handle> = None;
    loop {
        let mut queues = QUEUES.lock();
        let entry = queues.get(id)?;
        entry.permissions.check(&who, READ)?;
        if let Some(message) = entry.object.receive(&wanted, by, &mut pass_on)? {
            return Ok(message);
        }
        if flags & NO_WAIT != 0 {
            return Err(Errno::ENOMSG);
        }
        let Some(waiter) = spare.take() else {
            drop(queues);
            spare = Some(Waiter::new());
            continue;
        };
        entry.object.wait_for_message(waiter.clone(), wanted, by.pid)?;
        drop(queues);
        match wait(id, &waiter)? {
            News::Received(received) => return received,
            News::Removed => return Err(Errno::EIDRM),
            _ => {}
        }
    }
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

fn wait(id: i32, waiter: &Handle) -> Result<News, Errno> {
    let give_up = || {
        let left = QUEUES
            .lock()
            .get(id)
            .ok()
            .and_then(|entry| entry.object.give_up(|other| Arc::ptr_eq(other, waiter)));
        left.is_some()
    };
    waiter.wait(None, give_up).map_err(|_| Errno::EINTR)
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
    let who = who();
    let mut queues = QUEUES.lock();
    let entry = queues.get(id)?;
    entry.permissions.check_owner(&who)?;
    if limit_bytes > limits::QUEUE_BYTES.get() && !who.is_root() {
        return Err(Errno::EPERM);
    }
    entry.permissions.change(owner);
    entry.object.change(limit_bytes, seconds());
    for (waiter, message) in entry.object.expel() {
        waiter.tell(News::Changed(message));
    }
    Ok(())
}

/// Takes a queue away. Who waits learns of it.
///
/// # Errors
/// EINVAL, EIDRM, EPERM.
pub(crate) fn remove(id: i32) -> Result<(), Errno> {
    let who = who();
    let mut queues = QUEUES.lock();
    queues.get(id)?.permissions.check_owner(&who)?;
    let mut entry = queues.remove(id)?;
    for (waiter, _message) in entry.object.expel() {
        waiter.tell(News::Removed);
    }
    // What is in it is given back with the lock free.
    drop(queues);
    drop(entry);
    Ok(())
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
