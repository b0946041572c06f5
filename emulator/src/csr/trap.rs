//! What entering and leaving a trap handler does to the registers: cause, value and pc of the
//! trap, and the two-level stack of modes and interrupt enables in `mstatus`. The hart decides
//! which mode takes a trap; instructions reach these registers through `table.rs`.

use super::bits::status;
use super::plain::Plain;
use super::status::Mstatus;
use super::{CsrConfig, CsrFile, table};
use crate::addr::{Privilege, VirtAddr};
use crate::trap::Trap;

/// The bit of `mcause` and `scause` that tells interrupts from exceptions.
const INTERRUPT: u64 = 1 << 63;
/// `mtvec` and `stvec` MODE: interrupts go to BASE + 4 x cause.
const VECTORED: u64 = 1;

/// Bits of an instruction address that `mepc` and `sepc` hold (IALIGN).
pub(super) const fn epc_mask(config: &CsrConfig) -> u64 {
    if config.has(b'C') { !1 } else { !3 }
}

/// Causes that can be delegated: all but `ecall` from M-mode, and a misaligned fetch only where
/// it can happen.
///
/// Source: Privileged ISA, "Machine Trap Delegation (medeleg and mideleg) Registers".
pub(super) const fn delegable(config: &CsrConfig) -> u64 {
    if config.has(b'C') { 0xb3fe } else { 0xb3ff }
}

impl CsrFile {
    /// Whether a trap raised below M-mode goes to S-mode.
    pub fn delegates(&self, trap: Trap) -> bool {
        match trap {
            Trap::Exception(exception) => {
                self.plain.get(Plain::Medeleg) >> exception.cause() & 1 != 0
            }
            Trap::Interrupt(interrupt) => self.mideleg & interrupt.bit() != 0,
        }
    }

    /// Notes a trap that S-mode takes from mode `from`; yields the handler's address.
    pub fn enter_supervisor(&mut self, trap: Trap, from: Privilege, epc: VirtAddr) -> VirtAddr {
        let (cause, tval) = cause_and_value(trap);
        self.plain.set(Plain::Scause, cause);
        self.plain.set(Plain::Stval, tval);
        self.plain.set(Plain::Sepc, epc.0);
        let old = self.mstatus;
        let mut new = old.0 & !(status::SIE | status::SPIE | status::SPP);
        new |= if old.sie() { status::SPIE } else { 0 };
        new |= if from == Privilege::User { 0 } else { status::SPP };
        self.stack(new);
        handler(self.plain.get(Plain::Stvec), cause)
    }

    /// Notes a trap that M-mode takes from mode `from`; yields the handler's address.
    pub fn enter_machine(&mut self, trap: Trap, from: Privilege, epc: VirtAddr) -> VirtAddr {
        let (cause, tval) = cause_and_value(trap);
        self.plain.set(Plain::Mcause, cause);
        self.plain.set(Plain::Mtval, tval);
        self.plain.set(Plain::Mepc, epc.0);
        let old = self.mstatus;
        let mut new = old.0 & !(status::MIE | status::MPIE | status::MPP);
        new |= if old.mie() { status::MPIE } else { 0 };
        new |= (from as u64) << status::MPP_SHIFT;
        self.stack(new);
        handler(self.plain.get(Plain::Mtvec), cause)
    }

    /// `sret`: unstacks; yields the mode and address to go on with.
    pub fn leave_supervisor(&mut self) -> (Privilege, VirtAddr) {
        let old = self.mstatus;
        let mut new = old.0 & !(status::SIE | status::SPP | status::MPRV) | status::SPIE;
        new |= if old.0 & status::SPIE != 0 { status::SIE } else { 0 };
        self.stack(new);
        self.note(table::MSTATUS, new);
        (old.spp(), VirtAddr(self.plain.get(Plain::Sepc)))
    }

    /// `mret`: unstacks; yields the mode and address to go on with.
    pub fn leave_machine(&mut self) -> (Privilege, VirtAddr) {
        let old = self.mstatus;
        let mut new = old.0 & !(status::MIE | status::MPP) | status::MPIE;
        new |= if old.0 & status::MPIE != 0 { status::MIE } else { 0 };
        if old.mpp() != Privilege::Machine {
            new &= !status::MPRV;
        }
        self.stack(new);
        self.note(table::MSTATUS, new);
        (old.mpp(), VirtAddr(self.plain.get(Plain::Mepc)))
    }

    /// The mode changes with the stack, so the hart looks at everything again by itself.
    fn stack(&mut self, mstatus: u64) {
        let _ = self.replace_mstatus(Mstatus(mstatus));
    }
}

fn cause_and_value(trap: Trap) -> (u64, u64) {
    match trap {
        Trap::Exception(exception) => (exception.cause(), exception.tval()),
        Trap::Interrupt(interrupt) => (INTERRUPT | interrupt as u64, 0),
    }
}

/// Source: Privileged ISA, "Machine Trap-Vector Base-Address (mtvec) Register".
fn handler(tvec: u64, cause: u64) -> VirtAddr {
    let base = VirtAddr(tvec & !3);
    let vectored = tvec & VECTORED != 0 && cause & INTERRUPT != 0;
    if vectored { base.wrapping_add(4 * (cause & !INTERRUPT)) } else { base }
}
