//! ITIMER_REAL: SIGALRM to a process when its time has come, once or again and again.

use guest::task::Pid;
use guest::task::signal::{SIGALRM, SigInfo};
use guest::task::time::Interval;

use super::super::{Process, table};
use super::post;
use crate::time::{self, Instant, Timer};

/// The timer of a process.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    interval: Interval,
    timer: Option<Timer>,
}

/// Sets it; what was left of it, and its period, both in nanoseconds.
pub(crate) fn set(process: &Process, interval: Interval) -> Interval {
    let new = (interval.deadline_ns != 0).then(|| call_at(process.pid, interval.deadline_ns));
    let mut alarm = process.alarm.lock();
    let old = remaining(&alarm.interval);
    let old_timer = core::mem::replace(&mut alarm.timer, new);
    alarm.interval = interval;
    drop(alarm);
    drop(old_timer);
    old
}

/// What is left of it, and its period.
pub(crate) fn get(process: &Process) -> Interval {
    remaining(&process.alarm.lock().interval)
}

fn remaining(interval: &Interval) -> Interval {
    let left = interval.remaining_ns(time::now().0);
    Interval { deadline_ns: left, period_ns: interval.period_ns }
}

fn call_at(pid: Pid, deadline_ns: u64) -> Timer {
    time::call_at(Instant(deadline_ns), ring, pid as usize)
}

/// Called with interrupts off when the time has come.
fn ring(pid: usize) {
    let Some(process) = table::process(pid as Pid) else { return };
    let mut alarm = process.alarm.lock();
    if alarm.interval.expire(time::now().0) == 0 {
        return;
    }
    let next = alarm.interval.deadline_ns;
    let timer = (next != 0).then(|| call_at(process.pid, next));
    let old = core::mem::replace(&mut alarm.timer, timer);
    drop(alarm);
    drop(old);
    // SIGALRM does not queue: nothing is lost.
    let _ = post(&process, SigInfo::kernel(SIGALRM));
}
