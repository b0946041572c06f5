//! The door: a table of calls, each row in the file of its subject, and the dispatch.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::errno::Errno;
use guest::task::signal::RestartClass;
use linux_raw_sys::general as linux;

use crate::arch::trap::TrapFrame;
use crate::debug::{self, Level};
use crate::mm::reclaim;
use crate::task;

/// Rows of a subject: a call has the name that it has in C.
macro_rules! rows {
    ($($number:ident $name:ident)*) => {
        &[$($crate::syscall::Row {
            number: linux_raw_sys::general::$number,
            name: stringify!($name),
            call: $name,
        }),*]
    };
}

mod file;
mod identity;
mod ipc;
mod limits;
mod memory;
mod misc;
mod process;
mod signal;
mod time;
mod timer;

pub(crate) use guest::errno::Answer;

/// Does a call.
type Call = fn(&mut TrapFrame) -> Answer;

/// A call: its number, its name, what does it. Arguments are `frame.a(0)` and on.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) number: u32,
    pub(crate) name: &'static str,
    pub(crate) call: Call,
}

/// All calls, by subject.
const ROWS: [&[Row]; 10] = [
    file::ROWS,
    identity::ROWS,
    ipc::ROWS,
    limits::ROWS,
    memory::ROWS,
    misc::ROWS,
    process::ROWS,
    signal::ROWS,
    time::ROWS,
    timer::ROWS,
];

/// First number that no call has.
const CALLS: usize = {
    let mut highest = 0;
    let mut subject = 0;
    while subject < ROWS.len() {
        let mut index = 0;
        while index < ROWS[subject].len() {
            if ROWS[subject][index].number > highest {
                highest = ROWS[subject][index].number;
            }
            index += 1;
        }
        subject += 1;
    }
    highest as usize + 1
};

/// Calls that take memory of the kernel's which nobody could take from it again: they begin when
/// there is enough.
const TAKERS: [u32; 51] = [
    linux::__NR_clone,
    linux::__NR_clone3,
    linux::__NR_execve,
    linux::__NR_execveat,
    linux::__NR_mmap,
    linux::__NR_mremap,
    linux::__NR_remap_file_pages,
    linux::__NR_mprotect,
    linux::__NR_mlock,
    linux::__NR_mlock2,
    linux::__NR_mlockall,
    linux::__NR_openat,
    linux::__NR_openat2,
    linux::__NR_mkdirat,
    linux::__NR_mknodat,
    linux::__NR_symlinkat,
    linux::__NR_linkat,
    linux::__NR_renameat2,
    linux::__NR_memfd_create,
    linux::__NR_pipe2,
    linux::__NR_socketpair,
    linux::__NR_socket,
    linux::__NR_dup,
    linux::__NR_dup3,
    linux::__NR_fcntl,
    linux::__NR_getdents64,
    linux::__NR_ppoll,
    linux::__NR_pselect6,
    linux::__NR_epoll_create1,
    linux::__NR_epoll_ctl,
    linux::__NR_eventfd2,
    linux::__NR_timerfd_create,
    linux::__NR_signalfd4,
    linux::__NR_timer_create,
    linux::__NR_mount,
    linux::__NR_sendfile,
    linux::__NR_splice,
    linux::__NR_readv,
    linux::__NR_writev,
    linux::__NR_preadv,
    linux::__NR_pwritev,
    linux::__NR_shmget,
    linux::__NR_shmat,
    linux::__NR_futex_waitv,
    linux::__NR_semget,
    linux::__NR_semtimedop,
    linux::__NR_msgget,
    linux::__NR_msgsnd,
    linux::__NR_mq_open,
    linux::__NR_rt_sigqueueinfo,
    linux::__NR_chdir,
];

/// By number, what does it; a number without a row has [`unknown`].
static DOES: [Call; CALLS] = BY_NUMBER;

/// By number, how it begins.
static TABLE: [Call; CALLS] = {
    let mut table = BY_NUMBER;
    let mut index = 0;
    while index < TAKERS.len() {
        if (TAKERS[index] as usize) < CALLS {
            table[TAKERS[index] as usize] = throttled;
        }
        index += 1;
    }
    table
};

/// Does a call of those that take memory.
fn throttled(frame: &mut TrapFrame) -> Answer {
    reclaim::throttle()?;
    DOES[frame.a(7) as usize](frame)
}

const BY_NUMBER: [Call; CALLS] = {
    let mut table: [Call; CALLS] = [unknown; CALLS];
    let mut taken = [false; CALLS];
    let mut subject = 0;
    while subject < ROWS.len() {
        let mut index = 0;
        while index < ROWS[subject].len() {
            let row = &ROWS[subject][index];
            assert!(!row.name.is_empty(), "a call has a name");
            assert!(!taken[row.number as usize], "two rows have the same number");
            taken[row.number as usize] = true;
            table[row.number as usize] = row.call;
            index += 1;
        }
        subject += 1;
    }
    table
};

/// The system call that user mode asks for in a7; puts what it yields into a0.
#[inline]
pub(crate) fn dispatch(frame: &mut TrapFrame) {
    let value = match call_of(frame.a(7))(frame) {
        Ok(value) => value,
        Err(errno) => {
            if errno == Errno::EINTR {
                // A call that fails leaves its arguments as they were.
                interrupted(frame.a(7), frame.a(0));
            }
            errno.as_return()
        }
    };
    frame.set_return(value);
}

/// What does the call with this number.
#[inline]
fn call_of(number: u64) -> Call {
    TABLE.get(number as usize).copied().unwrap_or(unknown)
}

/// Calls that do not simply go on after a signal: see [`RestartClass`].
const RESTARTS: [(u32, RestartClass); 14] = [
    (linux::__NR_rt_sigsuspend, RestartClass::NoHandler),
    (linux::__NR_ppoll, RestartClass::NoHandler),
    (linux::__NR_pselect6, RestartClass::NoHandler),
    (linux::__NR_clock_nanosleep, RestartClass::NoHandler),
    (linux::__NR_nanosleep, RestartClass::NoHandler),
    (linux::__NR_msgsnd, RestartClass::NoHandler),
    (linux::__NR_msgrcv, RestartClass::NoHandler),
    (linux::__NR_rt_sigtimedwait, RestartClass::Never),
    (linux::__NR_epoll_pwait, RestartClass::Never),
    (linux::__NR_epoll_pwait2, RestartClass::Never),
    (linux::__NR_semop, RestartClass::Never),
    (linux::__NR_semtimedop, RestartClass::Never),
    (linux::__NR_restart_syscall, RestartClass::Never),
    (linux::__NR_swapoff, RestartClass::Never),
];

#[cold]
fn interrupted(number: u64, first: u64) {
    let found = RESTARTS.iter().find(|(exception, _)| u64::from(*exception) == number);
    let class = found.map_or(RestartClass::Unless, |(_, class)| *class);
    task::signal::call_interrupted(class, first);
}

/// Numbers that were asked for in vain, a bit each; those beyond count as the last one.
static REPORTED: [AtomicU64; REPORTED_WORDS] = [const { AtomicU64::new(0) }; REPORTED_WORDS];
const REPORTED_WORDS: usize = 16;

#[cold]
fn unknown(frame: &mut TrapFrame) -> Answer {
    let number = frame.a(7);
    let index = number.min(REPORTED_WORDS as u64 * 64 - 1);
    let bit = 1 << (index % 64);
    if REPORTED[(index / 64) as usize].fetch_or(bit, Ordering::Relaxed) & bit == 0 {
        let thread = crate::sched::current_thread();
        let name = task::Name::display(thread.name());
        let tid = thread.tid;
        debug::log(Level::Info, format_args!("{name}[{tid}]: there is no system call {number}"));
    }
    Err(Errno::ENOSYS)
}
