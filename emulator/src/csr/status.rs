//! `mstatus` and its restricted view `sstatus`: fields, legal values, and what a write affects.
//! Neighbour: `trap.rs` stacks and unstacks them.

use super::bits::status as bits;
use super::{CsrAddr, CsrConfig, CsrCx, CsrFile, Effect};
use crate::addr::Privilege;

/// The value of `mstatus`, always legal.
///
/// Source: Privileged ISA, "Machine Status (mstatus and mstatush) Registers".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mstatus(pub(super) u64);

impl Mstatus {
    pub(super) const RESET: Mstatus = Mstatus(bits::UXL_64 | bits::SXL_64);

    const fn has(self, bit: u64) -> bool {
        self.0 & bit != 0
    }

    /// MIE: interrupts for M-mode are enabled in M-mode.
    pub const fn mie(self) -> bool {
        self.has(bits::MIE)
    }

    /// SIE: interrupts for S-mode are enabled in S-mode.
    pub const fn sie(self) -> bool {
        self.has(bits::SIE)
    }

    /// MPP: the mode before the last trap into M-mode.
    pub const fn mpp(self) -> Privilege {
        match Privilege::from_bits((self.0 & bits::MPP) >> bits::MPP_SHIFT) {
            Some(privilege) => privilege,
            None => Privilege::User,
        }
    }

    /// SPP: the mode before the last trap into S-mode.
    pub const fn spp(self) -> Privilege {
        if self.has(bits::SPP) { Privilege::Supervisor } else { Privilege::User }
    }

    /// MPRV: loads and stores act with the privilege in MPP.
    pub const fn mprv(self) -> bool {
        self.has(bits::MPRV)
    }

    /// SUM: S-mode may load from and store to user pages.
    pub const fn sum(self) -> bool {
        self.has(bits::SUM)
    }

    /// MXR: loads may read executable pages.
    pub const fn mxr(self) -> bool {
        self.has(bits::MXR)
    }

    /// TVM: `satp` and `sfence.vma` trap in S-mode.
    pub const fn tvm(self) -> bool {
        self.has(bits::TVM)
    }

    /// TW: `wfi` traps below M-mode.
    pub const fn tw(self) -> bool {
        self.has(bits::TW)
    }

    /// TSR: `sret` traps in S-mode.
    pub const fn tsr(self) -> bool {
        self.has(bits::TSR)
    }

    /// FS is not off: floating-point instructions execute.
    pub const fn fp_enabled(self) -> bool {
        self.has(bits::FS)
    }

    pub(super) const fn fp_dirty(self) -> bool {
        self.0 & bits::FS == bits::FS
    }

    /// `self` with the bits of `mask` taken from `value`, made legal.
    pub(super) const fn with(self, mask: u64, value: u64) -> Self {
        let mut new = self.0 & !mask | value & mask;
        if Privilege::from_bits((new & bits::MPP) >> bits::MPP_SHIFT).is_none() {
            new &= !bits::MPP;
        }
        let dirty = new & bits::FS == bits::FS;
        Self(new & !bits::SD | if dirty { bits::SD } else { 0 })
    }
}

/// Fields that `sstatus` lets through in both directions.
const fn sstatus_fields(config: &CsrConfig) -> u64 {
    let fs = if config.has(b'F') { bits::FS } else { 0 };
    bits::SIE | bits::SPIE | bits::SPP | bits::SUM | bits::MXR | fs
}

/// Fields that only `mstatus` has.
const MACHINE_FIELDS: u64 =
    bits::MIE | bits::MPIE | bits::MPP | bits::MPRV | bits::TVM | bits::TW | bits::TSR;

pub(super) fn mstatus(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    f.mstatus.0
}

pub(super) fn set_mstatus(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    let mask = MACHINE_FIELDS | sstatus_fields(&f.config);
    f.replace_mstatus(f.mstatus.with(mask, value))
}

pub(super) fn sstatus(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    f.mstatus.0 & (sstatus_fields(&f.config) | bits::UXL_64 | bits::SD)
}

pub(super) fn set_sstatus(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.replace_mstatus(f.mstatus.with(sstatus_fields(&f.config), value))
}

impl CsrFile {
    /// `mstatus`, by field.
    #[inline(always)]
    pub fn mstatus(&self) -> Mstatus {
        self.mstatus
    }

    pub(super) fn replace_mstatus(&mut self, new: Mstatus) -> Effect {
        let changed = self.mstatus.0 ^ new.0;
        self.mstatus = new;
        self.settle_fs();
        let translation = changed & (bits::MPP | bits::MPRV | bits::SUM | bits::MXR) != 0;
        let enabled = changed & new.0 & (bits::MIE | bits::SIE) != 0;
        Effect::TRANSLATION.when(translation).and(Effect::INTERRUPTS.when(enabled))
    }
}
