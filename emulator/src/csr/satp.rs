//! `satp`: which address-translation scheme, with which root and identifier. The MMU decodes the
//! value; here only legal values get in.

use super::{CsrAddr, CsrConfig, CsrCx, CsrFile, Effect};
use crate::addr::Privilege;

const MODE_SHIFT: u32 = 60;
/// Root page-table frame number for a 56-bit physical address space.
const PPN: u64 = (1 << 44) - 1;
const ASID_SHIFT: u32 = 44;
const MODE: u64 = 0xf << MODE_SHIFT;

/// Source: Privileged ISA, "Supervisor Address Translation and Protection (satp) Register",
/// encodings of MODE.
fn has_mode(config: &CsrConfig, mode: u64) -> bool {
    match mode {
        0 => true,
        8 => config.sv39,
        9 => config.sv48,
        10 => config.sv57,
        _ => false,
    }
}

/// TVM closes `satp` to S-mode.
pub(super) fn satp_open(f: &CsrFile, _: CsrAddr, cx: &CsrCx) -> bool {
    cx.privilege == Privilege::Machine || !f.mstatus.tvm()
}

/// A write with an unsupported mode has no effect at all. Of the ASID only the low bits stay.
pub(super) fn set_satp(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    if has_mode(&f.config, value >> MODE_SHIFT) {
        let asid = ((1 << f.config.asid_bits) - 1) << ASID_SHIFT;
        f.satp = value & (MODE | asid | PPN);
    }
    Effect::TRANSLATION
}

impl CsrFile {
    /// `satp`.
    #[inline(always)]
    pub fn satp(&self) -> u64 {
        self.satp
    }
}
