//! The hart state management extension. Changes take no time here, so of the specification's
//! states the pending ones never show.

use super::trap::{self, SATP, SSTATUS, SSTATUS_SIE};
use super::{A0, A1, Answer, Args, Cx, Done, Error, SUCCESS};
use crate::addr::PhysAddr;

/// What a hart does, with the specification's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HartState {
    Started = 0,
    Stopped = 1,
    Suspended = 4,
}

/// Suspend types: registers are kept, the call returns.
const RETENTIVE: u32 = 0;
/// Registers are lost, the hart goes on elsewhere.
const NON_RETENTIVE: u32 = 0x8000_0000;

/// `misa`: instructions may lie at every even address.
const MISA_C: u64 = 1 << 2;

impl Cx<'_> {
    /// The hart with this id.
    fn hart(&self, id: u64) -> Result<usize, Error> {
        let exists = id < self.sbi.harts.len() as u64;
        if exists { Ok(id as usize) } else { Err(Error::InvalidParam) }
    }

    /// `address`, where instructions can lie there.
    fn code_at(&mut self, address: u64) -> Result<PhysAddr, Error> {
        let align_bytes = if self.sbi.csrs.misa & MISA_C != 0 { 2 } else { 4 };
        let is_ram = self.platform.ram().offset_of(PhysAddr(address), align_bytes).is_some();
        let is_code = is_ram && address.is_multiple_of(align_bytes);
        if is_code { Ok(PhysAddr(address)) } else { Err(Error::InvalidAddress) }
    }

    /// Lets `hart` begin in S-mode as after reset. It was asleep through all fences, so it
    /// fences everything.
    pub(super) fn begin(&mut self, hart: usize, pc: PhysAddr, opaque: u64) {
        for (addr, value) in trap::initial_csrs(&self.sbi.csrs) {
            self.platform.change_csr(hart, addr, !0, value);
        }
        self.platform.sfence_vma(hart, None, None);
        self.platform.fence_i(hart);
        self.sbi.pmu.reset(hart);
        self.sbi.harts[hart] = HartState::Started;
        self.enter(hart, pc, opaque);
    }

    /// Source: "Hart State Management Extension", tables of the register state at start and at
    /// resume. `satp` and `sstatus` are the caller's affair.
    fn enter(&mut self, hart: usize, pc: PhysAddr, opaque: u64) {
        self.platform.set_x(hart, A0, hart as u64);
        self.platform.set_x(hart, A1, opaque);
        self.platform.enter(hart, pc);
    }
}

pub(super) fn hart_start(cx: &mut Cx<'_>, &[hart, start, opaque, ..]: &Args) -> Answer {
    let hart = cx.hart(hart)?;
    let pc = cx.code_at(start)?;
    match cx.sbi.harts[hart] {
        HartState::Stopped => cx.begin(hart, pc, opaque),
        HartState::Started => return Err(Error::AlreadyAvailable),
        // It will go on by itself.
        HartState::Suspended => return Err(Error::InvalidParam),
    }
    SUCCESS
}

pub(super) fn hart_stop(cx: &mut Cx<'_>, _: &Args) -> Answer {
    cx.sbi.harts[cx.caller] = HartState::Stopped;
    cx.platform.stop(cx.caller);
    Ok(Done::Elsewhere)
}

pub(super) fn hart_get_status(cx: &mut Cx<'_>, &[hart, ..]: &Args) -> Answer {
    let hart = cx.hart(hart)?;
    Ok(Done::Value(cx.sbi.harts[hart] as u64))
}

/// The types of platforms are not implemented.
pub(super) fn hart_suspend(cx: &mut Cx<'_>, args: &Args) -> Answer {
    let [suspend_type, resume, opaque, ..] = *args;
    let hart = cx.caller;
    let done = match suspend_type as u32 {
        RETENTIVE => Done::Value(0),
        NON_RETENTIVE => {
            let pc = cx.code_at(resume)?;
            cx.platform.change_csr(hart, SATP, !0, 0);
            cx.platform.change_csr(hart, SSTATUS, SSTATUS_SIE, 0);
            // Nobody sees a suspended hart's registers, so they may change before it resumes.
            cx.enter(hart, pc, opaque);
            Done::Elsewhere
        }
        _ => return Err(Error::InvalidParam),
    };
    cx.sbi.harts[hart] = HartState::Suspended;
    cx.platform.wait(hart);
    Ok(done)
}
