//! Processes as descriptors, which mean them whoever has their number later: pidfd_open and its
//! kin, and waitid for one. And unshare, where a process parts from others.

use guest::errno::Errno;
use guest::task::Pid;
use guest::task::signal::info::WORDS;
use guest::task::wait::Wanted;
use linux_raw_sys::general as linux;

use super::super::{Answer, file};
use crate::arch::trap::TrapFrame;
use crate::fs::process_file::ProcessFile;
use crate::mm::user;
use crate::task::signal::call;
use crate::task::wait::{self, Told};
use crate::task::{self, Process, current_process, table};

pub(super) fn pidfd_open(frame: &mut TrapFrame) -> Answer {
    let (pid, flags) = (frame.a(0) as i32, frame.a(1) as u32);
    if flags & !linux::O_NONBLOCK != 0 || pid <= 0 {
        return Err(Errno::EINVAL);
    }
    let process = match task::process(pid as Pid) {
        Some(process) => process,
        // The number of another thread than the first.
        None if table::thread(pid as Pid).is_some() => return Err(Errno::EINVAL),
        None => return Err(Errno::ESRCH),
    };
    let open = ProcessFile::open_new(process, flags | linux::O_RDWR);
    file::install(open, linux::O_CLOEXEC)
}

pub(super) fn pidfd_send_signal(frame: &mut TrapFrame) -> Answer {
    if frame.a(3) as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let open = current_process().file(frame.a(0) as u32)?;
    let process = ProcessFile::process_of(&open)?;
    let words: Option<[u64; WORDS]> = match frame.a(2) {
        0 => None,
        at => Some(user::read(at)?),
    };
    call::send_to(process, frame.a(1), words.as_ref()).map(|()| 0)
}

/// Whether the caller may look into another process.
fn check_access(process: &Process) -> Result<(), Errno> {
    let (own, other) = (current_process().credentials(), process.credentials());
    let is_same = own.uid == other.uid && own.uid == other.euid && own.gid == other.gid;
    if own.euid == 0 || is_same { Ok(()) } else { Err(Errno::EPERM) }
}

pub(super) fn pidfd_getfd(frame: &mut TrapFrame) -> Answer {
    if frame.a(2) as u32 != 0 {
        return Err(Errno::EINVAL);
    }
    let open = current_process().file(frame.a(0) as u32)?;
    let process = ProcessFile::process_of(&open)?;
    if table::life(process) != table::Life::Lives {
        return Err(Errno::ESRCH);
    }
    check_access(process)?;
    let wanted = process.file(frame.a(1) as u32)?;
    file::install(wanted, linux::O_CLOEXEC)
}

/// waitid for the child that a descriptor means, in no hurry unless that is open with O_NONBLOCK.
pub(super) fn wait(fd: i32, options: u32) -> Result<Option<Told>, Errno> {
    // What is wrong with the options comes first.
    Wanted::for_waitid(linux::P_ALL, 0, options, 0)?;
    let fd = u32::try_from(fd).map_err(|_| Errno::EINVAL)?;
    let open = current_process().file(fd)?;
    let process = ProcessFile::process_of(&open)?;
    if table::life(process) == table::Life::Gone {
        return Err(Errno::ECHILD);
    }
    let is_hurried = open.flags().nonblocking() && options & linux::WNOHANG == 0;
    let options = options | if is_hurried { linux::WNOHANG } else { 0 };
    let wanted = Wanted::for_waitid(linux::P_PID, process.pid as i32, options, 0)?;
    match wait::wait(&wanted)? {
        None if is_hurried => Err(Errno::EAGAIN),
        told => Ok(told),
    }
}

/// Of what can be unshared there are files, and root and working directory: one process's threads
/// always share them. Memory and signals only threads share, and namespaces there are none but one.
pub(super) fn unshare(frame: &mut TrapFrame) -> Answer {
    const NAMESPACES: u32 = linux::CLONE_NEWNS
        | linux::CLONE_NEWCGROUP
        | linux::CLONE_NEWUTS
        | linux::CLONE_NEWIPC
        | linux::CLONE_NEWPID
        | linux::CLONE_NEWNET
        | linux::CLONE_NEWTIME;
    const ALONE: u32 = linux::CLONE_THREAD | linux::CLONE_SIGHAND | linux::CLONE_VM;
    let flags = frame.a(0) as u32;
    let process = current_process();
    if flags & !(NAMESPACES | ALONE | linux::CLONE_FILES | linux::CLONE_FS) != 0 {
        return Err(Errno::EINVAL);
    }
    if flags & !NAMESPACES != 0 && !process.has_one_thread() {
        return Err(Errno::EINVAL);
    }
    if flags & NAMESPACES != 0 {
        let is_root = process.credentials().is_root();
        return Err(if is_root { Errno::EINVAL } else { Errno::EPERM });
    }
    if flags & linux::CLONE_FILES != 0 {
        drop(process.own_files());
    }
    if flags & linux::CLONE_FS != 0 {
        process.own_fs();
    }
    Ok(0)
}
