//! Counters and their enables. `mcycle` and `minstret` are not counted up: they are the retired
//! instructions plus an offset, so that counting costs nothing. The `mhpm` counters are zero.

use super::bits::counter as bits;
use super::{CsrAddr, CsrConfig, CsrCx, CsrFile, Effect};
use crate::addr::Privilege;

/// A 64-bit counter that moves with the retired instructions unless it is inhibited.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counter {
    /// The value while inhibited, else its distance from the retired instructions.
    base: u64,
    inhibited: bool,
}

impl Counter {
    /// The value seen by the instruction before which `insns` retired.
    fn value(self, insns: u64) -> u64 {
        if self.inhibited { self.base } else { self.base.wrapping_add(insns) }
    }

    /// Writes `value`, which the instruction after the writing one sees: the write takes the
    /// place of the writer's own increment.
    fn set(&mut self, value: u64, insns: u64) {
        let next = if self.inhibited { 0 } else { insns.wrapping_add(1) };
        self.base = value.wrapping_sub(next);
    }

    /// Stops or restarts the counter; the inhibiting instruction is not counted any more, the
    /// restarting one is.
    fn inhibit(&mut self, inhibited: u64, insns: u64) {
        let value = self.value(insns);
        self.inhibited = inhibited != 0;
        self.base = if self.inhibited { value } else { value.wrapping_sub(insns) };
    }
}

/// Bits that `mcounteren` and `scounteren` have.
fn enables(config: &CsrConfig) -> u64 {
    let base = if config.zicntr { bits::CY | bits::TM | bits::IR } else { 0 };
    base | if config.zihpm { bits::HPM } else { 0 }
}

/// Whether the unprivileged view of a counter is open: `mcounteren` guards it below M-mode,
/// `scounteren` in U-mode too.
pub(super) fn counter_open(f: &CsrFile, addr: CsrAddr, cx: &CsrCx) -> bool {
    let open = match cx.privilege {
        Privilege::Machine => u64::MAX,
        Privilege::Supervisor => f.mcounteren,
        Privilege::User => f.mcounteren & f.scounteren,
    };
    open >> (addr.0 & 31) & 1 != 0
}

pub(super) fn time(_: &CsrFile, _: CsrAddr, cx: &CsrCx) -> u64 {
    cx.mtime
}

pub(super) fn mcycle(f: &CsrFile, _: CsrAddr, cx: &CsrCx) -> u64 {
    f.mcycle.value(cx.insns)
}

pub(super) fn set_mcycle(f: &mut CsrFile, _: CsrAddr, value: u64, cx: &CsrCx) -> Effect {
    f.mcycle.set(value, cx.insns);
    Effect::NONE
}

pub(super) fn minstret(f: &CsrFile, _: CsrAddr, cx: &CsrCx) -> u64 {
    f.minstret.value(cx.insns)
}

pub(super) fn set_minstret(f: &mut CsrFile, _: CsrAddr, value: u64, cx: &CsrCx) -> Effect {
    f.minstret.set(value, cx.insns);
    Effect::NONE
}

pub(super) fn set_mcounteren(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.mcounteren = value & enables(&f.config);
    Effect::NONE
}

pub(super) fn set_scounteren(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.scounteren = value & enables(&f.config);
    Effect::NONE
}

pub(super) fn set_mcountinhibit(f: &mut CsrFile, _: CsrAddr, value: u64, cx: &CsrCx) -> Effect {
    // Time cannot be inhibited.
    f.mcountinhibit = value & enables(&f.config) & !bits::TM;
    f.mcycle.inhibit(f.mcountinhibit & bits::CY, cx.insns);
    f.minstret.inhibit(f.mcountinhibit & bits::IR, cx.insns);
    Effect::NONE
}

#[cfg(test)]
mod tests {
    use super::super::tests::file;
    use super::*;

    const MCYCLE: u16 = 0xb00;
    const MINSTRET: u16 = 0xb02;
    const MCOUNTINHIBIT: u16 = 0x320;

    /// One CSR instruction before which `insns` retired; yields the old value.
    fn at(f: &mut CsrFile, insns: u64, addr: u16, value: Option<u64>) -> u64 {
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 77, insns };
        f.access(CsrAddr(addr), value.map(|value| move |_| value), &cx).expect("legal").0
    }

    #[test]
    fn counters_follow_the_instructions() {
        let mut f = file();
        // Retired before, register, written value, value read.
        for (insns, addr, value, read) in [
            (0, MINSTRET, None, 0),
            (10, MCYCLE, None, 10),
            (11, 0xc02, None, 11),
            (12, 0xc01, None, 77),
            // What is written is what the next instruction reads.
            (20, MINSTRET, Some(0), 20),
            (21, MINSTRET, None, 0),
            (22, 0xc02, None, 1),
            (23, MINSTRET, Some(u64::MAX), 2),
            (24, MINSTRET, None, u64::MAX),
            (25, MINSTRET, None, 0),
            (26, MCYCLE, None, 26),
        ] {
            assert_eq!(at(&mut f, insns, addr, value), read, "{addr:#x} at {insns}");
        }
    }

    #[test]
    fn an_inhibited_counter_stands_still() {
        let mut f = file();
        for (insns, addr, value, read) in [
            (100, MCOUNTINHIBIT, Some(4), 0),
            (101, MINSTRET, None, 100),
            (150, MINSTRET, None, 100),
            (151, MCYCLE, None, 151),
            (160, MINSTRET, Some(5), 100),
            (161, MINSTRET, None, 5),
            (170, MCOUNTINHIBIT, Some(1), 4),
            (171, MINSTRET, None, 6),
            (172, MCYCLE, None, 170),
            (180, MINSTRET, None, 15),
        ] {
            assert_eq!(at(&mut f, insns, addr, value), read, "{addr:#x} at {insns}");
        }
    }
}
