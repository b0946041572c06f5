//! Properties of all rows of the table: patterns that do not overlap, encodings that decode to
//! what was encoded, switches that make them illegal; and the encodings that stay illegal.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::extension::Extension;
use super::*;

fn rows() -> impl Strategy<Value = &'static Row> {
    select(TABLE.iter().collect::<Vec<_>>())
}

#[test]
fn rows_are_in_the_order_of_their_names() {
    for (number, row) in TABLE.iter().enumerate() {
        assert_eq!(row.op as usize, number, "{:?}", row.op);
        assert_eq!(row.op.row().mnemonic, row.mnemonic);
        assert_eq!(row.op.flow(), row.flow);
    }
}

#[test]
fn no_two_rows_overlap() {
    for (number, row) in TABLE.iter().enumerate() {
        for other in &TABLE[..number] {
            assert!(!row.pattern.overlaps(other.pattern), "{:?} and {:?}", row.op, other.op);
            assert_ne!(row.mnemonic, other.mnemonic);
        }
    }
}

#[test]
fn every_bit_of_a_row_is_fixed_or_an_operand() {
    for row in TABLE {
        let everything = Fields { rd: 31, rs1: 31, rs2: 31, rs3: 31, rm: 7, imm: -1 };
        let operands = row.format.insert(&everything);
        assert_eq!(row.pattern.mask | operands, u32::MAX, "{:?}: a bit means nothing", row.op);
        assert_eq!(row.pattern.value & 3, 3, "{:?} is not 32 bits long", row.op);
        // A shift amount may have its sixth bit fixed; all else is one or the other.
        let both = row.pattern.mask & operands;
        assert!(both == 0 || both == 1 << 25, "{:?}: {both:#x} is fixed and an operand", row.op);
    }
}

proptest! {
    #[test]
    fn what_is_encoded_decodes_to_itself(row in rows(), noise in any::<u32>()) {
        let bits = row.pattern.value | noise & !row.pattern.mask;
        let fields = row.format.extract(bits);
        let insn = decode(bits, &Extensions::ALL).expect("a row is legal");
        prop_assert_eq!(insn, super::insn(row.op, fields, bits));
        prop_assert_eq!(encode(row.op, &fields), bits);
        prop_assert_eq!(insn.len_bytes(), 4);
    }

    #[test]
    fn the_index_finds_what_a_search_finds(bits in any::<u32>(), row in rows()) {
        // Random words are rarely legal; one with the fixed bits of a row but for one of them
        // almost is.
        let near = row.pattern.value | bits & !row.pattern.mask;
        for bits in [bits, bits | 3, near, near ^ 1 << (bits & 31)] {
            let found = find(bits).map(|row| row.op);
            let searched = TABLE.iter().find(|row| row.pattern.matches(bits)).map(|row| row.op);
            prop_assert_eq!(found, searched, "{:#010x}", bits);
        }
    }
}

#[test]
fn a_row_needs_each_of_its_extensions() {
    for row in TABLE {
        let bits = row.pattern.value;
        assert!(row.extensions.iter().count() > 0, "{:?} belongs to none", row.op);
        assert!(decode(bits, &row.extensions).is_some(), "{:?}", row.op);
        for off in row.extensions.iter() {
            let rest: Vec<_> = Extension::ALL.iter().copied().filter(|&e| e != off).collect();
            assert_eq!(decode(bits, &Extensions::of(&rest)), None, "{:?} without {off:?}", row.op);
        }
    }
}

#[test]
fn reserved_encodings_are_illegal() {
    for (bits, what) in [
        (0xffff_ffff, "all ones"),
        (0x0000_001f, "a prefix of 48 bits and more"),
        (0x0000_703b, "opcode OP-32, funct3 7"),
        (0x0000_7003, "a load of 16 bytes"),
        (0x0000_4023, "a store of 16 bytes"),
        (0x0000_2063, "branch, funct3 2"),
        (0x0000_3063, "branch, funct3 3"),
        (0x0000_1067, "jalr, funct3 1"),
        (0x0200_101b, "slliw by 32"),
        (0x0200_501b, "srliw by 32"),
        (0x4200_501b, "sraiw by 32"),
        (0x6200_501b, "roriw by 32"),
        (0x0400_1013, "slli by 64"),
        (0x8000_0033, "add with a funct7 of nobody's"),
        (0x0000_4073, "system, funct3 4"),
        (0x1010_202f, "lr.w with an rs2"),
        (0x1010_302f, "lr.d with an rs2"),
        (0x0000_402f, "amo of 16 bytes"),
        (0x0000_002f, "amo of a byte"),
        (0x2800_202f, "amocas of Zacas"),
        (0x0000_00f3, "ecall with an rd"),
        (0x1200_00f3, "sfence.vma with an rd"),
        (0x3020_8073, "mret with an rs1"),
        (0x0020_0073, "uret"),
        (0x7b20_0073, "dret"),
        (0x7020_0073, "mnret"),
        (0x0000_208f, "cbo.inval with an rd"),
        (0x0030_200f, "cbo of nobody's"),
        (0x6030_1013, "after cpop"),
        (0x6b80_5033, "rev8 among the register forms"),
        (0x0820_403b, "zext.h with an rs2 is packw"),
        (0x0600_0043, "fmadd.q"),
        (0x0600_0053, "fadd.q"),
        (0x5810_0053, "fsqrt.s with an rs2"),
        (0x2000_3053, "fsgnj.s, funct3 3"),
        (0xc040_0053, "fcvt from an integer format of nobody's"),
        (0x4000_0053, "fcvt.s.s"),
        (0xe000_2053, "fclass.s, funct3 2"),
        (0x0000_0007, "flb"),
        (0x0000_4007, "flq"),
        (0x0000_0057, "the vector extension"),
        (0x0000_000b, "custom-0"),
        (0x0000_006b, "reserved opcode"),
    ] {
        assert_eq!(decode(bits, &Extensions::ALL), None, "{what}: {bits:#010x}");
    }
}
