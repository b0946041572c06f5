//! All formats and rounding modes against an independent implementation.
//!
//! It differs from the standard and from RISC-V in what a NaN result looks like, in its flags
//! where an operand is a NaN, in that a result rounded up to the least normal number is never
//! tiny there, and in that one rounded down to the greatest never overflows. These four are
//! left to `manual.rs` and `definition.rs`.

use rustc_apfloat::{Float, FloatConvert, Round, Status, StatusAnd, ieee};

use super::*;

const ROUNDS_PER_TEST: u32 = 60_000;

fn round(rm: Rm) -> Round {
    match rm {
        Rm::Rne => Round::NearestTiesToEven,
        Rm::Rtz => Round::TowardZero,
        Rm::Rdn => Round::TowardNegative,
        Rm::Rup => Round::TowardPositive,
        Rm::Rmm => Round::NearestTiesToAway,
    }
}

fn flags(status: Status) -> Flags {
    let pairs = [
        (Status::INEXACT, NX),
        (Status::UNDERFLOW, Flags::UF),
        (Status::OVERFLOW, Flags::OF),
        (Status::DIV_BY_ZERO, DZ),
        (Status::INVALID_OP, NV),
    ];
    pairs.into_iter().fold(NONE, |sum, (bit, flag)| sum | flag.when(status.contains(bit)))
}

/// Compares with a result of a format; `nan_operand` says that flags do not compare.
fn check<T: Float>(
    fmt: Fmt,
    actual: (u64, Flags),
    expect: StatusAnd<T>,
    nan_operand: bool,
    context: &dyn Fn() -> String,
) {
    let bits = expect.value.to_bits() as u64;
    if is_nan(fmt, bits) {
        assert_eq!(Some(actual.0), canonical_nan(fmt), "{}", context());
    } else {
        assert_eq!(actual.0, bits, "{}: {actual:x?} not {bits:#x}", context());
    }
    let (sign, least_normal) = (1 << (sizes(fmt).0 - 1), 1 << sizes(fmt).1);
    let greatest = sign - least_normal - 1;
    let ignored =
        Flags::UF.when(bits & !sign == least_normal) | Flags::OF.when(bits & !sign == greatest);
    if !nan_operand {
        assert_eq!(actual.1 | ignored, flags(expect.status) | ignored, "{}", context());
    }
}

fn canonical_nan(fmt: Fmt) -> Option<u64> {
    Some(match fmt {
        Fmt::H => Half::NAN,
        Fmt::S => Single::NAN,
        Fmt::D => Double::NAN,
    })
}

fn arithmetic<T: Float>(fmt: Fmt) {
    let mut operands = Operands(10 + fmt as u64);
    for _ in 0..ROUNDS_PER_TEST {
        let bits = [(); 3].map(|()| operands.float(fmt));
        let [a, b, c] = bits.map(|bits| T::from_bits(bits.into()));
        let nan = |count: usize| bits[..count].iter().any(|&bits| is_nan(fmt, bits));
        for rm in Rm::ALL {
            let round = round(rm);
            for (op, expect) in [
                (Fp2::Add, a.add_r(b, round)),
                (Fp2::Sub, a.sub_r(b, round)),
                (Fp2::Mul, a.mul_r(b, round)),
                (Fp2::Div, a.div_r(b, round)),
            ] {
                let actual = eval2(op, fmt, rm, bits[0], bits[1]);
                check(fmt, actual, expect, nan(2), &|| format!("{op:?} {fmt:?} {rm:?} {bits:x?}"));
            }
            for (op, expect) in [
                (Fp3::MulAdd, a.mul_add_r(b, c, round)),
                (Fp3::MulSub, a.mul_add_r(b, -c, round)),
                (Fp3::NegMulSub, (-a).mul_add_r(b, c, round)),
                (Fp3::NegMulAdd, (-a).mul_add_r(b, -c, round)),
            ] {
                let actual = eval3(op, fmt, rm, bits);
                check(fmt, actual, expect, nan(3), &|| format!("{op:?} {fmt:?} {rm:?} {bits:x?}"));
            }
        }
    }
}

fn conversion<T: Float + FloatConvert<U>, U: Float>(from: Fmt, to: Fmt) {
    let mut operands = Operands(20 + from as u64 * 3 + to as u64);
    for _ in 0..ROUNDS_PER_TEST {
        let a = operands.float(from);
        for rm in Rm::ALL {
            let actual = eval1(Fp1::ToFloat(to), from, rm, a);
            let expect: StatusAnd<U> = T::from_bits(a.into()).convert_r(round(rm), &mut false);
            let nan = is_nan(from, a);
            check(to, actual, expect, nan, &|| format!("{from:?} to {to:?} {rm:?} {a:#x}"));
        }
    }
}

fn integers<T: Float>(fmt: Fmt) {
    let mut operands = Operands(30 + fmt as u64);
    for _ in 0..ROUNDS_PER_TEST {
        let (a, register) = (operands.float(fmt), operands.integer());
        let value = T::from_bits(a.into());
        for (rm, int) in Rm::ALL.into_iter().flat_map(|rm| IntFmt::ALL.map(|int| (rm, int))) {
            let context = || format!("{fmt:?} {int:?} {rm:?} {a:#x} {register:#x}");
            let (expect, status) = match int {
                IntFmt::W => signed(value.to_i128_r(32, round(rm), &mut false)),
                IntFmt::L => signed(value.to_i128_r(64, round(rm), &mut false)),
                IntFmt::Wu => {
                    let result = value.to_u128_r(32, round(rm), &mut false);
                    (result.value as i32 as u64, result.status)
                }
                IntFmt::Lu => {
                    let result = value.to_u128_r(64, round(rm), &mut false);
                    (result.value as u64, result.status)
                }
            };
            let actual = eval1(Fp1::ToInt(int), fmt, rm, a);
            if !value.is_nan() {
                assert_eq!(actual, (expect, flags(status)), "to integer {}", context());
            }
            let input = match int {
                IntFmt::W => i128::from(register as i32),
                IntFmt::Wu => i128::from(register as u32),
                IntFmt::L => i128::from(register as i64),
                IntFmt::Lu => i128::from(register),
            };
            let actual = eval1(Fp1::FromInt(int), fmt, rm, register);
            check(fmt, actual, T::from_i128_r(input, round(rm)), false, &context);
        }
    }
}

fn signed(result: StatusAnd<i128>) -> (u64, Status) {
    (result.value as u64, result.status)
}

#[test]
fn arithmetic_agrees() {
    arithmetic::<ieee::Half>(Fmt::H);
    arithmetic::<ieee::Single>(Fmt::S);
    arithmetic::<ieee::Double>(Fmt::D);
}

#[test]
fn conversions_agree() {
    conversion::<ieee::Half, ieee::Single>(Fmt::H, Fmt::S);
    conversion::<ieee::Half, ieee::Double>(Fmt::H, Fmt::D);
    conversion::<ieee::Single, ieee::Half>(Fmt::S, Fmt::H);
    conversion::<ieee::Single, ieee::Double>(Fmt::S, Fmt::D);
    conversion::<ieee::Double, ieee::Half>(Fmt::D, Fmt::H);
    conversion::<ieee::Double, ieee::Single>(Fmt::D, Fmt::S);
}

#[test]
fn integer_conversions_agree() {
    integers::<ieee::Half>(Fmt::H);
    integers::<ieee::Single>(Fmt::S);
    integers::<ieee::Double>(Fmt::D);
}
