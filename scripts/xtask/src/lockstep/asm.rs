//! [`Asm`]: machine code in the making, from the rows of the emulator's instruction table.

use pagewalk::isa::{Fields, Op, encode};

/// A register number.
pub(super) type Reg = u8;

/// `c.nop`, which pads a 16-bit instruction that may trap to the four bytes that handlers skip.
pub(super) const C_NOP: u16 = 0x0001;

/// Code from one address upwards.
#[derive(Debug)]
pub(super) struct Asm {
    base: u64,
    code: Vec<u8>,
}

/// A place where a branch or a jump with an unknown target was left out.
#[derive(Debug)]
#[must_use]
pub(super) struct Hole(u64);

impl Asm {
    pub(super) fn new(base: u64) -> Self {
        Self { base, code: Vec::new() }
    }

    /// Address of the next instruction.
    pub(super) fn here(&self) -> u64 {
        self.base + self.code.len() as u64
    }

    pub(super) fn into_code(self) -> Vec<u8> {
        self.code
    }

    pub(super) fn half(&mut self, bits: u16) {
        self.code.extend(bits.to_le_bytes());
    }

    pub(super) fn word(&mut self, bits: u32) {
        self.code.extend(bits.to_le_bytes());
    }

    pub(super) fn op(&mut self, op: Op, fields: Fields) {
        self.word(encode(op, &fields));
    }

    /// `op rd, rs1, imm`, for loads and other I-type instructions.
    pub(super) fn i(&mut self, op: Op, rd: Reg, rs1: Reg, imm: i32) {
        self.op(op, Fields { rd, rs1, imm, ..Fields::default() });
    }

    /// `op rd, rs1, rs2`.
    pub(super) fn r(&mut self, op: Op, rd: Reg, rs1: Reg, rs2: Reg) {
        self.op(op, Fields { rd, rs1, rs2, ..Fields::default() });
    }

    /// `op rs2, imm(rs1)`, for stores and branches.
    pub(super) fn s(&mut self, op: Op, rs2: Reg, rs1: Reg, imm: i32) {
        self.op(op, Fields { rs1, rs2, imm, ..Fields::default() });
    }

    /// `op` without operands.
    pub(super) fn bare(&mut self, op: Op) {
        self.op(op, Fields::default());
    }

    /// `op rd, csr, rs1`, or with the immediate `rs1`.
    pub(super) fn csr(&mut self, op: Op, rd: Reg, csr: u16, rs1: Reg) {
        self.i(op, rd, rs1, csr.into());
    }

    /// `csrw csr, rs1`.
    pub(super) fn csrw(&mut self, csr: u16, rs1: Reg) {
        self.csr(Op::Csrrw, 0, csr, rs1);
    }

    /// `csrr rd, csr`.
    pub(super) fn csrr(&mut self, rd: Reg, csr: u16) {
        self.csr(Op::Csrrs, rd, csr, 0);
    }

    /// Loads a constant, in one to eight instructions.
    pub(super) fn li(&mut self, rd: Reg, value: u64) {
        let signed = value as i64;
        let low = (signed << 52) >> 52;
        if signed == low {
            self.i(Op::Addi, rd, 0, low as i32);
        } else if i64::from(signed as i32) == signed {
            let upper = (signed as i32).wrapping_sub(low as i32);
            self.op(Op::Lui, Fields { rd, imm: upper, ..Fields::default() });
            if low != 0 {
                self.i(Op::Addiw, rd, rd, low as i32);
            }
        } else {
            let rest = signed.wrapping_sub(low);
            let shift = rest.trailing_zeros();
            self.li(rd, (rest >> shift) as u64);
            self.i(Op::Slli, rd, rd, shift as i32);
            if low != 0 {
                self.i(Op::Addi, rd, rd, low as i32);
            }
        }
    }

    /// Leaves room for a branch or jump, to be filled by [`fill`](Self::fill).
    pub(super) fn hole(&mut self) -> Hole {
        let hole = Hole(self.here());
        self.word(0);
        hole
    }

    /// Puts `op` with `fields` into `hole`, its target being the next instruction.
    pub(super) fn fill(&mut self, hole: Hole, op: Op, fields: Fields) {
        let imm = (self.here() - hole.0) as i32;
        let at = (hole.0 - self.base) as usize;
        let bits = encode(op, &Fields { imm, ..fields });
        self.code[at..at + 4].copy_from_slice(&bits.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pagewalk::isa::{Extensions, arith::Bin, decode};

    /// What the instructions of `li` leave in the register.
    fn run(code: &[u8]) -> u64 {
        let mut x = 0;
        for bits in code.chunks(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())) {
            let insn = decode(bits, &Extensions::ALL).unwrap();
            let imm = i64::from(insn.imm) as u64;
            let source = if insn.rs1 == 0 { 0 } else { x };
            x = match insn.op {
                Op::Lui => imm,
                Op::Addi => Bin::Add.eval(source, imm),
                Op::Addiw => Bin::Addw.eval(source, imm),
                Op::Slli => Bin::Sll.eval(source, imm),
                other => panic!("{other:?}"),
            };
        }
        x
    }

    #[test]
    fn constants() {
        let mut random = super::super::random::Random::new(3);
        let some =
            [0, 1, 0x7ff, 0x800, 0x7fff_f800, 0x8000_0000, u64::MAX, 1 << 63, i32::MIN as u64];
        for value in some.into_iter().chain((0..2000).map(|_| random.value())) {
            let mut asm = Asm::new(0);
            asm.li(5, value);
            assert_eq!(run(&asm.into_code()), value, "{value:#x}");
        }
    }

    #[test]
    fn holes_reach_what_follows() {
        let mut asm = Asm::new(0x8000_0000);
        let hole = asm.hole();
        asm.half(C_NOP);
        asm.fill(hole, Op::Beq, Fields { rs1: 1, rs2: 2, ..Fields::default() });
        let code = asm.into_code();
        let bits = u32::from_le_bytes(code[..4].try_into().unwrap());
        assert_eq!(decode(bits, &Extensions::ALL).unwrap().imm, 6);
    }
}
