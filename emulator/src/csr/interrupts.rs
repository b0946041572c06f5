//! Interrupt registers: `mip`, `mie`, `mideleg`, the views `sip` and `sie`, and the supervisor
//! timer `stimecmp`. The hart asks [`CsrFile::pending`]; it decides what is taken.

use super::bits::{counter, envcfg};
use super::{CsrAddr, CsrCx, CsrFile, Effect};
use crate::addr::Privilege;
use crate::trap::Interrupt;

const SSIP: u64 = Interrupt::SupervisorSoftware.bit();
const STIP: u64 = Interrupt::SupervisorTimer.bit();
const SEIP: u64 = Interrupt::SupervisorExternal.bit();
/// Interrupts that can be delegated.
const SUPERVISOR: u64 = SSIP | STIP | SEIP;
/// Interrupts for M-mode itself.
const MACHINE: u64 = Interrupt::MachineSoftware.bit()
    | Interrupt::MachineTimer.bit()
    | Interrupt::MachineExternal.bit();
/// Bits of `mip` that can be driven from outside.
const LINES: u64 = MACHINE | SEIP;

impl CsrFile {
    /// Takes over the interrupt lines (MSIP, MTIP, SEIP and MEIP, as bits of `mip`) and the time
    /// in timebase ticks.
    pub fn set_lines(&mut self, lines: u64, mtime: u64) {
        self.lines = lines & LINES;
        self.mtime = mtime;
    }

    /// `mip`: what software wrote, the lines, and the supervisor timer.
    ///
    /// Source: Privileged ISA, "Machine Interrupt (mip and mie) Registers" and "Sstc".
    pub fn mip(&self) -> u64 {
        if self.menvcfg & envcfg::STCE == 0 {
            return self.soft_ip | self.lines;
        }
        let due = if self.mtime >= self.stimecmp { STIP } else { 0 };
        self.soft_ip & !STIP | self.lines | due
    }

    /// Interrupts that are pending and enabled in `mie`, whatever the global enables say: what
    /// `wfi` wakes up for.
    #[inline(always)]
    pub fn pending(&self) -> u64 {
        self.mip() & self.mie
    }

    /// Whether `mie` enables an external interrupt, of any mode.
    pub fn listens_to_devices(&self) -> bool {
        self.mie & (Interrupt::MachineExternal.bit() | SEIP) != 0
    }

    /// `mideleg`.
    pub fn mideleg(&self) -> u64 {
        self.mideleg
    }

    /// The time at which the supervisor timer interrupt becomes pending, in timebase ticks, where
    /// that timer is on and its interrupt is enabled in `mie`.
    pub fn supervisor_deadline(&self) -> Option<u64> {
        let on = self.menvcfg & envcfg::STCE != 0 && self.mie & STIP != 0;
        on.then_some(self.stimecmp)
    }

    /// The value that a read-modify-write of `mip` starts from: SEIP without its line, so that an
    /// instruction does not copy the line into the software-written bit.
    pub(super) fn mip_to_modify(&self, read: u64) -> u64 {
        read & !SEIP | self.soft_ip & SEIP
    }

    /// What the commit log calls `mvip`: the software-written bits, those of SSIP and STIP from
    /// `before` the write.
    pub(super) fn mvip(&self, before: u64) -> u64 {
        let aliased = if self.menvcfg & envcfg::STCE == 0 { SSIP | STIP } else { SSIP };
        self.soft_ip & SEIP | before & aliased
    }

    fn write_soft_ip(&mut self, mask: u64, value: u64) -> Effect {
        // Source: "Sstc", "Machine and Supervisor Level Additions": STIP is read-only while the
        // timer drives it.
        let mask = if self.menvcfg & envcfg::STCE == 0 { mask } else { mask & !STIP };
        self.soft_ip = self.soft_ip & !mask | value & mask;
        Effect::INTERRUPTS
    }
}

pub(super) fn mip(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    f.mip()
}

pub(super) fn set_mip(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.write_soft_ip(SUPERVISOR, value)
}

pub(super) fn sip(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    f.mip() & f.mideleg
}

pub(super) fn set_sip(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.write_soft_ip(SSIP & f.mideleg, value)
}

pub(super) fn set_mie(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.mie = value & (MACHINE | SUPERVISOR);
    Effect::INTERRUPTS
}

pub(super) fn sie(f: &CsrFile, _: CsrAddr, _: &CsrCx) -> u64 {
    f.mie & f.mideleg
}

pub(super) fn set_sie(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.mie = f.mie & !f.mideleg | value & f.mideleg;
    Effect::INTERRUPTS
}

pub(super) fn set_mideleg(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.mideleg = value & SUPERVISOR;
    Effect::INTERRUPTS
}

/// Below M-mode, `stimecmp` needs `menvcfg.STCE` and `mcounteren.TM`.
pub(super) fn stimecmp_open(f: &CsrFile, _: CsrAddr, cx: &CsrCx) -> bool {
    let granted = f.menvcfg & envcfg::STCE != 0 && f.mcounteren & counter::TM != 0;
    granted || cx.privilege == Privilege::Machine
}

pub(super) fn set_stimecmp(f: &mut CsrFile, _: CsrAddr, value: u64, _: &CsrCx) -> Effect {
    f.stimecmp = value;
    Effect::INTERRUPTS
}

#[cfg(test)]
mod tests {
    use super::super::tests::{file, read, write};
    use super::*;

    const MIP: u16 = 0x344;
    const MIE: u16 = 0x304;
    const STIMECMP: u16 = 0x14d;
    const MENVCFG: u16 = 0x30a;

    #[test]
    fn lines_and_software_bits_are_ored() {
        // Driven from outside, written by software, what `mip` reads as.
        for (lines, soft, mip) in [
            (0, 0, 0),
            (0x888, 0, 0x888),
            (0, 0xaaa, 0x222),
            (0x200, 0x022, 0x222),
            (0x200, 0x200, 0x200),
            // SSIP and STIP have no lines.
            (0x022, 0, 0),
        ] {
            let mut f = file();
            f.set_lines(lines, 0);
            write(&mut f, MIP, soft);
            assert_eq!(read(&mut f, MIP), mip, "{lines:#x} {soft:#x}");
        }
    }

    #[test]
    fn read_modify_write_does_not_copy_the_line() {
        let mut f = file();
        f.set_lines(SEIP, 0);
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: 0 };
        let set = f.access(CsrAddr(MIP), Some(|old| old | SSIP), &cx).expect("legal");
        assert_eq!(set.0, SEIP, "the instruction itself reads the line");
        f.set_lines(0, 0);
        assert_eq!(f.mip(), SSIP);
    }

    #[test]
    fn the_supervisor_timer_drives_stip() {
        let mut f = file();
        write(&mut f, MIP, STIP);
        write(&mut f, STIMECMP, 100);
        write(&mut f, MIE, STIP);
        assert_eq!((f.pending(), f.supervisor_deadline()), (STIP, None), "off: software's bit");
        write(&mut f, MENVCFG, 1 << 63);
        assert_eq!(f.supervisor_deadline(), Some(100));
        for (mtime, pending) in [(99, 0), (100, STIP), (101, STIP), (99, 0), (u64::MAX, STIP)] {
            f.set_lines(0, mtime);
            assert_eq!(f.pending(), pending, "{mtime}");
        }
        write(&mut f, MIE, 0);
        assert_eq!(f.supervisor_deadline(), None, "nobody listens");
    }

    #[test]
    fn supervisor_views_show_what_is_delegated() {
        let mut f = file();
        f.set_lines(0xa80, 0);
        write(&mut f, MIP, SSIP | STIP);
        write(&mut f, MIE, u64::MAX);
        write(&mut f, 0x303, STIP);
        assert_eq!((read(&mut f, 0x144), read(&mut f, 0x104)), (STIP, STIP));
        write(&mut f, 0x144, 0);
        write(&mut f, 0x104, 0);
        assert_eq!(read(&mut f, MIP), 0xaa2, "only a delegated SSIP is writable");
        assert_eq!(read(&mut f, MIE), 0xa8a);
        write(&mut f, 0x303, SSIP);
        write(&mut f, 0x144, 0);
        assert_eq!(read(&mut f, MIP), 0xaa0);
    }
}
