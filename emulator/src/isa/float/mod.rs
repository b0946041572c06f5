//! IEEE 754 arithmetic as the floating-point extensions define it, on raw bits in the low bits
//! of a `u64`: [`eval1`], [`eval2`] and [`eval3`] are exact for every operand, rounding mode
//! and format. Pure: flags are returned, never kept.
//!
//! Neighbours: `isa/fp.rs` names operations and formats, `host.rs` answers the common cases with
//! the host's own arithmetic. NaN boxing is [`box_`] and [`unbox`].

use std::ops::{BitOr, BitOrAssign};

use super::fp::{Fmt, Fp1, Fp2, Fp3};
use format::{Double, Format, Half, Single};

pub use host::{Quick, quick1, quick2, quick3};

mod compare;
mod convert;
mod format;
mod host;
mod quotient;
mod round;
mod sum;
#[cfg(test)]
mod tests;

/// A rounding mode ("Floating-Point Control and Status Register" in the F chapter).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rm {
    /// To nearest, ties to even.
    Rne,
    /// Towards zero.
    Rtz,
    /// Down, towards -∞.
    Rdn,
    /// Up, towards +∞.
    Rup,
    /// To nearest, ties to the greater magnitude.
    Rmm,
}

impl Rm {
    /// Every rounding mode, in the order of its encoding.
    pub const ALL: [Self; 5] = [Self::Rne, Self::Rtz, Self::Rdn, Self::Rup, Self::Rmm];

    /// The mode encoded by `frm` or by an rm field that is not dynamic; none where reserved.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match bits {
            0 => Some(Self::Rne),
            1 => Some(Self::Rtz),
            2 => Some(Self::Rdn),
            3 => Some(Self::Rup),
            4 => Some(Self::Rmm),
            _ => None,
        }
    }
}

/// A set of exception flags, laid out as in `fflags`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u8);

impl Flags {
    /// No flag.
    pub const NONE: Self = Self(0);
    /// Inexact.
    pub const NX: Self = Self(1);
    /// Underflow.
    pub const UF: Self = Self(2);
    /// Overflow.
    pub const OF: Self = Self(4);
    /// Divide by zero.
    pub const DZ: Self = Self(8);
    /// Invalid operation.
    pub const NV: Self = Self(16);

    /// Whether all flags of `other` are in this set.
    #[inline(always)]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// This set where `condition`, else none.
    #[inline(always)]
    const fn when(self, condition: bool) -> Self {
        if condition { self } else { Self::NONE }
    }
}

impl BitOr for Flags {
    type Output = Self;

    #[inline(always)]
    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Flags {
    #[inline(always)]
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

/// NaN-boxes the low bits of `value`: what an `f` register holds for a narrower value.
#[inline(always)]
pub const fn box_(fmt: Fmt, value: u64) -> u64 {
    match fmt {
        Fmt::H => value | !0xffff,
        Fmt::S => value | !0xffff_ffff,
        Fmt::D => value,
    }
}

/// The value of `fmt` in an `f` register; the canonical NaN where it is not properly boxed.
#[inline(always)]
pub const fn unbox(fmt: Fmt, register: u64) -> u64 {
    match fmt {
        Fmt::H if register >= !0xffff => register & 0xffff,
        Fmt::H => 0x7e00,
        Fmt::S if register >= !0xffff_ffff => register & 0xffff_ffff,
        Fmt::S => 0x7fc0_0000,
        Fmt::D => register,
    }
}

/// One-operand operation: its result and the flags it raises.
#[inline]
pub fn eval1(op: Fp1, fmt: Fmt, rm: Rm, a: u64) -> (u64, Flags) {
    match fmt {
        Fmt::H => eval1_in::<Half>(op, rm, a),
        Fmt::S => eval1_in::<Single>(op, rm, a),
        Fmt::D => eval1_in::<Double>(op, rm, a),
    }
}

/// Two-operand operation: its result and the flags it raises. Comparisons yield 0 or 1.
#[inline]
pub fn eval2(op: Fp2, fmt: Fmt, rm: Rm, a: u64, b: u64) -> (u64, Flags) {
    match fmt {
        Fmt::H => eval2_in::<Half>(op, rm, a, b),
        Fmt::S => eval2_in::<Single>(op, rm, a, b),
        Fmt::D => eval2_in::<Double>(op, rm, a, b),
    }
}

/// Three-operand operation: its result and the flags it raises.
#[inline]
pub fn eval3(op: Fp3, fmt: Fmt, rm: Rm, abc: [u64; 3]) -> (u64, Flags) {
    match fmt {
        Fmt::H => eval3_in::<Half>(op, rm, abc),
        Fmt::S => eval3_in::<Single>(op, rm, abc),
        Fmt::D => eval3_in::<Double>(op, rm, abc),
    }
}

#[inline]
fn eval1_in<F: Format>(op: Fp1, rm: Rm, a: u64) -> (u64, Flags) {
    match op {
        Fp1::Sqrt => quotient::sqrt::<F>(rm, a),
        Fp1::Class => (compare::classify::<F>(a), Flags::NONE),
        Fp1::Bits => {
            let unused = 64 - F::BITS;
            (((a << unused) as i64 >> unused) as u64, Flags::NONE)
        }
        Fp1::ToFloat(Fmt::H) => convert::to_float::<F, Half>(rm, a),
        Fp1::ToFloat(Fmt::S) => convert::to_float::<F, Single>(rm, a),
        Fp1::ToFloat(Fmt::D) => convert::to_float::<F, Double>(rm, a),
        Fp1::ToInt(to) => convert::to_int::<F>(to, rm, a),
        Fp1::FromInt(from) => convert::from_int::<F>(from, rm, a),
    }
}

#[inline]
fn eval2_in<F: Format>(op: Fp2, rm: Rm, a: u64, b: u64) -> (u64, Flags) {
    match op {
        Fp2::Add => sum::add::<F>(rm, a, b),
        Fp2::Sub => sum::sub::<F>(rm, a, b),
        Fp2::Mul => sum::mul::<F>(rm, a, b),
        Fp2::Div => quotient::div::<F>(rm, a, b),
        Fp2::Min => compare::min::<F>(a, b),
        Fp2::Max => compare::max::<F>(a, b),
        Fp2::SgnJ => (compare::with_sign_of::<F>(a, b), Flags::NONE),
        Fp2::SgnJn => (compare::with_sign_of::<F>(a, !b), Flags::NONE),
        Fp2::SgnJx => (compare::with_sign_of::<F>(a, a ^ b), Flags::NONE),
        Fp2::Eq => compare::eq::<F>(a, b),
        Fp2::Lt => compare::lt::<F>(a, b),
        Fp2::Le => compare::le::<F>(a, b),
    }
}

#[inline]
fn eval3_in<F: Format>(op: Fp3, rm: Rm, [a, b, c]: [u64; 3]) -> (u64, Flags) {
    // The signs of the exact product and the addend change before anything is rounded; that of
    // a NaN does not matter.
    match op {
        Fp3::MulAdd => sum::mul_add::<F>(rm, a, b, c),
        Fp3::MulSub => sum::mul_add::<F>(rm, a, b, c ^ F::SIGN),
        Fp3::NegMulSub => sum::mul_add::<F>(rm, a ^ F::SIGN, b, c),
        Fp3::NegMulAdd => sum::mul_add::<F>(rm, a ^ F::SIGN, b, c ^ F::SIGN),
    }
}
