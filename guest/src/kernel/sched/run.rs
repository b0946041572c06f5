//! Run queues, one per hart, and the switch from one task to the next.

use alloc::sync::Arc;
use core::ptr;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use guest::sched::{self as policy, Line};

use super::alive::{self, Alive, Queue};
use super::task::phase;
use super::{Task, pressure};
use crate::arch::hart::{self, Hart, HartMask, MAX_HARTS, work};
use crate::arch::ipi::{self, Message};
use crate::arch::{cpu, tlb};
use crate::sync::SpinLock;
use crate::time;

/// The two lines of a hart.
struct Lines {
    first: Queue,
    second: Queue,
}

static QUEUES: [SpinLock<Lines>; MAX_HARTS] =
    [const { SpinLock::new(Lines { first: Queue::new(), second: Queue::new() }) }; MAX_HARTS];
/// How many tasks wait at each hart, to be looked at without the lock.
static WAITING: [AtomicUsize; MAX_HARTS] = [const { AtomicUsize::new(0) }; MAX_HARTS];

impl Lines {
    fn push(&mut self, task: Alive, line: Line) {
        match line {
            Line::First => self.first.push(task),
            Line::Second => self.second.push(task),
        }
    }

    fn pop(&mut self, now: u64) -> Option<Alive> {
        let second = self.second.first();
        let waits = second.map(|task| now.saturating_sub(task.queued.load(Ordering::Relaxed)));
        let waits = waits.map(time::ticks_to_ns);
        match policy::next_line(self.first.first().map(|_| ()), waits)? {
            Line::First => self.first.pop(),
            Line::Second => self.second.pop(),
        }
    }
}

fn waiting(index: usize) -> usize {
    WAITING[index].load(Ordering::Relaxed)
}

/// Tasks that run or wait at a hart.
fn load(index: usize) -> usize {
    waiting(index) + usize::from(!hart::get(index).is_idle.load(Ordering::Relaxed))
}

/// Switches from one task to another, for /proc/stat.
static SWITCHES: AtomicU64 = AtomicU64::new(0);

/// Switches from one task to another, at all harts.
pub(crate) fn switches() -> u64 {
    SWITCHES.load(Ordering::Relaxed)
}

/// How long a hart has had nothing to run, in nanoseconds, up to its last switch.
pub(crate) fn idle_ns(index: usize) -> u64 {
    time::ticks_to_ns(idle_task(hart::get(index)).total_ticks.load(Ordering::Relaxed))
}

/// How many tasks run or wait to, at all harts: for the load average.
pub(crate) fn runnable() -> usize {
    (0..hart::online()).map(load).sum()
}

/// Puts a task that is READY where it will run soonest.
pub(super) fn enqueue_somewhere(task: Alive) {
    cpu::without_interrupts(|| {
        let home = task.hart.load(Ordering::Relaxed) as usize;
        let online = hart::online();
        let index = if online == 1 {
            0
        } else {
            let mut loads = [0; MAX_HARTS];
            (0..online).for_each(|index| loads[index] = load(index));
            policy::place(&loads[..online], home)
        };
        enqueue(task, index);
    });
}

/// Puts a task that is READY into a hart's queue. Interrupts are off.
fn enqueue(task: Alive, index: usize) {
    let line = task.share().line();
    task.queued.store(cpu::ticks(), Ordering::Relaxed);
    {
        let mut lines = QUEUES[index].lock();
        lines.push(task, line);
        WAITING[index].fetch_add(1, Ordering::Relaxed);
    }
    if index == hart::index() {
        look();
    } else {
        ipi::send(HartMask(1 << index), Message::Look);
    }
}

/// Takes the next task from a hart's queue.
fn take(index: usize, now: u64) -> Option<Alive> {
    if waiting(index) == 0 {
        return None;
    }
    let mut lines = QUEUES[index].lock();
    let task = lines.pop(now)?;
    WAITING[index].fetch_sub(1, Ordering::Relaxed);
    Some(task)
}

/// Somebody was put into this hart's queue, or the clock has ticked: looks whether the task that
/// runs has to make way, and sees to it that its slice ends. Interrupts are off.
pub(crate) fn look() {
    let hart = hart::this();
    let index = hart.index();
    if waiting(index) == 0 || hart.is_idle.load(Ordering::Relaxed) {
        return;
    }
    let Some(current) = alive::current_or_none() else { return };
    let computes = current.share().line() == Line::Second;
    let makes_way = computes && QUEUES[index].lock().first.first().is_some();
    if makes_way || cpu::ticks() >= hart.slice_end.load(Ordering::Relaxed) {
        hart.work.fetch_or(work::RESCHEDULE, Ordering::Relaxed);
        // The kernel makes way where it sleeps, or leaves for user mode: no use to ask again.
        hart.slice_end.store(u64::MAX, Ordering::Relaxed);
    }
    time::arm();
}

/// When the present task has to make way for others, in ticks; none if nobody waits.
pub(crate) fn slice_end() -> u64 {
    let hart = hart::this();
    if waiting(hart.index()) == 0 || hart.is_idle.load(Ordering::Relaxed) {
        return u64::MAX;
    }
    hart.slice_end.load(Ordering::Relaxed)
}

/// Lets the next task run, if there is one; the present one goes on later. Interrupts are off.
///
/// Panics where the hart holds a spin lock.
pub(super) fn switch_away() {
    let hart = hart::this();
    assert_eq!(hart.spin_depth.load(Ordering::Relaxed), 0, "a task sleeps with a spin lock held");
    let (now, index) = (cpu::ticks(), hart.index());
    let previous = alive::current_alive();
    let next = take(index, now).or_else(|| steal(index, now));
    let next = match next {
        Some(next) => next,
        // What runs may go on.
        None if previous.state.load(Ordering::Relaxed) & 0xff <= phase::ANNOUNCED => return,
        None => idle_task(hart),
    };
    SWITCHES.fetch_add(1, Ordering::Relaxed);
    settle(hart, &previous, now);
    begin(hart, &next, now);
    alive::exchange_fp(&previous, &next);
    hart.previous.store(pointer(&previous), Ordering::Relaxed);
    hart.current.store(pointer(&next), Ordering::Relaxed);
    alive::activate_space(next);
    alive::switch(previous, next);
    finish();
}

fn pointer(task: &Task) -> *mut () {
    ptr::from_ref(task).cast_mut().cast()
}

fn idle_task(hart: &Hart) -> Alive {
    alive::from_pointer(hart.idle.load(Ordering::Relaxed)).expect("every hart has an idle task")
}

/// Adds the time since the last switch, or the last settling, to what the task has used.
fn settle(hart: &Hart, task: &Task, now: u64) {
    let ran = now.saturating_sub(hart.switched.swap(now, Ordering::Relaxed));
    let in_kernel = now.saturating_sub(hart.entered.swap(now, Ordering::Relaxed));
    let in_kernel = in_kernel + hart.kernel_ticks.swap(0, Ordering::Relaxed);
    task.total_ticks.store(task.total_ticks.load(Ordering::Relaxed) + ran, Ordering::Relaxed);
    let kernel = task.kernel_ticks.load(Ordering::Relaxed) + in_kernel;
    task.kernel_ticks.store(kernel, Ordering::Relaxed);
    task.set_share(task.share().after_running(time::ticks_to_ns(ran)));
}

/// Brings the books of the task that runs here up to now.
pub(super) fn settle_current() {
    cpu::without_interrupts(|| {
        if let Some(task) = alive::current_or_none() {
            settle(hart::this(), &task, cpu::ticks());
        }
    });
}

/// The hart's data for a task that it is about to switch to.
fn begin(hart: &Hart, task: &Task, now: u64) {
    let left = time::ns_to_ticks(task.share().left_ns());
    hart.slice_end.store(now + left, Ordering::Relaxed);
    let is_idle = pointer(task) == hart.idle.load(Ordering::Relaxed);
    hart.is_idle.store(is_idle, Ordering::Relaxed);
    hart.set_stack(task.stack_range().start);
    task.state.store(phase::RUNNING, Ordering::Relaxed);
    task.hart.store(hart.index() as u32, Ordering::SeqCst);
    // Whoever interrupts the task from now on finds it here; before, it is seen here.
    hart.work.store(task.wanted_work(), Ordering::Relaxed);
    pressure::turn_to(task);
}

/// The first thing that a task does when it goes on: lets go of the one before it.
pub(crate) fn finish() {
    let hart = hart::this();
    let previous = hart.previous.swap(ptr::null_mut(), Ordering::Relaxed);
    if let Some(previous) = alive::from_pointer(previous) {
        let left = phase::LEAVING;
        let state = previous.state.load(Ordering::Acquire);
        let is_idle = previous == idle_task(hart);
        match state & 0xff {
            phase::DEAD => {
                drop(previous.stack.lock().take());
                alive::bury(previous);
            }
            // Still LEAVING, or WOKEN meanwhile.
            phase::LEAVING | phase::WOKEN => {
                let asleep = state & !0xff | phase::ASLEEP;
                let (ok, woken) = (Ordering::AcqRel, Ordering::Acquire);
                let fell_asleep = state & 0xff == left
                    && previous.state.compare_exchange(state, asleep, ok, woken).is_ok();
                if !fell_asleep {
                    requeue(previous);
                }
            }
            _ if is_idle => {}
            _ => requeue(previous),
        }
    }
    if waiting(hart.index()) > 0 {
        time::arm();
    }
}

/// A task that could go on, but made way.
fn requeue(task: Alive) {
    task.state.store(phase::READY, Ordering::Release);
    enqueue_somewhere(task);
}

/// Takes a task from the hart that has most waiting.
fn steal(thief: usize, now: u64) -> Option<Alive> {
    let online = hart::online();
    if online == 1 {
        return None;
    }
    let mut waits = [0; MAX_HARTS];
    (0..online).for_each(|index| waits[index] = waiting(index));
    take(policy::victim(&waits[..online], thief)?, now)
}

/// Makes the idle task of a hart, which it runs from its start.
pub(crate) fn prepare(index: usize) -> Result<(), guest::errno::Errno> {
    let task = Task::new_idle(index)?;
    let hart = hart::get(index);
    hart.idle.store(pointer(&task), Ordering::Relaxed);
    hart.first_stack.store(task.stack_range().end, Ordering::Release);
    // The task keeps itself alive, for good.
    drop::<Arc<Task>>(task);
    Ok(())
}

/// The life of a hart between tasks; it is on the stack of its idle task.
pub(crate) fn idle() -> ! {
    let hart = hart::this();
    cpu::interrupts_off();
    let task = idle_task(hart);
    hart.set_stack(task.stack_range().start);
    hart.switched.store(cpu::ticks(), Ordering::Relaxed);
    hart.entered.store(cpu::ticks(), Ordering::Relaxed);
    hart.is_idle.store(true, Ordering::Relaxed);
    hart.current.store(pointer(&task), Ordering::Release);
    tlb::fence_all_local();
    loop {
        cpu::interrupts_off();
        switch_away();
        // Nobody wants to run. Whoever comes sends a message, which ends the sleep.
        if (0..hart::online()).all(|index| waiting(index) == 0) {
            time::arm();
            cpu::wait_for_interrupt();
        }
        cpu::interrupts_on();
    }
}
