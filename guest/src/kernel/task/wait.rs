//! Waiting for children: `wait4` and `waitid`.

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::signal::Number;
use guest::task::tree::{Found, Node};
use guest::task::wait::{Change, Wanted};

use super::table::TREE;
use super::usage::Usage;
use super::{Process, current_process};

/// In [`Process::report`]: nothing.
const NOTHING: u32 = 0;

/// The parent may hear of a stop or a continuation, which replaces an older one.
pub(super) fn report(process: &Process, change: Change) {
    process.report.store(change.status(), Ordering::Relaxed);
}

fn reported(process: &Process) -> Option<Change> {
    match process.report.load(Ordering::Relaxed) {
        NOTHING => None,
        status if status == Change::Continued.status() => Some(Change::Continued),
        status => Some(Change::Stopped((status >> 8) as Number)),
    }
}

/// What a wait tells of a child.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    pub(crate) pid: Pid,
    pub(crate) uid: u32,
    pub(crate) change: Change,
    /// What it and its children have used.
    pub(crate) usage: Usage,
}

/// What a child has to tell that is wanted.
fn tells(node: &Node<Arc<Process>>, wanted: &Wanted) -> Option<(Arc<Process>, Change)> {
    let process = &node.payload;
    let change = if node.is_ended() { process.end() } else { reported(process) };
    let change = change.filter(|change| wanted.wants(*change))?;
    Some((process.clone(), change))
}

/// Looks once; `None`: nothing yet.
fn look(caller: &Process, wanted: &Wanted) -> Option<Result<(Arc<Process>, Change), Errno>> {
    let mut tree = TREE.lock();
    let (pid, child, change) = match tree.wait(caller.pid, wanted, |node| tells(node, wanted)) {
        Found::Nobody => return Some(Err(Errno::ECHILD)),
        Found::NotYet => return None,
        Found::Child(pid, (child, change)) => (pid, child, change),
    };
    if !wanted.leaves() {
        if change.is_end() {
            // The payload is `child`, so that it is not dropped under the lock.
            let _ = tree.reap(pid);
        } else {
            child.report.store(NOTHING, Ordering::Relaxed);
        }
    }
    Some(Ok((child, change)))
}

/// Waits for a child that has changed as `wanted`; `None` where that has not happened and the
/// caller is in a hurry.
///
/// # Errors
/// ECHILD, EINTR.
pub(crate) fn wait(wanted: &Wanted) -> Result<Option<Told>, Errno> {
    let caller = current_process();
    let found = if wanted.is_hurried() {
        match look(caller, wanted) {
            None => return Ok(None),
            Some(found) => found?,
        }
    } else {
        let slept = caller.children.wait_interruptible(None, || look(caller, wanted));
        slept.map_err(|_| Errno::EINTR)??
    };
    let (child, change) = found;
    let usage = child.usage().and(child.children_usage());
    if change.is_end() && !wanted.leaves() {
        caller.adopt_usage(&child);
    }
    let uid = child.credentials().uid;
    Ok(Some(Told { pid: child.pid, uid, change, usage }))
}

impl Process {
    /// How it has ended, once it has.
    pub(crate) fn end(&self) -> Option<Change> {
        let signals = self.signals.lock();
        let end = signals.end.or(signals.leader_end);
        end.filter(|_| signals.threads.is_empty())
    }
}
