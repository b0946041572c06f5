//! Returning from traps, and waiting.

use super::{Next, illegal, require};
use crate::addr::{Privilege, VirtAddr};
use crate::hart::Hart;
use crate::isa::Insn;
use crate::trap::Exception;

/// Address of the running instruction.
pub(super) fn own_pc(hart: &Hart, i: &Insn) -> VirtAddr {
    hart.pc.wrapping_add(i.len_bytes().wrapping_neg())
}

/// Source: Privileged ISA, "Trap-Return Instructions".
pub(super) fn mret(hart: &mut Hart, i: &Insn) -> Result<Next, Exception> {
    require(hart.privilege == Privilege::Machine, i)?;
    let (privilege, pc) = hart.csr.leave_machine();
    Ok(go_on(hart, i, privilege, pc))
}

/// TSR makes it illegal in S-mode.
pub(super) fn sret(hart: &mut Hart, i: &Insn) -> Result<Next, Exception> {
    match hart.privilege {
        Privilege::User => return Err(illegal(i)),
        Privilege::Supervisor => require(!hart.csr.mstatus().tsr(), i)?,
        Privilege::Machine => {}
    }
    let (privilege, pc) = hart.csr.leave_supervisor();
    Ok(go_on(hart, i, privilege, pc))
}

fn go_on(hart: &mut Hart, i: &Insn, privilege: Privilege, pc: VirtAddr) -> Next {
    hart.trail.trap_return(own_pc(hart, i), pc);
    (hart.privilege, hart.pc) = (privilege, pc);
    hart.refresh_privilege();
    Next::RETRANSLATE | Next::CHECK_INTERRUPTS
}

/// Source: Privileged ISA, "Wait for Interrupt": illegal in U-mode, because there is an S-mode;
/// TW makes it illegal in S-mode, with a time limit of zero.
pub(super) fn wfi(hart: &Hart, i: &Insn) -> Result<Next, Exception> {
    match hart.privilege {
        Privilege::User => Err(illegal(i)),
        Privilege::Supervisor if hart.csr.mstatus().tw() => Err(illegal(i)),
        _ => Ok(Next::WAIT),
    }
}

/// Waits for no store: that the reservation set was written is one of many reasons to go on.
///
/// Source: Unprivileged ISA, "Zawrs": TW makes it illegal below M-mode, U-mode included.
pub(super) fn wrs_nto(hart: &Hart, i: &Insn) -> Result<Next, Exception> {
    require(hart.privilege == Privilege::Machine || !hart.csr.mstatus().tw(), i)?;
    Ok(Next::CONTINUE)
}
