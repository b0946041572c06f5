//! System calls about how much a process may use, and how urgent it is.

use alloc::sync::Arc;

use guest::errno::Errno;
use guest::task::limits::{FSIZE, Limit, Right};
use linux_raw_sys::general as linux;

use super::{Answer, Row};
use crate::arch::hart;
use crate::arch::trap::TrapFrame;
use crate::fs::size_limit;
use crate::mm::{tunables, user};
use crate::sched;
use crate::task::{self, Process, current_process, table};

pub(super) const ROWS: &[Row] = rows! {
    __NR_getcpu getcpu
    __NR_getpriority getpriority
    __NR_getrlimit getrlimit
    __NR_prlimit64 prlimit64
    __NR_sched_get_priority_max sched_get_priority
    __NR_sched_get_priority_min sched_get_priority
    __NR_sched_getaffinity sched_getaffinity
    __NR_sched_getparam sched_getparam
    __NR_sched_getscheduler sched_getscheduler
    __NR_sched_rr_get_interval sched_rr_get_interval
    __NR_sched_setaffinity sched_setaffinity
    __NR_sched_setparam sched_setparam
    __NR_sched_setscheduler sched_setscheduler
    __NR_sched_yield sched_yield
    __NR_setpriority setpriority
    __NR_setrlimit setrlimit
};

/// Bytes of a set of harts as `sched_getaffinity` writes it.
const AFFINITY_BYTES: u64 = 8;
/// How long a thread runs while others wait, as it is told.
const SLICE_NS: u64 = 100_000_000;
const NICE_MIN: i32 = -20;
const NICE_MAX: i32 = 19;

fn read_limit(at: u64) -> Result<Limit, Errno> {
    let [soft, hard] = user::read(at)?;
    Ok(Limit { soft, hard })
}

fn set_limit(process: &Process, resource: u32, limit: Limit) -> Result<(), Errno> {
    let is_root = current_process().credentials().is_root();
    let right = if is_root { Right::Raise } else { Right::LowerOnly };
    process.change_limits(|limits| limits.set(resource, limit, right))?;
    tunables::limits_changed();
    if resource == FSIZE {
        size_limit::noticed(limit.soft);
    }
    Ok(())
}

fn getrlimit(frame: &mut TrapFrame) -> Answer {
    let limit = current_process().limits().get(frame.a(0) as u32)?;
    user::write(frame.a(1), &[limit.soft, limit.hard])?;
    Ok(0)
}

fn setrlimit(frame: &mut TrapFrame) -> Answer {
    set_limit(current_process(), frame.a(0) as u32, read_limit(frame.a(1))?)?;
    Ok(0)
}

/// A process by number, 0 being the caller, that the caller may look into.
fn reachable(pid: u64) -> Result<Arc<Process>, Errno> {
    let caller = current_process();
    if pid as u32 == 0 {
        return Ok(caller.clone());
    }
    let process = task::process(pid as u32).ok_or(Errno::ESRCH)?;
    let allowed = caller.credentials().may_signal(&process.credentials());
    if allowed { Ok(process) } else { Err(Errno::EPERM) }
}

fn prlimit64(frame: &mut TrapFrame) -> Answer {
    let process = reachable(frame.a(0))?;
    let resource = frame.a(1) as u32;
    let old = process.limits().get(resource)?;
    if frame.a(2) != 0 {
        set_limit(&process, resource, read_limit(frame.a(2))?)?;
    }
    if frame.a(3) != 0 {
        user::write(frame.a(3), &[old.soft, old.hard])?;
    }
    Ok(0)
}

fn getpriority(frame: &mut TrapFrame) -> Answer {
    let nices = chosen(frame)?;
    let nice = nices.iter().map(|process| process.nice()).min().ok_or(Errno::ESRCH)?;
    // 1 to 40, so that it is no error number.
    Ok((20 - i64::from(nice)) as u64)
}

/// Whom getpriority and setpriority are about.
fn chosen(frame: &TrapFrame) -> Result<alloc::vec::Vec<Arc<Process>>, Errno> {
    let caller = current_process();
    let (which, who) = (frame.a(0) as u32, frame.a(1) as u32);
    let or_caller = |own: u32| if who == 0 { own } else { who };
    let mut all = task::processes();
    match which {
        linux::PRIO_PROCESS => all.retain(|process| process.pid == or_caller(caller.pid)),
        linux::PRIO_PGRP => all.retain(|process| process.group() == or_caller(caller.group())),
        linux::PRIO_USER => {
            let uid = or_caller(caller.credentials().uid);
            all.retain(|process| process.credentials().uid == uid);
        }
        _ => return Err(Errno::EINVAL),
    }
    Ok(all)
}

fn setpriority(frame: &mut TrapFrame) -> Answer {
    let nice = (frame.a(2) as i32).clamp(NICE_MIN, NICE_MAX) as i8;
    let chosen = chosen(frame)?;
    if chosen.is_empty() {
        return Err(Errno::ESRCH);
    }
    let caller = current_process().credentials();
    for process in chosen {
        if !caller.may_signal(&process.credentials()) {
            return Err(Errno::EPERM);
        }
        if nice < process.nice() && !caller.is_root() {
            return Err(Errno::EACCES);
        }
        process.set_nice(nice);
    }
    Ok(0)
}

fn sched_yield(_: &mut TrapFrame) -> Answer {
    sched::yield_now();
    Ok(0)
}

/// A thread by number, 0 being the caller.
fn check_thread(tid: u64) -> Result<(), Errno> {
    let there = tid as u32 == 0 || table::thread(tid as u32).is_some();
    if there { Ok(()) } else { Err(Errno::ESRCH) }
}

fn all_harts() -> u64 {
    u64::MAX >> (64 - hart::online())
}

fn sched_getaffinity(frame: &mut TrapFrame) -> Answer {
    if frame.a(1) < AFFINITY_BYTES || !frame.a(1).is_multiple_of(8) {
        return Err(Errno::EINVAL);
    }
    check_thread(frame.a(0))?;
    user::write(frame.a(2), &all_harts())?;
    Ok(AFFINITY_BYTES)
}

/// Threads run on all harts: any set that has one of them is taken, and has no effect.
fn sched_setaffinity(frame: &mut TrapFrame) -> Answer {
    check_thread(frame.a(0))?;
    let mut wanted = [0; 8];
    let length = (frame.a(1) as usize).min(wanted.len());
    for (index, byte) in wanted[..length].iter_mut().enumerate() {
        *byte = user::read(frame.a(2).wrapping_add(index as u64))?;
    }
    if u64::from_le_bytes(wanted) & all_harts() == 0 { Err(Errno::EINVAL) } else { Ok(0) }
}

fn sched_getscheduler(frame: &mut TrapFrame) -> Answer {
    check_thread(frame.a(0))?;
    Ok(u64::from(linux::SCHED_NORMAL))
}

/// The only policy there is has no priorities.
fn sched_setscheduler(frame: &mut TrapFrame) -> Answer {
    let priority = priority(frame.a(2))?;
    check_thread(frame.a(0))?;
    match (frame.a(1) as u32, priority) {
        (linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE, 0) => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

/// The priority in the parameters at this address, which must be somewhere.
fn priority(at: u64) -> Result<u32, Errno> {
    if at == 0 { Err(Errno::EINVAL) } else { user::read(at) }
}

fn sched_getparam(frame: &mut TrapFrame) -> Answer {
    if frame.a(1) == 0 {
        return Err(Errno::EINVAL);
    }
    check_thread(frame.a(0))?;
    user::write(frame.a(1), &0u32)?;
    Ok(0)
}

fn sched_setparam(frame: &mut TrapFrame) -> Answer {
    let priority = priority(frame.a(1))?;
    check_thread(frame.a(0))?;
    if priority == 0 { Ok(0) } else { Err(Errno::EINVAL) }
}

/// Lowest and highest priority are 0 for policies without.
fn sched_get_priority(frame: &mut TrapFrame) -> Answer {
    match frame.a(0) as u32 {
        linux::SCHED_NORMAL | linux::SCHED_BATCH | linux::SCHED_IDLE => Ok(0),
        _ => Err(Errno::EINVAL),
    }
}

fn sched_rr_get_interval(frame: &mut TrapFrame) -> Answer {
    check_thread(frame.a(0))?;
    user::write(frame.a(1), &guest::task::time::to_timespec(SLICE_NS))?;
    Ok(0)
}

fn getcpu(frame: &mut TrapFrame) -> Answer {
    let index = hart::index() as u32;
    for (at, value) in [(frame.a(0), index), (frame.a(1), 0)] {
        if at != 0 {
            user::write(at, &value)?;
        }
    }
    Ok(0)
}
