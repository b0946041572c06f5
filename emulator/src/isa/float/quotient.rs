//! Division and square root, by integer division and integer square root of significands: the
//! remainder says whether the result is exact.

use super::format::{
    Format, Number, Unpacked, infinity, invalid, is_negative, nan_result, unpack, zero,
};
use super::round::round_pack;
use super::{Flags, Rm};

/// `a / b`.
#[inline]
pub(super) fn div<F: Format>(rm: Rm, a: u64, b: u64) -> (u64, Flags) {
    let negative = is_negative::<F>(a ^ b);
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Unpacked::Finite(x), Unpacked::Finite(y)) => round_pack::<F>(quotient(negative, x, y), rm),
        (Unpacked::Nan, _) | (_, Unpacked::Nan) => nan_result::<F>(&[a, b]),
        (Unpacked::Infinite, Unpacked::Infinite) | (Unpacked::Zero, Unpacked::Zero) => {
            invalid::<F>()
        }
        (Unpacked::Infinite, _) => (infinity::<F>(negative), Flags::NONE),
        (Unpacked::Finite(_), Unpacked::Zero) => (infinity::<F>(negative), Flags::DZ),
        (Unpacked::Zero, _) | (_, Unpacked::Infinite) => (zero::<F>(negative), Flags::NONE),
    }
}

/// The square root of `a`; that of -0 is -0.
#[inline]
pub(super) fn sqrt<F: Format>(rm: Rm, a: u64) -> (u64, Flags) {
    match unpack::<F>(a) {
        Unpacked::Nan => nan_result::<F>(&[a]),
        Unpacked::Zero => (a, Flags::NONE),
        _ if is_negative::<F>(a) => invalid::<F>(),
        Unpacked::Infinite => (a, Flags::NONE),
        Unpacked::Finite(x) => round_pack::<F>(root(x), rm),
    }
}

/// The quotient to 64 bits, sticky.
#[inline]
fn quotient(negative: bool, a: Number, b: Number) -> Number {
    // Scaled so that the quotient has exactly 64 bits.
    let below_one = u32::from(a.significand < b.significand);
    let dividend = u128::from(a.significand) << (63 + below_one);
    let divisor = u128::from(b.significand);
    let (quotient, remainder) = (dividend / divisor, dividend % divisor);
    Number {
        negative,
        exponent: a.exponent - b.exponent - below_one as i32,
        significand: quotient as u64 | u64::from(remainder != 0),
    }
}

/// The square root to 64 bits, sticky.
#[inline]
fn root(a: Number) -> Number {
    // Scaled so that the exponent is even and the root has exactly 64 bits.
    let odd = (a.exponent & 1) as u32;
    let radicand = u128::from(a.significand) << (63 + odd);
    let root = radicand.isqrt();
    Number {
        negative: false,
        exponent: a.exponent >> 1,
        significand: root as u64 | u64::from(root * root != radicand),
    }
}
