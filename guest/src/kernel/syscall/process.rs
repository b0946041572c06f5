//! System calls about processes and threads: how they come and go, and what they are called.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::task::futex::{Command, Operation, Timeout, WakeOp};
use guest::task::signal::{self as signals, SIGCHLD};
use guest::task::stack::Arguments;
use guest::task::wait::Wanted;
use guest::task::{Pid, time};
use linux_raw_sys::general as linux;

use super::{Answer, Row};
use crate::arch::trap::TrapFrame;
use crate::fs::OpenFile;
use crate::mm::user;
use crate::sched;
use crate::task::futex::{self, Pair, Scope};
use crate::task::wait::Told;
use crate::task::{self, current_process, exec, exit, fork, table, wait};
use crate::time::{self as clock, Instant};

mod pidfd;

use pidfd::{pidfd_getfd, pidfd_open, pidfd_send_signal, unshare};

pub(super) const ROWS: &[Row] = rows! {
    __NR_clone clone
    __NR_execve execve
    __NR_execveat execveat
    __NR_exit exit
    __NR_exit_group exit_group
    __NR_futex futex
    __NR_futex_waitv futex_waitv
    __NR_get_robust_list get_robust_list
    __NR_getpgid getpgid
    __NR_getpid getpid
    __NR_getppid getppid
    __NR_getsid getsid
    __NR_gettid gettid
    __NR_pidfd_getfd pidfd_getfd
    __NR_pidfd_open pidfd_open
    __NR_pidfd_send_signal pidfd_send_signal
    __NR_set_robust_list set_robust_list
    __NR_set_tid_address set_tid_address
    __NR_setpgid setpgid
    __NR_setsid setsid
    __NR_unshare unshare
    __NR_wait4 wait4
    __NR_waitid waitid
};

/// Size of `struct robust_list_head`.
const ROBUST_LIST_BYTES: u64 = 24;

fn clone(frame: &mut TrapFrame) -> Answer {
    let raw = frame.a(0);
    let request = fork::Request {
        flags: raw as u32 & !linux::CSIGNAL,
        exit_signal: (raw as u32 & linux::CSIGNAL) as u8,
        stack: frame.a(1),
        parent_tid: frame.a(2),
        tls: frame.a(3),
        child_tid: frame.a(4),
    };
    if request.exit_signal > signals::COUNT {
        return Err(Errno::EINVAL);
    }
    fork::clone(frame, &request).map(u64::from)
}

/// Reads argument vectors: pointers to strings, ended by 0.
fn read_arguments(argv: u64, envp: u64) -> Result<Arguments, Errno> {
    let mut arguments = Arguments::new(exec::arguments_limit_bytes());
    each_string(argv, &mut arguments, Arguments::push_argument)?;
    each_string(envp, &mut arguments, Arguments::push_variable)?;
    Ok(arguments)
}

fn each_string(
    vector: u64,
    arguments: &mut Arguments,
    push: impl Fn(&mut Arguments, &[u8]) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut at = vector;
    while at != 0 {
        let string = user::read::<u64>(at)?;
        if string == 0 {
            break;
        }
        let text = user::read_string(string, arguments.room_bytes());
        let text = text.map_err(|error| match error {
            Errno::ENAMETOOLONG => Errno::E2BIG,
            other => other,
        })?;
        push(arguments, &text)?;
        at = at.wrapping_add(8);
    }
    Ok(())
}

fn read_path(at: u64) -> Result<Vec<u8>, Errno> {
    user::read_string(at, linux::PATH_MAX as usize)
}

fn execve(frame: &mut TrapFrame) -> Answer {
    let path = read_path(frame.a(0))?;
    if path.is_empty() {
        return Err(Errno::ENOENT);
    }
    let arguments = read_arguments(frame.a(1), frame.a(2))?;
    exec::exec(frame, None, &path, arguments)?;
    Ok(0)
}

fn execveat(frame: &mut TrapFrame) -> Answer {
    let (directory, flags) = (frame.a(0) as i32, frame.a(4) as u32);
    if flags & !(linux::AT_EMPTY_PATH | linux::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL);
    }
    let path = read_path(frame.a(1))?;
    let arguments = read_arguments(frame.a(2), frame.a(3))?;
    let (file, path) = program_at(directory, path, flags)?;
    exec::exec(frame, file, &path, arguments)?;
    Ok(0)
}

/// The program that `execveat` means: the file of a descriptor, or a path.
fn program_at(
    directory: i32,
    path: Vec<u8>,
    flags: u32,
) -> Result<(Option<Arc<OpenFile>>, Vec<u8>), Errno> {
    let is_empty = path.is_empty();
    if is_empty && flags & linux::AT_EMPTY_PATH == 0 {
        return Err(Errno::ENOENT);
    }
    if !is_empty && (path[0] == b'/' || directory == linux::AT_FDCWD) {
        return Ok((None, path));
    }
    let base = current_process().files().lock().get(directory as u32)?;
    if is_empty {
        let path = base.path();
        return Ok((Some(base), path));
    }
    Ok((None, [&base.path()[..], b"/", &path].concat()))
}

fn exit(frame: &mut TrapFrame) -> Answer {
    exit::exit_thread(guest::task::wait::Change::Exited(frame.a(0) as u8))
}

fn exit_group(frame: &mut TrapFrame) -> Answer {
    exit::exit_process(frame.a(0) as u8)
}

fn wait4(frame: &mut TrapFrame) -> Answer {
    let caller = current_process();
    let wanted = Wanted::for_wait4(frame.a(0) as i32, frame.a(2) as u32, caller.group())?;
    let (status_at, usage_at) = (frame.a(1), frame.a(3));
    let Some(told) = wait::wait(&wanted)? else { return Ok(0) };
    if status_at != 0 {
        user::write(status_at, &told.change.status())?;
    }
    if usage_at != 0 {
        user::write(usage_at, &told.usage.to_rusage())?;
    }
    Ok(u64::from(told.pid))
}

fn waitid(frame: &mut TrapFrame) -> Answer {
    let (kind, id, options) = (frame.a(0) as u32, frame.a(1) as i32, frame.a(3) as u32);
    let (info_at, usage_at) = (frame.a(2), frame.a(4));
    let waited = if kind == linux::P_PIDFD {
        pidfd::wait(id, options)
    } else {
        wait::wait(&Wanted::for_waitid(kind, id, options, current_process().group())?)
    };
    let told = waited.unwrap_or_default();
    if let (Some(told), true) = (told, usage_at != 0) {
        user::write(usage_at, &told.usage.to_rusage())?;
    }
    if info_at != 0 {
        user::write(info_at, &info_words(told))?;
    }
    waited.map(|_| 0)
}

/// The first words of `siginfo_t` that `waitid` fills in; all 0 where nobody has changed.
fn info_words(told: Option<Told>) -> [u64; 4] {
    let Some(told) = told else { return [0; 4] };
    let info = signals::SigInfo::child(SIGCHLD, told.pid, told.uid, told.change, [0; 2]);
    let words = info.to_words();
    [words[0], words[1], words[2], words[3]]
}

fn getpid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(current_process().pid))
}

fn gettid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(sched::current_thread().tid))
}

fn getppid(_: &mut TrapFrame) -> Answer {
    Ok(u64::from(current_process().parent_pid()))
}

/// The process with this number, 0 being the caller.
fn process_or_caller(pid: u64) -> Result<Arc<task::Process>, Errno> {
    match pid as u32 as Pid {
        0 => Ok(current_process().clone()),
        pid => task::process(pid).ok_or(Errno::ESRCH),
    }
}

fn getpgid(frame: &mut TrapFrame) -> Answer {
    Ok(u64::from(process_or_caller(frame.a(0))?.group()))
}

fn getsid(frame: &mut TrapFrame) -> Answer {
    Ok(u64::from(process_or_caller(frame.a(0))?.session()))
}

fn setpgid(frame: &mut TrapFrame) -> Answer {
    table::set_group(current_process(), frame.a(0) as i32, frame.a(1) as i32)?;
    Ok(0)
}

fn setsid(_: &mut TrapFrame) -> Answer {
    table::new_session(current_process()).map(u64::from)
}

fn set_tid_address(frame: &mut TrapFrame) -> Answer {
    let thread = sched::current_thread();
    thread.set_clear_tid(frame.a(0));
    Ok(u64::from(thread.tid))
}

fn set_robust_list(frame: &mut TrapFrame) -> Answer {
    if frame.a(1) != ROBUST_LIST_BYTES {
        return Err(Errno::EINVAL);
    }
    sched::current_thread().set_robust_list(frame.a(0));
    Ok(0)
}

fn get_robust_list(frame: &mut TrapFrame) -> Answer {
    let thread = match frame.a(0) as u32 {
        0 => sched::current_thread().clone(),
        tid => table::thread(tid).ok_or(Errno::ESRCH)?,
    };
    let mine = current_process().credentials();
    if !mine.may_signal(&thread.process.credentials()) {
        return Err(Errno::EPERM);
    }
    user::write(frame.a(1), &thread.robust_list())?;
    user::write(frame.a(2), &ROBUST_LIST_BYTES)?;
    Ok(0)
}

fn futex(frame: &mut TrapFrame) -> Answer {
    let operation = Operation::decode(frame.a(1) as u32, frame.a(5) as u32)?;
    let scope = if operation.is_private { Scope::Private } else { Scope::Shared };
    let (at, value) = (frame.a(0), frame.a(2) as u32);
    let pair = Pair { first: at, second: frame.a(4), scope };
    let count = |raw: u64| usize::try_from(raw as i32).map_err(|_| Errno::EINVAL);
    match operation.command {
        Command::Wait(bits) => {
            let deadline = futex_deadline(frame.a(3), operation.timeout)?;
            let result = futex::wait(at, scope, value, bits, deadline);
            if let (Err(Errno::EINTR), Timeout::Relative, Some(deadline)) =
                (result, operation.timeout, deadline)
            {
                task::signal::keep_deadline(linux::__NR_futex, deadline);
            }
            result.map(|()| 0)
        }
        // Linux wakes one where none is asked for.
        Command::Wake(bits) => {
            let count = (value as i32).max(1) as usize;
            futex::wake(at, scope, bits, count).map(|woken| woken as u64)
        }
        Command::Requeue => {
            let (woken, moved) =
                futex::requeue(pair, None, count(frame.a(2))?, count(frame.a(3))?)?;
            Ok((woken + moved) as u64)
        }
        Command::CompareRequeue => {
            let expected = Some(frame.a(5) as u32);
            let (woken, moved) =
                futex::requeue(pair, expected, count(frame.a(2))?, count(frame.a(3))?)?;
            Ok((woken + moved) as u64)
        }
        Command::WakeOp => {
            let change = WakeOp::decode(frame.a(5) as u32)?;
            let woken = futex::wake_op(pair, change, count(frame.a(2))?, count(frame.a(3))?)?;
            Ok(woken as u64)
        }
    }
}

/// `struct futex_waitv` as words: what is expected, where, flags.
type WaitWord = [u64; 3];

fn futex_waitv(frame: &mut TrapFrame) -> Answer {
    let [at, count, flags, timeout, clock] = [0, 1, 2, 3, 4].map(|argument| frame.a(argument));
    let count = u64::from(count as u32);
    let is_counted = (1..=u64::from(linux::FUTEX_WAITV_MAX)).contains(&count);
    if flags as u32 != 0 || !is_counted || at == 0 {
        return Err(Errno::EINVAL);
    }
    let timeout = match (timeout, clock as u32) {
        (0, _) => None,
        (at, linux::CLOCK_MONOTONIC) => futex_deadline(at, Timeout::Monotonic)?,
        (at, linux::CLOCK_REALTIME) => futex_deadline(at, Timeout::Realtime)?,
        _ => return Err(Errno::EINVAL),
    };
    let mut words = Vec::new();
    words.try_reserve_exact(count as usize).map_err(|_| Errno::ENOMEM)?;
    for index in 0..count {
        let [expected, word, flags] =
            user::read::<WaitWord>(at.wrapping_add(index * size_of::<WaitWord>() as u64))?;
        // Beyond the flags all bits are reserved; only words of 32 bits can be waited for.
        let is_private = match flags & !u64::from(linux::FUTEX2_PRIVATE) {
            size if size == u64::from(linux::FUTEX2_SIZE_U32) => size != flags,
            _ => return Err(Errno::EINVAL),
        };
        let expected = u32::try_from(expected).map_err(|_| Errno::EINVAL)?;
        let scope = if is_private { Scope::Private } else { Scope::Shared };
        words.push(futex::Word { at: word, scope, expected });
    }
    futex::wait_for_any(&words, timeout).map(|number| number as u64)
}

/// When a wait ends; `at` is where the timeout is.
fn futex_deadline(at: u64, timeout: Timeout) -> Result<Option<Instant>, Errno> {
    if at == 0 {
        return Ok(None);
    }
    let ns = time::from_timespec(user::read(at)?)?;
    Ok(Some(match timeout {
        Timeout::Relative => task::signal::resumed_deadline()
            .unwrap_or_else(|| Instant(clock::now().0.saturating_add(ns))),
        Timeout::Monotonic => Instant(ns),
        Timeout::Realtime => super::time::instant_of_day(ns),
    }))
}
