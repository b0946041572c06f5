//! [`Set`]: a set of System V semaphores: operations on several at once, all or none; those who
//! wait for them in their order; and what is undone when a process ends.
//!
//! Source: `semop(2)`, `semctl(2)`; whose turn it is follows Linux: whenever a value has changed,
//! the first of all that can go on goes on.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use super::ids::NO_WAIT;
use super::layout::SemaphoresStatus;
use super::messages::By;
use crate::errno::Errno;
use crate::task::Pid;

mod sets;

pub use sets::{Sets, Waited};

/// Flag of an operation: it is undone when its process ends.
pub const UNDO: u16 = 0o10000;
/// Largest value.
pub const VALUE_MAX: u16 = 32_767;
/// Furthest that a process's end changes a value.
const ADJUSTMENT_MAX: i32 = VALUE_MAX as i32;

/// `struct sembuf`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which semaphore of the set.
    pub number: u16,
    /// Added to its value; or 0: wait until that is 0.
    pub amount: i16,
    /// [`UNDO`], [`NO_WAIT`].
    pub flags: u16,
}

impl Operation {
    /// Half words of `struct sembuf`.
    pub const fn of([number, amount, flags]: [u16; 3]) -> Self {
        Self { number, amount: amount as i16, flags }
    }

    const fn waits(self) -> bool {
        self.flags as u32 & NO_WAIT == 0
    }

    const fn is_undone(self) -> bool {
        self.flags & UNDO != 0
    }
}

/// Whether any of them changes a value.
pub fn alters(operations: &[Operation]) -> bool {
    operations.iter().any(|operation| operation.amount != 0)
}

/// Those whose operations are undone together: threads of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(pub Pid);

/// A semaphore.
#[derive(Clone, Copy, Debug, Default)]
struct Semaphore {
    value: u16,
    /// Process that has changed it, or waited for it, last.
    pid: Pid,
}

/// What the end of a process changes.
#[derive(Debug)]
struct Undo {
    owner: Owner,
    /// For each semaphore.
    adjustments: Vec<i16>,
}

/// Operations that wait.
#[derive(Debug)]
struct Pending<W> {
    waiter: W,
    operations: Vec<Operation>,
    pid: Pid,
    /// The one that could not be done.
    blocking: usize,
}

/// What became of operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// All are done.
    Done,
    /// None, because of this one.
    Blocked(usize),
}

/// A set, with those who wait.
#[derive(Debug)]
pub struct Set<W> {
    semaphores: Vec<Semaphore>,
    pending: VecDeque<Pending<W>>,
    undos: Vec<Undo>,
    operated: u64,
    changed: u64,
}

impl<W> Set<W> {
    /// Of so many semaphores, all 0.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn new(count: usize, now: u64) -> Result<Self, Errno> {
        let semaphores = filled(Semaphore::default(), count)?;
        let (pending, undos) = (VecDeque::new(), Vec::new());
        Ok(Self { semaphores, pending, undos, operated: 0, changed: now })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.semaphores.len()
    }

    /// What is known of it.
    pub fn status(&self) -> SemaphoresStatus {
        let count = self.count() as u64;
        SemaphoresStatus { operated: self.operated, changed: self.changed, count }
    }

    /// Owner or permissions have changed.
    pub fn touch(&mut self, now: u64) {
        self.changed = now;
    }

    /// Does these operations, or none of them.
    ///
    /// # Errors
    /// EFBIG, ERANGE, ENOMEM; EAGAIN where the one that cannot be done does not wait.
    pub fn operate(&mut self, operations: &[Operation], by: By) -> Result<Tried, Errno> {
        let is_known = |operation: &Operation| usize::from(operation.number) < self.count();
        if !operations.iter().all(is_known) {
            return Err(Errno::EFBIG);
        }
        if operations.iter().any(|operation| operation.is_undone()) {
            self.prepare_undo(Owner(by.pid))?;
        }
        let tried = self.try_all(operations, by.pid)?;
        if tried == Tried::Done {
            self.operated = by.now;
        }
        Ok(tried)
    }

    /// Has a place to note what a process's end is to undo.
    fn prepare_undo(&mut self, owner: Owner) -> Result<(), Errno> {
        if self.undos.iter().all(|undo| undo.owner != owner) {
            let adjustments = filled(0, self.semaphores.len())?;
            self.undos.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
            self.undos.push(Undo { owner, adjustments });
        }
        Ok(())
    }

    /// Does them one after the other; what was done is taken back where one cannot be.
    fn try_all(&mut self, operations: &[Operation], pid: Pid) -> Result<Tried, Errno> {
        for (index, operation) in operations.iter().enumerate() {
            let done = self.try_one(operation, pid);
            if done != Ok(true) {
                self.take_back(&operations[..index], pid);
            }
            match done {
                Ok(true) => {}
                Ok(false) if operation.waits() => return Ok(Tried::Blocked(index)),
                Ok(false) => return Err(Errno::EAGAIN),
                Err(errno) => return Err(errno),
            }
        }
        for operation in operations {
            self.semaphores[usize::from(operation.number)].pid = pid;
        }
        Ok(Tried::Done)
    }

    /// Does one; false where it has to wait.
    fn try_one(&mut self, operation: &Operation, pid: Pid) -> Result<bool, Errno> {
        let number = usize::from(operation.number);
        let value = i32::from(self.semaphores[number].value);
        if operation.amount == 0 {
            return Ok(value == 0);
        }
        let new = value + i32::from(operation.amount);
        if new < 0 {
            return Ok(false);
        }
        if new > i32::from(VALUE_MAX) {
            return Err(Errno::ERANGE);
        }
        if operation.is_undone()
            && let Some(adjustment) = self.adjustment(Owner(pid), number)
        {
            let new = i32::from(*adjustment) - i32::from(operation.amount);
            if !(-ADJUSTMENT_MAX - 1..=ADJUSTMENT_MAX).contains(&new) {
                return Err(Errno::ERANGE);
            }
            *adjustment = new as i16;
        }
        self.semaphores[number].value = new as u16;
        Ok(true)
    }

    fn take_back(&mut self, done: &[Operation], pid: Pid) {
        for operation in done.iter().rev() {
            let number = usize::from(operation.number);
            let value = &mut self.semaphores[number].value;
            *value = value.wrapping_add_signed(operation.amount.wrapping_neg());
            if operation.is_undone()
                && let Some(adjustment) = self.adjustment(Owner(pid), number)
            {
                *adjustment = adjustment.wrapping_add(operation.amount);
            }
        }
    }

    fn adjustment(&mut self, owner: Owner, number: usize) -> Option<&mut i16> {
        let undo = self.undos.iter_mut().find(|undo| undo.owner == owner)?;
        undo.adjustments.get_mut(number)
    }

    /// Somebody waits to do operations that were [blocked](Tried::Blocked), behind those who do
    /// already.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn wait(
        &mut self,
        waiter: W,
        operations: Vec<Operation>,
        pid: Pid,
        blocking: usize,
    ) -> Result<(), Errno> {
        self.pending.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.pending.push_back(Pending { waiter, operations, pid, blocking });
        Ok(())
    }

    /// After a value has changed: does what waits and can be done; `tell` learns of each, or of its
    /// error.
    pub fn settle(&mut self, now: u64, tell: &mut dyn FnMut(W, Result<(), Errno>)) {
        let mut index = 0;
        while index < self.pending.len() {
            let (operations, pid) = {
                let pending = &mut self.pending[index];
                (core::mem::take(&mut pending.operations), pending.pid)
            };
            let tried = self.try_all(&operations, pid);
            if let Ok(Tried::Blocked(blocking)) = tried {
                (self.pending[index].operations, self.pending[index].blocking) =
                    (operations, blocking);
                index += 1;
                continue;
            }
            let Some(Pending { waiter, .. }) = self.pending.remove(index) else { break };
            if tried.is_ok() {
                self.operated = now;
            }
            // Whoever comes before may be able to go on now.
            index = if tried.is_ok() && alters(&operations) { 0 } else { index };
            tell(waiter, tried.map(|_| ()));
        }
    }

    /// Somebody waits no longer; `None` where it was told before.
    pub fn give_up(&mut self, is_it: impl Fn(&W) -> bool) -> Option<W> {
        let index = self.pending.iter().position(|pending| is_it(&pending.waiter))?;
        self.pending.remove(index).map(|pending| pending.waiter)
    }

    /// A process ends: what it wanted undone is undone, as far as values allow; whether anything
    /// was.
    pub fn end(&mut self, by: By) -> bool {
        let Some(at) = self.undos.iter().position(|undo| undo.owner == Owner(by.pid)) else {
            return false;
        };
        let undo = self.undos.swap_remove(at);
        let adjusted = undo.adjustments.iter().zip(&mut self.semaphores);
        for (adjustment, semaphore) in adjusted.filter(|(adjustment, _)| **adjustment != 0) {
            let new = i32::from(semaphore.value) + i32::from(*adjustment);
            semaphore.value = new.clamp(0, i32::from(VALUE_MAX)) as u16;
            semaphore.pid = by.pid;
        }
        self.operated = by.now;
        true
    }

    /// The value of one.
    ///
    /// # Errors
    /// EINVAL.
    pub fn value(&self, number: usize) -> Result<u16, Errno> {
        Ok(self.semaphores.get(number).ok_or(Errno::EINVAL)?.value)
    }

    /// Process that has changed one, or waited for it, last.
    ///
    /// # Errors
    /// EINVAL.
    pub fn pid(&self, number: usize) -> Result<Pid, Errno> {
        Ok(self.semaphores.get(number).ok_or(Errno::EINVAL)?.pid)
    }

    /// How many wait for one to become 0, or to increase.
    ///
    /// # Errors
    /// EINVAL.
    pub fn waiters(&self, number: usize, what: For) -> Result<usize, Errno> {
        self.value(number)?;
        let blocking = self.pending.iter().map(|pending| &pending.operations[pending.blocking]);
        let mine = blocking.filter(|operation| usize::from(operation.number) == number);
        Ok(mine.filter(|operation| (operation.amount == 0) == (what == For::Zero)).count())
    }

    /// Copies all values.
    pub fn values(&self, to: &mut [u16]) {
        to.iter_mut().zip(&self.semaphores).for_each(|(to, semaphore)| *to = semaphore.value);
    }

    /// Sets those from `first` on, which then are undone no more.
    ///
    /// # Errors
    /// EINVAL where there are not so many, ERANGE.
    pub fn set_values(&mut self, first: usize, values: &[u16], by: By) -> Result<(), Errno> {
        let range = first..first.saturating_add(values.len());
        if values.iter().any(|value| *value > VALUE_MAX) {
            return Err(Errno::ERANGE);
        }
        let semaphores = self.semaphores.get_mut(range.clone()).ok_or(Errno::EINVAL)?;
        for (semaphore, value) in semaphores.iter_mut().zip(values) {
            *semaphore = Semaphore { value: *value, pid: by.pid };
        }
        for undo in &mut self.undos {
            undo.adjustments[range.clone()].fill(0);
        }
        self.changed = by.now;
        Ok(())
    }

    /// Takes all out who wait: the set goes.
    pub fn expel(&mut self) -> impl Iterator<Item = W> + use<W> {
        core::mem::take(&mut self.pending).into_iter().map(|pending| pending.waiter)
    }
}

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// That a value is 0.
    Zero,
    /// That it increases.
    Increase,
}

fn filled<T: Clone>(value: T, count: usize) -> Result<Vec<T>, Errno> {
    let mut all = Vec::new();
    all.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
    all.resize(count, value);
    Ok(all)
}

#[cfg(test)]
mod tests;
