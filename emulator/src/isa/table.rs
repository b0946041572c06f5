//! The instruction table: one aligned row per instruction. From the rows a plain `macro_rules!`
//! makes the enum [`Op`], the static [`TABLE`] that decoder and disassembler read, and a
//! [`Meaning`] for each, from which engines make what they dispatch to ([`for_op`]). Neighbours: `pattern.rs` reads the bit text, `format.rs` gives the format
//! names their operands, meanings are in `rv64*.rs` and `privileged.rs`.
//!
//! The hints of Zicbop and Zihintpause need no rows: they are `ori` with `rd = x0` and `fence`.

use super::arith::{Bin, Un};
use super::emit::{Amo, Emit, Extend, SystemOp};
use super::extension::{Extension, Extensions};
use super::format::Format;
use super::fp::{Fmt, Fp1, Fp2, Fp3, IntFmt};
use super::pattern::Pattern;
use super::{Insn, privileged, rv64a, rv64f, rv64i};
use crate::addr::Width;

/// Everything about an instruction but its meaning.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// The instruction.
    pub op: Op,
    /// Its assembly mnemonic.
    pub mnemonic: &'static str,
    /// Which operands it has and where they are encoded.
    pub format: Format,
    /// Its fixed bits.
    pub pattern: Pattern,
    /// Extensions that must all be enabled for it to exist.
    pub extensions: Extensions,
    /// Where control goes after it.
    pub flow: Flow,
}

/// Where control goes after an instruction that does not trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// To the next instruction.
    Next,
    /// To the next instruction or to `pc + imm`.
    Branch,
    /// Somewhere else, always.
    Jump,
    /// To the next instruction, but the machine state may have changed in a way that blocks,
    /// translations or interrupts depend on: whoever has executed it knows.
    Check,
    /// Where that has to be found anew: behind fences, traps and their returns, after a wait.
    Ends,
}

impl Op {
    /// The row of this instruction.
    #[inline(always)]
    pub fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Where control goes after it.
    #[inline(always)]
    pub fn flow(self) -> Flow {
        self.row().flow
    }
}

/// What an instruction does, for engines that are generic over instructions.
pub trait Meaning {
    /// Where control goes after it.
    const FLOW: Flow;

    /// Carries it out on `e`, with the operands of `i`.
    ///
    /// # Errors
    /// What `e` makes of an instruction that cannot complete.
    fn apply<E: Emit>(e: &mut E, i: &Insn) -> Result<(), E::Fault>;
}

/// Something that there is one of for each instruction, such as the function that executes it.
pub trait ForEachOp {
    /// What there is.
    type Item;

    /// The one for an instruction that means `M`.
    fn item<M: Meaning>() -> Self::Item;
}

macro_rules! instructions {
    ($($op:ident $mnemonic:literal $format:ident $pattern:literal $ext:ident $(+ $also:ident)*
       $flow:ident $module:ident :: $meaning:ident ( $($argument:expr),* );)*) => {
        /// Every instruction, by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        #[expect(missing_docs, reason = "the variants are the mnemonics")]
        pub enum Op { $($op),* }

        /// The rows, in the order of [`Op`].
        pub static TABLE: &[Row] = &[
            $(Row {
                op: Op::$op,
                mnemonic: $mnemonic,
                format: Format::$format,
                pattern: Pattern::parse($pattern),
                extensions: Extensions::of(&[Extension::$ext $(, Extension::$also)*]),
                flow: Flow::$flow,
            }),*
        ];

        /// The meaning of each row, as a type: what is generic over it is compiled once for each.
        mod meanings {
            use super::*;
            $(
                #[derive(Debug)]
                pub(super) struct $op;

                impl Meaning for $op {
                    const FLOW: Flow = Flow::$flow;

                    #[inline(always)]
                    fn apply<E: Emit>(e: &mut E, i: &Insn) -> Result<(), E::Fault> {
                        $module::$meaning(e, i $(, $argument)*)
                    }
                }
            )*
        }

        /// What `P` has for `op`.
        pub fn for_op<P: ForEachOp>(op: Op) -> P::Item {
            match op {
                $(Op::$op => P::item::<meanings::$op>()),*
            }
        }
    };
}

#[rustfmt::skip]
instructions! {
//  Op            mnemonic          format 31...25 rs2   rs1   f3  rd    opcode    extension flow   meaning
    // RV32I and RV64I.
    Lui           "lui"             U      "....... ..... ..... ... ..... 0110111" I        Next   rv64i::lui();
    Auipc         "auipc"           U      "....... ..... ..... ... ..... 0010111" I        Next   rv64i::auipc();
    Jal           "jal"             J      "....... ..... ..... ... ..... 1101111" I        Jump   rv64i::jal();
    Jalr          "jalr"            Load   "....... ..... ..... 000 ..... 1100111" I        Jump   rv64i::jalr();
    Beq           "beq"             B      "....... ..... ..... 000 ..... 1100011" I        Branch rv64i::branch(Bin::Eq);
    Bne           "bne"             B      "....... ..... ..... 001 ..... 1100011" I        Branch rv64i::branch(Bin::Ne);
    Blt           "blt"             B      "....... ..... ..... 100 ..... 1100011" I        Branch rv64i::branch(Bin::Slt);
    Bge           "bge"             B      "....... ..... ..... 101 ..... 1100011" I        Branch rv64i::branch(Bin::Sge);
    Bltu          "bltu"            B      "....... ..... ..... 110 ..... 1100011" I        Branch rv64i::branch(Bin::Sltu);
    Bgeu          "bgeu"            B      "....... ..... ..... 111 ..... 1100011" I        Branch rv64i::branch(Bin::Sgeu);
    Lb            "lb"              Load   "....... ..... ..... 000 ..... 0000011" I        Next   rv64i::load(Width::Byte, Extend::Sign);
    Lh            "lh"              Load   "....... ..... ..... 001 ..... 0000011" I        Next   rv64i::load(Width::Half, Extend::Sign);
    Lw            "lw"              Load   "....... ..... ..... 010 ..... 0000011" I        Next   rv64i::load(Width::Word, Extend::Sign);
    Ld            "ld"              Load   "....... ..... ..... 011 ..... 0000011" I        Next   rv64i::load(Width::Double, Extend::Sign);
    Lbu           "lbu"             Load   "....... ..... ..... 100 ..... 0000011" I        Next   rv64i::load(Width::Byte, Extend::Zero);
    Lhu           "lhu"             Load   "....... ..... ..... 101 ..... 0000011" I        Next   rv64i::load(Width::Half, Extend::Zero);
    Lwu           "lwu"             Load   "....... ..... ..... 110 ..... 0000011" I        Next   rv64i::load(Width::Word, Extend::Zero);
    Sb            "sb"              Store  "....... ..... ..... 000 ..... 0100011" I        Next   rv64i::store(Width::Byte);
    Sh            "sh"              Store  "....... ..... ..... 001 ..... 0100011" I        Next   rv64i::store(Width::Half);
    Sw            "sw"              Store  "....... ..... ..... 010 ..... 0100011" I        Next   rv64i::store(Width::Word);
    Sd            "sd"              Store  "....... ..... ..... 011 ..... 0100011" I        Next   rv64i::store(Width::Double);
    Addi          "addi"            I      "....... ..... ..... 000 ..... 0010011" I        Next   rv64i::op_imm(Bin::Add);
    Slti          "slti"            I      "....... ..... ..... 010 ..... 0010011" I        Next   rv64i::op_imm(Bin::Slt);
    Sltiu         "sltiu"           I      "....... ..... ..... 011 ..... 0010011" I        Next   rv64i::op_imm(Bin::Sltu);
    Xori          "xori"            I      "....... ..... ..... 100 ..... 0010011" I        Next   rv64i::op_imm(Bin::Xor);
    Ori           "ori"             I      "....... ..... ..... 110 ..... 0010011" I        Next   rv64i::op_imm(Bin::Or);
    Andi          "andi"            I      "....... ..... ..... 111 ..... 0010011" I        Next   rv64i::op_imm(Bin::And);
    Slli          "slli"            Shift  "000000. ..... ..... 001 ..... 0010011" I        Next   rv64i::op_imm(Bin::Sll);
    Srli          "srli"            Shift  "000000. ..... ..... 101 ..... 0010011" I        Next   rv64i::op_imm(Bin::Srl);
    Srai          "srai"            Shift  "010000. ..... ..... 101 ..... 0010011" I        Next   rv64i::op_imm(Bin::Sra);
    Add           "add"             R      "0000000 ..... ..... 000 ..... 0110011" I        Next   rv64i::op(Bin::Add);
    Sub           "sub"             R      "0100000 ..... ..... 000 ..... 0110011" I        Next   rv64i::op(Bin::Sub);
    Sll           "sll"             R      "0000000 ..... ..... 001 ..... 0110011" I        Next   rv64i::op(Bin::Sll);
    Slt           "slt"             R      "0000000 ..... ..... 010 ..... 0110011" I        Next   rv64i::op(Bin::Slt);
    Sltu          "sltu"            R      "0000000 ..... ..... 011 ..... 0110011" I        Next   rv64i::op(Bin::Sltu);
    Xor           "xor"             R      "0000000 ..... ..... 100 ..... 0110011" I        Next   rv64i::op(Bin::Xor);
    Srl           "srl"             R      "0000000 ..... ..... 101 ..... 0110011" I        Next   rv64i::op(Bin::Srl);
    Sra           "sra"             R      "0100000 ..... ..... 101 ..... 0110011" I        Next   rv64i::op(Bin::Sra);
    Or            "or"              R      "0000000 ..... ..... 110 ..... 0110011" I        Next   rv64i::op(Bin::Or);
    And           "and"             R      "0000000 ..... ..... 111 ..... 0110011" I        Next   rv64i::op(Bin::And);
    Addiw         "addiw"           I      "....... ..... ..... 000 ..... 0011011" I        Next   rv64i::op_imm(Bin::Addw);
    Slliw         "slliw"           Shift  "0000000 ..... ..... 001 ..... 0011011" I        Next   rv64i::op_imm(Bin::Sllw);
    Srliw         "srliw"           Shift  "0000000 ..... ..... 101 ..... 0011011" I        Next   rv64i::op_imm(Bin::Srlw);
    Sraiw         "sraiw"           Shift  "0100000 ..... ..... 101 ..... 0011011" I        Next   rv64i::op_imm(Bin::Sraw);
    Addw          "addw"            R      "0000000 ..... ..... 000 ..... 0111011" I        Next   rv64i::op(Bin::Addw);
    Subw          "subw"            R      "0100000 ..... ..... 000 ..... 0111011" I        Next   rv64i::op(Bin::Subw);
    Sllw          "sllw"            R      "0000000 ..... ..... 001 ..... 0111011" I        Next   rv64i::op(Bin::Sllw);
    Srlw          "srlw"            R      "0000000 ..... ..... 101 ..... 0111011" I        Next   rv64i::op(Bin::Srlw);
    Sraw          "sraw"            R      "0100000 ..... ..... 101 ..... 0111011" I        Next   rv64i::op(Bin::Sraw);
    Fence         "fence"           Fence  "....... ..... ..... 000 ..... 0001111" I        Next   rv64i::nothing();
    Ecall         "ecall"           Bare   "0000000 00000 00000 000 00000 1110011" I        Ends   privileged::system(SystemOp::Ecall);
    Ebreak        "ebreak"          Bare   "0000000 00001 00000 000 00000 1110011" I        Ends   privileged::system(SystemOp::Ebreak);
    // M.
    Mul           "mul"             R      "0000001 ..... ..... 000 ..... 0110011" M        Next   rv64i::op(Bin::Mul);
    Mulh          "mulh"            R      "0000001 ..... ..... 001 ..... 0110011" M        Next   rv64i::op(Bin::Mulh);
    Mulhsu        "mulhsu"          R      "0000001 ..... ..... 010 ..... 0110011" M        Next   rv64i::op(Bin::Mulhsu);
    Mulhu         "mulhu"           R      "0000001 ..... ..... 011 ..... 0110011" M        Next   rv64i::op(Bin::Mulhu);
    Div           "div"             R      "0000001 ..... ..... 100 ..... 0110011" M        Next   rv64i::op(Bin::Div);
    Divu          "divu"            R      "0000001 ..... ..... 101 ..... 0110011" M        Next   rv64i::op(Bin::Divu);
    Rem           "rem"             R      "0000001 ..... ..... 110 ..... 0110011" M        Next   rv64i::op(Bin::Rem);
    Remu          "remu"            R      "0000001 ..... ..... 111 ..... 0110011" M        Next   rv64i::op(Bin::Remu);
    Mulw          "mulw"            R      "0000001 ..... ..... 000 ..... 0111011" M        Next   rv64i::op(Bin::Mulw);
    Divw          "divw"            R      "0000001 ..... ..... 100 ..... 0111011" M        Next   rv64i::op(Bin::Divw);
    Divuw         "divuw"           R      "0000001 ..... ..... 101 ..... 0111011" M        Next   rv64i::op(Bin::Divuw);
    Remw          "remw"            R      "0000001 ..... ..... 110 ..... 0111011" M        Next   rv64i::op(Bin::Remw);
    Remuw         "remuw"           R      "0000001 ..... ..... 111 ..... 0111011" M        Next   rv64i::op(Bin::Remuw);
    // A.
    LrW           "lr.w"            Lr     "00010.. 00000 ..... 010 ..... 0101111" A        Next   rv64a::load_reserved(Width::Word);
    ScW           "sc.w"            Amo    "00011.. ..... ..... 010 ..... 0101111" A        Next   rv64a::store_conditional(Width::Word);
    AmoswapW      "amoswap.w"       Amo    "00001.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Swap, Width::Word);
    AmoaddW       "amoadd.w"        Amo    "00000.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Add, Width::Word);
    AmoxorW       "amoxor.w"        Amo    "00100.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Xor, Width::Word);
    AmoandW       "amoand.w"        Amo    "01100.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::And, Width::Word);
    AmoorW        "amoor.w"         Amo    "01000.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Or, Width::Word);
    AmominW       "amomin.w"        Amo    "10000.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Min, Width::Word);
    AmomaxW       "amomax.w"        Amo    "10100.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Max, Width::Word);
    AmominuW      "amominu.w"       Amo    "11000.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Minu, Width::Word);
    AmomaxuW      "amomaxu.w"       Amo    "11100.. ..... ..... 010 ..... 0101111" A        Next   rv64a::amo(Amo::Maxu, Width::Word);
    LrD           "lr.d"            Lr     "00010.. 00000 ..... 011 ..... 0101111" A        Next   rv64a::load_reserved(Width::Double);
    ScD           "sc.d"            Amo    "00011.. ..... ..... 011 ..... 0101111" A        Next   rv64a::store_conditional(Width::Double);
    AmoswapD      "amoswap.d"       Amo    "00001.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Swap, Width::Double);
    AmoaddD       "amoadd.d"        Amo    "00000.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Add, Width::Double);
    AmoxorD       "amoxor.d"        Amo    "00100.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Xor, Width::Double);
    AmoandD       "amoand.d"        Amo    "01100.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::And, Width::Double);
    AmoorD        "amoor.d"         Amo    "01000.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Or, Width::Double);
    AmominD       "amomin.d"        Amo    "10000.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Min, Width::Double);
    AmomaxD       "amomax.d"        Amo    "10100.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Max, Width::Double);
    AmominuD      "amominu.d"       Amo    "11000.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Minu, Width::Double);
    AmomaxuD      "amomaxu.d"       Amo    "11100.. ..... ..... 011 ..... 0101111" A        Next   rv64a::amo(Amo::Maxu, Width::Double);
    // Zicsr, Zifencei and the privileged instructions.
    Csrrw         "csrrw"           Csr    "....... ..... ..... 001 ..... 1110011" Zicsr    Check  privileged::system(SystemOp::CsrWrite);
    Csrrs         "csrrs"           Csr    "....... ..... ..... 010 ..... 1110011" Zicsr    Check  privileged::system(SystemOp::CsrSet);
    Csrrc         "csrrc"           Csr    "....... ..... ..... 011 ..... 1110011" Zicsr    Check  privileged::system(SystemOp::CsrClear);
    Csrrwi        "csrrwi"          CsrI   "....... ..... ..... 101 ..... 1110011" Zicsr    Check  privileged::system(SystemOp::CsrWriteImm);
    Csrrsi        "csrrsi"          CsrI   "....... ..... ..... 110 ..... 1110011" Zicsr    Check  privileged::system(SystemOp::CsrSetImm);
    Csrrci        "csrrci"          CsrI   "....... ..... ..... 111 ..... 1110011" Zicsr    Check  privileged::system(SystemOp::CsrClearImm);
    FenceI        "fence.i"         FenceI "....... ..... ..... 001 ..... 0001111" Zifencei Ends   privileged::system(SystemOp::FenceI);
    Sret          "sret"            Bare   "0001000 00010 00000 000 00000 1110011" I        Ends   privileged::system(SystemOp::Sret);
    Mret          "mret"            Bare   "0011000 00010 00000 000 00000 1110011" I        Ends   privileged::system(SystemOp::Mret);
    Wfi           "wfi"             Bare   "0001000 00101 00000 000 00000 1110011" I        Ends   privileged::system(SystemOp::Wfi);
    SfenceVma     "sfence.vma"      Sfence "0001001 ..... ..... 000 00000 1110011" I        Ends   privileged::system(SystemOp::SfenceVma);
    SinvalVma     "sinval.vma"      Sfence "0001011 ..... ..... 000 00000 1110011" Svinval  Ends   privileged::system(SystemOp::SinvalVma);
    SfenceWInval  "sfence.w.inval"  Bare   "0001100 00000 00000 000 00000 1110011" Svinval  Ends   privileged::system(SystemOp::SfenceWInval);
    SfenceInvalIr "sfence.inval.ir" Bare   "0001100 00001 00000 000 00000 1110011" Svinval  Ends   privileged::system(SystemOp::SfenceInvalIr);
    WrsNto        "wrs.nto"         Bare   "0000000 01101 00000 000 00000 1110011" Zawrs    Ends   privileged::system(SystemOp::WrsNto);
    WrsSto        "wrs.sto"         Bare   "0000000 11101 00000 000 00000 1110011" Zawrs    Check  privileged::system(SystemOp::WrsSto);
    CboInval      "cbo.inval"       Cbo    "0000000 00000 ..... 010 00000 0001111" Zicbom   Check  privileged::system(SystemOp::CboInval);
    CboClean      "cbo.clean"       Cbo    "0000000 00001 ..... 010 00000 0001111" Zicbom   Check  privileged::system(SystemOp::CboClean);
    CboFlush      "cbo.flush"       Cbo    "0000000 00010 ..... 010 00000 0001111" Zicbom   Check  privileged::system(SystemOp::CboFlush);
    CboZero       "cbo.zero"        Cbo    "0000000 00100 ..... 010 00000 0001111" Zicboz   Check  privileged::system(SystemOp::CboZero);
    // Zba.
    Sh1add        "sh1add"          R      "0010000 ..... ..... 010 ..... 0110011" Zba      Next   rv64i::op(Bin::Sh1add);
    Sh2add        "sh2add"          R      "0010000 ..... ..... 100 ..... 0110011" Zba      Next   rv64i::op(Bin::Sh2add);
    Sh3add        "sh3add"          R      "0010000 ..... ..... 110 ..... 0110011" Zba      Next   rv64i::op(Bin::Sh3add);
    AddUw         "add.uw"          R      "0000100 ..... ..... 000 ..... 0111011" Zba      Next   rv64i::op(Bin::AddUw);
    Sh1addUw      "sh1add.uw"       R      "0010000 ..... ..... 010 ..... 0111011" Zba      Next   rv64i::op(Bin::Sh1addUw);
    Sh2addUw      "sh2add.uw"       R      "0010000 ..... ..... 100 ..... 0111011" Zba      Next   rv64i::op(Bin::Sh2addUw);
    Sh3addUw      "sh3add.uw"       R      "0010000 ..... ..... 110 ..... 0111011" Zba      Next   rv64i::op(Bin::Sh3addUw);
    SlliUw        "slli.uw"         Shift  "000010. ..... ..... 001 ..... 0011011" Zba      Next   rv64i::op_imm(Bin::SllUw);
    // Zbb.
    Andn          "andn"            R      "0100000 ..... ..... 111 ..... 0110011" Zbb      Next   rv64i::op(Bin::Andn);
    Orn           "orn"             R      "0100000 ..... ..... 110 ..... 0110011" Zbb      Next   rv64i::op(Bin::Orn);
    Xnor          "xnor"            R      "0100000 ..... ..... 100 ..... 0110011" Zbb      Next   rv64i::op(Bin::Xnor);
    Clz           "clz"             R1     "0110000 00000 ..... 001 ..... 0010011" Zbb      Next   rv64i::unary(Un::Clz);
    Ctz           "ctz"             R1     "0110000 00001 ..... 001 ..... 0010011" Zbb      Next   rv64i::unary(Un::Ctz);
    Cpop          "cpop"            R1     "0110000 00010 ..... 001 ..... 0010011" Zbb      Next   rv64i::unary(Un::Cpop);
    Clzw          "clzw"            R1     "0110000 00000 ..... 001 ..... 0011011" Zbb      Next   rv64i::unary(Un::Clzw);
    Ctzw          "ctzw"            R1     "0110000 00001 ..... 001 ..... 0011011" Zbb      Next   rv64i::unary(Un::Ctzw);
    Cpopw         "cpopw"           R1     "0110000 00010 ..... 001 ..... 0011011" Zbb      Next   rv64i::unary(Un::Cpopw);
    Min           "min"             R      "0000101 ..... ..... 100 ..... 0110011" Zbb      Next   rv64i::op(Bin::Min);
    Minu          "minu"            R      "0000101 ..... ..... 101 ..... 0110011" Zbb      Next   rv64i::op(Bin::Minu);
    Max           "max"             R      "0000101 ..... ..... 110 ..... 0110011" Zbb      Next   rv64i::op(Bin::Max);
    Maxu          "maxu"            R      "0000101 ..... ..... 111 ..... 0110011" Zbb      Next   rv64i::op(Bin::Maxu);
    SextB         "sext.b"          R1     "0110000 00100 ..... 001 ..... 0010011" Zbb      Next   rv64i::unary(Un::SextB);
    SextH         "sext.h"          R1     "0110000 00101 ..... 001 ..... 0010011" Zbb      Next   rv64i::unary(Un::SextH);
    ZextH         "zext.h"          R1     "0000100 00000 ..... 100 ..... 0111011" Zbb      Next   rv64i::unary(Un::ZextH);
    Rol           "rol"             R      "0110000 ..... ..... 001 ..... 0110011" Zbb      Next   rv64i::op(Bin::Rol);
    Ror           "ror"             R      "0110000 ..... ..... 101 ..... 0110011" Zbb      Next   rv64i::op(Bin::Ror);
    Rolw          "rolw"            R      "0110000 ..... ..... 001 ..... 0111011" Zbb      Next   rv64i::op(Bin::Rolw);
    Rorw          "rorw"            R      "0110000 ..... ..... 101 ..... 0111011" Zbb      Next   rv64i::op(Bin::Rorw);
    Rori          "rori"            Shift  "011000. ..... ..... 101 ..... 0010011" Zbb      Next   rv64i::op_imm(Bin::Ror);
    Roriw         "roriw"           Shift  "0110000 ..... ..... 101 ..... 0011011" Zbb      Next   rv64i::op_imm(Bin::Rorw);
    OrcB          "orc.b"           R1     "0010100 00111 ..... 101 ..... 0010011" Zbb      Next   rv64i::unary(Un::OrcB);
    Rev8          "rev8"            R1     "0110101 11000 ..... 101 ..... 0010011" Zbb      Next   rv64i::unary(Un::Rev8);
    // Zbs, Zbc and Zicond.
    Bclr          "bclr"            R      "0100100 ..... ..... 001 ..... 0110011" Zbs      Next   rv64i::op(Bin::Bclr);
    Bclri         "bclri"           Shift  "010010. ..... ..... 001 ..... 0010011" Zbs      Next   rv64i::op_imm(Bin::Bclr);
    Bext          "bext"            R      "0100100 ..... ..... 101 ..... 0110011" Zbs      Next   rv64i::op(Bin::Bext);
    Bexti         "bexti"           Shift  "010010. ..... ..... 101 ..... 0010011" Zbs      Next   rv64i::op_imm(Bin::Bext);
    Binv          "binv"            R      "0110100 ..... ..... 001 ..... 0110011" Zbs      Next   rv64i::op(Bin::Binv);
    Binvi         "binvi"           Shift  "011010. ..... ..... 001 ..... 0010011" Zbs      Next   rv64i::op_imm(Bin::Binv);
    Bset          "bset"            R      "0010100 ..... ..... 001 ..... 0110011" Zbs      Next   rv64i::op(Bin::Bset);
    Bseti         "bseti"           Shift  "001010. ..... ..... 001 ..... 0010011" Zbs      Next   rv64i::op_imm(Bin::Bset);
    Clmul         "clmul"           R      "0000101 ..... ..... 001 ..... 0110011" Zbc      Next   rv64i::op(Bin::Clmul);
    Clmulr        "clmulr"          R      "0000101 ..... ..... 010 ..... 0110011" Zbc      Next   rv64i::op(Bin::Clmulr);
    Clmulh        "clmulh"          R      "0000101 ..... ..... 011 ..... 0110011" Zbc      Next   rv64i::op(Bin::Clmulh);
    CzeroEqz      "czero.eqz"       R      "0000111 ..... ..... 101 ..... 0110011" Zicond   Next   rv64i::op(Bin::CzeroEqz);
    CzeroNez      "czero.nez"       R      "0000111 ..... ..... 111 ..... 0110011" Zicond   Next   rv64i::op(Bin::CzeroNez);
    // F.
    Flw           "flw"             FLoad  "....... ..... ..... 010 ..... 0000111" F        Next   rv64f::load(Fmt::S);
    Fsw           "fsw"             FStore "....... ..... ..... 010 ..... 0100111" F        Next   rv64f::store(Fmt::S);
    FmaddS        "fmadd.s"         F3Rm   ".....00 ..... ..... ... ..... 1000011" F        Next   rv64f::fp3(Fp3::MulAdd, Fmt::S);
    FmsubS        "fmsub.s"         F3Rm   ".....00 ..... ..... ... ..... 1000111" F        Next   rv64f::fp3(Fp3::MulSub, Fmt::S);
    FnmsubS       "fnmsub.s"        F3Rm   ".....00 ..... ..... ... ..... 1001011" F        Next   rv64f::fp3(Fp3::NegMulSub, Fmt::S);
    FnmaddS       "fnmadd.s"        F3Rm   ".....00 ..... ..... ... ..... 1001111" F        Next   rv64f::fp3(Fp3::NegMulAdd, Fmt::S);
    FaddS         "fadd.s"          F2Rm   "0000000 ..... ..... ... ..... 1010011" F        Next   rv64f::fp2(Fp2::Add, Fmt::S);
    FsubS         "fsub.s"          F2Rm   "0000100 ..... ..... ... ..... 1010011" F        Next   rv64f::fp2(Fp2::Sub, Fmt::S);
    FmulS         "fmul.s"          F2Rm   "0001000 ..... ..... ... ..... 1010011" F        Next   rv64f::fp2(Fp2::Mul, Fmt::S);
    FdivS         "fdiv.s"          F2Rm   "0001100 ..... ..... ... ..... 1010011" F        Next   rv64f::fp2(Fp2::Div, Fmt::S);
    FsqrtS        "fsqrt.s"         F1Rm   "0101100 00000 ..... ... ..... 1010011" F        Next   rv64f::fp1(Fp1::Sqrt, Fmt::S);
    FsgnjS        "fsgnj.s"         F2     "0010000 ..... ..... 000 ..... 1010011" F        Next   rv64f::fp2_exact(Fp2::SgnJ, Fmt::S);
    FsgnjnS       "fsgnjn.s"        F2     "0010000 ..... ..... 001 ..... 1010011" F        Next   rv64f::fp2_exact(Fp2::SgnJn, Fmt::S);
    FsgnjxS       "fsgnjx.s"        F2     "0010000 ..... ..... 010 ..... 1010011" F        Next   rv64f::fp2_exact(Fp2::SgnJx, Fmt::S);
    FminS         "fmin.s"          F2     "0010100 ..... ..... 000 ..... 1010011" F        Next   rv64f::fp2_exact(Fp2::Min, Fmt::S);
    FmaxS         "fmax.s"          F2     "0010100 ..... ..... 001 ..... 1010011" F        Next   rv64f::fp2_exact(Fp2::Max, Fmt::S);
    FeqS          "feq.s"           FCmp   "1010000 ..... ..... 010 ..... 1010011" F        Next   rv64f::compare(Fp2::Eq, Fmt::S);
    FltS          "flt.s"           FCmp   "1010000 ..... ..... 001 ..... 1010011" F        Next   rv64f::compare(Fp2::Lt, Fmt::S);
    FleS          "fle.s"           FCmp   "1010000 ..... ..... 000 ..... 1010011" F        Next   rv64f::compare(Fp2::Le, Fmt::S);
    FclassS       "fclass.s"        FToX   "1110000 00000 ..... 001 ..... 1010011" F        Next   rv64f::classify(Fmt::S);
    FcvtWS        "fcvt.w.s"        FToXRm "1100000 00000 ..... ... ..... 1010011" F        Next   rv64f::float_to_int(Fmt::S, IntFmt::W);
    FcvtWuS       "fcvt.wu.s"       FToXRm "1100000 00001 ..... ... ..... 1010011" F        Next   rv64f::float_to_int(Fmt::S, IntFmt::Wu);
    FcvtLS        "fcvt.l.s"        FToXRm "1100000 00010 ..... ... ..... 1010011" F        Next   rv64f::float_to_int(Fmt::S, IntFmt::L);
    FcvtLuS       "fcvt.lu.s"       FToXRm "1100000 00011 ..... ... ..... 1010011" F        Next   rv64f::float_to_int(Fmt::S, IntFmt::Lu);
    FcvtSW        "fcvt.s.w"        XToFRm "1101000 00000 ..... ... ..... 1010011" F        Next   rv64f::int_to_float(IntFmt::W, Fmt::S);
    FcvtSWu       "fcvt.s.wu"       XToFRm "1101000 00001 ..... ... ..... 1010011" F        Next   rv64f::int_to_float(IntFmt::Wu, Fmt::S);
    FcvtSL        "fcvt.s.l"        XToFRm "1101000 00010 ..... ... ..... 1010011" F        Next   rv64f::int_to_float(IntFmt::L, Fmt::S);
    FcvtSLu       "fcvt.s.lu"       XToFRm "1101000 00011 ..... ... ..... 1010011" F        Next   rv64f::int_to_float(IntFmt::Lu, Fmt::S);
    FmvXW         "fmv.x.w"         FToX   "1110000 00000 ..... 000 ..... 1010011" F        Next   rv64f::mv_to_x(Fmt::S);
    FmvWX         "fmv.w.x"         XToF   "1111000 00000 ..... 000 ..... 1010011" F        Next   rv64f::mv_from_x(Fmt::S);
    // D.
    Fld           "fld"             FLoad  "....... ..... ..... 011 ..... 0000111" D        Next   rv64f::load(Fmt::D);
    Fsd           "fsd"             FStore "....... ..... ..... 011 ..... 0100111" D        Next   rv64f::store(Fmt::D);
    FmaddD        "fmadd.d"         F3Rm   ".....01 ..... ..... ... ..... 1000011" D        Next   rv64f::fp3(Fp3::MulAdd, Fmt::D);
    FmsubD        "fmsub.d"         F3Rm   ".....01 ..... ..... ... ..... 1000111" D        Next   rv64f::fp3(Fp3::MulSub, Fmt::D);
    FnmsubD       "fnmsub.d"        F3Rm   ".....01 ..... ..... ... ..... 1001011" D        Next   rv64f::fp3(Fp3::NegMulSub, Fmt::D);
    FnmaddD       "fnmadd.d"        F3Rm   ".....01 ..... ..... ... ..... 1001111" D        Next   rv64f::fp3(Fp3::NegMulAdd, Fmt::D);
    FaddD         "fadd.d"          F2Rm   "0000001 ..... ..... ... ..... 1010011" D        Next   rv64f::fp2(Fp2::Add, Fmt::D);
    FsubD         "fsub.d"          F2Rm   "0000101 ..... ..... ... ..... 1010011" D        Next   rv64f::fp2(Fp2::Sub, Fmt::D);
    FmulD         "fmul.d"          F2Rm   "0001001 ..... ..... ... ..... 1010011" D        Next   rv64f::fp2(Fp2::Mul, Fmt::D);
    FdivD         "fdiv.d"          F2Rm   "0001101 ..... ..... ... ..... 1010011" D        Next   rv64f::fp2(Fp2::Div, Fmt::D);
    FsqrtD        "fsqrt.d"         F1Rm   "0101101 00000 ..... ... ..... 1010011" D        Next   rv64f::fp1(Fp1::Sqrt, Fmt::D);
    FsgnjD        "fsgnj.d"         F2     "0010001 ..... ..... 000 ..... 1010011" D        Next   rv64f::fp2_exact(Fp2::SgnJ, Fmt::D);
    FsgnjnD       "fsgnjn.d"        F2     "0010001 ..... ..... 001 ..... 1010011" D        Next   rv64f::fp2_exact(Fp2::SgnJn, Fmt::D);
    FsgnjxD       "fsgnjx.d"        F2     "0010001 ..... ..... 010 ..... 1010011" D        Next   rv64f::fp2_exact(Fp2::SgnJx, Fmt::D);
    FminD         "fmin.d"          F2     "0010101 ..... ..... 000 ..... 1010011" D        Next   rv64f::fp2_exact(Fp2::Min, Fmt::D);
    FmaxD         "fmax.d"          F2     "0010101 ..... ..... 001 ..... 1010011" D        Next   rv64f::fp2_exact(Fp2::Max, Fmt::D);
    FeqD          "feq.d"           FCmp   "1010001 ..... ..... 010 ..... 1010011" D        Next   rv64f::compare(Fp2::Eq, Fmt::D);
    FltD          "flt.d"           FCmp   "1010001 ..... ..... 001 ..... 1010011" D        Next   rv64f::compare(Fp2::Lt, Fmt::D);
    FleD          "fle.d"           FCmp   "1010001 ..... ..... 000 ..... 1010011" D        Next   rv64f::compare(Fp2::Le, Fmt::D);
    FclassD       "fclass.d"        FToX   "1110001 00000 ..... 001 ..... 1010011" D        Next   rv64f::classify(Fmt::D);
    FcvtWD        "fcvt.w.d"        FToXRm "1100001 00000 ..... ... ..... 1010011" D        Next   rv64f::float_to_int(Fmt::D, IntFmt::W);
    FcvtWuD       "fcvt.wu.d"       FToXRm "1100001 00001 ..... ... ..... 1010011" D        Next   rv64f::float_to_int(Fmt::D, IntFmt::Wu);
    FcvtLD        "fcvt.l.d"        FToXRm "1100001 00010 ..... ... ..... 1010011" D        Next   rv64f::float_to_int(Fmt::D, IntFmt::L);
    FcvtLuD       "fcvt.lu.d"       FToXRm "1100001 00011 ..... ... ..... 1010011" D        Next   rv64f::float_to_int(Fmt::D, IntFmt::Lu);
    FcvtDW        "fcvt.d.w"        XToFRm "1101001 00000 ..... ... ..... 1010011" D        Next   rv64f::int_to_float(IntFmt::W, Fmt::D);
    FcvtDWu       "fcvt.d.wu"       XToFRm "1101001 00001 ..... ... ..... 1010011" D        Next   rv64f::int_to_float(IntFmt::Wu, Fmt::D);
    FcvtDL        "fcvt.d.l"        XToFRm "1101001 00010 ..... ... ..... 1010011" D        Next   rv64f::int_to_float(IntFmt::L, Fmt::D);
    FcvtDLu       "fcvt.d.lu"       XToFRm "1101001 00011 ..... ... ..... 1010011" D        Next   rv64f::int_to_float(IntFmt::Lu, Fmt::D);
    FmvXD         "fmv.x.d"         FToX   "1110001 00000 ..... 000 ..... 1010011" D        Next   rv64f::mv_to_x(Fmt::D);
    FmvDX         "fmv.d.x"         XToF   "1111001 00000 ..... 000 ..... 1010011" D        Next   rv64f::mv_from_x(Fmt::D);
    FcvtSD        "fcvt.s.d"        F1Rm   "0100000 00001 ..... ... ..... 1010011" D        Next   rv64f::float_to_float(Fmt::D, Fmt::S);
    FcvtDS        "fcvt.d.s"        F1Rm   "0100001 00000 ..... ... ..... 1010011" D        Next   rv64f::float_to_float(Fmt::S, Fmt::D);
    // Zfh and Zfhmin.
    Flh           "flh"             FLoad  "....... ..... ..... 001 ..... 0000111" Zfhmin   Next   rv64f::load(Fmt::H);
    Fsh           "fsh"             FStore "....... ..... ..... 001 ..... 0100111" Zfhmin   Next   rv64f::store(Fmt::H);
    FmaddH        "fmadd.h"         F3Rm   ".....10 ..... ..... ... ..... 1000011" Zfh      Next   rv64f::fp3(Fp3::MulAdd, Fmt::H);
    FmsubH        "fmsub.h"         F3Rm   ".....10 ..... ..... ... ..... 1000111" Zfh      Next   rv64f::fp3(Fp3::MulSub, Fmt::H);
    FnmsubH       "fnmsub.h"        F3Rm   ".....10 ..... ..... ... ..... 1001011" Zfh      Next   rv64f::fp3(Fp3::NegMulSub, Fmt::H);
    FnmaddH       "fnmadd.h"        F3Rm   ".....10 ..... ..... ... ..... 1001111" Zfh      Next   rv64f::fp3(Fp3::NegMulAdd, Fmt::H);
    FaddH         "fadd.h"          F2Rm   "0000010 ..... ..... ... ..... 1010011" Zfh      Next   rv64f::fp2(Fp2::Add, Fmt::H);
    FsubH         "fsub.h"          F2Rm   "0000110 ..... ..... ... ..... 1010011" Zfh      Next   rv64f::fp2(Fp2::Sub, Fmt::H);
    FmulH         "fmul.h"          F2Rm   "0001010 ..... ..... ... ..... 1010011" Zfh      Next   rv64f::fp2(Fp2::Mul, Fmt::H);
    FdivH         "fdiv.h"          F2Rm   "0001110 ..... ..... ... ..... 1010011" Zfh      Next   rv64f::fp2(Fp2::Div, Fmt::H);
    FsqrtH        "fsqrt.h"         F1Rm   "0101110 00000 ..... ... ..... 1010011" Zfh      Next   rv64f::fp1(Fp1::Sqrt, Fmt::H);
    FsgnjH        "fsgnj.h"         F2     "0010010 ..... ..... 000 ..... 1010011" Zfh      Next   rv64f::fp2_exact(Fp2::SgnJ, Fmt::H);
    FsgnjnH       "fsgnjn.h"        F2     "0010010 ..... ..... 001 ..... 1010011" Zfh      Next   rv64f::fp2_exact(Fp2::SgnJn, Fmt::H);
    FsgnjxH       "fsgnjx.h"        F2     "0010010 ..... ..... 010 ..... 1010011" Zfh      Next   rv64f::fp2_exact(Fp2::SgnJx, Fmt::H);
    FminH         "fmin.h"          F2     "0010110 ..... ..... 000 ..... 1010011" Zfh      Next   rv64f::fp2_exact(Fp2::Min, Fmt::H);
    FmaxH         "fmax.h"          F2     "0010110 ..... ..... 001 ..... 1010011" Zfh      Next   rv64f::fp2_exact(Fp2::Max, Fmt::H);
    FeqH          "feq.h"           FCmp   "1010010 ..... ..... 010 ..... 1010011" Zfh      Next   rv64f::compare(Fp2::Eq, Fmt::H);
    FltH          "flt.h"           FCmp   "1010010 ..... ..... 001 ..... 1010011" Zfh      Next   rv64f::compare(Fp2::Lt, Fmt::H);
    FleH          "fle.h"           FCmp   "1010010 ..... ..... 000 ..... 1010011" Zfh      Next   rv64f::compare(Fp2::Le, Fmt::H);
    FclassH       "fclass.h"        FToX   "1110010 00000 ..... 001 ..... 1010011" Zfh      Next   rv64f::classify(Fmt::H);
    FcvtWH        "fcvt.w.h"        FToXRm "1100010 00000 ..... ... ..... 1010011" Zfh      Next   rv64f::float_to_int(Fmt::H, IntFmt::W);
    FcvtWuH       "fcvt.wu.h"       FToXRm "1100010 00001 ..... ... ..... 1010011" Zfh      Next   rv64f::float_to_int(Fmt::H, IntFmt::Wu);
    FcvtLH        "fcvt.l.h"        FToXRm "1100010 00010 ..... ... ..... 1010011" Zfh      Next   rv64f::float_to_int(Fmt::H, IntFmt::L);
    FcvtLuH       "fcvt.lu.h"       FToXRm "1100010 00011 ..... ... ..... 1010011" Zfh      Next   rv64f::float_to_int(Fmt::H, IntFmt::Lu);
    FcvtHW        "fcvt.h.w"        XToFRm "1101010 00000 ..... ... ..... 1010011" Zfh      Next   rv64f::int_to_float(IntFmt::W, Fmt::H);
    FcvtHWu       "fcvt.h.wu"       XToFRm "1101010 00001 ..... ... ..... 1010011" Zfh      Next   rv64f::int_to_float(IntFmt::Wu, Fmt::H);
    FcvtHL        "fcvt.h.l"        XToFRm "1101010 00010 ..... ... ..... 1010011" Zfh      Next   rv64f::int_to_float(IntFmt::L, Fmt::H);
    FcvtHLu       "fcvt.h.lu"       XToFRm "1101010 00011 ..... ... ..... 1010011" Zfh      Next   rv64f::int_to_float(IntFmt::Lu, Fmt::H);
    FmvXH         "fmv.x.h"         FToX   "1110010 00000 ..... 000 ..... 1010011" Zfhmin   Next   rv64f::mv_to_x(Fmt::H);
    FmvHX         "fmv.h.x"         XToF   "1111010 00000 ..... 000 ..... 1010011" Zfhmin   Next   rv64f::mv_from_x(Fmt::H);
    FcvtSH        "fcvt.s.h"        F1Rm   "0100000 00010 ..... ... ..... 1010011" Zfhmin   Next   rv64f::float_to_float(Fmt::H, Fmt::S);
    FcvtHS        "fcvt.h.s"        F1Rm   "0100010 00000 ..... ... ..... 1010011" Zfhmin   Next   rv64f::float_to_float(Fmt::S, Fmt::H);
    FcvtDH        "fcvt.d.h"        F1Rm   "0100001 00010 ..... ... ..... 1010011" Zfhmin+D Next   rv64f::float_to_float(Fmt::H, Fmt::D);
    FcvtHD        "fcvt.h.d"        F1Rm   "0100010 00001 ..... ... ..... 1010011" Zfhmin+D Next   rv64f::float_to_float(Fmt::D, Fmt::H);
}
