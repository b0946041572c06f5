//! What a bare-metal program on QEMU's `virt` board needs and the portable library must not have:
//! start-up code, console, exit, CSR access, traps. Everything `unsafe` of the guest programs is
//! in this package (and in `first_walk/frames.rs`). Empty when compiled for the host.
//!
//! A program says `guest_runtime::entry!(main)` with `fn main()`, runs in M-mode on hart 0 with
//! interrupts off and ends the machine by returning (exit code 0), by [`exit`] or by a panic. A
//! kernel says `guest_runtime::kernel!(main)` with `fn main(hart: usize, device_tree: u64)` and runs
//! in S-mode on top of firmware, on the hart that this chose. Without the feature `programs` there are
//! only CSRs and SBI calls, for a kernel that brings everything else itself.

#![no_std]
#![cfg(target_arch = "riscv64")]

#[cfg(feature = "programs")]
pub mod arena;
#[cfg(feature = "programs")]
pub mod board;
#[cfg(feature = "programs")]
mod cell;
#[cfg(feature = "programs")]
pub mod check;
#[cfg(feature = "programs")]
pub mod console;
pub mod csr;
#[cfg(feature = "programs")]
mod entry;
#[cfg(feature = "programs")]
pub mod float;
#[cfg(feature = "programs")]
pub mod frames;
#[cfg(feature = "programs")]
pub mod harts;
#[cfg(feature = "programs")]
pub mod kernel;
#[cfg(feature = "programs")]
pub mod mmio;
#[cfg(feature = "programs")]
mod power;
#[cfg(feature = "programs")]
pub mod ram;
mod registers;
#[cfg(feature = "programs")]
pub mod routine;
#[cfg(feature = "programs")]
pub mod run;
pub mod sbi;
#[cfg(feature = "programs")]
pub mod supervisor;
#[cfg(feature = "programs")]
pub mod user;

#[cfg(feature = "programs")]
pub use cell::Global;
#[doc(hidden)]
#[cfg(feature = "programs")]
pub use entry::machine_start;
#[doc(hidden)]
#[cfg(feature = "programs")]
pub use kernel::kernel_start;
#[cfg(feature = "programs")]
pub use power::{EXIT_PANIC, exit, exit_by_mailbox};
