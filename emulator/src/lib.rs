//! Pagewalk: an RV64 emulator that shows its virtual memory.

pub mod addr;
pub mod bus;
pub mod csr;
pub mod debug;
pub mod engine;
pub mod hart;
pub mod isa;
pub mod mmu;
pub mod system;
pub mod trap;
