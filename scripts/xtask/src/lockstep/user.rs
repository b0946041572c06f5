//! Programs of one privilege mode without translation, and the random instructions that the
//! supervisor programs use as well: arithmetic, memory, control flow, atomics, illegal ones.

use std::sync::LazyLock;

use pagewalk::addr::Privilege;
use pagewalk::isa::format::Format;
use pagewalk::isa::table::TABLE;
use pagewalk::isa::{Extensions, Fields, Op, Row, decode};

use super::asm::Reg;
use super::program::{
    ADDRESS, AREA_BYTES, Builder, CODE, CONSTANTS_AT, COUNTER, DATA, DATA_AT, Program, RESERVED,
    SCRATCH, csr, mstatus,
};

/// What a program is mostly made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mix {
    Integer,
    Float,
    Atomic,
    Compressed,
}

/// A trap comes at least this often: Spike drops a reservation every 5000 instructions counted
/// from the last trap, and no reservation may be held then.
const UNITS_BETWEEN_TRAPS: u64 = 200;

/// Where nothing is, neither RAM nor a device.
const NOWHERE: u64 = 0x40_0000_0000;

/// The rows of the instruction table by what they need around them.
#[derive(Debug, Default)]
pub(super) struct Rows {
    alu: Vec<&'static Row>,
    pub(super) loads: Vec<&'static Row>,
    pub(super) stores: Vec<&'static Row>,
    atomics: Vec<&'static Row>,
    pub(super) float: Vec<&'static Row>,
    pub(super) float_loads: Vec<&'static Row>,
    pub(super) float_stores: Vec<&'static Row>,
}

pub(super) static ROWS: LazyLock<Rows> = LazyLock::new(|| {
    let mut rows = Rows::default();
    for row in TABLE {
        match row.format {
            Format::R | Format::R1 | Format::I | Format::U | Format::Shift => rows.alu.push(row),
            Format::Load if row.op != Op::Jalr => rows.loads.push(row),
            Format::Store => rows.stores.push(row),
            Format::Amo if !matches!(row.op, Op::ScW | Op::ScD) => rows.atomics.push(row),
            Format::FLoad => rows.float_loads.push(row),
            Format::FStore => rows.float_stores.push(row),
            _ if is_float(row.format) => rows.float.push(row),
            _ => {}
        }
    }
    rows
});

/// A program of about `insns` random instructions.
pub(super) fn program(seed: u64, insns: u64, mix: Mix) -> Program {
    let mut builder = Builder::new(seed);
    if mix == Mix::Float {
        builder.float_constants();
    }
    let mode = builder.random.pick(&[Privilege::Machine, Privilege::User]);
    builder.some_csrs_for_users();
    builder.enter(mode, 0);
    let mut units = 0;
    while builder.asm.here() - CODE < 4 * insns {
        builder.unit(mix, mode);
        units += 1;
        if units % UNITS_BETWEEN_TRAPS == 0 {
            builder.asm.bare(Op::Ecall);
        }
    }
    builder.enter(Privilege::Machine, 0);
    builder.finish()
}

impl Builder {
    /// Lets U-mode use cache-block instructions and counters, or some of them.
    fn some_csrs_for_users(&mut self) {
        let a = SCRATCH[0];
        for (csr, mask) in [(csr::MENVCFG, 0xf0), (csr::SENVCFG, 0xf0)] {
            let value = self.random.bits() & mask;
            self.asm.li(a, value);
            self.asm.csrw(csr, a);
        }
    }

    fn unit(&mut self, mix: Mix, mode: Privilege) {
        let special = match mix {
            Mix::Integer => false,
            _ => !self.random.once_in(4),
        };
        match mix {
            Mix::Float if special => self.float_unit(mode),
            Mix::Atomic if special => self.atomic_unit(),
            Mix::Compressed if special => self.compressed_unit(),
            _ => self.integer_unit(),
        }
    }

    /// A register that random code may write.
    pub(super) fn destination(&mut self) -> Reg {
        loop {
            let rd = self.random.below(32) as Reg;
            if !RESERVED.contains(&rd) {
                return rd;
            }
        }
    }

    pub(super) fn source(&mut self) -> Reg {
        self.random.below(32) as Reg
    }

    pub(super) fn integer_unit(&mut self) {
        match self.random.below(32) {
            0..16 => self.alu(),
            16..20 => self.load(),
            20..24 => self.store(),
            24 | 25 => self.forward_branch(),
            26 => self.loop_back(),
            27 => self.jump(),
            28 => {
                let (rd, value) = (self.destination(), self.random.value());
                self.asm.li(rd, value);
            }
            29 => self.atomic_unit(),
            _ => self.rarity(),
        }
    }

    /// Any instruction that computes an integer from integers.
    pub(super) fn alu(&mut self) {
        let row = self.random.pick(&ROWS.alu);
        let rd = self.destination();
        let (rs1, rs2) = (self.source(), self.source());
        match row.format {
            Format::I => {
                let imm = self.random.imm12();
                self.asm.i(row.op, rd, rs1, imm);
            }
            _ => {
                // What is neither fixed nor a register is an immediate of some kind.
                let bits = self.random.bits() as u32 & !row.pattern.mask | row.pattern.value;
                let registers = u32::from(rd) << 7 | u32::from(rs1) << 15 | u32::from(rs2) << 20;
                let fields = 0x1f << 7 | 0x1f << 15 | 0x1f << 20;
                let keep = match row.format {
                    Format::R => !fields,
                    Format::U => !(0x1f << 7),
                    // The place of rs2 is fixed or belongs to the immediate.
                    _ => !(0x1f << 7 | 0x1f << 15),
                };
                self.asm.word(bits & keep | registers & !keep);
            }
        }
    }

    /// A base register and an offset to something in RAM: mostly aligned to `bytes`, sometimes
    /// across two pages.
    pub(super) fn operand(&mut self, bytes: u64) -> (Reg, i32) {
        match self.random.below(8) {
            0 => (CONSTANTS_AT, self.random.imm12()),
            1 => (DATA_AT, self.random.imm12()),
            2 => (DATA_AT, -(self.random.below(8) as i32)),
            _ => (DATA_AT, self.random.imm12() & !(bytes as i32 - 1)),
        }
    }

    fn load(&mut self) {
        let row = self.random.pick(&ROWS.loads);
        let (rs1, imm) = self.operand(width(row));
        let rd = self.destination();
        self.asm.i(row.op, rd, rs1, imm);
    }

    fn store(&mut self) {
        let row = self.random.pick(&ROWS.stores);
        let (rs1, imm) = self.operand(width(row));
        let rs2 = self.source();
        self.asm.s(row.op, rs2, rs1, imm);
    }

    /// A branch over a few instructions.
    fn forward_branch(&mut self) {
        let op = self.random.pick(&[Op::Beq, Op::Bne, Op::Blt, Op::Bge, Op::Bltu, Op::Bgeu]);
        let (rs1, rs2) = (self.source(), self.source());
        let hole = self.asm.hole();
        self.some_alu();
        self.asm.fill(hole, op, Fields { rs1, rs2, ..Fields::default() });
    }

    fn some_alu(&mut self) {
        for _ in 0..=self.random.below(3) {
            self.alu();
        }
    }

    /// A few instructions, a few times.
    fn loop_back(&mut self) {
        let count = 1 + self.random.below(6);
        self.asm.li(COUNTER, count);
        let start = self.asm.here();
        self.some_alu();
        if self.random.once_in(2) {
            self.load();
            self.store();
        }
        self.asm.i(Op::Addi, COUNTER, COUNTER, -1);
        let back = start.wrapping_sub(self.asm.here()) as i32;
        self.asm.s(Op::Bne, 0, COUNTER, back);
    }

    /// A direct or an indirect jump over a few instructions.
    fn jump(&mut self) {
        let rd = self.destination();
        if self.random.once_in(2) {
            let hole = self.asm.hole();
            self.some_alu();
            self.asm.fill(hole, Op::Jal, Fields { rd, ..Fields::default() });
            return;
        }
        let start = self.asm.here();
        self.asm.op(Op::Auipc, Fields { rd: ADDRESS, ..Fields::default() });
        let skipped = self.random.below(3) as i32;
        // Bit 0 of the sum is dropped; the target is the instruction after those skipped.
        let odd = self.random.below(2) as i32;
        let distance = self.random.imm12() & !1;
        self.asm.i(Op::Addi, ADDRESS, ADDRESS, distance.clamp(-2000, 2000));
        let imm = 12 + 4 * skipped - distance.clamp(-2000, 2000) + odd;
        self.asm.i(Op::Jalr, rd, ADDRESS, imm);
        while self.asm.here() < start + 12 + 4 * skipped as u64 {
            self.alu();
        }
    }

    /// Something on a naturally aligned address, as a rule.
    pub(super) fn atomic_unit(&mut self) {
        let offset = self.random.below(256) as i32 * 8 - 1024;
        let slip = match self.random.below(12) {
            0 => self.random.below(8) as i32,
            1..4 => 4,
            _ => 0,
        };
        self.asm.i(Op::Addi, ADDRESS, DATA_AT, offset + slip);
        if self.random.once_in(20) {
            let [value] = [self.random.pick(&[NOWHERE, NOWHERE + 4, DATA + AREA_BYTES * 4])];
            self.asm.li(ADDRESS, value);
        }
        self.atomics_at(ADDRESS);
    }

    /// An AMO, or a reservation and what becomes of it.
    pub(super) fn atomics_at(&mut self, rs1: Reg) {
        let rd = self.destination();
        let rs2 = self.source();
        let rm = self.random.below(4) as u8;
        if !self.random.once_in(3) {
            let row = self.random.pick(&ROWS.atomics);
            self.asm.op(row.op, Fields { rd, rs1, rs2, rm, ..Fields::default() });
            return;
        }
        let load = self.random.pick(&[Op::LrW, Op::LrD]);
        let store = self.random.pick(&[Op::ScW, Op::ScD]);
        self.asm.op(load, Fields { rd, rs1, rm, ..Fields::default() });
        for _ in 0..self.random.below(3) {
            self.alu();
        }
        let rd = self.destination();
        self.asm.op(store, Fields { rd, rs1, rs2, rm, ..Fields::default() });
        if self.random.once_in(4) {
            // The reservation is gone.
            let rd = self.destination();
            self.asm.op(store, Fields { rd, rs1, rs2, rm, ..Fields::default() });
        }
    }

    /// Traps and other things that programs do now and then.
    pub(super) fn rarity(&mut self) {
        match self.random.below(16) {
            0 => self.asm.bare(Op::Ecall),
            1 => self.asm.bare(Op::Ebreak),
            2..5 => self.random_word(),
            5 => {
                let bits = self.random.bits() as u32;
                self.asm.word(bits & 0xffff_ff80 & !0x7000 | 0x0f);
            }
            6 => self.asm.bare(Op::FenceI),
            7 => self.asm.bare(Op::WrsSto),
            8 => {
                let op = self.random.pick(&[Op::CboZero, Op::CboClean, Op::CboFlush, Op::CboInval]);
                let imm = self.random.imm12();
                self.asm.i(Op::Addi, ADDRESS, DATA_AT, imm);
                self.asm.op(op, Fields { rs1: ADDRESS, ..Fields::default() });
            }
            9 | 10 => self.nowhere(),
            11 => {
                // The prefetches are `ori x0`.
                let (rs1, imm) = (self.source(), self.random.imm12());
                self.asm.i(Op::Ori, 0, rs1, imm & !31 | 1);
            }
            12 => {
                let rd = self.destination();
                let counter = self.random.pick(&[0xc00, 0xc02, 0xc03, 0xc1f]);
                self.asm.csrr(rd, counter);
            }
            _ => {
                let rd = self.destination();
                let csr = self.random.pick(&[csr::FFLAGS, csr::FRM, csr::FCSR]);
                self.asm.csrr(rd, csr);
            }
        }
    }

    /// An access where no memory is.
    fn nowhere(&mut self) {
        let slip = self.random.below(16);
        let at = self.random.pick(&[NOWHERE, 0x7fff_ffe8, CODE + 4 * AREA_BYTES, u64::MAX - 7]);
        self.asm.li(ADDRESS, at.wrapping_add(slip));
        let rd = self.destination();
        if self.random.once_in(2) {
            let row = self.random.pick(&ROWS.loads);
            self.asm.i(row.op, rd, ADDRESS, 0);
        } else {
            let row = self.random.pick(&ROWS.stores);
            self.asm.s(row.op, rd, ADDRESS, 0);
        }
    }

    /// 32 random bits that are illegal, or an instruction that does no harm.
    pub(super) fn random_word(&mut self) {
        loop {
            let opcode = self.random.pick(&[
                0x03, 0x07, 0x0f, 0x13, 0x1b, 0x23, 0x27, 0x2f, 0x33, 0x3b, 0x43, 0x53, 0x63, 0x67,
                0x73, 0x0b, 0x2b, 0x5b, 0x7b, 0x57, 0x77, 0x6b,
            ]);
            let bits = self.random.bits() as u32 & !0x7f | opcode;
            if is_harmless(bits) {
                self.asm.word(bits);
                return;
            }
        }
    }

    /// Switches the floating-point unit off or on.
    pub(super) fn switch_float(&mut self, on: bool) {
        let a = SCRATCH[0];
        self.asm.li(a, mstatus::FS);
        self.asm.csr(Op::Csrrc, 0, csr::MSTATUS, a);
        if on {
            let state = mstatus::FS_INITIAL * (1 + self.random.below(3));
            self.asm.li(a, state);
            self.asm.csr(Op::Csrrs, 0, csr::MSTATUS, a);
        }
    }
}

/// Bytes that a load or a store accesses, from its funct3.
pub(super) fn width(row: &Row) -> u64 {
    1 << (row.pattern.value >> 12 & 3)
}

/// Whether the operands are floating-point registers, and nothing else is touched but `x[rd]`.
pub(super) fn is_float(format: Format) -> bool {
    matches!(
        format,
        Format::F3Rm
            | Format::F2Rm
            | Format::F2
            | Format::F1Rm
            | Format::FCmp
            | Format::FToX
            | Format::FToXRm
            | Format::XToF
            | Format::XToFRm
    )
}

/// Whether the instruction may stand anywhere: it is illegal, or it only computes.
pub(super) fn is_harmless(bits: u32) -> bool {
    let Some(insn) = decode(bits, &Extensions::ALL) else { return true };
    let format = insn.op.row().format;
    let computes = ROWS.alu.iter().any(|row| row.op == insn.op);
    computes && !RESERVED.contains(&insn.rd)
        || is_float(format) && !(writes_integer(format) && RESERVED.contains(&insn.rd))
}

pub(super) fn writes_integer(format: Format) -> bool {
    matches!(format, Format::FCmp | Format::FToX | Format::FToXRm)
}
