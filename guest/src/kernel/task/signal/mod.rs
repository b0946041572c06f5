//! Sending signals: to a thread, a process, a group. [`deliver`] takes them out again, [`frame`]
//! calls handlers, [`stop`] is job control, [`alarm`] and [`timers`] send them in time.
//!
//! Everything about a process's signals is under one lock, the masks of its threads too, so that a
//! signal that comes while a mask changes is seen by one side or the other.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::signal::info::{SI_KERNEL, SI_USER};
use guest::task::signal::pending::Added;
use guest::task::signal::{
    Actions, FIRST_REALTIME, Number, Pending, RestartClass, SIGCONT, SIGKILL, SigInfo, SigSet,
};
use guest::task::wait::Change;
use guest::walk::Access;

use super::table::{self, TREE};
use super::{Process, Thread};
use crate::sched;
use crate::sync::{SpinLock, WaitError};
use crate::time::Instant;

pub(crate) mod alarm;
pub(crate) mod call;
pub(crate) mod deliver;
mod frame;
mod report;
pub(crate) mod stop;
pub(crate) mod timers;

pub(crate) use frame::{FRAME_BYTES, return_from_handler};

/// What happens on each signal. Locked after the signals of a process.
pub(super) type SharedActions = Arc<SpinLock<Actions>>;

/// What the threads of a process share about signals, and who they are.
#[derive(Debug)]
pub(crate) struct ProcessSignals {
    /// Other processes may share them: CLONE_SIGHAND.
    pub(super) actions: SharedActions,
    pub(super) pending: Pending,
    /// Those that live.
    pub(super) threads: Vec<Arc<Thread>>,
    /// How the process ends, once that is decided: all threads end as soon as they look.
    pub(super) end: Option<Change>,
    /// How its first thread has ended.
    pub(super) leader_end: Option<Change>,
    /// The thread that executes a program and wants to be alone.
    pub(super) survivor: Option<Pid>,
    /// The signal of the stop that is in effect, and how many threads have stopped for it.
    pub(super) stop_signal: Number,
    pub(super) stopped: usize,
    /// A stop signal was taken out of the queue and may take effect: nobody sent SIGCONT since.
    pub(super) stop_taken: bool,
    /// The parent is to hear of this.
    pub(super) news: Option<Change>,
}

/// What a thread alone knows about its signals and the call that they interrupt.
#[derive(Debug, Default)]
pub(crate) struct Own {
    /// The mask to come back to after a call that had another one for a while; valid if `has_saved`
    /// is not 0.
    saved_mask: AtomicU64,
    has_saved: AtomicU8,
    /// The other stack for handlers: its base, its size, its flags.
    stack: [AtomicU64; 3],
    /// [`RestartClass`] of the call that was interrupted, and its first argument.
    restart: AtomicU8,
    first_argument: AtomicU64,
    /// The call that goes on with a deadline that it has computed: its number, and when.
    kept_call: AtomicU64,
    kept_deadline: AtomicU64,
    /// That deadline, while `restart_syscall` makes the call.
    resumed: AtomicU64,
    /// How the page that made the last fault was touched, for the report.
    touched: AtomicU8,
    /// Whether it makes a process, and the signals that several processes were sent meanwhile, its
    /// own among them. Used under the lock of the process's signals, but to begin.
    is_forking: AtomicBool,
    late: AtomicU64,
}

impl Own {
    /// The thread begins to make a process. What a group is sent from now on is for that, too, as
    /// if it had been a member already: or else a key typed in time would not reach it.
    pub(super) fn begin_fork(&self) {
        self.late.store(0, Ordering::Relaxed);
        self.is_forking.store(true, Ordering::Release);
    }

    /// The mask to come back to, once.
    #[inline]
    fn take_saved_mask(&self) -> Option<SigSet> {
        if self.has_saved.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.has_saved.store(0, Ordering::Relaxed);
        Some(SigSet(self.saved_mask.load(Ordering::Relaxed)))
    }
}

impl ProcessSignals {
    /// Those of a process that has had none yet.
    pub(super) fn new(actions: SharedActions) -> Self {
        Self {
            actions,
            pending: Pending::new(),
            threads: Vec::new(),
            end: None,
            leader_end: None,
            survivor: None,
            stop_signal: 0,
            stopped: 0,
            stop_taken: false,
            news: None,
        }
    }

    /// Whether nothing needs to be done for this signal when it comes.
    fn drops(&self, process: &Process, thread: &Thread, number: Number) -> bool {
        let (is_handled, is_ignored) = {
            let actions = self.actions.lock();
            (actions.is_handled(number), actions.is_ignored(number))
        };
        if is_handled || thread.mask().contains(number) {
            return false;
        }
        let is_protected = process.is_protected.load(Ordering::Relaxed);
        (is_protected || is_ignored) && !thread.awaits(number)
    }

    /// Ends all threads, which have to look.
    pub(super) fn end_all(&mut self, process: &Process, change: Change) {
        if self.end.is_none() {
            self.end = Some(change);
            process.stop.store(0, Ordering::Relaxed);
            self.threads.iter().for_each(|thread| thread.interrupt());
            process.resume();
        }
    }

    /// Adds a signal, for `target` or for whichever thread takes it.
    ///
    /// # Errors
    /// EAGAIN: a real-time signal with an info of the sender's making finds no room.
    fn add(
        &mut self,
        process: &Process,
        target: Option<&Thread>,
        info: SigInfo,
    ) -> Result<(), Errno> {
        let number = info.number();
        if self.end.is_some() {
            return Ok(());
        }
        if number == SIGCONT || SigSet::STOPS.contains(number) {
            self.discard_opposite(process, number);
        }
        let Some(thread) = target.or(self.threads.first().map(|thread| &**thread)) else {
            return Ok(());
        };
        if self.drops(process, thread, number) {
            return Ok(());
        }
        if number == SIGKILL {
            self.end_all(process, Change::Killed(SIGKILL));
            return Ok(());
        }
        let added = match target {
            Some(thread) => thread.change_pending(|pending| pending.add(info)),
            None => self.pending.add(info),
        };
        if added == Added::WithoutInfo && number >= FIRST_REALTIME && info.code() != SI_USER {
            return Err(Errno::EAGAIN);
        }
        let taker = match target {
            Some(thread) => thread.wants(number).then_some(thread),
            None => self.threads.iter().map(|thread| &**thread).find(|thread| thread.wants(number)),
        };
        if let Some(thread) = taker {
            thread.interrupt();
            if self.actions.lock().terminates(number)
                && !process.is_protected.load(Ordering::Relaxed)
            {
                // Its end must not wait until it would be its turn.
                process.resume();
            }
        }
        Ok(())
    }

    /// What SIGCONT or a signal that stops undoes when it comes.
    #[cold]
    fn discard_opposite(&mut self, process: &Process, number: Number) {
        if number == SIGCONT {
            self.discard(SigSet::STOPS);
            self.stop_taken = false;
            self.resume(process);
        } else {
            self.discard(SigSet::of(&[SIGCONT]));
        }
    }

    /// Forgets pending signals, of all threads.
    fn discard(&mut self, which: SigSet) {
        self.pending.discard(which);
        let some = self.threads.iter().filter(|thread| !thread.pending_set().and(which).is_empty());
        some.for_each(|thread| thread.change_pending(|pending| pending.discard(which)));
    }

    /// Changes the mask of a thread, and sees to it that somebody looks at what it lets through or
    /// does not take any more. Called by the thread itself.
    #[inline]
    fn set_mask(&self, thread: &Thread, mask: SigSet) {
        let old = SigSet(thread.mask.load(Ordering::Relaxed));
        thread.mask.store(mask.0, Ordering::Relaxed);
        if !thread.pending_set().union(self.pending.set()).is_empty() {
            self.mask_changed(thread, old, mask);
        }
    }

    /// The same where something is pending.
    #[inline(never)]
    fn mask_changed(&self, thread: &Thread, old: SigSet, mask: SigSet) {
        let shared = self.pending.set();
        let refused = shared.and(mask.without(old));
        if !refused.is_empty() {
            let others = self.threads.iter().filter(|other| other.tid != thread.tid);
            let takers = others.filter(|other| !refused.without(other.mask()).is_empty());
            takers.for_each(|other| other.interrupt());
        }
        if !thread.pending_set().union(shared).without(mask).is_empty() {
            sched::interrupt_current();
        }
    }
}

impl Thread {
    fn awaits(&self, number: Number) -> bool {
        SigSet(self.awaited.load(Ordering::Relaxed)).contains(number)
    }

    fn wants(&self, number: Number) -> bool {
        !self.mask().contains(number) || self.awaits(number)
    }
}

/// Sends a signal to a process.
///
/// # Errors
/// EAGAIN where an info finds no room.
pub(crate) fn post(process: &Process, info: SigInfo) -> Result<(), Errno> {
    process.signals.lock().add(process, None, info)
}

/// Sends a signal to a thread.
///
/// # Errors
/// As [`post`].
pub(crate) fn post_to_thread(thread: &Thread, info: SigInfo) -> Result<(), Errno> {
    thread.process.signals.lock().add(&thread.process, Some(thread), info)
}

/// To a process, from the kernel.
///
/// # Errors
/// ESRCH.
pub(crate) fn send(pid: Pid, signal: u8) -> Result<(), Errno> {
    let process = table::process(pid).ok_or(Errno::ESRCH)?;
    post(&process, SigInfo::kernel(signal))
}

/// To the current thread, for what it has just done itself.
pub(crate) fn send_to_self(signal: u8) {
    let thread = sched::current_thread();
    let (pid, uid) = (thread.process.pid, thread.process.credentials().uid);
    // What only says who sent it may be lost.
    let _ = post_to_thread(thread, SigInfo::from_process(signal, SI_USER, pid, uid));
}

/// Sends a signal to a process, as to others at the same time; the lock of the tree keeps those
/// together.
///
/// # Errors
/// As [`post`].
fn post_as_member(process: &Process, info: SigInfo) -> Result<(), Errno> {
    let mut signals = process.signals.lock();
    let all = signals.threads.iter().map(|thread| &thread.own);
    for own in all.filter(|own| own.is_forking.load(Ordering::Acquire)) {
        own.late.fetch_or(SigSet::of(&[info.number()]).0, Ordering::Relaxed);
    }
    signals.add(process, None, info)
}

/// Ends [`begin_fork`](Own::begin_fork): the child is where its group is found, and the lock of the
/// tree held since then.
pub(super) fn end_fork(parent: &Thread, child: &Process) {
    let signals = parent.process.signals.lock();
    parent.own.is_forking.store(false, Ordering::Relaxed);
    let mut late = SigSet(parent.own.late.load(Ordering::Relaxed));
    drop(signals);
    while let Some(number) = late.lowest() {
        late.remove(number);
        // From the kernel: there is no info to be lost.
        let _ = post(child, SigInfo::kernel(number));
    }
}

/// To every process of a group: from the terminal.
pub(crate) fn send_to_group(group: Pid, signal: u8) {
    let tree = TREE.lock();
    for pid in tree.members(group) {
        if let Some(node) = tree.get(*pid) {
            // From the kernel: there is no info to be lost.
            let _ = post_as_member(&node.payload, SigInfo::kernel(signal));
        }
    }
}

/// Whether the current thread ignores or blocks the signal: for SIGTTIN and SIGTTOU.
pub(crate) fn is_ignored_or_blocked(signal: u8) -> bool {
    let thread = sched::current_thread();
    let signals = thread.process.signals.lock();
    thread.mask().contains(signal) || signals.actions.lock().is_ignored(signal)
}

/// SEGV_MAPERR and the like with an address, for a fault of the current thread: not to be blocked
/// or ignored. The one-line report comes when it kills.
pub(crate) fn force(signal: u8, code: i32, address: u64) {
    let thread = sched::current_thread();
    let process = &thread.process;
    let mut signals = process.signals.lock();
    let mask = thread.mask();
    signals.actions.lock().make_deliverable(signal, mask);
    if mask.contains(signal) {
        let mut mask = mask;
        mask.remove(signal);
        thread.mask.store(mask.0, Ordering::Relaxed);
    }
    if !signals.actions.lock().is_handled(signal) {
        process.is_protected.store(false, Ordering::Relaxed);
    }
    // There is always room for the number, and the report needs no more.
    let _ = signals.add(process, Some(thread), SigInfo::fault(signal, code, address));
}

/// The same for a page fault: how the page was touched is in the report.
pub(crate) fn force_fault(signal: u8, code: i32, address: u64, access: Access) {
    let own = &sched::current_thread().own;
    own.touched.store(report::code_of(access), Ordering::Relaxed);
    force(signal, code, address);
}

/// SIGSEGV without an address: the kernel could not do what a program's stack was needed for.
pub(super) fn force_segv() {
    force(guest::task::signal::SIGSEGV, SI_KERNEL, 0);
}

/// A call ends with EINTR; what comes of that is decided before user mode goes on. `first` is what
/// its first argument was.
pub(crate) fn call_interrupted(class: RestartClass, first: u64) {
    let own = &sched::current_thread().own;
    let keeps = own.kept_call.load(Ordering::Relaxed) != 0;
    let class = if keeps { RestartClass::Block } else { class };
    own.restart.store(class.to_raw(), Ordering::Relaxed);
    own.first_argument.store(first, Ordering::Relaxed);
    if !sched::interrupted() {
        sched::interrupt_current();
    }
}

/// Remembers, as a call with a relative timeout ends with EINTR, until when it would have slept.
pub(crate) fn keep_deadline(call: u32, deadline: Instant) {
    let own = &sched::current_thread().own;
    own.kept_deadline.store(deadline.0, Ordering::Relaxed);
    own.kept_call.store(u64::from(call), Ordering::Relaxed);
}

/// For `restart_syscall`: the call that goes on.
///
/// # Errors
/// EINTR where there is none.
pub(crate) fn resume_call() -> Result<u64, Errno> {
    let own = &sched::current_thread().own;
    match own.kept_call.swap(0, Ordering::Relaxed) {
        0 => Err(Errno::EINTR),
        call => {
            own.resumed.store(own.kept_deadline.load(Ordering::Relaxed), Ordering::Relaxed);
            Ok(call)
        }
    }
}

/// The deadline of the call that goes on; `None` for one that begins.
pub(crate) fn resumed_deadline() -> Option<Instant> {
    let own = &sched::current_thread().own;
    match own.resumed.load(Ordering::Relaxed) {
        0 => None,
        _ => Some(Instant(own.resumed.swap(0, Ordering::Relaxed))),
    }
}

/// Another mask while a call sleeps: it is taken back before user mode goes on, after a handler of
/// what it let through has run.
pub(crate) fn set_temporary_mask(mask: SigSet) {
    let thread = sched::current_thread();
    let signals = thread.process.signals.lock();
    thread.own.saved_mask.store(thread.mask().0, Ordering::Relaxed);
    thread.own.has_saved.store(1, Ordering::Relaxed);
    signals.set_mask(thread, mask.blockable());
}

/// Ends [`set_temporary_mask`] at once, for a call that was not interrupted.
#[inline]
pub(crate) fn restore_mask() {
    let thread = sched::current_thread();
    if let Some(mask) = thread.own.take_saved_mask() {
        change_mask(thread, mask);
    }
}

/// [`ProcessSignals::set_mask`] with the lock taken for that.
#[inline(never)]
fn change_mask(thread: &Thread, mask: SigSet) {
    thread.process.signals.lock().set_mask(thread, mask);
}

/// Sleeps in `sleep` until it succeeds or the thread is to die; other signals wait.
///
/// # Errors
/// EINTR where it is to die.
pub(crate) fn killable<R>(mut sleep: impl FnMut() -> Result<R, WaitError>) -> Result<R, Errno> {
    let mut was_interrupted = false;
    let result = loop {
        match sleep() {
            Ok(result) => break Ok(result),
            Err(WaitError::TimedOut) => break Err(Errno::ETIMEDOUT),
            Err(WaitError::Interrupted) => {
                was_interrupted = true;
                sched::clear_interrupted();
                if is_dying() {
                    break Err(Errno::EINTR);
                }
            }
        }
    };
    if was_interrupted {
        sched::interrupt_current();
    }
    result
}

/// Whether a process was told to end.
pub(crate) fn is_ending(process: &Process) -> bool {
    process.signals.lock().end.is_some()
}

/// Whether the current thread is to end.
pub(super) fn is_dying() -> bool {
    let thread = sched::current_thread();
    let signals = thread.process.signals.lock();
    signals.end.is_some() || signals.survivor.is_some_and(|tid| tid != thread.tid)
}
