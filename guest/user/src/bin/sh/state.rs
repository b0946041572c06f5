//! What a shell knows: [`Shell`], its variables and parameters, and how it answers when words are
//! expanded.

use alloc::ffi::CString;
use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::shell::ast::List;
use guest_user::shell::expand;
use guest_user::shell::jobs::Jobs;
use guest_user::sys::terminal::Modes;
use guest_user::sys::{args, dir, file, process};

/// `PATH` where it is not set.
const DEFAULT_PATH: &[u8] = b"/bin";

/// A variable.
pub(crate) struct Variable {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// Whether programs see it.
    pub(crate) exported: bool,
}

/// What happens after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    /// The next one.
    On,
    /// So many loops end.
    Break(usize),
    /// All but one of so many loops end, and that one goes on with its next turn.
    Continue(usize),
    /// The shell ends.
    Exit,
    /// Ctrl-C: everything ends, but not a shell that talks to the user.
    Interrupted,
}

/// Job control: the terminal and what belongs to it.
pub(crate) struct Control {
    /// The terminal.
    pub(crate) terminal: i32,
    /// The shell's process group.
    pub(crate) group: i32,
    /// The modes that the shell gives back after a job.
    pub(crate) modes: Modes,
}

/// A shell.
pub(crate) struct Shell {
    /// Sorted by name.
    pub(crate) variables: Vec<Variable>,
    /// `$0`
    pub(crate) name: Vec<u8>,
    /// `$1` and so on.
    pub(crate) positional: Vec<Vec<u8>>,
    /// `$?`
    pub(crate) status: i32,
    /// The status of the last `$(...)` in the command that is expanded.
    pub(crate) substituted: Option<i32>,
    /// `$$`
    pid: i32,
    /// `$!`
    pub(crate) last_background: Option<i32>,
    pub(crate) jobs: Jobs,
    /// None: no job control.
    pub(crate) control: Option<Control>,
    /// Whether it talks to a user.
    pub(crate) interactive: bool,
    /// `set -e`
    pub(crate) exits_on_error: bool,
    /// `set -x`
    pub(crate) traces: bool,
    pub(crate) flow: Flow,
    /// Loops around the command that runs.
    pub(crate) loops: usize,
    /// Conditions around the command that runs: a failure there is no error.
    pub(crate) conditions: usize,
    /// Lines that were typed.
    pub(crate) history: Vec<Vec<u8>>,
}

impl Shell {
    /// A shell with the variables of its environment.
    pub(crate) fn new() -> Self {
        let mut shell = Self {
            variables: Vec::new(),
            name: args::name().to_vec(),
            positional: Vec::new(),
            status: 0,
            substituted: None,
            pid: process::id(),
            last_background: None,
            jobs: Jobs::default(),
            control: None,
            interactive: false,
            exits_on_error: false,
            traces: false,
            flow: Flow::On,
            loops: 0,
            conditions: 0,
            history: Vec::new(),
        };
        for entry in args::environment() {
            if let Some((name, value)) = bytes::split_once(entry.to_bytes(), b'=') {
                shell.set(name, value);
                shell.export(name);
            }
        }
        if let Ok(directory) = file::working_directory() {
            shell.set(b"PWD", &directory);
        }
        shell
    }

    /// Where a variable is; an error says where it would be.
    fn find(&self, name: &[u8]) -> Result<usize, usize> {
        self.variables.binary_search_by(|variable| variable.name[..].cmp(name))
    }

    /// Sets a variable; an exported one stays so.
    pub(crate) fn set(&mut self, name: &[u8], value: &[u8]) {
        let value = value.to_vec();
        match self.find(name) {
            Ok(index) => self.variables[index].value = value,
            Err(index) => {
                let variable = Variable { name: name.to_vec(), value, exported: false };
                self.variables.insert(index, variable);
            }
        }
    }

    /// Lets programs see a variable; one that is not set becomes empty.
    pub(crate) fn export(&mut self, name: &[u8]) {
        if self.find(name).is_err() {
            self.set(name, b"");
        }
        if let Ok(index) = self.find(name) {
            self.variables[index].exported = true;
        }
    }

    /// Forgets a variable.
    pub(crate) fn unset(&mut self, name: &[u8]) -> Option<Variable> {
        self.find(name).ok().map(|index| self.variables.remove(index))
    }

    /// Puts a variable back that [`Shell::unset`] took.
    pub(crate) fn put_back(&mut self, variable: Variable) {
        self.unset(&variable.name);
        if let Err(index) = self.find(&variable.name) {
            self.variables.insert(index, variable);
        }
    }

    /// The value of a variable.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&[u8]> {
        self.find(name).ok().map(|index| &self.variables[index].value[..])
    }

    /// Where programs are looked for.
    pub(crate) fn path(&self) -> &[u8] {
        self.get(b"PATH").unwrap_or(DEFAULT_PATH)
    }

    /// The environment of a program: exported variables, and these.
    pub(crate) fn environment(&self, added: &[(Vec<u8>, Vec<u8>)]) -> Vec<CString> {
        let exported = self.variables.iter().filter(|variable| {
            variable.exported && !added.iter().any(|(other, _)| *other == variable.name)
        });
        let exported = exported.map(|variable| (&variable.name, &variable.value));
        let all = exported.chain(added.iter().map(|(name, value)| (name, value)));
        all.filter_map(|(name, value)| CString::new([name, &b"="[..], value].concat()).ok())
            .collect()
    }
}

impl expand::Environment for Shell {
    fn parameter(&self, name: &[u8]) -> Option<Vec<u8>> {
        let number = match name {
            b"?" => i64::from(self.status),
            b"$" => i64::from(self.pid),
            b"!" => i64::from(self.last_background?),
            b"#" => self.positional.len() as i64,
            b"0" => return Some(self.name.clone()),
            [b'1'..=b'9', ..] => {
                let index = usize::try_from(bytes::decimal(name)?).ok()?;
                return self.positional.get(index - 1).cloned();
            }
            _ => return self.get(name).map(<[u8]>::to_vec),
        };
        Some(format!("{number}").into_bytes())
    }

    fn positional(&self) -> Vec<Vec<u8>> {
        self.positional.clone()
    }

    fn substitute(&mut self, list: &List) -> Vec<u8> {
        self.capture(list)
    }

    fn names(&mut self, directory: &[u8]) -> Vec<Vec<u8>> {
        let directory = if directory.is_empty() { b"." } else { directory };
        let entries = dir::entries(directory).unwrap_or_default();
        entries.into_iter().map(|entry| entry.name).collect()
    }
}
