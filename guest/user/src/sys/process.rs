//! Processes: their start, end, groups and sessions.

use alloc::ffi::CString;
use core::ffi::CStr;
use core::time::Duration;

use linux_raw_sys::general as g;

use super::call::{Plain, TextVector, args, call};
use super::io;
use crate::errno::{Errno, Result};
pub use crate::status::Status;

/// Ends the process; what it printed is written before. An error there is status 1 and a message.
pub fn exit(status: i32) -> ! {
    if let Err(error) = io::flush() {
        crate::complain!("write error: {error}");
        exit_at_once(if status == 0 { 1 } else { status });
    }
    exit_at_once(status)
}

/// Ends the process; what it printed and is not yet written is lost.
pub fn exit_at_once(status: i32) -> ! {
    loop {
        // It does not come back.
        let _ = call(g::__NR_exit_group, args![status]);
    }
}

/// Makes a child, a copy of this process: none in the child, its number in the parent. What was
/// printed is written before, so that nobody writes it twice. Threads are not copied.
pub fn fork() -> Result<Option<i32>> {
    // A failed write is reported at the exit.
    let _ = io::flush();
    let child = call(g::__NR_clone, args![g::SIGCHLD, 0_usize, 0_usize, 0_usize, 0_usize])?;
    Ok((child != 0).then_some(child as i32))
}

/// Replaces the program; comes back only with an error.
pub fn exec<'a>(
    path: &CStr,
    arguments: impl Iterator<Item = &'a CStr>,
    environment: impl Iterator<Item = &'a CStr>,
) -> Errno {
    let _ = io::flush();
    let (arguments, environment) = (TextVector::new(arguments), TextVector::new(environment));
    match call(g::__NR_execve, args![path, &arguments, &environment]) {
        Ok(_) => Errno::NOEXEC,
        Err(error) => error,
    }
}

/// Replaces the program with one that is looked for along `path` (`PATH`'s value) where its name
/// has no slash; comes back only with an error.
pub fn exec_along(path: &[u8], arguments: &[CString], environment: &[CString]) -> Errno {
    let Some(name) = arguments.first() else { return Errno::NOENT };
    let start = |file: &CStr| {
        let vector = arguments.iter().map(CString::as_c_str);
        exec(file, vector, environment.iter().map(CString::as_c_str))
    };
    if name.as_bytes().contains(&b'/') {
        return start(name);
    }
    let mut found = Errno::NOENT;
    for directory in path.split(|byte| *byte == b':') {
        let mut file = directory.to_vec();
        if !file.is_empty() {
            file.push(b'/');
        }
        file.extend_from_slice(name.as_bytes());
        let Ok(file) = CString::new(file) else { return Errno::INVAL };
        match start(&file) {
            Errno::NOENT | Errno::NOTDIR => {}
            // One that may not be executed is remembered: another directory may have it, too.
            Errno::ACCES => found = Errno::ACCES,
            error => return error,
        }
    }
    found
}

/// Waits until a child changes: `pid`, -1 for any, 0 and below -1 for a group; `options` are
/// `WNOHANG`, `WUNTRACED`, `WCONTINUED`. None: no change, with `WNOHANG`.
pub fn wait(pid: i32, options: u32) -> Result<Option<(i32, Status)>> {
    let mut word = 0_u32;
    let child = call(g::__NR_wait4, args![pid, &mut word, options, 0_usize])?;
    Ok((child != 0).then(|| (child as i32, Status::from_word(word))))
}

/// Sends a signal to a process; to a group where `pid` is below zero. 0 only asks whether it could.
pub fn kill(pid: i32, signal: u32) -> Result<()> {
    call(g::__NR_kill, args![pid, signal]).map(drop)
}

/// A call without arguments that cannot fail.
fn ask(number: u32) -> i32 {
    call(number, args![]).map_or(0, |value| value as i32)
}

/// This process.
pub fn id() -> i32 {
    ask(g::__NR_getpid)
}

/// The parent of this process.
pub fn parent_id() -> i32 {
    ask(g::__NR_getppid)
}

/// The effective user.
pub fn user() -> i32 {
    ask(g::__NR_geteuid)
}

/// The group of a process; 0 is this one.
pub fn group(pid: i32) -> Result<i32> {
    call(g::__NR_getpgid, args![pid]).map(|group| group as i32)
}

/// Puts a process into a group; 0 is this process, and a group of its own.
pub fn set_group(pid: i32, group: i32) -> Result<()> {
    call(g::__NR_setpgid, args![pid, group]).map(drop)
}

/// Starts a session with this process as its leader, without a terminal.
pub fn start_session() -> Result<i32> {
    call(g::__NR_setsid, args![]).map(|session| session as i32)
}

/// Keeps this process, and the children that it will have, on the harts whose bits are set.
pub fn set_harts(mask: u64) -> Result<()> {
    let mask = [mask];
    call(g::__NR_sched_setaffinity, args![0_usize, size_of_val(&mask), &mask]).map(drop)
}

/// Limits a resource (`RLIMIT_*`) of this process, for good.
pub fn set_limit(resource: u32, value: u64) -> Result<()> {
    let limit = g::rlimit64 { rlim_cur: value, rlim_max: value };
    call(g::__NR_prlimit64, args![0_usize, resource, &limit, 0_usize]).map(drop)
}

/// Keeps all memory of this process in RAM, and what it will have, but not its children's.
pub fn lock_memory() -> Result<()> {
    call(g::__NR_mlockall, args![g::MCL_CURRENT | g::MCL_FUTURE]).map(drop)
}

/// Keeps the memory that this process has now in RAM.
pub fn lock_present_memory() -> Result<()> {
    call(g::__NR_mlockall, args![g::MCL_CURRENT]).map(drop)
}

/// How long this process has been in user mode, and in the kernel.
pub fn times() -> Result<(Duration, Duration)> {
    let mut usage = g::rusage::zeroed();
    call(g::__NR_getrusage, args![g::RUSAGE_SELF, &mut usage])?;
    let micros = |seconds: i64, micros: i64| {
        Duration::from_secs(seconds as u64) + Duration::from_micros(micros as u64)
    };
    let (user, kernel) = (usage.ru_utime, usage.ru_stime);
    Ok((micros(user.tv_sec, user.tv_usec), micros(kernel.tv_sec, kernel.tv_usec)))
}

/// Lets others run.
pub fn give_way() {
    let _ = call(g::__NR_sched_yield, args![]);
}
