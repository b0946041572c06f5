//! What becomes of words: parameters, substitutions and arithmetic are replaced, the result is
//! split into fields at blanks and matched against file names, as far as it was not quoted.
//!
//! Source: POSIX.1-2017, "Shell Command Language", section "Word Expansions"; `IFS` is always
//! blank, tab and line feed.

use alloc::vec::Vec;
use core::fmt;

use super::arithmetic::{self, ArithmeticError};
use super::ast::{List, Operation, Parameter, Part, Quoting, Word};
use super::glob::{self, Char};

/// What expansion asks the shell for.
pub trait Environment {
    /// The value of a parameter other than `@` and `*`; none where it is unset.
    fn parameter(&self, name: &[u8]) -> Option<Vec<u8>>;
    /// The positional parameters.
    fn positional(&self) -> Vec<Vec<u8>>;
    /// What these commands print.
    fn substitute(&mut self, list: &List) -> Vec<u8>;
    /// The names in a directory; the empty path is the working directory.
    fn names(&mut self, directory: &[u8]) -> Vec<Vec<u8>>;
}

/// Why a word has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpandError {
    /// In `$((...))`.
    Arithmetic(ArithmeticError),
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Arithmetic(ArithmeticError::Syntax) => "arithmetic syntax error",
            Self::Arithmetic(ArithmeticError::DivisionByZero) => "division by zero",
        })
    }
}

/// The fields that these words become.
///
/// # Errors
/// [`ExpandError`]
pub fn fields(words: &[Word], env: &mut dyn Environment) -> Result<Vec<Vec<u8>>, ExpandError> {
    let mut found = Vec::new();
    for word in words {
        let mut fields = Fields::default();
        if !is_nothing(word, env) {
            fields.word(word, env)?;
        }
        fields.end();
        for field in fields.done {
            let mut paths = Vec::new();
            if glob::is_pattern(&field) {
                paths = glob::paths(&field, &mut |directory| env.names(directory));
            }
            if paths.is_empty() {
                paths.push(plain(&field));
            }
            found.append(&mut paths);
        }
    }
    Ok(found)
}

/// The one text that a word becomes where it is neither split nor matched: in assignments and
/// redirections.
///
/// # Errors
/// [`ExpandError`]
pub fn text(word: &Word, env: &mut dyn Environment) -> Result<Vec<u8>, ExpandError> {
    let mut fields = Fields { whole: true, ..Fields::default() };
    fields.word(word, env)?;
    fields.end();
    Ok(fields.done.iter().map(|field| plain(field)).collect::<Vec<_>>().join(&b' '))
}

fn plain(field: &[Char]) -> Vec<u8> {
    field.iter().map(|char| char.byte).collect()
}

/// Whether a word is `"$@"` without any parameters: no field at all, not an empty one.
fn is_nothing(word: &Word, env: &dyn Environment) -> bool {
    let all =
        |parameter: &Parameter| parameter.name == b"@" && parameter.operation == Operation::Value;
    let mut found = false;
    let only = word.0.iter().all(|part| match part {
        Part::Quoted(text) => text.is_empty(),
        Part::Parameter(parameter, Quoting::Double) if all(parameter) => {
            found = true;
            true
        }
        _ => false,
    });
    only && found && env.positional().is_empty()
}

/// Fields under construction.
#[derive(Default)]
struct Fields {
    done: Vec<Vec<Char>>,
    /// The field that is being written; none between two.
    open: Option<Vec<Char>>,
    /// Nothing is split.
    whole: bool,
    /// Inside the word of a `${NAME:-WORD}` that is not quoted: text is split, too.
    splits_text: bool,
}

impl Fields {
    fn push(&mut self, bytes: &[u8], quoting: Quoting) {
        let quoted = quoting == Quoting::Double;
        let open = self.open.get_or_insert_default();
        open.extend(bytes.iter().map(|byte| Char { byte: *byte, quoted }));
    }

    /// Ends the field that is open.
    fn end(&mut self) {
        self.done.extend(self.open.take());
    }

    /// The value of an expansion.
    fn value(&mut self, value: &[u8], quoting: Quoting) {
        if quoting == Quoting::Double || self.whole {
            return self.push(value, Quoting::Double);
        }
        for byte in value {
            if byte.is_ascii_whitespace() { self.end() } else { self.push(&[*byte], Quoting::Bare) }
        }
    }

    fn word(&mut self, word: &Word, env: &mut dyn Environment) -> Result<(), ExpandError> {
        for (index, part) in word.0.iter().enumerate() {
            match part {
                Part::Text(text) if index == 0 && text.starts_with(b"~") => self.tilde(text, env),
                Part::Text(text) if self.splits_text => self.value(text, Quoting::Bare),
                Part::Text(text) => self.push(text, Quoting::Bare),
                Part::Quoted(text) => self.push(text, Quoting::Double),
                Part::Parameter(parameter, quoting) => self.parameter(parameter, *quoting, env)?,
                Part::Substitution(list, quoting) => {
                    let mut output = env.substitute(list);
                    let end = output.iter().rposition(|byte| *byte != b'\n');
                    output.truncate(end.map_or(0, |at| at + 1));
                    self.value(&output, *quoting);
                }
                Part::Arithmetic(expression, quoting) => {
                    let expression = text(expression, env)?;
                    let variable = |name: &[u8]| env.parameter(name);
                    let value = arithmetic::evaluate(&expression, &variable)
                        .map_err(ExpandError::Arithmetic)?;
                    self.value(alloc::format!("{value}").as_bytes(), *quoting);
                }
            }
        }
        Ok(())
    }

    /// `~` and `~/...`: the home directory.
    fn tilde(&mut self, text: &[u8], env: &dyn Environment) {
        match env.parameter(b"HOME") {
            Some(home) if text.len() == 1 || text[1] == b'/' => {
                self.push(&home, Quoting::Double);
                self.push(&text[1..], Quoting::Bare);
            }
            _ => self.push(text, Quoting::Bare),
        }
    }

    fn parameter(
        &mut self,
        parameter: &Parameter,
        quoting: Quoting,
        env: &mut dyn Environment,
    ) -> Result<(), ExpandError> {
        let name = &parameter.name[..];
        let value = match name {
            b"@" | b"*" if parameter.operation == Operation::Value => {
                self.positional(name, quoting, &env.positional());
                return Ok(());
            }
            b"@" | b"*" => Some(env.positional().join(&b' ')),
            _ => env.parameter(name),
        };
        match &parameter.operation {
            Operation::Length => {
                let length = value.map_or(0, |value| value.len());
                self.value(alloc::format!("{length}").as_bytes(), quoting);
            }
            Operation::Default(word) if value.as_ref().is_none_or(Vec::is_empty) => {
                return match quoting {
                    Quoting::Bare => {
                        let before = core::mem::replace(&mut self.splits_text, !self.whole);
                        let done = self.word(word, env);
                        self.splits_text = before;
                        done
                    }
                    Quoting::Double => {
                        let value = text(word, env)?;
                        self.value(&value, quoting);
                        Ok(())
                    }
                };
            }
            // Unset and unquoted it is no field; in quotes it is an empty one.
            _ => self.value(&value.unwrap_or_default(), quoting),
        }
        Ok(())
    }

    fn positional(&mut self, name: &[u8], quoting: Quoting, values: &[Vec<u8>]) {
        if self.whole || quoting == Quoting::Double && name == b"*" {
            return self.value(&values.join(&b' '), Quoting::Double);
        }
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                self.end();
            }
            self.value(value, quoting);
        }
    }
}

#[cfg(test)]
#[path = "expand/tests.rs"]
mod tests;
