//! Job control: a process stops when all its threads have, goes on with SIGCONT, and its parent
//! hears of both.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::task::signal::{Flags, Number, SIGCHLD, SIGSTOP, SigInfo};
use guest::task::wait::Change;

use super::super::table::{self, TREE};
use super::super::{Process, Thread, wait};
use super::{ProcessSignals, post};
use crate::sched;
use crate::sync::SpinGuard;

/// Number of the last stop: each has its own, so that a thread that missed a continuation does not
/// take the next stop for the one it sleeps in.
static STOPS: AtomicU64 = AtomicU64::new(0);

impl ProcessSignals {
    /// Begins a stop, for which all threads have to look.
    fn begin_stop(&mut self, process: &Process, number: Number) {
        if process.stop.load(Ordering::Relaxed) == 0 {
            process.stop.store(STOPS.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
            self.stop_signal = number;
            self.stopped = 0;
            self.threads.iter().for_each(|thread| thread.interrupt());
        }
    }

    /// Ends a stop, as SIGCONT does.
    pub(super) fn resume(&mut self, process: &Process) {
        if process.stop.swap(0, Ordering::Relaxed) != 0 {
            if self.stopped == self.threads.len() {
                self.tell(process, Change::Continued);
            }
            self.threads.iter().for_each(|thread| thread.interrupt());
        }
    }

    /// The parent is to hear of a change; the thread that looks next tells it.
    fn tell(&mut self, process: &Process, change: Change) {
        wait::report(process, change);
        self.news = Some(change);
    }

    /// A thread has ended: if all others have stopped, the process has.
    pub(in crate::task) fn stop_without(&mut self, process: &Process) -> bool {
        let is_complete = process.stop.load(Ordering::Relaxed) != 0
            && !self.threads.is_empty()
            && self.stopped == self.threads.len();
        if is_complete {
            self.tell(process, Change::Stopped(self.stop_signal));
        }
        is_complete
    }
}

/// Stops the current thread for the stop that is in effect.
pub(super) fn stop_here(process: &Process, mut signals: SpinGuard<'_, ProcessSignals>) {
    let stop = process.stop.load(Ordering::Relaxed);
    signals.stopped += 1;
    if signals.stopped == signals.threads.len() {
        let number = signals.stop_signal;
        wait::report(process, Change::Stopped(number));
        drop(signals);
        tell_parent(process, Change::Stopped(number));
    } else {
        drop(signals);
    }
    sched::sleep_stopped(&mut || process.stop.load(Ordering::Relaxed) != stop);
}

/// A stop signal with its default action was taken out for the current thread: the process stops,
/// unless it is not to.
pub(super) fn on_signal(thread: &Thread, number: Number) {
    let process = &thread.process;
    // Nobody would continue it.
    if number != SIGSTOP && table::group_is_orphaned(process.group()) {
        return;
    }
    let mut signals = process.signals.lock();
    if signals.stop_taken && signals.end.is_none() {
        signals.stop_taken = false;
        signals.begin_stop(process, number);
    }
}

/// Tells the parent that `process` has stopped or goes on.
pub(in crate::task) fn tell_parent(process: &Process, change: Change) {
    let parent = TREE.lock().get(process.parent_pid()).map(|node| node.payload.clone());
    let Some(parent) = parent else { return };
    let action = parent.signals.lock().actions.lock().get(SIGCHLD);
    let wants = !action.flags.has(Flags::NO_CHILD_STOP);
    if wants {
        let uid = process.credentials().uid;
        // SIGCHLD does not queue: nothing is lost.
        let _ = post(&parent, SigInfo::child(SIGCHLD, process.pid, uid, change, [0; 2]));
    }
    parent.children.wake_all();
}
