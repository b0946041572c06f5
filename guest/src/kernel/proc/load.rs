//! /proc/PID/suspend and ws: who is pushed out of RAM, and what a process uses of it.

use alloc::string::String;

use guest::errno::Errno;
use guest::proc_text::tunable;
use guest::task::tree::INIT;

use super::memory;
use super::nodes::{READ_WRITE, put, switch_of};
use super::process::Target;
use crate::fs::synthetic::Node;
use crate::mm;
use crate::task::{self, Process};

/// Whether the caller may do with the process as it likes.
///
/// # Errors
/// `EPERM`.
fn check_owner(process: &Process) -> Result<(), Errno> {
    let caller = task::current_process();
    let may = caller.credentials().may_signal(&process.credentials());
    if may { Ok(()) } else { Err(Errno::EPERM) }
}

/// suspend: 0, or 1: suspended by hand, 2: by load control. To write 1 pushes all of the process out
/// of RAM and stops it, 0 brings it back. The first process is never suspended.
pub(super) fn suspend(target: Target) -> Node {
    let show = move |out: &mut String| {
        let by = target.process()?.suspended_by();
        put!(out, "{}\n", by.map_or(0, |by| by as u32))
    };
    switch_of(READ_WRITE, show, move |written| {
        let process = target.process()?;
        check_owner(&process)?;
        match tunable::number(written) {
            Some(0) => mm::load::resume_by_hand(&process),
            Some(1) if process.pid == INIT => return Err(Errno::EPERM),
            Some(1) => mm::load::suspend_by_hand(&process)?,
            _ => return Err(Errno::EINVAL),
        }
        Ok(())
    })
}

/// ws: `NAME VALUE` lines, in pages: what the process needs by the estimate, what is in RAM, what is
/// in swap; how often the hand of page replacement has passed all of it, how many pages it found
/// the last time, and how many of them had been accessed since the time before; how many pages were
/// waited for. To write anything passes over all pages now.
pub(super) fn working_set(target: Target) -> Node {
    let show = move |out: &mut String| {
        let process = target.process()?;
        let Some(space) = process.space() else { return Ok(()) };
        let figures = memory::figures(&space);
        let resident = figures.anonymous + figures.file + figures.shared;
        let passes = space.passes();
        let (_, returned) = process.faults().counts();
        for (name, value) in [
            ("working_set", space.working_set(resident)),
            ("resident", resident),
            ("swapped", figures.swapped),
            ("passes", passes.count),
            ("looked", passes.looked),
            ("accessed", passes.accessed),
            ("refaults", returned),
        ] {
            put!(out, "{name} {value}\n")?;
        }
        Ok(())
    };
    switch_of(READ_WRITE, show, move |_| {
        let process = target.process()?;
        check_owner(&process)?;
        if let Some(space) = process.space() {
            space.look_over(&process);
        }
        Ok(())
    })
}
