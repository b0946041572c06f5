//! The tree of all processes, under one lock; what is looked up in it by number.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::tree;

use super::{Process, Thread};
use crate::sync::SpinLock;

/// Processes and threads by number.
pub(super) type Tree = tree::Tree<Arc<Process>, Arc<Thread>>;

/// All of them.
pub(super) static TREE: SpinLock<Tree> = SpinLock::new(Tree::new());

/// The living process (zombies included) with this number.
pub(crate) fn process(pid: Pid) -> Option<Arc<Process>> {
    TREE.lock().get(pid).map(|node| node.payload.clone())
}

/// The process that has this number, or that of one of its threads.
pub(crate) fn process_of(tid: Pid) -> Option<Arc<Process>> {
    let tree = TREE.lock();
    match tree.get(tid) {
        Some(node) => Some(node.payload.clone()),
        None => tree.thread(tid).map(|thread| thread.process.clone()),
    }
}

/// Whether a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// It does.
    Lives,
    /// Its parent may be told how it has ended.
    Ended,
    /// And has been.
    Gone,
}

/// Whether a process lives, whoever has its number by now.
pub(crate) fn life(process: &Arc<Process>) -> Life {
    let tree = TREE.lock();
    match tree.get(process.pid).filter(|node| Arc::ptr_eq(&node.payload, process)) {
        None => Life::Gone,
        Some(node) if node.is_ended() => Life::Ended,
        Some(_) => Life::Lives,
    }
}

/// All, by number.
pub(crate) fn processes() -> Vec<Arc<Process>> {
    TREE.lock().iter().map(|(_, node)| node.payload.clone()).collect()
}

/// The one with the next number after `pid`. Takes no memory.
pub(crate) fn next_process(pid: Pid) -> Option<Arc<Process>> {
    TREE.lock().next_after(pid).map(|node| node.payload.clone())
}

/// The living thread with this number.
pub(crate) fn thread(tid: Pid) -> Option<Arc<Thread>> {
    TREE.lock().thread(tid).cloned()
}

/// Number of processes, and the last number that was given out.
pub(crate) fn counts() -> (usize, Pid) {
    let tree = TREE.lock();
    (tree.processes(), tree.last_pid())
}

/// Copies what the tree says of a process to where others look.
pub(super) fn publish(tree: &Tree, pid: Pid) {
    let Some(node) = tree.get(pid) else { return };
    node.payload.parent.store(node.parent(), Ordering::Relaxed);
    node.payload.group.store(node.group(), Ordering::Relaxed);
    node.payload.session.store(node.session(), Ordering::Relaxed);
}

/// `setpgid`; 0 stands for the caller, and for a group of its own.
///
/// # Errors
/// EINVAL, ESRCH, EPERM, EACCES.
pub(crate) fn set_group(caller: &Process, pid: i32, group: i32) -> Result<(), Errno> {
    if pid < 0 {
        return Err(Errno::ESRCH);
    }
    if group < 0 {
        return Err(Errno::EINVAL);
    }
    let pid = if pid == 0 { caller.pid } else { pid as Pid };
    let group = if group == 0 { pid } else { group as Pid };
    let mut tree = TREE.lock();
    tree.set_group(caller.pid, pid, group)?;
    publish(&tree, pid);
    Ok(())
}

/// `setsid`.
///
/// # Errors
/// EPERM.
pub(crate) fn new_session(caller: &Process) -> Result<Pid, Errno> {
    let mut tree = TREE.lock();
    tree.new_session(caller.pid)?;
    publish(&tree, caller.pid);
    Ok(caller.pid)
}

/// Whether the group is in this session, for the terminal.
pub(crate) fn group_is_in_session(group: Pid, session: Pid) -> bool {
    TREE.lock().group_session(group) == session
}

/// Whether the group is orphaned: its terminal does not stop it.
pub(crate) fn group_is_orphaned(group: Pid) -> bool {
    TREE.lock().is_orphaned(group)
}
