//! 16-bit instructions: every encoding that is illegal or harmless, and jumps over a few others.
//! What an encoding means is asked of the emulator's decoder; Spike has its own.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use pagewalk::isa::format::Format;
use pagewalk::isa::{Extensions, Fields, Op, decode};

use super::asm::C_NOP;
use super::program::{ADDRESS, Builder, CONSTANTS_AT, DATA_AT, RESERVED, SP};
use super::user::is_harmless;

/// Encodings by what they may be used for.
#[derive(Debug, Default)]
struct Catalogue {
    /// Those that may stand anywhere, by instruction, so that rare ones are found.
    harmless: Vec<Vec<u16>>,
    illegal: Vec<u16>,
    /// `c.j`, `c.beqz` and `c.bnez` by distance.
    branches: BTreeMap<i32, Vec<u16>>,
}

/// Longest distance of the branches used.
const MAX_DISTANCE_BYTES: i32 = 16;

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| {
    let mut catalogue = Catalogue::default();
    let mut harmless = BTreeMap::<u16, Vec<u16>>::new();
    for bits in (0..=u16::MAX).filter(|bits| bits & 3 != 3) {
        let Some(insn) = decode(bits.into(), &Extensions::ALL) else {
            catalogue.illegal.push(bits);
            continue;
        };
        let pointer = [SP, DATA_AT, CONSTANTS_AT].contains(&insn.rs1);
        let fits = match insn.op.row().format {
            Format::B | Format::J if insn.rd == 0 => {
                if (4..=MAX_DISTANCE_BYTES).contains(&insn.imm) {
                    catalogue.branches.entry(insn.imm).or_default().push(bits);
                }
                false
            }
            Format::Load if insn.op != Op::Jalr => pointer && !RESERVED.contains(&insn.rd),
            Format::Store | Format::FStore => pointer && insn.rs1 != CONSTANTS_AT,
            Format::FLoad => pointer,
            Format::Bare => insn.op == Op::Ebreak,
            _ => is_harmless(bits.into()),
        };
        if fits {
            harmless.entry(insn.op as u16).or_default().push(bits);
        }
    }
    catalogue.harmless = harmless.into_values().collect();
    catalogue
});

impl Builder {
    pub(super) fn compressed_unit(&mut self) {
        match self.random.below(16) {
            0 => {
                let bits = self.random.pick(&CATALOGUE.illegal);
                self.may_trap(bits);
            }
            1 => {
                let (&distance, branches) = CATALOGUE
                    .branches
                    .iter()
                    .nth(self.random.below(CATALOGUE.branches.len() as u64) as usize)
                    .expect("the index is below the length");
                let bits = self.random.pick(branches);
                let target = self.asm.here() + distance as u64;
                self.asm.half(bits);
                while self.asm.here() < target {
                    self.asm.half(C_NOP);
                }
            }
            2 => self.indirect(),
            // 32-bit instructions then start at odd halfwords.
            3 => self.asm.half(C_NOP),
            _ => {
                let count = CATALOGUE.harmless.len() as u64;
                let bits = &CATALOGUE.harmless[self.random.below(count) as usize];
                let bits = self.random.pick(bits);
                self.may_trap(bits);
            }
        }
    }

    /// A 16-bit instruction that may trap.
    fn may_trap(&mut self, bits: u16) {
        self.asm.half(bits);
        self.asm.half(C_NOP);
    }

    /// `c.jr` or `c.jalr` over a few instructions.
    fn indirect(&mut self) {
        const C_JR: u16 = 0x8002;
        const C_JALR: u16 = 0x9002;
        let skipped = self.random.below(4) as i32;
        self.asm.op(Op::Auipc, Fields { rd: ADDRESS, ..Fields::default() });
        self.asm.i(Op::Addi, ADDRESS, ADDRESS, 10 + 2 * skipped);
        let bits = self.random.pick(&[C_JR, C_JALR]);
        self.asm.half(bits | u16::from(ADDRESS) << 7);
        for _ in 0..skipped {
            self.asm.half(C_NOP);
        }
    }
}
