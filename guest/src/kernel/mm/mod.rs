//! Memory of the running machine. Policy is in `guest::mm`, tested on the host; mechanism is here.
//!
//! `boot.rs` makes the kernel's page table and begins the books (`books.rs`); `direct.rs` touches
//! frames, `heap.rs` and `stack.rs` are the kernel's own memory. `machine.rs` is what `guest::mm`
//! works on, `address_space.rs` what processes have, `fault.rs` what happens to them, `user.rs`
//! how the kernel reads their memory. `tunables.rs` keeps what /proc/sys can change.

mod address_space;
mod books;
pub(crate) mod boot;
pub(crate) mod commit;
pub(crate) mod direct;
mod fault;
mod fault_log;
pub(crate) mod heap;
mod machine;
pub(crate) mod shared;
mod stack;
pub(crate) mod tunables;
pub(crate) mod user;

pub(crate) use address_space::{
    AddressSpace, Object, ObjectKind, Paged, announce, cut_out, objects, spaces,
};
pub(crate) use books::{events, memory};
pub(crate) use direct::{read_frame, try_frame_to_user, try_user_to_frame, write_frame};
pub(crate) use fault::{copy_fault, trim, user_fault};
pub(crate) use fault_log::FaultLog;
pub(crate) use machine::{HereMachine, activate_kernel, machine};
pub(crate) use stack::{KernelStack, frames as stack_frames};
