//! Conversions between formats, to integers and from integers.

use super::super::fp::IntFmt;
use super::format::{Format, Number, Unpacked, infinity, is_negative, nan_result, unpack, zero};
use super::round::{increment, round_pack, shift_right_sticky};
use super::{Flags, Rm};

/// A value of `F` as one of `G`.
#[inline]
pub(super) fn to_float<F: Format, G: Format>(rm: Rm, a: u64) -> (u64, Flags) {
    let negative = is_negative::<F>(a);
    match unpack::<F>(a) {
        Unpacked::Finite(x) => round_pack::<G>(x, rm),
        Unpacked::Zero => (zero::<G>(negative), Flags::NONE),
        Unpacked::Infinite => (infinity::<G>(negative), Flags::NONE),
        Unpacked::Nan => (G::NAN, nan_result::<F>(&[a]).1),
    }
}

/// A value of `F` as an integer, as it stands in a 64-bit register. What does not fit is
/// invalid and becomes the nearest integer that does; a NaN becomes the greatest.
#[inline]
pub(super) fn to_int<F: Format>(to: IntFmt, rm: Rm, a: u64) -> (u64, Flags) {
    match unpack::<F>(a) {
        Unpacked::Zero => (0, Flags::NONE),
        Unpacked::Nan => (limit(to, false), Flags::NV),
        Unpacked::Infinite => (limit(to, is_negative::<F>(a)), Flags::NV),
        Unpacked::Finite(x) => match round_to_integer(rm, x) {
            Some((magnitude, flags)) if fits(to, x.negative, magnitude) => {
                (in_register(to, x.negative, magnitude), flags)
            }
            _ => (limit(to, x.negative), Flags::NV),
        },
    }
}

/// The integer in `register` as a value of `F`.
#[inline]
pub(super) fn from_int<F: Format>(from: IntFmt, rm: Rm, register: u64) -> (u64, Flags) {
    let (negative, magnitude) = match from {
        IntFmt::W => ((register as i32).is_negative(), u64::from((register as i32).unsigned_abs())),
        IntFmt::Wu => (false, u64::from(register as u32)),
        IntFmt::L => ((register as i64).is_negative(), (register as i64).unsigned_abs()),
        IntFmt::Lu => (false, register),
    };
    match magnitude {
        0 => (0, Flags::NONE),
        _ => round_pack::<F>(Number::normalized(negative, 63, magnitude), rm),
    }
}

/// The magnitude of `number` rounded to an integer; none where 64 bits do not hold it.
fn round_to_integer(rm: Rm, number: Number) -> Option<(u64, Flags)> {
    let Number { negative, exponent, significand } = number;
    let (kept, rest) = match exponent {
        64.. => return None,
        63 => (significand, 0),
        0..63 => (significand >> (63 - exponent), significand << (exponent + 1)),
        _ => (0, shift_right_sticky(significand, (-1 - exponent) as u32)),
    };
    // Below 2^63 wherever there is a rest, so the sum does not wrap.
    Some((kept + increment(rm, negative, kept, rest), Flags::NX.when(rest != 0)))
}

/// Whether the integer format holds `±magnitude`.
const fn fits(to: IntFmt, negative: bool, magnitude: u64) -> bool {
    let bound = match (to, negative) {
        (IntFmt::W, false) => i32::MAX as u64,
        (IntFmt::W, true) => i32::MIN.unsigned_abs() as u64,
        (IntFmt::L, false) => i64::MAX as u64,
        (IntFmt::L, true) => i64::MIN.unsigned_abs(),
        (IntFmt::Wu, false) => u32::MAX as u64,
        (IntFmt::Lu, false) => u64::MAX,
        (IntFmt::Wu | IntFmt::Lu, true) => 0,
    };
    magnitude <= bound
}

/// The integer nearest to everything beyond the range on one side.
const fn limit(to: IntFmt, negative: bool) -> u64 {
    match (to, negative) {
        (IntFmt::W, false) => i32::MAX as u64,
        (IntFmt::W, true) => i32::MIN as u64,
        (IntFmt::L, false) => i64::MAX as u64,
        (IntFmt::L, true) => i64::MIN as u64,
        // The greatest 32-bit integer is sign-extended too.
        (IntFmt::Wu | IntFmt::Lu, false) => u64::MAX,
        (IntFmt::Wu | IntFmt::Lu, true) => 0,
    }
}

/// `±magnitude` in a register: 32-bit results are sign-extended, unsigned ones too.
const fn in_register(to: IntFmt, negative: bool, magnitude: u64) -> u64 {
    let value = if negative { magnitude.wrapping_neg() } else { magnitude };
    match to {
        IntFmt::W | IntFmt::Wu => value as i32 as u64,
        IntFmt::L | IntFmt::Lu => value,
    }
}
