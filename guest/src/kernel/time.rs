//! Clocks: [`Instant`] since boot, the time of day, and timers that call back. Ticks come only
//! when somebody waits for them: each hart asks for its next deadline, no more.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::timebase::Timebase;
use guest::timers::{TimerHeap, TimerId};

use crate::arch::cpu;
use crate::arch::hart::{self, MAX_HARTS};
use crate::sched;
use crate::sync::SpinLock;

/// Nanoseconds in a second.
pub(crate) const SECOND_NS: u64 = 1_000_000_000;

/// Nanoseconds since boot: CLOCK_MONOTONIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Instant(pub(crate) u64);

impl Instant {
    /// So much later; the end of time where that is beyond it.
    #[must_use]
    pub(crate) const fn after(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// The factors of the [`Timebase`].
static NS_IN_TICK: AtomicU64 = AtomicU64::new(0);
/// See [`NS_IN_TICK`].
static TICKS_IN_NS: AtomicU64 = AtomicU64::new(0);
/// Ticks at boot.
static BOOT_TICKS: AtomicU64 = AtomicU64::new(0);
/// What the time of day is ahead of the time since boot.
static REAL_OFFSET_NS: AtomicU64 = AtomicU64::new(0);

/// Learns how fast the clock runs, which shows 0 from now on.
pub(crate) fn begin(timebase_hz: u64) {
    let base = Timebase::new(timebase_hz);
    NS_IN_TICK.store(base.ns_in_tick, Ordering::Relaxed);
    TICKS_IN_NS.store(base.ticks_in_ns, Ordering::Relaxed);
    BOOT_TICKS.store(cpu::ticks(), Ordering::Relaxed);
}

#[inline]
fn base() -> Timebase {
    Timebase {
        ns_in_tick: NS_IN_TICK.load(Ordering::Relaxed),
        ticks_in_ns: TICKS_IN_NS.load(Ordering::Relaxed),
    }
}

/// How long so many ticks last.
pub(crate) fn ticks_to_ns(ticks: u64) -> u64 {
    base().ns(ticks)
}

/// Ticks that pass in a time, rounded down.
pub(crate) fn ns_to_ticks(ns: u64) -> u64 {
    base().ticks(ns)
}

/// Now.
pub(crate) fn now() -> Instant {
    Instant(ticks_to_ns(cpu::ticks().wrapping_sub(BOOT_TICKS.load(Ordering::Relaxed))))
}

/// Nanoseconds since 1970.
pub(crate) fn real_now() -> u64 {
    now().0.wrapping_add(REAL_OFFSET_NS.load(Ordering::Relaxed))
}

/// Sets the time of day.
pub(crate) fn set_real_now(ns: u64) {
    REAL_OFFSET_NS.store(ns.wrapping_sub(now().0), Ordering::Relaxed);
}

/// The tick at which a timer has to ring: the clock then shows `when` or more.
fn tick_of(when: Instant) -> u64 {
    BOOT_TICKS.load(Ordering::Relaxed).saturating_add(base().first_tick(when.0))
}

/// What a timer does.
#[derive(Clone, Copy, Debug)]
struct Call {
    f: fn(usize),
    argument: usize,
}

/// The timers that were set at a hart.
#[derive(Debug)]
struct Timers {
    heap: TimerHeap<Call>,
    /// The one whose function runs.
    running: Option<TimerId>,
}

static TIMERS: [SpinLock<Timers>; MAX_HARTS] =
    [const { SpinLock::new(Timers { heap: TimerHeap::new(), running: None }) }; MAX_HARTS];
/// The earliest deadline of each hart's timers, in ticks.
static NEXT: [AtomicU64; MAX_HARTS] = [const { AtomicU64::new(u64::MAX) }; MAX_HARTS];
/// What each hart has asked its clock for.
static ARMED: [AtomicU64; MAX_HARTS] = [const { AtomicU64::new(u64::MAX) }; MAX_HARTS];

/// A timer that is set; it calls `f(argument)` with interrupts off at or after its time.
#[derive(Debug)]
pub(crate) struct Timer {
    hart: usize,
    id: TimerId,
}

/// Calls back once at `when`; dropping the [`Timer`] before takes it back. Once it is dropped, the
/// function does not run and will not run.
pub(crate) fn call_at(when: Instant, f: fn(usize), argument: usize) -> Timer {
    cpu::without_interrupts(|| {
        let hart = hart::index();
        let id = {
            let mut timers = TIMERS[hart].lock();
            let id = timers.heap.insert(tick_of(when), Call { f, argument });
            note_next(hart, &timers);
            id
        };
        arm();
        Timer { hart, id }
    })
}

impl Drop for Timer {
    fn drop(&mut self) {
        loop {
            let mut timers = TIMERS[self.hart].lock();
            if timers.heap.remove(self.id).is_some() {
                return note_next(self.hart, &timers);
            }
            // On its own hart the function cannot be interrupted, so this is called by itself.
            if timers.running != Some(self.id) || self.hart == hart::index() {
                return;
            }
            drop(timers);
            core::hint::spin_loop();
        }
    }
}

fn note_next(hart: usize, timers: &Timers) {
    NEXT[hart].store(timers.heap.next().unwrap_or(u64::MAX), Ordering::Relaxed);
}

/// Asks the clock of this hart for its next deadline, if that comes before what it was asked for;
/// one that has gone away costs an interrupt. Interrupts are off.
#[inline]
pub(crate) fn arm() {
    let hart = hart::index();
    let next = NEXT[hart].load(Ordering::Relaxed).min(sched::slice_end());
    if next < ARMED[hart].load(Ordering::Relaxed) {
        ARMED[hart].store(next, Ordering::Relaxed);
        cpu::set_timer(next);
    }
}

/// The timer interrupt of this hart.
pub(crate) fn interrupt() {
    let hart = hart::index();
    loop {
        let due = {
            let mut timers = TIMERS[hart].lock();
            let due = timers.heap.pop_due(cpu::ticks());
            timers.running = due.map(|(id, _)| id);
            note_next(hart, &timers);
            due
        };
        let Some((_, call)) = due else { break };
        (call.f)(call.argument);
    }
    // The interrupt stays pending until another deadline is set.
    ARMED[hart].store(u64::MAX, Ordering::Relaxed);
    cpu::set_timer(u64::MAX);
    sched::look();
    arm();
}
