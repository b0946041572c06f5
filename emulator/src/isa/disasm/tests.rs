//! Texts as GNU objdump writes them (spaces and the `i` of immediate forms aside), and that two
//! instructions are never written alike.

use std::collections::HashMap;

use proptest::prelude::*;

use super::super::table::TABLE;
use super::super::{Extensions, decode, encode};
use super::*;
use crate::isa::Fields;

const PC: u64 = 0x8000_0000;

fn text_of(bits: u32) -> String {
    let insn = decode(bits, &Extensions::ALL).unwrap_or_else(|| panic!("{bits:#010x} is illegal"));
    disassemble(&insn, PC, |csr| (csr == 0x300).then(|| "mstatus".to_owned()))
}

#[test]
fn as_objdump_writes_it() {
    for (bits, text) in [
        // Operands of each kind.
        (0xffc5_8513, "addi a0, a1, -4"),
        (0x0081_2503, "lw a0, 8(sp)"),
        (0xfe81_3c23, "sd s0, -8(sp)"),
        (0x00c5_8533, "add a0, a1, a2"),
        (0x0285_9513, "slli a0, a1, 0x28"),
        (0xffff_f537, "lui a0, 0xfffff"),
        (0x0000_1517, "auipc a0, 0x1"),
        (0xfeb5_0ee3, "beq a0, a1, 7ffffffc"),
        (0x0100_056f, "jal a0, 80000010"),
        (0x0030_8567, "jalr a0, 3(ra)"),
        (0x3005_95f3, "csrrw a1, mstatus, a1"),
        (0x7c05_95f3, "csrrw a1, 0x7c0, a1"),
        (0x3001_d5f3, "csrrwi a1, mstatus, 3"),
        (0x1605_a52f, "lr.w.aqrl a0, (a1)"),
        (0x1cb6_252f, "sc.w.aq a0, a1, (a2)"),
        (0x02b6_302f, "amoadd.d.rl zero, a1, (a2)"),
        (0x0015_200f, "cbo.clean (a0)"),
        (0x00c5_f553, "fadd.s fa0, fa1, fa2"),
        (0x00c5_c553, "fadd.s fa0, fa1, fa2, rmm"),
        (0x00c5_d553, "fadd.s fa0, fa1, fa2, rm5"),
        (0x6ac5_f543, "fmadd.d fa0, fa1, fa2, fa3"),
        (0xc005_1553, "fcvt.w.s a0, fa0, rtz"),
        (0xd225_0553, "fcvt.d.l fa0, a0, rne"),
        (0x0025_1507, "flh fa0, 2(a0)"),
        (0x00a5_3127, "fsd fa0, 2(a0)"),
    ] {
        assert_eq!(text_of(bits), text, "{bits:#010x}");
    }
}

#[test]
fn special_cases_of_arithmetic_and_jumps_have_names() {
    for (bits, text) in [
        (0x0000_0013, "nop"),
        (0x0040_0013, "li zero, 4"),
        (0xfff0_0513, "li a0, -1"),
        (0x0005_8513, "mv a0, a1"),
        (0x0005_851b, "sext.w a0, a1"),
        (0xfff5_c513, "not a0, a1"),
        (0x0ff5_f513, "zext.b a0, a1"),
        (0x0805_853b, "zext.w a0, a1"),
        (0x40b0_0533, "neg a0, a1"),
        (0x40b0_053b, "negw a0, a1"),
        (0x0015_b513, "seqz a0, a1"),
        (0x00b0_3533, "snez a0, a1"),
        (0x0005_a533, "sltz a0, a1"),
        (0x00b0_2533, "sgtz a0, a1"),
        (0x0000_0063, "beqz zero, 80000000"),
        (0x0005_1463, "bnez a0, 80000008"),
        (0x0005_5063, "bgez a0, 80000000"),
        (0x0005_4063, "bltz a0, 80000000"),
        (0x00a0_5063, "blez a0, 80000000"),
        (0x00a0_4063, "bgtz a0, 80000000"),
        (0x0000_5063, "blez zero, 80000000"),
        (0x0100_006f, "j 80000010"),
        (0x0100_00ef, "jal 80000010"),
        (0x0000_8067, "ret"),
        (0x0000_0067, "jr zero"),
        (0x0040_8067, "jr 4(ra)"),
        (0x0000_80e7, "jalr ra"),
        (0x0040_80e7, "jalr 4(ra)"),
        (0x0000_8567, "jalr a0, ra"),
    ] {
        assert_eq!(text_of(bits), text, "{bits:#010x}");
    }
}

#[test]
fn special_cases_of_other_instructions_have_names() {
    for (bits, text) in [
        (0x0ff0_000f, "fence"),
        (0x0330_000f, "fence rw, rw"),
        (0x0840_000f, "fence i, o"),
        (0x0010_000f, "fence 0, w"),
        (0x0100_000f, "pause"),
        (0x8330_000f, "fence.tso"),
        (0x9330_000f, ".insn 4, 0x9330000f"),
        (0x0ff5_000f, ".insn 4, 0x0ff5000f"),
        (0x0000_100f, "fence.i"),
        (0x0010_100f, ".insn 4, 0x0010100f"),
        (0x1200_0073, "sfence.vma"),
        (0x1205_0073, "sfence.vma a0"),
        (0x12b0_0073, "sfence.vma zero, a1"),
        (0x1600_0073, "sinval.vma zero, zero"),
        (0x3000_2573, "csrr a0, mstatus"),
        (0x3005_1073, "csrw mstatus, a0"),
        (0x3005_2073, "csrs mstatus, a0"),
        (0x3005_3073, "csrc mstatus, a0"),
        (0x3001_d073, "csrwi mstatus, 3"),
        (0x3001_e073, "csrsi mstatus, 3"),
        (0x3001_f073, "csrci mstatus, 3"),
        (0x0030_2573, "frcsr a0"),
        (0x0035_1073, "fscsr a0"),
        (0x0025_15f3, "fsrm a1, a0"),
        (0x0011_d073, "fsflagsi zero, 3"),
        (0xc000_25f3, "rdcycle a1"),
        (0xc010_25f3, "rdtime a1"),
        (0xc020_25f3, "rdinstret a1"),
        (0xc000_1073, "unimp"),
        (0x20b5_8553, "fmv.s fa0, fa1"),
        (0x22b5_9553, "fneg.d fa0, fa1"),
        (0x24b5_a553, "fabs.h fa0, fa1"),
        (0x0205_6013, "prefetch.i 32(a0)"),
        (0xfe15_6013, "prefetch.r -32(a0)"),
        (0x0235_6013, "prefetch.w 32(a0)"),
        (0x0225_6013, "ori zero, a0, 34"),
        (0xd205_0553, "fcvt.d.w fa0, a0"),
        (0xd205_7553, "fcvt.d.w fa0, a0, dyn"),
        // 16-bit ones, as what they abbreviate.
        (0x0001, "nop"),
        (0x8082, "ret"),
        (0x85aa, "mv a1, a0"),
        (0x0501, "addi a0, a0, 0"),
        (0x7119, "addi sp, sp, -128"),
        (0x9002, "ebreak"),
    ] {
        assert_eq!(text_of(bits), text, "{bits:#010x}");
    }
}

/// Every row with every combination of operands that aliases might single out.
#[test]
fn what_differs_is_written_differently() {
    let registers = [0, 1, 2];
    let immediates = [0, 1, 2, 3, 31, 32, 33, 255, 0x300, 0xc00, 0xff0, 0x330, -1, -2048, 0x1000];
    let mut seen: HashMap<String, u32> = HashMap::new();
    let mut note = |bits: u32| {
        if let Some(other) = seen.insert(text_of(bits), bits) {
            assert_eq!(other, bits, "both are `{}`", text_of(bits));
        }
    };
    for row in TABLE {
        for rd in registers {
            for rs1 in registers {
                for rs2 in registers {
                    for rm in 0..8 {
                        note(encode(row.op, &Fields { rd, rs1, rs2, rs3: rs2, rm, imm: 0 }));
                    }
                }
                for imm in immediates {
                    let fields = Fields { rd, rs1, rs2: rd, rs3: 0, rm: 0, imm };
                    let bits = row.pattern.value | row.format.insert(&fields);
                    if row.pattern.matches(bits) {
                        note(bits);
                    }
                }
            }
        }
    }
    assert!(seen.len() > 10_000, "{}", seen.len());
}

#[test]
fn short_instructions_are_written_as_long_ones() {
    let mut seen: HashMap<String, u32> = HashMap::new();
    for bits in 0..=0xffff {
        let Some(insn) = decode(bits, &Extensions::ALL).filter(|insn| insn.len_bytes() == 2) else {
            continue;
        };
        let Insn { op, rd, rs1, rs2, rs3, rm, imm, .. } = insn;
        let word = encode(op, &Fields { rd, rs1, rs2, rs3, rm, imm });
        let text = text_of(bits);
        let mv = matches!(insn, Insn { op: Op::Add, rs1: 0, .. });
        let not_mv = matches!(insn, Insn { op: Op::Addi, rs1: 1.., imm: 0, .. });
        if !mv && !not_mv {
            assert_eq!(text, text_of(word), "{bits:#06x}");
        }
        let other = seen.insert(text, word).unwrap_or(word);
        assert_eq!(other, word, "{bits:#06x} is written like another");
    }
}

proptest! {
    #[test]
    fn each_operand_bit_shows(row in 0..TABLE.len(), noise in any::<u32>()) {
        let row = &TABLE[row];
        let bits = row.pattern.value | noise & !row.pattern.mask;
        for bit in (0..32).map(|bit| 1 << bit).filter(|bit| row.pattern.mask & bit == 0) {
            prop_assert_ne!(text_of(bits), text_of(bits ^ bit), "{:#010x} {:#x}", bits, bit);
        }
    }
}

#[test]
fn targets_are_those_of_direct_jumps() {
    for (bits, expected) in [
        (0xfeb5_0ee3, Some(PC - 4)),
        (0x0100_00ef, Some(PC + 16)),
        (0xd281, Some(PC - 256)),
        (0x0000_8067, None),
        (0xffc5_8513, None),
    ] {
        let insn = decode(bits, &Extensions::ALL).expect("legal");
        assert_eq!(target(&insn, PC), expected, "{bits:#010x}");
    }
}
