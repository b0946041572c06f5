//! What every meaning keeps to, shown on the rows themselves: it faults before it writes, writes
//! nothing but its destination, leaves where its row says, and does what its mnemonic says to
//! the operands that its format names. A new row is tested without a new test.

mod fake;

use proptest::prelude::*;

use super::emit::Extend;
use super::format::Format;
use super::fp::{Fp1, Fp3};
use super::table::TABLE;
use super::{Extensions, Flow, Insn, Op, Row, decode};
use crate::addr::Width;
use fake::{Act, FLOAT_RESULT, Fake, PC};

/// Each row as an instruction whose operands are taken from `noise`.
fn instances(noise: u32) -> impl Iterator<Item = (&'static Row, Insn)> {
    TABLE.iter().map(move |row| {
        let bits = row.pattern.value | noise & !row.pattern.mask;
        (row, decode(bits, &Extensions::ALL).expect("a row is legal"))
    })
}

/// The hart after `i`, and what happened.
fn execute(i: &Insn) -> Fake {
    let mut fake = Fake::new();
    fake.apply(i).expect("nothing faults");
    fake
}

proptest! {
    #[test]
    fn a_faulting_instruction_changes_nothing(noise: u32) {
        for (row, i) in instances(noise) {
            let before = Fake::new();
            for successes in 0.. {
                let mut after = Fake { successes, ..before.clone() };
                if after.apply(&i).is_ok() {
                    break;
                }
                let changed = after.acts.iter().any(|act| act.writes());
                prop_assert!(!changed, "{}: {:?}", row.mnemonic, after.acts);
                prop_assert_eq!((after.x, after.f), (before.x, before.f));
                prop_assert_eq!(after.memory, before.memory, "{}", row.mnemonic);
            }
        }
    }

    #[test]
    fn only_the_destination_is_written_and_once(noise: u32) {
        for (row, i) in instances(noise) {
            let after = execute(&i);
            let mut written = after.acts.iter().filter_map(|act| match *act {
                Act::SetX(r, _) | Act::SetF(r, ..) => Some(r),
                _ => None,
            });
            if let Some(r) = written.next() {
                prop_assert_eq!(r, i.rd, "{}", row.mnemonic);
            }
            prop_assert_eq!(written.next(), None, "{} writes twice", row.mnemonic);
        }
    }

    #[test]
    fn control_leaves_as_the_row_says(noise: u32) {
        for (row, i) in instances(noise) {
            let flows = execute(&i).acts.iter().filter_map(|act| match act {
                Act::Branch(_) => Some(Flow::Branch),
                Act::Jump(_) => Some(Flow::Jump),
                Act::System(_) => Some(Flow::Ends),
                _ => None,
            }).collect::<Vec<_>>();
            let expected = match row.flow {
                Flow::Next => vec![],
                Flow::Check => vec![Flow::Ends],
                flow => vec![flow],
            };
            prop_assert_eq!(flows, expected, "{}", row.mnemonic);
        }
    }

    #[test]
    fn operands_go_where_the_format_says(noise: u32) {
        for (row, i) in instances(noise) {
            check_operands(row, &i);
        }
    }
}

/// Every act on values of `i` is given those that its format names, in their order.
fn check_operands(row: &Row, i: &Insn) {
    let before = Fake::new();
    let (a, b) = (before.x[usize::from(i.rs1)], before.x[usize::from(i.rs2)]);
    let [fa, fb, fc] = [i.rs1, i.rs2, i.rs3].map(|r| before.f[usize::from(r)]);
    let imm = i.imm as i64 as u64;
    let at = a.wrapping_add(imm);
    let after = execute(i);
    let last = after.acts.iter().rev().find(|act| !matches!(act, Act::SetX(..) | Act::SetF(..)));
    match (row.format, last.copied()) {
        (Format::R | Format::B, _) => {
            let Some(&Act::Bin(_, x, y)) = after.acts.first() else { panic!("{}", row.mnemonic) };
            assert_eq!((x, y), (a, b), "{}", row.mnemonic);
        }
        (Format::I | Format::Shift, Some(Act::Bin(_, x, y))) => assert_eq!((x, y), (a, imm)),
        (Format::R1, Some(Act::Un(_, x))) => assert_eq!(x, a),
        (Format::Load, Some(Act::Load(x, ..))) => assert_eq!(x, at),
        (Format::Load, Some(Act::Jump(x))) => assert_eq!(x, at & !1),
        (Format::Store, Some(Act::Store(x, _, value))) => assert_eq!((x, value), (at, b)),
        (Format::J, Some(Act::Jump(x))) => assert_eq!(x, PC.wrapping_add(imm)),
        (Format::Lr, Some(Act::LoadReserved(x, _))) => assert_eq!(x, a),
        (Format::Amo, Some(Act::StoreConditional(x, _, value) | Act::Amo(_, x, _, value))) => {
            assert_eq!((x, value), (a, b))
        }
        (Format::FLoad, Some(Act::Load(x, ..))) => assert_eq!(x, at),
        (Format::FStore, Some(Act::Store(x, _, value))) => assert_eq!((x, value), (at, fb)),
        (Format::F3Rm, Some(Act::Fp3(_, _, abc))) => assert_eq!(abc, [fa, fb, fc]),
        (Format::F2Rm | Format::F2 | Format::FCmp, Some(Act::Fp2(_, _, x, y))) => {
            assert_eq!((x, y), (fa, fb));
        }
        (Format::F1Rm | Format::FToX | Format::FToXRm, Some(Act::Fp1(_, _, x))) => {
            assert_eq!(x, fa);
        }
        (Format::XToFRm, Some(Act::Fp1(_, _, x))) => assert_eq!(x, a),
        (Format::XToF, _) => assert_eq!(after.f[usize::from(i.rd)], a),
        (Format::U, _) => {
            let base = if row.op == Op::Auipc { PC } else { 0 };
            let expected = if i.rd == 0 { 0 } else { base.wrapping_add(imm) };
            assert_eq!(after.x[usize::from(i.rd)], expected);
        }
        (Format::Fence, None) | (_, Some(Act::System(_))) => {}
        (format, act) => panic!("{}: {act:?} of a {format:?}", row.mnemonic),
    }
}

/// `Debug` names in the letters of a mnemonic.
fn lower(name: impl std::fmt::Debug) -> String {
    format!("{name:?}").to_lowercase().replace(['(', ')'], "")
}

/// How mnemonics of loads, stores and moves name a width.
fn width_letter(width: Width) -> char {
    match width {
        Width::Byte => 'b',
        Width::Half => 'h',
        Width::Word => 'w',
        Width::Double => 'd',
    }
}

/// What the acts of an instruction would be called, without dots.
fn name_of_acts(acts: &[Act]) -> String {
    let float = acts.iter().any(|act| matches!(act, Act::RequireFp | Act::Rounding));
    let f = if float { "f" } else { "" };
    let main = acts.iter().rev().find(|act| !matches!(act, Act::SetX(..) | Act::SetF(..)));
    match main.copied() {
        Some(Act::Bin(op, ..)) => lower(op),
        Some(Act::Un(op, _)) => lower(op),
        Some(Act::Branch(_)) => match acts[0] {
            Act::Bin(op, ..) => format!("b{}", lower(op).trim_start_matches('s')),
            act => panic!("a branch on {act:?}"),
        },
        Some(Act::Load(_, width, Extend::Zero)) if !float && width != Width::Double => {
            format!("l{}u", width_letter(width))
        }
        Some(Act::Load(_, width, _)) => format!("{f}l{}", width_letter(width)),
        Some(Act::Store(_, width, _)) => format!("{f}s{}", width_letter(width)),
        Some(Act::LoadReserved(_, width)) => format!("lr{}", width_letter(width)),
        Some(Act::StoreConditional(_, width, _)) => format!("sc{}", width_letter(width)),
        Some(Act::Amo(op, _, width, _)) => format!("amo{}{}", lower(op), width_letter(width)),
        Some(Act::Fp1(Fp1::ToFloat(to), from, _)) => format!("fcvt{}{}", lower(to), lower(from)),
        Some(Act::Fp1(Fp1::ToInt(to), from, _)) => format!("fcvt{}{}", lower(to), lower(from)),
        Some(Act::Fp1(Fp1::FromInt(from), to, _)) => format!("fcvt{}{}", lower(to), lower(from)),
        Some(Act::Fp1(Fp1::Bits, fmt, _)) => format!("fmvx{}", width_letter(fmt.width())),
        Some(Act::Fp1(op @ (Fp1::Sqrt | Fp1::Class), fmt, _)) => {
            format!("f{}{}", lower(op), lower(fmt))
        }
        Some(Act::Fp2(op, fmt, ..)) => format!("f{}{}", lower(op), lower(fmt)),
        Some(Act::Fp3(op, fmt, _)) => {
            let name = match op {
                Fp3::MulAdd => "fmadd",
                Fp3::MulSub => "fmsub",
                Fp3::NegMulSub => "fnmsub",
                Fp3::NegMulAdd => "fnmadd",
            };
            format!("{name}{}", lower(fmt))
        }
        Some(Act::System(op)) => lower(op),
        Some(Act::RequireFp) => match acts.last() {
            Some(&Act::SetF(_, fmt, _)) => format!("fmv{}x", width_letter(fmt.width())),
            act => panic!("{act:?} is nothing"),
        },
        act => lower(act),
    }
}

#[test]
fn a_meaning_does_what_the_mnemonic_says() {
    for (row, i) in instances(0x5a56_a680) {
        let name = row.mnemonic.replace('.', "");
        let expected = match (row.op, row.format) {
            // `operands_go_where_the_format_says` has all there is to them.
            (Op::Lui | Op::Auipc | Op::Jal | Op::Jalr | Op::Fence, _) => continue,
            // Immediate forms are named after the operation, with an `i`.
            (Op::Sltiu, _) => "sltu".to_string(),
            (Op::SlliUw, _) => "slluw".to_string(),
            (_, Format::I | Format::Shift) => match name.strip_suffix("iw") {
                Some(operation) => format!("{operation}w"),
                None => name.trim_end_matches('i').to_string(),
            },
            (_, Format::Csr | Format::CsrI) => name
                .replace('i', "imm")
                .replace("csrrw", "csrwrite")
                .replace("csrrs", "csrset")
                .replace("csrrc", "csrclear"),
            _ => name,
        };
        assert_eq!(name_of_acts(&execute(&i).acts), expected, "{}", row.mnemonic);
    }
}

#[test]
fn loads_extend() {
    for (bits, value) in [
        (0x0005_8503, 0xffff_ffff_ffff_ff88), // lb a0, (a1)
        (0x0005_9503, 0xffff_ffff_ffff_8788), // lh
        (0x0005_a503, 0xffff_ffff_8586_8788), // lw
        (0x0005_b503, 0x8182_8384_8586_8788), // ld
        (0x0005_c503, 0x88),                  // lbu
        (0x0005_d503, 0x8788),                // lhu
        (0x0005_e503, 0x8586_8788),           // lwu
        (0x1005_a52f, 0xffff_ffff_8586_8788), // lr.w
        (0x00c5_a52f, 0xffff_ffff_8586_8788), // amoadd.w a0, a2, (a1)
    ] {
        let i = decode(bits, &Extensions::ALL).expect("legal");
        assert_eq!(execute(&i).x[10], value, "{bits:#010x}");
    }
}

#[test]
fn jumps_link_to_the_next_instruction() {
    for (bits, register, link) in [
        (0x0000_00ef, 1, PC + 4),  // jal ra, .
        (0x0005_8567, 10, PC + 4), // jalr a0, (a1)
        (0x0005_05e7, 11, PC + 4), // jalr a1, (a0)
        (0x0005_0567, 10, PC + 4), // jalr a0, (a0): the target is read first
        (0x0000_9582, 1, PC + 2),  // c.jalr a1
    ] {
        let i = decode(bits, &Extensions::ALL).expect("legal");
        let after = execute(&i);
        assert_eq!(after.x[register], link, "{bits:#x}");
        let base = if i.op == Op::Jal { PC } else { Fake::new().x[usize::from(i.rs1)] & !1 };
        assert!(after.acts.contains(&Act::Jump(base)), "{bits:#x}");
    }
}

#[test]
fn results_reach_the_destination() {
    for (bits, register, value) in [
        (0x02c5_f553, 10, FLOAT_RESULT), // fadd.d fa0, fa1, fa2
        (0x5805_7553, 10, FLOAT_RESULT), // fsqrt.s fa0, fa0
    ] {
        let i = decode(bits, &Extensions::ALL).expect("legal");
        assert_eq!(execute(&i).f[register], value, "{bits:#010x}");
    }
    for bits in [0xa2c5_a553, 0xc205_f553, 0xe205_9553] {
        // feq.d, fcvt.w.d, fclass.d into a0
        let i = decode(bits, &Extensions::ALL).expect("legal");
        assert_eq!(execute(&i).x[10], FLOAT_RESULT, "{bits:#010x}");
    }
}
