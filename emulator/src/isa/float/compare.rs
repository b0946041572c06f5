//! Operations that round nothing: comparisons, minimum and maximum, sign injection, class.

use super::Flags;
use super::format::{Format, both_zero, is_nan, is_negative, is_signaling};

/// 1 where `a == b`. Quiet: only a signaling NaN is invalid.
#[inline(always)]
pub(super) fn eq<F: Format>(a: u64, b: u64) -> (u64, Flags) {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return (0, invalid_if_signaling::<F>(a, b));
    }
    (u64::from(a == b || both_zero::<F>(a, b)), Flags::NONE)
}

/// 1 where `a < b`. Signaling: any NaN is invalid.
#[inline(always)]
pub(super) fn lt<F: Format>(a: u64, b: u64) -> (u64, Flags) {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return (0, Flags::NV);
    }
    (u64::from(order::<F>(a) < order::<F>(b) && !both_zero::<F>(a, b)), Flags::NONE)
}

/// 1 where `a <= b`. Signaling: any NaN is invalid.
#[inline(always)]
pub(super) fn le<F: Format>(a: u64, b: u64) -> (u64, Flags) {
    if is_nan::<F>(a) || is_nan::<F>(b) {
        return (0, Flags::NV);
    }
    (u64::from(order::<F>(a) <= order::<F>(b) || both_zero::<F>(a, b)), Flags::NONE)
}

/// IEEE 754-2019 minimumNumber, with -0 below +0.
#[inline(always)]
pub(super) fn min<F: Format>(a: u64, b: u64) -> (u64, Flags) {
    let smaller = if order::<F>(a) < order::<F>(b) { a } else { b };
    (number_of::<F>(a, b).unwrap_or(smaller), invalid_if_signaling::<F>(a, b))
}

/// IEEE 754-2019 maximumNumber, with -0 below +0.
#[inline(always)]
pub(super) fn max<F: Format>(a: u64, b: u64) -> (u64, Flags) {
    let greater = if order::<F>(a) < order::<F>(b) { b } else { a };
    (number_of::<F>(a, b).unwrap_or(greater), invalid_if_signaling::<F>(a, b))
}

/// `magnitude` with the sign bit of `sign`; NaNs are values like any other here.
#[inline(always)]
pub(super) const fn with_sign_of<F: Format>(magnitude: u64, sign: u64) -> u64 {
    magnitude & !F::SIGN | sign & F::SIGN
}

/// The mask that `fclass` returns, one of ten bits ("Single-Precision Floating-Point Classify
/// Instruction").
#[inline(always)]
pub(super) const fn classify<F: Format>(a: u64) -> u64 {
    let negative = is_negative::<F>(a);
    let magnitude = a & !F::SIGN;
    let bit = if is_nan::<F>(a) {
        return if is_signaling::<F>(a) { 1 << 8 } else { 1 << 9 };
    } else if magnitude == F::INFINITY {
        0
    } else if magnitude > F::FRACTION {
        1
    } else if magnitude != 0 {
        2
    } else {
        3
    };
    // The positive classes are the negative ones in the opposite order.
    if negative { 1 << bit } else { 1 << (7 - bit) }
}

/// A key that sorts as the values do, with -0 just below +0; meaningless for NaNs.
#[inline(always)]
const fn order<F: Format>(a: u64) -> i64 {
    let aligned = (a << (64 - F::BITS)) as i64;
    aligned ^ ((aligned >> 63) as u64 >> 1) as i64
}

/// What minimum and maximum yield where an operand is a NaN: the other operand, or the
/// canonical NaN where both are. None where neither is.
#[inline(always)]
fn number_of<F: Format>(a: u64, b: u64) -> Option<u64> {
    match (is_nan::<F>(a), is_nan::<F>(b)) {
        (false, false) => None,
        (false, true) => Some(a),
        (true, false) => Some(b),
        (true, true) => Some(F::NAN),
    }
}

#[inline(always)]
fn invalid_if_signaling<F: Format>(a: u64, b: u64) -> Flags {
    Flags::NV.when(is_signaling::<F>(a) || is_signaling::<F>(b))
}
