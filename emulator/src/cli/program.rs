//! A program for Linux as the first process of the guest operating system: [`Program`] recognises
//! one, and makes what the guest boots from: its own RAM disk, and behind it an archive with the
//! program, its arguments, its environment and the files of `--root`.
//!
//! `program/files.rs` reads directories, `program/wiring.rs` connects standard streams.

mod files;
mod wiring;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::args::ProgramArgs;
use super::bundle::{Bundle, BundleError};
use crate::machine::boot::{Boot, Payload};
use crate::machine::cpio::Archive;
use crate::machine::elf::ElfFile;
use crate::machine::memory_map;
pub(super) use files::FilesError;
pub(super) use wiring::Wiring;

/// RAM of the guest where the user does not say.
pub(super) const RAM_BYTES: u64 = 256 << 20;

/// Directory of the guest with what comes from here.
const DIRECTORY: &str = ".host";
/// Files in it: the program's arguments and its environment.
const ARGUMENTS: &str = "argv";
const ENVIRONMENT: &str = "env";

/// Variables that every program has. They describe the guest, so that those of the host are no
/// help.
const VARIABLES: [(&str, &str); 3] =
    [("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"), ("HOME", "/root"), ("PWD", "/")];
/// Variables that are as on the host, or else this.
const INHERITED: [(&str, &str); 2] = [("TERM", "dumb"), ("LANG", "C.UTF-8")];

/// A program for Linux.
#[derive(Clone, Debug)]
pub(super) struct Program {
    file: Payload,
    /// The dynamic linker that it asks for.
    interpreter: Option<String>,
}

/// A program that cannot be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum ProgramError {
    /// It is not linked statically.
    #[error(
        "{path}: the program asks for the interpreter {interpreter}, that is a dynamic linker; \
         link it statically, or name a directory that has {interpreter} and the libraries with \
         --root DIR"
    )]
    Dynamic {
        /// The program.
        path: String,
        /// The dynamic linker.
        interpreter: String,
    },
    /// There is no guest to run it.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The directory of `--root` cannot be read.
    #[error(transparent)]
    Files(#[from] FilesError),
}

impl Program {
    /// What is in `file`, if that is a program for an operating system.
    pub(super) fn recognise(file: &Payload) -> Option<Self> {
        let elf = ElfFile::parse(file.bytes.clone()).ok()?;
        let is_program = elf.is_for_an_operating_system(memory_map::RAM);
        is_program
            .then(|| Self { file: file.clone(), interpreter: elf.interpreter().map(str::to_owned) })
    }

    /// What boots the guest with the program, called with `arguments`, as its first process.
    ///
    /// # Errors
    /// [`ProgramError`] where the program cannot run, or a file cannot be read.
    pub(super) fn boot(
        &self,
        arguments: &[OsString],
        args: &ProgramArgs,
    ) -> Result<Boot, ProgramError> {
        self.check_interpreter(args.root.as_deref())?;
        let Bundle { kernel, mut initramfs } = Bundle::find()?;
        let mut archive = Archive::default();
        if let Some(root) = &args.root {
            files::add(&mut archive, root)?;
        }
        let name = guest_name(&self.file.path);
        let strings = std::iter::once(self.file.path.as_os_str());
        let strings = strings.chain(arguments.iter().map(OsString::as_os_str));
        archive.directory(DIRECTORY.as_bytes(), 0o755);
        let mut add = |name: &str, permissions, content: &[u8]| {
            archive.file(format!("{DIRECTORY}/{name}").as_bytes(), permissions, content);
        };
        add(&name, 0o755, &self.file.bytes);
        add(ARGUMENTS, 0o644, &terminated(strings));
        add(ENVIRONMENT, 0o644, &environment(args));
        initramfs.append(&archive.finish());
        let append = format!(
            "init=/{DIRECTORY}/{name} init.args=/{DIRECTORY}/{ARGUMENTS} \
             init.env=/{DIRECTORY}/{ENVIRONMENT} stdio=ports swapon quiet"
        );
        Ok(Boot { initrd: Some(initramfs), append: Some(append), ..Boot::of(kernel) })
    }

    fn check_interpreter(&self, root: Option<&Path>) -> Result<(), ProgramError> {
        let Some(interpreter) = &self.interpreter else { return Ok(()) };
        let is_there = |root: &Path| root.join(interpreter.trim_start_matches('/')).exists();
        if root.is_some_and(is_there) {
            return Ok(());
        }
        let path = self.file.path.display().to_string();
        Err(ProgramError::Dynamic { path, interpreter: interpreter.clone() })
    }
}

/// What boots the guest by itself, with the files of `--root`.
///
/// # Errors
/// [`ProgramError`] where there is no guest, or a file cannot be read.
pub(super) fn guest(args: &ProgramArgs) -> Result<Boot, ProgramError> {
    let Bundle { kernel, mut initramfs } = Bundle::find()?;
    if let Some(root) = &args.root {
        let mut archive = Archive::default();
        files::add(&mut archive, root)?;
        initramfs.append(&archive.finish());
    }
    Ok(Boot { initrd: Some(initramfs), ..Boot::of(kernel) })
}

/// What the guest calls the program: the file's name, as far as it can stand on a command line.
fn guest_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(OsStr::new("program"));
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"._+-".contains(byte);
    let name = name.as_bytes().iter().map(|byte| if plain(byte) { char::from(*byte) } else { '_' });
    let name: String = name.collect();
    if [ARGUMENTS, ENVIRONMENT].contains(&name.as_str()) { format!("{name}_") } else { name }
}

/// Strings with a zero byte behind each.
fn terminated<'a>(strings: impl Iterator<Item = &'a OsStr>) -> Vec<u8> {
    strings.flat_map(|string| string.as_bytes().iter().copied().chain([0])).collect()
}

/// The program's environment.
fn environment(args: &ProgramArgs) -> Vec<u8> {
    let mut variables: Vec<(OsString, OsString)> = Vec::new();
    let mut set = |name: OsString, value: OsString| match variables
        .iter_mut()
        .find(|(other, _)| *other == name)
    {
        Some((_, old)) => *old = value,
        None => variables.push((name, value)),
    };
    for (name, value) in INHERITED {
        set(name.into(), std::env::var_os(name).unwrap_or_else(|| value.into()));
    }
    if args.env_all {
        std::env::vars_os().for_each(|(name, value)| set(name, value));
    }
    for (name, value) in VARIABLES {
        set(name.into(), value.into());
    }
    for variable in &args.env {
        let bytes = variable.as_bytes();
        match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => {
                let [name, value] = [&bytes[..at], &bytes[at + 1..]].map(OsStr::from_bytes);
                set(name.to_owned(), value.to_owned());
            }
            None => {
                let here = std::env::var_os(variable);
                here.into_iter().for_each(|value| set(variable.clone(), value));
            }
        }
    }
    let joined = variables.into_iter().map(|(mut variable, value)| {
        variable.push("=");
        variable.push(value);
        variable
    });
    terminated(joined.collect::<Vec<_>>().iter().map(OsString::as_os_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_fit_for_a_command_line() {
        for (path, name) in [
            ("hello", "hello"),
            ("/a/b/busybox-1.37.0+git", "busybox-1.37.0+git"),
            ("my program", "my_program"),
            ("a=\"b\"\n", "a__b__"),
            ("dir/argv", "argv_"),
            ("env", "env_"),
            ("..", "program"),
        ] {
            assert_eq!(guest_name(Path::new(path)), name, "{path}");
        }
    }

    #[test]
    fn the_environment_is_small_and_can_be_added_to() {
        let env = ["A=1", "B=", "C=x=y", "A=2", "PATH=/p", "NO_SUCH_VARIABLE"];
        let args = ProgramArgs { root: None, env: env.map(OsString::from).into(), env_all: false };
        let bytes = String::from_utf8(environment(&args)).unwrap();
        let variables: Vec<_> = bytes.split_terminator('\0').collect();
        let names = variables.iter().map(|variable| variable.split_once('=').unwrap().0);
        let want = ["TERM", "LANG", "PATH", "HOME", "PWD", "A", "B", "C"];
        assert_eq!(names.collect::<Vec<_>>(), want);
        assert_eq!(variables[2..], ["PATH=/p", "HOME=/root", "PWD=/", "A=2", "B=", "C=x=y"]);
        let all = ProgramArgs { root: None, env: Vec::new(), env_all: true };
        let text = String::from_utf8_lossy(&environment(&all)).into_owned();
        assert!(text.contains("HOME=/root\0") && text.contains("CARGO_MANIFEST_DIR="), "{text}");
    }
}
