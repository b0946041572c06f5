//! Addresses and values as a user writes them: numbers, registers and symbols, added and
//! subtracted, as in `$sp + 8` or `main+0x10`.

use super::View;
use crate::csr::CsrAddr;
use crate::isa::disasm::{F_NAMES, X_NAMES};

/// The value of `text`.
///
/// # Errors
/// A line that names the part that means nothing.
pub(in crate::debug) fn evaluate(view: &View<'_>, text: &str) -> Result<u64, String> {
    let text = text.trim();
    // A symbol's own name may hold anything.
    if let Some(at) = view.symbols.address_of(text).filter(|_| !text.is_empty()) {
        return Ok(at);
    }
    let mut value = 0_u64;
    let mut rest = text;
    let mut sign = '+';
    loop {
        let end = rest.find(['+', '-']).unwrap_or(rest.len());
        let term = term(view, rest[..end].trim())?;
        value = if sign == '+' { value.wrapping_add(term) } else { value.wrapping_sub(term) };
        match rest[end..].chars().next() {
            None => return Ok(value),
            Some(next) => (sign, rest) = (next, &rest[end + 1..]),
        }
    }
}

fn term(view: &View<'_>, text: &str) -> Result<u64, String> {
    let found = match text.strip_prefix('$') {
        Some(name) => register(view, name),
        None => number(text)
            .or_else(|| register(view, text))
            .or_else(|| view.symbols.address_of(text).filter(|_| !text.is_empty())),
    };
    found.ok_or_else(|| format!("{text:?} is no number, register or symbol"))
}

/// An unsigned number, hexadecimal after `0x`.
pub(in crate::debug) fn number(text: &str) -> Option<u64> {
    let hexadecimal = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"));
    let (digits, radix) = hexadecimal.map_or((text, 10), |digits| (digits, 16));
    // `from_str_radix` would take a sign.
    let is_number = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    u64::from_str_radix(digits, radix).ok().filter(|_| is_number)
}

/// A register by any of its names: `a0`, `x10`, `fa0`, `f10`, `pc`, `priv`, a CSR.
fn register(view: &View<'_>, name: &str) -> Option<u64> {
    let hart = view.hart();
    let numbered = |letter: char| {
        let number: usize = name.strip_prefix(letter)?.parse().ok()?;
        (number.to_string() == name[1..]).then_some(number)
    };
    let index = |names: &[&str], letter| {
        names.iter().position(|known| *known == name).or_else(|| numbered(letter))
    };
    match name {
        "pc" => Some(hart.pc.0),
        "priv" => Some(hart.privilege as u64),
        "fp" => Some(hart.x[8]),
        _ => (index(&X_NAMES, 'x').and_then(|r| hart.x[..32].get(r)))
            .or_else(|| index(&F_NAMES, 'f').and_then(|r| hart.f[..32].get(r)))
            .copied()
            .or_else(|| view.csr(CsrAddr::named(name)?)),
    }
}
