//! A child that runs another program, made without a copy of this process: [`spawn`].

use core::arch::asm;
use core::ffi::CStr;

use linux_raw_sys::general as g;

use super::call::{TextVector, result};
use super::io;
use crate::errno::Result;

/// Exit status of a child whose program could not be started.
pub const EXIT_NOT_STARTED: i32 = 127;

/// Starts a program in a child, whose number is returned: as `vfork` and `execve` do. The child
/// borrows this process's memory until it has its own; nothing is copied, no page becomes
/// copy-on-write. Where the program cannot be started, the child ends with [`EXIT_NOT_STARTED`].
pub fn spawn<'a>(
    path: &CStr,
    arguments: impl Iterator<Item = &'a CStr>,
    environment: impl Iterator<Item = &'a CStr>,
) -> Result<i32> {
    const FLAGS: u32 = g::CLONE_VM | g::CLONE_VFORK | g::SIGCHLD;
    // A failed write is reported at the exit.
    let _ = io::flush();
    let (arguments, environment) = (TextVector::new(arguments), TextVector::new(environment));
    let value: usize;
    // SAFETY: the child runs between the two branches only, on registers: it touches neither stack
    // nor memory before it has a program of its own or ends. The parent does not go on meanwhile.
    unsafe {
        asm!(
            "ecall",
            "bnez a0, 2f",
            "mv   a0, {path}",
            "mv   a1, {arguments}",
            "mv   a2, {environment}",
            "li   a7, {execve}",
            "ecall",
            "li   a0, {not_started}",
            "li   a7, {exit}",
            "ecall",
            "2:",
            path = in(reg) path.as_ptr(),
            arguments = in(reg) arguments.as_ptr(),
            environment = in(reg) environment.as_ptr(),
            execve = const g::__NR_execve,
            exit = const g::__NR_exit_group,
            not_started = const EXIT_NOT_STARTED,
            in("a7") g::__NR_clone,
            inlateout("a0") FLAGS as usize => value,
            in("a1") 0,
            in("a2") 0,
            in("a3") 0,
            in("a4") 0,
        );
    }
    result(value).map(|child| child as i32)
}
