//! Operand formats: which fields an instruction has, where they are encoded, and how they are
//! written in assembly. [`Format::extract`] and [`Format::insert`] are inverses.

/// Operands of one instruction, taken out of its bits. Fields that the format lacks are zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// Destination register.
    pub rd: u8,
    /// First source register; the immediate of `csrr*i`.
    pub rs1: u8,
    /// Second source register.
    pub rs2: u8,
    /// Third source register.
    pub rs3: u8,
    /// Rounding mode, or aq and rl.
    pub rm: u8,
    /// Immediate, sign-extended; shift amount; CSR number.
    pub imm: i32,
}

/// How the immediate is spread over the instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Imm {
    None,
    I,
    S,
    B,
    U,
    J,
    /// Six bits of shift amount; the pattern of a 32-bit shift fixes the sixth.
    Shamt,
    /// A CSR number, not sign-extended.
    Csr,
}

/// Which bits the `rm` field of an instruction means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    None,
    /// Rounding mode, funct3.
    Rounding,
    /// aq and rl, bits 26 and 25.
    Order,
}

const RD: u8 = 1;
const RS1: u8 = 2;
const RS2: u8 = 4;
const RS3: u8 = 8;

struct Layout {
    registers: u8,
    mode: Mode,
    imm: Imm,
    operands: &'static str,
}

macro_rules! formats {
    ($($(#[$doc:meta])* $name:ident $operands:literal $registers:expr, $mode:ident, $imm:ident;)*) => {
        /// Operand format of an instruction: the manual's instruction formats, told apart
        /// further where assembly differs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Format { $($(#[$doc])* $name),* }

        impl Format {
            #[inline(always)]
            const fn layout(self) -> Layout {
                match self {
                    $(Self::$name => Layout {
                        registers: $registers,
                        mode: Mode::$mode,
                        imm: Imm::$imm,
                        operands: $operands,
                    }),*
                }
            }
        }
    };
}

#[rustfmt::skip]
formats! {
    // name     assembly                  registers               mode      immediate
    /// Two sources.
    R           "rd, rs1, rs2"            RD | RS1 | RS2,         None,     None;
    /// One source.
    R1          "rd, rs1"                 RD | RS1,               None,     None;
    /// Register and immediate.
    I           "rd, rs1, imm"            RD | RS1,               None,     I;
    /// Loads and `jalr`.
    Load        "rd, imm(rs1)"            RD | RS1,               None,     I;
    /// Stores.
    Store       "rs2, imm(rs1)"           RS1 | RS2,              None,     S;
    /// Branches.
    B           "rs1, rs2, target"        RS1 | RS2,              None,     B;
    /// `lui` and `auipc`.
    U           "rd, upper"               RD,                     None,     U;
    /// `jal`.
    J           "rd, target"              RD,                     None,     J;
    /// Shifts by an immediate.
    Shift       "rd, rs1, shamt"          RD | RS1,               None,     Shamt;
    /// AMOs and store-conditional.
    Amo         "rd, rs2, (rs1)"          RD | RS1 | RS2,         Order,    None;
    /// Load-reserved.
    Lr          "rd, (rs1)"               RD | RS1,               Order,    None;
    /// CSR access from a register.
    Csr         "rd, csr, rs1"            RD | RS1,               None,     Csr;
    /// CSR access from an immediate, held in `rs1`.
    CsrI        "rd, csr, uimm"           RD | RS1,               None,     Csr;
    /// `fence`; its reserved fields are kept but ignored.
    Fence       "pred, succ"              RD | RS1,               None,     I;
    /// `fence.i`; its reserved fields are kept but ignored.
    FenceI      ""                        RD | RS1,               None,     I;
    /// `sfence.vma` and its like.
    Sfence      "rs1, rs2"                RS1 | RS2,              None,     None;
    /// Cache-block operations.
    Cbo         "(rs1)"                   RS1,                    None,     None;
    /// No operands.
    Bare        ""                        0,                      None,     None;
    /// Floating-point load.
    FLoad       "fd, imm(rs1)"            RD | RS1,               None,     I;
    /// Floating-point store.
    FStore      "fs2, imm(rs1)"           RS1 | RS2,              None,     S;
    /// Fused multiply-add.
    F3Rm        "fd, fs1, fs2, fs3, rm"   RD | RS1 | RS2 | RS3,   Rounding, None;
    /// Two floating-point sources, rounded.
    F2Rm        "fd, fs1, fs2, rm"        RD | RS1 | RS2,         Rounding, None;
    /// Two floating-point sources, exact.
    F2          "fd, fs1, fs2"            RD | RS1 | RS2,         None,     None;
    /// One floating-point source, rounded.
    F1Rm        "fd, fs1, rm"             RD | RS1,               Rounding, None;
    /// Floating-point comparison.
    FCmp        "rd, fs1, fs2"            RD | RS1 | RS2,         None,     None;
    /// Floating-point to integer register, exact.
    FToX        "rd, fs1"                 RD | RS1,               None,     None;
    /// Floating-point to integer register, rounded.
    FToXRm      "rd, fs1, rm"             RD | RS1,               Rounding, None;
    /// Integer to floating-point register, exact.
    XToF        "fd, rs1"                 RD | RS1,               None,     None;
    /// Integer to floating-point register, rounded.
    XToFRm      "fd, rs1, rm"             RD | RS1,               Rounding, None;
}

impl Format {
    /// Operands as assembly shows them: words name fields, the rest stands for itself.
    pub(super) const fn operands(self) -> &'static str {
        self.layout().operands
    }

    /// Whether [`Fields::rd`] names an integer register.
    pub fn writes_x(self) -> bool {
        self.operands().starts_with("rd")
    }

    /// Whether [`Fields::rm`] holds the aq and rl bits.
    pub(super) const fn is_ordered(self) -> bool {
        matches!(self.layout().mode, Mode::Order)
    }

    /// Takes the operands out of `bits`.
    #[inline(always)]
    pub const fn extract(self, bits: u32) -> Fields {
        let layout = self.layout();
        Fields {
            rd: register(bits, 7, layout.registers & RD),
            rs1: register(bits, 15, layout.registers & RS1),
            rs2: register(bits, 20, layout.registers & RS2),
            rs3: register(bits, 27, layout.registers & RS3),
            rm: match layout.mode {
                Mode::None => 0,
                Mode::Rounding => (bits >> 12 & 7) as u8,
                Mode::Order => (bits >> 25 & 3) as u8,
            },
            imm: layout.imm.extract(bits),
        }
    }

    /// The bits that hold `fields`; what the format lacks, or has no room for, is dropped.
    pub const fn insert(self, fields: &Fields) -> u32 {
        let layout = self.layout();
        let mut bits = layout.imm.insert(fields.imm as u32);
        if layout.registers & RD != 0 {
            bits |= (fields.rd as u32 & 31) << 7;
        }
        if layout.registers & RS1 != 0 {
            bits |= (fields.rs1 as u32 & 31) << 15;
        }
        if layout.registers & RS2 != 0 {
            bits |= (fields.rs2 as u32 & 31) << 20;
        }
        if layout.registers & RS3 != 0 {
            bits |= (fields.rs3 as u32 & 31) << 27;
        }
        match layout.mode {
            Mode::None => bits,
            Mode::Rounding => bits | (fields.rm as u32 & 7) << 12,
            Mode::Order => bits | (fields.rm as u32 & 3) << 25,
        }
    }
}

const fn register(bits: u32, at: u32, present: u8) -> u8 {
    if present == 0 { 0 } else { (bits >> at & 31) as u8 }
}

/// `len` bits of `bits` from `from` upwards, moved to `to`.
const fn field(bits: u32, from: u32, len: u32, to: u32) -> u32 {
    (bits >> from & ((1 << len) - 1)) << to
}

impl Imm {
    /// Source: Unprivileged ISA, "Immediate Encoding Variants".
    #[inline(always)]
    const fn extract(self, bits: u32) -> i32 {
        let sign = (bits as i32 >> 31) as u32;
        let imm = match self {
            Self::None => 0,
            Self::I => (bits as i32 >> 20) as u32,
            Self::S => sign << 11 | field(bits, 25, 6, 5) | field(bits, 7, 5, 0),
            Self::B => {
                sign << 12 | field(bits, 7, 1, 11) | field(bits, 25, 6, 5) | field(bits, 8, 4, 1)
            }
            Self::U => bits & 0xffff_f000,
            Self::J => {
                sign << 20
                    | field(bits, 12, 8, 12)
                    | field(bits, 20, 1, 11)
                    | field(bits, 21, 10, 1)
            }
            Self::Shamt => field(bits, 20, 6, 0),
            Self::Csr => field(bits, 20, 12, 0),
        };
        imm as i32
    }

    const fn insert(self, imm: u32) -> u32 {
        match self {
            Self::None => 0,
            Self::I | Self::Csr => field(imm, 0, 12, 20),
            Self::S => field(imm, 5, 7, 25) | field(imm, 0, 5, 7),
            Self::B => {
                field(imm, 12, 1, 31)
                    | field(imm, 11, 1, 7)
                    | field(imm, 5, 6, 25)
                    | field(imm, 1, 4, 8)
            }
            Self::U => imm & 0xffff_f000,
            Self::J => {
                field(imm, 20, 1, 31)
                    | field(imm, 12, 8, 12)
                    | field(imm, 11, 1, 20)
                    | field(imm, 1, 10, 21)
            }
            Self::Shamt => field(imm, 0, 6, 20),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn immediates_as_the_assembler_encodes_them() {
        // Encodings by GNU as.
        for (format, bits, imm) in [
            (Format::I, 0xffc5_8513, -4),          // addi a0, a1, -4
            (Format::Load, 0x7ff1_2503, 2047),     // lw a0, 2047(sp)
            (Format::Store, 0x80a1_2023, -2048),   // sw a0, -2048(sp)
            (Format::Store, 0x02a1_2623, 44),      // sw a0, 44(sp)
            (Format::B, 0x80b5_0063, -4096),       // beq a0, a1, .-4096
            (Format::B, 0x7eb5_1fe3, 4094),        // bne a0, a1, .+4094
            (Format::U, 0x8000_0537, i32::MIN),    // lui a0, 0x80000
            (Format::U, 0x1234_5517, 0x1234_5000), // auipc a0, 0x12345
            (Format::J, 0x8000_00ef, -0x10_0000),  // jal .-1048576
            (Format::J, 0x7fff_f0ef, 0xf_fffe),    // jal .+1048574
            (Format::Shift, 0x43f5_5513, 63),      // srai a0, a0, 63
            (Format::Csr, 0xc000_2573, 0xc00),     // rdcycle a0
        ] {
            assert_eq!(format.extract(bits).imm, imm, "{format:?} {bits:#010x}");
        }
    }

    #[test]
    fn fields_stay_apart() {
        let bits = 0x8a73_f5c3; // fmadd.d fa1, ft7, ft7, fa7, rne changed to dyn
        let fields = Format::F3Rm.extract(bits);
        assert_eq!(fields, Fields { rd: 11, rs1: 7, rs2: 7, rs3: 17, rm: 7, imm: 0 });
        assert_eq!(Format::R1.extract(bits), Fields { rd: 11, rs1: 7, ..Fields::default() });
        assert_eq!(Format::Bare.extract(u32::MAX), Fields::default());
        assert_eq!(Format::Amo.extract(0x06b6_252f).rm, 3);
    }
}
