//! What a bare-metal program on QEMU's `virt` board needs and the portable library must not have:
//! start-up code, console, exit, CSR access, traps. Everything `unsafe` of the guest programs is
//! in this package (and in `first_walk/frames.rs`). Empty when compiled for the host.
//!
//! A program says `guest_runtime::entry!(main)` with `fn main()`, runs in M-mode on hart 0 with
//! interrupts off and ends the machine by returning (exit code 0), by [`exit`] or by a panic. A
//! kernel says `guest_runtime::kernel!(main)` with `fn main(hart: usize, device_tree: u64)` and runs
//! in S-mode on top of firmware, on the hart that this chose.

#![no_std]
#![cfg(target_arch = "riscv64")]

pub mod arena;
pub mod board;
mod cell;
pub mod check;
pub mod console;
pub mod csr;
mod entry;
pub mod float;
pub mod frames;
pub mod harts;
pub mod kernel;
pub mod mmio;
mod power;
pub mod ram;
pub mod routine;
pub mod run;
pub mod sbi;
pub mod supervisor;
pub mod user;

pub use cell::Global;
#[doc(hidden)]
pub use entry::machine_start;
#[doc(hidden)]
pub use kernel::kernel_start;
pub use power::{EXIT_PANIC, exit, exit_by_mailbox};
