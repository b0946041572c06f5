//! [`Sets`]: the sets of System V semaphores that there are, with the tasks that wait in them.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::{By, Operation, Set, Tried, alters};
use crate::errno::Errno;
use crate::fs::Identity;
use crate::ipc::ids::{READ, Table, WRITE};
use crate::sync::{Lock, System, WaitError, Waiter};

/// A task that waits, and is told that all is done, or why not.
type Handle<S> = Arc<Waiter<S, Result<(), Errno>>>;
/// A set with its tasks.
pub type Waited<S> = Set<Handle<S>>;
/// All sets, locked.
type Guard<'a, S> = <<S as System>::Lock<Table<Waited<S>>> as Lock<Table<Waited<S>>>>::Guard<'a>;

fn settle<S: System>(set: &mut Waited<S>, now: u64) {
    set.settle(now, &mut |waiter, result| waiter.tell(result));
}

/// The sets that there are.
pub struct Sets<S: System> {
    table: S::Lock<Table<Waited<S>>>,
}

impl<S: System> fmt::Debug for Sets<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sets").finish_non_exhaustive()
    }
}

impl<S: System> Sets<S> {
    /// Those of this table.
    pub const fn new(table: S::Lock<Table<Waited<S>>>) -> Self {
        Self { table }
    }

    /// The table of them.
    pub fn lock(&self) -> Guard<'_, S> {
        self.table.lock()
    }

    /// `semop` and `semtimedop`.
    ///
    /// # Errors
    /// EINVAL, EIDRM, EFBIG, EACCES, ERANGE, EAGAIN, ENOMEM, EINTR.
    pub fn operate(
        &self,
        id: i32,
        operations: &[Operation],
        deadline: Option<S::Deadline>,
        who: &Identity,
        by: By,
    ) -> Result<(), Errno> {
        let wish = if alters(operations) { WRITE } else { READ };
        // To wait with: made without the lock.
        let mut spare: Option<(Handle<S>, Vec<Operation>)> = None;
        loop {
            let mut sets = self.lock();
            let entry = sets.get(id)?;
            let count = entry.object.count();
            if operations.iter().any(|operation| usize::from(operation.number) >= count) {
                return Err(Errno::EFBIG);
            }
            entry.permissions.check(who, wish)?;
            let blocking = match entry.object.operate(operations, by)? {
                Tried::Done => {
                    if wish == WRITE {
                        settle(&mut entry.object, by.now);
                    }
                    return Ok(());
                }
                Tried::Blocked(blocking) => blocking,
            };
            let Some((waiter, operations)) = spare.take() else {
                drop(sets);
                let mut own = Vec::new();
                own.try_reserve_exact(operations.len()).map_err(|_| Errno::ENOMEM)?;
                own.extend_from_slice(operations);
                spare = Some((Waiter::new(), own));
                continue;
            };
            entry.object.wait(waiter.clone(), operations, by.pid, blocking)?;
            drop(sets);
            return self.wait(id, &waiter, deadline);
        }
    }

    fn wait(
        &self,
        id: i32,
        waiter: &Handle<S>,
        deadline: Option<S::Deadline>,
    ) -> Result<(), Errno> {
        let give_up = || {
            let mut sets = self.lock();
            let entry = sets.get(id).ok();
            let left =
                entry.and_then(|entry| entry.object.give_up(|other| Arc::ptr_eq(other, waiter)));
            drop(sets);
            left.is_some()
        };
        waiter.wait(deadline, give_up).unwrap_or_else(|error| match error {
            WaitError::TimedOut => Err(Errno::EAGAIN),
            WaitError::Interrupted => Err(Errno::EINTR),
        })
    }

    /// A process ends: what it wanted undone is.
    pub fn end(&self, by: By) {
        for entry in self.lock().iter_mut() {
            if entry.object.end(by) {
                settle(&mut entry.object, by.now);
            }
        }
    }

    /// Sets values from the semaphore `first` on: of one, or of all.
    ///
    /// # Errors
    /// EINVAL, EIDRM, EACCES, ERANGE.
    pub fn set_values(
        &self,
        id: i32,
        first: usize,
        values: &[u16],
        who: &Identity,
        by: By,
    ) -> Result<(), Errno> {
        let mut sets = self.lock();
        let entry = sets.get(id)?;
        if first >= entry.object.count() {
            return Err(Errno::EINVAL);
        }
        entry.permissions.check(who, WRITE)?;
        entry.object.set_values(first, values, by)?;
        settle(&mut entry.object, by.now);
        Ok(())
    }

    /// Takes a set away, of so many semaphores. Who waits learns of it.
    ///
    /// # Errors
    /// EINVAL, EIDRM, EPERM.
    pub fn remove(&self, id: i32, who: &Identity) -> Result<usize, Errno> {
        let mut sets = self.lock();
        sets.get(id)?.permissions.check_owner(who)?;
        let mut entry = sets.remove(id)?;
        entry.object.expel().for_each(|waiter| waiter.tell(Err(Errno::EIDRM)));
        drop(sets);
        Ok(entry.object.count())
    }
}

#[cfg(test)]
mod tests;
