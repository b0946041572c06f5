//! Integer arithmetic by name: the only place where it is written. Meanings name a [`Bin`] or a
//! [`Un`]; engines evaluate it or emit code that is tested against it.
//!
//! Source: Unprivileged ISA; section titles stand at the groups.

/// Two-operand operation on 64-bit values.
///
/// A final `w` means: on the low 32 bits, the 32-bit result sign-extended. A final `Uw` means:
/// the first operand is zero-extended from its low 32 bits. Shift amounts and bit numbers are
/// taken modulo the width. Comparisons yield 1 or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bin {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// Shift left.
    Sll,
    /// Shift right, filling with zeroes.
    Srl,
    /// Shift right, filling with the sign.
    Sra,
    /// Bitwise and.
    And,
    /// Bitwise or.
    Or,
    /// Bitwise exclusive or.
    Xor,
    /// [`Add`](Self::Add) on words.
    Addw,
    /// [`Sub`](Self::Sub) on words.
    Subw,
    /// [`Sll`](Self::Sll) on words.
    Sllw,
    /// [`Srl`](Self::Srl) on words.
    Srlw,
    /// [`Sra`](Self::Sra) on words.
    Sraw,
    /// `a == b`.
    Eq,
    /// `a != b`.
    Ne,
    /// `a < b`, signed.
    Slt,
    /// `a < b`, unsigned.
    Sltu,
    /// `a >= b`, signed.
    Sge,
    /// `a >= b`, unsigned.
    Sgeu,
    /// Low half of the product.
    Mul,
    /// High half of the product, signed by signed.
    Mulh,
    /// High half of the product, signed by unsigned.
    Mulhsu,
    /// High half of the product, unsigned by unsigned.
    Mulhu,
    /// Signed quotient towards zero; by zero: -1; on overflow: the dividend.
    Div,
    /// Unsigned quotient; by zero: 2^64 - 1.
    Divu,
    /// Signed remainder, with the sign of the dividend; by zero: the dividend; on overflow: 0.
    Rem,
    /// Unsigned remainder; by zero: the dividend.
    Remu,
    /// [`Mul`](Self::Mul) on words.
    Mulw,
    /// [`Div`](Self::Div) on words.
    Divw,
    /// [`Divu`](Self::Divu) on words.
    Divuw,
    /// [`Rem`](Self::Rem) on words.
    Remw,
    /// [`Remu`](Self::Remu) on words.
    Remuw,
    /// `(a << 1) + b`.
    Sh1add,
    /// `(a << 2) + b`.
    Sh2add,
    /// `(a << 3) + b`.
    Sh3add,
    /// [`Add`](Self::Add) of a zero-extended word.
    AddUw,
    /// [`Sh1add`](Self::Sh1add) of a zero-extended word.
    Sh1addUw,
    /// [`Sh2add`](Self::Sh2add) of a zero-extended word.
    Sh2addUw,
    /// [`Sh3add`](Self::Sh3add) of a zero-extended word.
    Sh3addUw,
    /// [`Sll`](Self::Sll) of a zero-extended word.
    SllUw,
    /// `a & !b`.
    Andn,
    /// `a | !b`.
    Orn,
    /// `!(a ^ b)`.
    Xnor,
    /// The smaller, signed.
    Min,
    /// The smaller, unsigned.
    Minu,
    /// The greater, signed.
    Max,
    /// The greater, unsigned.
    Maxu,
    /// Rotate left.
    Rol,
    /// Rotate right.
    Ror,
    /// [`Rol`](Self::Rol) on words.
    Rolw,
    /// [`Ror`](Self::Ror) on words.
    Rorw,
    /// `a` with bit `b` cleared.
    Bclr,
    /// Bit `b` of `a`.
    Bext,
    /// `a` with bit `b` inverted.
    Binv,
    /// `a` with bit `b` set.
    Bset,
    /// Low half of the carry-less product.
    Clmul,
    /// High half of the carry-less product.
    Clmulh,
    /// Bits 126 to 63 of the carry-less product: the product of the reversed operands, reversed.
    Clmulr,
    /// 0 where `b` is zero, else `a`.
    CzeroEqz,
    /// 0 where `b` is not zero, else `a`.
    CzeroNez,
}

impl Bin {
    /// The result as the manual defines it, for every input.
    #[inline(always)]
    pub const fn eval(self, a: u64, b: u64) -> u64 {
        match self {
            // "Integer Computational Instructions", and those of RV64I.
            Self::Add => a.wrapping_add(b),
            Self::Sub => a.wrapping_sub(b),
            Self::Sll => a.wrapping_shl(b as u32),
            Self::Srl => a.wrapping_shr(b as u32),
            Self::Sra => (a as i64).wrapping_shr(b as u32) as u64,
            Self::And => a & b,
            Self::Or => a | b,
            Self::Xor => a ^ b,
            Self::Addw => sext(a.wrapping_add(b) as u32),
            Self::Subw => sext(a.wrapping_sub(b) as u32),
            Self::Sllw => sext((a as u32).wrapping_shl(b as u32)),
            Self::Srlw => sext((a as u32).wrapping_shr(b as u32)),
            Self::Sraw => (a as i32).wrapping_shr(b as u32) as u64,
            // "Conditional Branches".
            Self::Eq => (a == b) as u64,
            Self::Ne => (a != b) as u64,
            Self::Slt => ((a as i64) < b as i64) as u64,
            Self::Sltu => (a < b) as u64,
            Self::Sge => (a as i64 >= b as i64) as u64,
            Self::Sgeu => (a >= b) as u64,
            // "M" extension.
            Self::Mul => a.wrapping_mul(b),
            Self::Mulh => ((a as i64 as i128 * b as i64 as i128) >> 64) as u64,
            Self::Mulhsu => ((a as i64 as i128).wrapping_mul(b as i128) >> 64) as u64,
            Self::Mulhu => ((a as u128 * b as u128) >> 64) as u64,
            Self::Mulw => sext((a as u32).wrapping_mul(b as u32)),
            Self::Div
            | Self::Divu
            | Self::Rem
            | Self::Remu
            | Self::Divw
            | Self::Divuw
            | Self::Remw
            | Self::Remuw => self.divide(a, b),
            // "Zba": address generation.
            Self::Sh1add => (a << 1).wrapping_add(b),
            Self::Sh2add => (a << 2).wrapping_add(b),
            Self::Sh3add => (a << 3).wrapping_add(b),
            Self::AddUw => zext(a).wrapping_add(b),
            Self::Sh1addUw => (zext(a) << 1).wrapping_add(b),
            Self::Sh2addUw => (zext(a) << 2).wrapping_add(b),
            Self::Sh3addUw => (zext(a) << 3).wrapping_add(b),
            Self::SllUw => zext(a).wrapping_shl(b as u32),
            _ => self.eval_bits(a, b),
        }
    }

    /// The bit-manipulation extensions after Zba, and Zicond.
    #[inline(always)]
    const fn eval_bits(self, a: u64, b: u64) -> u64 {
        let bit = 1u64.wrapping_shl(b as u32);
        match self {
            // "Zbb": basic bit manipulation.
            Self::Andn => a & !b,
            Self::Orn => a | !b,
            Self::Xnor => !(a ^ b),
            Self::Min => select((a as i64) < b as i64, a, b),
            Self::Minu => select(a < b, a, b),
            Self::Max => select((a as i64) < b as i64, b, a),
            Self::Maxu => select(a < b, b, a),
            Self::Rol => a.rotate_left(b as u32 & 63),
            Self::Ror => a.rotate_right(b as u32 & 63),
            Self::Rolw => sext((a as u32).rotate_left(b as u32 & 31)),
            Self::Rorw => sext((a as u32).rotate_right(b as u32 & 31)),
            // "Zbs": single-bit instructions.
            Self::Bclr => a & !bit,
            Self::Bext => a.wrapping_shr(b as u32) & 1,
            Self::Binv => a ^ bit,
            Self::Bset => a | bit,
            // "Zbc": carry-less multiplication.
            Self::Clmul => carryless_product(a, b) as u64,
            Self::Clmulh => (carryless_product(a, b) >> 64) as u64,
            Self::Clmulr => (carryless_product(a, b) >> 63) as u64,
            // "Zicond": integer conditional operations.
            Self::CzeroEqz => select(b == 0, 0, a),
            Self::CzeroNez => select(b != 0, 0, a),
            _ => unreachable!(),
        }
    }

    /// Source: Unprivileged ISA, "Division Operations", table of the special cases.
    #[inline(always)]
    const fn divide(self, a: u64, b: u64) -> u64 {
        // Overflow wraps to what the manual asks for.
        let zero = b == 0;
        let zero_w = b as u32 == 0;
        match self {
            Self::Div if zero => u64::MAX,
            Self::Div => (a as i64).wrapping_div(b as i64) as u64,
            Self::Divu if zero => u64::MAX,
            Self::Divu => a / b,
            Self::Rem if zero => a,
            Self::Rem => (a as i64).wrapping_rem(b as i64) as u64,
            Self::Remu if zero => a,
            Self::Remu => a % b,
            Self::Divw if zero_w => u64::MAX,
            Self::Divw => (a as i32).wrapping_div(b as i32) as u64,
            Self::Divuw if zero_w => u64::MAX,
            Self::Divuw => sext(a as u32 / b as u32),
            Self::Remw if zero_w => sext(a as u32),
            Self::Remw => (a as i32).wrapping_rem(b as i32) as u64,
            Self::Remuw if zero_w => sext(a as u32),
            Self::Remuw => sext(a as u32 % b as u32),
            _ => unreachable!(),
        }
    }
}

/// One-operand operation on a 64-bit value; a final `w` means: on the low 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Un {
    /// Leading zeroes; 64 where there is no one.
    Clz,
    /// Trailing zeroes; 64 where there is no one.
    Ctz,
    /// Number of ones.
    Cpop,
    /// [`Clz`](Self::Clz) of the word; at most 32.
    Clzw,
    /// [`Ctz`](Self::Ctz) of the word; at most 32.
    Ctzw,
    /// [`Cpop`](Self::Cpop) of the word.
    Cpopw,
    /// Sign-extends the low byte.
    SextB,
    /// Sign-extends the low halfword.
    SextH,
    /// Zero-extends the low halfword.
    ZextH,
    /// Each byte becomes 0xff where any of its bits is set.
    OrcB,
    /// Reverses the bytes.
    Rev8,
}

impl Un {
    /// The result as the manual defines it, for every input.
    ///
    /// Source: Unprivileged ISA, "Zbb": basic bit manipulation.
    #[inline(always)]
    pub const fn eval(self, a: u64) -> u64 {
        match self {
            Self::Clz => a.leading_zeros() as u64,
            Self::Ctz => a.trailing_zeros() as u64,
            Self::Cpop => a.count_ones() as u64,
            Self::Clzw => (a as u32).leading_zeros() as u64,
            Self::Ctzw => (a as u32).trailing_zeros() as u64,
            Self::Cpopw => (a as u32).count_ones() as u64,
            Self::SextB => a as i8 as u64,
            Self::SextH => a as i16 as u64,
            Self::ZextH => a as u16 as u64,
            Self::OrcB => or_combine(a),
            Self::Rev8 => a.swap_bytes(),
        }
    }
}

const fn sext(word: u32) -> u64 {
    word as i32 as u64
}

const fn zext(a: u64) -> u64 {
    a as u32 as u64
}

const fn select(condition: bool, if_true: u64, if_false: u64) -> u64 {
    if condition { if_true } else { if_false }
}

/// 0xff in every byte that is not zero.
const fn or_combine(a: u64) -> u64 {
    const LOW: u64 = 0x7f7f_7f7f_7f7f_7f7f;
    // Bit 7 of a byte says that one of its bits is set; no byte carries into the next.
    let any = (((a & LOW) + LOW) | a) & !LOW;
    (any >> 7) * 0xff
}

/// All 127 bits of the product over GF(2). One round per set bit of `b`.
const fn carryless_product(a: u64, mut b: u64) -> u128 {
    let mut product = 0;
    while b != 0 {
        product ^= (a as u128) << b.trailing_zeros();
        b &= b - 1;
    }
    product
}

#[cfg(test)]
mod tests;
