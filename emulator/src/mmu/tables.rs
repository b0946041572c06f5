//! [`PageTables`] and [`Untouched`]: page tables in RAM as the walk sees them, with the rights that
//! PMP leaves to the hart's walker: those of S-mode.
//!
//! Source: Privileged ISA, "Physical Memory Protection and Paging".

use super::pmp::Reach;
use super::{PTE_SIZE_BYTES, Pmp, PteMemory};
use crate::addr::{Access, PhysAddr, Privilege, Width};
use crate::bus::{Ram, RamOffset};

/// Page tables of a hart that walks.
pub(super) struct PageTables<'a> {
    pub(super) ram: &'a mut Ram,
    pub(super) pmp: &'a Pmp,
    /// Where PMP needs not be asked.
    pub(super) reach: Reach,
}

impl PageTables<'_> {
    #[inline(always)]
    fn offset_of(&self, at: PhysAddr, access: Access) -> Option<RamOffset> {
        match self.reach.covers(at) {
            true => self.ram.offset_of(at, PTE_SIZE_BYTES),
            false => offset_of(self.ram, self.pmp, at, access),
        }
    }
}

impl PteMemory for PageTables<'_> {
    #[inline(always)]
    fn read_pte(&mut self, at: PhysAddr) -> Option<u64> {
        self.offset_of(at, Access::Load).map(|offset| self.ram.load(offset, Width::Double))
    }

    fn update_pte(&mut self, at: PhysAddr, old: u64, new: u64) -> Option<bool> {
        let offset = self.offset_of(at, Access::Store)?;
        let unchanged = self.ram.load(offset, Width::Double) == old;
        if unchanged {
            self.ram.store(offset, Width::Double, new);
        }
        Some(unchanged)
    }
}

/// Page tables that are looked at and never changed; an update would succeed where it may be made.
pub(super) struct Untouched<'a> {
    pub(super) ram: &'a Ram,
    pub(super) pmp: &'a Pmp,
}

impl PteMemory for Untouched<'_> {
    fn read_pte(&mut self, at: PhysAddr) -> Option<u64> {
        let offset = offset_of(self.ram, self.pmp, at, Access::Load)?;
        Some(self.ram.load(offset, Width::Double))
    }

    fn update_pte(&mut self, at: PhysAddr, _old: u64, _new: u64) -> Option<bool> {
        offset_of(self.ram, self.pmp, at, Access::Store).map(|_| true)
    }
}

/// Where the entry at `at` is, if the walker may make this access to it. Tables must be in RAM:
/// reading a device register could have effects that no walk may have.
fn offset_of(ram: &Ram, pmp: &Pmp, at: PhysAddr, access: Access) -> Option<RamOffset> {
    let offset = ram.offset_of(at, PTE_SIZE_BYTES)?;
    pmp.allows(at, PTE_SIZE_BYTES, access, Privilege::Supervisor).then_some(offset)
}
