//! Meanings of the base integer instruction set, and of whatever else only computes on
//! registers (M, Zba, Zbb, Zbs, Zbc, Zicond). Rows in `table.rs` name them.

use super::Insn;
use super::arith::{Bin, Un};
use super::emit::{Emit, Extend};
use crate::addr::Width;

/// Register-register arithmetic.
#[inline(always)]
pub(super) fn op<E: Emit>(e: &mut E, i: &Insn, op: Bin) -> Result<(), E::Fault> {
    let (a, b) = (e.x(i.rs1), e.x(i.rs2));
    let result = e.bin(op, a, b);
    e.set_x(i.rd, result);
    Ok(())
}

/// Register-immediate arithmetic, shift amounts included.
#[inline(always)]
pub(super) fn op_imm<E: Emit>(e: &mut E, i: &Insn, op: Bin) -> Result<(), E::Fault> {
    let (a, b) = (e.x(i.rs1), e.imm(i.imm.into()));
    let result = e.bin(op, a, b);
    e.set_x(i.rd, result);
    Ok(())
}

/// Arithmetic on one register.
#[inline(always)]
pub(super) fn unary<E: Emit>(e: &mut E, i: &Insn, op: Un) -> Result<(), E::Fault> {
    let a = e.x(i.rs1);
    let result = e.un(op, a);
    e.set_x(i.rd, result);
    Ok(())
}

/// `lui`: the immediate, whose low 12 bits are zero.
#[inline(always)]
pub(super) fn lui<E: Emit>(e: &mut E, i: &Insn) -> Result<(), E::Fault> {
    let upper = e.imm(i.imm.into());
    e.set_x(i.rd, upper);
    Ok(())
}

/// `auipc`: the address of the instruction plus the immediate.
#[inline(always)]
pub(super) fn auipc<E: Emit>(e: &mut E, i: &Insn) -> Result<(), E::Fault> {
    let address = pc_relative(e, i);
    e.set_x(i.rd, address);
    Ok(())
}

/// `jal`: to `pc + imm`.
#[inline(always)]
pub(super) fn jal<E: Emit>(e: &mut E, i: &Insn) -> Result<(), E::Fault> {
    let (target, link) = (pc_relative(e, i), e.next_pc(i));
    e.jump(target)?;
    e.set_x(i.rd, link);
    Ok(())
}

/// `jalr`: to `rs1 + imm` with bit 0 cleared.
#[inline(always)]
pub(super) fn jalr<E: Emit>(e: &mut E, i: &Insn) -> Result<(), E::Fault> {
    let (sum, even, link) = (effective_address(e, i), e.imm(!1), e.next_pc(i));
    let target = e.bin(Bin::And, sum, even);
    e.jump(target)?;
    e.set_x(i.rd, link);
    Ok(())
}

/// Conditional branches: to `pc + imm` where the comparison holds.
#[inline(always)]
pub(super) fn branch<E: Emit>(e: &mut E, i: &Insn, compare: Bin) -> Result<(), E::Fault> {
    let (a, b) = (e.x(i.rs1), e.x(i.rs2));
    let taken = e.bin(compare, a, b);
    e.branch(taken, i)
}

/// Loads from `rs1 + imm`.
#[inline(always)]
pub(super) fn load<E: Emit>(
    e: &mut E,
    i: &Insn,
    width: Width,
    extend: Extend,
) -> Result<(), E::Fault> {
    let at = effective_address(e, i);
    let value = e.load(at, width, extend)?;
    e.set_x(i.rd, value);
    Ok(())
}

/// Stores to `rs1 + imm`.
#[inline(always)]
pub(super) fn store<E: Emit>(e: &mut E, i: &Insn, width: Width) -> Result<(), E::Fault> {
    let at = effective_address(e, i);
    let value = e.x(i.rs2);
    e.store(at, width, value)
}

/// Hints, and fences: memory is always in order here.
#[inline(always)]
pub(super) fn nothing<E: Emit>(_: &mut E, _: &Insn) -> Result<(), E::Fault> {
    Ok(())
}

#[inline(always)]
fn effective_address<E: Emit>(e: &mut E, i: &Insn) -> E::Value {
    let (base, offset) = (e.x(i.rs1), e.imm(i.imm.into()));
    e.bin(Bin::Add, base, offset)
}

#[inline(always)]
fn pc_relative<E: Emit>(e: &mut E, i: &Insn) -> E::Value {
    let (pc, offset) = (e.pc(i), e.imm(i.imm.into()));
    e.bin(Bin::Add, pc, offset)
}
