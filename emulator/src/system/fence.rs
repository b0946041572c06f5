//! Fences over translations and operations on cache blocks.

use super::{Next, illegal, require};
use crate::addr::{Access, Asid, Privilege, VirtAddr};
use crate::bus::Bus;
use crate::hart::Hart;
use crate::isa::Insn;
use crate::trap::Exception;

/// `sfence.vma` and `sinval.vma`: rs1 names an address, rs2 an address space; `x0` means all.
/// TVM makes them illegal in S-mode.
///
/// Source: Privileged ISA, "Supervisor Memory-Management Fence Instruction" and "Svinval".
pub(super) fn sfence_vma(hart: &mut Hart, i: &Insn) -> Result<Next, Exception> {
    match hart.privilege {
        Privilege::User => return Err(illegal(i)),
        Privilege::Supervisor => require(!hart.csr.mstatus().tvm(), i)?,
        Privilege::Machine => {}
    }
    let va = (i.rs1 != 0).then(|| VirtAddr(hart.x[usize::from(i.rs1)]));
    // Bits above the width of ASID are to be ignored.
    let asid = (i.rs2 != 0).then(|| Asid(hart.x[usize::from(i.rs2)] as u16));
    hart.mmu.sfence_vma(va, asid);
    Ok(Next::RETRANSLATE)
}

/// `sfence.w.inval` and `sfence.inval.ir`: `sinval.vma` acts at once, so nothing is left to
/// order. TVM does not concern them.
pub(super) fn order_invalidations(hart: &Hart, i: &Insn) -> Result<Next, Exception> {
    require(hart.privilege != Privilege::User, i)?;
    Ok(Next::CONTINUE)
}

fn address(hart: &Hart, i: &Insn) -> VirtAddr {
    VirtAddr(hart.x[usize::from(i.rs1)])
}

pub(super) fn cbo_zero(hart: &mut Hart, bus: &mut Bus, i: &Insn) -> Result<Next, Exception> {
    require(hart.csr.may_zero_blocks(hart.privilege), i)?;
    let at = address(hart, i);
    hart.mmu.zero_block(bus, at)?;
    Ok(Next::CONTINUE)
}

/// `cbo.clean` and `cbo.flush`: nothing is cached, so only the permission is left. A block that
/// may be loaded from or stored to may be managed, and whatever may be stored to may be loaded
/// from.
pub(super) fn cbo_clean(hart: &mut Hart, bus: &mut Bus, i: &Insn) -> Result<Next, Exception> {
    require(hart.csr.may_clean_blocks(hart.privilege), i)?;
    manage(hart, bus, i)
}

/// `cbo.inval`: with nothing cached, the same as a flush.
pub(super) fn cbo_inval(hart: &mut Hart, bus: &mut Bus, i: &Insn) -> Result<Next, Exception> {
    require(hart.csr.may_invalidate_blocks(hart.privilege), i)?;
    manage(hart, bus, i)
}

fn manage(hart: &mut Hart, bus: &mut Bus, i: &Insn) -> Result<Next, Exception> {
    let at = address(hart, i);
    hart.mmu.check_block(bus, at, Access::Load)?;
    Ok(Next::CONTINUE)
}
