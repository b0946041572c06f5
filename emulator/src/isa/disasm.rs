//! Instructions as assembly text, the way GNU objdump writes it, but for a space after commas.
//! Operands come from the format of the row; [`alias`] holds the pseudo-instructions that stand
//! for special cases. Instructions that differ are written differently.

use std::fmt::Write;

use super::Insn;
use super::table::{Flow, Op};

/// ABI names of the integer registers.
#[rustfmt::skip]
pub const X_NAMES: [&str; 32] = [
    "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1", "a0", "a1", "a2", "a3", "a4", "a5",
    "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8", "s9", "s10", "s11", "t3", "t4", "t5", "t6",
];

/// ABI names of the floating-point registers.
#[rustfmt::skip]
pub const F_NAMES: [&str; 32] = [
    "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7", "fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5",
    "fa6", "fa7", "fs2", "fs3", "fs4", "fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11",
];

/// Rounding modes by number; 5 and 6 are reserved.
const ROUNDING: [&str; 8] = ["rne", "rtz", "rdn", "rup", "rmm", "rm5", "rm6", "dyn"];
const RNE: u8 = 0;
const DYN: u8 = 7;

/// Suffixes of atomics by their aq and rl bits.
const ORDER: [&str; 4] = ["", ".rl", ".aq", ".aqrl"];

/// The reserved fields of `fence`: fm (but for `fence.tso`), rs1 and rd.
const FENCE_RESERVED: u32 = 0xf00f_8f80;
/// The reserved fields of `fence.i`: the immediate too.
const FENCE_I_RESERVED: u32 = 0xffff_8f80;

/// The assembly text of `insn` at address `pc`. `csr_name` names the CSRs that have a name; the
/// others are written as numbers.
pub fn disassemble(insn: &Insn, pc: u64, csr_name: impl Fn(u16) -> Option<String>) -> String {
    let row = insn.op.row();
    let (mut text, operands) = match alias(insn) {
        Some(alias) => {
            let (mnemonic, operands) = alias.split_once(' ').unwrap_or((alias, ""));
            (mnemonic.to_owned(), operands)
        }
        None => (row.mnemonic.to_owned(), row.format.operands()),
    };
    if row.format.is_ordered() {
        text.push_str(ORDER[usize::from(insn.rm & 3)]);
    }
    let mut separator = " ";
    for operand in operands.split(", ").filter(|operand| !operand.is_empty()) {
        if operand == "rm" && insn.rm == default_rounding(insn.op) {
            continue;
        }
        text.push_str(separator);
        separator = ", ";
        for word in operand.split_inclusive(['(', ')']) {
            let name = word.trim_end_matches(['(', ')']);
            if !name.is_empty() {
                push_field(&mut text, insn, pc, name, &csr_name);
            }
            text.push_str(&word[name.len()..]);
        }
    }
    text
}

/// Where `insn` at address `pc` goes, if it goes where its immediate says.
pub fn target(insn: &Insn, pc: u64) -> Option<u64> {
    let direct = insn.op.flow() == Flow::Branch || insn.op == Op::Jal;
    direct.then(|| pc.wrapping_add(i64::from(insn.imm) as u64))
}

/// Appends the operand that `name` means in a format or an alias.
fn push_field(
    text: &mut String,
    i: &Insn,
    pc: u64,
    name: &str,
    csr_name: impl Fn(u16) -> Option<String>,
) {
    let x = |r: u8| X_NAMES[usize::from(r & 31)];
    let f = |r: u8| F_NAMES[usize::from(r & 31)];
    let plain = match name {
        "rd" => x(i.rd),
        "rs1" => x(i.rs1),
        "rs2" => x(i.rs2),
        "fd" => f(i.rd),
        "fs1" => f(i.rs1),
        "fs2" => f(i.rs2),
        "fs3" => f(i.rs3),
        "rm" => ROUNDING[usize::from(i.rm & 7)],
        "pred" => return push_fence_set(text, i.imm >> 4),
        "succ" => return push_fence_set(text, i.imm),
        _ => "",
    };
    text.push_str(plain);
    let number = match name {
        "imm" => write!(text, "{}", i.imm),
        "block" => write!(text, "{}", i.imm & !31),
        "uimm" => write!(text, "{}", i.rs1),
        "shamt" => write!(text, "{:#x}", i.imm),
        "upper" => write!(text, "{:#x}", i.imm as u32 >> 12),
        "target" => write!(text, "{:x}", pc.wrapping_add(i64::from(i.imm) as u64)),
        "bits" => write!(text, "4, {:#010x}", i.bits),
        "csr" => match csr_name(i.imm as u16) {
            Some(name) => write!(text, "{name}"),
            None => write!(text, "{:#x}", i.imm),
        },
        _ => Ok(()),
    };
    number.expect("a string takes everything");
    debug_assert!(text.ends_with(|c: char| c.is_ascii_alphanumeric()), "{name} is no operand");
}

/// Device input and output, memory reads and writes.
fn push_fence_set(text: &mut String, set: i32) {
    let letters = [(8, 'i'), (4, 'o'), (2, 'r'), (1, 'w')];
    text.extend(letters.iter().filter(|(bit, _)| set & bit != 0).map(|(_, letter)| letter));
    if set & 15 == 0 {
        text.push('0');
    }
}

/// The rounding mode that is not written: for conversions that are always exact, the one that
/// assemblers put there; for everything else the one in `frm`.
const fn default_rounding(op: Op) -> u8 {
    match op {
        Op::FcvtDW | Op::FcvtDWu | Op::FcvtDS | Op::FcvtSH | Op::FcvtDH => RNE,
        _ => DYN,
    }
}

/// The shorter or plainer way to write a special case: a mnemonic, and operands named as in
/// `format.rs`.
///
/// Source: RISC-V Assembly Programmer's Manual, "pseudoinstructions".
#[rustfmt::skip]
fn alias(i: &Insn) -> Option<&'static str> {
    let is_short = i.len_bytes() == 2;
    let text = match *i {
        // c.mv is an `add`, and so `mv` is no name for c.addi with its zero immediate, a HINT.
        Insn { op: Op::Add, rs1: 0, .. } if is_short => "mv rd, rs2",
        Insn { op: Op::Addi, rs1: 1.., imm: 0, .. } if is_short => "addi rd, rs1, imm",
        Insn { op: Op::Addi, rd: 0, rs1: 0, imm: 0, .. } => "nop",
        Insn { op: Op::Addi, rs1: 0, .. } => "li rd, imm",
        Insn { op: Op::Addi, imm: 0, .. } => "mv rd, rs1",
        Insn { op: Op::Addiw, imm: 0, .. } => "sext.w rd, rs1",
        Insn { op: Op::Xori, imm: -1, .. } => "not rd, rs1",
        Insn { op: Op::Andi, imm: 255, .. } => "zext.b rd, rs1",
        Insn { op: Op::AddUw, rs2: 0, .. } => "zext.w rd, rs1",
        Insn { op: Op::Sub, rs1: 0, .. } => "neg rd, rs2",
        Insn { op: Op::Subw, rs1: 0, .. } => "negw rd, rs2",
        Insn { op: Op::Sltiu, imm: 1, .. } => "seqz rd, rs1",
        Insn { op: Op::Sltu, rs1: 0, .. } => "snez rd, rs2",
        Insn { op: Op::Slt, rs2: 0, .. } => "sltz rd, rs1",
        Insn { op: Op::Slt, rs1: 0, .. } => "sgtz rd, rs2",
        Insn { op: Op::Beq, rs2: 0, .. } => "beqz rs1, target",
        Insn { op: Op::Bne, rs2: 0, .. } => "bnez rs1, target",
        Insn { op: Op::Bge, rs1: 0, .. } => "blez rs2, target",
        Insn { op: Op::Bge, rs2: 0, .. } => "bgez rs1, target",
        Insn { op: Op::Blt, rs2: 0, .. } => "bltz rs1, target",
        Insn { op: Op::Blt, rs1: 0, .. } => "bgtz rs2, target",
        Insn { op: Op::Jal, rd: 0, .. } => "j target",
        Insn { op: Op::Jal, rd: 1, .. } => "jal target",
        Insn { op: Op::Jalr, rd: 0, rs1: 1, imm: 0, .. } => "ret",
        Insn { op: Op::Jalr, rd: 0, imm: 0, .. } => "jr rs1",
        Insn { op: Op::Jalr, rd: 0, .. } => "jr imm(rs1)",
        Insn { op: Op::Jalr, rd: 1, imm: 0, .. } => "jalr rs1",
        Insn { op: Op::Jalr, rd: 1, .. } => "jalr imm(rs1)",
        Insn { op: Op::Jalr, imm: 0, .. } => "jalr rd, rs1",
        Insn { op: Op::Fence, bits: 0x0100_000f, .. } => "pause",
        Insn { op: Op::Fence, bits: 0x0ff0_000f, .. } => "fence",
        Insn { op: Op::Fence, bits: 0x8330_000f, .. } => "fence.tso",
        Insn { op: Op::Fence, bits, .. } if bits & FENCE_RESERVED != 0 => ".insn bits",
        Insn { op: Op::FenceI, bits, .. } if bits & FENCE_I_RESERVED != 0 => ".insn bits",
        Insn { op: Op::SfenceVma, rs1: 0, rs2: 0, .. } => "sfence.vma",
        Insn { op: Op::SfenceVma, rs2: 0, .. } => "sfence.vma rs1",
        _ => return csr_alias(i).or_else(|| fp_alias(i)).or_else(|| prefetch_alias(i)),
    };
    Some(text)
}

/// [`alias`] for the CSR instructions.
#[rustfmt::skip]
fn csr_alias(i: &Insn) -> Option<&'static str> {
    const FFLAGS: i32 = 0x001;
    const FRM: i32 = 0x002;
    const FCSR: i32 = 0x003;
    const CYCLE: i32 = 0xc00;
    const TIME: i32 = 0xc01;
    const INSTRET: i32 = 0xc02;
    let text = match *i {
        Insn { op: Op::Csrrs, rs1: 0, imm: FFLAGS, .. } => "frflags rd",
        Insn { op: Op::Csrrs, rs1: 0, imm: FRM, .. } => "frrm rd",
        Insn { op: Op::Csrrs, rs1: 0, imm: FCSR, .. } => "frcsr rd",
        Insn { op: Op::Csrrs, rs1: 0, imm: CYCLE, .. } => "rdcycle rd",
        Insn { op: Op::Csrrs, rs1: 0, imm: TIME, .. } => "rdtime rd",
        Insn { op: Op::Csrrs, rs1: 0, imm: INSTRET, .. } => "rdinstret rd",
        Insn { op: Op::Csrrs, rs1: 0, .. } => "csrr rd, csr",
        Insn { op: Op::Csrrs, rd: 0, .. } => "csrs csr, rs1",
        Insn { op: Op::Csrrc, rd: 0, .. } => "csrc csr, rs1",
        Insn { op: Op::Csrrw, rd: 0, imm: FFLAGS, .. } => "fsflags rs1",
        Insn { op: Op::Csrrw, rd: 0, imm: FRM, .. } => "fsrm rs1",
        Insn { op: Op::Csrrw, rd: 0, imm: FCSR, .. } => "fscsr rs1",
        Insn { op: Op::Csrrw, rd: 0, rs1: 0, imm: CYCLE, .. } => "unimp",
        Insn { op: Op::Csrrw, rd: 0, .. } => "csrw csr, rs1",
        Insn { op: Op::Csrrw, imm: FFLAGS, .. } => "fsflags rd, rs1",
        Insn { op: Op::Csrrw, imm: FRM, .. } => "fsrm rd, rs1",
        Insn { op: Op::Csrrw, imm: FCSR, .. } => "fscsr rd, rs1",
        Insn { op: Op::Csrrwi, imm: FFLAGS, .. } => "fsflagsi rd, uimm",
        Insn { op: Op::Csrrwi, imm: FRM, .. } => "fsrmi rd, uimm",
        Insn { op: Op::Csrrwi, rd: 0, .. } => "csrwi csr, uimm",
        Insn { op: Op::Csrrsi, rd: 0, .. } => "csrsi csr, uimm",
        Insn { op: Op::Csrrci, rd: 0, .. } => "csrci csr, uimm",
        _ => return None,
    };
    Some(text)
}

/// [`alias`] for the sign injections of a register into itself.
fn fp_alias(i: &Insn) -> Option<&'static str> {
    if i.rs1 != i.rs2 {
        return None;
    }
    match i.op {
        Op::FsgnjH => Some("fmv.h fd, fs1"),
        Op::FsgnjS => Some("fmv.s fd, fs1"),
        Op::FsgnjD => Some("fmv.d fd, fs1"),
        Op::FsgnjnH => Some("fneg.h fd, fs1"),
        Op::FsgnjnS => Some("fneg.s fd, fs1"),
        Op::FsgnjnD => Some("fneg.d fd, fs1"),
        Op::FsgnjxH => Some("fabs.h fd, fs1"),
        Op::FsgnjxS => Some("fabs.s fd, fs1"),
        Op::FsgnjxD => Some("fabs.d fd, fs1"),
        _ => None,
    }
}

/// [`alias`] for the HINTs of Zicbop, which are `ori` to `x0`.
fn prefetch_alias(i: &Insn) -> Option<&'static str> {
    if i.op != Op::Ori || i.rd != 0 {
        return None;
    }
    match i.imm & 31 {
        0 => Some("prefetch.i block(rs1)"),
        1 => Some("prefetch.r block(rs1)"),
        3 => Some("prefetch.w block(rs1)"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
