//! What is RISC-V about the kernel: start-up, traps, context switch, CSRs, user copies. Assembly
//! and its contracts are here; what a trap means is in `traps.rs`.

pub(crate) mod backtrace;
pub(crate) mod context;
pub(crate) mod cpu;
pub(crate) mod entry;
pub(crate) mod fixup;
pub(crate) mod fpu;
pub(crate) mod hart;
pub(crate) mod image;
pub(crate) mod ipi;
pub(crate) mod memory;
pub(crate) mod page;
pub(crate) mod tlb;
pub(crate) mod trap;
pub(crate) mod uaccess;
