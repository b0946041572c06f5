//! binary16 against the standard's own definition of rounding: of the two neighbours of the
//! exact result the mode picks one. The exact result is never computed; it is only compared
//! with candidates, in integers.

use std::cmp::Ordering;

use super::*;

/// Magnitudes are integers in units of 2^-26, a quarter of the least subnormal, so that
/// midpoints are integers too.
const UNIT_SHIFT: u32 = 26;
const INFINITY: u64 = 0x7c00;
const LEAST_NORMAL: u128 = 1 << (UNIT_SHIFT - 14);

/// The magnitude of a finite value; where ∞ stands, the next power of two.
fn magnitude(bits: u64) -> u128 {
    let (exponent, fraction) = (bits >> 10 & 0x1f, u128::from(bits & 0x3ff));
    if exponent == 0 { fraction << 2 } else { (fraction | 0x400) << (exponent + 1) }
}

/// Whether the mode moves a result between two neighbours away from zero; `to_midpoint` is how
/// it compares with their midpoint.
fn goes_up(rm: Rm, negative: bool, lower_is_odd: bool, to_midpoint: Ordering) -> bool {
    match rm {
        Rm::Rne => to_midpoint.is_gt() || to_midpoint.is_eq() && lower_is_odd,
        Rm::Rmm => to_midpoint.is_ge(),
        Rm::Rtz => false,
        Rm::Rdn => negative,
        Rm::Rup => !negative,
    }
}

/// Rounds a result that is not zero. `compare(m)` is how its magnitude compares with `m`.
fn rounded(rm: Rm, negative: bool, compare: impl Fn(u128) -> Ordering) -> (u64, Flags) {
    let sign = u64::from(negative) << 15;
    let (mut lower, mut above) = (0, INFINITY + 1);
    while above - lower > 1 {
        let middle = lower.midpoint(above);
        if compare(magnitude(middle)).is_ge() { lower = middle } else { above = middle }
    }
    if lower < INFINITY && compare(magnitude(lower)).is_eq() {
        return (lower | sign, NONE);
    }
    let beyond = lower == INFINITY;
    let midpoint = magnitude(lower).midpoint(magnitude(lower + 1));
    let up = goes_up(rm, negative, lower & 1 != 0, compare(midpoint));
    if beyond || lower + u64::from(up) == INFINITY {
        let up = goes_up(rm, negative, true, Ordering::Greater);
        return ((INFINITY - u64::from(!up)) | sign, Flags::OF | NX);
    }
    // Rounded to eleven bits as if the exponent had no lower bound.
    let neighbour = LEAST_NORMAL - 2;
    let tiny = compare(neighbour).is_le()
        || compare(LEAST_NORMAL).is_lt() && !goes_up(rm, negative, true, compare(LEAST_NORMAL - 1));
    ((lower + u64::from(up)) | sign, if tiny { Flags::UF | NX } else { NX })
}

fn signed(bits: u64) -> i128 {
    let magnitude = magnitude(bits & 0x7fff) as i128;
    if bits >> 15 != 0 { -magnitude } else { magnitude }
}

fn is_finite(bits: u64) -> bool {
    bits & INFINITY != INFINITY
}

/// `a * b + c` for finite operands.
fn mul_add(rm: Rm, a: u64, b: u64, c: u64) -> (u64, Flags) {
    let exact = signed(a) * signed(b) + (signed(c) << UNIT_SHIFT);
    if exact == 0 {
        let (product, addend) = ((a ^ b) >> 15, c >> 15);
        let negative = if product == addend { product != 0 } else { rm == Rm::Rdn };
        return (u64::from(negative) << 15, NONE);
    }
    rounded(rm, exact < 0, |m| exact.unsigned_abs().cmp(&(m << UNIT_SHIFT)))
}

const ONE: u64 = 0x3c00;
const MINUS_ZERO: u64 = 0x8000;

#[test]
fn sums_and_products() {
    let finite: Vec<_> = boundaries(Fmt::H).iter().copied().filter(|&a| is_finite(a)).collect();
    for rm in Rm::ALL {
        for &a in &finite {
            for &b in &finite {
                let context = format!("{a:#06x} {b:#06x} {rm:?}");
                // A product plus a zero of its own sign, and a sum with one times an operand.
                let product = mul_add(rm, a, b, (a ^ b) & MINUS_ZERO);
                assert_eq!(eval2(Fp2::Mul, Fmt::H, rm, a, b), product, "{context}");
                let sum = mul_add(rm, a, ONE, b);
                assert_eq!(eval2(Fp2::Add, Fmt::H, rm, a, b), sum, "{context}");
                let difference = mul_add(rm, a, ONE, b ^ MINUS_ZERO);
                assert_eq!(eval2(Fp2::Sub, Fmt::H, rm, a, b), difference, "{context}");
            }
        }
    }
}

#[test]
fn fused_products_and_sums() {
    let mut operands = Operands(2);
    for _ in 0..100_000 {
        let [a, b, c] = [(); 3].map(|()| operands.float(Fmt::H) & 0xffff);
        if ![a, b, c].into_iter().all(is_finite) {
            continue;
        }
        let minus = |bits| bits ^ MINUS_ZERO;
        for rm in Rm::ALL {
            for (op, expect) in [
                (Fp3::MulAdd, mul_add(rm, a, b, c)),
                (Fp3::MulSub, mul_add(rm, a, b, minus(c))),
                (Fp3::NegMulSub, mul_add(rm, minus(a), b, c)),
                (Fp3::NegMulAdd, mul_add(rm, minus(a), b, minus(c))),
            ] {
                let actual = eval3(op, Fmt::H, rm, [a, b, c]);
                assert_eq!(actual, expect, "{op:?} {a:#06x} {b:#06x} {c:#06x} {rm:?}");
            }
        }
    }
}

#[test]
fn quotients() {
    let mut operands = Operands(3);
    for _ in 0..100_000 {
        let [a, b] = [(); 2].map(|()| operands.float(Fmt::H));
        if !is_finite(a) || !is_finite(b) || magnitude(a) == 0 || magnitude(b) == 0 {
            continue;
        }
        let (x, y) = (magnitude(a & 0x7fff), magnitude(b & 0x7fff));
        for rm in Rm::ALL {
            let negative = (a ^ b) >> 15 != 0;
            let expect = rounded(rm, negative, |m| (x << UNIT_SHIFT).cmp(&(m * y)));
            let actual = eval2(Fp2::Div, Fmt::H, rm, a, b);
            assert_eq!(actual, expect, "{a:#06x} {b:#06x} {rm:?}");
        }
    }
}

#[test]
fn every_square_root() {
    for rm in Rm::ALL {
        for a in 1..INFINITY {
            let expect = rounded(rm, false, |m| (magnitude(a) << UNIT_SHIFT).cmp(&(m * m)));
            assert_eq!(eval1(Fp1::Sqrt, Fmt::H, rm, a), expect, "{a:#06x} {rm:?}");
        }
    }
}

#[test]
fn every_value_to_integers() {
    let round = |rm, a: u64| {
        let (whole, rest) =
            (magnitude(a & 0x7fff) >> UNIT_SHIFT, magnitude(a & 0x7fff) % (1 << 26));
        let up = rest != 0 && goes_up(rm, a >> 15 != 0, whole & 1 != 0, rest.cmp(&(1 << 25)));
        let whole = whole as i128 + i128::from(up);
        (if a >> 15 != 0 { -whole } else { whole }, if rest != 0 { NX } else { NONE })
    };
    for rm in Rm::ALL {
        for a in (0..INFINITY).chain(MINUS_ZERO..MINUS_ZERO | INFINITY) {
            let (exact, flags) = round(rm, a);
            for to in IntFmt::ALL {
                let unsigned = matches!(to, IntFmt::Wu | IntFmt::Lu);
                // Every finite binary16 fits the signed formats.
                let expect = if unsigned && exact < 0 { (0, NV) } else { (exact as u64, flags) };
                assert_eq!(eval1(Fp1::ToInt(to), Fmt::H, rm, a), expect, "{a:#06x} {to:?} {rm:?}");
            }
        }
    }
}

#[test]
fn every_value_widens_exactly_and_narrows_back() {
    let scale = f64::from(1u32 << UNIT_SHIFT);
    for a in (0..INFINITY).chain(MINUS_ZERO..MINUS_ZERO | INFINITY) {
        let sign = if a >> 15 != 0 { -1.0 } else { 1.0 };
        let expect = (magnitude(a & 0x7fff) as f64 / scale).copysign(sign);
        for rm in Rm::ALL {
            let check = |op, fmt, a, expect| {
                assert_eq!(eval1(op, fmt, rm, a), (expect, NONE), "{op:?} {a:#x} {rm:?}");
            };
            let (single, double) = ((expect as f32).to_bits().into(), expect.to_bits());
            check(Fp1::ToFloat(Fmt::S), Fmt::H, a, single);
            check(Fp1::ToFloat(Fmt::D), Fmt::H, a, double);
            check(Fp1::ToFloat(Fmt::H), Fmt::S, single, a);
            check(Fp1::ToFloat(Fmt::H), Fmt::D, double, a);
        }
    }
}

#[test]
fn narrowing() {
    let mut operands = Operands(4);
    for _ in 0..100_000 {
        // Around the range of binary16, with a fraction from the whole of binary64.
        let bits =
            operands.float(Fmt::D) & !(0x7ff << 52) | (0x3ff - 28 + operands.next() % 48) << 52;
        let exact = f64::from_bits(bits & !(1 << 63)) * f64::from(1u32 << UNIT_SHIFT);
        for rm in Rm::ALL {
            let compare = |m: u128| exact.total_cmp(&(m as f64));
            let expect = rounded(rm, bits >> 63 != 0, compare);
            let actual = eval1(Fp1::ToFloat(Fmt::H), Fmt::D, rm, bits);
            assert_eq!(actual, expect, "{bits:#018x} {rm:?}");
        }
    }
}

#[test]
fn integers_to_binary16() {
    let mut operands = Operands(5);
    for _ in 0..50_000 {
        let value = operands.integer();
        for from in IntFmt::ALL {
            let exact = match from {
                IntFmt::W => i128::from(value as i32),
                IntFmt::Wu => i128::from(value as u32),
                IntFmt::L => i128::from(value as i64),
                IntFmt::Lu => i128::from(value),
            };
            for rm in Rm::ALL {
                let compare = |m: u128| (exact.unsigned_abs() << UNIT_SHIFT).cmp(&m);
                let expect = if exact == 0 { (0, NONE) } else { rounded(rm, exact < 0, compare) };
                let actual = eval1(Fp1::FromInt(from), Fmt::H, rm, value);
                assert_eq!(actual, expect, "{from:?} {value:#x} {rm:?}");
            }
        }
    }
}
