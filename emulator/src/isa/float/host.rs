//! The common cases of binary32 and binary64 on the host's own floating-point unit: finite
//! operands, round to nearest even, results well inside the normal range. Everything else goes
//! to the software arithmetic next door, with which this agrees bit for bit and flag for flag.
//!
//! Within those bounds only the inexact flag can rise. Where it has accrued already it does not
//! matter; where it has not, `double.rs` and `single.rs` find it by exact means: the error of a
//! sum, or the length of the significands of a product. Rust promises IEEE 754 results in the
//! default environment on every host, so no result depends on the host.

mod double;
mod single;

use super::{Flags, Rm, eval1, eval2};
use crate::isa::fp::{Fmt, Fp1, Fp2, Fp3, IntFmt};

/// A result and its flags; none where the software has to decide.
pub type Quick = Option<(u64, Flags)>;

/// [`eval1`] for a hart whose `fflags` hold `accrued`, where it is a common case: the result is the
/// same, the flags are the same once accrued.
#[inline(always)]
pub fn quick1(op: Fp1, fmt: Fmt, rm: Rm, accrued: Flags, a: u64) -> Quick {
    match (op, fmt, rm) {
        (Fp1::Class | Fp1::Bits, _, _) => Some(eval1(op, fmt, rm, a)),
        (Fp1::Sqrt, Fmt::S, Rm::Rne) => single::sqrt(accrued, a),
        (Fp1::Sqrt, Fmt::D, Rm::Rne) => double::sqrt(accrued, a),
        (Fp1::ToFloat(Fmt::D), Fmt::S, _) => single::to_double(a),
        (Fp1::ToFloat(Fmt::S), Fmt::D, Rm::Rne) => double::to_single(a),
        (Fp1::ToInt(to), Fmt::S, Rm::Rtz) => truncate(to, f64::from(f32::from_bits(a as u32))),
        (Fp1::ToInt(to), Fmt::D, Rm::Rtz) => truncate(to, f64::from_bits(a)),
        (Fp1::FromInt(from), Fmt::S, _) => single::from_int(from, rm, a),
        (Fp1::FromInt(from), Fmt::D, _) => double::from_int(from, rm, a),
        _ => None,
    }
}

/// [`eval2`] for a hart whose `fflags` hold `accrued`, where it is a common case: the result is the
/// same, the flags are the same once accrued.
#[inline(always)]
pub fn quick2(op: Fp2, fmt: Fmt, rm: Rm, accrued: Flags, [a, b]: [u64; 2]) -> Quick {
    if !matches!(op, Fp2::Add | Fp2::Sub | Fp2::Mul | Fp2::Div) {
        return Some(eval2(op, fmt, rm, a, b));
    }
    match (op, fmt, rm) {
        (Fp2::Add, Fmt::S, Rm::Rne) => single::add(accrued, a, b),
        (Fp2::Add, Fmt::D, Rm::Rne) => double::add(accrued, a, b),
        (Fp2::Sub, Fmt::S, Rm::Rne) => single::add(accrued, a, b ^ single::SIGN),
        (Fp2::Sub, Fmt::D, Rm::Rne) => double::add(accrued, a, b ^ double::SIGN),
        (Fp2::Mul, Fmt::S, Rm::Rne) => single::mul(accrued, a, b),
        (Fp2::Mul, Fmt::D, Rm::Rne) => double::mul(accrued, a, b),
        (Fp2::Div, Fmt::S, Rm::Rne) => single::div(accrued, a, b),
        (Fp2::Div, Fmt::D, Rm::Rne) => double::div(accrued, a, b),
        _ => None,
    }
}

/// [`eval3`] for a hart whose `fflags` hold `accrued`, where it is a common case: the result is the
/// same, the flags are the same once accrued.
#[inline(always)]
pub fn quick3(op: Fp3, fmt: Fmt, rm: Rm, accrued: Flags, abc: [u64; 3]) -> Quick {
    let sign = match fmt {
        Fmt::S => single::SIGN,
        _ => double::SIGN,
    };
    let [a, b, c] = abc;
    let (a, c) = match op {
        Fp3::MulAdd => (a, c),
        Fp3::MulSub => (a, c ^ sign),
        Fp3::NegMulSub => (a ^ sign, c),
        Fp3::NegMulAdd => (a ^ sign, c ^ sign),
    };
    match (fmt, rm) {
        (Fmt::S, Rm::Rne) => single::mul_add(accrued, a, b, c),
        (Fmt::D, Rm::Rne) => double::mul_add(accrued, a, b, c),
        _ => None,
    }
}

/// Towards zero to an integer that surely holds the result.
#[inline(always)]
fn truncate(to: IntFmt, a: f64) -> Quick {
    const TWO_TO_31: f64 = (1u64 << 31) as f64;
    const TWO_TO_63: f64 = (1u64 << 63) as f64;
    let (register, back) = match to {
        IntFmt::W if a.abs() < TWO_TO_31 => (a as i32 as u64, f64::from(a as i32)),
        IntFmt::Wu if (0.0..2.0 * TWO_TO_31).contains(&a) => {
            (a as u32 as i32 as u64, f64::from(a as u32))
        }
        IntFmt::L if a.abs() < TWO_TO_63 => (a as i64 as u64, a as i64 as f64),
        IntFmt::Lu if (0.0..2.0 * TWO_TO_63).contains(&a) => (a as u64, a as u64 as f64),
        _ => return None,
    };
    Some((register, Flags::NX.when(back != a)))
}

/// The magnitude of the integer in `register`.
#[inline(always)]
const fn magnitude(from: IntFmt, register: u64) -> u64 {
    match from {
        IntFmt::W => (register as i32).unsigned_abs() as u64,
        IntFmt::Wu => register as u32 as u64,
        IntFmt::L => (register as i64).unsigned_abs(),
        IntFmt::Lu => register,
    }
}
