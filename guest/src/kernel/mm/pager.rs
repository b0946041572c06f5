//! The pager: the one thread that takes memory from processes. It passes over their pages, unmaps
//! those that the policy does not want to keep, and has them written; frames whose content is in a
//! slot are then there for the taking. It allocates nothing, and waits for nobody who might wait for
//! memory: a space that is in use is passed over.

use core::sync::atomic::{AtomicBool, Ordering};

use guest::mm::Memory;
use guest::mm::frames::List;
use guest::mm::policy::{Policy, Verdict};
use guest::task::Pid;

use super::{memory, oom, push_out, reclaim, transfer, write_back};
use crate::sched;
use crate::sync::WaitQueue;
use crate::task::{self, Process};
use crate::time;

/// Pages that are passed at once, with their space locked.
const BUDGET_PAGES: u64 = 64;
/// Pages that are unmapped together, so that one request writes them.
const CLUSTER_PAGES: u64 = 32;
/// Rounds without any gain after which somebody has to end, and how long each waits for one.
const VAIN_ROUNDS: u32 = 3;
const VAIN_NS: u64 = 2_000_000;

static WANTED: AtomicBool = AtomicBool::new(false);
static WORK: WaitQueue = WaitQueue::new();

/// Begins the thread.
pub(crate) fn start() {
    sched::spawn_kernel("pager", run, 0);
}

/// There is work to do: frames are short.
pub(super) fn wake() {
    WANTED.store(true, Ordering::Release);
    WORK.wake(1);
}

fn run(_: usize) {
    sched::serve_memory();
    let mut hand = Hand::default();
    loop {
        WORK.wait(|| WANTED.swap(false, Ordering::Acquire).then_some(()));
        while !push_out::work() && lacking() == 0 {
            wait_out();
        }
        let (mut vain, mut in_vain) = (0, 0);
        while lacking() > 0 {
            push_out::work();
            let gained = hand.round();
            reclaim::look();
            vain = if gained { 0 } else { vain + 1 };
            // Who writes for files is another thread.
            if vain > 0 || write_back::coming() > 0 {
                rest();
            }
            if vain < VAIN_ROUNDS || lacking() == 0 {
                continue;
            }
            if !reclaim::is_insisted_on() {
                reclaim::give_up();
                break;
            }
            vain = 0;
            in_vain = oom::relieve(in_vain);
        }
        reclaim::look();
    }
}

/// Lets others run, and transfers end, if frames are still lacking.
fn rest() {
    if lacking() > 0 {
        wait_out();
    }
}

/// Lets others run for a while.
fn wait_out() {
    // Nobody sends signals to a thread of the kernel.
    let _ = sched::sleep_until(time::now().after(VAIN_NS));
}

/// Frames that are not free and cannot be taken at once, but should.
fn lacking() -> u64 {
    let wanted = reclaim::wanted_frames();
    memory(|memory| {
        let marks = memory.frames.watermarks();
        marks.high.max(marks.low + wanted).saturating_sub(memory.available_frames())
    })
}

/// Where the pager is in the circle of all pages.
#[derive(Debug, Default)]
struct Hand {
    pid: Pid,
}

/// Frames that can be taken at once, and those that can when they are written.
fn supply(memory: &Memory) -> (u64, u64) {
    // Without slots those that are to be written stay where they are.
    let has_slots = memory.slots.available() > 0;
    let modified = if has_slots { memory.frames.listed(List::Modified) } else { 0 };
    (memory.available_frames(), modified)
}

impl Hand {
    /// Unmaps pages, and has some written; whether that has gained anything.
    fn round(&mut self) -> bool {
        let wanted = lacking().max(CLUSTER_PAGES);
        let (before, _) = memory(|memory| supply(memory));
        self.unmap(before, wanted);
        let coming = write_back::coming();
        if coming > 0 {
            write_back::wake();
        }
        let mut written = coming;
        while written < wanted {
            match transfer::write_some() as u64 {
                0 => break,
                count => written += count,
            }
        }
        written > 0 || transfer::is_busy() || memory(|memory| memory.available_frames()) > before
    }

    /// Unmaps pages that the policy does not want to keep, until so many frames can be taken or
    /// written that could not `before`, or nothing is left. One that others map, too, is no gain.
    /// Without any swap, or pages of files, it would be for nothing.
    fn unmap(&mut self, before: u64, wanted: u64) {
        let can_gain = memory(|memory| {
            let mapped = memory.mapped();
            memory.policy.begin(wanted as u32, mapped);
            memory.slots.total() > 0 || memory.cells.files().resident > 0
        });
        if !can_gain {
            return;
        }
        let mut circles = 0;
        while circles < guest::mm::policy::CIRCLES_MAX + 1 {
            let (available, modified) = memory(|memory| supply(memory));
            let gained = available.saturating_sub(before) + modified + write_back::coming();
            if gained >= wanted {
                return;
            }
            match task::next_process(self.pid) {
                Some(process) => {
                    if pass(&process, wanted - gained) {
                        self.pid = process.pid;
                    }
                }
                None => {
                    self.pid = 0;
                    circles += 1;
                }
            }
        }
    }
}

/// Passes over some pages of a process, and unmaps `wanted` of them at most; whether it is another
/// process's turn.
fn pass(process: &Process, wanted: u64) -> bool {
    let Some(space) = process.space() else { return true };
    let mut left = wanted;
    let trimmed = space.trim(process, BUDGET_PAGES, &mut |policy, mark, seen| {
        if left == 0 {
            return Verdict::Keep;
        }
        let verdict = policy.look(mark, seen);
        left -= u64::from(verdict == Verdict::Trim);
        verdict
    });
    trimmed.is_none_or(|trimmed| trimmed.done)
}
