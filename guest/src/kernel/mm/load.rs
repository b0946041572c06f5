//! Load control: a thread that looks once a second how much time is lost for pages, as long as some
//! is, and has processes pause and go on as `guest::mm::pressure::load` says. Where nobody waits
//! for memory and nobody pauses, it sleeps without an end.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

use guest::errno::Errno;
use guest::mm::counters::Event;
use guest::mm::pressure::load::{LoadControl, Member, Sample, Turn, Verdict};
use guest::mm::pressure::psi::Window;

use super::{books, memory, push_out, tunables};
use crate::sched;
use crate::sync::{SpinLock, WaitQueue};
use crate::task::{self, Process, Suspender};
use crate::time::{self, Instant, SECOND_NS};

/// Whether the thread looks, or is about to.
static LOOKS: AtomicBool = AtomicBool::new(false);
/// It is to look at once.
static HURRIES: AtomicBool = AtomicBool::new(false);
static WORK: WaitQueue = WaitQueue::new();

/// What is known of a process.
#[derive(Debug)]
pub(crate) struct LoadRecord(SpinLock<Known>);

#[derive(Clone, Copy, Debug)]
struct Known {
    /// When its turn, or its pause, began.
    since: Instant,
    /// For how long its threads had run then, in nanoseconds.
    ran_ns: u64,
    /// The same when somebody last looked.
    seen_ns: u64,
    /// Pages that had come back to it when somebody last looked.
    returned: u64,
    /// Its working set when it was suspended, in pages.
    working_set: u64,
}

impl Default for LoadRecord {
    fn default() -> Self {
        let since = time::now();
        Self(SpinLock::new(Known { since, ran_ns: 0, seen_ns: 0, returned: 0, working_set: 0 }))
    }
}

/// Begins the thread.
pub(crate) fn start() {
    sched::spawn_kernel("load", run, 0);
}

/// Somebody waits for memory.
pub(super) fn wake() {
    if !LOOKS.load(Ordering::Relaxed) && !LOOKS.swap(true, Ordering::AcqRel) {
        WORK.wake(1);
    }
}

/// It was switched on or off.
pub(super) fn change() {
    HURRIES.store(true, Ordering::Release);
    LOOKS.store(true, Ordering::Release);
    WORK.wake(1);
}

fn run(_: usize) {
    sched::serve_memory();
    let mut control = Control::default();
    loop {
        WORK.wait(|| LOOKS.load(Ordering::Acquire).then_some(()));
        control.window = Window::new(time::now().0, sched::memory_stalls());
        control.came_in = books::events(Event::SwapIn);
        loop {
            let end = time::now().after(SECOND_NS);
            // It is over at its end, or somebody is in a hurry.
            let _ = WORK.wait_interruptible(Some(end), || {
                HURRIES.swap(false, Ordering::Acquire).then_some(())
            });
            if control.end_window() {
                continue;
            }
            LOOKS.store(false, Ordering::SeqCst);
            // Whoever has begun to wait before that relies on this.
            if !sched::is_stalled() || LOOKS.swap(true, Ordering::SeqCst) {
                break;
            }
        }
    }
}

/// What the thread remembers.
#[derive(Debug, Default)]
struct Control {
    policy: LoadControl,
    window: Window,
    /// Pages that had come in when the window began.
    came_in: u64,
    members: Vec<Member>,
}

impl Control {
    /// A window is over: decides and does what follows. Whether there will be another one.
    fn end_window(&mut self) -> bool {
        let now = time::now();
        let shares = self.window.close(now.0, sched::memory_stalls());
        let before = core::mem::replace(&mut self.came_in, books::events(Event::SwapIn));
        if !tunables::load_control() {
            resume_all();
            return false;
        }
        if !self.collect() {
            return true;
        }
        // Whatever comes in from swap had been there before; files are in RAM, or in swap.
        let came_in = self.came_in.wrapping_sub(before);
        let sample = Sample {
            now_ns: now.0,
            full_permille: shares.full_permille,
            came_in,
            refaults: came_in,
            available: available(),
        };
        self.policy.decide(&sample, &mut self.members);
        self.act();
        shares.some_permille > 0
            || self.members.iter().any(|member| pauses(member) || member.verdict != Verdict::Keep)
    }

    /// Collects what is known of all processes; false where there is no memory for that.
    fn collect(&mut self) -> bool {
        // What the pager has seen gets old where nobody wants memory, as those do not who pause.
        let is_due = self.members.iter().any(pauses);
        self.members.clear();
        let mut last = 0;
        while let Some(process) = task::next_process(last) {
            last = process.pid;
            if let Some(member) = describe(&process, is_due) {
                if self.members.try_reserve(1).is_err() {
                    return false;
                }
                self.members.push(member);
            }
        }
        true
    }

    /// Does what was decided. Who pauses has left before others return.
    fn act(&self) {
        for process in self.processes(Verdict::Suspend) {
            suspend(&process);
        }
        for process in self.processes(Verdict::Resume) {
            for space in self.processes(Verdict::Suspend).filter_map(|process| process.space()) {
                // No signals come here.
                let _ = push_out::wait_for(&space);
            }
            resume(&process);
        }
    }

    /// Those of whom this was decided.
    fn processes(&self, verdict: Verdict) -> impl Iterator<Item = Arc<Process>> {
        let of_these = self.members.iter().filter(move |member| member.verdict == verdict);
        of_these.filter_map(|member| task::process(member.pid))
    }
}

fn pauses(member: &Member) -> bool {
    matches!(member.turn, Turn::Suspended { .. })
}

/// What is known of a process that has memory, and is not suspended by hand; of one that may run,
/// looks at its pages first if that is due.
fn describe(process: &Process, is_due: bool) -> Option<Member> {
    let space = process.space().filter(|space| !space.is_reaped())?;
    let by = process.suspended_by();
    if by == Some(Suspender::Hand) {
        return None;
    }
    if is_due && by.is_none() {
        space.look_over(process);
    }
    let resident = space.resident();
    let (_, returned) = process.faults().counts();
    let ran_ns = process.processor_ns();
    let mut known = process.load_record().0.lock();
    let refaults = returned - core::mem::replace(&mut known.returned, returned);
    let is_idle = refaults == 0 && core::mem::replace(&mut known.seen_ns, ran_ns) == ran_ns;
    let since_ns = known.since.0;
    let (turn, working_set) = match by {
        Some(_) => (Turn::Suspended { since_ns }, known.working_set),
        None => (Turn::Active { since_ns }, space.working_set(resident)),
    };
    Some(Member {
        pid: process.pid,
        nice: process.nice(),
        resident,
        working_set,
        progress_ns: ran_ns.saturating_sub(known.ran_ns),
        refaults,
        is_idle,
        turn,
        verdict: Verdict::Keep,
    })
}

/// Pages that all processes may have together.
fn available() -> u64 {
    memory(|memory| {
        let frames = &memory.frames;
        let all = frames.free_frames() + u64::from(memory.resident());
        all.saturating_sub(frames.watermarks().high)
    })
}

/// A process has to pause, and its pages to leave.
fn suspend(process: &Process) {
    let Some(space) = process.space() else { return };
    let resident = space.resident();
    let working_set = space.working_set(resident);
    if !process.suspend(Suspender::LoadControl) {
        return;
    }
    let mut known = process.load_record().0.lock();
    (known.since, known.working_set) = (time::now(), working_set);
    drop(known);
    push_out::begin(&space, working_set.max(resident));
}

/// A process goes on, with the pages that it had.
fn resume(process: &Process) {
    if let Some(space) = process.space() {
        push_out::bring_back(&space);
    }
    let ran_ns = process.processor_ns();
    let mut known = process.load_record().0.lock();
    (known.since, known.ran_ns) = (time::now(), ran_ns);
    drop(known);
    process.resume();
}

/// Nobody pauses any longer because of load control.
fn resume_all() {
    let mut last = 0;
    while let Some(process) = task::next_process(last) {
        last = process.pid;
        if process.suspended_by() == Some(Suspender::LoadControl) {
            resume(&process);
        }
    }
}

/// Suspends a process by hand. Waits until its pages have left, unless it is the caller's, which
/// goes on until it leaves the kernel.
///
/// # Errors
/// `ESRCH`: it ends; `EINTR`.
pub(crate) fn suspend_by_hand(process: &Process) -> Result<(), Errno> {
    let was_suspended = process.suspended_by().is_some();
    if !process.suspend(Suspender::Hand) {
        return Err(Errno::ESRCH);
    }
    let Some(space) = process.space().filter(|_| !was_suspended) else { return Ok(()) };
    let resident = space.resident();
    push_out::begin(&space, space.working_set(resident).max(resident));
    if process.pid != task::current_process().pid {
        push_out::wait_for(&space).map_err(|_| Errno::EINTR)?;
    }
    Ok(())
}

/// Has a process go on, whoever has suspended it.
pub(crate) fn resume_by_hand(process: &Process) {
    if process.suspended_by().is_some() {
        resume(process);
    }
}
