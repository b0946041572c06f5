//! Memory: frames and the cells that live in them, the areas of an address space, its page
//! tables, and what a page fault does. Pure policy: hardware and locks come in behind
//! [`Machine`], so the kernel's code is what the tests run.
//!
//! `frames.rs`, `cells.rs`, `swap/` and `memory.rs` keep the books on RAM and swap areas; `policy/`
//! says which pages leave RAM. `vma.rs` knows what a process has asked for, `space/` what of it is
//! there. `object.rs` holds the pages of files and shared memory.
//! `pressure/` measures what is lost by waiting for memory, and says whom to stop for it.
//! `asid.rs` numbers the spaces for the TLBs, `commit.rs` counts what is promised, `audit.rs` says
//! whether all books agree.

pub mod absent;
pub mod addr;
pub mod asid;
pub mod audit;
pub mod cells;
pub mod commit;
pub mod counters;
pub mod frames;
pub mod machine;
pub mod memory;
pub mod object;
pub mod pieces;
pub mod policy;
pub mod pressure;
pub mod space;
pub mod swap;
#[cfg(test)]
pub(crate) mod toy;
pub mod vma;
pub mod working_set;

pub use absent::Absent;
pub use addr::{PageRange, Vpn};
pub use cells::CellId;
pub use frames::{Class, Owner};
pub use machine::{Machine, ObjectAccess, PageError, Reach};
pub use memory::{Memory, OutOfMemory, Use};
pub use space::Space;
pub use swap::SlotId;
pub use vma::{AtFork, Backing, Charge, Prot, Purpose, Sharing, Vma};
