//! Pressure stall information: who waits for memory says so by [`memory_stall`], and only while
//! somebody does, harts tell what they are busy with. `guest::mm::pressure` does the arithmetic.

use core::marker::PhantomData;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use guest::mm::pressure::psi::{Activity, Psi, Report, Totals};

use super::Task;
use super::alive;
use crate::arch::hart;
use crate::sync::SpinLock;
use crate::time;

static PSI: SpinLock<Psi> = SpinLock::new(Psi::new());
/// How many tasks wait for memory. Changes with the lock held; looked at without it.
static STALLED: AtomicU32 = AtomicU32::new(0);

/// The current task waits for memory as long as this lives, whether it sleeps or looks for some.
/// One inside another changes nothing.
struct MemoryStall {
    is_first: bool,
    /// It is the task's.
    not_send: PhantomData<*mut ()>,
}

impl MemoryStall {
    /// Begins now.
    #[cold]
    fn begin() -> Self {
        let is_first = !alive::current_alive().is_stalled.swap(true, Ordering::Relaxed);
        if is_first {
            enter();
        }
        Self { is_first, not_send: PhantomData }
    }
}

impl Drop for MemoryStall {
    fn drop(&mut self) {
        if self.is_first {
            alive::current_alive().is_stalled.store(false, Ordering::Relaxed);
            leave();
        }
    }
}

/// Runs `f`, and counts its time as spent waiting for memory.
pub(crate) fn memory_stall<R>(f: impl FnOnce() -> R) -> R {
    let _stall = MemoryStall::begin();
    f()
}

/// What is to be read in /proc/pressure/memory.
pub(crate) fn memory_pressure() -> Report {
    with_psi(Psi::report)
}

/// Whether somebody waits for memory.
pub(crate) fn is_stalled() -> bool {
    STALLED.load(Ordering::Relaxed) > 0
}

/// From now on what the current task does is done so that there is memory: where somebody waits
/// for that, nothing else is lost time.
pub(crate) fn serve_memory() {
    alive::current_alive().is_stalled.store(true, Ordering::Relaxed);
}

/// How long tasks have waited for memory up to now.
pub(crate) fn memory_stalls() -> Totals {
    with_psi(Psi::totals)
}

/// The clock is read with the lock held, so that it never goes back.
fn with_psi<R>(f: impl FnOnce(&mut Psi, u64) -> R) -> R {
    let mut psi = PSI.lock();
    let now_ns = time::now().0;
    f(&mut psi, now_ns)
}

fn enter() {
    let mut psi = PSI.lock();
    let now_ns = time::now().0;
    psi.enter(now_ns);
    STALLED.store(psi.stalled(), Ordering::Relaxed);
    if psi.stalled() == 1 {
        // A hart that turns to another task notes whether it is idle before it looks here: either
        // it finds this, and comes itself, or what it has noted is found.
        fence(Ordering::SeqCst);
        for index in 0..hart::online() {
            let is_idle = hart::get(index).is_idle.load(Ordering::Relaxed);
            let activity = if is_idle { Activity::Idle } else { Activity::Productive };
            psi.hart_turns(now_ns, index as u32, activity);
        }
    }
    psi.hart_turns(now_ns, hart::index() as u32, Activity::Stalled);
}

fn leave() {
    let mut psi = PSI.lock();
    let now_ns = time::now().0;
    psi.leave(now_ns);
    STALLED.store(psi.stalled(), Ordering::Relaxed);
    psi.hart_turns(now_ns, hart::index() as u32, Activity::Productive);
}

/// This hart turns to another task; `is_idle` is noted, and a fence behind it. Interrupts are off.
#[inline(always)]
pub(super) fn turn_to(task: &Task) {
    if STALLED.load(Ordering::Relaxed) > 0 {
        tell(task);
    }
}

#[cold]
#[inline(never)]
fn tell(task: &Task) {
    let hart = hart::this();
    let activity = if hart.is_idle.load(Ordering::Relaxed) {
        Activity::Idle
    } else if task.is_stalled.load(Ordering::Relaxed) {
        Activity::Stalled
    } else {
        Activity::Productive
    };
    with_psi(|psi, now_ns| psi.hart_turns(now_ns, hart.index() as u32, activity));
}
