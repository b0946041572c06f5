//! Signals: ignore, default, or catch, where catching only notes that the signal came and
//! interrupts what waits; the program asks with [`take`].

use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;

use linux_raw_sys::general as g;
use linux_raw_sys::signal_macros::sig_ign;

use super::call::{Plain, args, call};
use super::mapping::Mapping;
use crate::errno::Result;

/// Bits of the signals that came since they were taken; bit 1 is signal 1.
static CAME: AtomicU64 = AtomicU64::new(0);

/// Size of a signal set in the kernel.
const SET_BYTES: usize = 8;

/// What a signal does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// What the system does by itself.
    Default,
    /// Nothing.
    Ignore,
    /// It is noted, and interrupts waiting calls.
    Catch,
}

extern "C" fn note(signal: i32) {
    CAME.fetch_or(1 << signal, Ordering::Relaxed);
}

/// Decides what a signal does from now on.
pub fn set(signal: u32, action: Action) -> Result<()> {
    let mut structure = g::kernel_sigaction::zeroed();
    structure.sa_handler_kernel = match action {
        Action::Default => None,
        Action::Ignore => sig_ign(),
        Action::Catch => Some(note),
    };
    call(g::__NR_rt_sigaction, args![signal, &structure, 0_usize, SET_BYTES]).map(drop)
}

/// A handler: the signal's number, addresses of its `siginfo_t` and `ucontext_t`.
pub type Handler = extern "C" fn(i32, usize, usize);

/// Lets `handler` take a signal, with these `SA_` flags besides `SA_SIGINFO`.
pub fn handle(signal: u32, handler: Handler, flags: u32) -> Result<()> {
    // `struct kernel_sigaction`: handler, flags, mask.
    let action = [handler as usize as u64, u64::from(flags | g::SA_SIGINFO), 0];
    call(g::__NR_rt_sigaction, args![signal, &action, 0_usize, SET_BYTES]).map(drop)
}

/// Sends this process `SIGALRM` whenever so much time has passed; with none, not any more.
pub fn alarm_every(period: Duration) -> Result<()> {
    // `struct itimerval`: the period and the time until the first, in seconds and microseconds.
    let (seconds, micros) = (period.as_secs(), period.subsec_micros().into());
    let value = [seconds, micros, seconds, micros];
    call(g::__NR_setitimer, args![g::ITIMER_REAL, &value, 0_usize]).map(drop)
}

/// Lets handlers with `SA_ONSTACK` run on this memory, which is theirs from now on.
pub fn set_stack(memory: Mapping) -> Result<()> {
    // `stack_t`: address, flags, size.
    let stack = [memory.start() as u64, 0, memory.len() as u64];
    call(g::__NR_sigaltstack, args![&stack, 0_usize])?;
    core::mem::forget(memory);
    Ok(())
}

/// Whether a signal is ignored now.
pub fn is_ignored(signal: u32) -> bool {
    let mut structure = g::kernel_sigaction::zeroed();
    let asked = call(g::__NR_rt_sigaction, args![signal, 0_usize, &mut structure, SET_BYTES]);
    let address = |handler: g::__kernel_sighandler_t| handler.map(|function| function as usize);
    asked.is_ok() && address(structure.sa_handler_kernel) == address(sig_ign())
}

/// Whether a caught signal came since this was asked last.
pub fn take(signal: u32) -> bool {
    CAME.fetch_and(!(1 << signal), Ordering::Relaxed) & 1 << signal != 0
}

/// Whether a caught signal came and is not taken yet.
pub fn came(signal: u32) -> bool {
    CAME.load(Ordering::Relaxed) & 1 << signal != 0
}

/// Lets all signals through.
pub fn unblock_all() {
    let empty = 0_u64;
    // With a valid set it cannot fail.
    let _ = call(g::__NR_rt_sigprocmask, args![g::SIG_SETMASK, &empty, 0_usize, SET_BYTES]);
}
