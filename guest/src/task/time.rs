//! Times as programs give them, in nanoseconds as the kernel counts them: `struct timespec` and
//! `struct timeval` ([`from_timespec`]…), which clock is meant ([`Clock`]), and when an interval
//! timer runs out ([`Interval`]).

use linux_raw_sys::general as linux;

use super::Pid;
use crate::errno::Errno;

/// Nanoseconds of a second.
pub const SECOND_NS: u64 = 1_000_000_000;
/// Nanoseconds of a microsecond.
const MICROSECOND_NS: u64 = 1_000;
/// Ticks that `times(2)` counts in a second: `USER_HZ`.
pub const TICKS_PER_S: u64 = 100;

/// Nanoseconds of (`tv_sec`, `tv_nsec`); what does not fit is as long as can be.
///
/// # Errors
/// EINVAL for negative seconds, or more than a second of nanoseconds.
pub const fn from_timespec(words: [u64; 2]) -> Result<u64, Errno> {
    let [seconds, ns] = words;
    if seconds as i64 >= 0 && ns < SECOND_NS {
        Ok(seconds.saturating_mul(SECOND_NS).saturating_add(ns))
    } else {
        Err(Errno::EINVAL)
    }
}

/// The other way.
pub const fn to_timespec(ns: u64) -> [u64; 2] {
    [ns / SECOND_NS, ns % SECOND_NS]
}

/// Nanoseconds of (`tv_sec`, `tv_usec`).
///
/// # Errors
/// As [`from_timespec`].
pub const fn from_timeval(words: [u64; 2]) -> Result<u64, Errno> {
    match words[1].checked_mul(MICROSECOND_NS) {
        Some(ns) => from_timespec([words[0], ns]),
        None => Err(Errno::EINVAL),
    }
}

/// The other way, rounded down.
pub const fn to_timeval(ns: u64) -> [u64; 2] {
    [ns / SECOND_NS, ns % SECOND_NS / MICROSECOND_NS]
}

/// Ticks of `times(2)`.
pub const fn to_ticks(ns: u64) -> u64 {
    ns / (SECOND_NS / TICKS_PER_S)
}

/// Whose time a clock measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The time of day.
    Realtime,
    /// Since the start.
    Monotonic,
    /// What a process has run; 0: the caller.
    Process(Pid),
    /// What a thread has run; 0: the caller.
    Thread(Pid),
}

impl Clock {
    /// From a `clockid_t`.
    ///
    /// # Errors
    /// EINVAL.
    pub const fn from_raw(raw: u64) -> Result<Self, Errno> {
        let raw = raw as u32 as i32;
        if raw < 0 {
            // Three bits say what is measured; the number of the process is above them, inverted.
            let pid = !(raw >> 3) as Pid;
            let is_thread = raw & 4 != 0;
            return match raw & 3 {
                0..=2 if is_thread => Ok(Self::Thread(pid)),
                0..=2 => Ok(Self::Process(pid)),
                _ => Err(Errno::EINVAL),
            };
        }
        match raw as u32 {
            linux::CLOCK_REALTIME | linux::CLOCK_REALTIME_COARSE | linux::CLOCK_TAI => {
                Ok(Self::Realtime)
            }
            linux::CLOCK_MONOTONIC
            | linux::CLOCK_MONOTONIC_RAW
            | linux::CLOCK_MONOTONIC_COARSE
            | linux::CLOCK_BOOTTIME => Ok(Self::Monotonic),
            linux::CLOCK_PROCESS_CPUTIME_ID => Ok(Self::Process(0)),
            linux::CLOCK_THREAD_CPUTIME_ID => Ok(Self::Thread(0)),
            _ => Err(Errno::EINVAL),
        }
    }
}

/// A timer that runs out once, or again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Interval {
    /// When it runs out next, in nanoseconds; 0: not at all.
    pub deadline_ns: u64,
    /// And then every so many nanoseconds; 0: never again.
    pub period_ns: u64,
}

impl Interval {
    /// What is left at `now_ns`; a timer that is set has at least 1 left.
    pub const fn remaining_ns(&self, now_ns: u64) -> u64 {
        match self.deadline_ns {
            0 => 0,
            deadline if deadline > now_ns => deadline - now_ns,
            _ => 1,
        }
    }

    /// Moves on if it has run out at `now_ns`: how many times it has, which is more than once for
    /// one that nobody looked after.
    pub const fn expire(&mut self, now_ns: u64) -> u64 {
        if self.deadline_ns == 0 || now_ns < self.deadline_ns {
            return 0;
        }
        if self.period_ns == 0 {
            self.deadline_ns = 0;
            return 1;
        }
        let times = (now_ns - self.deadline_ns) / self.period_ns + 1;
        self.deadline_ns = self.deadline_ns.saturating_add(self.period_ns.saturating_mul(times));
        times
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_programs() {
        for (words, want) in [
            ([0, 0], Ok(0)),
            ([1, 999_999_999], Ok(1_999_999_999)),
            ([0, SECOND_NS], Err(Errno::EINVAL)),
            ([u64::MAX, 0], Err(Errno::EINVAL)),
            ([0, u64::MAX], Err(Errno::EINVAL)),
            ([i64::MAX as u64, 5], Ok(u64::MAX)),
        ] {
            assert_eq!(from_timespec(words), want, "{words:?}");
        }
        for (words, want) in [
            ([2, 999_999], Ok(2_999_999_000)),
            ([0, 1_000_000], Err(Errno::EINVAL)),
            ([0, u64::MAX], Err(Errno::EINVAL)),
        ] {
            assert_eq!(from_timeval(words), want, "{words:?}");
        }
        assert_eq!(to_timespec(1_999_999_999), [1, 999_999_999]);
        assert_eq!(to_timeval(1_999_999_999), [1, 999_999]);
        assert_eq!(to_ticks(SECOND_NS), 100);
    }

    #[test]
    fn clocks() {
        for (raw, want) in [
            (0, Ok(Clock::Realtime)),
            (1, Ok(Clock::Monotonic)),
            (2, Ok(Clock::Process(0))),
            (3, Ok(Clock::Thread(0))),
            (7, Ok(Clock::Monotonic)),
            (99, Err(Errno::EINVAL)),
            // As the C library makes them for process 5 and thread 6.
            (!5 << 3 | 2, Ok(Clock::Process(5))),
            (!6 << 3 | 4 | 2, Ok(Clock::Thread(6))),
            (!5 << 3 | 3, Err(Errno::EINVAL)),
        ] {
            assert_eq!(Clock::from_raw(i64::from(raw) as u64), want, "{raw}");
        }
    }

    #[test]
    fn intervals() {
        let mut timer = Interval { deadline_ns: 100, period_ns: 0 };
        assert_eq!((timer.expire(99), timer.remaining_ns(60)), (0, 40));
        assert_eq!((timer.remaining_ns(100), timer.expire(100)), (1, 1));
        assert_eq!((timer.expire(1000), timer.remaining_ns(1000)), (0, 0));
        let mut timer = Interval { deadline_ns: 100, period_ns: 10 };
        assert_eq!((timer.expire(135), timer.deadline_ns), (4, 140));
        assert_eq!((timer.expire(139), timer.expire(140)), (0, 1));
    }
}
