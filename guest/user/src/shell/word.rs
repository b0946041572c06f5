//! Words: quotes, parameters and substitutions. The grammar around them is in `parse.rs`.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::ast::{Operation, Parameter, Part, Quoting, Word};
use super::parse::{Parsed, Parser, SyntaxError, is_delimiter, name_length};

/// What a backslash takes the meaning from inside double quotes.
const ESCAPED_IN_QUOTES: &[u8] = b"$`\"\\";

/// Parts under construction: neighbouring text of a kind becomes one part.
#[derive(Default)]
struct Parts(Vec<Part>);

impl Parts {
    fn text(&mut self, text: &[u8]) {
        match self.0.last_mut() {
            Some(Part::Text(last)) => last.extend_from_slice(text),
            _ => self.0.push(Part::Text(text.to_vec())),
        }
    }

    /// Also where it is empty: `""` is a word.
    fn quoted(&mut self, text: &[u8]) {
        match self.0.last_mut() {
            Some(Part::Quoted(last)) => last.extend_from_slice(text),
            _ => self.0.push(Part::Quoted(text.to_vec())),
        }
    }
}

impl Parser<'_> {
    /// The parts of the word that is next, up to a delimiter.
    pub(super) fn parts(&mut self) -> Parsed<Vec<Part>> {
        let mut parts = Parts::default();
        while let Some(byte) = self.peek().filter(|byte| !is_delimiter(*byte)) {
            self.bare(byte, &mut parts)?;
        }
        Ok(parts.0)
    }

    /// What is next outside of double quotes.
    fn bare(&mut self, byte: u8, parts: &mut Parts) -> Parsed<()> {
        match byte {
            b'\'' => {
                let rest = &self.rest()[1..];
                let length = rest.iter().position(|byte| *byte == b'\'');
                let length = length.ok_or(SyntaxError::Incomplete)?;
                parts.quoted(&rest[..length]);
                self.at += length + 2;
            }
            b'"' => self.double_quoted(parts)?,
            b'\\' if self.take(b"\\\n") => {}
            b'\\' => match self.rest().get(1) {
                Some(byte) => {
                    parts.quoted(&[*byte]);
                    self.at += 2;
                }
                None => return Err(SyntaxError::Incomplete),
            },
            b'$' => self.dollar(Quoting::Bare, parts)?,
            b'`' => self.backquoted(Quoting::Bare, parts)?,
            _ => {
                parts.text(&[byte]);
                self.at += 1;
            }
        }
        Ok(())
    }

    fn double_quoted(&mut self, parts: &mut Parts) -> Parsed<()> {
        self.at += 1;
        parts.quoted(b"");
        loop {
            match self.peek() {
                None => return Err(SyntaxError::Incomplete),
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') if self.take(b"\\\n") => {}
                Some(b'\\') => {
                    let next = self.rest().get(1).ok_or(SyntaxError::Incomplete)?;
                    let keeps = !ESCAPED_IN_QUOTES.contains(next);
                    parts.quoted(if keeps { &self.rest()[..2] } else { &self.rest()[1..2] });
                    self.at += 2;
                }
                Some(b'$') => self.dollar(Quoting::Double, parts)?,
                Some(b'`') => self.backquoted(Quoting::Double, parts)?,
                Some(byte) => {
                    parts.quoted(&[byte]);
                    self.at += 1;
                }
            }
        }
    }

    /// `$...`
    fn dollar(&mut self, quoting: Quoting, parts: &mut Parts) -> Parsed<()> {
        if self.take(b"$((") {
            let expression = self.nested(Self::arithmetic)?;
            parts.0.push(Part::Arithmetic(expression, quoting));
            return Ok(());
        }
        if self.take(b"$(") {
            let list = self.parenthesized_list()?;
            parts.0.push(Part::Substitution(Box::new(list), quoting));
            return Ok(());
        }
        let parameter = if self.take(b"${") {
            self.nested(Self::braced)?
        } else {
            let length = bare_name_length(&self.rest()[1..]);
            if length == 0 {
                self.at += 1;
                match quoting {
                    Quoting::Bare => parts.text(b"$"),
                    Quoting::Double => parts.quoted(b"$"),
                }
                return Ok(());
            }
            let name = self.rest()[1..=length].to_vec();
            self.at += 1 + length;
            Parameter { name, operation: Operation::Value }
        };
        parts.0.push(Part::Parameter(parameter, quoting));
        Ok(())
    }

    /// `${...}` behind the brace.
    fn braced(&mut self) -> Parsed<Parameter> {
        let is_length = self.rest().first() == Some(&b'#') && self.rest().get(1) != Some(&b'}');
        self.at += usize::from(is_length);
        let rest = self.rest();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let length = if digits > 0 { digits } else { bare_name_length(rest) };
        if length == 0 {
            return self.unexpected();
        }
        let name = rest[..length].to_vec();
        self.at += length;
        if self.take(b"}") {
            let operation = if is_length { Operation::Length } else { Operation::Value };
            return Ok(Parameter { name, operation });
        }
        if is_length || !self.take(b":-") {
            return self.unexpected();
        }
        let mut parts = Parts::default();
        loop {
            match self.peek() {
                None => return Err(SyntaxError::Incomplete),
                Some(b'}') => {
                    self.at += 1;
                    let operation = Operation::Default(Word(parts.0));
                    return Ok(Parameter { name, operation });
                }
                Some(byte) => self.bare(byte, &mut parts)?,
            }
        }
    }

    /// `$((...))` behind its parentheses: text with parameters in it, for `arithmetic`.
    fn arithmetic(&mut self) -> Parsed<Word> {
        let mut parts = Parts::default();
        let mut open = 0_usize;
        loop {
            match self.peek() {
                None => return Err(SyntaxError::Incomplete),
                Some(b'$') => self.dollar(Quoting::Double, &mut parts)?,
                Some(b')') if open == 0 => {
                    if self.take(b"))") {
                        return Ok(Word(parts.0));
                    }
                    return self.unexpected();
                }
                Some(byte) => {
                    open += usize::from(byte == b'(');
                    open -= usize::from(byte == b')');
                    parts.quoted(&[byte]);
                    self.at += 1;
                }
            }
        }
    }

    /// `` `...` ``
    fn backquoted(&mut self, quoting: Quoting, parts: &mut Parts) -> Parsed<()> {
        let mut inner = Vec::new();
        let mut rest = &self.rest()[1..];
        loop {
            match rest {
                [] | [b'\\'] => return Err(SyntaxError::Incomplete),
                [b'`', after @ ..] => {
                    rest = after;
                    break;
                }
                [b'\\', byte @ (b'$' | b'`' | b'\\'), after @ ..] => {
                    inner.push(*byte);
                    rest = after;
                }
                [byte, after @ ..] => {
                    inner.push(*byte);
                    rest = after;
                }
            }
        }
        self.at = self.text.len() - rest.len();
        let list = self.inner_list(&inner)?;
        parts.0.push(Part::Substitution(list, quoting));
        Ok(())
    }
}

/// Length of what may follow a bare `$`: a name, one digit or one special character.
fn bare_name_length(text: &[u8]) -> usize {
    match text.first() {
        Some(byte) if byte.is_ascii_digit() || b"@*#?!$".contains(byte) => 1,
        _ => name_length(text),
    }
}
