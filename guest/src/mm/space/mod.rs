//! [`Space`]: an address space: its areas, its page tables, and what is counted of them. A file for
//! each operation: `map.rs`, `unmap.rs`, `protect.rs`, `remap.rs`, `discard.rs`, `heap.rs`,
//! `stack.rs`, `fork.rs`, `fault.rs` (what to do is `decide.rs`'s), `populate.rs`, `trim.rs`,
//! `query.rs`, `destroy.rs`. `commit.rs` counts what is promised, `tables.rs` walks, `sweep.rs`
//! empties tables in the order that fences demand.
//!
//! An operation that takes rights away has fenced when it returns. Where rights were added a hart
//! may fault once more, which is [`Repair::Spurious`].

use super::absent::Absent;
use super::policy::{Mark, Replacement, Seen, Verdict};
use super::vma::{AtFork, Backing, Charge, Prot, Purpose, Sharing, Totals, Vma, VmaMap};
use super::{CellId, Class, Machine, Memory, ObjectAccess, OutOfMemory, Owner, PageError, SlotId};
use super::{PageRange, Reach, Vpn};
use crate::PAGE_SIZE_BYTES;
use crate::errno::Errno;
use crate::pte::{Flags, Ppn, Pte};
use crate::walk::Access;

mod clean;
mod commit;
mod decide;
mod destroy;
mod discard;
mod fault;
mod fork;
mod heap;
mod map;
mod populate;
mod protect;
mod query;
mod remap;
mod stack;
mod sweep;
mod tables;
mod trim;
mod types;
mod unmap;

pub use discard::Copies;
pub use trim::{Cursor, Judge, Scan, Sharers, Trimmed};
pub use types::{
    Counters, Limits, Mobility, PageState, Place, ReadHow, Remap, Repair, Request, Rest, Trouble,
};

/// Entries of the root that belong to user space; the kernel's are above.
const USER_ROOT_ENTRIES: usize = crate::ENTRIES / 2;
/// Entries that are worked on in one step: bounds how long the books are held.
const BATCH_ENTRIES: usize = 16;

/// An address space. Its owner holds a sleeping lock while it calls.
#[derive(Debug)]
pub struct Space<M: Machine> {
    vmas: VmaMap<M::Object>,
    root: Ppn,
    /// Nobody's; each root begins as a copy of it.
    kernel_root: Ppn,
    limits: Limits,
    counters: Counters,
    /// Pages that are promised to it: between two calls those of its areas.
    committed: u64,
    /// Where the heap begins and where it ends, to the byte.
    heap: heap::Heap,
    /// Where mappings end that go anywhere.
    mapping_top: Vpn,
}

impl<M: Machine> Space<M> {
    /// An empty space, whose root has the kernel's half of `kernel_root`; the other half of that is
    /// empty.
    ///
    /// # Errors
    /// ENOMEM where there is no frame for the root.
    pub fn new(machine: &M, kernel_root: Ppn, limits: Limits) -> Result<Self, Errno> {
        let root = machine
            .memory(|memory| memory.alloc(Class::Kernel, Owner::Table))
            .map_err(|OutOfMemory| Errno::ENOMEM)?;
        machine.copy(kernel_root, root);
        Ok(Self {
            vmas: VmaMap::default(),
            root,
            kernel_root,
            limits,
            counters: Counters { tables: 1, ..Counters::default() },
            committed: 0,
            heap: heap::Heap::default(),
            mapping_top: stack::mapping_top(&limits),
        })
    }

    /// Its root table.
    pub fn root(&self) -> Ppn {
        self.root
    }

    /// Its areas.
    pub fn vmas(&self) -> &VmaMap<M::Object> {
        &self.vmas
    }

    /// What it may not exceed.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Changes what it may not exceed; what it has already stays.
    pub fn set_limits(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// Where mappings without a place end, for randomising; until then as far below the end of
    /// user space as the stack may grow.
    pub fn set_mapping_top(&mut self, top: u64) {
        self.mapping_top = Vpn::of(top).min(Vpn::USER_END);
    }

    /// What it has and had.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Pages that are there, the page of zeros not counted: VmRSS.
    pub fn resident_pages(&self) -> u64 {
        self.counters.resident()
    }

    /// Valid leaf entries, those of the page of zeros among them: what the audit counts.
    pub fn mapped_pages(&self) -> u64 {
        self.counters.mapped()
    }
}

impl From<OutOfMemory> for Errno {
    fn from(_: OutOfMemory) -> Self {
        Errno::ENOMEM
    }
}

impl From<OutOfMemory> for Trouble {
    fn from(_: OutOfMemory) -> Self {
        Trouble::OutOfMemory
    }
}

#[cfg(test)]
mod tests;
