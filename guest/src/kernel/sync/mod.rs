//! Locks and waiting. [`SpinLock`] turns interrupts off and is for short sections that never
//! sleep; [`Mutex`] sleeps; [`WaitQueue`] is how everything else waits; [`Once`] is set once.

mod mutex;
mod once;
mod spin;
mod wait;

pub(crate) use mutex::{Mutex, MutexGuard};
pub(crate) use once::Once;
pub(crate) use spin::{SpinGuard, SpinLock};
pub(crate) use wait::{WaitError, WaitQueue, wait_on_any};
