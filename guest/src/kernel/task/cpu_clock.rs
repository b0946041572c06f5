//! Timers on the time that processes have run. Nothing ticks here: whoever waits for such a time
//! looks when it can have come at the earliest, and at least as often as a tick would.

use guest::task::Pid;
use guest::task::time::Clock;

use super::Process;
use super::signal::ProcessSignals;
use super::usage::Usage;
use crate::arch::hart::{self, HartMask};
use crate::arch::ipi::{self, Message};
use crate::time::{self, Instant};

/// How late a timer on such a clock may be: a tick of 250 Hz, as on many a Linux.
pub(super) const TICK_NS: u64 = 4_000_000;

/// The program that is woken shall come to do something else as well.
pub(super) const PAUSE_NS: u64 = 20_000;

/// What the process has run, where its signals are locked already: what runs on other harts counts
/// up to the last [`ask_all`].
pub(super) fn process(process: &Process, signals: &ProcessSignals) -> Usage {
    let threads = signals.threads.iter();
    threads.fold(process.ended_usage(), |sum, thread| sum.and(thread.usage()))
}

/// What a clock shows; the time since boot for the time of day. `None`: of a thread that has ended.
pub(super) fn read(clock: Clock, of: &Process, signals: &ProcessSignals) -> Option<u64> {
    match clock {
        Clock::Realtime | Clock::Monotonic => Some(time::now().0),
        Clock::Process(_) => Some(process(of, signals).total_ns()),
        Clock::Thread(tid) => {
            let thread = signals.threads.iter().find(|thread| thread.tid == tid)?;
            Some(thread.usage().total_ns())
        }
    }
}

/// When a clock that shows `now_ns` may show `deadline_ns`, at the earliest.
pub(super) fn instant_of(clock: Clock, now_ns: u64, deadline_ns: u64) -> Instant {
    match clock {
        Clock::Realtime | Clock::Monotonic => Instant(deadline_ns).max(time::now().after(PAUSE_NS)),
        Clock::Process(_) | Clock::Thread(_) => {
            let left = deadline_ns.saturating_sub(now_ns);
            time::now().after((left / hart::online() as u64).max(TICK_NS))
        }
    }
}

/// Lets the other harts say how long their tasks have run by now. Interrupts are off.
pub(super) fn ask_all() {
    let others = (1 << hart::online()) - 1 & !(1 << hart::index());
    ipi::send(HartMask(others), Message::Settle);
}

/// Process number and something else in the argument of a timer.
pub(super) fn pack(pid: Pid, other: u32) -> usize {
    pid as usize | (other as usize) << 32
}

/// The other way.
pub(super) fn unpack(argument: usize) -> (Pid, u32) {
    (argument as u32, (argument >> 32) as u32)
}
