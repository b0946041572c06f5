//! Interval timers: SIGALRM to a process when its time has come, SIGVTALRM and SIGPROF when it has
//! run for so long, once or again and again.

use guest::task::signal::{Number, SIGALRM, SIGPROF, SIGVTALRM, SigInfo};
use guest::task::time::{Clock, Interval};
use linux_raw_sys::general as linux;

use super::super::{Process, cpu_clock, table};
use super::post;
use crate::time::{self, Timer};

/// Which timer of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    /// ITIMER_REAL.
    Real,
    /// ITIMER_VIRTUAL: in user mode.
    Virtual,
    /// ITIMER_PROF: there and in the kernel.
    Profiling,
}

impl Which {
    pub(crate) const ALL: [Which; 3] = [Which::Real, Which::Virtual, Which::Profiling];

    /// From its number.
    pub(crate) fn from_raw(number: u32) -> Option<Self> {
        match number {
            linux::ITIMER_REAL => Some(Self::Real),
            linux::ITIMER_VIRTUAL => Some(Self::Virtual),
            linux::ITIMER_PROF => Some(Self::Profiling),
            _ => None,
        }
    }

    const fn signal(self) -> Number {
        match self {
            Self::Real => SIGALRM,
            Self::Virtual => SIGVTALRM,
            Self::Profiling => SIGPROF,
        }
    }

    const fn clock(self) -> Clock {
        match self {
            Self::Real => Clock::Monotonic,
            Self::Virtual | Self::Profiling => Clock::Process(0),
        }
    }

    /// What it measures by now.
    fn now_ns(self, process: &Process) -> u64 {
        if self == Self::Real {
            return time::now().0;
        }
        let usage = cpu_clock::process(process, &process.signals.lock());
        if self == Self::Virtual { usage.user_ns } else { usage.total_ns() }
    }
}

/// A timer of a process.
#[derive(Debug)]
pub(crate) struct Alarm {
    interval: Interval,
    timer: Option<Timer>,
}

impl Alarm {
    /// Not set.
    pub(crate) const fn new() -> Self {
        Self { interval: Interval { deadline_ns: 0, period_ns: 0 }, timer: None }
    }
}

/// Sets one, to run out after `left_ns` (0: never) and then every `period_ns`; what was left of it,
/// in place of a deadline, and its period.
pub(crate) fn set(process: &Process, which: Which, left_ns: u64, period_ns: u64) -> Interval {
    let now = which.now_ns(process);
    let deadline_ns = if left_ns == 0 { 0 } else { now.saturating_add(left_ns) };
    let interval = Interval { deadline_ns, period_ns };
    let new = call(process, which, now, deadline_ns);
    let mut alarm = process.alarms[which as usize].lock();
    let old = remaining(&alarm.interval, now);
    let old_timer = core::mem::replace(&mut alarm.timer, new);
    alarm.interval = interval;
    drop(alarm);
    drop(old_timer);
    old
}

/// What is left of one, and its period.
pub(crate) fn get(process: &Process, which: Which) -> Interval {
    let now = which.now_ns(process);
    remaining(&process.alarms[which as usize].lock().interval, now)
}

/// The process ends.
pub(crate) fn clear(process: &Process) {
    for which in Which::ALL {
        set(process, which, 0, 0);
    }
}

fn remaining(interval: &Interval, now_ns: u64) -> Interval {
    Interval { deadline_ns: interval.remaining_ns(now_ns), period_ns: interval.period_ns }
}

/// Looks again when what it measures may be there; never for 0.
fn call(process: &Process, which: Which, now_ns: u64, deadline_ns: u64) -> Option<Timer> {
    let argument = cpu_clock::pack(process.pid, which as u32);
    let when = || cpu_clock::instant_of(which.clock(), now_ns, deadline_ns);
    (deadline_ns != 0).then(|| time::call_at(when(), ring, argument))
}

/// Called with interrupts off when the time may have come.
fn ring(argument: usize) {
    let (pid, which) = cpu_clock::unpack(argument);
    let which = Which::ALL[which as usize];
    let Some(process) = table::process(pid) else { return };
    let now = which.now_ns(&process);
    let mut alarm = process.alarms[which as usize].lock();
    let has_expired = alarm.interval.expire(now) > 0;
    let next = alarm.interval.deadline_ns;
    let timer = call(&process, which, now, next);
    let old = core::mem::replace(&mut alarm.timer, timer);
    drop(alarm);
    drop(old);
    if has_expired {
        // These do not queue: nothing is lost.
        let _ = post(&process, SigInfo::kernel(which.signal()));
    }
    if which != Which::Real && next != 0 {
        cpu_clock::ask_all();
    }
}
