//! The kernel: the mechanism around the portable library. `arch` is the only room that knows
//! RISC-V, `sync` and `sched` let tasks wait, `mm` gives them memory, `block` is what disks do,
//! `task` makes processes, `fs` files, `ipc` queues, semaphores and segments, `proc` shows
//! everything, `syscall` is the door. Boot is in `boot.rs`, what traps mean in `traps.rs`.

#![no_std]
#![no_main]

extern crate alloc;

mod arch;
mod block;
mod boot;
mod debug;
mod dev;
mod fs;
mod ipc;
mod mm;
mod proc;
mod sched;
#[cfg(feature = "selftest")]
mod selftest;
mod sync;
mod syscall;
mod task;
mod time;
mod traps;
