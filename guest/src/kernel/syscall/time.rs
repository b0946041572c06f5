//! System calls about time: clocks, sleeping, what was used. Timers are in `timer.rs`.

use guest::errno::Errno;
use guest::task::time::{self, Clock, from_timespec, from_timeval, to_timespec, to_timeval};
use linux_raw_sys::general as linux;

use super::{Answer, Row};
use crate::arch::trap::TrapFrame;
use crate::mm::user;
use crate::sched;
use crate::task::{self, current_process, table};
use crate::time::{self as clock, Instant};

pub(super) const ROWS: &[Row] = rows! {
    __NR_clock_getres clock_getres
    __NR_clock_gettime clock_gettime
    __NR_clock_nanosleep clock_nanosleep
    __NR_clock_settime clock_settime
    __NR_getrusage getrusage
    __NR_gettimeofday gettimeofday
    __NR_nanosleep nanosleep
    __NR_settimeofday settimeofday
    __NR_times times
};

/// Resolution of all clocks: a tick of 10 MHz.
const RESOLUTION_NS: u64 = 100;

/// What a clock shows, in nanoseconds.
fn read_clock(which: Clock) -> Result<u64, Errno> {
    Ok(match which {
        Clock::Realtime => clock::real_now(),
        Clock::Monotonic => clock::now().0,
        Clock::Process(0) => current_process().usage().total_ns(),
        Clock::Process(pid) => task::process(pid).ok_or(Errno::EINVAL)?.usage().total_ns(),
        Clock::Thread(0) => sched::current_thread().usage().total_ns(),
        Clock::Thread(tid) => table::thread(tid).ok_or(Errno::EINVAL)?.usage().total_ns(),
    })
}

/// When it will be that time of day.
pub(super) fn instant_of_day(ns: u64) -> Instant {
    let started = clock::real_now().saturating_sub(clock::now().0);
    Instant(ns.saturating_sub(started))
}

fn clock_gettime(frame: &mut TrapFrame) -> Answer {
    let now = read_clock(Clock::from_raw(frame.a(0))?)?;
    user::write(frame.a(1), &to_timespec(now))?;
    Ok(0)
}

fn clock_getres(frame: &mut TrapFrame) -> Answer {
    Clock::from_raw(frame.a(0))?;
    if frame.a(1) != 0 {
        user::write(frame.a(1), &to_timespec(RESOLUTION_NS))?;
    }
    Ok(0)
}

fn may_set_time() -> Result<(), Errno> {
    if current_process().credentials().is_root() { Ok(()) } else { Err(Errno::EPERM) }
}

fn clock_settime(frame: &mut TrapFrame) -> Answer {
    if Clock::from_raw(frame.a(0))? != Clock::Realtime {
        return Err(Errno::EINVAL);
    }
    let ns = from_timespec(user::read(frame.a(1))?)?;
    may_set_time()?;
    clock::set_real_now(ns);
    Ok(0)
}

fn gettimeofday(frame: &mut TrapFrame) -> Answer {
    if frame.a(0) != 0 {
        user::write(frame.a(0), &to_timeval(clock::real_now()))?;
    }
    if frame.a(1) != 0 {
        // The time zone is UTC.
        user::write(frame.a(1), &0u64)?;
    }
    Ok(0)
}

fn settimeofday(frame: &mut TrapFrame) -> Answer {
    let time = match frame.a(0) {
        0 => None,
        at => Some(from_timeval(user::read(at)?)?),
    };
    if frame.a(1) != 0 {
        // The time zone, which nothing here depends on.
        let _zone: [u32; 2] = user::read(frame.a(1))?;
    }
    may_set_time()?;
    time.into_iter().for_each(clock::set_real_now);
    Ok(0)
}

fn nanosleep(frame: &mut TrapFrame) -> Answer {
    let ns = from_timespec(user::read(frame.a(0))?)?;
    sleep_for(linux::__NR_nanosleep, ns, frame.a(1))
}

fn clock_nanosleep(frame: &mut TrapFrame) -> Answer {
    let which = Clock::from_raw(frame.a(0))?;
    if !matches!(which, Clock::Realtime | Clock::Monotonic) {
        return Err(Errno::EOPNOTSUPP);
    }
    let ns = from_timespec(user::read(frame.a(2))?)?;
    if frame.a(1) as u32 & linux::TIMER_ABSTIME == 0 {
        return sleep_for(linux::__NR_clock_nanosleep, ns, frame.a(3));
    }
    let until = if which == Clock::Realtime { instant_of_day(ns) } else { Instant(ns) };
    sched::sleep_until(until).map_err(|_| Errno::EINTR)?;
    Ok(0)
}

/// Sleeps; a signal that has no handler makes it no longer. `rest_at` is where what is left of it
/// goes.
fn sleep_for(call: u32, ns: u64, rest_at: u64) -> Answer {
    let resumed = task::signal::resumed_deadline();
    let until = resumed.unwrap_or_else(|| Instant(clock::now().0.saturating_add(ns)));
    if sched::sleep_until(until).is_ok() {
        return Ok(0);
    }
    if rest_at != 0 {
        let left = until.0.saturating_sub(clock::now().0);
        user::write(rest_at, &to_timespec(left))?;
    }
    task::signal::keep_deadline(call, until);
    Err(Errno::EINTR)
}

fn times(frame: &mut TrapFrame) -> Answer {
    if frame.a(0) != 0 {
        let process = current_process();
        let [user, kernel] = process.usage().ticks();
        let [children_user, children_kernel] = process.children_usage().ticks();
        user::write(frame.a(0), &[user, kernel, children_user, children_kernel])?;
    }
    Ok(time::to_ticks(clock::now().0))
}

fn getrusage(frame: &mut TrapFrame) -> Answer {
    let process = current_process();
    let usage = match frame.a(0) as i32 {
        0 => process.usage(),
        -1 => process.children_usage(),
        1 => process.thread_usage(sched::current_thread()),
        _ => return Err(Errno::EINVAL),
    };
    user::write(frame.a(1), &usage.to_rusage())?;
    Ok(0)
}
