//! Tasks, run queues per hart, the context switch, preemption. User mode is preempted, the kernel
//! only where it sleeps or yields. Policy is in `guest::sched`.
//!
//! A sleep is announced, then the reason for it looked at once more, then begun: a wake-up in
//! between takes the announcement back. `sync` has the loops.

mod alive;
pub(crate) mod fp;
mod pressure;
mod run;
mod task;

use alloc::sync::Arc;
use core::sync::atomic::Ordering;

use crate::arch::cpu;
use crate::mm::AddressSpace;
use crate::sync::{WaitError, WaitQueue};
use crate::time::{self, Instant};

pub(crate) use alive::{
    Alive, CurrentSpace, current, current_alive as this, current_space, current_thread,
    current_thread_or_none, user_pc,
};
pub(crate) use pressure::{is_stalled, memory_pressure, memory_stall, memory_stalls, serve_memory};
pub(crate) use run::{finish, idle, idle_ns, look, prepare, runnable, slice_end, switches};
pub(crate) use task::{Sleep, Task};

use task::phase;

/// Runs `f(argument)` as a thread of the kernel.
pub(crate) fn spawn_kernel(name: &'static str, f: fn(usize), argument: usize) {
    let task = Task::new_kernel(name, f, argument).expect("memory for a thread of the kernel");
    task.start();
}

/// The task that runs here, if tasks run yet.
pub(crate) fn current_or_none() -> Option<&'static Arc<Task>> {
    alive::current_or_none().map(|_| current())
}

/// exec: the current task goes on in `space`; satp is switched before the old one is let go of.
pub(crate) fn replace_space(space: Option<Arc<AddressSpace>>) {
    let old = cpu::without_interrupts(|| alive::replace_space(space));
    drop(old);
}

/// Whether a signal or an exit waits for the current task: set by [`Task::interrupt`].
pub(crate) fn interrupted() -> bool {
    current().is_interrupted()
}

/// Takes the mark of [`Task::interrupt`] away; the caller then looks at its signals.
pub(crate) fn clear_interrupted() {
    current().clear_interrupted();
}

/// Both at once.
#[inline]
pub(crate) fn take_interrupted() -> bool {
    alive::current_alive().take_interrupted()
}

/// Takes the mark of [`Task::hold`] away; the caller then looks whether its process is suspended.
#[inline]
pub(crate) fn take_held() -> bool {
    alive::current_alive().take_held()
}

/// [`Task::interrupt`] for the current task.
#[inline]
pub(crate) fn interrupt_current() {
    alive::current_alive().interrupt_here();
}

/// Brings the books of the task that runs here up to now.
pub(crate) fn settle() {
    run::settle_current();
}

/// Lets others run.
pub(crate) fn yield_now() {
    current().state.store(phase::RUNNING, Ordering::SeqCst);
    cpu::without_interrupts(run::switch_away);
}

/// Lets others run, before user mode goes on. Interrupts are off.
pub(crate) fn make_way() {
    run::switch_away();
}

/// The current task is about to sleep: from now on [`wake`] concerns it.
pub(crate) fn announce(sleep: Sleep) {
    this().state.store(phase::ANNOUNCED | sleep as u32, Ordering::SeqCst);
}

/// The current task is not going to sleep after all.
pub(crate) fn withdraw() {
    this().state.store(phase::RUNNING, Ordering::SeqCst);
}

/// Sleeps, unless the task was woken since it announced this.
pub(crate) fn block() {
    let task = this();
    cpu::without_interrupts(|| {
        let state = task.state.load(Ordering::Relaxed);
        if state & 0xff != phase::ANNOUNCED {
            return;
        }
        let leaving = state & !0xff | phase::LEAVING;
        let (ok, woken) = (Ordering::AcqRel, Ordering::Acquire);
        if task.state.compare_exchange(state, leaving, ok, woken).is_ok() {
            run::switch_away();
        }
    });
}

/// Ends the sleep of a task, or keeps it from it; false where it does not sleep. The caller knows
/// that the task is alive: it holds a reference, or the lock of the queue that the task waits in.
pub(crate) fn wake(task: Alive) -> bool {
    loop {
        let state = task.state.load(Ordering::Acquire);
        let to = match state & 0xff {
            phase::ANNOUNCED => phase::RUNNING,
            phase::LEAVING => phase::WOKEN,
            phase::ASLEEP => phase::READY,
            _ => return false,
        };
        let (ok, failed) = (Ordering::AcqRel, Ordering::Relaxed);
        if task.state.compare_exchange(state, to, ok, failed).is_ok() {
            if to != phase::RUNNING {
                let waited_for_memory = task.is_stalled.load(Ordering::Relaxed);
                let share = task.share();
                task.set_share(match waited_for_memory {
                    true => share.after_stalling(),
                    false => share.after_sleeping(),
                });
            }
            if to == phase::READY {
                run::enqueue_somewhere(task);
            }
            return true;
        }
    }
}

/// A timer that wakes the task which sets it; to be dropped before the task goes its way.
pub(crate) fn wake_at(task: Alive, when: Instant) -> time::Timer {
    fn ring(number: usize) {
        wake(Alive::from_number(number));
    }
    time::call_at(when, ring, task.to_number())
}

/// Sleeps; interruptible.
pub(crate) fn sleep_until(when: Instant) -> Result<(), WaitError> {
    let nothing = WaitQueue::new();
    let attempt = || (time::now() >= when).then_some(());
    match nothing.wait_interruptible(Some(when), attempt) {
        Err(WaitError::Interrupted) => Err(WaitError::Interrupted),
        Ok(()) | Err(WaitError::TimedOut) => Ok(()),
    }
}

/// Sleeps as a stopped task (state T) until `resume` yields true; other than kill signals do not
/// end it: `resume` is asked again after every [`Task::interrupt`].
pub(crate) fn sleep_stopped(resume: &mut dyn FnMut() -> bool) {
    loop {
        announce(Sleep::Stopped);
        if resume() {
            return withdraw();
        }
        block();
    }
}

/// Ends the current task; its stack is freed by whoever runs next.
pub(crate) fn exit() -> ! {
    replace_space(None);
    alive::drop_thread();
    cpu::interrupts_off();
    current().state.store(phase::DEAD, Ordering::Release);
    run::switch_away();
    unreachable!("a task that has ended goes on")
}
