//! Pagewalk: an RV64 emulator that shows its virtual memory.
//!
//! A [`Machine`](machine::Machine) owns harts, a bus with RAM and devices, and an
//! [`Engine`](engine::Engine) that executes. An instruction goes through the rooms like this:
//! `engine` finds a decoded block by the physical address that `mmu` gave for the pc; each
//! instruction in it has a row and a meaning in `isa`; the meaning acts on registers of the
//! `hart`, on memory through `mmu` and `bus`, and for everything stateful through `system` and
//! `csr`. What it raises is an [`Exception`](trap::Exception), which the hart turns into a trap.
//!
//! Rooms import only downwards, in the order `cli`, `machine`, `engine` beside `device` and
//! `debug`, `system`, `hart`, `csr` beside `mmu`, `bus`, `trap`, `addr`; `isa` knows only the last
//! two. The README has the map with the invariants of each room, `tests/tidy.rs` keeps it.

pub mod addr;
pub mod bus;
pub mod cli;
pub mod csr;
pub mod debug;
pub mod device;
pub mod engine;
pub mod hart;
pub mod isa;
pub mod machine;
pub mod mmu;
pub mod system;
pub mod trap;
