//! The corner cases that the F, D and Zfh chapters spell out, as tables. Operands are written
//! in binary32 and given to every format.

use super::*;

const ZERO: u64 = 0;
const ONE: u64 = 0x3f80_0000;
const TWO: u64 = 0x4000_0000;
const INF: u64 = 0x7f80_0000;
const GREATEST: u64 = 0x7f7f_ffff;
const QUIET: u64 = 0x7fc0_0001;
const SIGNALING: u64 = 0x7f80_0001;
const CANONICAL: u64 = 0x7fc0_0000;

const fn minus(bits: u64) -> u64 {
    bits | 1 << 31
}

/// The same class of value in another format: special values and ±1, ±2 keep their meaning.
fn in_format(fmt: Fmt, single: u64) -> u64 {
    let sign = single >> 31 << (sizes(fmt).0 - 1);
    let (_, fraction_bits) = sizes(fmt);
    let infinity = (1 << (sizes(fmt).0 - 1)) - (1 << fraction_bits);
    let magnitude = match single & !(1 << 31) {
        SIGNALING => infinity | 1,
        QUIET => infinity | 1 << (fraction_bits - 1) | 1,
        CANONICAL => infinity | 1 << (fraction_bits - 1),
        INF => infinity,
        GREATEST => infinity - 1,
        magnitude => eval1(Fp1::ToFloat(fmt), Fmt::S, Rm::Rtz, magnitude).0,
    };
    magnitude | sign
}

#[test]
fn two_operands() {
    let check = |op, a, b, expect: (u64, Flags)| {
        for fmt in Fmt::ALL {
            for rm in Rm::ALL {
                let [a, b, value] = [a, b, expect.0].map(|bits| in_format(fmt, bits));
                let actual = eval2(op, fmt, rm, a, b);
                assert_eq!(actual, (value, expect.1), "{op:?} {fmt:?} {rm:?} {a:#x} {b:#x}");
            }
        }
    };
    // Every NaN result is the canonical one; only a signaling operand is invalid.
    for op in [Fp2::Add, Fp2::Sub, Fp2::Mul, Fp2::Div] {
        check(op, QUIET, ONE, (CANONICAL, NONE));
        check(op, INF, minus(QUIET), (CANONICAL, NONE));
        check(op, SIGNALING, ZERO, (CANONICAL, NV));
        check(op, QUIET, minus(SIGNALING), (CANONICAL, NV));
    }
    check(Fp2::Add, INF, minus(INF), (CANONICAL, NV));
    check(Fp2::Add, INF, INF, (INF, NONE));
    check(Fp2::Add, minus(INF), GREATEST, (minus(INF), NONE));
    check(Fp2::Sub, INF, INF, (CANONICAL, NV));
    check(Fp2::Sub, ONE, INF, (minus(INF), NONE));
    check(Fp2::Add, minus(ZERO), minus(ZERO), (minus(ZERO), NONE));
    check(Fp2::Sub, ZERO, minus(ZERO), (ZERO, NONE));
    check(Fp2::Sub, minus(ZERO), ZERO, (minus(ZERO), NONE));
    check(Fp2::Add, minus(ZERO), ONE, (ONE, NONE));
    check(Fp2::Mul, INF, minus(ZERO), (CANONICAL, NV));
    check(Fp2::Mul, ZERO, INF, (CANONICAL, NV));
    check(Fp2::Mul, minus(INF), TWO, (minus(INF), NONE));
    check(Fp2::Mul, minus(ZERO), ONE, (minus(ZERO), NONE));
    check(Fp2::Div, ONE, ZERO, (INF, DZ));
    check(Fp2::Div, ONE, minus(ZERO), (minus(INF), DZ));
    check(Fp2::Div, INF, ZERO, (INF, NONE));
    check(Fp2::Div, minus(ZERO), ZERO, (CANONICAL, NV));
    check(Fp2::Div, INF, minus(INF), (CANONICAL, NV));
    check(Fp2::Div, ONE, minus(INF), (minus(ZERO), NONE));
    check(Fp2::Div, ZERO, minus(TWO), (minus(ZERO), NONE));
}

#[test]
fn exact_cancellation_is_negative_only_when_rounding_down() {
    for fmt in Fmt::ALL {
        let [zero, one, two] = [ZERO, ONE, TWO].map(|bits| in_format(fmt, bits));
        let [minus_zero, minus_two] = [ZERO, TWO].map(|bits| in_format(fmt, minus(bits)));
        for rm in Rm::ALL {
            let expect = (if rm == Rm::Rdn { minus_zero } else { zero }, NONE);
            assert_eq!(eval2(Fp2::Sub, fmt, rm, two, two), expect, "{fmt:?} {rm:?}");
            assert_eq!(eval2(Fp2::Add, fmt, rm, zero, minus_zero), expect, "{fmt:?} {rm:?}");
            let fused = eval3(Fp3::MulAdd, fmt, rm, [two, one, minus_two]);
            assert_eq!(fused, expect, "{fmt:?} {rm:?}");
            let fused = eval3(Fp3::MulAdd, fmt, rm, [zero, one, minus_zero]);
            assert_eq!(fused, expect, "{fmt:?} {rm:?}");
        }
    }
}

#[test]
fn minimum_and_maximum() {
    let check = |a, b, min: u64, max: u64, flags| {
        for fmt in Fmt::ALL {
            let [a, b, min, max] = [a, b, min, max].map(|bits| in_format(fmt, bits));
            for (a, b) in [(a, b), (b, a)] {
                let context = format!("{fmt:?} {a:#x} {b:#x}");
                assert_eq!(eval2(Fp2::Min, fmt, Rm::Rne, a, b), (min, flags), "min {context}");
                assert_eq!(eval2(Fp2::Max, fmt, Rm::Rne, a, b), (max, flags), "max {context}");
            }
        }
    };
    check(ONE, TWO, ONE, TWO, NONE);
    check(minus(ONE), minus(TWO), minus(TWO), minus(ONE), NONE);
    check(minus(ONE), TWO, minus(ONE), TWO, NONE);
    check(minus(ZERO), ZERO, minus(ZERO), ZERO, NONE);
    check(minus(INF), INF, minus(INF), INF, NONE);
    check(INF, GREATEST, GREATEST, INF, NONE);
    // A NaN loses, quiet or not, and a signaling one is invalid all the same.
    check(QUIET, ONE, ONE, ONE, NONE);
    check(SIGNALING, minus(INF), minus(INF), minus(INF), NV);
    check(QUIET, minus(QUIET), CANONICAL, CANONICAL, NONE);
    check(QUIET, SIGNALING, CANONICAL, CANONICAL, NV);
}

#[test]
fn comparisons() {
    let check = |a, b, eq: (u64, Flags), lt: (u64, Flags), le: (u64, Flags)| {
        for fmt in Fmt::ALL {
            let [a, b] = [a, b].map(|bits| in_format(fmt, bits));
            let actual = [Fp2::Eq, Fp2::Lt, Fp2::Le].map(|op| eval2(op, fmt, Rm::Rne, a, b));
            assert_eq!(actual, [eq, lt, le], "{fmt:?} {a:#x} {b:#x}");
        }
    };
    let (yes, no) = ((1, NONE), (0, NONE));
    check(ONE, ONE, yes, no, yes);
    check(ONE, TWO, no, yes, yes);
    check(TWO, ONE, no, no, no);
    check(minus(TWO), minus(ONE), no, yes, yes);
    check(minus(ONE), ONE, no, yes, yes);
    check(ZERO, minus(ZERO), yes, no, yes);
    check(minus(ZERO), ZERO, yes, no, yes);
    check(minus(INF), INF, no, yes, yes);
    check(INF, INF, yes, no, yes);
    check(QUIET, QUIET, no, (0, NV), (0, NV));
    check(ONE, QUIET, no, (0, NV), (0, NV));
    check(SIGNALING, ONE, (0, NV), (0, NV), (0, NV));
    check(QUIET, SIGNALING, (0, NV), (0, NV), (0, NV));
}

#[test]
fn classes_and_square_roots() {
    const LEAST: u64 = 1;
    let check = |single, class: u32, root: Option<(u64, Flags)>| {
        for fmt in Fmt::ALL {
            let bits = if single & !(1 << 31) == LEAST {
                in_format(fmt, single & 1 << 31) | LEAST
            } else {
                in_format(fmt, single)
            };
            let actual = eval1(Fp1::Class, fmt, Rm::Rne, bits);
            assert_eq!(actual, (1 << class, NONE), "{fmt:?} {bits:#x}");
            if let Some((value, flags)) = root {
                let expect = (in_format(fmt, value), flags);
                assert_eq!(eval1(Fp1::Sqrt, fmt, Rm::Rdn, bits), expect, "{fmt:?} {bits:#x}");
            }
        }
    };
    check(minus(INF), 0, Some((CANONICAL, NV)));
    check(minus(ONE), 1, Some((CANONICAL, NV)));
    check(minus(GREATEST), 1, Some((CANONICAL, NV)));
    check(minus(LEAST), 2, Some((CANONICAL, NV)));
    check(minus(ZERO), 3, Some((minus(ZERO), NONE)));
    check(ZERO, 4, Some((ZERO, NONE)));
    check(LEAST, 5, None);
    check(ONE, 6, Some((ONE, NONE)));
    check(INF, 7, Some((INF, NONE)));
    check(SIGNALING, 8, Some((CANONICAL, NV)));
    check(minus(SIGNALING), 8, Some((CANONICAL, NV)));
    check(QUIET, 9, Some((CANONICAL, NONE)));
    check(minus(CANONICAL), 9, Some((CANONICAL, NONE)));
}

#[test]
fn sign_injection_keeps_nans() {
    let check = |a, b, expect: [u64; 3]| {
        for fmt in Fmt::ALL {
            let [a, b] = [a, b].map(|bits| in_format(fmt, bits));
            let expect = expect.map(|bits| (in_format(fmt, bits), NONE));
            let ops = [Fp2::SgnJ, Fp2::SgnJn, Fp2::SgnJx];
            let actual = ops.map(|op| eval2(op, fmt, Rm::Rne, a, b));
            assert_eq!(actual, expect, "{fmt:?} {a:#x} {b:#x}");
        }
    };
    check(ONE, minus(TWO), [minus(ONE), ONE, minus(ONE)]);
    check(minus(ONE), minus(TWO), [minus(ONE), ONE, ONE]);
    check(minus(ONE), TWO, [ONE, minus(ONE), minus(ONE)]);
    check(SIGNALING, minus(QUIET), [minus(SIGNALING), SIGNALING, minus(SIGNALING)]);
}

#[test]
fn fused() {
    let check = |op, abc: [u64; 3], expect: (u64, Flags)| {
        for fmt in Fmt::ALL {
            let [a, b, c] = abc.map(|bits| in_format(fmt, bits));
            let expect = (in_format(fmt, expect.0), expect.1);
            assert_eq!(eval3(op, fmt, Rm::Rne, [a, b, c]), expect, "{op:?} {fmt:?} {abc:x?}");
        }
    };
    // Infinity times zero is invalid even when the addend is a quiet NaN.
    check(Fp3::MulAdd, [INF, ZERO, QUIET], (CANONICAL, NV));
    check(Fp3::NegMulAdd, [ZERO, minus(INF), QUIET], (CANONICAL, NV));
    check(Fp3::MulAdd, [INF, ZERO, ONE], (CANONICAL, NV));
    check(Fp3::MulAdd, [QUIET, ZERO, ONE], (CANONICAL, NONE));
    check(Fp3::MulAdd, [ONE, ONE, QUIET], (CANONICAL, NONE));
    check(Fp3::MulAdd, [ONE, ONE, SIGNALING], (CANONICAL, NV));
    check(Fp3::MulAdd, [INF, QUIET, SIGNALING], (CANONICAL, NV));
    check(Fp3::MulAdd, [INF, ONE, minus(INF)], (CANONICAL, NV));
    check(Fp3::MulSub, [INF, ONE, minus(INF)], (INF, NONE));
    check(Fp3::MulAdd, [GREATEST, GREATEST, minus(INF)], (minus(INF), NONE));
    check(Fp3::MulAdd, [GREATEST, TWO, minus(GREATEST)], (GREATEST, NONE));
    check(Fp3::MulAdd, [ONE, ONE, ONE], (TWO, NONE));
    check(Fp3::NegMulSub, [ONE, ONE, TWO], (ONE, NONE));
    check(Fp3::NegMulSub, [TWO, ONE, ONE], (minus(ONE), NONE));
    check(Fp3::NegMulAdd, [ZERO, ONE, ONE], (minus(ONE), NONE));
    check(Fp3::NegMulAdd, [ZERO, ONE, ZERO], (minus(ZERO), NONE));
    check(Fp3::NegMulAdd, [ZERO, ONE, minus(ZERO)], (ZERO, NONE));
}

#[test]
fn to_integers() {
    let check = |value: f64, to, rm, expect: (u64, Flags)| {
        let actual = eval1(Fp1::ToInt(to), Fmt::D, rm, value.to_bits());
        assert_eq!(actual, expect, "{value} {to:?} {rm:?}");
    };
    let (w, wu, l, lu) = (IntFmt::W, IntFmt::Wu, IntFmt::L, IntFmt::Lu);
    let minus_one = -1i64 as u64;
    // "Domains of float-to-integer conversions and behavior for invalid inputs".
    for (to, least, greatest) in [
        (w, i32::MIN as u64, i32::MAX as u64),
        (wu, 0, minus_one),
        (l, i64::MIN as u64, i64::MAX as u64),
        (lu, 0, u64::MAX),
    ] {
        check(f64::NAN, to, Rm::Rne, (greatest, NV));
        check(-f64::NAN, to, Rm::Rne, (greatest, NV));
        check(f64::INFINITY, to, Rm::Rtz, (greatest, NV));
        check(f64::NEG_INFINITY, to, Rm::Rtz, (least, NV));
        check(1e300, to, Rm::Rdn, (greatest, NV));
        check(-1e300, to, Rm::Rup, (least, NV));
        check(-0.0, to, Rm::Rdn, (0, NONE));
    }
    // Whether a value is in range is decided after rounding; invalid excludes inexact.
    check(2_147_483_647.5, w, Rm::Rtz, (0x7fff_ffff, NX));
    check(2_147_483_647.5, w, Rm::Rne, (0x7fff_ffff, NV));
    check(-2_147_483_648.5, w, Rm::Rne, (i32::MIN as u64, NX));
    check(-2_147_483_648.5, w, Rm::Rmm, (i32::MIN as u64, NV));
    check(4_294_967_295.0, wu, Rm::Rne, (minus_one, NONE));
    check(2_147_483_648.0, wu, Rm::Rne, (i32::MIN as u64, NONE));
    check(4_294_967_295.5, wu, Rm::Rup, (minus_one, NV));
    check(-0.75, wu, Rm::Rtz, (0, NX));
    check(-0.75, wu, Rm::Rne, (0, NV));
    check(-0.25, lu, Rm::Rdn, (0, NV));
    check(-0.5, lu, Rm::Rne, (0, NX));
    check(-9_223_372_036_854_775_808.0, l, Rm::Rne, (i64::MIN as u64, NONE));
    check(9_223_372_036_854_775_808.0, l, Rm::Rne, (i64::MAX as u64, NV));
    check(9_223_372_036_854_775_808.0, lu, Rm::Rne, (1 << 63, NONE));
    for (value, expect) in [
        (2.5, [2i64, 2, 2, 3, 3]),
        (-2.5, [-2, -2, -3, -2, -3]),
        (1.5, [2, 1, 1, 2, 2]),
        (0.25, [0, 0, 0, 1, 0]),
    ] {
        for (rm, expect) in Rm::ALL.into_iter().zip(expect) {
            check(value, w, rm, (expect as u64, NX));
        }
    }
}

#[test]
fn boxing() {
    assert_eq!(box_(Fmt::S, 0x3f80_0000), 0xffff_ffff_3f80_0000);
    assert_eq!(box_(Fmt::H, 0x3c00), 0xffff_ffff_ffff_3c00);
    let check = |fmt, register, expect| assert_eq!(unbox(fmt, register), expect, "{register:#x}");
    check(Fmt::S, 0xffff_ffff_3f80_0000, 0x3f80_0000);
    check(Fmt::S, 0xffff_fffe_3f80_0000, Single::NAN);
    check(Fmt::S, 0x0000_0000_3f80_0000, Single::NAN);
    check(Fmt::H, 0xffff_ffff_ffff_3c00, 0x3c00);
    check(Fmt::H, 0xffff_ffff_0000_3c00, Half::NAN);
    check(Fmt::H, 0xffff_ffff_fffe_ffff, Half::NAN);
    check(Fmt::D, 0x1234_5678_9abc_def0, 0x1234_5678_9abc_def0);
    // Bits moved to an x register are sign-extended.
    for (fmt, bits, expect) in [
        (Fmt::H, 0xffff_0000_0000_8000, 0xffff_ffff_ffff_8000),
        (Fmt::H, 0xffff_ffff_ffff_7fff, 0x7fff),
        (Fmt::S, 0x0000_0000_8000_0000, 0xffff_ffff_8000_0000),
        (Fmt::D, 0x8000_0000_0000_0001, 0x8000_0000_0000_0001),
    ] {
        assert_eq!(eval1(Fp1::Bits, fmt, Rm::Rne, bits), (expect, NONE), "{bits:#x}");
    }
}
