//! The runtime of the programs: Linux riscv64 system calls behind safe functions. `call` makes
//! them, `start` begins a process, `heap` is the allocator, `mapping` memory from `mmap`; the
//! other rooms are safe wrappers by subject. Nothing is done before it is used: a program that
//! neither allocates nor prints makes no call but its own.

pub mod args;
mod call;
pub mod counter;
pub mod dir;
pub mod file;
pub mod futex;
mod heap;
pub mod io;
pub mod ipc;
pub mod mapping;
pub mod pages;
pub mod probe;
pub mod process;
pub mod queue;
pub mod signal;
pub mod spawn;
pub mod start;
pub mod swap;
pub mod system;
pub mod terminal;
pub mod time;
pub mod trial;

pub use call::{Plain, raw};
