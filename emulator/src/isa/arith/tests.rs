//! Every operation against the corner cases that the manual names, and against a definition of
//! its own in `naive.rs` that works bit by bit.

mod naive;

use proptest::prelude::*;

use super::{Bin, Un};

const MIN: u64 = i64::MIN as u64;
const MAX: u64 = i64::MAX as u64;
const NEG: u64 = u64::MAX;
/// The least word, sign-extended; [`WORD_MAX`] is the greatest.
const WORD_MIN: u64 = i32::MIN as u64;
const WORD_MAX: u64 = i32::MAX as u64;
/// Upper half that operations on words must not look at.
const JUNK: u64 = 0x5a5a_5a5a_0000_0000;

#[rustfmt::skip]
const BIN: &[Bin] = &[
    Bin::Add, Bin::Sub, Bin::Sll, Bin::Srl, Bin::Sra, Bin::And, Bin::Or, Bin::Xor,
    Bin::Addw, Bin::Subw, Bin::Sllw, Bin::Srlw, Bin::Sraw,
    Bin::Eq, Bin::Ne, Bin::Slt, Bin::Sltu, Bin::Sge, Bin::Sgeu,
    Bin::Mul, Bin::Mulh, Bin::Mulhsu, Bin::Mulhu, Bin::Div, Bin::Divu, Bin::Rem, Bin::Remu,
    Bin::Mulw, Bin::Divw, Bin::Divuw, Bin::Remw, Bin::Remuw,
    Bin::Sh1add, Bin::Sh2add, Bin::Sh3add, Bin::AddUw, Bin::Sh1addUw, Bin::Sh2addUw, Bin::Sh3addUw, Bin::SllUw,
    Bin::Andn, Bin::Orn, Bin::Xnor, Bin::Min, Bin::Minu, Bin::Max, Bin::Maxu,
    Bin::Rol, Bin::Ror, Bin::Rolw, Bin::Rorw, Bin::Bclr, Bin::Bext, Bin::Binv, Bin::Bset,
    Bin::Clmul, Bin::Clmulh, Bin::Clmulr, Bin::CzeroEqz, Bin::CzeroNez,
];

const UN: &[Un] = &[
    Un::Clz,
    Un::Ctz,
    Un::Cpop,
    Un::Clzw,
    Un::Ctzw,
    Un::Cpopw,
    Un::SextB,
    Un::SextH,
    Un::ZextH,
    Un::OrcB,
    Un::Rev8,
];

#[rustfmt::skip]
const BIN_FACTS: &[(Bin, u64, u64, u64)] = &[
    (Bin::Add,      MAX, 1, MIN),
    (Bin::Add,      NEG, NEG, NEG - 1),
    (Bin::Sub,      0, 1, NEG),
    (Bin::Sub,      MIN, 1, MAX),
    (Bin::Sll,      1, 63, MIN),
    (Bin::Sll,      1, 64, 1),                                  // the amount is six bits
    (Bin::Sll,      3, NEG, MIN),
    (Bin::Srl,      MIN, 63, 1),
    (Bin::Srl,      MIN, 64, MIN),
    (Bin::Sra,      MIN, 63, NEG),
    (Bin::Sra,      MAX, 62, 1),
    (Bin::Sra,      MIN, 0x40, MIN),
    (Bin::And,      0xff00, 0x0ff0, 0x0f00),
    (Bin::Or,       0xff00, 0x0ff0, 0xfff0),
    (Bin::Xor,      0xff00, 0x0ff0, 0xf0f0),
    (Bin::Addw,     WORD_MAX, 1, WORD_MIN),
    (Bin::Addw,     JUNK | 1, JUNK | 2, 3),
    (Bin::Subw,     0, 1, NEG),
    (Bin::Subw,     JUNK, 1, NEG),
    (Bin::Sllw,     1, 31, WORD_MIN),
    (Bin::Sllw,     1, 32, 1),                                  // the amount is five bits
    (Bin::Srlw,     JUNK | 0x8000_0000, 31, 1),
    (Bin::Srlw,     0xffff_ffff, 32, NEG),                      // shifted by 0, then sign-extended
    (Bin::Sraw,     0x8000_0000, 31, NEG),
    (Bin::Sraw,     JUNK | 0x4000_0000, 30, 1),
    (Bin::Eq,       NEG, NEG, 1),
    (Bin::Eq,       0, MIN, 0),
    (Bin::Ne,       0, 1 << 32, 1),
    (Bin::Ne,       MIN, MIN, 0),
    (Bin::Slt,      NEG, 0, 1),
    (Bin::Slt,      MAX, MIN, 0),
    (Bin::Sltu,     NEG, 0, 0),
    (Bin::Sltu,     0, 1, 1),
    (Bin::Sge,      0, NEG, 1),
    (Bin::Sge,      MIN, MIN, 1),
    (Bin::Sgeu,     0, NEG, 0),
    (Bin::Sgeu,     NEG, NEG, 1),
    // Multiplication.
    (Bin::Mul,      NEG, NEG, 1),
    (Bin::Mul,      MIN, 2, 0),
    (Bin::Mulh,     MIN, MIN, 1 << 62),
    (Bin::Mulh,     NEG, 1, NEG),
    (Bin::Mulhu,    NEG, NEG, NEG - 1),
    (Bin::Mulhsu,   NEG, NEG, NEG),
    (Bin::Mulhsu,   MIN, NEG, MIN),
    (Bin::Mulhsu,   1, NEG, 0),
    (Bin::Mulw,     JUNK | 0x1_0000, 0x1_0000, 0),
    (Bin::Mulw,     0x8000, 0x1_0000, WORD_MIN),
    // Division: by zero, overflow, signs.
    (Bin::Div,      7, 0, NEG),
    (Bin::Div,      MIN, 0, NEG),
    (Bin::Div,      MIN, NEG, MIN),
    (Bin::Div,      -7i64 as u64, 2, -3i64 as u64),
    (Bin::Divu,     7, 0, NEG),
    (Bin::Divu,     MIN, NEG, 0),
    (Bin::Rem,      7, 0, 7),
    (Bin::Rem,      MIN, 0, MIN),
    (Bin::Rem,      MIN, NEG, 0),
    (Bin::Rem,      -7i64 as u64, 2, NEG),
    (Bin::Rem,      7, -2i64 as u64, 1),
    (Bin::Remu,     NEG, 0, NEG),
    (Bin::Remu,     MIN, NEG, MIN),
    (Bin::Divw,     7, JUNK, NEG),
    (Bin::Divw,     WORD_MIN, 0xffff_ffff, WORD_MIN),
    (Bin::Divw,     JUNK | 0xffff_fff9, 2, -3i64 as u64),
    (Bin::Divuw,    7, JUNK, NEG),
    (Bin::Divuw,    0xffff_ffff, 1, NEG),                       // sign-extended all the same
    (Bin::Remw,     JUNK | 0x8000_0000, 0, WORD_MIN),
    (Bin::Remw,     WORD_MIN, NEG, 0),
    (Bin::Remuw,    0xffff_ffff, JUNK, NEG),
    (Bin::Remuw,    0xffff_ffff, 0x8000_0000, WORD_MAX),
    // Zba.
    (Bin::Sh1add,   MIN | 1, 1, 3),
    (Bin::Sh2add,   1 << 62 | 1, 1, 5),
    (Bin::Sh3add,   1 << 61 | 1, 1, 9),
    (Bin::AddUw,    NEG, 1, 1 << 32),
    (Bin::Sh1addUw, NEG, 0, 0x1_ffff_fffe),
    (Bin::Sh2addUw, NEG, 0, 0x3_ffff_fffc),
    (Bin::Sh3addUw, NEG, 0, 0x7_ffff_fff8),
    (Bin::SllUw,    NEG, 4, 0xf_ffff_fff0),
    (Bin::SllUw,    JUNK | 1, 63, MIN),
    // Zbb.
    (Bin::Andn,     0xff, 0x0f, 0xf0),
    (Bin::Orn,      0, 0xff, !0xff),
    (Bin::Xnor,     0xff00, 0x0ff0, !0xf0f0),
    (Bin::Min,      NEG, 0, NEG),
    (Bin::Min,      MIN, MAX, MIN),
    (Bin::Minu,     NEG, 0, 0),
    (Bin::Max,      NEG, 0, 0),
    (Bin::Maxu,     NEG, 0, NEG),
    (Bin::Rol,      MIN, 1, 1),
    (Bin::Rol,      5, 64, 5),
    (Bin::Ror,      1, 1, MIN),
    (Bin::Ror,      1, 0, 1),
    (Bin::Rolw,     JUNK | 0x8000_0000, 33, 1),
    (Bin::Rolw,     0x4000_0000, 1, WORD_MIN),
    (Bin::Rorw,     1, 1, WORD_MIN),
    (Bin::Rorw,     JUNK | 2, 1, 1),
    // Zbs.
    (Bin::Bclr,     NEG, 63, MAX),
    (Bin::Bclr,     NEG, 64, NEG - 1),
    (Bin::Bext,     MIN, 63, 1),
    (Bin::Bext,     MIN, 62, 0),
    (Bin::Binv,     0, 63, MIN),
    (Bin::Binv,     1, 64, 0),
    (Bin::Bset,     0, 127, MIN),
    // Zbc.
    (Bin::Clmul,    3, 3, 5),                                   // (x + 1)^2 = x^2 + 1
    (Bin::Clmul,    MIN, 2, 0),
    (Bin::Clmulh,   MIN, 2, 1),
    (Bin::Clmulh,   MIN, MIN, 1 << 62),
    (Bin::Clmulr,   MIN, 1, 1),
    (Bin::Clmulr,   MIN, MIN, MIN),
    // Zicond.
    (Bin::CzeroEqz, 5, 0, 0),
    (Bin::CzeroEqz, 5, MIN, 5),
    (Bin::CzeroNez, 5, 0, 5),
    (Bin::CzeroNez, 5, MIN, 0),
];

#[rustfmt::skip]
const UN_FACTS: &[(Un, u64, u64)] = &[
    (Un::Clz,   0, 64),
    (Un::Clz,   1, 63),
    (Un::Clz,   NEG, 0),
    (Un::Ctz,   0, 64),
    (Un::Ctz,   MIN, 63),
    (Un::Cpop,  NEG, 64),
    (Un::Cpop,  0, 0),
    (Un::Clzw,  JUNK, 32),
    (Un::Clzw,  JUNK | 1, 31),
    (Un::Ctzw,  JUNK, 32),
    (Un::Ctzw,  0x8000_0000, 31),
    (Un::Cpopw, JUNK | 7, 3),
    (Un::Cpopw, NEG, 32),
    (Un::SextB, 0x180, -128i64 as u64),
    (Un::SextB, 0xff7f, 0x7f),
    (Un::SextH, 0x1_8000, -0x8000i64 as u64),
    (Un::SextH, 0xffff_7fff, 0x7fff),
    (Un::ZextH, NEG, 0xffff),
    (Un::OrcB,  0x0100_8000_0000_0010, 0xff00_ff00_0000_00ff),
    (Un::OrcB,  0, 0),
    (Un::Rev8,  0x0102_0304_0506_0708, 0x0807_0605_0403_0201),
];

#[test]
fn as_the_manual_says() {
    for &(op, a, b, expected) in BIN_FACTS {
        assert_eq!(op.eval(a, b), expected, "{op:?} {a:#x} {b:#x}");
        assert_eq!(naive::bin(op, a, b), expected, "definition of {op:?} {a:#x} {b:#x}");
    }
    for &(op, a, expected) in UN_FACTS {
        assert_eq!(op.eval(a), expected, "{op:?} {a:#x}");
        assert_eq!(naive::un(op, a), expected, "definition of {op:?} {a:#x}");
    }
}

#[test]
fn no_operation_is_forgotten() {
    for (number, &op) in BIN.iter().enumerate() {
        assert_eq!(op as usize, number, "{op:?} is out of order or one before it is missing");
        assert!(BIN_FACTS.iter().any(|fact| fact.0 == op), "no facts about {op:?}");
    }
    for (number, &op) in UN.iter().enumerate() {
        assert_eq!(op as usize, number, "{op:?} is out of order or one before it is missing");
        assert!(UN_FACTS.iter().any(|fact| fact.0 == op), "no facts about {op:?}");
    }
    // What comes after the last is missed by the loops, but not by these.
    assert_eq!(BIN.len(), Bin::CzeroNez as usize + 1);
    assert_eq!(UN.len(), Un::Rev8 as usize + 1);
}

/// Values that operations treat specially, small shift amounts, and anything.
fn operand() -> impl Strategy<Value = u64> {
    let special = [0, 1, 2, 31, 32, 33, 63, 64, MIN, MAX, NEG, WORD_MIN, WORD_MAX, JUNK];
    let words = [0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x1_0000_0000];
    prop_oneof![
        2 => proptest::sample::select([&special[..], &words].concat()),
        1 => 0u64..64,
        1 => any::<i32>().prop_map(|word| i64::from(word) as u64),
        3 => any::<u64>(),
    ]
}

proptest! {
    #[test]
    fn as_defined_bit_by_bit(a in operand(), b in operand()) {
        for &op in BIN {
            prop_assert_eq!(op.eval(a, b), naive::bin(op, a, b), "{:?}", op);
        }
        for &op in UN {
            prop_assert_eq!(op.eval(a), naive::un(op, a), "{:?}", op);
        }
    }
}
