//! All 65536 halfwords, against facts from assemblers and the immediates as the manual's listings
//! print them.

use std::collections::HashSet;

use super::super::{decode, encode};
use super::*;

const ALL: Extensions = Extensions::ALL;

fn row_of(bits: u16) -> Option<usize> {
    ROWS.iter().position(|row| row.pattern.matches(bits.into()))
}

/// Halfwords and the 32-bit encodings of the same instructions, as assemblers make them. Where
/// there is no other reason, registers differ and immediates alternate.
#[rustfmt::skip]
const FACTS: &[(u16, u32)] = &[
    (0x0ed4, 0x3541_0693), // addi a3, sp, 0x354
    (0x3754, 0x0a87_3687), // fld fa3, 0xa8(a4)
    (0x4b74, 0x0547_2683), // lw a3, 0x54(a4)
    (0x7754, 0x0a87_3683), // ld a3, 0xa8(a4)
    (0x8334, 0x0027_4683), // lbu a3, 2(a4)
    (0x8354, 0x0017_4683), // lbu a3, 1(a4)
    (0x8734, 0x0027_5683), // lhu a3, 2(a4)
    (0x8774, 0x0027_1683), // lh a3, 2(a4)
    (0x8b34, 0x00d7_0123), // sb a3, 2(a4)
    (0x8b54, 0x00d7_00a3), // sb a3, 1(a4)
    (0x8f34, 0x00d7_1123), // sh a3, 2(a4)
    (0xb754, 0x0ad7_3427), // fsd fa3, 0xa8(a4)
    (0xcb74, 0x04d7_2a23), // sw a3, 0x54(a4)
    (0xf754, 0x0ad7_3423), // sd a3, 0xa8(a4)
    (0x1fd5, 0xff5f_8f93), // addi t6, t6, -11
    (0x0001, 0x0000_0013), // nop
    (0x3f81, 0xfe0f_8f9b), // addiw t6, t6, -32
    (0x2501, 0x0005_051b), // sext.w a0, a0
    (0x5f7d, 0xfff0_0f13), // li t5, -1
    (0x457d, 0x01f0_0513), // li a0, 31
    (0x7141, 0xe101_0113), // addi sp, sp, -496
    (0x0141, 0x0101_0113), // addi sp, sp, 16
    (0x66fd, 0x0001_f6b7), // lui a3, 0x1f
    (0x7f81, 0xfffe_0fb7), // lui t6, 0xfffe0
    (0x92ad, 0x02b6_d693), // srli a3, a3, 43
    (0x8485, 0x4014_d493), // srai s1, s1, 1
    (0x9ba9, 0xfea7_f793), // andi a5, a5, -22
    (0x8e99, 0x40e6_86b3), // sub a3, a3, a4
    (0x8eb9, 0x00e6_c6b3), // xor a3, a3, a4
    (0x8ed9, 0x00e6_e6b3), // or a3, a3, a4
    (0x8ef9, 0x00e6_f6b3), // and a3, a3, a4
    (0x9e99, 0x40e6_86bb), // subw a3, a3, a4
    (0x9eb9, 0x00e6_86bb), // addw a3, a3, a4
    (0x9ed9, 0x02e6_86b3), // mul a3, a3, a4
    (0x9ee1, 0x0ff6_f693), // zext.b a3, a3
    (0x9ee5, 0x6046_9693), // sext.b a3, a3
    (0x9ee9, 0x0806_c6bb), // zext.h a3, a3
    (0x9eed, 0x6056_9693), // sext.h a3, a3
    (0x9ef1, 0x0806_86bb), // zext.w a3, a3
    (0x9ef5, 0xfff6_c693), // not a3, a3
    (0xb001, 0x801f_f06f), // j .-2048
    (0xab99, 0x5560_006f), // j .+1366
    (0xd281, 0xf006_80e3), // beqz a3, .-256
    (0xc6cd, 0x0a06_8563), // beqz a3, .+170
    (0xf301, 0xf007_10e3), // bnez a4, .-256
    (0xe74d, 0x0a07_1563), // bnez a4, .+170
    (0x1ffe, 0x03ff_9f93), // slli t6, t6, 63
    (0x23d6, 0x1501_3387), // fld ft7, 0x150(sp)
    (0x5faa, 0x0a81_2f83), // lw t6, 0xa8(sp)
    (0x6fd6, 0x1501_3f83), // ld t6, 0x150(sp)
    (0x8f82, 0x000f_8067), // jr t6
    (0x8082, 0x0000_8067), // ret
    (0x8fae, 0x00b0_0fb3), // mv t6, a1, as an add
    (0x9002, 0x0010_0073), // ebreak
    (0x9f82, 0x000f_80e7), // jalr t6
    (0x9fae, 0x00bf_8fb3), // add t6, t6, a1
    (0xb51e, 0x0a71_3427), // fsd ft7, 0xa8(sp)
    (0xcafe, 0x05f1_2a23), // sw t6, 0x54(sp)
    (0xeafe, 0x15f1_3823), // sd t6, 0x150(sp)
    // HINTs, which write x0.
    (0x0005, 0x0010_0013), // c.nop 1
    (0x4005, 0x0010_0013), // c.li zero, 1
    (0x6005, 0x0000_1037), // c.lui zero, 1
    (0x0006, 0x0010_1013), // c.slli zero, 1
    (0x8006, 0x0010_0033), // c.mv zero, ra
    (0x9006, 0x0010_0033), // c.add zero, ra
    (0x0002, 0x0000_1013), // c.slli zero, 0
    (0x8401, 0x4004_5413), // c.srai s0, 0
];

/// Encodings that mean nothing, one of each reserved kind at least.
const RESERVED: &[u16] = &[
    0x0000, // defined illegal
    0x001c, // c.addi4spn without an immediate
    0x2001, // c.addiw to x0
    0x203d, // the same with an immediate
    0x6101, // c.addi16sp without an immediate
    0x6501, // c.lui without an immediate
    0x6001, // the same to x0
    0x4002, // c.lwsp to x0
    0x407e, // the same with an offset
    0x6002, // c.ldsp to x0
    0x8002, // c.jr through x0
    0x8c40, // c.sh with the bit that makes c.lhu c.lh
    0x9000, // funct6 100100 of quadrant 0
    0x9c00, // funct6 100111 of quadrant 0
    0x9c79, // funct 110 of the one-operand group
    0x9c7d, // funct 111 of the one-operand group
];

#[test]
fn expansions_are_those_of_assemblers() {
    let mut met = HashSet::new();
    for &(bits, word) in FACTS {
        let insn = expand(bits, &ALL).unwrap_or_else(|| panic!("{bits:#06x} is illegal"));
        let expected = decode(word, &ALL).unwrap_or_else(|| panic!("{word:#010x} is illegal"));
        assert_eq!(insn, Insn { bits: bits.into(), ..expected }, "{bits:#06x}");
        met.insert(row_of(bits));
    }
    for &bits in RESERVED {
        assert_eq!(expand(bits, &ALL), None, "{bits:#06x}");
        met.insert(row_of(bits));
    }
    for (number, row) in ROWS.iter().enumerate() {
        assert!(met.contains(&Some(number)), "no fact about {:#06x}", row.pattern.value);
    }
}

/// A run of immediate bits: where it begins in the halfword, and which bits of the immediate they
/// are from there downwards.
type Group = (u32, &'static str);

/// The immediates: pattern of the halfword, its groups, and whether the highest bit is the sign.
#[rustfmt::skip]
const IMMEDIATES: &[(&str, &[Group], Sign)] = &[
    ("000 ........ ... 00",  &[(12, "5:4|9:6|2|3")],               Sign::Zero),     // c.addi4spn
    ("001 ........... 00",   &[(12, "5:3"), (6, "7:6")],           Sign::Zero),     // c.fld
    ("010 ........... 00",   &[(12, "5:3"), (6, "2|6")],           Sign::Zero),     // c.lw
    ("011 ........... 00",   &[(12, "5:3"), (6, "7:6")],           Sign::Zero),     // c.ld
    ("100 000 ........ 00",  &[(6, "0|1")],                        Sign::Zero),     // c.lbu
    ("100 001 ........ 00",  &[(5, "1")],                          Sign::Zero),     // c.lhu, c.lh
    ("100 010 ........ 00",  &[(6, "0|1")],                        Sign::Zero),     // c.sb
    ("100 011 ........ 00",  &[(5, "1")],                          Sign::Zero),     // c.sh
    ("101 ........... 00",   &[(12, "5:3"), (6, "7:6")],           Sign::Zero),     // c.fsd
    ("110 ........... 00",   &[(12, "5:3"), (6, "2|6")],           Sign::Zero),     // c.sw
    ("111 ........... 00",   &[(12, "5:3"), (6, "7:6")],           Sign::Zero),     // c.sd
    ("000 ........... 01",   &[(12, "5"), (6, "4:0")],             Sign::Extended), // c.addi
    ("001 ........... 01",   &[(12, "5"), (6, "4:0")],             Sign::Extended), // c.addiw
    ("010 ........... 01",   &[(12, "5"), (6, "4:0")],             Sign::Extended), // c.li
    ("011 . 00010 ..... 01", &[(12, "9"), (6, "4|6|8:7|5")],       Sign::Extended), // c.addi16sp
    ("011 ........... 01",   &[(12, "17"), (6, "16:12")],          Sign::Extended), // c.lui
    ("100 . 0. ........ 01", &[(12, "5"), (6, "4:0")],             Sign::Zero),     // c.srli, c.srai
    ("100 . 10 ........ 01", &[(12, "5"), (6, "4:0")],             Sign::Extended), // c.andi
    ("101 ........... 01",   &[(12, "11|4|9:8|10|6|7|3:1|5")],     Sign::Extended), // c.j
    ("11. ........... 01",   &[(12, "8|4:3"), (6, "7:6|2:1|5")],   Sign::Extended), // c.beqz, c.bnez
    ("000 ........... 10",   &[(12, "5"), (6, "4:0")],             Sign::Zero),     // c.slli
    ("001 ........... 10",   &[(12, "5"), (6, "4:3|8:6")],         Sign::Zero),     // c.fldsp
    ("010 ........... 10",   &[(12, "5"), (6, "4:2|7:6")],         Sign::Zero),     // c.lwsp
    ("011 ........... 10",   &[(12, "5"), (6, "4:3|8:6")],         Sign::Zero),     // c.ldsp
    ("101 ........... 10",   &[(12, "5:3|8:6")],                   Sign::Zero),     // c.fsdsp
    ("110 ........... 10",   &[(12, "5:2|7:6")],                   Sign::Zero),     // c.swsp
    ("111 ........... 10",   &[(12, "5:3|8:6")],                   Sign::Zero),     // c.sdsp
    ("100 1 11 ... 11 000 01", &[],                                Sign::Ones(8)),  // c.zext.b
    ("100 1 11 ... 11 101 01", &[],                                Sign::Ones(32)), // c.not
];

/// What the bits are that the listing does not show.
#[derive(Clone, Copy)]
enum Sign {
    Zero,
    Extended,
    /// The immediate is a constant of so many ones.
    Ones(u32),
}

/// The immediate that the manual's listing says `bits` has.
fn listed_immediate(bits: u16, groups: &[(u32, &str)], sign: Sign) -> i32 {
    let (mut imm, mut highest) = (0, 0);
    for &(start, text) in groups {
        let mut at = start;
        for range in text.split('|') {
            let (high, low) = range.split_once(':').unwrap_or((range, range));
            let number = |text: &str| text.parse::<u32>().expect("a bit number");
            for bit in (number(low)..=number(high)).rev() {
                imm |= i32::from(bits >> at & 1) << bit;
                highest = highest.max(bit);
                at -= 1;
            }
        }
    }
    match sign {
        Sign::Zero => imm,
        Sign::Extended => imm << (31 - highest) >> (31 - highest),
        Sign::Ones(count) => (u32::MAX >> (32 - count)) as i32,
    }
}

#[test]
fn immediates_are_where_the_listings_have_them() {
    let patterns: Vec<_> = IMMEDIATES
        .iter()
        .map(|row| Pattern::parse(&format!("{}{}", "0".repeat(16), row.0)))
        .collect();
    for bits in 0..=u16::MAX {
        let Some(insn) = expand(bits, &ALL) else { continue };
        let listed = |at: usize| listed_immediate(bits, IMMEDIATES[at].1, IMMEDIATES[at].2);
        let expected = patterns.iter().position(|p| p.matches(bits.into())).map_or(0, listed);
        assert_eq!(insn.imm, expected, "{bits:#06x} {insn:?}");
    }
}

#[test]
fn expansions_are_instructions() {
    for bits in 0..=u16::MAX {
        let Some(insn) = expand(bits, &ALL) else { continue };
        assert_eq!((insn.bits, insn.len_bytes(), insn.at), (bits.into(), 2, 0));
        let Insn { rd, rs1, rs2, rs3, rm, imm, .. } = insn;
        let fields = Fields { rd, rs1, rs2, rs3, rm, imm };
        // Whatever the format has no room for would be lost on the way.
        let word = encode(insn.op, &fields);
        assert_eq!(decode(word, &ALL), Some(Insn { bits: word, ..insn }), "{bits:#06x}");
    }
}

#[test]
fn rows_need_their_extension_and_that_of_their_expansion() {
    use Extension as E;
    let without = |off: &[Extension]| {
        let rest: Vec<_> = E::ALL.iter().copied().filter(|e| !off.contains(e)).collect();
        Extensions::of(&rest)
    };
    for bits in (0..=u16::MAX).filter(|bits| bits & 3 != 3) {
        assert_eq!(expand(bits, &without(&[E::C, E::Zcb])), None, "{bits:#06x} without C");
        let Some(insn) = expand(bits, &ALL) else { continue };
        let own = ROWS[row_of(bits).expect("it expands")].extension;
        for &off in E::ALL {
            let expected = off != own && !insn.op.row().extensions.has(off);
            assert_eq!(expand(bits, &without(&[off])).is_some(), expected, "{bits:#06x} {off:?}");
        }
    }
    for (bits, off) in [(0x3754, E::D), (0x23d6, E::D), (0xb754, E::D), (0xb51e, E::D)] {
        assert_eq!(expand(bits, &without(&[off])), None, "{bits:#06x} without {off:?}");
    }
    for (bits, off) in [(0x9ed9, E::M), (0x9ee5, E::Zbb), (0x9ee9, E::Zbb), (0x9ef1, E::Zba)] {
        assert_eq!(expand(bits, &without(&[off])), None, "{bits:#06x} without {off:?}");
        assert_eq!(expand(bits, &without(&[E::Zcb])), None, "{bits:#06x} without Zcb");
    }
}

#[test]
fn halfwords_of_longer_instructions_are_none() {
    for bits in (3..=u16::MAX).step_by(4) {
        assert_eq!(expand(bits, &ALL), None, "{bits:#06x}");
    }
}
