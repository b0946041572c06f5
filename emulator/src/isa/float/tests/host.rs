//! Against the host's floating-point unit, where it can do the operation, and the fast path
//! against the software.

use super::*;

const ROUNDS: u32 = 200_000;

fn single(bits: u64) -> f32 {
    f32::from_bits(bits as u32)
}

fn double(bits: u64) -> f64 {
    f64::from_bits(bits)
}

/// Compares the bits of a result, NaNs by class.
fn check(fmt: Fmt, actual: (u64, Flags), expect: u64, context: &dyn Fn() -> String) {
    if is_nan(fmt, expect) {
        assert!(is_nan(fmt, actual.0), "{}: {:#x}", context(), actual.0);
    } else {
        assert_eq!(actual.0, expect, "{}: {:#x} not {expect:#x}", context(), actual.0);
    }
}

#[test]
fn software_agrees_with_the_host_in_nearest_even() {
    for fmt in [Fmt::S, Fmt::D] {
        let mut operands = Operands(40 + fmt as u64);
        for _ in 0..ROUNDS {
            let (a, b) = (operands.float(fmt), operands.float(fmt));
            let context = || format!("{fmt:?} {a:#x} {b:#x}");
            let of_double = |f: fn(f64, f64) -> f64| f(double(a), double(b)).to_bits();
            let of_single = |f: fn(f32, f32) -> f32| f(single(a), single(b)).to_bits().into();
            let pick = |s: fn(f32, f32) -> f32, d: fn(f64, f64) -> f64| {
                if fmt == Fmt::D { of_double(d) } else { of_single(s) }
            };
            for (op, expect) in [
                (Fp2::Add, pick(|a, b| a + b, |a, b| a + b)),
                (Fp2::Sub, pick(|a, b| a - b, |a, b| a - b)),
                (Fp2::Mul, pick(|a, b| a * b, |a, b| a * b)),
                (Fp2::Div, pick(|a, b| a / b, |a, b| a / b)),
            ] {
                check(fmt, eval2(op, fmt, Rm::Rne, a, b), expect, &context);
            }
            let root = pick(|a, _| a.sqrt(), |a, _| a.sqrt());
            check(fmt, eval1(Fp1::Sqrt, fmt, Rm::Rne, a), root, &context);
            let comparisons = match fmt {
                Fmt::D => compared(&double(a), &double(b)),
                _ => compared(&single(a), &single(b)),
            };
            for (op, expect) in [Fp2::Eq, Fp2::Lt, Fp2::Le].into_iter().zip(comparisons) {
                assert_eq!(
                    eval2(op, fmt, Rm::Rne, a, b).0,
                    u64::from(expect),
                    "{op:?} {}",
                    context()
                );
            }
        }
    }
}

fn compared<T: PartialOrd>(a: &T, b: &T) -> [bool; 3] {
    [a == b, a < b, a <= b]
}

/// The other modes, of which the host and the other oracle know no square root: directed
/// results bracket the root, and are neighbours unless it is exact.
#[test]
fn square_roots_are_bracketed() {
    for fmt in [Fmt::S, Fmt::D] {
        let mut operands = Operands(50 + fmt as u64);
        for _ in 0..ROUNDS {
            let a = operands.float(fmt) & !(1 << (sizes(fmt).0 - 1));
            if eval1(Fp1::Class, fmt, Rm::Rne, a).0 & 0x60 == 0 {
                continue;
            }
            let roots = Rm::ALL.map(|rm| eval1(Fp1::Sqrt, fmt, rm, a));
            let [nearest, zero, down, up, away] = roots;
            assert_eq!((zero, away), (down, nearest), "{fmt:?} {a:#x}");
            assert!(nearest == down || nearest == up, "{fmt:?} {a:#x}");
            // The sign of r * r - a, which a fused operation does not lose.
            let excess = |(root, _): (u64, Flags)| {
                let (difference, flags) = eval3(Fp3::MulSub, fmt, Rm::Rne, [root, root, a]);
                let negative = difference >> (sizes(fmt).0 - 1) != 0;
                let zero = difference << 1 == 0 && flags == NONE;
                if zero { 0 } else { 1 - 2 * i32::from(negative) }
            };
            let expect = if nearest.1 == NONE { (0, 0) } else { (-1, 1) };
            assert_eq!((excess(down), excess(up)), expect, "{fmt:?} {a:#x} {roots:x?}");
            assert_eq!(up.0 - down.0, u64::from(nearest.1 == NX), "{fmt:?} {a:#x}");
        }
    }
}

/// Where the fast path decides, it must return what the software returns, whatever has accrued.
fn same(quick: Quick, soft: (u64, Flags), accrued: Flags, context: &dyn Fn() -> String) {
    let with = |(bits, flags): (u64, Flags)| (bits, flags | accrued);
    let Some(fast) = quick else { return };
    assert_eq!(with(fast), with(soft), "{} {accrued:?}", context());
}

#[test]
fn common_cases_are_decided() {
    let [one, half] = [1f64, 0.5].map(f64::to_bits);
    for op in [Fp2::Add, Fp2::Sub, Fp2::Mul, Fp2::Div] {
        let found = quick2(op, Fmt::D, Rm::Rne, NONE, [one, half]);
        assert_eq!(found, Some(eval2(op, Fmt::D, Rm::Rne, one, half)), "{op:?}");
    }
    let third = quick2(Fp2::Div, Fmt::D, Rm::Rne, NX, [one, 3f64.to_bits()]);
    assert_eq!(third.map(|(bits, _)| bits), Some((1f64 / 3.0).to_bits()));
    let fused = quick3(Fp3::MulAdd, Fmt::D, Rm::Rne, NX, [one, half, half]);
    assert_eq!(fused.map(|(bits, _)| bits), Some(one));
    let narrow = [2f32, 0.25].map(|value| value.to_bits().into());
    assert!(quick2(Fp2::Mul, Fmt::S, Rm::Rne, NX, narrow).is_some());
    assert!(quick1(Fp1::Sqrt, Fmt::D, Rm::Rne, NX, one).is_some());
    assert!(quick2(Fp2::Add, Fmt::D, Rm::Rup, NX, [one, half]).is_none());
}

const RM: [Rm; 2] = [Rm::Rne, Rm::Rtz];

#[test]
fn fast_two_operand_arithmetic_is_the_software() {
    for fmt in Fmt::ALL {
        let mut operands = Operands(60 + fmt as u64);
        for _ in 0..ROUNDS {
            let (a, b) = (operands.float(fmt), operands.float(fmt));
            for op in [Fp2::Add, Fp2::Sub, Fp2::Mul, Fp2::Div, Fp2::Min, Fp2::SgnJn, Fp2::Lt] {
                for rm in RM {
                    let soft = eval2(op, fmt, rm, a, b);
                    for accrued in [NONE, NX] {
                        let fast = quick2(op, fmt, rm, accrued, [a, b]);
                        same(fast, soft, accrued, &|| {
                            format!("{op:?} {fmt:?} {rm:?} {a:#x} {b:#x}")
                        });
                    }
                }
            }
            // Exact quotients and products, which random operands seldom make.
            let product = eval2(Fp2::Mul, fmt, Rm::Rtz, a, b).0;
            let soft = eval2(Fp2::Div, fmt, Rm::Rne, product, b);
            let fast = quick2(Fp2::Div, fmt, Rm::Rne, NONE, [product, b]);
            same(fast, soft, NONE, &|| format!("{fmt:?} {product:#x} / {b:#x}"));
        }
    }
}

#[test]
fn fast_fused_arithmetic_is_the_software() {
    for fmt in Fmt::ALL {
        let mut operands = Operands(70 + fmt as u64);
        for round in 0..2 * ROUNDS {
            let (a, b, mut c) = (operands.float(fmt), operands.float(fmt), operands.float(fmt));
            if round % 2 == 0 {
                // An addend that cancels the product or lies a few places from it.
                let product = eval2(Fp2::Mul, fmt, Rm::Rne, a, b).0;
                c = product.wrapping_add((operands.next() % 5).wrapping_sub(2)) ^ (c & 1) << 63;
                c &= !0 >> (64 - sizes(fmt).0);
            }
            for op in [Fp3::MulAdd, Fp3::MulSub, Fp3::NegMulSub, Fp3::NegMulAdd] {
                let soft = eval3(op, fmt, Rm::Rne, [a, b, c]);
                for accrued in [NONE, NX] {
                    let fast = quick3(op, fmt, Rm::Rne, accrued, [a, b, c]);
                    same(fast, soft, accrued, &|| format!("{op:?} {fmt:?} {a:#x} {b:#x} {c:#x}"));
                }
            }
        }
    }
}

#[test]
fn fast_one_operand_arithmetic_is_the_software() {
    let mut ops = vec![Fp1::Sqrt, Fp1::Class, Fp1::Bits];
    ops.extend(Fmt::ALL.map(Fp1::ToFloat));
    ops.extend(IntFmt::ALL.map(Fp1::ToInt));
    ops.extend(IntFmt::ALL.map(Fp1::FromInt));
    for fmt in Fmt::ALL {
        let mut operands = Operands(80 + fmt as u64);
        for _ in 0..ROUNDS / 4 {
            let (a, integer) = (operands.float(fmt), operands.integer());
            let square = eval2(Fp2::Mul, fmt, Rm::Rtz, a, a).0;
            for &op in &ops {
                let inputs = if matches!(op, Fp1::FromInt(_)) { [integer, a] } else { [a, square] };
                for (a, rm) in inputs.into_iter().flat_map(|a| RM.map(|rm| (a, rm))) {
                    let soft = eval1(op, fmt, rm, a);
                    for accrued in [NONE, NX] {
                        let fast = quick1(op, fmt, rm, accrued, a);
                        same(fast, soft, accrued, &|| format!("{op:?} {fmt:?} {rm:?} {a:#x}"));
                    }
                }
            }
        }
    }
}
