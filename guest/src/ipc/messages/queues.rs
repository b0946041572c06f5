//! [`Queues`]: the System V message queues that there are, with the tasks that wait in them.

use alloc::sync::Arc;
use core::fmt;

use super::{By, Message, Queue, Told, Wanted};
use crate::errno::Errno;
use crate::fs::Identity;
use crate::ipc::ids::{NO_WAIT, NewOwner, READ, Table, WRITE};
use crate::sync::{Lock, System, Waiter};

/// What those who wait are told.
#[derive(Debug)]
pub enum News {
    /// Their message is in the queue.
    Sent,
    /// This is the message, or why there is none.
    Received(Result<Message, Errno>),
    /// They have to look again; a message that was to be sent comes back.
    Changed(Option<Message>),
    /// The queue has gone.
    Removed,
}

type Handle<S> = Arc<Waiter<S, News>>;
type Queued<S> = Table<Queue<Handle<S>>>;
/// All queues, locked.
type Guard<'a, S> = <<S as System>::Lock<Queued<S>> as Lock<Queued<S>>>::Guard<'a>;

fn pass_on<S: System>(told: Told<Handle<S>>) {
    match told {
        Told::Receiver(waiter, received) => waiter.tell(News::Received(received)),
        Told::Sender(waiter) => waiter.tell(News::Sent),
    }
}

/// The queues that there are.
pub struct Queues<S: System> {
    table: S::Lock<Queued<S>>,
}

impl<S: System> fmt::Debug for Queues<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queues").finish_non_exhaustive()
    }
}

impl<S: System> Queues<S> {
    /// Those of this table.
    pub const fn new(table: S::Lock<Queued<S>>) -> Self {
        Self { table }
    }

    /// The table of them.
    pub fn lock(&self) -> Guard<'_, S> {
        self.table.lock()
    }

    /// `msgsnd`.
    ///
    /// # Errors
    /// EINVAL, EIDRM, EACCES, EAGAIN, ENOMEM, EINTR.
    pub fn send(
        &self,
        id: i32,
        mut message: Message,
        flags: u32,
        who: &Identity,
        by: By,
    ) -> Result<(), Errno> {
        let mut spare: Option<Handle<S>> = None;
        loop {
            let mut queues = self.lock();
            let entry = queues.get(id)?;
            entry.permissions.check(who, WRITE)?;
            let sent = entry.object.send(message, by, &mut pass_on)?;
            let Some(back) = sent else { return Ok(()) };
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
            match self.wait(id, &waiter)? {
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
    pub fn receive(
        &self,
        id: i32,
        wanted: Wanted,
        flags: u32,
        who: &Identity,
        by: By,
    ) -> Result<Message, Errno> {
        let mut spare: Option<Handle<S>> = None;
        loop {
            let mut queues = self.lock();
            let entry = queues.get(id)?;
            entry.permissions.check(who, READ)?;
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
            match self.wait(id, &waiter)? {
                News::Received(received) => return received,
                News::Removed => return Err(Errno::EIDRM),
                _ => {}
            }
        }
    }

    fn wait(&self, id: i32, waiter: &Handle<S>) -> Result<News, Errno> {
        let give_up = || {
            let mut queues = self.lock();
            let entry = queues.get(id).ok();
            let left =
                entry.and_then(|entry| entry.object.give_up(|other| Arc::ptr_eq(other, waiter)));
            drop(queues);
            left.is_some()
        };
        waiter.wait(None, give_up).map_err(|_| Errno::EINTR)
    }

    /// Changes owner, permissions and limit, which only root may raise above `most_bytes`. Who waits
    /// looks again.
    ///
    /// # Errors
    /// EINVAL, EIDRM, EPERM.
    pub fn change(
        &self,
        id: i32,
        owner: NewOwner,
        [limit_bytes, most_bytes]: [u64; 2],
        who: &Identity,
        now: u64,
    ) -> Result<(), Errno> {
        let mut queues = self.lock();
        let entry = queues.get(id)?;
        entry.permissions.check_owner(who)?;
        if limit_bytes > most_bytes && !who.is_root() {
            return Err(Errno::EPERM);
        }
        entry.permissions.change(owner);
        entry.object.change(limit_bytes, now);
        for (waiter, message) in entry.object.expel() {
            waiter.tell(News::Changed(message));
        }
        Ok(())
    }

    /// Takes a queue away. Who waits learns of it.
    ///
    /// # Errors
    /// EINVAL, EIDRM, EPERM.
    pub fn remove(&self, id: i32, who: &Identity) -> Result<(), Errno> {
        let mut queues = self.lock();
        queues.get(id)?.permissions.check_owner(who)?;
        let mut entry = queues.remove(id)?;
        for (waiter, _message) in entry.object.expel() {
            waiter.tell(News::Removed);
        }
        // What is in it is given back with the lock free.
        drop(queues);
        drop(entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
