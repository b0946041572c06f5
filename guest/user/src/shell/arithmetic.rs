//! `$((...))`: integer arithmetic with C's operators and precedence; names are variables.

use alloc::vec::Vec;

use crate::bytes;

use super::parse::name_length;

/// Why there is no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArithmeticError {
    /// The text is no expression.
    Syntax,
    /// A division by zero.
    DivisionByZero,
}

type Value = Result<i64, ArithmeticError>;

/// Parentheses and signs inside each other.
const DEPTH_MAX: usize = 64;

/// Binary operators by precedence, the weakest first; in a level the longer ones first.
const LEVELS: [&[&[u8]]; 10] = [
    &[b"||"],
    &[b"&&"],
    &[b"|"],
    &[b"^"],
    &[b"&"],
    &[b"==", b"!="],
    &[b"<=", b">=", b"<", b">"],
    &[b"<<", b">>"],
    &[b"+", b"-"],
    &[b"*", b"/", b"%"],
];

/// The value of an expression. `variable` gives the text of a variable; what is no number is 0.
///
/// # Errors
/// [`ArithmeticError`]
pub fn evaluate(text: &[u8], variable: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> Value {
    let mut reader = Reader { rest: text.trim_ascii(), variable, depth: 0 };
    let value = if reader.rest.is_empty() { 0 } else { reader.binary(0)? };
    if reader.rest.is_empty() { Ok(value) } else { Err(ArithmeticError::Syntax) }
}

struct Reader<'a> {
    rest: &'a [u8],
    variable: &'a dyn Fn(&[u8]) -> Option<Vec<u8>>,
    depth: usize,
}

impl Reader<'_> {
    fn take(&mut self, text: &[u8]) -> bool {
        let Some(rest) = self.rest.strip_prefix(text) else { return false };
        self.rest = rest.trim_ascii_start();
        true
    }

    /// The operator of this level that is next; not a part of a longer one.
    fn operator(&mut self, level: usize) -> Option<&'static [u8]> {
        let longer = |text: &[u8]| {
            let longest = LEVELS.iter().flat_map(|level| level.iter());
            let mut longest = longest.filter(|other| self.rest.starts_with(other));
            longest.any(|other| other.len() > text.len())
        };
        let operators = LEVELS[level].iter().copied();
        let found = operators.clone().find(|text| self.rest.starts_with(text) && !longer(text))?;
        self.take(found);
        Some(found)
    }

    fn binary(&mut self, level: usize) -> Value {
        if level == LEVELS.len() {
            return self.unary();
        }
        let mut value = self.binary(level + 1)?;
        while let Some(operator) = self.operator(level) {
            let right = self.binary(level + 1)?;
            value = apply(operator, value, right)?;
        }
        Ok(value)
    }

    fn unary(&mut self) -> Value {
        if self.depth == DEPTH_MAX {
            return Err(ArithmeticError::Syntax);
        }
        self.depth += 1;
        let value = if self.take(b"-") {
            self.unary()?.wrapping_neg()
        } else if self.take(b"+") {
            self.unary()?
        } else if self.take(b"!") {
            i64::from(self.unary()? == 0)
        } else if self.take(b"~") {
            !self.unary()?
        } else if self.take(b"(") {
            let value = self.binary(0)?;
            if !self.take(b")") {
                return Err(ArithmeticError::Syntax);
            }
            value
        } else {
            self.primary()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn primary(&mut self) -> Value {
        let end = self.rest.iter().position(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
        let (text, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest.trim_ascii_start();
        if name_length(text) > 0 {
            let value = (self.variable)(text).unwrap_or_default();
            let (sign, digits) = match value.strip_prefix(b"-") {
                Some(digits) => (-1, digits),
                None => (1, &value[..]),
            };
            return Ok(literal(digits).map_or(0, |number| number.wrapping_mul(sign)));
        }
        literal(text).ok_or(ArithmeticError::Syntax)
    }
}

/// A number: decimal, hexadecimal with `0x`, octal with `0`.
fn literal(text: &[u8]) -> Option<i64> {
    let value = match text {
        [b'0', b'x' | b'X', digits @ ..] => bytes::number(digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => bytes::number(digits, 8),
        _ => bytes::decimal(text),
    };
    value.map(|value| value as i64)
}

fn apply(operator: &[u8], a: i64, b: i64) -> Value {
    let shift = (b & 63) as u32;
    Ok(match operator {
        b"||" => i64::from(a != 0 || b != 0),
        b"&&" => i64::from(a != 0 && b != 0),
        b"|" => a | b,
        b"^" => a ^ b,
        b"&" => a & b,
        b"==" => i64::from(a == b),
        b"!=" => i64::from(a != b),
        b"<=" => i64::from(a <= b),
        b">=" => i64::from(a >= b),
        b"<" => i64::from(a < b),
        b">" => i64::from(a > b),
        b"<<" => a.wrapping_shl(shift),
        b">>" => a.wrapping_shr(shift),
        b"+" => a.wrapping_add(b),
        b"-" => a.wrapping_sub(b),
        b"*" => a.wrapping_mul(b),
        b"/" if b != 0 => a.wrapping_div(b),
        b"%" if b != 0 => a.wrapping_rem(b),
        _ => return Err(ArithmeticError::DivisionByZero),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions() {
        let variable = |name: &[u8]| match name {
            b"x" => Some(b"5".to_vec()),
            b"n" => Some(b"-7".to_vec()),
            b"t" => Some(b"text".to_vec()),
            _ => None,
        };
        for (text, want) in [
            ("", Ok(0)),
            (" 1 + 2 * 3 ", Ok(7)),
            ("(1+2)*3", Ok(9)),
            ("10-3-2", Ok(5)),
            ("7/2*2", Ok(6)),
            ("-7%3", Ok(-1)),
            ("1<<4|1", Ok(17)),
            ("6&3^1", Ok(3)),
            ("1<2&&2<=2", Ok(1)),
            ("1>2||!1", Ok(0)),
            ("3==3!=0", Ok(1)),
            ("x*x+n", Ok(18)),
            ("t+unset", Ok(0)),
            ("0x10+010", Ok(24)),
            ("- -1", Ok(1)),
            ("~0", Ok(-1)),
            ("9223372036854775807+1", Ok(i64::MIN)),
            ("1/0", Err(ArithmeticError::DivisionByZero)),
            ("1%(x-5)", Err(ArithmeticError::DivisionByZero)),
            ("1+", Err(ArithmeticError::Syntax)),
            ("(1", Err(ArithmeticError::Syntax)),
            ("1 2", Err(ArithmeticError::Syntax)),
            ("08", Err(ArithmeticError::Syntax)),
            ("1=2", Err(ArithmeticError::Syntax)),
        ] {
            assert_eq!(evaluate(text.as_bytes(), &variable), want, "{text}");
        }
        let deep = "(".repeat(10_000);
        assert_eq!(evaluate(deep.as_bytes(), &variable), Err(ArithmeticError::Syntax));
    }
}
