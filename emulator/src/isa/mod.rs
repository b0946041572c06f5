//! The instruction set: one table of rows (`table.rs`), meanings (`rv64*.rs`, `z*.rs`) over the
//! trait [`Emit`], decoder, 16-bit expansion and disassembler. Pure: knows no hart, no bus.

pub mod arith;
pub mod decode;
pub mod disasm;
pub mod emit;
pub mod extension;
pub mod float;
pub mod format;
pub mod fp;
pub mod pattern;
pub mod table;

mod privileged;
mod rv64a;
mod rv64f;
mod rv64i;
mod rvc;

pub use decode::{decode, encode};
pub use disasm::disassemble;
pub use emit::Emit;
pub use extension::{Extension, Extensions};
pub use format::Fields;
pub use table::{Flow, ForEachOp, Meaning, Op, Row, for_op};

/// One decoded instruction. 16 bytes, so that four fit a cache line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Insn {
    /// Which row of the table.
    pub op: Op,
    /// Destination register.
    pub rd: u8,
    /// First source register; the immediate of `csrr*i`.
    pub rs1: u8,
    /// Second source register.
    pub rs2: u8,
    /// Third source register of the fused multiply-adds.
    pub rs3: u8,
    /// Rounding-mode field (funct3), or the aq and rl bits of an atomic.
    pub rm: u8,
    /// Distance from the start of the block that holds it, in halfwords; set by the engine.
    pub at: u8,
    /// Immediate, sign-extended; shift amount; CSR number.
    pub imm: i32,
    /// The bits as fetched: 16 of them for a compressed instruction.
    pub bits: u32,
}

impl Insn {
    /// Length in bytes: 2 or 4.
    #[inline(always)]
    pub const fn len_bytes(&self) -> u64 {
        if self.bits & 3 == 3 { 4 } else { 2 }
    }
}

const _: () = assert!(size_of::<Insn>() == 16);

#[cfg(test)]
mod tests;
