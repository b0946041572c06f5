//! New threads and processes: `clone`, and with it `fork` and `vfork`.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::task::signal::Number;
use guest::task::{Pid, limits};
use linux_raw_sys::general as linux;

use super::signal::{self, ProcessSignals, killable};
use super::table::{TREE, publish};
use super::{Process, Resources, Thread, current_process, init};
use crate::arch::trap::TrapFrame;
use crate::arch::uaccess;
use crate::ipc;
use crate::mm::{AddressSpace, tunables};
use crate::sched::{self, Task};
use crate::sync::SpinLock;

/// What `clone` is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    /// `CLONE_x`, the signal taken out.
    pub(crate) flags: u32,
    /// What the parent hears when the child ends; 0: nothing.
    pub(crate) exit_signal: Number,
    /// The child's stack pointer; 0: as the parent's.
    pub(crate) stack: u64,
    /// Where the parent finds the number.
    pub(crate) parent_tid: u64,
    /// The child's thread pointer.
    pub(crate) tls: u64,
    /// Where the child finds its number, and clears it.
    pub(crate) child_tid: u64,
}

/// Flags that make sense together with others only: (flag, what it needs).
const NEEDS: [(u32, u32); 3] = [
    (linux::CLONE_SIGHAND, linux::CLONE_VM),
    (linux::CLONE_THREAD, linux::CLONE_SIGHAND),
    // Threads of a process share these here.
    (linux::CLONE_THREAD, linux::CLONE_FILES | linux::CLONE_FS),
];
/// Flags that mean something here, or nothing anywhere.
const KNOWN: u32 = linux::CLONE_VM
    | linux::CLONE_FS
    | linux::CLONE_FILES
    | linux::CLONE_SIGHAND
    | linux::CLONE_VFORK
    | linux::CLONE_PARENT
    | linux::CLONE_THREAD
    | linux::CLONE_SYSVSEM
    | linux::CLONE_SETTLS
    | linux::CLONE_PARENT_SETTID
    | linux::CLONE_CHILD_CLEARTID
    | linux::CLONE_DETACHED
    | linux::CLONE_UNTRACED
    | linux::CLONE_CHILD_SETTID
    | linux::CLONE_PTRACE
    | linux::CLONE_IO;

impl Request {
    const fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }

    fn check(&self) -> Result<(), Errno> {
        let misses =
            |(flag, needed): &(u32, u32)| self.has(*flag) && self.flags & needed != *needed;
        let bad = self.flags & !KNOWN != 0 || NEEDS.iter().any(misses);
        if bad { Err(Errno::EINVAL) } else { Ok(()) }
    }

    /// Where the child begins.
    fn frame(&self, parent: &TrapFrame) -> TrapFrame {
        let mut frame = *parent;
        frame.set_return(0);
        if self.stack != 0 {
            frame.x[2] = self.stack;
        }
        if self.has(linux::CLONE_SETTLS) {
            frame.x[4] = self.tls;
        }
        frame
    }
}

/// `clone`: the number of the child.
///
/// # Errors
/// EINVAL, EAGAIN, ENOMEM.
pub(crate) fn clone(frame: &TrapFrame, request: &Request) -> Result<Pid, Errno> {
    request.check()?;
    let tid = reserve()?;
    let made = if request.has(linux::CLONE_THREAD) {
        make_thread(frame, request, tid)
    } else {
        make_process(frame, request, tid)
    };
    let child = made.inspect_err(|_| TREE.lock().release(tid))?;
    if request.has(linux::CLONE_VFORK) {
        wait_for_release(&child.process);
    }
    Ok(tid)
}

fn reserve() -> Result<Pid, Errno> {
    let creator = current_process();
    let credentials = creator.credentials();
    let mut tree = TREE.lock();
    // Who has ended counts, too, until somebody waits for it.
    if tree.numbers() as u64 >= init::threads_max() {
        return Err(Errno::EAGAIN);
    }
    if !credentials.is_root() {
        let same = |process: &Process| process.credentials().uid == credentials.uid;
        let all = tree.iter().filter(|(_, node)| same(&node.payload)).count();
        if all as u64 >= creator.limit(limits::NPROC) {
            return Err(Errno::EAGAIN);
        }
    }
    // One that is out of range stays what it was.
    let _ = tree.set_pid_max(tunables::pid_max());
    tree.reserve()
}

/// Sleeps until the child of `vfork` needs our memory no longer.
fn wait_for_release(child: &Process) {
    let released = || (!child.holds_parent.load(Ordering::Acquire)).then_some(());
    // Whoever is killed meanwhile finds out before user mode.
    let _ = killable(|| child.released.wait_interruptible(None, released));
}

/// The part that threads and processes share: the thread with its task, started.
fn make_task(
    frame: &TrapFrame,
    request: &Request,
    thread: &Arc<Thread>,
    space: Arc<AddressSpace>,
) -> Result<Arc<Task>, Errno> {
    if request.has(linux::CLONE_CHILD_CLEARTID) {
        thread.clear_tid.store(request.child_tid, Ordering::Relaxed);
    }
    let task = Task::new_user(thread.clone(), space, &request.frame(frame))?;
    *thread.task.lock() = Some(task.clone());
    Ok(task)
}

/// Tells parent and child the number where they want it. Bad addresses are not reported, as Linux
/// does not.
fn tell_number(request: &Request, tid: Pid, space: &AddressSpace) {
    let number = tid.to_le_bytes();
    if request.has(linux::CLONE_PARENT_SETTID) {
        let _ = uaccess::copy_out(request.parent_tid, &number);
    }
    if request.has(linux::CLONE_CHILD_SETTID) {
        if request.has(linux::CLONE_VM) {
            let _ = uaccess::copy_out(request.child_tid, &number);
        } else {
            let _ = space.write(request.child_tid, &number);
        }
    }
}

fn make_thread(frame: &TrapFrame, request: &Request, tid: Pid) -> Result<Arc<Thread>, Errno> {
    let parent = sched::current_thread();
    let process = &parent.process;
    let space = process.space().ok_or(Errno::ESRCH)?;
    let thread = Thread::new(tid, process.clone(), parent.name(), parent.mask());
    let task = make_task(frame, request, &thread, space.clone())?;
    tell_number(request, tid, &space);
    TREE.lock().insert_thread(tid, thread.clone());
    let mut signals = process.signals.lock();
    signals.threads.push(thread.clone());
    let must_look = signals.end.is_some()
        || signals.survivor.is_some()
        || process.stop.load(Ordering::Relaxed) != 0;
    drop(signals);
    task.start();
    if must_look {
        task.interrupt();
    }
    if process.suspended_by().is_some() {
        task.hold();
    }
    Ok(thread)
}

fn make_process(frame: &TrapFrame, request: &Request, pid: Pid) -> Result<Arc<Thread>, Errno> {
    let parent = sched::current_thread();
    let creator = &parent.process;
    parent.own.begin_fork();
    let space = creator.space().ok_or(Errno::ESRCH)?;
    let space = if request.has(linux::CLONE_VM) { space } else { copy(&space)? };
    let resources = creator.resources_for_child(request, space.clone());
    let signals = creator.signals_for_child(request);
    let process = Arc::new(creator.child(pid, resources, signals));
    process.holds_parent.store(request.has(linux::CLONE_VFORK), Ordering::Relaxed);
    let thread = Thread::new(pid, process.clone(), parent.name(), parent.mask());
    if !request.has(linux::CLONE_VM) || request.has(linux::CLONE_VFORK) {
        thread.own.copy_other_stack(&parent.own);
    }
    let task = make_task(frame, request, &thread, space.clone())?;
    tell_number(request, pid, &space);
    process.signals.lock().threads.push(thread.clone());
    let mut tree = TREE.lock();
    let is_sibling = request.has(linux::CLONE_PARENT) && creator.parent_pid() != 0;
    let parent_pid = if is_sibling { creator.parent_pid() } else { creator.pid };
    tree.insert(pid, parent_pid, request.exit_signal, process);
    tree.insert_thread(pid, thread.clone());
    publish(&tree, pid);
    signal::end_fork(parent, &thread.process);
    drop(tree);
    task.start();
    Ok(thread)
}

/// A copy of the memory of the current process.
fn copy(space: &AddressSpace) -> Result<Arc<AddressSpace>, Errno> {
    let copy = space.fork()?;
    ipc::after_fork(&copy);
    Ok(copy)
}

impl Process {
    /// A child of it, which is nowhere yet.
    fn child(&self, pid: Pid, resources: Resources, signals: ProcessSignals) -> Self {
        let faults = self.faults.for_child();
        Self {
            faults,
            trampoline: AtomicU64::new(self.trampoline.load(Ordering::Relaxed)),
            is_protected: AtomicBool::new(false),
            ..Self::new(pid, resources, signals)
        }
    }

    fn resources_for_child(&self, request: &Request, space: Arc<AddressSpace>) -> Resources {
        let (files, fs) = (self.files(), self.fs());
        let files = if request.has(linux::CLONE_FILES) {
            files
        } else {
            let copy = files.lock().duplicate();
            Arc::new(SpinLock::new(copy))
        };
        let fs = if request.has(linux::CLONE_FS) {
            fs
        } else {
            let copy = fs.lock().clone();
            Arc::new(SpinLock::new(copy))
        };
        let mine = self.resources.lock();
        Resources {
            files: Some(files),
            fs: Some(fs),
            space: Some(space),
            executable: mine.executable.clone(),
            credentials: mine.credentials,
            groups: mine.groups.clone(),
            name: mine.name,
            areas: mine.areas,
            limits: mine.limits,
            parent_death_signal: 0,
            nice: mine.nice,
        }
    }

    fn signals_for_child(&self, request: &Request) -> ProcessSignals {
        let actions = self.signals.lock().actions.clone();
        if request.has(linux::CLONE_SIGHAND) {
            return ProcessSignals::new(actions);
        }
        let own = actions.lock().clone();
        ProcessSignals::new(Arc::new(SpinLock::new(own)))
    }

    /// Its root, working directory and umask, made its own where they were shared.
    pub(crate) fn own_fs(&self) {
        let shared = self.fs();
        let copy = shared.lock().clone();
        let old = self.resources.lock().fs.replace(Arc::new(SpinLock::new(copy)));
        drop((old, shared));
    }

    /// Its descriptors, made its own where they were shared with another process: exec closes some.
    pub(crate) fn own_files(&self) -> Arc<SpinLock<crate::fs::FdTable>> {
        let shared = self.files();
        // Two are this one and the process's.
        if Arc::strong_count(&shared) <= 2 {
            return shared;
        }
        let copy = shared.lock().duplicate();
        let own = Arc::new(SpinLock::new(copy));
        let old = self.resources.lock().files.replace(own.clone());
        drop((old, shared));
        own
    }
}
