//! Which traps reach the firmware, and what becomes of those that are no calls. All that can be
//! delegated is: a kernel sees its exceptions without a detour through M-mode.

use super::Platform;
use crate::addr::{Access, Privilege, VirtAddr};
use crate::csr::{CsrAddr, CsrConfig};
use crate::trap::{Exception, Interrupt};

pub(super) const SSTATUS: CsrAddr = CsrAddr(0x100);
const SCOUNTEREN: CsrAddr = CsrAddr(0x106);
pub(super) const STIMECMP: CsrAddr = CsrAddr(0x14d);
pub(super) const SATP: CsrAddr = CsrAddr(0x180);
const MSTATUS: CsrAddr = CsrAddr(0x300);
const MEDELEG: CsrAddr = CsrAddr(0x302);
const MIDELEG: CsrAddr = CsrAddr(0x303);
pub(super) const MIE: CsrAddr = CsrAddr(0x304);
const MCOUNTEREN: CsrAddr = CsrAddr(0x306);
const MENVCFG: CsrAddr = CsrAddr(0x30a);
pub(super) const MCOUNTINHIBIT: CsrAddr = CsrAddr(0x320);
pub(super) const MEPC: CsrAddr = CsrAddr(0x341);
pub(super) const MCAUSE: CsrAddr = CsrAddr(0x342);
pub(super) const MTVAL: CsrAddr = CsrAddr(0x343);
pub(super) const MIP: CsrAddr = CsrAddr(0x344);
const PMPCFG0: CsrAddr = CsrAddr(0x3a0);
const PMPADDR0: CsrAddr = CsrAddr(0x3b0);

/// `sstatus.SIE`.
pub(super) const SSTATUS_SIE: u64 = 1 << 1;
/// `mstatus.FS` = dirty.
const MSTATUS_FS_DIRTY: u64 = 3 << 13;
/// `menvcfg.FIOM`: fences of devices order memory too. The one field that grants nothing.
const MENVCFG_FIOM: u64 = 1 << 0;
/// `scounteren.TM`.
const COUNTER_TM: u64 = 1 << 1;
/// `pmpcfg`: everything is allowed (R, W, X) in a naturally aligned power of two (A = 3).
const PMP_OPEN: u64 = 0x1f;
/// The bit of `mcause` that tells interrupts from exceptions.
const INTERRUPT: u64 = 1 << 63;

/// All exceptions but the calls that the firmware is there for.
const DELEGATED_EXCEPTIONS: u64 = !(1 << Exception::EnvironmentCall(Privilege::Supervisor).cause());
const DELEGATED_INTERRUPTS: u64 = Interrupt::SupervisorSoftware.bit()
    | Interrupt::SupervisorTimer.bit()
    | Interrupt::SupervisorExternal.bit();

/// What a hart's CSRs hold when S-mode begins, in the order in which they are to be written.
/// Fields that a hart does not have read as zero whatever is written, so much is written as ones.
///
/// As on QEMU's `virt` with OpenSBI: floating point is on, counters and cache-block instructions
/// are open to S-mode, S-mode has its timer, and page-table walks set A and D bits (ADUE) where
/// the hart can; OpenSBI does that where the device tree names Svadu and not Svade.
pub(crate) fn initial_csrs(csrs: &CsrConfig) -> Vec<(CsrAddr, u64)> {
    let mut table = vec![
        (MSTATUS, MSTATUS_FS_DIRTY),
        (MEDELEG, DELEGATED_EXCEPTIONS),
        (MIDELEG, DELEGATED_INTERRUPTS),
        // M-mode's own timer interrupt is enabled when S-mode sets a timer.
        (MIE, Interrupt::MachineSoftware.bit()),
        (MIP, 0),
        (MCOUNTEREN, u64::MAX),
        (SCOUNTEREN, COUNTER_TM),
        (MCOUNTINHIBIT, 0),
        (SATP, 0),
        (PMPADDR0, u64::MAX),
        (PMPCFG0, PMP_OPEN),
    ];
    if csrs.sstc {
        // Never, before it is switched on.
        table.push((STIMECMP, u64::MAX));
    }
    table.push((MENVCFG, !MENVCFG_FIOM));
    table
}

/// What to do about a trap into M-mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// Answer a call from S-mode.
    Call,
    /// Pass the interrupt on.
    Interrupt(Interrupt),
    /// Let S-mode have the exception: nobody has delegated it.
    Raise(Exception),
}

/// Exceptions of every kind, with `value` for `mtval`.
fn exceptions(value: u64) -> [Exception; 14] {
    let at = VirtAddr(value);
    let access = |of: fn(Access, VirtAddr) -> Exception| Access::ALL.map(|access| of(access, at));
    let [m0, m1, m2] = access(Exception::Misaligned);
    let [a0, a1, a2] = access(Exception::AccessFault);
    let [p0, p1, p2] = access(Exception::PageFault);
    let [c0, c1, c2] = [Privilege::User, Privilege::Supervisor, Privilege::Machine]
        .map(Exception::EnvironmentCall);
    let illegal = Exception::IllegalInstruction(value as u32);
    [m0, m1, m2, a0, a1, a2, p0, p1, p2, c0, c1, c2, illegal, Exception::Breakpoint(at)]
}

/// What the trap with this `mcause` and `mtval` asks for.
///
/// # Panics
/// Where the cause is none that a hart has.
pub(super) fn duty(cause: u64, value: u64) -> Duty {
    if cause & INTERRUPT != 0 {
        let number = cause & !INTERRUPT;
        let interrupt = Interrupt::BY_PRIORITY.into_iter().find(|i| *i as u64 == number);
        return Duty::Interrupt(interrupt.expect("the number of an interrupt"));
    }
    let exception = exceptions(value).into_iter().find(|e| e.cause() == cause);
    match exception.expect("the number of an exception") {
        Exception::EnvironmentCall(Privilege::Supervisor) => Duty::Call,
        exception => Duty::Raise(exception),
    }
}

/// Passes on an interrupt that M-mode has taken.
pub(super) fn serve_interrupt(platform: &mut dyn Platform, hart: usize, interrupt: Interrupt) {
    match interrupt {
        Interrupt::MachineTimer => {
            // The line stays high until the next timer is set.
            platform.change_csr(hart, MIE, interrupt.bit(), 0);
            platform.change_csr(hart, MIP, 0, Interrupt::SupervisorTimer.bit());
        }
        Interrupt::MachineSoftware => {
            platform.clear_msip(hart);
            platform.change_csr(hart, MIP, 0, Interrupt::SupervisorSoftware.bit());
        }
        // Nobody has asked for it, so nobody waits for it.
        _ => platform.change_csr(hart, MIE, interrupt.bit(), 0),
    }
}
