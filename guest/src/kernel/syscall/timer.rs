//! System calls about timers that send signals: `setitimer`, `timer_create` and their kin.

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::time::{Clock, Interval, from_timespec, from_timeval, to_timespec, to_timeval};
use guest::task::timer::{EVENT_WORDS, Event, Start};
use linux_raw_sys::general as linux;

use super::time::instant_of_day;
use super::{Answer, Row};
use crate::arch::trap::TrapFrame;
use crate::mm::user;
use crate::sched;
use crate::task::signal::alarm::{self, Which};
use crate::task::signal::timers;
use crate::task::{current_process, table};

pub(super) const ROWS: &[Row] = rows! {
    __NR_getitimer getitimer
    __NR_setitimer setitimer
    __NR_timer_create timer_create
    __NR_timer_delete timer_delete
    __NR_timer_getoverrun timer_getoverrun
    __NR_timer_gettime timer_gettime
    __NR_timer_settime timer_settime
};

/// `struct itimerval` of a timer: period first.
fn to_itimerval(timer: Interval) -> [u64; 4] {
    let ([period, period_us], [left, left_us]) =
        (to_timeval(timer.period_ns), to_timeval(timer.deadline_ns));
    // What is left is rounded up, so that a timer that is set never shows 0.
    let is_lost = timer.deadline_ns != 0 && left == 0 && left_us == 0;
    [period, period_us, left, if is_lost { 1 } else { left_us }]
}

fn which(frame: &TrapFrame) -> Result<Which, Errno> {
    Which::from_raw(frame.a(0) as u32).ok_or(Errno::EINVAL)
}

fn getitimer(frame: &mut TrapFrame) -> Answer {
    let left = alarm::get(current_process(), which(frame)?);
    user::write(frame.a(1), &to_itimerval(left))?;
    Ok(0)
}

fn setitimer(frame: &mut TrapFrame) -> Answer {
    let (left_ns, period_ns) = match frame.a(1) {
        0 => (0, 0),
        at => {
            let [period, period_us, left, left_us] = user::read::<[u64; 4]>(at)?;
            (from_timeval([left, left_us])?, from_timeval([period, period_us])?)
        }
    };
    let old = alarm::set(current_process(), which(frame)?, left_ns, period_ns);
    if frame.a(2) != 0 {
        user::write(frame.a(2), &to_itimerval(old))?;
    }
    Ok(0)
}

/// The clock of a timer: one that can wake somebody, of this process where it is of one.
fn timer_clock(raw: u64) -> Result<Clock, Errno> {
    let process = current_process();
    let is_mine = |tid: Pid| {
        let thread = table::thread(tid);
        thread.is_some_and(|thread| thread.process.pid == process.pid)
    };
    match Clock::from_raw(raw)? {
        Clock::Realtime | Clock::Monotonic => match raw as u32 {
            linux::CLOCK_MONOTONIC_RAW
            | linux::CLOCK_REALTIME_COARSE
            | linux::CLOCK_MONOTONIC_COARSE => Err(Errno::EOPNOTSUPP),
            linux::CLOCK_REALTIME | linux::CLOCK_TAI => Ok(Clock::Realtime),
            _ => Ok(Clock::Monotonic),
        },
        Clock::Process(pid) if pid == 0 || pid == process.pid => Ok(Clock::Process(0)),
        Clock::Thread(0) => Ok(Clock::Thread(sched::current_thread().tid)),
        Clock::Thread(tid) if is_mine(tid) => Ok(Clock::Thread(tid)),
        Clock::Process(_) | Clock::Thread(_) => Err(Errno::EINVAL),
    }
}

fn timer_create(frame: &mut TrapFrame) -> Answer {
    let words = match frame.a(1) {
        0 => None,
        at => Some(user::read::<[u64; EVENT_WORDS]>(at)?),
    };
    let clock = timer_clock(frame.a(0))?;
    let event = words.map(Event::from_words).transpose()?;
    let process = current_process();
    let id = timers::create(process, clock, event)?;
    if let Err(bad) = user::write(frame.a(2), &id) {
        // Nobody knows of it.
        let _ = timers::delete(process, id);
        return Err(bad.into());
    }
    Ok(0)
}

fn timer_delete(frame: &mut TrapFrame) -> Answer {
    timers::delete(current_process(), frame.a(0) as u32)?;
    Ok(0)
}

fn timer_getoverrun(frame: &mut TrapFrame) -> Answer {
    Ok(timers::overrun(current_process(), frame.a(0) as u32)?.into())
}

/// `struct itimerspec`: period first.
fn to_itimerspec(timer: Interval) -> [u64; 4] {
    let ([period, period_ns], [left, left_ns]) =
        (to_timespec(timer.period_ns), to_timespec(timer.deadline_ns));
    [period, period_ns, left, left_ns]
}

fn timer_gettime(frame: &mut TrapFrame) -> Answer {
    let left = timers::get(current_process(), frame.a(0) as u32)?;
    user::write(frame.a(1), &to_itimerspec(left))?;
    Ok(0)
}

fn timer_settime(frame: &mut TrapFrame) -> Answer {
    let (id, process) = (frame.a(0) as u32, current_process());
    if frame.a(2) == 0 {
        return Err(Errno::EINVAL);
    }
    let [period, period_ns, first, first_ns] = user::read::<[u64; 4]>(frame.a(2))?;
    let (period_ns, ns) = (from_timespec([period, period_ns])?, from_timespec([first, first_ns])?);
    let is_absolute = frame.a(1) as u32 & linux::TIMER_ABSTIME != 0;
    let start = match timers::clock(process, id)? {
        _ if ns == 0 => Start::Never,
        _ if !is_absolute => Start::In(ns),
        Clock::Realtime => Start::At(instant_of_day(ns).0),
        _ => Start::At(ns),
    };
    let old = timers::set(process, id, start, period_ns)?;
    if frame.a(3) != 0 {
        user::write(frame.a(3), &to_itimerspec(old))?;
    }
    Ok(0)
}
