//! Suspended processes: their threads pause before they go back to user mode, and their memory may
//! leave RAM. Nobody is told, neither the process nor its parent; calls that sleep go on sleeping.
//! Whoever is to be killed goes on, for that. `mm::load` and /proc/PID/suspend use this.

use core::sync::atomic::{AtomicU32, Ordering};

use guest::mm::counters::Event;

use super::{Process, signal};
use crate::sched;
use crate::sync::WaitQueue;

/// Who has suspended a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Suspender {
    /// Somebody, by hand.
    Hand = 1,
    /// Load control.
    LoadControl = 2,
}

/// Whether a process is suspended.
#[derive(Debug)]
pub(super) struct Suspension {
    /// A [`Suspender`], or 0. Set with the process's signals locked.
    by: AtomicU32,
    /// Its threads pause here.
    pausing: WaitQueue,
}

impl Default for Suspension {
    fn default() -> Self {
        Self { by: AtomicU32::new(0), pausing: WaitQueue::new() }
    }
}

impl Suspension {
    /// Threads that pause look whether they are to end.
    pub(super) fn look(&self) {
        self.pausing.wake_all();
    }
}

impl Process {
    /// Who has suspended it, if it is.
    pub(crate) fn suspended_by(&self) -> Option<Suspender> {
        let by = self.suspension.by.load(Ordering::SeqCst);
        [Suspender::Hand, Suspender::LoadControl].into_iter().find(|who| *who as u32 == by)
    }

    /// Suspends it; false where it ends. One that is suspended already belongs to `by` from now on.
    pub(crate) fn suspend(&self, by: Suspender) -> bool {
        let signals = self.signals.lock();
        if signals.end.is_some() || signals.threads.is_empty() {
            return false;
        }
        if self.suspension.by.swap(by as u32, Ordering::SeqCst) == 0 {
            crate::mm::count(Event::Suspended, 1);
        }
        signals.threads.iter().for_each(|thread| thread.hold());
        true
    }

    /// Lets it go on, if it is suspended.
    pub(crate) fn resume(&self) {
        if self.suspension.by.load(Ordering::Relaxed) != 0
            && self.suspension.by.swap(0, Ordering::SeqCst) != 0
        {
            crate::mm::count(Event::Resumed, 1);
            self.suspension.pausing.wake_all();
        }
    }
}

/// Pauses here as long as the current thread's process is suspended, unless the thread is to end.
#[cold]
pub(crate) fn pause_while_suspended() {
    let process = &sched::current_thread().process;
    let goes_on = || process.suspended_by().is_none() || signal::is_dying();
    process.suspension.pausing.wait(|| goes_on().then_some(()));
}
