//! binary32 on the host. binary64 holds the product of any two values exactly, and shows
//! whether a quotient or a root is exact.

use super::super::{Flags, Rm};
use super::{Quick, magnitude};
use crate::isa::fp::IntFmt;

pub(super) const SIGN: u64 = 1 << 31;
const FRACTION_BITS: u32 = 23;

/// `a + b`. A sum cannot underflow: a subnormal one is exact.
#[inline(always)]
pub(super) fn add(accrued: Flags, a: u64, b: u64) -> Quick {
    const BOUND: f32 = f32::from_bits(0x7e80 << 16);
    let (a, b) = (value(a), value(b));
    let sum = a + b;
    if sum.abs() >= BOUND || sum.is_nan() {
        return None;
    }
    let inexact = !accrued.contains(Flags::NX) && error_of_sum(a, b, sum) != 0.0;
    Some((bits(sum), Flags::NX.when(inexact)))
}

/// `a * b`.
#[inline(always)]
pub(super) fn mul(accrued: Flags, a: u64, b: u64) -> Quick {
    let exact = f64::from(value(a)) * f64::from(value(b));
    finish(accrued, exact as f32, |product| product == exact)
}

/// `a / b`.
#[inline(always)]
pub(super) fn div(accrued: Flags, a: u64, b: u64) -> Quick {
    let (a, b) = (value(a), value(b));
    finish(accrued, a / b, |quotient| quotient * f64::from(b) == f64::from(a))
}

/// The square root of `a`.
#[inline(always)]
pub(super) fn sqrt(accrued: Flags, a: u64) -> Quick {
    let a = value(a);
    finish(accrued, a.sqrt(), |root| root * root == f64::from(a))
}

/// `a * b + c`. The sum is rounded to binary64 and then to binary32; that is the same as
/// rounding once unless the first rounding yields a tie for the second.
#[inline(always)]
pub(super) fn mul_add(accrued: Flags, a: u64, b: u64, c: u64) -> Quick {
    const TIE: u64 = 1 << 28;
    let (product, c) = (f64::from(value(a)) * f64::from(value(b)), f64::from(value(c)));
    let sum = product + c;
    if sum.to_bits() & (2 * TIE - 1) == TIE {
        return None;
    }
    finish(accrued, sum as f32, |rounded| {
        rounded == sum && super::double::error_of_sum(product, c, sum) == 0.0
    })
}

/// To binary64, exactly.
#[inline(always)]
pub(super) fn to_double(a: u64) -> Quick {
    let a = value(a);
    (!a.is_nan()).then_some((f64::from(a).to_bits(), Flags::NONE))
}

/// From the integer in `register`.
#[inline(always)]
pub(super) fn from_int(from: IntFmt, rm: Rm, register: u64) -> Quick {
    let value = match from {
        IntFmt::W => register as i32 as f32,
        IntFmt::Wu => register as u32 as f32,
        IntFmt::L => register as i64 as f32,
        IntFmt::Lu => register as f32,
    };
    let magnitude = magnitude(from, register);
    let cut_off = magnitude << (magnitude.leading_zeros() & 63) << (FRACTION_BITS + 1);
    let inexact = cut_off != 0;
    (!inexact || rm == Rm::Rne).then_some((bits(value), Flags::NX.when(inexact)))
}

/// The rounded `result` with its flags, `is_exact` being asked only where it matters; none
/// where the result may not be safe.
#[inline(always)]
fn finish(accrued: Flags, result: f32, is_exact: impl FnOnce(f64) -> bool) -> Quick {
    if !is_safe(bits(result)) {
        return None;
    }
    let inexact = !accrued.contains(Flags::NX) && !is_exact(f64::from(result));
    Some((bits(result), Flags::NX.when(inexact)))
}

/// Whether a rounded result is finite, not zero, and far enough from both ends of the normal
/// range that rounding cannot have touched them.
#[inline(always)]
pub(super) const fn is_safe(bits: u64) -> bool {
    const LEAST: u64 = 2 << FRACTION_BITS;
    const GREATEST: u64 = 0xfd << FRACTION_BITS;
    (bits & !SIGN).wrapping_sub(LEAST) < GREATEST - LEAST
}

/// `a + b - sum` without error (Møller's and Knuth's TwoSum).
#[inline(always)]
fn error_of_sum(a: f32, b: f32, sum: f32) -> f32 {
    let b_in_sum = sum - a;
    let a_in_sum = sum - b_in_sum;
    (a - a_in_sum) + (b - b_in_sum)
}

#[inline(always)]
fn value(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

#[inline(always)]
fn bits(value: f32) -> u64 {
    value.to_bits().into()
}
