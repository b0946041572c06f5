//! binary64 on the host.

use super::super::{Flags, Rm};
use super::{Quick, magnitude};
use crate::isa::fp::IntFmt;

pub(super) const SIGN: u64 = 1 << 63;
const FRACTION_BITS: u32 = 52;
const IMPLICIT: u64 = 1 << FRACTION_BITS;

/// `a + b`. A sum cannot underflow: a subnormal one is exact.
#[inline(always)]
pub(super) fn add(accrued: Flags, a: u64, b: u64) -> Quick {
    const BOUND: f64 = f64::from_bits(0x7fd0 << 48);
    let (a, b) = (f64::from_bits(a), f64::from_bits(b));
    let sum = a + b;
    if sum.abs() >= BOUND || sum.is_nan() {
        return None;
    }
    let inexact = !accrued.contains(Flags::NX) && error_of_sum(a, b, sum) != 0.0;
    Some((sum.to_bits(), Flags::NX.when(inexact)))
}

/// `a * b`.
#[inline(always)]
pub(super) fn mul(accrued: Flags, a: u64, b: u64) -> Quick {
    let product = (f64::from_bits(a) * f64::from_bits(b)).to_bits();
    if !is_safe(product) {
        return None;
    }
    let inexact = !accrued.contains(Flags::NX) && product_is_inexact(a, b)?;
    Some((product, Flags::NX.when(inexact)))
}

/// `a / b`.
#[inline(always)]
pub(super) fn div(accrued: Flags, a: u64, b: u64) -> Quick {
    let quotient = (f64::from_bits(a) / f64::from_bits(b)).to_bits();
    if !is_safe(quotient) {
        return None;
    }
    let inexact = !accrued.contains(Flags::NX) && !is_product(a, quotient, b)?;
    Some((quotient, Flags::NX.when(inexact)))
}

/// The square root of `a`.
#[inline(always)]
pub(super) fn sqrt(accrued: Flags, a: u64) -> Quick {
    let root = f64::from_bits(a).sqrt().to_bits();
    if !is_safe(root) {
        return None;
    }
    let inexact = !accrued.contains(Flags::NX) && !is_product(a, root, root)?;
    Some((root, Flags::NX.when(inexact)))
}

/// `a * b + c`. Whether it is exact is not worth finding out; the first that is not settles the
/// question for those that follow.
#[inline(always)]
pub(super) fn mul_add(accrued: Flags, a: u64, b: u64, c: u64) -> Quick {
    if !accrued.contains(Flags::NX) {
        return None;
    }
    let sum = f64::from_bits(a).mul_add(f64::from_bits(b), f64::from_bits(c)).to_bits();
    is_safe(sum).then_some((sum, Flags::NONE))
}

/// To binary32.
#[inline(always)]
pub(super) fn to_single(a: u64) -> Quick {
    let a = f64::from_bits(a);
    let single = a as f32;
    let bits = u64::from(single.to_bits());
    super::single::is_safe(bits).then_some((bits, Flags::NX.when(f64::from(single) != a)))
}

/// From the integer in `register`.
#[inline(always)]
pub(super) fn from_int(from: IntFmt, rm: Rm, register: u64) -> Quick {
    let value = match from {
        IntFmt::W => f64::from(register as i32),
        IntFmt::Wu => f64::from(register as u32),
        IntFmt::L => register as i64 as f64,
        IntFmt::Lu => register as f64,
    };
    let magnitude = magnitude(from, register);
    let cut_off = magnitude << (magnitude.leading_zeros() & 63) << (FRACTION_BITS + 1);
    let inexact = cut_off != 0;
    (!inexact || rm == Rm::Rne).then_some((value.to_bits(), Flags::NX.when(inexact)))
}

/// Whether a rounded result is finite, not zero, and far enough from both ends of the normal
/// range that rounding cannot have touched them.
#[inline(always)]
const fn is_safe(bits: u64) -> bool {
    const LEAST: u64 = 2 << FRACTION_BITS;
    const GREATEST: u64 = 0x7fd << FRACTION_BITS;
    (bits & !SIGN).wrapping_sub(LEAST) < GREATEST - LEAST
}

/// `a + b - sum` without error (Møller's and Knuth's TwoSum).
#[inline(always)]
pub(super) fn error_of_sum(a: f64, b: f64, sum: f64) -> f64 {
    let b_in_sum = sum - a;
    let a_in_sum = sum - b_in_sum;
    (a - a_in_sum) + (b - b_in_sum)
}

/// Whether the product of two normal numbers does not fit the significand; none where only the
/// multiplication itself can tell.
#[inline(always)]
fn product_is_inexact(a: u64, b: u64) -> Option<bool> {
    // An odd m-bit integer times an odd n-bit integer is odd and has m + n bits or one less.
    let bits = length(significand(a)?) + length(significand(b)?);
    match bits {
        0..=53 => Some(false),
        54 => None,
        _ => Some(true),
    }
}

/// Whether `product`, known to be `a * b` to within rounding of one of the three, is exactly
/// that; none where an operand is subnormal.
#[inline(always)]
fn is_product(product: u64, a: u64, b: u64) -> Option<bool> {
    let odd_part = |bits| significand(bits).map(|value| value >> value.trailing_zeros());
    let (a, b, product) = (odd_part(a)?, odd_part(b)?, odd_part(product)?);
    Some(u128::from(a) * u128::from(b) == u128::from(product))
}

/// The significand of a normal number.
#[inline(always)]
const fn significand(bits: u64) -> Option<u64> {
    if bits & !SIGN < IMPLICIT { None } else { Some(bits & (IMPLICIT - 1) | IMPLICIT) }
}

/// Number of bits of a significand down to the last that is set.
#[inline(always)]
const fn length(significand: u64) -> u32 {
    FRACTION_BITS + 1 - significand.trailing_zeros()
}
