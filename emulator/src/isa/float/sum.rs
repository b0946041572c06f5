//! Addition, subtraction, multiplication and their fusion. A sum is taken of two [`Wide`]
//! numbers, wide enough for the exact product of two significands, so that `a + b` and
//! `a * b + c` are the same few lines.

use super::format::{
    Format, Number, Unpacked, infinity, invalid, is_negative, nan_result, unpack, zero,
};
use super::round::{cancels_to_negative, round_pack};
use super::{Flags, Rm};

/// A finite number other than zero: `±significand / 2^126 * 2^exponent` with bit 126 leading,
/// which leaves room for a carry. Bit 0 is sticky.
#[derive(Clone, Copy)]
struct Wide {
    negative: bool,
    exponent: i32,
    significand: u128,
}

impl Wide {
    #[inline(always)]
    fn of(number: Number) -> Self {
        let Number { negative, exponent, significand } = number;
        Self { negative, exponent, significand: u128::from(significand) << 63 }
    }

    /// The exact product. Significands of at most 63 bits leave bit 0 free.
    #[inline(always)]
    fn product(a: Number, b: Number) -> Self {
        let product = u128::from(a.significand) * u128::from(b.significand);
        let carry = (product >> 127) as u32;
        Self {
            negative: a.negative != b.negative,
            exponent: a.exponent + b.exponent + carry as i32,
            significand: product >> carry,
        }
    }

    /// The same number in 64 bits, the last of them sticky.
    #[inline(always)]
    fn narrow(self) -> Number {
        let shift = self.significand.leading_zeros();
        let normalized = self.significand << shift;
        Number {
            negative: self.negative,
            exponent: self.exponent + 1 - shift as i32,
            significand: (normalized >> 64) as u64 | u64::from(normalized as u64 != 0),
        }
    }

    /// The sum; none if it is exactly zero.
    ///
    /// Sticky shifts are exact enough: if the exponents differ by at most one nothing is
    /// shifted out, and if they differ by more at most one leading bit cancels, while the
    /// larger number has more than twenty zeros at its end.
    #[inline(always)]
    fn plus(self, other: Self) -> Option<Self> {
        let key = |wide: Self| (wide.exponent, wide.significand);
        let (large, small) = if key(self) >= key(other) { (self, other) } else { (other, self) };
        let distance = (large.exponent - small.exponent) as u32;
        let addend = match distance {
            0 => small.significand,
            1..127 => {
                let lost = small.significand << (128 - distance) != 0;
                small.significand >> distance | u128::from(lost)
            }
            _ => 1,
        };
        let significand = if large.negative == small.negative {
            large.significand + addend
        } else {
            large.significand - addend
        };
        (significand != 0).then_some(Self { significand, ..large })
    }
}

/// `a + b`.
#[inline]
pub(super) fn add<F: Format>(rm: Rm, a: u64, b: u64) -> (u64, Flags) {
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Unpacked::Finite(x), Unpacked::Finite(y)) => sum::<F>(rm, Wide::of(x), Wide::of(y)),
        (Unpacked::Nan, _) | (_, Unpacked::Nan) => nan_result::<F>(&[a, b]),
        (Unpacked::Zero, Unpacked::Zero) => (sum_of_zeros::<F>(rm, a, b), Flags::NONE),
        (Unpacked::Infinite, Unpacked::Infinite) if a != b => invalid::<F>(),
        (Unpacked::Infinite, _) | (_, Unpacked::Zero) => (a, Flags::NONE),
        (_, Unpacked::Infinite) | (Unpacked::Zero, _) => (b, Flags::NONE),
    }
}

/// `a - b`.
pub(super) fn sub<F: Format>(rm: Rm, a: u64, b: u64) -> (u64, Flags) {
    add::<F>(rm, a, b ^ F::SIGN)
}

/// `a * b`.
#[inline]
pub(super) fn mul<F: Format>(rm: Rm, a: u64, b: u64) -> (u64, Flags) {
    let negative = is_negative::<F>(a ^ b);
    match (unpack::<F>(a), unpack::<F>(b)) {
        (Unpacked::Finite(x), Unpacked::Finite(y)) => {
            round_pack::<F>(Wide::product(x, y).narrow(), rm)
        }
        (Unpacked::Nan, _) | (_, Unpacked::Nan) => nan_result::<F>(&[a, b]),
        (Unpacked::Infinite, Unpacked::Zero) | (Unpacked::Zero, Unpacked::Infinite) => {
            invalid::<F>()
        }
        (Unpacked::Infinite, _) | (_, Unpacked::Infinite) => (infinity::<F>(negative), Flags::NONE),
        (Unpacked::Zero, _) | (_, Unpacked::Zero) => (zero::<F>(negative), Flags::NONE),
    }
}

/// `a * b + c`, rounded once. `∞ * 0` is invalid even where `c` is a quiet NaN.
#[inline]
pub(super) fn mul_add<F: Format>(rm: Rm, a: u64, b: u64, c: u64) -> (u64, Flags) {
    let (x, y, z) = (unpack::<F>(a), unpack::<F>(b), unpack::<F>(c));
    let negative = is_negative::<F>(a ^ b);
    match (x, y) {
        (Unpacked::Finite(x), Unpacked::Finite(y)) => match z {
            Unpacked::Finite(z) => sum::<F>(rm, Wide::product(x, y), Wide::of(z)),
            Unpacked::Zero => round_pack::<F>(Wide::product(x, y).narrow(), rm),
            Unpacked::Infinite => (c, Flags::NONE),
            Unpacked::Nan => nan_result::<F>(&[c]),
        },
        (Unpacked::Infinite, Unpacked::Zero) | (Unpacked::Zero, Unpacked::Infinite) => {
            invalid::<F>()
        }
        (Unpacked::Nan, _) | (_, Unpacked::Nan) => nan_result::<F>(&[a, b, c]),
        // The product is exact: ±∞ or ±0.
        (Unpacked::Infinite, _) | (_, Unpacked::Infinite) => {
            add::<F>(rm, infinity::<F>(negative), c)
        }
        (Unpacked::Zero, _) | (_, Unpacked::Zero) => add::<F>(rm, zero::<F>(negative), c),
    }
}

/// The rounded sum.
#[inline]
fn sum<F: Format>(rm: Rm, a: Wide, b: Wide) -> (u64, Flags) {
    match a.plus(b) {
        Some(sum) => round_pack::<F>(sum.narrow(), rm),
        None => (zero::<F>(cancels_to_negative(rm)), Flags::NONE),
    }
}

/// `a + b` where both are zeros.
fn sum_of_zeros<F: Format>(rm: Rm, a: u64, b: u64) -> u64 {
    if a == b { a } else { zero::<F>(cancels_to_negative(rm)) }
}
