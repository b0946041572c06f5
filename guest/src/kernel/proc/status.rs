//! /proc/PID/status, stat, statm, limits and what the out-of-memory policy knows of a process.

use alloc::string::String;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::proc_text::process::{self as text, Addresses, Signals};
use guest::proc_text::tunable;
use linux_raw_sys::general as linux;

use super::memory as shown;
use super::nodes::{READ_WRITE, put, switch_of};
use super::process::Target;
use crate::arch::hart;
use crate::fs::synthetic::Node;
use crate::fs::tty;
use crate::mm;
use crate::sched::Task;
use crate::task::Process;

/// Nanoseconds in 1/100 s.
const CENTISECOND_NS: u64 = 10_000_000;
/// Room for descriptors that a process has at least.
const DESCRIPTORS_MIN: u64 = 64;

/// The name of the thread, or of the process.
pub(super) fn name_of(target: Target, process: &Process) -> Vec<u8> {
    match target.tid.and_then(|_| target.thread(process)) {
        Some(thread) => thread.name().as_bytes().to_vec(),
        None => process.name(),
    }
}

/// A task's letter: W for one that does not run as its process is suspended.
fn state_of(process: &Process, task: &Task) -> char {
    match task.state() {
        state if state != 'R' && process.suspended_by().is_some() => 'W',
        state => state,
    }
}

/// Collects what status and stat say, and hands it to `f`.
fn with_process(
    target: &Target,
    f: impl FnOnce(&text::Process<'_>) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let process = target.process()?;
    let thread = target.thread(&process);
    if target.tid.is_some() && thread.is_none() {
        return Err(Errno::ESRCH);
    }
    let task = thread.as_ref().and_then(|thread| thread.task());
    let name = name_of(*target, &process);
    let (credentials, groups) = process.identity();
    let threads = process.threads();
    let memory = process.space().map(|space| shown::figures(&space));
    let (minor, major) = process.faults().counts();
    let usage = match (target.tid, &thread) {
        (Some(_), Some(thread)) => thread.usage(),
        _ => process.usage(),
    };
    let children = process.children_usage();
    let terminal = tty::of_session(process.session());
    let (terminal, foreground) =
        terminal.map_or((0, -1), |(device, group)| (device, i64::from(group)));
    let files = process.files();
    let descriptors = files.lock().iter().last().map_or(0, |(fd, _)| u64::from(fd) + 1);
    let [arguments, environment] = process.argument_area();
    let shown = text::Process {
        name: &name,
        state: task.as_ref().map_or('Z', |task| state_of(&process, task)),
        tgid: process.pid,
        tid: target.tid.unwrap_or(process.pid),
        parent: process.parent_pid(),
        group: process.group(),
        session: process.session(),
        terminal,
        foreground,
        umask: process.fs().lock().umask.into(),
        users: [credentials.uid, credentials.euid, credentials.suid],
        groups: [credentials.gid, credentials.egid, credentials.sgid],
        other_groups: groups.as_slice(),
        descriptors: descriptors.next_power_of_two().max(DESCRIPTORS_MIN),
        threads: threads.len() as u64,
        signals: thread.as_ref().map_or_else(Signals::default, |thread| thread.signals()),
        queued: (0, process.limit(linux::RLIMIT_SIGPENDING)),
        harts: (1 << hart::online()) - 1,
        faults: [minor, major, children.minor_faults, children.major_faults],
        times: [usage.user_ns, usage.kernel_ns, children.user_ns, children.kernel_ns]
            .map(|time| time / CENTISECOND_NS),
        started: process.started().0 / CENTISECOND_NS,
        nice: process.nice(),
        resident_limit: process.limit(linux::RLIMIT_RSS),
        memory,
        addresses: Addresses { arguments, environment, ..Addresses::default() },
        hart: 0,
        exit_signal: linux::SIGCHLD as u8,
        exit_code: 0,
    };
    f(&shown)
}

/// The text of status.
pub(super) fn status(target: &Target, out: &mut String) -> Result<(), Errno> {
    with_process(target, |process| put!(out, "{}", text::status(process)))
}

/// The text of stat.
pub(super) fn stat(target: &Target, out: &mut String) -> Result<(), Errno> {
    with_process(target, |process| put!(out, "{}", text::stat(process)))
}

/// The text of statm.
pub(super) fn statm(target: &Target, out: &mut String) -> Result<(), Errno> {
    let figures = target.process()?.space().map(|space| shown::figures(&space));
    put!(out, "{}", text::statm(&figures.unwrap_or_default()))
}

/// Resources in the order of their numbers: name and unit.
const RESOURCES: [(&str, &str); 16] = [
    ("Max cpu time", "seconds"),
    ("Max file size", "bytes"),
    ("Max data size", "bytes"),
    ("Max stack size", "bytes"),
    ("Max core file size", "bytes"),
    ("Max resident set", "bytes"),
    ("Max processes", "processes"),
    ("Max open files", "files"),
    ("Max locked memory", "bytes"),
    ("Max address space", "bytes"),
    ("Max file locks", "locks"),
    ("Max pending signals", "signals"),
    ("Max msgqueue size", "bytes"),
    ("Max nice priority", ""),
    ("Max realtime priority", ""),
    ("Max realtime timeout", "us"),
];

/// The text of limits.
pub(super) fn limits(target: &Target, out: &mut String) -> Result<(), Errno> {
    let limits = target.process()?.limits();
    put!(out, "{:<25} {:<20} {:<20} {:<10}\n", "Limit", "Soft Limit", "Hard Limit", "Units")?;
    for (resource, (name, unit)) in RESOURCES.into_iter().enumerate() {
        let limit = limits.get(resource as u32)?;
        put!(out, "{name:<25} ")?;
        for value in [limit.soft, limit.hard] {
            match value {
                u64::MAX => put!(out, "{:<20} ", "unlimited")?,
                value => put!(out, "{value:<20} ")?,
            }
        }
        put!(out, "{unit:<10}\n")?;
    }
    Ok(())
}

/// The worst that a process may be told that it is, and the best.
const ADJUSTMENT_MAX: i32 = 1000;

/// How likely the process is to be killed for memory: its share of RAM in thousandths, and what
/// was added to that.
pub(super) fn oom_score(target: &Target, out: &mut String) -> Result<(), Errno> {
    put!(out, "{}\n", mm::oom::score(target.process()?.pid))
}

/// What is added to the score.
pub(super) fn oom_score_adj(target: Target) -> Node {
    let show = move |out: &mut String| {
        let space = target.process()?.space();
        put!(out, "{}\n", space.map_or(0, |space| space.oom_adjustment()))
    };
    switch_of(READ_WRITE, show, move |written| {
        let word = written.trim();
        let (is_negative, digits) = match word.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, word),
        };
        let value = tunable::number(digits).and_then(|value| i32::try_from(value).ok());
        let value = value.map(|value| if is_negative { -value } else { value });
        let fits = |value: &i32| (-ADJUSTMENT_MAX..=ADJUSTMENT_MAX).contains(value);
        let value = value.filter(fits).ok_or(Errno::EINVAL)?;
        let Some(space) = target.readable_space()? else { return Err(Errno::ESRCH) };
        let caller = crate::task::current_process();
        if value < space.oom_adjustment() && caller.credentials().euid != 0 {
            return Err(Errno::EACCES);
        }
        space.set_oom_adjustment(value);
        Ok(())
    })
}
