//! Waiting on a word of memory until somebody wakes those who wait: works between threads, and
//! between processes that share the word's page.

use core::sync::atomic::AtomicU32;

use linux_raw_sys::general as g;

use super::call::{args, call};
use crate::errno::Result;

/// Waits while the word has this value.
///
/// # Errors
/// `EAGAIN`: it has another one. `EINTR`: a caught signal came.
pub fn wait(word: &AtomicU32, value: u32) -> Result<()> {
    let at = word.as_ptr() as usize;
    call(g::__NR_futex, args![at, g::FUTEX_WAIT, value, 0_usize]).map(drop)
}

/// Wakes up to `count` who wait; how many.
pub fn wake(word: &AtomicU32, count: u32) -> Result<usize> {
    let at = word.as_ptr() as usize;
    call(g::__NR_futex, args![at, g::FUTEX_WAKE, count])
}
