//! The expressions of `test` and `[`. What files are comes in through [`Files`].
//!
//! Source: POSIX.1-2017, utility "test", with `-a`, `-o` and parentheses.

use alloc::vec::Vec;

use crate::bytes;

/// What the expressions ask about files and descriptors.
pub trait Files {
    /// Whether a unary operator (`b'e'`, `b'f'`, `b'd'`, ...) holds for the file of this name.
    fn holds(&self, operator: u8, name: &[u8]) -> bool;
    /// Whether this descriptor is a terminal.
    fn is_terminal(&self, fd: i32) -> bool;
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestError {
    /// An operand is missing.
    Missing,
    /// This is no number.
    NotANumber(Vec<u8>),
    /// This is not expected here.
    Unexpected(Vec<u8>),
}

/// Operators on file names, beside `-t`, `-n` and `-z`.
const FILE_OPERATORS: &[u8] = b"bcdefghLprsSuwx";

/// Parentheses inside each other.
const DEPTH_MAX: usize = 64;

/// The value of an expression; no words are false.
///
/// # Errors
/// [`TestError`]
pub fn evaluate(words: &[Vec<u8>], files: &dyn Files) -> Result<bool, TestError> {
    let mut reader = Reader { words, at: 0, depth: 0, files };
    // Few words are never ambiguous: what stands between two others is the operator.
    let value = match words {
        [] => return Ok(false),
        [word] => return Ok(!word.is_empty()),
        [not, word] if not == b"!" => return Ok(word.is_empty()),
        [left, operator, right] if is_binary(operator) => return binary(left, operator, right),
        _ => reader.or()?,
    };
    match words.get(reader.at) {
        None => Ok(value),
        Some(word) => Err(TestError::Unexpected(word.clone())),
    }
}

struct Reader<'a> {
    words: &'a [Vec<u8>],
    at: usize,
    depth: usize,
    files: &'a dyn Files,
}

impl Reader<'_> {
    fn take(&mut self, word: &[u8]) -> bool {
        let is_next = self.words.get(self.at).is_some_and(|next| next == word);
        self.at += usize::from(is_next);
        is_next
    }

    fn or(&mut self) -> Result<bool, TestError> {
        let mut value = self.and()?;
        while self.take(b"-o") {
            value |= self.and()?;
        }
        Ok(value)
    }

    fn and(&mut self) -> Result<bool, TestError> {
        let mut value = self.primary()?;
        while self.take(b"-a") {
            value &= self.primary()?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<bool, TestError> {
        let rest = &self.words[self.at..];
        if let [left, operator, right, ..] = rest
            && is_binary(operator)
        {
            self.at += 3;
            return binary(left, operator, right);
        }
        match rest {
            [] => Err(TestError::Missing),
            [word, _, ..] if word == b"!" || word == b"(" => {
                if self.depth == DEPTH_MAX {
                    return Err(TestError::Unexpected(word.clone()));
                }
                self.depth += 1;
                let value = self.nested();
                self.depth -= 1;
                value
            }
            [operator, operand, ..] if is_unary(operator) => {
                self.at += 2;
                self.unary(operator[1], operand)
            }
            [word, ..] => {
                self.at += 1;
                Ok(!word.is_empty())
            }
        }
    }

    /// Behind `!` or in parentheses.
    fn nested(&mut self) -> Result<bool, TestError> {
        if self.take(b"!") {
            return Ok(!self.primary()?);
        }
        self.at += 1;
        let value = self.or()?;
        match self.words.get(self.at) {
            Some(word) if word == b")" => {
                self.at += 1;
                Ok(value)
            }
            Some(word) => Err(TestError::Unexpected(word.clone())),
            None => Err(TestError::Missing),
        }
    }

    fn unary(&self, operator: u8, operand: &[u8]) -> Result<bool, TestError> {
        Ok(match operator {
            b'n' => !operand.is_empty(),
            b'z' => operand.is_empty(),
            b't' => i32::try_from(number(operand)?).is_ok_and(|fd| self.files.is_terminal(fd)),
            _ => self.files.holds(operator, operand),
        })
    }
}

fn is_unary(word: &[u8]) -> bool {
    matches!(word, [b'-', letter] if b"nzt".contains(letter) || FILE_OPERATORS.contains(letter))
}

fn is_binary(word: &[u8]) -> bool {
    matches!(word, b"=" | b"==" | b"!=" | b"-eq" | b"-ne" | b"-lt" | b"-le" | b"-gt" | b"-ge")
}

fn binary(left: &[u8], operator: &[u8], right: &[u8]) -> Result<bool, TestError> {
    match operator {
        b"=" | b"==" => return Ok(left == right),
        b"!=" => return Ok(left != right),
        _ => {}
    }
    let (left, right) = (number(left)?, number(right)?);
    Ok(match operator {
        b"-eq" => left == right,
        b"-ne" => left != right,
        b"-lt" => left < right,
        b"-le" => left <= right,
        b"-gt" => left > right,
        _ => left >= right,
    })
}

fn number(text: &[u8]) -> Result<i64, TestError> {
    let trimmed = text.trim_ascii();
    let (sign, digits) = match trimmed.strip_prefix(b"-") {
        Some(digits) => (-1, digits),
        None => (1, trimmed),
    };
    let value = bytes::decimal(digits).and_then(|value| i64::try_from(value).ok());
    value.map(|value| sign * value).ok_or_else(|| TestError::NotANumber(text.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fake;

    impl Files for Fake {
        fn holds(&self, operator: u8, name: &[u8]) -> bool {
            matches!((operator, name), (b'e' | b'f', b"file") | (b'e' | b'd', b"dir"))
        }

        fn is_terminal(&self, fd: i32) -> bool {
            fd == 0
        }
    }

    #[test]
    fn expressions() {
        let unexpected = |word: &str| Err(TestError::Unexpected(word.as_bytes().to_vec()));
        for (text, want) in [
            ("", Ok(false)),
            ("a", Ok(true)),
            ("-f", Ok(true)),
            ("-f file", Ok(true)),
            ("-d file", Ok(false)),
            ("! -d file", Ok(true)),
            ("! a", Ok(false)),
            ("-n a", Ok(true)),
            ("-z a", Ok(false)),
            ("-t 0", Ok(true)),
            ("-t 1", Ok(false)),
            ("a = a", Ok(true)),
            ("a != a", Ok(false)),
            ("! = !", Ok(true)),
            ("-n = -n", Ok(true)),
            ("3 -lt 10", Ok(true)),
            ("-3 -ge 2", Ok(false)),
            ("a -eq 1", Err(TestError::NotANumber(b"a".to_vec()))),
            ("-e file -a -e dir", Ok(true)),
            ("-e none -o 1 -le 1", Ok(true)),
            ("a = b -a c -o d", Ok(true)),
            ("( a = b -o c ) -a d", Ok(true)),
            ("! ( a )", Ok(false)),
            ("( a", Err(TestError::Missing)),
            ("( a b )", unexpected("b")),
            ("a b c", unexpected("b")),
            ("a -a", Err(TestError::Missing)),
        ] {
            let words: Vec<Vec<u8>> = bytes::fields(text.as_bytes()).map(<[u8]>::to_vec).collect();
            assert_eq!(evaluate(&words, &Fake), want, "{text}");
        }
    }
}
