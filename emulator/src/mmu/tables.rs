//! [`PageTables`] and [`Untouched`]: page tables in RAM as the walk sees them, with the rights that
//! PMP leaves to the hart's walker: those of S-mode.
//!
//! Source: Privileged ISA, "Physical Memory Protection and Paging".

use super::{PTE_SIZE_BYTES, Pmp, PteMemory};
use crate::addr::{Access, PhysAddr, Privilege, Width};
use crate::bus::{Ram, RamOffset};

/// Page tables of a hart that walks.
pub(super) struct PageTables<'a> {
    pub(super) ram: &'a mut Ram,
    pub(super) pmp: &'a Pmp,
}

impl PteMemory for PageTables<'_> {
    fn read_pte(&mut self, at: PhysAddr) -> Option<u64> {
        read_pte(self.ram, self.pmp, at)
    }

    fn update_pte(&mut self, at: PhysAddr, old: u64, new: u64) -> Option<bool> {
        let offset = offset_of(self.ram, self.pmp, at, Access::Store)?;
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
        read_pte(self.ram, self.pmp, at)
    }

    fn update_pte(&mut self, at: PhysAddr, _old: u64, _new: u64) -> Option<bool> {
        offset_of(self.ram, self.pmp, at, Access::Store).map(|_| true)
    }
}

fn read_pte(ram: &Ram, pmp: &Pmp, at: PhysAddr) -> Option<u64> {
    offset_of(ram, pmp, at, Access::Load).map(|offset| ram.load(offset, Width::Double))
}

/// Where the entry at `at` is, if the walker may make this access to it. Tables must be in RAM:
/// reading a device register could have effects that no walk may have.
fn offset_of(ram: &Ram, pmp: &Pmp, at: PhysAddr, access: Access) -> Option<RamOffset> {
    let offset = ram.offset_of(at, PTE_SIZE_BYTES)?;
    pmp.allows(at, PTE_SIZE_BYTES, access, Privilege::Supervisor).then_some(offset)
}
