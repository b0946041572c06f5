//! The end of threads and processes.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::signal::action::IGNORE;
use guest::task::signal::{Flags, SIGCHLD, SIGCONT, SIGHUP, SigInfo};
use guest::task::tree::INIT;
use guest::task::wait::Change;

use super::signal::{alarm, post, timers};
use super::table::{TREE, Tree, publish};
use super::{Process, Thread, futex};
use crate::arch::uaccess;
use crate::dev::finisher;
use crate::fs::ext2;
use crate::fs::tty;
use crate::ipc;
use crate::sched;
use crate::sync::WaitQueue;

/// `exit_group`: ends all threads of the current process.
pub(crate) fn exit_process(code: u8) -> ! {
    let thread = sched::current_thread();
    let process = &thread.process;
    process.signals.lock().end_all(process, Change::Exited(code));
    exit_thread(Change::Exited(code))
}

/// Ends the current thread; with the last one the process ends, with `change` if this is its first
/// thread and nothing else was decided.
pub(crate) fn exit_thread(change: Change) -> ! {
    let thread = sched::current_thread();
    let process = &thread.process;
    let_go_of_memory(thread);
    if leave(thread, change) {
        end(process);
    }
    sched::exit()
}

/// Tells who waits for this thread in memory that it does not use the memory any longer: because
/// it ends, or executes a program.
pub(super) fn let_go_of_memory(thread: &Thread) {
    futex::release_robust(thread);
    let at = thread.clear_tid.swap(0, Ordering::Relaxed);
    if at != 0 && uaccess::copy_out(at, &0u32.to_le_bytes()).is_ok() {
        futex::wake_one_shared(at);
    }
}

/// Takes the thread out of its process; whether it was the last one.
fn leave(thread: &Thread, change: Change) -> bool {
    let process = &thread.process;
    process.keep_usage(thread);
    let mut signals = process.signals.lock();
    let index = signals.threads.iter().position(|other| core::ptr::eq(&**other, thread));
    let index = index.expect("a thread ends once");
    let me = signals.threads.remove(index);
    if thread.tid == process.pid {
        signals.leader_end = Some(change);
    }
    // What this thread was to take goes to another one.
    let shared = signals.pending.set();
    if !shared.is_empty() {
        let takers =
            signals.threads.iter().filter(|other| !shared.without(other.mask()).is_empty());
        takers.for_each(|other| other.interrupt());
    }
    let has_stopped = signals.stop_without(process);
    let is_last = signals.threads.is_empty();
    if let (true, Some(other)) = (has_stopped, signals.threads.first()) {
        other.interrupt();
    }
    drop(signals);
    let task = thread.task.lock().take();
    let known = forget(&me);
    drop((task, known, me));
    process.thread_ended.wake_all();
    is_last
}

/// Takes a thread out of the tree, unless its number is another one's by now.
fn forget(thread: &Arc<Thread>) -> Option<Arc<Thread>> {
    let mut tree = TREE.lock();
    let is_it = tree.thread(thread.tid).is_some_and(|known| Arc::ptr_eq(known, thread));
    if is_it { tree.remove_thread(thread.tid) } else { None }
}

/// The process has no threads any more: gives everything back, and tells its parent.
fn end(process: &Arc<Process>) {
    process.keep_memory_usage();
    alarm::clear(process);
    timers::clear(process);
    ipc::leave(process);
    give_back(process);
    process.release_parent();
    let change = process.end().unwrap_or(Change::Exited(0));
    if process.pid == INIT {
        ext2::shut_down();
        finisher::power_off(u16::from(change.exit_code()));
    }
    if process.session() == process.pid {
        tty::hang_up(process.pid);
    }
    let orphaned = leave_tree(process, change);
    process.thread_ended.wake_all();
    for group in orphaned {
        hang_up(group);
    }
}

fn give_back(process: &Process) {
    let mut resources = process.resources.lock();
    let files = resources.files.take();
    let fs = resources.fs.take();
    let space = resources.space.take();
    let executable = resources.executable.take();
    drop(resources);
    // The hart leaves the space before it is gone.
    sched::replace_space(None);
    ipc::leave_memory(process, space);
    if let Some(files) = files.and_then(Arc::into_inner) {
        let open = files.lock().close_all();
        drop(open);
    }
    drop((fs, executable));
}

/// What became of an ended process.
#[derive(Debug)]
struct Orphans {
    /// Groups that nobody in their session looks after any more.
    groups: Vec<Pid>,
    /// Processes that are gone, to be dropped without a lock held.
    gone: Vec<Arc<Process>>,
    /// Those who are to look at their children.
    wake: Vec<Arc<Process>>,
}

fn leave_tree(process: &Arc<Process>, change: Change) -> Vec<Pid> {
    let mut tree = TREE.lock();
    let mut groups = tree.tied_groups(process.pid);
    let children = tree.end(process.pid);
    let mut orphans = Orphans { groups: Vec::new(), gone: Vec::new(), wake: Vec::new() };
    tell_parent(&mut tree, process, change, &mut orphans);
    for child in children {
        publish(&tree, child);
        let Some(node) = tree.get(child) else { continue };
        let orphan = node.payload.clone();
        if let Some(end) = orphan.end().filter(|_| node.is_ended()) {
            tell_parent(&mut tree, &orphan, end, &mut orphans);
            continue;
        }
        let signal = orphan.parent_death_signal();
        if signal != 0 {
            // From the kernel: there is no info to be lost.
            let _ = post(&orphan, SigInfo::kernel(signal));
        }
        if let Some(node) = tree.get_mut(child) {
            // The first process hears SIGCHLD of whoever it inherits.
            node.exit_signal = SIGCHLD;
        }
    }
    groups.retain(|group| !tree.members(*group).is_empty() && tree.is_orphaned(*group));
    drop(tree);
    for parent in &orphans.wake {
        parent.children.wake_all();
    }
    groups.append(&mut orphans.groups);
    groups
}

/// Tells the parent of a process that it has ended; where the parent does not care, it is gone.
fn tell_parent(tree: &mut Tree, process: &Arc<Process>, change: Change, orphans: &mut Orphans) {
    let Some(node) = tree.get(process.pid) else { return };
    let exit_signal = node.exit_signal;
    let Some(parent) = tree.get(node.parent()).map(|parent| parent.payload.clone()) else { return };
    let action = parent.signals.lock().actions.lock().get(SIGCHLD);
    let ignores = action.handler == IGNORE || action.flags.has(Flags::NO_CHILD_WAIT);
    let is_forgotten = exit_signal == SIGCHLD && ignores;
    if exit_signal != 0 && !(is_forgotten && action.handler == IGNORE) {
        let uid = process.credentials().uid;
        let ticks = process.usage().ticks();
        let info = SigInfo::child(exit_signal, process.pid, uid, change, ticks);
        // Where there is no room, at least the parent is woken.
        let _ = post(&parent, info);
    }
    if is_forgotten {
        orphans.gone.extend(tree.reap(process.pid));
    }
    orphans.wake.push(parent);
}

/// A group that has lost its last tie: those who are stopped would be so for ever.
fn hang_up(group: Pid) {
    let tree = TREE.lock();
    let members = || tree.members(group).iter().filter_map(|pid| tree.get(*pid));
    let is_stopped = |process: &Process| process.stop.load(Ordering::Relaxed) != 0;
    if members().any(|node| is_stopped(&node.payload)) {
        for node in members() {
            // From the kernel: there is no info to be lost.
            let _ = post(&node.payload, SigInfo::kernel(SIGHUP));
            let _ = post(&node.payload, SigInfo::kernel(SIGCONT));
        }
    }
}

impl Process {
    /// Woken when a thread has ended, and when the process has.
    pub(crate) fn threads_ended(&self) -> &WaitQueue {
        &self.thread_ended
    }

    /// Whether the current thread is its only one.
    pub(crate) fn has_one_thread(&self) -> bool {
        self.signals.lock().threads.len() == 1
    }

    /// Lets the parent that waits in `vfork` go on.
    pub(super) fn release_parent(&self) {
        if self.holds_parent.swap(false, Ordering::Release) {
            self.released.wake_all();
        }
    }

    /// Ends all threads but the current one, which then is alone.
    ///
    /// # Errors
    /// EINTR where the current thread is to end, too.
    pub(super) fn end_other_threads(&self) -> Result<(), Errno> {
        let thread = sched::current_thread();
        let mut signals = self.signals.lock();
        if signals.end.is_some() || signals.survivor.is_some() {
            return Err(Errno::EINTR);
        }
        if signals.threads.len() > 1 {
            signals.survivor = Some(thread.tid);
            let others = signals.threads.iter().filter(|other| other.tid != thread.tid);
            others.for_each(|other| other.interrupt());
            self.stop.store(0, Ordering::Relaxed);
            self.suspension.look();
        }
        drop(signals);
        self.thread_ended.wait(|| (self.signals.lock().threads.len() == 1).then_some(()));
        let mut signals = self.signals.lock();
        signals.survivor = None;
        signals.leader_end = None;
        if signals.end.is_some() { Err(Errno::EINTR) } else { Ok(()) }
    }
}

/// Ends all threads of the current process, as a signal does.
pub(super) fn kill_process(signal: guest::task::signal::Number) -> ! {
    let process = &sched::current_thread().process;
    process.signals.lock().end_all(process, Change::Killed(signal));
    exit_thread(Change::Killed(signal))
}
