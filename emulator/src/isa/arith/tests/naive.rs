//! The operations once more, slow and plain: on lists of bits, least significant first, with no
//! machine arithmetic but counting. Neighbour: `tests.rs` compares.

use super::{Bin, Un};

type Bits = Vec<bool>;

fn split(value: u64, len: usize) -> Bits {
    (0..len).map(|i| value >> i & 1 != 0).collect()
}

/// The bits as a register: the highest given one fills the rest.
fn join(bits: &[bool]) -> u64 {
    let bit = |i: usize| bits.get(i).copied().unwrap_or(bits[bits.len() - 1]);
    (0..64).fold(0, |value, i| value | u64::from(bit(i)) << i)
}

fn extended(bits: &[bool], len: usize, fill: bool) -> Bits {
    bits.iter().copied().chain(std::iter::repeat(fill)).take(len).collect()
}

fn zero_extended(bits: &[bool], len: usize) -> Bits {
    extended(bits, len, false)
}

fn sign_extended(bits: &[bool], len: usize) -> Bits {
    extended(bits, len, sign(bits))
}

fn sign(bits: &[bool]) -> bool {
    bits[bits.len() - 1]
}

fn truth(value: bool, len: usize) -> Bits {
    zero_extended(&[value], len)
}

fn number(count: usize, len: usize) -> Bits {
    split(count as u64, len)
}

fn each(a: &[bool], b: &[bool], f: fn(bool, bool) -> bool) -> Bits {
    a.iter().zip(b).map(|(&a, &b)| f(a, b)).collect()
}

fn not(a: &[bool]) -> Bits {
    a.iter().map(|bit| !bit).collect()
}

fn add_carry(a: &[bool], b: &[bool], mut carry: bool) -> Bits {
    let mut sum = Bits::new();
    for (&a, &b) in a.iter().zip(b) {
        sum.push(a ^ b ^ carry);
        carry = a & b | a & carry | b & carry;
    }
    sum
}

fn add(a: &[bool], b: &[bool]) -> Bits {
    add_carry(a, b, false)
}

fn sub(a: &[bool], b: &[bool]) -> Bits {
    add_carry(a, &not(b), true)
}

fn negated(a: &[bool]) -> Bits {
    sub(&truth(false, a.len()), a)
}

fn magnitude(a: &[bool]) -> Bits {
    if sign(a) { negated(a) } else { a.to_vec() }
}

/// The shift amount or bit number that `b` holds for an operand of its own length.
fn amount(b: &[bool]) -> usize {
    let bits = if b.len() == 64 { 6 } else { 5 };
    (0..bits).fold(0, |sum, i| sum + if b[i] { 1 << i } else { 0 })
}

fn shifted_left(a: &[bool], by: usize) -> Bits {
    (0..a.len()).map(|i| i >= by && a[i - by]).collect()
}

fn shifted_right(a: &[bool], by: usize, fill: bool) -> Bits {
    (0..a.len()).map(|i| a.get(i + by).copied().unwrap_or(fill)).collect()
}

fn rotated_left(a: &[bool], by: usize) -> Bits {
    (0..a.len()).map(|i| a[(i + a.len() - by) % a.len()]).collect()
}

/// Whether `a < b`, unsigned: the highest bit that differs decides.
fn below(a: &[bool], b: &[bool]) -> bool {
    a.iter().zip(b).rev().find(|(a, b)| a != b).is_some_and(|(_, &b)| b)
}

/// Whether `a < b`, signed: a set sign bit is the lower one.
fn less(a: &[bool], b: &[bool]) -> bool {
    if sign(a) == sign(b) { below(a, b) } else { sign(a) }
}

/// Product as long as the operands, with `plus` for the sum.
fn product(a: &[bool], b: &[bool], plus: fn(&[bool], &[bool]) -> Bits) -> Bits {
    let none = truth(false, a.len());
    (0..a.len()).filter(|&i| b[i]).fold(none, |sum, i| plus(&sum, &shifted_left(a, i)))
}

fn plus_without_carry(a: &[bool], b: &[bool]) -> Bits {
    each(a, b, |a, b| a ^ b)
}

/// Quotient and remainder as taught at school; a quotient by zero is all ones.
fn divided_unsigned(a: &[bool], b: &[bool]) -> (Bits, Bits) {
    let (a, b) = (zero_extended(a, a.len() + 1), zero_extended(b, b.len() + 1));
    let (mut quotient, mut rest) = (truth(false, a.len()), truth(false, a.len()));
    for i in (0..a.len()).rev() {
        rest = shifted_left(&rest, 1);
        rest[0] = a[i];
        if !below(&rest, &b) {
            rest = sub(&rest, &b);
            quotient[i] = true;
        }
    }
    (quotient[..a.len() - 1].to_vec(), rest[..a.len() - 1].to_vec())
}

fn divided_signed(a: &[bool], b: &[bool]) -> (Bits, Bits) {
    if !b.contains(&true) {
        return (vec![true; a.len()], a.to_vec());
    }
    let (quotient, rest) = divided_unsigned(&magnitude(a), &magnitude(b));
    let signed = |value: Bits, negative| if negative { negated(&value) } else { value };
    (signed(quotient, sign(a) != sign(b)), signed(rest, sign(a)))
}

/// What a [`Bin`] does, as operands of one length; the name of the length is in the operation.
fn plain(op: Bin, a: &[bool], b: &[bool]) -> Bits {
    let (len, by) = (a.len(), amount(b));
    let one_bit = shifted_left(&truth(true, len), by);
    let twice = |ab: [Bits; 2], plus| product(&ab[0], &ab[1], plus);
    let carryless = || twice([a, b].map(|v| zero_extended(v, 2 * len)), plus_without_carry);
    match op {
        Bin::Add | Bin::Addw | Bin::AddUw => add(a, b),
        Bin::Sub | Bin::Subw => sub(a, b),
        Bin::Sll | Bin::Sllw | Bin::SllUw => shifted_left(a, by),
        Bin::Srl | Bin::Srlw => shifted_right(a, by, false),
        Bin::Sra | Bin::Sraw => shifted_right(a, by, sign(a)),
        Bin::And => each(a, b, |a, b| a & b),
        Bin::Or => each(a, b, |a, b| a | b),
        Bin::Xor => each(a, b, |a, b| a ^ b),
        Bin::Eq => truth(a == b, len),
        Bin::Ne => truth(a != b, len),
        Bin::Slt => truth(less(a, b), len),
        Bin::Sltu => truth(below(a, b), len),
        Bin::Sge => truth(!less(a, b), len),
        Bin::Sgeu => truth(!below(a, b), len),
        Bin::Mul | Bin::Mulw => product(a, b, add),
        Bin::Mulh => twice([a, b].map(|v| sign_extended(v, 2 * len)), add)[len..].to_vec(),
        Bin::Mulhu => twice([a, b].map(|v| zero_extended(v, 2 * len)), add)[len..].to_vec(),
        Bin::Mulhsu => {
            twice([sign_extended(a, 2 * len), zero_extended(b, 2 * len)], add)[len..].to_vec()
        }
        Bin::Div | Bin::Divw => divided_signed(a, b).0,
        Bin::Divu | Bin::Divuw => divided_unsigned(a, b).0,
        Bin::Rem | Bin::Remw => divided_signed(a, b).1,
        Bin::Remu | Bin::Remuw => divided_unsigned(a, b).1,
        Bin::Sh1add | Bin::Sh1addUw => add(&shifted_left(a, 1), b),
        Bin::Sh2add | Bin::Sh2addUw => add(&shifted_left(a, 2), b),
        Bin::Sh3add | Bin::Sh3addUw => add(&shifted_left(a, 3), b),
        Bin::Andn => each(a, b, |a, b| a & !b),
        Bin::Orn => each(a, b, |a, b| a | !b),
        Bin::Xnor => each(a, b, |a, b| a == b),
        Bin::Min => if less(a, b) { a } else { b }.to_vec(),
        Bin::Minu => if below(a, b) { a } else { b }.to_vec(),
        Bin::Max => if less(a, b) { b } else { a }.to_vec(),
        Bin::Maxu => if below(a, b) { b } else { a }.to_vec(),
        Bin::Rol | Bin::Rolw => rotated_left(a, by),
        Bin::Ror | Bin::Rorw => rotated_left(a, (len - by) % len),
        Bin::Bclr => each(a, &one_bit, |a, bit| a & !bit),
        Bin::Bext => truth(a[by], len),
        Bin::Binv => each(a, &one_bit, |a, bit| a ^ bit),
        Bin::Bset => each(a, &one_bit, |a, bit| a | bit),
        Bin::Clmul => carryless()[..len].to_vec(),
        Bin::Clmulh => carryless()[len..].to_vec(),
        Bin::Clmulr => carryless()[len - 1..2 * len - 1].to_vec(),
        Bin::CzeroEqz => each(a, &vec![b.contains(&true); len], |a, keep| a & keep),
        Bin::CzeroNez => each(a, &vec![!b.contains(&true); len], |a, keep| a & keep),
    }
}

/// The result of `op`.
pub(super) fn bin(op: Bin, a: u64, b: u64) -> u64 {
    let name = format!("{op:?}");
    let result = if name.ends_with("Uw") {
        plain(op, &zero_extended(&split(a, 32), 64), &split(b, 64))
    } else if name.ends_with('w') {
        plain(op, &split(a, 32), &split(b, 32))
    } else {
        plain(op, &split(a, 64), &split(b, 64))
    };
    join(&result)
}

/// The result of `op`.
pub(super) fn un(op: Un, a: u64) -> u64 {
    let bits = split(a, if format!("{op:?}").ends_with('w') { 32 } else { 64 });
    let zeroes = |mut bits: Bits, from_the_top: bool| {
        if from_the_top {
            bits.reverse();
        }
        number(bits.iter().take_while(|bit| !**bit).count(), 64)
    };
    let result = match op {
        Un::Clz | Un::Clzw => zeroes(bits, true),
        Un::Ctz | Un::Ctzw => zeroes(bits, false),
        Un::Cpop | Un::Cpopw => number(bits.iter().filter(|bit| **bit).count(), 64),
        Un::SextB => bits[..8].to_vec(),
        Un::SextH => bits[..16].to_vec(),
        Un::ZextH => zero_extended(&bits[..16], 64),
        Un::OrcB => bits.chunks(8).flat_map(|byte| [byte.contains(&true); 8]).collect(),
        Un::Rev8 => bits.chunks(8).rev().flatten().copied().collect(),
    };
    join(&result)
}
