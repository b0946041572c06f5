//! Clocks and sleep.

use core::time::Duration;

use linux_raw_sys::general::{
    __NR_clock_gettime, __NR_clock_nanosleep, __kernel_timespec, CLOCK_MONOTONIC, CLOCK_REALTIME,
    TIMER_ABSTIME,
};

use super::call::{Plain, args, call};
use crate::errno::Result;

fn clock(which: u32) -> Duration {
    let mut time = __kernel_timespec::zeroed();
    // With these clocks it cannot fail.
    let _ = call(__NR_clock_gettime, args![which, &mut time]);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Time since some moment; never goes back.
pub fn monotonic() -> Duration {
    clock(CLOCK_MONOTONIC)
}

/// Time since 1970.
pub fn since_epoch() -> Duration {
    clock(CLOCK_REALTIME)
}

/// Sleeps until [`monotonic`] has reached this.
///
/// # Errors
/// `EINTR`: a caught signal came.
pub fn sleep_until(moment: Duration) -> Result<()> {
    let time = __kernel_timespec {
        tv_sec: moment.as_secs() as i64,
        tv_nsec: moment.subsec_nanos().into(),
    };
    let flags = TIMER_ABSTIME;
    call(__NR_clock_nanosleep, args![CLOCK_MONOTONIC, flags, &time, 0_usize]).map(drop)
}

/// Sleeps.
///
/// # Errors
/// As [`sleep_until`].
pub fn sleep(time: Duration) -> Result<()> {
    sleep_until(monotonic().saturating_add(time))
}
