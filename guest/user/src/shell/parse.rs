//! The shell's grammar, read by recursive descent without a scanner of its own; `word.rs` reads
//! the words. [`parse_line`] takes one line, with those that it needs behind it.
//!
//! Source: POSIX.1-2017, "Shell Command Language", section "Shell Grammar", without functions,
//! `case` and here-documents.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::fmt;

use super::ast::{
    Chain, Command, Condition, Item, Kind, List, Pipeline, Redirection, RedirectionKind, Word,
};
use crate::bytes::{self, Bytes};

/// Compound commands and substitutions inside each other.
const DEPTH_MAX: usize = 64;

/// Words that mean something where a command may begin.
const RESERVED: [&[u8]; 14] = [
    b"!", b"{", b"}", b"if", b"then", b"elif", b"else", b"fi", b"while", b"until", b"do", b"done",
    b"for", b"in",
];

/// Why a text is not a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyntaxError {
    /// The text ends too early: another line may complete it.
    Incomplete,
    /// This is not expected here.
    Unexpected(Vec<u8>),
    /// Something is nested too deeply.
    TooDeep,
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incomplete => f.write_str("syntax error: unexpected end of file"),
            Self::Unexpected(what) if what == b"\n" => {
                f.write_str("syntax error: unexpected end of line")
            }
            Self::Unexpected(what) => write!(f, "syntax error: \"{}\" unexpected", Bytes(what)),
            Self::TooDeep => f.write_str("syntax error: nested too deeply"),
        }
    }
}

pub(super) type Parsed<T> = Result<T, SyntaxError>;

/// Where a list ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Until<'a> {
    /// At the end of a line.
    Line,
    /// At the end of the text.
    End,
    /// Before a closing parenthesis.
    Parenthesis,
    /// Before one of these words.
    Words(&'a [&'a [u8]]),
}

/// Reads the first line of `text`, and further ones where it is not complete by itself. Gives the
/// commands, and how much of the text they took; none at the end of the text.
///
/// # Errors
/// [`SyntaxError`]
pub fn parse_line(text: &[u8]) -> Parsed<Option<(List, usize)>> {
    let mut parser = Parser { text, at: 0, depth: 0 };
    parser.skip_newlines();
    if parser.peek().is_none() {
        return Ok(None);
    }
    let list = parser.list(Until::Line)?;
    Ok(Some((list, parser.at)))
}

/// Reads a whole text.
///
/// # Errors
/// [`SyntaxError`]
pub fn parse_all(text: &[u8]) -> Parsed<List> {
    Parser { text, at: 0, depth: 0 }.list(Until::End)
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    depth: usize,
}

impl Parser<'_> {
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &[u8] {
        &self.text[self.at..]
    }

    /// Takes `text` if it is next.
    pub(super) fn take(&mut self, text: &[u8]) -> bool {
        let is_next = self.rest().starts_with(text);
        if is_next {
            self.at += text.len();
        }
        is_next
    }

    /// What is wrong here: the end, or the next operator or word.
    pub(super) fn unexpected<T>(&self) -> Parsed<T> {
        let rest = self.rest();
        let Some(first) = rest.first() else { return Err(SyntaxError::Incomplete) };
        let same = rest.iter().take(2).take_while(|byte| *byte == first).count();
        let length = match first {
            b'&' | b'|' | b';' | b'<' | b'>' => same,
            _ if is_delimiter(*first) => 1,
            _ => rest.iter().position(|byte| is_delimiter(*byte)).unwrap_or(rest.len()),
        };
        Err(SyntaxError::Unexpected(rest[..length].to_vec()))
    }

    /// Goes one level deeper for as long as `inner` takes.
    pub(super) fn nested<T>(&mut self, inner: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == DEPTH_MAX {
            return Err(SyntaxError::TooDeep);
        }
        self.depth += 1;
        let done = inner(self);
        self.depth -= 1;
        done
    }

    /// Passes blanks, comments and escaped line feeds.
    pub(super) fn skip_blanks(&mut self) {
        loop {
            match self.peek() {
                Some(b' ' | b'\t') => self.at += 1,
                Some(b'\\') if self.take(b"\\\n") => {}
                Some(b'#') => {
                    let length = self.rest().iter().position(|byte| *byte == b'\n');
                    self.at = length.map_or(self.text.len(), |length| self.at + length);
                }
                _ => return,
            }
        }
    }

    fn skip_newlines(&mut self) {
        self.skip_blanks();
        while self.take(b"\n") {
            self.skip_blanks();
        }
    }

    /// The reserved word that is next.
    fn reserved(&self) -> Option<&'static [u8]> {
        let rest = self.rest();
        let end = rest.iter().position(|byte| is_delimiter(*byte)).unwrap_or(rest.len());
        RESERVED.into_iter().find(|word| *word == &rest[..end])
    }

    /// Takes this reserved word; anything else is an error.
    fn expect(&mut self, word: &[u8]) -> Parsed<()> {
        self.skip_newlines();
        if self.reserved() == Some(word) {
            self.at += word.len();
            return Ok(());
        }
        self.unexpected()
    }

    /// A list, in parentheses, of which the first is taken already.
    pub(super) fn parenthesized_list(&mut self) -> Parsed<List> {
        let list = self.nested(|parser| parser.list(Until::Parenthesis))?;
        self.at += 1;
        Ok(list)
    }

    fn list(&mut self, until: Until<'_>) -> Parsed<List> {
        let mut items = Vec::new();
        loop {
            if until == Until::Line {
                self.skip_blanks()
            } else {
                self.skip_newlines()
            }
            if self.is_at_end(until)? {
                return Ok(List(items));
            }
            let start = self.at;
            let chain = self.chain()?;
            let text = self.text[start..self.at].trim_ascii().to_vec();
            self.skip_blanks();
            let background = !self.rest().starts_with(b"&&") && self.take(b"&");
            let separated = background || !self.rest().starts_with(b";;") && self.take(b";");
            items.push(Item { chain, background, text });
            self.skip_blanks();
            if !separated && self.peek() != Some(b'\n') && !self.is_at_end(until)? {
                return self.unexpected();
            }
        }
    }

    /// Whether the list ends here; takes the line feed that ends a line.
    fn is_at_end(&mut self, until: Until<'_>) -> Parsed<bool> {
        let next = self.peek();
        match until {
            Until::Line => Ok(next.is_none() || self.take(b"\n")),
            Until::End => Ok(next.is_none()),
            Until::Parenthesis if next.is_none() => Err(SyntaxError::Incomplete),
            Until::Parenthesis => Ok(next == Some(b')')),
            Until::Words(_) if next.is_none() => Err(SyntaxError::Incomplete),
            Until::Words(words) => Ok(self.reserved().is_some_and(|word| words.contains(&word))),
        }
    }

    /// A list of at least one command up to one of these words, which is taken and returned.
    fn body(&mut self, until: &[&[u8]]) -> Parsed<(List, &'static [u8])> {
        let list = self.nested(|parser| parser.list(Until::Words(until)))?;
        let Some(word) = self.reserved().filter(|_| !list.0.is_empty()) else {
            return self.unexpected();
        };
        self.at += word.len();
        Ok((list, word))
    }

    fn chain(&mut self) -> Parsed<Chain> {
        let first = self.pipeline()?;
        let mut rest = Vec::new();
        loop {
            self.skip_blanks();
            let condition = if self.take(b"&&") {
                Condition::Success
            } else if self.take(b"||") {
                Condition::Failure
            } else {
                return Ok(Chain { first, rest });
            };
            self.skip_newlines();
            rest.push((condition, self.pipeline()?));
        }
    }

    fn pipeline(&mut self) -> Parsed<Pipeline> {
        let mut negated = false;
        while self.reserved() == Some(b"!") {
            self.at += 1;
            negated = !negated;
            self.skip_blanks();
        }
        let mut commands = Vec::new();
        loop {
            commands.push(self.command()?);
            self.skip_blanks();
            if self.rest().starts_with(b"||") || !self.take(b"|") {
                return Ok(Pipeline { negated, commands });
            }
            self.skip_newlines();
        }
    }

    fn command(&mut self) -> Parsed<Command> {
        let kind = match self.reserved() {
            Some(b"if") => self.if_command()?,
            Some(word @ (b"while" | b"until")) => {
                self.at += word.len();
                let wanted = if word == b"while" { Condition::Success } else { Condition::Failure };
                let (condition, _) = self.body(&[b"do"])?;
                let (body, _) = self.body(&[b"done"])?;
                Kind::While { wanted, condition, body }
            }
            Some(b"for") => self.for_command()?,
            Some(b"{") => {
                self.at += 1;
                Kind::Group(self.body(&[b"}"])?.0)
            }
            Some(_) => return self.unexpected(),
            None if self.take(b"(") => {
                let list = self.parenthesized_list()?;
                if list.0.is_empty() {
                    return Err(SyntaxError::Unexpected(b")".to_vec()));
                }
                Kind::Subshell(list)
            }
            None => return self.simple_command(),
        };
        let mut redirections = Vec::new();
        loop {
            self.skip_blanks();
            match self.redirection()? {
                Some(redirection) => redirections.push(redirection),
                None => return Ok(Command { kind, redirections }),
            }
        }
    }

    fn if_command(&mut self) -> Parsed<Kind> {
        let mut branches = Vec::new();
        self.at += b"if".len();
        loop {
            let (condition, _) = self.body(&[b"then"])?;
            let (body, end) = self.body(&[b"elif", b"else", b"fi"])?;
            branches.push((condition, body));
            match end {
                b"elif" => {}
                b"else" => {
                    let otherwise = Some(self.body(&[b"fi"])?.0);
                    return Ok(Kind::If { branches, otherwise });
                }
                _ => return Ok(Kind::If { branches, otherwise: None }),
            }
        }
    }

    fn for_command(&mut self) -> Parsed<Kind> {
        self.at += b"for".len();
        self.skip_blanks();
        let length = name_length(self.rest());
        if length == 0 {
            return self.unexpected();
        }
        let name = self.rest()[..length].to_vec();
        self.at += length;
        self.skip_newlines();
        let mut words = None;
        if self.reserved() == Some(b"in") {
            self.at += b"in".len();
            let mut list = Vec::new();
            self.skip_blanks();
            while let Some(word) = self.word()? {
                list.push(word);
                self.skip_blanks();
            }
            words = Some(list);
            if !self.take(b";") && self.peek() != Some(b'\n') {
                return self.unexpected();
            }
        } else {
            self.take(b";");
        }
        self.expect(b"do")?;
        let (body, _) = self.body(&[b"done"])?;
        Ok(Kind::For { name, words, body })
    }

    fn simple_command(&mut self) -> Parsed<Command> {
        let (mut assignments, mut words) = (Vec::new(), Vec::new());
        let mut redirections = Vec::new();
        loop {
            self.skip_blanks();
            if let Some(redirection) = self.redirection()? {
                redirections.push(redirection);
            } else if let Some(name) = self.assigned_name().filter(|_| words.is_empty()) {
                self.at += name.len() + 1;
                assignments.push((name, self.word()?.unwrap_or_default()));
            } else if let Some(word) = self.word()? {
                words.push(word);
            } else {
                break;
            }
        }
        if assignments.is_empty() && words.is_empty() && redirections.is_empty() {
            return self.unexpected();
        }
        Ok(Command { kind: Kind::Simple { assignments, words }, redirections })
    }

    /// The name before `=`, if an assignment is next.
    fn assigned_name(&self) -> Option<Vec<u8>> {
        let length = name_length(self.rest());
        (length > 0 && self.rest().get(length) == Some(&b'='))
            .then(|| self.rest()[..length].to_vec())
    }

    fn redirection(&mut self) -> Parsed<Option<Redirection>> {
        let digits = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        let number = bytes::decimal(&self.rest()[..digits]).and_then(|fd| i32::try_from(fd).ok());
        let operator = &self.rest()[digits..];
        let kinds: [(&[u8], RedirectionKind, i32); 7] = [
            (b">>", RedirectionKind::Append, 1),
            (b">&", RedirectionKind::Duplicate, 1),
            (b"<&", RedirectionKind::Duplicate, 0),
            (b"<>", RedirectionKind::ReadWrite, 0),
            (b">|", RedirectionKind::Write, 1),
            (b">", RedirectionKind::Write, 1),
            (b"<", RedirectionKind::Read, 0),
        ];
        let found = kinds.iter().find(|(text, ..)| operator.starts_with(text));
        let Some((text, kind, standard)) = found else { return Ok(None) };
        if digits > 0 && number.is_none() || operator.starts_with(b"<<") {
            return self.unexpected();
        }
        self.at += digits + text.len();
        self.skip_blanks();
        match self.word()? {
            Some(target) => {
                let fd = number.unwrap_or(*standard);
                Ok(Some(Redirection { fd, kind: *kind, target }))
            }
            None if self.peek().is_none() => Err(SyntaxError::Unexpected(b"\n".to_vec())),
            None => self.unexpected(),
        }
    }

    /// A word, read by `word.rs`; none where an operator or the end is next.
    fn word(&mut self) -> Parsed<Option<Word>> {
        match self.peek() {
            None => Ok(None),
            Some(byte) if is_delimiter(byte) => Ok(None),
            Some(_) => Ok(Some(Word(self.nested(Self::parts)?))),
        }
    }

    /// A list inside a substitution that is a text of its own: `` `...` ``.
    pub(super) fn inner_list(&mut self, text: &[u8]) -> Parsed<Box<List>> {
        let depth = self.depth;
        self.nested(|_| {
            let list = Parser { text, at: 0, depth: depth + 1 }.list(Until::End);
            list.map(Box::new)
        })
    }
}

/// Whether this ends a word.
pub(super) fn is_delimiter(byte: u8) -> bool {
    b" \t\n;&|()<>".contains(&byte)
}

/// Length of the variable's name that `text` begins with.
pub fn name_length(text: &[u8]) -> usize {
    if text.first().is_some_and(u8::is_ascii_digit) {
        return 0;
    }
    text.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count()
}

#[cfg(test)]
#[path = "parse/tests.rs"]
mod tests;
