//! What the programs of the guest share. The portable part (text, tables, the shell's grammar, the
//! line editor) has no `unsafe` and no system call, and is tested on the host; `sys` is the runtime
//! on Linux riscv64 system calls, there only for the guest. A program is one file (or folder) in
//! `bin/`: `guest_user::program!(main)` with `fn main() -> i32`, whose value is the exit status.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

pub mod bytes;
pub mod duration;
pub mod echo;
pub mod errno;
pub mod kill;
pub mod line;
pub mod options;
pub mod proc;
pub mod shell;
pub mod signals;
pub mod status;
#[cfg(target_os = "none")]
pub mod sys;
pub mod text;

pub use errno::{Errno, Result};
