//! Tests of the arithmetic as a whole. `manual.rs`: the manual's corner cases as tables;
//! `definition.rs`: binary16 against rounding as the standard defines it; `apfloat.rs`: all
//! formats against an independent implementation; `host.rs`: against the host, and the fast
//! path against the software. Here: where operands come from.

mod apfloat;
mod definition;
mod host;
mod manual;

use super::format::{Double, Format, Half, Single};
use super::*;
use crate::isa::fp::IntFmt;

const NONE: Flags = Flags::NONE;
const NX: Flags = Flags::NX;
const DZ: Flags = Flags::DZ;
const NV: Flags = Flags::NV;

/// A reproducible stream of adversarial operands (SplitMix64 underneath).
struct Operands(u64);

impl Operands {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ bits >> 31
    }

    /// Any value; one in eight from [`boundaries`].
    fn float(&mut self, fmt: Fmt) -> u64 {
        let choice = self.next();
        if choice.is_multiple_of(8) {
            let boundaries = boundaries(fmt);
            return boundaries[(choice >> 3) as usize % boundaries.len()];
        }
        let (bits, fraction_bits) = sizes(fmt);
        let random = self.next();
        // Fractions with long runs of equal bits, and short ones, meet the ties.
        let fraction = match choice >> 3 & 7 {
            0 => random << (random >> 58),
            1 => 1 << (random % 64) | 1 << (random >> 8 & 63),
            2 => !(1 << (random % 64)),
            3 => u64::MAX << (random & 63),
            4 => u64::MAX >> (random & 63),
            _ => random,
        };
        let exponent = match choice >> 6 & 3 {
            // Near one, so that exponents of several operands meet.
            0 => (1 << (bits - 2)) + (((choice >> 8) % 16) << fraction_bits),
            1 => (1 << (bits - 2)) - (((choice >> 8) % 16) << fraction_bits),
            _ => choice >> 8 & !0 >> (64 - bits) & !0 << fraction_bits,
        };
        let sign = (choice >> 5 & 1) << (bits - 1);
        exponent & !(1 << (bits - 1)) | fraction & !(!0 << fraction_bits) | sign
    }

    /// An integer of any length.
    fn integer(&mut self) -> u64 {
        let choice = self.next();
        let value = match choice & 3 {
            0 => 1 << (choice >> 2 & 63),
            1 => u64::MAX << (choice >> 2 & 63) >> (choice >> 8 & 63),
            _ => self.next() >> (choice >> 2 & 63),
        };
        value.wrapping_add((choice >> 14) % 3).wrapping_sub(1)
    }
}

/// Width of a format and of its fraction.
fn sizes(fmt: Fmt) -> (u32, u32) {
    match fmt {
        Fmt::H => (Half::BITS, Half::FRACTION_BITS),
        Fmt::S => (Single::BITS, Single::FRACTION_BITS),
        Fmt::D => (Double::BITS, Double::FRACTION_BITS),
    }
}

/// Every combination of an exponent and a fraction where something changes, in both signs.
fn boundaries(fmt: Fmt) -> &'static [u64] {
    use std::sync::OnceLock;
    static LISTS: [OnceLock<Vec<u64>>; 3] = [const { OnceLock::new() }; 3];
    LISTS[fmt as usize].get_or_init(|| {
        let (bits, fraction_bits) = sizes(fmt);
        let (top, one) = ((1u64 << (bits - 1 - fraction_bits)) - 1, 1 << fraction_bits);
        let (bias, precision) = (top / 2, u64::from(fraction_bits) + 1);
        let middle = [bias - precision, bias - 1, bias, bias + 1, bias + precision - 1];
        let mut exponents = vec![0, 1, 2, top - 2, top - 1, top];
        exponents.extend(middle.map(|exponent| exponent.min(top)));
        let fractions = [0, 1, one / 2 - 1, one / 2, one / 2 + 1, one - 2, one - 1];
        let mut list = Vec::new();
        for exponent in exponents {
            for fraction in fractions {
                let magnitude = exponent << fraction_bits | fraction;
                list.extend([magnitude, magnitude | 1 << (bits - 1)]);
            }
        }
        list
    })
}

/// Whether `bits` is a NaN.
fn is_nan(fmt: Fmt, bits: u64) -> bool {
    match fmt {
        Fmt::H => format::is_nan::<Half>(bits),
        Fmt::S => format::is_nan::<Single>(bits),
        Fmt::D => format::is_nan::<Double>(bits),
    }
}

#[test]
fn operands_reach_every_class() {
    for fmt in Fmt::ALL {
        let mut operands = Operands(1);
        let mut seen = 0;
        for _ in 0..20_000 {
            let bits = operands.float(fmt);
            assert!(sizes(fmt).0 == 64 || bits >> sizes(fmt).0 == 0, "{fmt:?} {bits:#x}");
            seen |= eval1(Fp1::Class, fmt, Rm::Rne, bits).0;
        }
        assert_eq!(seen, 0x3ff, "{fmt:?}");
    }
}
