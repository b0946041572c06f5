//! The bodies of the stateful system instructions: [`execute`] carries out one [`SystemOp`] on a
//! hart and tells the engine what it must do before the next instruction. Memory and cache-block
//! instructions are in `fence.rs`, traps and waiting in `control.rs`, CSR accesses here.

mod control;
mod fence;

use std::ops::BitOr;

use crate::bus::Bus;
use crate::csr::{CsrAddr, Effect};
use crate::hart::Hart;
use crate::isa::Insn;
use crate::isa::emit::SystemOp;
use crate::trap::Exception;

/// What the engine must do before it executes on: a set of flags, empty for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Next(u8);

impl Next {
    /// Nothing: go on.
    pub const CONTINUE: Next = Next(0);
    /// The mode or the translation of fetches may differ: translate the next fetch anew.
    pub const RETRANSLATE: Next = Next(1);
    /// Stores must become visible to fetches (`fence.i`).
    pub const FLUSH_CODE: Next = Next(2);
    /// Wait for an interrupt to become pending.
    pub const WAIT: Next = Next(4);
    /// An interrupt may have to be taken before the next instruction.
    pub const CHECK_INTERRUPTS: Next = Next(8);
    /// A device was accessed or tracked memory written.
    pub const LOOK_AROUND: Next = Next(16);

    /// Whether all of `other` is in `self`.
    pub const fn has(self, other: Next) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    pub const fn or(self, other: Next) -> Next {
        Next(self.0 | other.0)
    }

    /// Whether nothing but `other` is in `self`.
    pub const fn is_within(self, other: Next) -> bool {
        self.0 & !other.0 == 0
    }
}

impl BitOr for Next {
    type Output = Next;

    fn bitor(self, other: Next) -> Next {
        self.or(other)
    }
}

/// Carries out `op`, an instruction `i` in `hart`. On entry `hart.pc` is already the address of
/// the next instruction and `hart.insns` does not count `i`.
///
/// # Errors
/// The exception that `i` raises; nothing is changed then.
pub fn execute(op: SystemOp, hart: &mut Hart, bus: &mut Bus, i: &Insn) -> Result<Next, Exception> {
    match op {
        SystemOp::CsrWrite
        | SystemOp::CsrSet
        | SystemOp::CsrClear
        | SystemOp::CsrWriteImm
        | SystemOp::CsrSetImm
        | SystemOp::CsrClearImm => csr(op, hart, bus, i),
        SystemOp::Ecall => Err(Exception::EnvironmentCall(hart.privilege)),
        SystemOp::Ebreak => Err(Exception::Breakpoint(control::own_pc(hart, i))),
        SystemOp::Mret => control::mret(hart, i),
        SystemOp::Sret => control::sret(hart, i),
        SystemOp::Wfi => control::wfi(hart, i),
        SystemOp::WrsNto => control::wrs_nto(hart, i),
        SystemOp::WrsSto => Ok(Next::CONTINUE),
        SystemOp::FenceI => Ok(Next::FLUSH_CODE),
        SystemOp::SfenceVma | SystemOp::SinvalVma => fence::sfence_vma(hart, i),
        SystemOp::SfenceWInval | SystemOp::SfenceInvalIr => fence::order_invalidations(hart, i),
        SystemOp::CboZero => fence::cbo_zero(hart, bus, i),
        SystemOp::CboClean | SystemOp::CboFlush => fence::cbo_clean(hart, bus, i),
        SystemOp::CboInval => fence::cbo_inval(hart, bus, i),
    }
}

const fn illegal(i: &Insn) -> Exception {
    Exception::IllegalInstruction(i.bits)
}

/// `Ok` where `allowed`, else the instruction is illegal.
fn require(allowed: bool, i: &Insn) -> Result<(), Exception> {
    if allowed { Ok(()) } else { Err(illegal(i)) }
}

/// What the CSR instruction `op` makes of the old value; `None` where it does not write.
///
/// Source: Unprivileged ISA, "Zicsr", "CSR Instructions": `csrrs` and `csrrc` with `x0` or a zero
/// immediate do not write; no CSR here has a side effect on reading.
#[inline(always)]
fn modification(op: SystemOp, hart: &Hart, i: &Insn) -> Option<impl FnOnce(u64) -> u64 + use<>> {
    use SystemOp::{CsrClear, CsrClearImm, CsrSet, CsrSetImm, CsrWrite};
    let operand = match op {
        CsrWrite | CsrSet | CsrClear => hart.x[usize::from(i.rs1)],
        _ => i.rs1.into(),
    };
    let writes = !matches!(op, CsrSet | CsrClear | CsrSetImm | CsrClearImm) || i.rs1 != 0;
    writes.then_some(move |old: u64| match op {
        CsrSet | CsrSetImm => old | operand,
        CsrClear | CsrClearImm => old & !operand,
        _ => operand,
    })
}

fn csr_addr(i: &Insn) -> CsrAddr {
    CsrAddr((i.imm & 0xfff) as u16)
}

/// A CSR instruction on a register without effects; `None` says nothing about others.
#[inline(always)]
pub fn csr_plain(op: SystemOp, hart: &mut Hart, i: &Insn) -> Option<()> {
    let modify = modification(op, hart, i);
    let old = hart.csr.access_plain(csr_addr(i), modify, hart.privilege)?;
    hart.set_x(i.rd, old);
    Some(())
}

/// The CSR instructions.
fn csr(op: SystemOp, hart: &mut Hart, bus: &mut Bus, i: &Insn) -> Result<Next, Exception> {
    // An access to a device just before may have changed what mip and sip show, perhaps by way of
    // the interrupt controller.
    if bus.attention {
        bus.poll();
        hart.sample_lines(bus);
    }
    let deadline = hart.csr.supervisor_deadline();
    let modify = modification(op, hart, i);
    let cx = hart.csr_cx(bus);
    let (old, effect) = hart.csr.access(csr_addr(i), modify, &cx).map_err(|_| illegal(i))?;
    hart.set_x(i.rd, old);
    // The time up to which the machine lets this hart run may have come nearer.
    bus.attention |= hart.csr.supervisor_deadline() != deadline;
    Ok(apply(hart, effect))
}

/// Carries `effect` of a write to a CSR over to the MMU; what is left is the engine's.
pub fn apply(hart: &mut Hart, effect: Effect) -> Next {
    let mut next = Next::CONTINUE;
    if effect.has(Effect::TRANSLATION) {
        hart.refresh_translation();
        next = next | Next::RETRANSLATE;
    }
    if effect.has(Effect::PROTECTION) {
        hart.refresh_protection();
        next = next | Next::RETRANSLATE;
    }
    if effect.has(Effect::INTERRUPTS) {
        next = next | Next::CHECK_INTERRUPTS;
    }
    next
}

#[cfg(test)]
mod tests;
