//! Meanings of the floating-point extensions F, D, Zfh and Zfhmin, one per shape of
//! instruction; the format is an argument. Rows in `table.rs` name them, `isa/float/` computes.
//!
//! Whatever rounds asks [`Emit::rounding`] first, so that a reserved rounding mode faults
//! before anything is read; whatever does not asks [`Emit::require_fp`].

use super::Insn;
use super::arith::Bin;
use super::emit::{Emit, Extend};
use super::fp::{Fmt, Fp1, Fp2, Fp3, IntFmt};

/// One operand, rounded: `fsqrt`.
#[inline(always)]
pub(super) fn fp1<E: Emit>(e: &mut E, i: &Insn, op: Fp1, fmt: Fmt) -> Result<(), E::Fault> {
    let rm = e.rounding(i)?;
    let a = e.f(i.rs1, fmt);
    let result = e.fp1(op, fmt, rm, a)?;
    e.set_f(i.rd, fmt, result);
    Ok(())
}

/// Two operands, rounded: `fadd`, `fsub`, `fmul`, `fdiv`.
#[inline(always)]
pub(super) fn fp2<E: Emit>(e: &mut E, i: &Insn, op: Fp2, fmt: Fmt) -> Result<(), E::Fault> {
    let rm = e.rounding(i)?;
    let ab = [e.f(i.rs1, fmt), e.f(i.rs2, fmt)];
    let result = e.fp2(op, fmt, rm, ab)?;
    e.set_f(i.rd, fmt, result);
    Ok(())
}

/// Two operands, nothing to round: `fsgnj*`, `fmin`, `fmax`.
#[inline(always)]
pub(super) fn fp2_exact<E: Emit>(e: &mut E, i: &Insn, op: Fp2, fmt: Fmt) -> Result<(), E::Fault> {
    e.require_fp(i)?;
    let rm = e.exact();
    let ab = [e.f(i.rs1, fmt), e.f(i.rs2, fmt)];
    let result = e.fp2(op, fmt, rm, ab)?;
    e.set_f(i.rd, fmt, result);
    Ok(())
}

/// Three operands, rounded once: the fused multiply-adds.
#[inline(always)]
pub(super) fn fp3<E: Emit>(e: &mut E, i: &Insn, op: Fp3, fmt: Fmt) -> Result<(), E::Fault> {
    let rm = e.rounding(i)?;
    let abc = [e.f(i.rs1, fmt), e.f(i.rs2, fmt), e.f(i.rs3, fmt)];
    let result = e.fp3(op, fmt, rm, abc)?;
    e.set_f(i.rd, fmt, result);
    Ok(())
}

/// Comparison into an `x` register: `feq`, `flt`, `fle`.
#[inline(always)]
pub(super) fn compare<E: Emit>(e: &mut E, i: &Insn, op: Fp2, fmt: Fmt) -> Result<(), E::Fault> {
    e.require_fp(i)?;
    let rm = e.exact();
    let ab = [e.f(i.rs1, fmt), e.f(i.rs2, fmt)];
    let result = e.fp2(op, fmt, rm, ab)?;
    e.set_x(i.rd, result);
    Ok(())
}

/// `fclass`.
#[inline(always)]
pub(super) fn classify<E: Emit>(e: &mut E, i: &Insn, fmt: Fmt) -> Result<(), E::Fault> {
    e.require_fp(i)?;
    let rm = e.exact();
    let a = e.f(i.rs1, fmt);
    let class = e.fp1(Fp1::Class, fmt, rm, a)?;
    e.set_x(i.rd, class);
    Ok(())
}

/// `flh`, `flw`, `fld`: the effective address is `rs1 + imm`.
#[inline(always)]
pub(super) fn load<E: Emit>(e: &mut E, i: &Insn, fmt: Fmt) -> Result<(), E::Fault> {
    e.require_fp(i)?;
    let (base, offset) = (e.x(i.rs1), e.imm(i.imm.into()));
    let at = e.bin(Bin::Add, base, offset);
    let value = e.load(at, fmt.width(), Extend::Zero)?;
    e.set_f(i.rd, fmt, value);
    Ok(())
}

/// `fsh`, `fsw`, `fsd`: stores the low bits of the register, boxed or not.
#[inline(always)]
pub(super) fn store<E: Emit>(e: &mut E, i: &Insn, fmt: Fmt) -> Result<(), E::Fault> {
    e.require_fp(i)?;
    let (base, offset) = (e.x(i.rs1), e.imm(i.imm.into()));
    let at = e.bin(Bin::Add, base, offset);
    let value = e.f_raw(i.rs2);
    e.store(at, fmt.width(), value)
}

/// `fmv.x.*`: the low bits of the register, boxed or not, sign-extended.
#[inline(always)]
pub(super) fn mv_to_x<E: Emit>(e: &mut E, i: &Insn, fmt: Fmt) -> Result<(), E::Fault> {
    e.require_fp(i)?;
    let rm = e.exact();
    let raw = e.f_raw(i.rs1);
    let bits = e.fp1(Fp1::Bits, fmt, rm, raw)?;
    e.set_x(i.rd, bits);
    Ok(())
}

/// `fmv.*.x`: the low bits of the `x` register, unchanged but for the boxing.
#[inline(always)]
pub(super) fn mv_from_x<E: Emit>(e: &mut E, i: &Insn, fmt: Fmt) -> Result<(), E::Fault> {
    e.require_fp(i)?;
    let bits = e.x(i.rs1);
    e.set_f(i.rd, fmt, bits);
    Ok(())
}

/// Conversion between formats, `fcvt.to.from`.
#[inline(always)]
pub(super) fn float_to_float<E: Emit>(
    e: &mut E,
    i: &Insn,
    from: Fmt,
    to: Fmt,
) -> Result<(), E::Fault> {
    let rm = e.rounding(i)?;
    let a = e.f(i.rs1, from);
    let result = e.fp1(Fp1::ToFloat(to), from, rm, a)?;
    e.set_f(i.rd, to, result);
    Ok(())
}

/// Conversion to an integer in an `x` register, saturating: `fcvt.w.s` and its like.
#[inline(always)]
pub(super) fn float_to_int<E: Emit>(
    e: &mut E,
    i: &Insn,
    from: Fmt,
    to: IntFmt,
) -> Result<(), E::Fault> {
    let rm = e.rounding(i)?;
    let a = e.f(i.rs1, from);
    let result = e.fp1(Fp1::ToInt(to), from, rm, a)?;
    e.set_x(i.rd, result);
    Ok(())
}

/// Conversion of an integer in an `x` register: `fcvt.s.w` and its like.
#[inline(always)]
pub(super) fn int_to_float<E: Emit>(
    e: &mut E,
    i: &Insn,
    from: IntFmt,
    to: Fmt,
) -> Result<(), E::Fault> {
    let rm = e.rounding(i)?;
    let a = e.x(i.rs1);
    let result = e.fp1(Fp1::FromInt(from), to, rm, a)?;
    e.set_f(i.rd, to, result);
    Ok(())
}
