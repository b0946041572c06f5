//! [`Emit`], the trait through which instruction meanings act, and the arithmetic they name.
//!
//! A meaning in `isa/rv64*.rs` is written once against this trait. The interpreter implements it
//! with `Value = u64` and executes; another engine may implement it with an operand type and
//! record. A Rust `if` on a guest value does not type-check, so no meaning can become
//! interpreter-only. [`Bin::eval`] and [`Un::eval`] in `isa/arith.rs` are the only places where
//! integer arithmetic is written.

use super::Insn;
use super::arith::{Bin, Un};
use super::fp::{Fmt, Fp1, Fp2, Fp3};
use crate::addr::Width;

/// How a loaded value fills the register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extend {
    /// Sign-extended.
    Sign,
    /// Zero-extended.
    Zero,
}

/// Read-modify-write operation of an AMO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amo {
    /// Replace.
    Swap,
    /// Add.
    Add,
    /// Exclusive or.
    Xor,
    /// And.
    And,
    /// Or.
    Or,
    /// Signed minimum.
    Min,
    /// Signed maximum.
    Max,
    /// Unsigned minimum.
    Minu,
    /// Unsigned maximum.
    Maxu,
}

impl Amo {
    /// What memory holds afterwards; only the low `width` bits of the operands and the result
    /// count.
    pub fn eval(self, width: Width, old: u64, operand: u64) -> u64 {
        let (a, b) = (width.sign_extend(old), width.sign_extend(operand));
        match self {
            Self::Swap => b,
            Self::Add => Bin::Add.eval(a, b),
            Self::Xor => Bin::Xor.eval(a, b),
            Self::And => Bin::And.eval(a, b),
            Self::Or => Bin::Or.eval(a, b),
            Self::Min => Bin::Min.eval(a, b),
            Self::Max => Bin::Max.eval(a, b),
            // Sign extension keeps the order of unsigned values of the same width.
            Self::Minu => Bin::Minu.eval(a, b),
            Self::Maxu => Bin::Maxu.eval(a, b),
        }
    }
}

/// An operation on the machine state beyond registers and memory; bodies live in `system/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemOp {
    /// `csrrw`: CSR `imm` becomes `x[rs1]`; it is not read where `rd` is `x0`.
    CsrWrite,
    /// `csrrs`: sets the bits of `x[rs1]`; nothing is written where `rs1` is `x0`.
    CsrSet,
    /// `csrrc`: clears the bits of `x[rs1]`; nothing is written where `rs1` is `x0`.
    CsrClear,
    /// `csrrwi`: as `csrrw`, with the number `rs1` itself as the operand.
    CsrWriteImm,
    /// `csrrsi`: as `csrrs`, with the number `rs1` itself; nothing is written where it is 0.
    CsrSetImm,
    /// `csrrci`: as `csrrc`, with the number `rs1` itself; nothing is written where it is 0.
    CsrClearImm,
    /// `ecall`.
    Ecall,
    /// `ebreak`.
    Ebreak,
    /// `mret`.
    Mret,
    /// `sret`.
    Sret,
    /// `wfi`.
    Wfi,
    /// `wrs.nto`: wait on the reservation set, trapped by `mstatus.TW`.
    WrsNto,
    /// `wrs.sto`: wait on the reservation set for a short time.
    WrsSto,
    /// `fence.i`.
    FenceI,
    /// `sfence.vma`.
    SfenceVma,
    /// `sinval.vma`.
    SinvalVma,
    /// `sfence.w.inval`.
    SfenceWInval,
    /// `sfence.inval.ir`.
    SfenceInvalIr,
    /// `cbo.zero`.
    CboZero,
    /// `cbo.clean`.
    CboClean,
    /// `cbo.flush`.
    CboFlush,
    /// `cbo.inval`.
    CboInval,
}

impl SystemOp {
    /// Whether this reads or writes the CSR `imm` and writes `x[rd]`.
    pub const fn is_csr_access(self) -> bool {
        matches!(
            self,
            Self::CsrWrite
                | Self::CsrSet
                | Self::CsrClear
                | Self::CsrWriteImm
                | Self::CsrSetImm
                | Self::CsrClearImm
        )
    }
}

/// What an instruction meaning can do.
///
/// Rules for meanings: read, then everything that can fault, then write. `x0` is handled only in
/// [`set_x`](Self::set_x).
pub trait Emit {
    /// A 64-bit guest value: `u64` when executing, an operand when recording.
    type Value: Copy;
    /// A rounding mode found legal.
    type Rounding: Copy;
    /// What an instruction that cannot complete yields.
    type Fault;

    /// A constant, sign-extended to 64 bits.
    fn imm(&mut self, value: i64) -> Self::Value;
    /// Reads `x[r]`.
    fn x(&mut self, r: u8) -> Self::Value;
    /// Writes `x[r]`; a write to `x0` is discarded.
    fn set_x(&mut self, r: u8, value: Self::Value);
    /// Address of the instruction itself.
    fn pc(&mut self, i: &Insn) -> Self::Value;

    /// Two-operand integer arithmetic.
    fn bin(&mut self, op: Bin, a: Self::Value, b: Self::Value) -> Self::Value;
    /// One-operand integer arithmetic.
    fn un(&mut self, op: Un, a: Self::Value) -> Self::Value;
    /// `if_true` where `condition` is not zero, else `if_false`.
    fn select(
        &mut self,
        condition: Self::Value,
        if_true: Self::Value,
        if_false: Self::Value,
    ) -> Self::Value;

    /// Loads from `at`.
    fn load(
        &mut self,
        at: Self::Value,
        width: Width,
        extend: Extend,
    ) -> Result<Self::Value, Self::Fault>;
    /// Stores the low bytes of `value` to `at`.
    fn store(
        &mut self,
        at: Self::Value,
        width: Width,
        value: Self::Value,
    ) -> Result<(), Self::Fault>;
    /// Loads from `at`, sign-extended, and makes a reservation.
    fn load_reserved(&mut self, at: Self::Value, width: Width) -> Result<Self::Value, Self::Fault>;
    /// Stores if the reservation still holds; yields 0 on success and 1 on failure.
    fn store_conditional(
        &mut self,
        at: Self::Value,
        width: Width,
        value: Self::Value,
    ) -> Result<Self::Value, Self::Fault>;
    /// Atomic read-modify-write; yields the old value, sign-extended.
    fn amo(
        &mut self,
        op: Amo,
        at: Self::Value,
        width: Width,
        value: Self::Value,
    ) -> Result<Self::Value, Self::Fault>;

    /// Goes to `pc + imm` where `taken` is not zero.
    fn branch(&mut self, taken: Self::Value, i: &Insn) -> Result<(), Self::Fault>;
    /// Goes to `target`, whose bit 0 the meaning has cleared; faults where it is misaligned.
    /// A jump that links writes the link register after this call.
    fn jump(&mut self, target: Self::Value) -> Result<(), Self::Fault>;
    /// Address of the instruction after this one.
    fn next_pc(&mut self, i: &Insn) -> Self::Value;

    /// Faults where `mstatus.FS` is off. The first act of a floating-point meaning that does
    /// not round.
    fn require_fp(&mut self, i: &Insn) -> Result<(), Self::Fault>;
    /// [`require_fp`](Self::require_fp), and the rounding mode that the rm field (or `frm`)
    /// names; faults where it is reserved.
    fn rounding(&mut self, i: &Insn) -> Result<Self::Rounding, Self::Fault>;
    /// Reads `f[r]` as a value of `fmt`; one that is not NaN-boxed reads as the canonical NaN.
    fn f(&mut self, r: u8, fmt: Fmt) -> Self::Value;
    /// Reads all 64 bits of `f[r]` (stores and moves look through the boxing).
    fn f_raw(&mut self, r: u8) -> Self::Value;
    /// Writes `f[r]`, NaN-boxed, and marks the floating-point state dirty.
    fn set_f(&mut self, r: u8, fmt: Fmt, value: Self::Value);
    /// One-operand floating-point arithmetic; accrues flags. Like the next two it cannot fault,
    /// but an engine may leave what it finds difficult to another.
    fn fp1(
        &mut self,
        op: Fp1,
        fmt: Fmt,
        rm: Self::Rounding,
        a: Self::Value,
    ) -> Result<Self::Value, Self::Fault>;
    /// Two-operand floating-point arithmetic; accrues flags.
    fn fp2(
        &mut self,
        op: Fp2,
        fmt: Fmt,
        rm: Self::Rounding,
        ab: [Self::Value; 2],
    ) -> Result<Self::Value, Self::Fault>;
    /// Three-operand floating-point arithmetic; accrues flags.
    fn fp3(
        &mut self,
        op: Fp3,
        fmt: Fmt,
        rm: Self::Rounding,
        abc: [Self::Value; 3],
    ) -> Result<Self::Value, Self::Fault>;
    /// The rounding mode handed to operations whose result needs none.
    fn exact(&mut self) -> Self::Rounding;

    /// Runs `op` on the machine state and ends the block.
    fn system(&mut self, op: SystemOp, i: &Insn) -> Result<(), Self::Fault>;
    /// The encoding means nothing here.
    fn illegal(&mut self, i: &Insn) -> Self::Fault;
}
