//! Memory: frames and the cells that live in them, the areas of an address space, its page
//! tables, and what a page fault does. Pure policy: hardware and locks come in behind
//! [`Machine`], so the kernel's code is what the tests run.
//!
//! `frames.rs`, `cells.rs` and `memory.rs` keep the books on RAM; `vma.rs` knows what a process has
//! asked for, `space/` what of it is there. `object.rs` holds the pages of files and shared memory.
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
pub mod space;
pub mod swap;
#[cfg(test)]
pub(crate) mod toy;
pub mod vma;

pub use absent::Absent;
pub use addr::{PageRange, Vpn};
pub use cells::CellId;
pub use frames::{Class, Owner};
pub use machine::{Machine, ObjectAccess, PageError, Reach};
pub use memory::{Memory, OutOfMemory};
pub use space::Space;
pub use vma::{Backing, Charge, Prot, Purpose, Sharing, Vma};
