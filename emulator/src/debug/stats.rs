//! [`Stats`]: an [`Observer`] that counts, per hart; [`Collected`] is the other end, from which the
//! counts of a run are read as a [`Report`]. `stats/report.rs` puts them into words.
//!
//! What is counted:
//! - instructions: those that completed, by the mode they ran in;
//! - TLB misses: look-ups that found no entry, whatever became of them. Devices are never in the
//!   TLB, so each access to one is a miss; in M-mode, and with Bare, a miss needs no walk;
//! - TLB hits: the other look-ups, of instructions that completed. An access that crosses pages
//!   looks up both. Of fetches only those are look-ups that the engine makes: not each
//!   instruction, but each entry into a block from another page, or that is new; code that no block
//!   may hold (an instruction across pages) looks up each of its halves besides;
//! - walks: by the level of the last entry looked at, and whether it maps the address or denies it;
//! - exceptions and interrupts that were taken, by cause;
//! - fences, by what they name and where they come from; writes to `satp`.

mod report;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use report::Report;

use super::causes::{EXCEPTIONS, INTERRUPTS};
use crate::addr::{Access, PAGE_SIZE_BYTES, Privilege, VirtAddr};
use crate::bus::DeviceCount;
use crate::csr::CsrAddr;
use crate::hart::observe::{FenceOrigin, Observer};
use crate::mmu::{Fence, Refusal, Verdict, WalkFault, WalkRecord};
use crate::trap::{Exception, Interrupt};

/// Levels of page tables, at most.
const LEVELS: usize = 5;

const SATP: CsrAddr = CsrAddr(0x180);

/// What one hart has done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HartCounts {
    /// Instructions that completed, by mode (encoded as in `mstatus.MPP`).
    insns: [u64; 4],
    /// TLB look-ups that found an entry, by [`Access`].
    hits: [u64; 3],
    /// TLB look-ups that did not.
    misses: [u64; 3],
    /// Misses that needed no walk.
    untranslated: u64,
    /// Walks that ended at a leaf, by level.
    leaves: [u64; LEVELS],
    /// Walks that ended at an entry that denies the access, by level.
    denials: [u64; LEVELS],
    /// Walks that did not begin.
    not_canonical: u64,
    /// Walks that set A or D.
    updates: u64,
    /// Translations that were made and then refused by PMP.
    protection: u64,
    exceptions: [u64; EXCEPTIONS.len()],
    interrupts: [u64; INTERRUPTS.len()],
    /// Fences by [`FenceOrigin`]; within that bit 0 tells whether an address was named, bit 1
    /// whether an address space.
    fences: [[u64; 4]; 3],
    satp_writes: u64,
}

impl HartCounts {
    fn add_walk(&mut self, walk: &WalkRecord) {
        self.misses[walk.access as usize] += 1;
        let pa = walk.explanation.pa;
        self.protection += u64::from(matches!(pa, Err(Refusal::Protection(_))));
        match (walk.explanation.steps.last(), pa) {
            (Some(step), _) => {
                let is_denied = matches!(step.verdict, Verdict::Fault(_));
                let ends = if is_denied { &mut self.denials } else { &mut self.leaves };
                ends[usize::from(step.level)] += 1;
                self.updates += u64::from(step.verdict == Verdict::Updated);
            }
            (None, Err(Refusal::Walk(WalkFault::NotCanonical))) => self.not_canonical += 1,
            (None, _) => self.untranslated += 1,
        }
    }
}

/// What the harts have done, by hart id.
type Counts = Vec<HartCounts>;

/// Counts what it hears.
#[derive(Debug, Default)]
pub struct Stats {
    counts: Counts,
    /// The hart whose turn it is.
    hart: usize,
    /// Look-ups and misses of the instruction in execution, by [`Access`].
    lookups: [u64; 3],
    misses: [u64; 3],
    collected: Collected,
}

/// Where the counts can be read, up to the last turn of a hart that is over.
#[derive(Clone, Debug, Default)]
pub struct Collected(Arc<Mutex<Counts>>);

impl Collected {
    /// What was counted, for a machine whose devices were accessed so often.
    pub fn report(&self, devices: Vec<DeviceCount>) -> Report {
        Report { harts: self.lock().clone(), devices }
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        // Counts are whole whoever has failed in the meantime.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stats {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where to read what was counted.
    pub fn collected(&self) -> Collected {
        self.collected.clone()
    }

    fn count(&mut self) -> &mut HartCounts {
        if self.counts.len() <= self.hart {
            self.counts.resize_with(self.hart + 1, HartCounts::default);
        }
        &mut self.counts[self.hart]
    }
}

impl Observer for Stats {
    const ACTIVE: bool = true;

    fn turn(&mut self, hart: u64) {
        self.hart = hart as usize;
    }

    fn pause(&mut self) {
        self.collected.lock().clone_from(&self.counts);
    }

    fn begin(&mut self, _privilege: Privilege, _pc: VirtAddr, _bits: u32) {
        (self.lookups, self.misses) = ([0; 3], [0; 3]);
    }

    fn lookup(&mut self, access: Access, va: VirtAddr, len_bytes: u64) {
        let crosses = va.page_offset() + len_bytes > PAGE_SIZE_BYTES;
        let pages = 1 + u64::from(crosses);
        match access {
            // The miss, if it is one, comes afterwards.
            Access::Fetch => self.count().hits[access as usize] += pages,
            Access::Load | Access::Store => self.lookups[access as usize] += pages,
        }
    }

    fn walk(&mut self, walk: &WalkRecord, _privilege: Privilege, _pc: VirtAddr) {
        self.count().add_walk(walk);
        match walk.access {
            Access::Fetch => {
                let hits = &mut self.count().hits[Access::Fetch as usize];
                *hits = hits.saturating_sub(1);
            }
            access => self.misses[access as usize] += 1,
        }
    }

    fn fence(&mut self, fence: &Fence, origin: FenceOrigin) {
        let form = usize::from(fence.va.is_some()) | usize::from(fence.asid.is_some()) << 1;
        self.count().fences[origin as usize][form] += 1;
    }

    fn csr(&mut self, addr: CsrAddr, _value: u64) {
        self.count().satp_writes += u64::from(addr == SATP);
    }

    fn retire(&mut self, privilege: Privilege, _pc: VirtAddr, _bits: u32) {
        let (lookups, misses) = (self.lookups, self.misses);
        let count = self.count();
        count.insns[privilege as usize] += 1;
        for access in [Access::Load as usize, Access::Store as usize] {
            debug_assert!(lookups[access] >= misses[access], "a miss without a look-up");
            count.hits[access] += lookups[access].saturating_sub(misses[access]);
        }
    }

    fn exception(&mut self, exception: &Exception, _from: Privilege, _epc: VirtAddr) {
        self.count().exceptions[exception.cause() as usize] += 1;
    }

    fn interrupt(&mut self, interrupt: Interrupt, _from: Privilege, _epc: VirtAddr) {
        self.count().interrupts[interrupt as usize] += 1;
    }

    fn finish(&mut self) -> std::io::Result<()> {
        self.pause();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
