//! `menvcfg` and `senvcfg`: what the execution environment of a less privileged mode may use.
//! `system/` asks here about cache-block instructions, the hart about translation schemes.

use super::bits::envcfg as bits;
use super::{CsrAddr, CsrConfig, CsrCx, CsrFile, Effect};
use crate::addr::Privilege;

/// Fields that both registers have.
fn common_fields(config: &CsrConfig) -> u64 {
    let blocks = if config.zicbom { bits::CBIE | bits::CBCFE } else { 0 };
    bits::FIOM | blocks | if config.zicboz { bits::CBZE } else { 0 }
}

fn machine_fields(config: &CsrConfig) -> u64 {
    let adue = if config.svadu { bits::ADUE } else { 0 };
    let pbmte = if config.svpbmt { bits::PBMTE } else { 0 };
    adue | pbmte | if config.sstc { bits::STCE } else { 0 }
}

/// What `menvcfg` is after reset: ADUE where hardware has nothing but Svadu to offer.
///
/// Source: Supervisor Binary Interface, "Firmware Features Extension", on PTE_AD_HW_UPDATING, and
/// the device tree's binding for `svade` and `svadu`: with both, Svade it is until asked.
pub(super) const fn reset_menvcfg(config: &CsrConfig) -> u64 {
    if config.svadu && !config.svade { bits::ADUE } else { 0 }
}

/// CBIE = 2 is reserved: it reads back as 0.
const fn legal_cbie(value: u64) -> u64 {
    if value & bits::CBIE == 2 << bits::CBIE_SHIFT { value & !bits::CBIE } else { value }
}

pub(super) fn set_menvcfg(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    let new = legal_cbie(value) & (common_fields(&f.config) | machine_fields(&f.config));
    let changed = f.menvcfg ^ new;
    f.menvcfg = new;
    let translation = Effect::TRANSLATION.when(changed & (bits::ADUE | bits::PBMTE) != 0);
    translation.and(Effect::INTERRUPTS.when(changed & bits::STCE != 0))
}

pub(super) fn set_senvcfg(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.senvcfg = legal_cbie(value) & common_fields(&f.config);
    Effect::NONE
}

impl CsrFile {
    /// `menvcfg.ADUE`: the walker sets A and D bits itself (Svadu) instead of faulting (Svade).
    pub fn adue(&self) -> bool {
        self.menvcfg & bits::ADUE != 0
    }

    /// `menvcfg.PBMTE`: PTEs carry page-based memory types (Svpbmt).
    pub fn pbmte(&self) -> bool {
        self.menvcfg & bits::PBMTE != 0
    }

    /// Whether `cbo.inval` is legal in `privilege` (CBIE).
    ///
    /// Source: "Cache-Block Management, Prefetch, and Zero", "Control and Status Register State".
    pub fn may_invalidate_blocks(&self, privilege: Privilege) -> bool {
        self.environment_grants(bits::CBIE, privilege)
    }

    /// Whether `cbo.clean` and `cbo.flush` are legal in `privilege` (CBCFE).
    pub fn may_clean_blocks(&self, privilege: Privilege) -> bool {
        self.environment_grants(bits::CBCFE, privilege)
    }

    /// Whether `cbo.zero` is legal in `privilege` (CBZE).
    pub fn may_zero_blocks(&self, privilege: Privilege) -> bool {
        self.environment_grants(bits::CBZE, privilege)
    }

    /// Whether `field` is not zero in the registers that govern `privilege`.
    fn environment_grants(&self, field: u64, privilege: Privilege) -> bool {
        let machine = self.menvcfg & field != 0;
        match privilege {
            Privilege::Machine => true,
            Privilege::Supervisor => machine,
            Privilege::User => machine && self.senvcfg & field != 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, write};
    use super::*;

    #[test]
    fn cache_block_instructions_are_granted_mode_by_mode() {
        type Question = fn(&CsrFile, Privilege) -> bool;
        let questions: [(&str, Question, u64); 4] = [
            ("inval as flush", CsrFile::may_invalidate_blocks, 1 << 4),
            ("inval", CsrFile::may_invalidate_blocks, 3 << 4),
            ("clean", CsrFile::may_clean_blocks, 1 << 6),
            ("zero", CsrFile::may_zero_blocks, 1 << 7),
        ];
        for (name, question, field) in questions {
            // menvcfg, senvcfg, then whether it is legal in U, S and M.
            for (menvcfg, senvcfg, legal) in [
                (0, 0, [false, false, true]),
                (field, 0, [false, true, true]),
                (0, field, [false, false, true]),
                (field, field, [true, true, true]),
                (!field, !field, [false, false, true]),
            ] {
                let mut f = file();
                write(&mut f, 0x30a, menvcfg);
                write(&mut f, 0x10a, senvcfg);
                let modes = [Privilege::User, Privilege::Supervisor, Privilege::Machine];
                let found = modes.map(|privilege| question(&f, privilege));
                assert_eq!(found, legal, "{name}: {menvcfg:#x} {senvcfg:#x}");
            }
        }
    }
}
