//! Floating-point instructions on operands that matter: every format, every rounding mode,
//! zeroes, subnormals, infinities, NaNs, halfway cases and values that are not NaN-boxed.

use pagewalk::addr::Privilege;
use pagewalk::isa::format::Format;
use pagewalk::isa::{Fields, Op};

use super::elf::Segment;
use super::program::{Builder, CONSTANTS_AT, DATA, DATA_AT, SCRATCH, csr};
use super::random::Random;
use super::user::{ROWS, width, writes_integer};

/// An IEEE 754 interchange format.
#[derive(Clone, Copy)]
struct Format754 {
    bits: u32,
    mantissa_bits: u32,
}

const FORMATS: [Format754; 3] = [
    Format754 { bits: 16, mantissa_bits: 10 },
    Format754 { bits: 32, mantissa_bits: 23 },
    Format754 { bits: 64, mantissa_bits: 52 },
];

/// A value of some format in a 64-bit register, boxed as a rule.
fn value(random: &mut Random) -> u64 {
    let Format754 { bits, mantissa_bits } = random.pick(&FORMATS);
    let exponent_bits = bits - 1 - mantissa_bits;
    let max = (1u64 << exponent_bits) - 1;
    let bias = max / 2;
    let exponent = match random.below(10) {
        0 => 0,
        1 => max,
        2 => 1,
        3 => max - 1,
        // Close together, so that sums do something.
        4..7 => bias + random.below(8) - 4,
        7 => bias + u64::from(mantissa_bits) - 2 + random.below(4),
        _ => random.below(max + 1),
    };
    let ones = (1u64 << mantissa_bits) - 1;
    let shift = random.below(u64::from(mantissa_bits));
    let mantissa = match random.below(8) {
        0 => 0,
        1 => 1,
        2 => ones,
        3 => ones & !1,
        4 => 1 << (mantissa_bits - 1),
        5 => ones << shift & ones,
        6 => 1 << shift,
        _ => random.bits() & ones,
    };
    let sign = random.below(2);
    let number = sign << (bits - 1) | exponent << mantissa_bits | mantissa;
    let upper = u64::MAX.checked_shl(bits).unwrap_or(0);
    if random.once_in(24) { number | random.bits() & upper } else { number | upper }
}

impl Builder {
    /// Constants for floating-point programs, where loads find them.
    pub(super) fn float_constants(&mut self) {
        let bytes = (0..0x8000).flat_map(|_| value(&mut self.random).to_le_bytes()).collect();
        // Later segments win over earlier ones.
        self.segments.clear();
        self.segments.push(Segment { address: DATA, bytes });
    }

    pub(super) fn float_unit(&mut self, mode: Privilege) {
        match self.random.below(32) {
            0..6 => self.fresh_operand(),
            6 | 7 => {
                let row = self.random.pick(&ROWS.float_stores);
                let (rs1, imm) = self.operand(width(row));
                let rs1 = if rs1 == CONSTANTS_AT { DATA_AT } else { rs1 };
                let rs2 = self.source();
                self.asm.s(row.op, rs2, rs1, imm);
            }
            8 => {
                // Modes 5 to 7 are reserved: what rounds dynamically is illegal until the next.
                let mode = if self.random.once_in(12) { 5 } else { 0 } + self.random.below(5) as u8;
                self.asm.csr(Op::Csrrwi, 0, csr::FRM, mode & 7);
            }
            9 => {
                let rd = self.destination();
                self.asm.csr(Op::Csrrwi, rd, csr::FFLAGS, 0);
            }
            10 => {
                let (rd, rs1) = (self.destination(), self.source());
                let op = self.random.pick(&[Op::Csrrw, Op::Csrrs, Op::Csrrc]);
                self.asm.csr(op, rd, csr::FFLAGS, rs1);
            }
            11 if mode == Privilege::Machine && self.random.once_in(4) => {
                self.switch_float(false);
                self.float_op();
                self.fresh_operand();
                self.asm.csrr(SCRATCH[0], csr::FCSR);
                self.switch_float(true);
            }
            _ => self.float_op(),
        }
    }

    /// Loads some register with a constant.
    fn fresh_operand(&mut self) {
        let row = self.random.pick(&ROWS.float_loads);
        let rd = self.source();
        let imm = match self.random.below(8) {
            0 => self.random.imm12(),
            _ => self.random.imm12() & !7,
        };
        // A double-precision load brings a boxed value of any format.
        let op = if self.random.once_in(3) { row.op } else { Op::Fld };
        self.asm.i(op, rd, CONSTANTS_AT, imm);
    }

    fn float_op(&mut self) {
        let row = self.random.pick(&ROWS.float);
        let rd = if writes_integer(row.format) { self.destination() } else { self.source() };
        let rm = match self.random.below(40) {
            0 => 5,
            1 => 6,
            2..20 => 7,
            other => (other % 5) as u8,
        };
        // Few registers, so that results become operands.
        let [rs1, rs2, rs3] = [(); 3].map(|()| self.random.below(12) as u8);
        let integer = matches!(row.format, Format::XToF | Format::XToFRm);
        let rs1 = if integer { self.source() } else { rs1 };
        self.asm.op(row.op, Fields { rd, rs1, rs2, rs3, rm, imm: 0 });
    }
}
