//! What a format is made of, and its values taken apart. Every operation is written once over
//! [`Format`]; [`round`](super::round) puts results together again.

use super::Flags;

/// An IEEE 754 binary interchange format. Values are bits in the low end of a `u64`, those
/// above [`BITS`](Self::BITS) zero.
pub(super) trait Format {
    /// Width of the trailing significand, without the implicit bit.
    const FRACTION_BITS: u32;
    /// Width of the exponent field.
    const EXPONENT_BITS: u32;

    /// Width of the whole.
    const BITS: u32 = 1 + Self::EXPONENT_BITS + Self::FRACTION_BITS;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// +∞, and the mask of the exponent field.
    const INFINITY: u64 = (1 << (Self::BITS - 1)) - (1 << Self::FRACTION_BITS);
    /// The mask of the trailing significand.
    const FRACTION: u64 = (1 << Self::FRACTION_BITS) - 1;
    /// The bit that tells a quiet NaN from a signaling one.
    const QUIET: u64 = 1 << (Self::FRACTION_BITS - 1);
    /// The canonical NaN, the only NaN that arithmetic produces.
    const NAN: u64 = Self::INFINITY | Self::QUIET;
    /// Exponent of the greatest finite values; also the bias.
    const MAX_EXPONENT: i32 = (1 << (Self::EXPONENT_BITS - 1)) - 1;
    /// Exponent of the smallest normal values.
    const MIN_EXPONENT: i32 = 1 - Self::MAX_EXPONENT;
}

/// binary16.
pub(super) struct Half;
/// binary32.
pub(super) struct Single;
/// binary64.
pub(super) struct Double;

impl Format for Half {
    const FRACTION_BITS: u32 = 10;
    const EXPONENT_BITS: u32 = 5;
}

impl Format for Single {
    const FRACTION_BITS: u32 = 23;
    const EXPONENT_BITS: u32 = 8;
}

impl Format for Double {
    const FRACTION_BITS: u32 = 52;
    const EXPONENT_BITS: u32 = 11;
}

/// A finite number other than zero, exact or about to be rounded:
/// `±significand / 2^63 * 2^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// Whether it is below zero.
    pub(super) negative: bool,
    /// Exponent of the leading bit.
    pub(super) exponent: i32,
    /// Bit 63 is set. Bit 0 stands for itself and everything below ("sticky").
    pub(super) significand: u64,
}

impl Number {
    /// Bit of [`significand`](Self::significand) that is always set.
    pub(super) const LEADING_BIT: u64 = 1 << 63;

    /// The number `±significand / 2^63 * 2^exponent` for any `significand` but zero.
    #[inline(always)]
    pub(super) fn normalized(negative: bool, exponent: i32, significand: u64) -> Self {
        let shift = significand.leading_zeros();
        Self { negative, exponent: exponent - shift as i32, significand: significand << shift }
    }
}

/// A value taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unpacked {
    /// ±0.
    Zero,
    /// Any other finite value.
    Finite(Number),
    /// ±∞.
    Infinite,
    /// Quiet or signaling.
    Nan,
}

/// Takes `bits` apart; the sign of a zero or an infinity is [`is_negative`].
#[inline(always)]
pub(super) fn unpack<F: Format>(bits: u64) -> Unpacked {
    let negative = is_negative::<F>(bits);
    let fraction = bits & F::FRACTION;
    let biased = ((bits & F::INFINITY) >> F::FRACTION_BITS) as i32;
    let aligned = fraction << (63 - F::FRACTION_BITS);
    if biased == 0 {
        if fraction == 0 {
            return Unpacked::Zero;
        }
        return Unpacked::Finite(Number::normalized(negative, F::MIN_EXPONENT, aligned));
    }
    if bits & F::INFINITY == F::INFINITY {
        return if fraction == 0 { Unpacked::Infinite } else { Unpacked::Nan };
    }
    let exponent = biased - F::MAX_EXPONENT;
    Unpacked::Finite(Number { negative, exponent, significand: aligned | Number::LEADING_BIT })
}

/// Whether the sign bit is set.
#[inline(always)]
pub(super) const fn is_negative<F: Format>(bits: u64) -> bool {
    bits & F::SIGN != 0
}

/// Whether `bits` is a NaN.
#[inline(always)]
pub(super) const fn is_nan<F: Format>(bits: u64) -> bool {
    bits & !F::SIGN > F::INFINITY
}

/// Whether `bits` is a signaling NaN.
#[inline(always)]
pub(super) const fn is_signaling<F: Format>(bits: u64) -> bool {
    is_nan::<F>(bits) && bits & F::QUIET == 0
}

/// Whether both values are zeros, of whatever sign.
#[inline(always)]
pub(super) const fn both_zero<F: Format>(a: u64, b: u64) -> bool {
    (a | b) & !F::SIGN == 0
}

/// ±0.
#[inline(always)]
pub(super) const fn zero<F: Format>(negative: bool) -> u64 {
    if negative { F::SIGN } else { 0 }
}

/// ±∞.
#[inline(always)]
pub(super) const fn infinity<F: Format>(negative: bool) -> u64 {
    F::INFINITY | zero::<F>(negative)
}

/// The result of an operation that has no useful one: the canonical NaN, invalid.
#[inline(always)]
pub(super) const fn invalid<F: Format>() -> (u64, Flags) {
    (F::NAN, Flags::NV)
}

/// The result of arithmetic on `operands`, one of which is a NaN: the canonical NaN, invalid
/// if any of them is signaling.
#[cold]
pub(super) fn nan_result<F: Format>(operands: &[u64]) -> (u64, Flags) {
    let signaling = operands.iter().any(|&bits| is_signaling::<F>(bits));
    (F::NAN, Flags::NV.when(signaling))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_those_of_the_standard() {
        assert_eq!((Half::BITS, Single::BITS, Double::BITS), (16, 32, 64));
        assert_eq!((Half::NAN, Single::NAN), (0x7e00, 0x7fc0_0000));
        assert_eq!(Double::NAN, 0x7ff8 << 48);
        assert_eq!((Half::MIN_EXPONENT, Half::MAX_EXPONENT), (-14, 15));
        assert_eq!((Double::MIN_EXPONENT, Double::MAX_EXPONENT), (-1022, 1023));
    }

    #[test]
    fn unpack_normalizes_subnormals() {
        let check = |bits, negative, exponent, significand| {
            let number = Number { negative, exponent, significand };
            assert_eq!(unpack::<Half>(bits), Unpacked::Finite(number), "{bits:#06x}");
        };
        check(0x3c00, false, 0, 1 << 63);
        check(0xbe00, true, 0, 3 << 62);
        check(0x0001, false, -24, 1 << 63);
        check(0x83ff, true, -15, 0x3ff << 54);
        check(0x7bff, false, 15, 0x7ff << 53);
        assert_eq!(unpack::<Half>(0x8000), Unpacked::Zero);
        assert_eq!(unpack::<Half>(0xfc00), Unpacked::Infinite);
        assert_eq!(unpack::<Half>(0x7c01), Unpacked::Nan);
        assert!(is_signaling::<Half>(0xfdff) && !is_signaling::<Half>(0xfe00));
    }
}
