//! The timer extension. Where S-mode has a timer of its own (Sstc), that one is set for it, so
//! that old kernels use it too; else M-mode's timer is, and its interrupt is passed on.

use super::pmu::Event;
use super::trap::{MIE, MIP, STIMECMP};
use super::{Answer, Args, Cx, SUCCESS};
use crate::trap::Interrupt;

/// Source: "Timer Extension", "Set Timer": the pending interrupt is withdrawn. A time that has
/// passed already raises it anew.
pub(super) fn set_timer(cx: &mut Cx<'_>, &[time, ..]: &Args) -> Answer {
    let hart = cx.caller;
    cx.sbi.pmu.count(hart, Event::SetTimer);
    if cx.sbi.csrs.sstc {
        cx.platform.change_csr(hart, STIMECMP, !0, time);
    } else {
        cx.platform.set_mtimecmp(hart, time);
        cx.platform.change_csr(hart, MIP, Interrupt::SupervisorTimer.bit(), 0);
        cx.platform.change_csr(hart, MIE, 0, Interrupt::MachineTimer.bit());
    }
    SUCCESS
}
