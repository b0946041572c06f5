//! The timers that `timer_create` makes, as `guest::task::timer` has them: woken up for here, sent
//! as signals, and set going again when those are delivered.

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::signal::SigInfo;
use guest::task::time::{Clock, Interval};
use guest::task::timer::{Event, Listener, Start, Timer as PosixTimer, Timers};
use linux_raw_sys::general::RLIMIT_SIGPENDING;

use super::super::{Process, cpu_clock, table};
use super::ProcessSignals;
use crate::time::{self, Timer};

/// The timers of a process.
pub(crate) type Table = Timers<Timer>;

/// Makes a timer; its number.
///
/// # Errors
/// EAGAIN; EINVAL where the thread that is to hear of it is another process's.
pub(crate) fn create(process: &Process, clock: Clock, event: Option<Event>) -> Result<u32, Errno> {
    if let Some(Event { listener: Listener::Thread(tid), .. }) = event {
        let signals = process.signals.lock();
        if !signals.threads.iter().any(|thread| thread.tid == tid) {
            return Err(Errno::EINVAL);
        }
    }
    process.timers.lock().create(clock, event, process.limit(RLIMIT_SIGPENDING))
}

/// Deletes one.
///
/// # Errors
/// EINVAL.
pub(crate) fn delete(process: &Process, id: u32) -> Result<(), Errno> {
    let deleted = process.timers.lock().delete(id)?;
    drop(deleted);
    Ok(())
}

/// Deletes all: the process ends, or executes a program.
pub(crate) fn clear(process: &Process) {
    let deleted = process.timers.lock().clear();
    drop(deleted);
}

/// The clock of one.
///
/// # Errors
/// EINVAL.
pub(crate) fn clock(process: &Process, id: u32) -> Result<Clock, Errno> {
    Ok(process.timers.lock().find(id)?.clock())
}

/// What the clock of a timer shows.
fn now_of(process: &Process, id: u32) -> Result<u64, Errno> {
    let clock = clock(process, id)?;
    let signals = process.signals.lock();
    // The time of a thread that has ended stands still.
    Ok(cpu_clock::read(clock, process, &signals).unwrap_or(0))
}

/// Sets one; what was left of it, in place of a deadline, and its period.
///
/// # Errors
/// EINVAL.
pub(crate) fn set(
    process: &Process,
    id: u32,
    start: Start,
    period_ns: u64,
) -> Result<Interval, Errno> {
    let now = now_of(process, id)?;
    let mut timers = process.timers.lock();
    let timer = timers.find(id)?;
    let old = timer.set(now, start, period_ns);
    let next = wake(process.pid, id, timer, now);
    let handle = core::mem::replace(&mut timer.handle, next);
    drop(timers);
    // It may be ringing elsewhere, and want the lock.
    drop(handle);
    Ok(old)
}

/// What is left of one, and its period.
///
/// # Errors
/// EINVAL.
pub(crate) fn get(process: &Process, id: u32) -> Result<Interval, Errno> {
    let now = now_of(process, id)?;
    Ok(process.timers.lock().find(id)?.get(now))
}

/// How often one had run out unheard when its last signal was delivered.
///
/// # Errors
/// EINVAL.
pub(crate) fn overrun(process: &Process, id: u32) -> Result<u32, Errno> {
    Ok(process.timers.lock().find(id)?.overrun())
}

/// What wakes the kernel when the timer may have run out.
fn wake(pid: Pid, id: u32, timer: &PosixTimer<Timer>, now_ns: u64) -> Option<Timer> {
    let deadline = timer.wakes_at()?;
    let when = cpu_clock::instant_of(timer.clock(), now_ns, deadline);
    Some(time::call_at(when, ring, cpu_clock::pack(pid, id)))
}

/// Called with interrupts off when a timer may have run out.
fn ring(argument: usize) {
    let (pid, id) = cpu_clock::unpack(argument);
    let Some(process) = table::process(pid) else { return };
    let Ok(now) = now_of(&process, id) else { return };
    let mut timers = process.timers.lock();
    let Ok(timer) = timers.find(id) else { return };
    let (clock, listener, info) = (timer.clock(), timer.listener(), timer.fire(now));
    let next = wake(pid, id, timer, now);
    let waits_on = next.is_some();
    let handle = core::mem::replace(&mut timer.handle, next);
    drop(timers);
    drop(handle);
    if let Some(info) = info {
        send(&process, listener, info, now);
    } else if waits_on && matches!(clock, Clock::Process(_) | Clock::Thread(_)) {
        cpu_clock::ask_all();
    }
}

/// Sends the signal of a timer; one that is ignored goes on after a while.
fn send(process: &Process, listener: Listener, info: SigInfo, now_ns: u64) {
    let Some(id) = info.timer_id() else { return };
    let mut signals = process.signals.lock();
    let target = match listener {
        Listener::Thread(tid) => signals.threads.iter().find(|thread| thread.tid == tid).cloned(),
        Listener::Process | Listener::Nobody => None,
    };
    let is_there = |signals: &ProcessSignals| match &target {
        Some(thread) => thread.change_pending(|pending| pending.holds_timer(id)),
        None => signals.pending.holds_timer(id),
    };
    let was_there = is_there(&signals);
    if !was_there && (target.is_some() || !matches!(listener, Listener::Thread(_))) {
        // Whether it was queued is looked at next.
        let _ = signals.add(process, target.as_deref(), info);
    }
    let is_queued = is_there(&signals);
    drop(signals);
    let mut timers = process.timers.lock();
    let Ok(timer) = timers.find(id) else { return };
    if was_there {
        timer.merged();
    } else if !is_queued && timer.dropped(now_ns, cpu_clock::TICK_NS) {
        timer.handle = wake(process.pid, id, timer, now_ns);
    }
}

/// A signal is delivered: if it is a timer's, that goes on, and the signal tells of its overrun.
#[inline]
pub(super) fn delivered(process: &Process, signals: &ProcessSignals, info: &mut Option<SigInfo>) {
    if let Some(info) = info
        && let Some(id) = info.timer_id()
    {
        go_on(process, signals, info, id);
    }
}

#[cold]
fn go_on(process: &Process, signals: &ProcessSignals, info: &mut SigInfo, id: u32) {
    let mut timers = process.timers.lock();
    let Ok(timer) = timers.find(id) else { return };
    let Some(now) = cpu_clock::read(timer.clock(), process, signals) else { return };
    let Some(overrun) = timer.delivered(now) else { return };
    timer.handle = wake(process.pid, id, timer, now);
    *info = info.with_overrun(overrun);
}
