//! The 16-bit instructions of C and Zcb, each expanded to the 32-bit one that it abbreviates.
//! One aligned row per instruction, the first that matches counts: the manual's reserved
//! encodings are rows without an expansion above the ones they are carved out of. HINTs expand
//! to instructions that write `x0`.
//!
//! Source: Unprivileged ISA, "C" Extension, "RVC Instruction Set Listings", and "Zcb".

use std::sync::LazyLock;

use super::Insn;
use super::decode::insn;
use super::extension::{Extension, Extensions};
use super::format::Fields;
use super::pattern::Pattern;
use super::table::Op;

/// An encoding: what it stands for, if anything.
struct Row {
    pattern: Pattern,
    /// The extension that defines it; the expansion's own must be enabled too.
    extension: Extension,
    expansion: Option<(Op, Operands)>,
}

/// Takes the operands of the expansion out of the 16 bits.
type Operands = fn(u32) -> Fields;

macro_rules! compressed {
    (@expansion reserved) => { None };
    (@expansion $op:ident $fields:expr) => { Some((Op::$op, $fields as Operands)) };
    ($($pattern:literal $ext:ident $op:ident $($fields:expr)?;)*) => {
        static ROWS: &[Row] = &[
            $(Row {
                pattern: Pattern::parse(concat!("0000000000000000", $pattern)),
                extension: Extension::$ext,
                expansion: compressed!(@expansion $op $($fields)?),
            }),*
        ];
    };
}

#[rustfmt::skip]
compressed! {
//   15..13 12..10 9..7 6..5 4..2 op  extension expansion operands
    // Quadrant 0.
    "000 00000000 ... 00"             C   reserved;                                  // nzuimm = 0, all zeros included
    "000 ........ ... 00"             C   Addi    |c| Fields { rd: rd_short(c), rs1: SP, imm: uimm_addi4spn(c), ..NONE };
    "001 ... ... .. ... 00"           C   Fld     |c| Fields { rd: rd_short(c), rs1: rs1_short(c), imm: uimm_d(c), ..NONE };
    "010 ... ... .. ... 00"           C   Lw      |c| Fields { rd: rd_short(c), rs1: rs1_short(c), imm: uimm_w(c), ..NONE };
    "011 ... ... .. ... 00"           C   Ld      |c| Fields { rd: rd_short(c), rs1: rs1_short(c), imm: uimm_d(c), ..NONE };
    "100 000 ... .. ... 00"           Zcb Lbu     |c| Fields { rd: rd_short(c), rs1: rs1_short(c), imm: uimm_b(c), ..NONE };
    "100 001 ... 0. ... 00"           Zcb Lhu     |c| Fields { rd: rd_short(c), rs1: rs1_short(c), imm: uimm_h(c), ..NONE };
    "100 001 ... 1. ... 00"           Zcb Lh      |c| Fields { rd: rd_short(c), rs1: rs1_short(c), imm: uimm_h(c), ..NONE };
    "100 010 ... .. ... 00"           Zcb Sb      |c| Fields { rs2: rd_short(c), rs1: rs1_short(c), imm: uimm_b(c), ..NONE };
    "100 011 ... 0. ... 00"           Zcb Sh      |c| Fields { rs2: rd_short(c), rs1: rs1_short(c), imm: uimm_h(c), ..NONE };
    "101 ... ... .. ... 00"           C   Fsd     |c| Fields { rs2: rd_short(c), rs1: rs1_short(c), imm: uimm_d(c), ..NONE };
    "110 ... ... .. ... 00"           C   Sw      |c| Fields { rs2: rd_short(c), rs1: rs1_short(c), imm: uimm_w(c), ..NONE };
    "111 ... ... .. ... 00"           C   Sd      |c| Fields { rs2: rd_short(c), rs1: rs1_short(c), imm: uimm_d(c), ..NONE };
    // Quadrant 1.
    "000 . ..... ..... 01"            C   Addi    |c| Fields { rd: rd(c), rs1: rd(c), imm: imm(c), ..NONE };
    "001 . 00000 ..... 01"            C   reserved;                                  // c.addiw to x0
    "001 . ..... ..... 01"            C   Addiw   |c| Fields { rd: rd(c), rs1: rd(c), imm: imm(c), ..NONE };
    "010 . ..... ..... 01"            C   Addi    |c| Fields { rd: rd(c), imm: imm(c), ..NONE };
    "011 0 ..... 00000 01"            C   reserved;                                  // nzimm = 0
    "011 . 00010 ..... 01"            C   Addi    |c| Fields { rd: SP, rs1: SP, imm: imm_addi16sp(c), ..NONE };
    "011 . ..... ..... 01"            C   Lui     |c| Fields { rd: rd(c), imm: imm(c) << 12, ..NONE };
    "100 . 00 ... ..... 01"           C   Srli    |c| Fields { rd: rs1_short(c), rs1: rs1_short(c), imm: shamt(c), ..NONE };
    "100 . 01 ... ..... 01"           C   Srai    |c| Fields { rd: rs1_short(c), rs1: rs1_short(c), imm: shamt(c), ..NONE };
    "100 . 10 ... ..... 01"           C   Andi    |c| Fields { rd: rs1_short(c), rs1: rs1_short(c), imm: imm(c), ..NONE };
    "100 0 11 ... 00 ... 01"          C   Sub     arithmetic;
    "100 0 11 ... 01 ... 01"          C   Xor     arithmetic;
    "100 0 11 ... 10 ... 01"          C   Or      arithmetic;
    "100 0 11 ... 11 ... 01"          C   And     arithmetic;
    "100 1 11 ... 00 ... 01"          C   Subw    arithmetic;
    "100 1 11 ... 01 ... 01"          C   Addw    arithmetic;
    "100 1 11 ... 10 ... 01"          Zcb Mul     arithmetic;
    "100 1 11 ... 11 000 01"          Zcb Andi    |c| Fields { rd: rs1_short(c), rs1: rs1_short(c), imm: 0xff, ..NONE };
    "100 1 11 ... 11 001 01"          Zcb SextB   unary;
    "100 1 11 ... 11 010 01"          Zcb ZextH   unary;
    "100 1 11 ... 11 011 01"          Zcb SextH   unary;
    "100 1 11 ... 11 100 01"          Zcb AddUw   unary;                              // zext.w: rs2 is x0
    "100 1 11 ... 11 101 01"          Zcb Xori    |c| Fields { rd: rs1_short(c), rs1: rs1_short(c), imm: -1, ..NONE };
    "101 ........... 01"              C   Jal     |c| Fields { imm: imm_j(c), ..NONE };
    "110 ... ... ..... 01"            C   Beq     |c| Fields { rs1: rs1_short(c), imm: imm_b(c), ..NONE };
    "111 ... ... ..... 01"            C   Bne     |c| Fields { rs1: rs1_short(c), imm: imm_b(c), ..NONE };
    // Quadrant 2.
    "000 . ..... ..... 10"            C   Slli    |c| Fields { rd: rd(c), rs1: rd(c), imm: shamt(c), ..NONE };
    "001 . ..... ..... 10"            C   Fld     |c| Fields { rd: rd(c), rs1: SP, imm: uimm_ldsp(c), ..NONE };
    "010 . 00000 ..... 10"            C   reserved;                                  // c.lwsp to x0
    "010 . ..... ..... 10"            C   Lw      |c| Fields { rd: rd(c), rs1: SP, imm: uimm_lwsp(c), ..NONE };
    "011 . 00000 ..... 10"            C   reserved;                                  // c.ldsp to x0
    "011 . ..... ..... 10"            C   Ld      |c| Fields { rd: rd(c), rs1: SP, imm: uimm_ldsp(c), ..NONE };
    "100 0 00000 00000 10"            C   reserved;                                  // c.jr through x0
    "100 0 ..... 00000 10"            C   Jalr    |c| Fields { rs1: rd(c), ..NONE };
    "100 0 ..... ..... 10"            C   Add     |c| Fields { rd: rd(c), rs2: rs2(c), ..NONE };
    "100 1 00000 00000 10"            C   Ebreak  |_| NONE;
    "100 1 ..... 00000 10"            C   Jalr    |c| Fields { rd: RA, rs1: rd(c), ..NONE };
    "100 1 ..... ..... 10"            C   Add     |c| Fields { rd: rd(c), rs1: rd(c), rs2: rs2(c), ..NONE };
    "101 ...... ..... 10"             C   Fsd     |c| Fields { rs2: rs2(c), rs1: SP, imm: uimm_sdsp(c), ..NONE };
    "110 ...... ..... 10"             C   Sw      |c| Fields { rs2: rs2(c), rs1: SP, imm: uimm_swsp(c), ..NONE };
    "111 ...... ..... 10"             C   Sd      |c| Fields { rs2: rs2(c), rs1: SP, imm: uimm_sdsp(c), ..NONE };
}

const NONE: Fields = Fields { rd: 0, rs1: 0, rs2: 0, rs3: 0, rm: 0, imm: 0 };
const RA: u8 = 1;
const SP: u8 = 2;

/// The row of every halfword, by number; [`NO_ROW`] where there is none.
static INDEX: LazyLock<Box<[u8]>> = LazyLock::new(|| {
    let row = |bits: u32| ROWS.iter().position(|row| row.pattern.matches(bits));
    (0..=0xffff).map(|bits| row(bits).map_or(NO_ROW, |row| row as u8)).collect()
});
const NO_ROW: u8 = u8::MAX;
const _: () = assert!(ROWS.len() < NO_ROW as usize);

/// The instruction that the 16 `bits` abbreviate. None where they mean nothing.
pub(super) fn expand(bits: u16, extensions: &Extensions) -> Option<Insn> {
    let row = ROWS.get(usize::from(INDEX[usize::from(bits)]))?;
    let (op, fields) = row.expansion?;
    let needed = op.row().extensions;
    if !extensions.has(row.extension) || !extensions.has_all(needed) {
        return None;
    }
    let bits = bits.into();
    Some(insn(op, fields(bits), bits))
}

/// Two short registers, the first also the destination.
fn arithmetic(c: u32) -> Fields {
    Fields { rd: rs1_short(c), rs1: rs1_short(c), rs2: rd_short(c), ..NONE }
}

/// One short register, also the destination.
fn unary(c: u32) -> Fields {
    Fields { rd: rs1_short(c), rs1: rs1_short(c), ..NONE }
}

/// Bits `high` to `low` of `c`, moved to bit `to`.
const fn field(c: u32, high: u32, low: u32, to: u32) -> i32 {
    ((c >> low & ((1 << (high - low + 1)) - 1)) << to) as i32
}

/// The low `bits` of `value`, sign-extended.
const fn signed(value: i32, bits: u32) -> i32 {
    value << (32 - bits) >> (32 - bits)
}

const fn rd(c: u32) -> u8 {
    field(c, 11, 7, 0) as u8
}

const fn rs2(c: u32) -> u8 {
    field(c, 6, 2, 0) as u8
}

/// rs1′, one of x8 to x15.
const fn rs1_short(c: u32) -> u8 {
    8 + field(c, 9, 7, 0) as u8
}

/// rd′ and rs2′, one of x8 to x15.
const fn rd_short(c: u32) -> u8 {
    8 + field(c, 4, 2, 0) as u8
}

const fn shamt(c: u32) -> i32 {
    field(c, 12, 12, 5) | field(c, 6, 2, 0)
}

const fn imm(c: u32) -> i32 {
    signed(shamt(c), 6)
}

const fn imm_addi16sp(c: u32) -> i32 {
    let imm = field(c, 12, 12, 9)
        | field(c, 6, 6, 4)
        | field(c, 5, 5, 6)
        | field(c, 4, 3, 7)
        | field(c, 2, 2, 5);
    signed(imm, 10)
}

const fn uimm_addi4spn(c: u32) -> i32 {
    field(c, 12, 11, 4) | field(c, 10, 7, 6) | field(c, 6, 6, 2) | field(c, 5, 5, 3)
}

const fn uimm_b(c: u32) -> i32 {
    field(c, 6, 6, 0) | field(c, 5, 5, 1)
}

const fn uimm_h(c: u32) -> i32 {
    field(c, 5, 5, 1)
}

const fn uimm_w(c: u32) -> i32 {
    field(c, 12, 10, 3) | field(c, 6, 6, 2) | field(c, 5, 5, 6)
}

const fn uimm_d(c: u32) -> i32 {
    field(c, 12, 10, 3) | field(c, 6, 5, 6)
}

const fn uimm_lwsp(c: u32) -> i32 {
    field(c, 12, 12, 5) | field(c, 6, 4, 2) | field(c, 3, 2, 6)
}

const fn uimm_ldsp(c: u32) -> i32 {
    field(c, 12, 12, 5) | field(c, 6, 5, 3) | field(c, 4, 2, 6)
}

const fn uimm_swsp(c: u32) -> i32 {
    field(c, 12, 9, 2) | field(c, 8, 7, 6)
}

const fn uimm_sdsp(c: u32) -> i32 {
    field(c, 12, 10, 3) | field(c, 9, 7, 6)
}

const fn imm_b(c: u32) -> i32 {
    let imm = field(c, 12, 12, 8)
        | field(c, 11, 10, 3)
        | field(c, 6, 5, 6)
        | field(c, 4, 3, 1)
        | field(c, 2, 2, 5);
    signed(imm, 9)
}

const fn imm_j(c: u32) -> i32 {
    let imm = field(c, 12, 12, 11)
        | field(c, 11, 11, 4)
        | field(c, 10, 9, 8)
        | field(c, 8, 8, 10)
        | field(c, 7, 7, 6)
        | field(c, 6, 6, 7)
        | field(c, 5, 3, 1)
        | field(c, 2, 2, 5);
    signed(imm, 12)
}

#[cfg(test)]
mod tests;
