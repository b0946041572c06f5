//! The tree of a command line. `parse` makes it.

use alloc::boxed::Box;
use alloc::vec::Vec;

/// Commands one after the other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct List(pub Vec<Item>);

/// A part of a list, up to `;`, `&` or the end of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// What is run.
    pub chain: Chain,
    /// Whether the shell goes on without waiting.
    pub background: bool,
    /// As it was written, for the table of jobs.
    pub text: Vec<u8>,
}

/// Pipelines joined by `&&` and `||`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// The one that runs in any case.
    pub first: Pipeline,
    /// The others, each with what the status before it must be.
    pub rest: Vec<(Condition, Pipeline)>,
}

/// When a pipeline of a chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// `&&`: after success.
    Success,
    /// `||`: after failure.
    Failure,
}

/// Commands joined by pipes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pipeline {
    /// `!`: success is failure.
    pub negated: bool,
    /// One at least.
    pub commands: Vec<Command>,
}

/// A command with where its input comes from and its output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// What is run.
    pub kind: Kind,
    /// In their order.
    pub redirections: Vec<Redirection>,
}

/// Kinds of commands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program or a builtin, or assignments alone.
    Simple {
        /// `NAME=WORD` before the name.
        assignments: Vec<(Vec<u8>, Word)>,
        /// Name and arguments.
        words: Vec<Word>,
    },
    /// `if`: conditions with their bodies, then `else`.
    If {
        /// `if` and every `elif`.
        branches: Vec<(List, List)>,
        /// `else`.
        otherwise: Option<List>,
    },
    /// `while` and `until`.
    While {
        /// What the condition must be for another turn.
        wanted: Condition,
        /// The condition.
        condition: List,
        /// The body.
        body: List,
    },
    /// `for`.
    For {
        /// The variable.
        name: Vec<u8>,
        /// Its values; none: the positional parameters.
        words: Option<Vec<Word>>,
        /// The body.
        body: List,
    },
    /// `( )`: in a process of its own.
    Subshell(List),
    /// `{ }`.
    Group(List),
}

/// A redirection of a file descriptor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// The descriptor that changes.
    pub fd: i32,
    /// How.
    pub kind: RedirectionKind,
    /// The file, or the descriptor.
    pub target: Word,
}

/// Kinds of redirections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RedirectionKind {
    /// `<`
    Read,
    /// `>`
    Write,
    /// `>>`
    Append,
    /// `<>`
    ReadWrite,
    /// `<&` and `>&`
    Duplicate,
}

/// A word: its parts, side by side.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word(pub Vec<Part>);

impl Word {
    /// The text, where the word is nothing but unquoted text.
    pub fn literal(&self) -> Option<&[u8]> {
        match &self.0[..] {
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// A part of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// Text that patterns may be in.
    Text(Vec<u8>),
    /// Text that means itself.
    Quoted(Vec<u8>),
    /// `$NAME` and its relatives, with how it was quoted.
    Parameter(Parameter, Quoting),
    /// `$(...)`: what the commands print.
    Substitution(Box<List>, Quoting),
    /// `$((...))`: a number.
    Arithmetic(Word, Quoting),
}

/// A parameter that is expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// A variable's name, a number, or one of `@*#?!$`.
    pub name: Vec<u8>,
    /// What is done with the value.
    pub operation: Operation,
}

/// What an expansion does with a parameter's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `$NAME`: nothing.
    Value,
    /// `${#NAME}`: its length.
    Length,
    /// `${NAME:-WORD}`: WORD where it is unset or empty.
    Default(Word),
}

/// Whether something stands in double quotes: it is neither split nor matched against names then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quoting {
    /// Bare.
    Bare,
    /// In double quotes.
    Double,
}
