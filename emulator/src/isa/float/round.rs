//! The one place that rounds: an exact or sticky [`Number`] becomes a value of a format, with
//! overflow, underflow and inexact as the standard and the RISC-V manual define them.

use super::format::{Format, Number, infinity, zero};
use super::{Flags, Rm};

/// Rounds `number` to the format and packs it.
///
/// Tininess is detected after rounding: a result counts as tiny if it would lie below the
/// smallest normal number when rounded with an unbounded exponent range.
#[inline]
pub(super) fn round_pack<F: Format>(number: Number, rm: Rm) -> (u64, Flags) {
    let Number { negative, exponent, significand } = number;
    debug_assert!(significand & Number::LEADING_BIT != 0, "not normalized: {number:?}");
    if exponent > F::MAX_EXPONENT {
        return overflow::<F>(negative, rm);
    }
    let (scaled, field, tiny) = if exponent >= F::MIN_EXPONENT {
        (significand, (exponent - F::MIN_EXPONENT) as u64, false)
    } else {
        let deficit = (F::MIN_EXPONENT - exponent) as u32;
        let reaches_normal = deficit == 1 && carries_out::<F>(negative, significand, rm);
        (shift_right_sticky(significand, deficit), 0, !reaches_normal)
    };
    let (kept, rest) = split::<F>(scaled);
    // The leading bit, where there is one, and a carry out of the fraction both count the
    // exponent field up: that is what makes the packed formats sortable.
    let magnitude = (field << F::FRACTION_BITS) + kept + increment(rm, negative, kept, rest);
    if magnitude >= F::INFINITY {
        return overflow::<F>(negative, rm);
    }
    let inexact = rest != 0;
    let flags = Flags::NX.when(inexact) | Flags::UF.when(inexact && tiny);
    (magnitude | zero::<F>(negative), flags)
}

/// 1 if rounding moves `kept` away from zero, else 0. `rest` is what is cut off, in units of
/// 2^-64 of the last place kept.
#[inline(always)]
pub(super) fn increment(rm: Rm, negative: bool, kept: u64, rest: u64) -> u64 {
    const HALF: u64 = 1 << 63;
    let up = match rm {
        Rm::Rne => rest > HALF || rest == HALF && kept & 1 != 0,
        Rm::Rmm => rest >= HALF,
        Rm::Rtz => false,
        Rm::Rdn => negative && rest != 0,
        Rm::Rup => !negative && rest != 0,
    };
    up.into()
}

/// Whether an exact sum of zero, or of opposite values, is -0 in this mode.
#[inline(always)]
pub(super) const fn cancels_to_negative(rm: Rm) -> bool {
    matches!(rm, Rm::Rdn)
}

/// `value >> shift`, with bit 0 set if any bit set was shifted out.
#[inline(always)]
pub(super) const fn shift_right_sticky(value: u64, shift: u32) -> u64 {
    match shift {
        0 => value,
        1..64 => value >> shift | (value << (64 - shift) != 0) as u64,
        _ => (value != 0) as u64,
    }
}

/// The bits of a significand that the format keeps, and the rest in units of 2^-64 of them.
#[inline(always)]
const fn split<F: Format>(significand: u64) -> (u64, u64) {
    (significand >> (63 - F::FRACTION_BITS), significand << (F::FRACTION_BITS + 1))
}

/// Whether rounding at the format's full precision carries into the next binade.
fn carries_out<F: Format>(negative: bool, significand: u64, rm: Rm) -> bool {
    let (kept, rest) = split::<F>(significand);
    (kept + increment(rm, negative, kept, rest)) >> (F::FRACTION_BITS + 1) != 0
}

/// What a result beyond the finite range becomes: ∞, or the greatest finite value where the
/// rounding mode points back at it.
#[cold]
fn overflow<F: Format>(negative: bool, rm: Rm) -> (u64, Flags) {
    let to_infinity = match rm {
        Rm::Rne | Rm::Rmm => true,
        Rm::Rtz => false,
        Rm::Rdn => negative,
        Rm::Rup => !negative,
    };
    (infinity::<F>(negative) - u64::from(!to_infinity), Flags::OF | Flags::NX)
}

#[cfg(test)]
mod tests {
    use super::super::format::Half;
    use super::*;

    const NX: Flags = Flags::NX;
    const UF: Flags = Flags(Flags::UF.0 | NX.0);
    const OF: Flags = Flags(Flags::OF.0 | NX.0);

    /// Rounds ±significand * 2^(exponent - 63) to binary16 in the order of [`Rm::ALL`].
    fn check(negative: bool, exponent: i32, significand: u64, expect: [(u64, Flags); 5]) {
        let number = Number { negative, exponent, significand };
        let rounded = Rm::ALL.map(|rm| round_pack::<Half>(number, rm));
        assert_eq!(rounded, expect, "{number:x?}");
    }

    #[test]
    fn rounds_in_every_mode() {
        let one = 1 << 63;
        let half_ulp = 1 << 52;
        let same = |bits, flags| [(bits, flags); 5];
        check(false, 0, one, same(0x3c00, Flags::NONE));
        // A tie between even below and odd above, then one between odd below and even above.
        let tie = [0x3c00, 0x3c00, 0x3c00, 0x3c01, 0x3c01].map(|bits| (bits, NX));
        check(false, 0, one | half_ulp, tie);
        let tie = [0xbc02, 0xbc01, 0xbc02, 0xbc01, 0xbc02].map(|bits| (bits, NX));
        check(true, 0, one | (3 * half_ulp), tie);
        // Just off the tie, and the sticky bit alone.
        let above = [0x3c01, 0x3c00, 0x3c00, 0x3c01, 0x3c01].map(|bits| (bits, NX));
        check(false, 0, one | half_ulp | 1, above);
        let sticky = [0xbc00, 0xbc00, 0xbc01, 0xbc00, 0xbc00].map(|bits| (bits, NX));
        check(true, 0, one | 1, sticky);
        // The carry runs through the fraction into the exponent.
        let carry = [0x4000, 0x3fff, 0x3fff, 0x4000, 0x4000].map(|bits| (bits, NX));
        check(false, 0, u64::MAX, carry);
    }

    #[test]
    fn overflows_by_mode() {
        let beyond = [(0x7c00, OF), (0x7bff, OF), (0x7bff, OF), (0x7c00, OF), (0x7c00, OF)];
        check(false, 16, 1 << 63, beyond);
        let beyond = [(0xfc00, OF), (0xfbff, OF), (0xfc00, OF), (0xfbff, OF), (0xfc00, OF)];
        check(true, 2000, 1 << 63, beyond);
        // Just above the greatest finite value: only some modes leave the range.
        let brink = [(0x7bff, NX), (0x7bff, NX), (0x7bff, NX), (0x7c00, OF), (0x7bff, NX)];
        check(false, 15, 0x7ff << 53 | 1, brink);
        let brink = [(0x7c00, OF), (0x7bff, NX), (0x7bff, NX), (0x7c00, OF), (0x7c00, OF)];
        check(false, 15, 0xfff << 52, brink);
    }

    #[test]
    fn underflow_is_detected_after_rounding() {
        // Exact subnormals raise nothing.
        check(false, -24, 1 << 63, [(0x0001, Flags::NONE); 5]);
        check(true, -15, 1 << 63, [(0x8200, Flags::NONE); 5]);
        // Half of the smallest subnormal, and the least above nothing.
        let half = [0x0000, 0x0000, 0x0000, 0x0001, 0x0001].map(|bits| (bits, UF));
        check(false, -25, 1 << 63, half);
        let least = [0x8000, 0x8000, 0x8001, 0x8000, 0x8000].map(|bits| (bits, UF));
        check(true, -900, 1 << 63, least);
        // All ones just below the smallest normal: with eleven bits and an unbounded exponent
        // it would round up to that normal in three modes, so it is not tiny in those.
        let brink = [(0x0400, NX), (0x03ff, UF), (0x03ff, UF), (0x0400, NX), (0x0400, NX)];
        check(false, -15, u64::MAX, brink);
        // One bit less, and it delivers the normal but was tiny.
        let brink = [(0x0400, UF), (0x03ff, UF), (0x03ff, UF), (0x0400, UF), (0x0400, UF)];
        check(false, -15, 0x7ff << 53, brink);
    }

    #[test]
    fn sticky_shifts_lose_nothing() {
        let cases = [(0b1000, 3, 1), (0b1001, 3, 1), (0b11000, 4, 1), (0b10001, 4, 1), (4, 1, 2)];
        for (value, shift, expect) in cases {
            assert_eq!(shift_right_sticky(value, shift), expect, "{value:b} >> {shift}");
        }
        assert_eq!(shift_right_sticky(1 << 63, 63), 1);
        assert_eq!(shift_right_sticky(1 << 63, 64), 1);
        assert_eq!(shift_right_sticky(0, 4000), 0);
        assert_eq!(shift_right_sticky(5, 0), 5);
    }
}
