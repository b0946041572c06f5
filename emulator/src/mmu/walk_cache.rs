//! [`WalkCache`]: where the last-level tables are that recent walks came to, so that most walks
//! read one entry. Only fences without an address order the entries above the leaves (Privileged
//! ISA, "Supervisor Memory-Management Fence Instruction"), so only they empty it. Neighbour:
//! `mmu/mod.rs` asks it before a walk.

use super::Satp;
use crate::addr::{PhysAddr, VirtAddr};

/// Tables remembered.
const ENTRIES: usize = 128;

/// log2 of the size in bytes of the range that a last-level table maps.
const SPAN_SHIFT: u32 = 21;

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Number of the range.
    span: u64,
    satp: Satp,
    /// Valid while this is the cache's.
    epoch: u64,
    table: PhysAddr,
}

/// The cache.
#[derive(Debug)]
pub(super) struct WalkCache {
    entries: Box<[Entry; ENTRIES]>,
    epoch: u64,
}

impl WalkCache {
    pub(super) fn new() -> Self {
        let empty = Entry { span: 0, satp: Satp::default(), epoch: 0, table: PhysAddr(0) };
        Self { entries: Box::new([empty; ENTRIES]), epoch: 1 }
    }

    /// The table whose entries map the range around `va` in the space of `satp`.
    #[inline]
    pub(super) fn find(&self, va: VirtAddr, satp: Satp) -> Option<PhysAddr> {
        let entry = &self.entries[slot(va, satp)];
        let is_it = entry.span == va.0 >> SPAN_SHIFT && entry.satp == satp;
        (is_it && entry.epoch == self.epoch).then_some(entry.table)
    }

    /// Remembers `table`.
    pub(super) fn insert(&mut self, va: VirtAddr, satp: Satp, table: PhysAddr) {
        let span = va.0 >> SPAN_SHIFT;
        self.entries[slot(va, satp)] = Entry { span, satp, epoch: self.epoch, table };
    }

    /// Forgets everything.
    pub(super) fn clear(&mut self) {
        self.epoch += 1;
    }
}

fn slot(va: VirtAddr, satp: Satp) -> usize {
    ((va.0 >> SPAN_SHIFT) ^ satp.root_ppn ^ u64::from(satp.asid.0) << 2) as usize % ENTRIES
}
