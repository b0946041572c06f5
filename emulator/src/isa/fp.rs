//! Names of the floating-point formats and operations that meanings ask for; the arithmetic
//! lives in `isa/float/`. Where the manual's mnemonic leaves the format open, the format is an
//! argument beside the operation: `fadd.d` is [`Fp2::Add`] with [`Fmt::D`].

use crate::addr::Width;

/// A floating-point format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fmt {
    /// binary16, Zfh.
    H,
    /// binary32, F.
    S,
    /// binary64, D.
    D,
}

impl Fmt {
    /// Every format, narrowest first.
    pub const ALL: [Self; 3] = [Self::H, Self::S, Self::D];

    /// Width in memory.
    #[inline(always)]
    pub const fn width(self) -> Width {
        match self {
            Self::H => Width::Half,
            Self::S => Width::Word,
            Self::D => Width::Double,
        }
    }
}

/// An integer format of the conversions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntFmt {
    /// Signed, 32 bits.
    W,
    /// Unsigned, 32 bits; a result is nevertheless sign-extended in its register.
    Wu,
    /// Signed, 64 bits.
    L,
    /// Unsigned, 64 bits.
    Lu,
}

impl IntFmt {
    /// Every integer format.
    pub const ALL: [Self; 4] = [Self::W, Self::Wu, Self::L, Self::Lu];
}

/// One-operand operation on a value of a format `fmt`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fp1 {
    /// Square root.
    Sqrt,
    /// The ten-bit class mask of `fclass`.
    Class,
    /// The bits themselves, sign-extended from the width of `fmt` to 64 bits (`fmv.x.*`).
    Bits,
    /// Conversion of a value of `fmt` to another format.
    ToFloat(Fmt),
    /// Conversion of a value of `fmt` to an integer, as it stands in an `x` register.
    ToInt(IntFmt),
    /// Conversion of an integer to `fmt`; the operand is the `x` register.
    FromInt(IntFmt),
}

/// Two-operand operation on values of one format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fp2 {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
    /// `a / b`.
    Div,
    /// The smaller; -0 is smaller than +0; a NaN loses.
    Min,
    /// The greater; +0 is greater than -0; a NaN loses.
    Max,
    /// `a` with the sign of `b`.
    SgnJ,
    /// `a` with the opposite of the sign of `b`.
    SgnJn,
    /// `a` with the exclusive or of both signs.
    SgnJx,
    /// 1 where `a == b`, else 0; quiet: only a signaling NaN is invalid.
    Eq,
    /// 1 where `a < b`, else 0; signaling: any NaN is invalid.
    Lt,
    /// 1 where `a <= b`, else 0; signaling: any NaN is invalid.
    Le,
}

/// Three-operand operation on values of one format, rounded once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fp3 {
    /// `a * b + c`, `fmadd`.
    MulAdd,
    /// `a * b - c`, `fmsub`.
    MulSub,
    /// `-(a * b) + c`, `fnmsub`.
    NegMulSub,
    /// `-(a * b) - c`, `fnmadd`.
    NegMulAdd,
}
