//! Locks and waiting. [`SpinLock`] turns interrupts off and is for short sections that never
//! sleep; [`Mutex`] sleeps; [`WaitQueue`] is how everything else waits; [`Once`] is set once.

mod mutex;
mod once;
mod spin;
mod wait;

pub(crate) use mutex::{Mutex, MutexGuard};
pub(crate) use once::Once;
pub(crate) use spin::{SpinGuard, SpinLock};
pub(crate) use wait::{WaitQueue, wait_on_any};

pub(crate) use guest::sync::WaitError;

use core::sync::atomic::AtomicU32;

use crate::sched::{self, Alive};
use crate::time::Instant;

/// What the portable parts of the kernel lock and sleep with.
#[derive(Debug)]
pub(crate) enum Kernel {}

impl guest::sync::System for Kernel {
    type Lock<T: Send> = SpinLock<T>;
    type Queue = WaitQueue;
    type Deadline = Instant;
    type Word = AtomicU32;
    type Task = Alive;

    #[inline]
    fn this() -> Alive {
        sched::this()
    }
}
