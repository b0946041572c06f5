//! Out of memory: when nothing can be taken from anybody, somebody has to end. Who, and what is
//! said about it, is `guest::mm::pressure::oom`'s; here it is done: the process is killed, and its
//! memory freed without waiting for it.

use alloc::sync::Arc;
use core::iter;

use guest::mm::counters::Event;
use guest::mm::pressure::oom::{ADJ_NEVER, Choice, Fate, Process, Reason, Shortage, choose};
use guest::task::Pid;
use guest::task::tree::INIT;
use linux_raw_sys::general::SIGKILL;

use super::{AddressSpace, books, memory};
use crate::debug::{Level, klog};
use crate::task::{self, Name, signal};

/// All processes, with their names.
fn processes() -> impl Iterator<Item = (Pid, Name)> {
    let mut last = 0;
    iter::from_fn(move || {
        let process = task::next_process(last)?;
        last = process.pid;
        Some((process.pid, process.short_name()))
    })
}

/// What is known of a process; `None` where it has no memory, or that is just being worked on.
fn describe(pid: Pid, name: &Name) -> Option<Process<'_>> {
    let process = task::process(pid)?;
    let space = process.space()?;
    let fate = if space.is_reaped() {
        Fate::Reaped
    } else if signal::is_ending(&process) {
        Fate::Dies
    } else {
        Fate::Lives
    };
    let adj = if is_inits(&space) { ADJ_NEVER } else { space.oom_adjustment() as i16 };
    let usage = space.usage()?;
    let (resident, swapped, tables) = (usage.resident, usage.swapped, usage.tables);
    Some(Process { pid, name: name.as_bytes(), resident, swapped, tables, adj, fate })
}

/// Whether the first process lives in this space, alone or with others.
fn is_inits(space: &Arc<AddressSpace>) -> bool {
    let of_init = task::process(INIT).and_then(|init| init.space());
    of_init.is_some_and(|of_init| Arc::ptr_eq(&of_init, space))
}

/// How memory is.
pub(crate) fn shortage() -> Shortage {
    let ram = books::total_frames();
    memory(|memory| {
        let low = memory.frames.watermarks().low;
        let (swap, used) = (memory.slots.total(), memory.slots.used());
        let reason = Reason::Watermark { name: "low", frames: low };
        Shortage { reason, ram, free: memory.frames.free_frames(), swap, swap_free: swap - used }
    })
}

/// What /proc/PID/oom_score shows.
pub(crate) fn score(pid: Pid) -> u64 {
    let Some(process) = task::process(pid) else { return 0 };
    let name = process.short_name();
    describe(pid, &name).map_or(0, |process| process.score(shortage().total()))
}

/// Times in a row that somebody was waited for before the machine counts as lost: each is some
/// rounds of the pager.
const VAIN_MAX: u32 = 500;

/// Has the worst process end, and frees its memory. Where there is nobody, it was in vain so many
/// times before, and how many now.
pub(super) fn relieve(in_vain: u32) -> u32 {
    let shortage = shortage();
    let nameless = Name::new(b"");
    let all = processes().filter_map(|(pid, _)| describe(pid, &nameless));
    let choice = choose(all, shortage.total());
    match choice {
        Choice::Kill(victim) => {
            report(&shortage, choice);
            books::count(Event::OomKill, 1);
            end(victim);
        }
        // It may wait for somebody who waits for memory.
        Choice::Wait(victim) => reap(victim),
        Choice::Nobody if in_vain < VAIN_MAX => return in_vain + 1,
        Choice::Nobody if task::is_init_ordinary() => {
            report(&shortage, Choice::Kill(INIT));
            books::count(Event::OomKill, 1);
            end(INIT);
        }
        Choice::Nobody => {
            report(&shortage, choice);
            panic!("out of memory, and there is nobody left to end");
        }
    }
    0
}

/// Kills a process, and all others who live in its space.
fn end(victim: Pid) {
    let Some(space) = task::process(victim).and_then(|process| process.space()) else { return };
    for (pid, _) in processes() {
        let other = task::process(pid).and_then(|process| process.space());
        if other.is_some_and(|other| Arc::ptr_eq(&other, &space)) {
            // It may have ended meanwhile.
            let _ = signal::send(pid, SIGKILL as u8);
        }
    }
    space.reap();
}

/// Frees the memory of a process that ends, if nobody else lives in it.
fn reap(victim: Pid) {
    let Some(space) = task::process(victim).and_then(|process| process.space()) else { return };
    let lives_there = |pid| {
        let process = task::process(pid)?;
        let is_there = process.space().is_some_and(|other| Arc::ptr_eq(&other, &space));
        (is_there && !signal::is_ending(&process)).then_some(())
    };
    match processes().find_map(|(pid, _)| lives_there(pid)) {
        None => space.reap(),
        // That one has all of it.
        Some(()) => end(victim),
    }
}

/// Who is there, and who has to go.
fn report(shortage: &Shortage, choice: Choice) {
    klog!(Level::Error, "{}", shortage.title());
    klog!(Level::Error, "{}", shortage.state());
    klog!(Level::Error, "{}", Shortage::COLUMNS);
    for (pid, name) in processes() {
        if let Some(process) = describe(pid, &name) {
            klog!(Level::Error, "{}", shortage.row(&process, choice));
        }
    }
    let Choice::Kill(victim) = choice else { return };
    for (pid, name) in processes().filter(|(pid, _)| *pid == victim) {
        if let Some(process) = describe(pid, &name) {
            klog!(Level::Error, "{}", shortage.verdict(&process));
        }
    }
}
