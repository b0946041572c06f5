//! Memory of the running machine. Policy is in `guest::mm`, tested on the host; mechanism is here.
//!
//! `boot.rs` makes the kernel's page table and begins the books (`books.rs`); `direct.rs` touches
//! frames, `heap.rs` and `stack.rs` are the kernel's own memory. `machine.rs` is what `guest::mm`
//! works on, `address_space.rs` what processes have, `fault.rs` what happens to them, `user.rs`
//! how the kernel reads their memory. `swap.rs` and `transfer.rs` are about content that leaves
//! RAM, `pager.rs` and `push_out.rs` choose it, `reclaim.rs` is where others wait for memory,
//! `load.rs` and `oom.rs` are what is left where that is not enough; `write_back.rs` is where files
//! are told to write. `tunables.rs` keeps what
//! /proc/sys can change.

mod address_space;
mod advise;
mod books;
pub(crate) mod boot;
mod cell_table;
pub(crate) mod commit;
pub(crate) mod direct;
mod fault;
mod fault_log;
pub(crate) mod heap;
pub(crate) mod load;
mod machine;
pub(crate) mod oom;
pub(crate) mod pager;
pub(crate) mod push_out;
pub(crate) mod reclaim;
mod region;
mod registry;
pub(crate) mod shared;
mod stack;
pub(crate) mod swap;
mod transfer;
pub(crate) mod tunables;
pub(crate) mod user;
pub(crate) mod write_back;

pub(crate) use address_space::{
    AddressSpace, Object, ObjectKind, Paged, announce, clean_mappings, cut_out, for_each_object,
    for_each_space, is_mapped_for_writing, object_count, space_count,
};
pub(crate) use books::{count, events, memory, total_frames};
pub(crate) use direct::{read_frame, try_frame_to_user, try_user_to_frame, write_frame};
pub(crate) use fault::{copy_fault, user_fault};
pub(crate) use fault_log::FaultLog;
pub(crate) use load::LoadRecord;
pub(crate) use machine::{HereMachine, activate_kernel, machine};
pub(crate) use reclaim::trim;
pub(crate) use stack::{KernelStack, frames as stack_frames};
pub(crate) use transfer::has_plenty;
