//! Processes and threads: fork, exec, exit, wait, signals, futexes.
//!
//! Locks, outermost first: [`table`]'s tree of processes, a process's signals, a thread's pending
//! signals; a process's resources, times and faults are innermost. Policy is in `guest::task`.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::fs::access::Groups;
use guest::task::limits::{INFINITY, Limits};
use guest::task::signal::{Pending, SigSet};

use crate::fs::{FdTable, FsContext, OpenFile};
use crate::mm::{AddressSpace, FaultLog, LoadRecord};
use crate::sched::{self, Task};
use crate::sync::{SpinLock, WaitQueue};
use crate::time::Instant;

mod cpu_clock;
mod credentials;
mod exceptions;
pub(crate) mod exec;
pub(crate) mod exit;
pub(crate) mod fork;
pub(crate) mod futex;
mod init;
mod loader;
pub(crate) mod random;
pub(crate) mod signal;
mod suspension;
pub(crate) mod table;
mod trampoline;
pub(crate) mod usage;
pub(crate) mod wait;

pub(crate) use credentials::Credentials;
pub(crate) use exceptions::user_exception;
pub(crate) use guest::task::Pid;
pub(crate) use init::{is_init_ordinary, start_init, treat_init_as_others};
pub(crate) use signal::deliver::before_user;
pub(crate) use suspension::{Suspender, pause_while_suspended};
pub(crate) use table::{next_process, process, processes};

use signal::ProcessSignals;
use suspension::Suspension;
use usage::Times;

/// Longest name of a thread, in bytes.
const NAME_MAX_BYTES: usize = 15;

/// A name as ps shows it, filled up with 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) [u8; NAME_MAX_BYTES + 1]);

impl Name {
    /// The last part of a path, as far as it fits.
    pub(crate) fn of_path(path: &[u8]) -> Self {
        Self::new(path.rsplit(|byte| *byte == b'/').next().unwrap_or(path))
    }

    /// As far as it fits, up to a 0.
    pub(crate) fn new(text: &[u8]) -> Self {
        let text = text.split(|byte| *byte == 0).next().unwrap_or(text);
        let length = text.len().min(NAME_MAX_BYTES);
        let mut name = [0; NAME_MAX_BYTES + 1];
        name[..length].copy_from_slice(&text[..length]);
        Self(name)
    }

    /// Without what fills it up.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.split(|byte| *byte == 0).next().unwrap_or(&self.0)
    }

    /// For a line of the log.
    pub(crate) fn display(self) -> impl fmt::Display {
        fmt::from_fn(move |f| write!(f, "{}", self.as_bytes().escape_ascii()))
    }
}

/// What a process has; empty once it has ended.
#[derive(Debug)]
pub(super) struct Resources {
    pub(super) files: Option<Arc<SpinLock<FdTable>>>,
    pub(super) fs: Option<Arc<SpinLock<FsContext>>>,
    pub(super) space: Option<Arc<AddressSpace>>,
    pub(super) executable: Option<Arc<OpenFile>>,
    pub(super) credentials: Credentials,
    pub(super) groups: Groups,
    pub(super) name: Name,
    /// Where arguments and environment lie: (start, end) each.
    pub(super) areas: [(u64, u64); 2],
    pub(super) limits: Limits,
    /// What it hears when its parent ends; 0: nothing.
    pub(super) parent_death_signal: u8,
    /// -20 to 19.
    pub(super) nice: i8,
}

/// What threads share.
#[derive(Debug)]
pub(crate) struct Process {
    /// Its number: that of its first thread.
    pub(crate) pid: Pid,
    /// What the tree says, for those who only want to look. Written under the tree's lock.
    parent: AtomicU32,
    group: AtomicU32,
    session: AtomicU32,
    resources: SpinLock<Resources>,
    signals: SpinLock<ProcessSignals>,
    faults: FaultLog,
    times: SpinLock<Times>,
    started: Instant,
    /// Where the return from signal handlers lies in its memory.
    trampoline: AtomicU64,
    /// It waits here for its children to change.
    children: WaitQueue,
    /// Its threads wait here for each other to end.
    thread_ended: WaitQueue,
    /// Whether its parent sleeps until it executes a program or ends, and where.
    holds_parent: AtomicBool,
    released: WaitQueue,
    /// A stop or a continuation that its parent has not heard of yet: see [`wait::Report`].
    report: AtomicU32,
    /// Number of the stop that is in effect; 0: none.
    stop: AtomicU64,
    suspension: Suspension,
    /// What load control knows of it.
    load_record: LoadRecord,
    /// Signals without a handler do not harm it: it is the first process.
    is_protected: AtomicBool,
    /// Its interval timers, by [`signal::alarm::Which`].
    alarms: [SpinLock<signal::alarm::Alarm>; 3],
    /// What `timer_create` has made.
    timers: SpinLock<signal::timers::Table>,
}

/// One thread of a process. What is atomic here is written by the thread itself, if not said
/// otherwise.
#[derive(Debug)]
pub(crate) struct Thread {
    /// Its number.
    pub(crate) tid: Pid,
    /// What it belongs to.
    pub(crate) process: Arc<Process>,
    /// What the scheduler runs, until it has ended.
    task: SpinLock<Option<Arc<Task>>>,
    name: SpinLock<Name>,
    /// Signals that are blocked, and those that it waits for though they are; written under the
    /// lock of the process's signals.
    mask: AtomicU64,
    awaited: AtomicU64,
    /// What only this thread is sent; used under the lock of the process's signals.
    pending: SpinLock<Pending>,
    /// Which ones these are, to be looked at without their lock.
    pending_set: AtomicU64,
    own: signal::Own,
    /// Where to write 0 when it ends, and wake who waits there.
    clear_tid: AtomicU64,
    /// Where its list of robust mutexes begins.
    robust_list: AtomicU64,
}

impl Thread {
    /// One that is nowhere yet.
    pub(super) fn new(tid: Pid, process: Arc<Process>, name: Name, mask: SigSet) -> Arc<Self> {
        Arc::new(Self {
            tid,
            process,
            task: SpinLock::new(None),
            name: SpinLock::new(name),
            mask: AtomicU64::new(mask.0),
            awaited: AtomicU64::new(0),
            pending: SpinLock::new(Pending::new()),
            pending_set: AtomicU64::new(0),
            own: signal::Own::default(),
            clear_tid: AtomicU64::new(0),
            robust_list: AtomicU64::new(0),
        })
    }

    /// What the scheduler runs; `None` once it has ended.
    pub(crate) fn task(&self) -> Option<Arc<Task>> {
        self.task.lock().clone()
    }

    /// As ps shows it.
    pub(crate) fn name(&self) -> Name {
        *self.name.lock()
    }

    /// Renames it, and its process where it is the first thread.
    pub(crate) fn set_name(&self, name: Name) {
        *self.name.lock() = name;
        if self.tid == self.process.pid {
            self.process.resources.lock().name = name;
        }
    }

    /// What it has told the kernel about the memory of a program that is gone.
    pub(super) fn forget_memory(&self) {
        self.clear_tid.store(0, Ordering::Relaxed);
        self.robust_list.store(0, Ordering::Relaxed);
        self.own.forget_other_stack();
    }

    /// Where to write 0 when it ends.
    pub(crate) fn set_clear_tid(&self, at: u64) {
        self.clear_tid.store(at, Ordering::Relaxed);
    }

    /// Where its list of robust mutexes begins; 0: nowhere.
    pub(crate) fn robust_list(&self) -> u64 {
        self.robust_list.load(Ordering::Relaxed)
    }

    /// Changes that.
    pub(crate) fn set_robust_list(&self, at: u64) {
        self.robust_list.store(at, Ordering::Relaxed);
    }

    /// Blocked signals, for /proc.
    pub(crate) fn mask(&self) -> SigSet {
        SigSet(self.mask.load(Ordering::Relaxed))
    }

    /// What it has pending, blocks, ignores and handles, for /proc/PID/status.
    pub(crate) fn signals(&self) -> guest::proc_text::process::Signals {
        let signals = self.process.signals.lock();
        let (ignored, caught) = signals.actions.lock().sets();
        guest::proc_text::process::Signals {
            pending: self.pending_set().0,
            shared_pending: signals.pending.set().0,
            blocked: self.mask().0,
            ignored: ignored.0,
            caught: caught.0,
        }
    }

    /// Signals that only this thread was sent.
    fn pending_set(&self) -> SigSet {
        SigSet(self.pending_set.load(Ordering::Relaxed))
    }

    /// Changes what only this thread was sent; with the process's signals locked.
    fn change_pending<R>(&self, change: impl FnOnce(&mut Pending) -> R) -> R {
        let mut pending = self.pending.lock();
        let result = change(&mut pending);
        self.pending_set.store(pending.set().0, Ordering::Relaxed);
        result
    }

    /// Makes it look whether its process is suspended.
    fn hold(&self) {
        if let Some(task) = &*self.task.lock() {
            task.hold();
        }
    }

    /// Makes it look at its signals.
    fn interrupt(&self) {
        let is_here = |thread: &Arc<Self>| core::ptr::eq(self, &**thread);
        if sched::current_thread_or_none().is_some_and(is_here) {
            sched::interrupt_current();
        } else if let Some(task) = &*self.task.lock() {
            task.interrupt();
        }
    }
}

impl Process {
    fn new(pid: Pid, resources: Resources, signals: ProcessSignals) -> Self {
        Self {
            pid,
            parent: AtomicU32::new(0),
            group: AtomicU32::new(0),
            session: AtomicU32::new(0),
            resources: SpinLock::new(resources),
            signals: SpinLock::new(signals),
            faults: FaultLog::default(),
            times: SpinLock::new(Times::default()),
            started: crate::time::now(),
            trampoline: AtomicU64::new(0),
            children: WaitQueue::new(),
            thread_ended: WaitQueue::new(),
            holds_parent: AtomicBool::new(false),
            released: WaitQueue::new(),
            report: AtomicU32::new(0),
            stop: AtomicU64::new(0),
            suspension: Suspension::default(),
            load_record: LoadRecord::default(),
            is_protected: AtomicBool::new(false),
            alarms: [const { SpinLock::new(signal::alarm::Alarm::new()) }; 3],
            timers: SpinLock::new(signal::timers::Table::new()),
        }
    }

    /// Its descriptors; threads made with CLONE_FILES share them.
    pub(crate) fn files(&self) -> Arc<SpinLock<FdTable>> {
        let files = self.resources.lock().files.clone();
        files.unwrap_or_else(|| Arc::new(SpinLock::new(FdTable::default())))
    }

    /// The open file that a descriptor refers to: EBADF.
    #[inline(always)]
    pub(crate) fn file(&self, fd: u32) -> Result<Arc<OpenFile>, Errno> {
        let resources = self.resources.lock();
        resources.files.as_ref().ok_or(Errno::EBADF)?.lock().get(fd)
    }

    /// Working directory, root and umask.
    pub(crate) fn fs(&self) -> Arc<SpinLock<FsContext>> {
        let fs = self.resources.lock().fs.clone();
        fs.unwrap_or_else(|| Arc::new(SpinLock::new(FsContext::new())))
    }

    /// Its address space; `None` once it has exited.
    pub(crate) fn space(&self) -> Option<Arc<AddressSpace>> {
        self.resources.lock().space.clone()
    }

    /// User and group numbers.
    pub(crate) fn credentials(&self) -> Credentials {
        self.resources.lock().credentials
    }

    /// Number of its parent; 0: none.
    pub(crate) fn parent_pid(&self) -> Pid {
        self.parent.load(Ordering::Relaxed)
    }

    /// Number of its group.
    pub(crate) fn group(&self) -> Pid {
        self.group.load(Ordering::Relaxed)
    }

    /// Number of its session.
    pub(crate) fn session(&self) -> Pid {
        self.session.load(Ordering::Relaxed)
    }

    /// As ps shows it: at most 15 bytes.
    pub(crate) fn name(&self) -> Vec<u8> {
        self.short_name().as_bytes().to_vec()
    }

    /// The same without an allocation.
    pub(crate) fn short_name(&self) -> Name {
        self.resources.lock().name
    }

    /// Where its arguments lie in its memory, for /proc/PID/cmdline and environ: (start, end) each.
    pub(crate) fn argument_area(&self) -> [(u64, u64); 2] {
        self.resources.lock().areas
    }

    /// The program that it runs, for /proc/PID/exe.
    pub(crate) fn executable(&self) -> Option<Arc<OpenFile>> {
        self.resources.lock().executable.clone()
    }

    /// Those that live.
    pub(crate) fn threads(&self) -> Vec<Arc<Thread>> {
        self.signals.lock().threads.clone()
    }

    /// RLIMIT_x, soft.
    pub(crate) fn limit(&self, resource: u32) -> u64 {
        self.resources.lock().limits.get(resource).map_or(INFINITY, |limit| limit.soft)
    }

    /// All limits.
    pub(crate) fn limits(&self) -> Limits {
        self.resources.lock().limits
    }

    /// Changes what limits there are.
    ///
    /// # Errors
    /// Whatever `change` says.
    pub(crate) fn change_limits(
        &self,
        change: impl FnOnce(&mut Limits) -> Result<(), Errno>,
    ) -> Result<(), Errno> {
        change(&mut self.resources.lock().limits)
    }

    /// Recording of page faults, for /proc/PID/faults.
    pub(crate) fn faults(&self) -> &FaultLog {
        &self.faults
    }

    /// What load control knows of it.
    pub(crate) fn load_record(&self) -> &LoadRecord {
        &self.load_record
    }

    /// When it was made.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// -20 (most) to 19 (least urgent).
    pub(crate) fn nice(&self) -> i8 {
        self.resources.lock().nice
    }

    /// Who it is, supplementary groups included.
    pub(crate) fn identity(&self) -> (Credentials, Groups) {
        let resources = self.resources.lock();
        (resources.credentials, resources.groups.clone())
    }
}

/// Of the thread that runs here; none in a thread of the kernel.
pub(crate) fn current_process_or_none() -> Option<&'static Arc<Process>> {
    Some(&sched::current_thread_or_none()?.process)
}

/// Of the thread that runs here.
pub(crate) fn current_process() -> &'static Arc<Process> {
    &sched::current_thread().process
}
