//! The commands that the shell is itself: their table, and those about variables and flow.

use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::shell::parse::name_length;
use guest_user::sys::{file, io};
use guest_user::{eprintln, print, println};
use linux_raw_sys::general::X_OK;

use crate::state::{Flow, Shell, Variable};
use crate::{EXIT_USAGE, files, job_commands};

/// A command of the shell itself.
pub(crate) struct Builtin {
    pub(crate) name: &'static str,
    /// Runs it with the arguments behind the name; its status.
    pub(crate) run: fn(&mut Shell, &[Vec<u8>]) -> i32,
    /// Its arguments, for `help`.
    arguments: &'static str,
    /// What it does, for `help`.
    summary: &'static str,
}

macro_rules! builtins {
    ($($name:literal $run:path, $arguments:literal, $summary:literal;)+) => {
        const TABLE: &[Builtin] = &[
            $(Builtin { name: $name, run: $run, arguments: $arguments, summary: $summary },)+
        ];
    };
}

builtins! {
    ":" succeed, "", "nothing, successfully";
    "[" files::bracket, "EXPRESSION ]", "as test";
    "bg" job_commands::bg, "[%JOB]...", "lets stopped jobs go on in the background";
    "break" leave_loop, "[N]", "ends N loops";
    "cd" files::change_directory, "[DIRECTORY | -]", "changes the working directory";
    "continue" next_turn, "[N]", "goes on with the next turn of the Nth loop";
    "echo" echo, "[-neE] [WORD]...", "prints its arguments";
    "exec" succeed, "[COMMAND]", "replaces the shell; without a command keeps redirections";
    "exit" exit, "[STATUS]", "ends the shell";
    "export" export, "[NAME[=VALUE]]...", "lets programs see variables";
    "false" fail, "", "nothing, unsuccessfully";
    "fg" job_commands::fg, "[%JOB]", "continues a job in the foreground";
    "help" help, "", "lists these commands";
    "history" history, "", "lists what was typed";
    "jobs" job_commands::jobs, "[-lp]", "lists the jobs";
    "kill" job_commands::kill, "[-SIGNAL] PID|%JOB...", "sends a signal";
    "pwd" files::working_directory, "", "prints the working directory";
    "read" files::read, "[-r] [-p PROMPT] NAME...", "reads a line into variables";
    "set" set, "[-ex] [--] [WORD]...", "lists variables; sets options and parameters";
    "shift" shift, "[N]", "drops the first N parameters";
    "test" files::test, "EXPRESSION", "compares texts and numbers, asks about files";
    "true" succeed, "", "nothing, successfully";
    "type" kind_of, "NAME...", "says what a name stands for";
    "umask" umask, "[MODE]", "permissions that new files do not get";
    "unset" unset, "NAME...", "forgets variables";
    "wait" job_commands::wait, "[PID|%JOB]...", "waits for jobs";
}

/// The builtin of this name.
pub(crate) fn find(name: &[u8]) -> Option<&'static Builtin> {
    TABLE.iter().find(|builtin| builtin.name.as_bytes() == name)
}

/// The names of all.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|builtin| builtin.name)
}

fn succeed(_: &mut Shell, _: &[Vec<u8>]) -> i32 {
    0
}

fn fail(_: &mut Shell, _: &[Vec<u8>]) -> i32 {
    1
}

fn echo(_: &mut Shell, words: &[Vec<u8>]) -> i32 {
    io::write(&guest_user::echo::text(words.iter().map(Vec::as_slice)));
    0
}

fn help(_: &mut Shell, _: &[Vec<u8>]) -> i32 {
    println!("Commands of the shell itself; all others are programs in $PATH:");
    for Builtin { name, arguments, summary, .. } in TABLE {
        println!("  {name:<9}{arguments:<26} {summary}");
    }
    println!(
        "Also: a | b, a && b, a || b, a &, ( ), {{ }}, if, while, until, for, $(a), $((1+2)),"
    );
    println!("< > >> 2> 2>&1; Ctrl-Z stops what runs, Ctrl-C ends it.");
    0
}

fn history(shell: &mut Shell, _: &[Vec<u8>]) -> i32 {
    for (index, line) in shell.history.iter().enumerate() {
        print!("{:5}  ", index + 1);
        io::write(line);
        println!();
    }
    0
}

/// The number that a command's only argument is; a message where it is none.
fn number(command: &str, words: &[Vec<u8>], default: u64) -> Option<u64> {
    let Some(word) = words.first() else { return Some(default) };
    let number = bytes::decimal(word);
    if number.is_none() {
        eprintln!("sh: {command}: {}: not a number", Bytes(word));
    }
    number
}

fn exit(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    let Some(status) = number("exit", words, shell.status as u64) else { return EXIT_USAGE };
    shell.flow = Flow::Exit;
    (status & 0xff) as i32
}

fn leave_loop(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    flow(shell, "break", words, Flow::Break)
}

fn next_turn(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    flow(shell, "continue", words, Flow::Continue)
}

fn flow(shell: &mut Shell, name: &str, words: &[Vec<u8>], make: fn(usize) -> Flow) -> i32 {
    match number(name, words, 1) {
        Some(0) | None => EXIT_USAGE,
        // Outside of loops it means nothing.
        Some(_) if shell.loops == 0 => 0,
        Some(count) => {
            shell.flow = make(usize::try_from(count).map_or(shell.loops, |n| n.min(shell.loops)));
            0
        }
    }
}

fn shift(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    let count = number("shift", words, 1).and_then(|count| usize::try_from(count).ok());
    match count {
        Some(count) if count <= shell.positional.len() => {
            shell.positional.drain(..count);
            0
        }
        _ => 1,
    }
}

/// Whether this is a variable's name; a message where it is not.
fn is_name(command: &str, name: &[u8]) -> bool {
    let good = !name.is_empty() && name_length(name) == name.len();
    if !good {
        eprintln!("sh: {command}: {}: not a name", Bytes(name));
    }
    good
}

fn export(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    if words.iter().all(|word| word == b"-p") {
        let exported = shell.variables.iter().filter(|variable| variable.exported);
        exported.for_each(|variable| print_variable("export ", variable));
        return 0;
    }
    let mut status = 0;
    for word in words {
        let (name, value) = match bytes::split_once(word, b'=') {
            Some((name, value)) => (name, Some(value)),
            None => (&word[..], None),
        };
        if !is_name("export", name) {
            status = EXIT_USAGE;
            continue;
        }
        if let Some(value) = value {
            shell.set(name, value);
        }
        shell.export(name);
    }
    status
}

/// Prints a variable so that a shell can read it.
fn print_variable(before: &str, variable: &Variable) {
    print!("{before}{}='", Bytes(&variable.name));
    for (index, part) in variable.value.split(|byte| *byte == b'\'').enumerate() {
        if index > 0 {
            print!("'\\''");
        }
        io::write(part);
    }
    println!("'");
}

fn unset(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    for name in words.iter().filter(|word| *word != b"-v") {
        if !is_name("unset", name) {
            return EXIT_USAGE;
        }
        shell.unset(name);
    }
    0
}

fn set(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    if words.is_empty() {
        shell.variables.iter().for_each(|variable| print_variable("", variable));
        return 0;
    }
    for (index, word) in words.iter().enumerate() {
        match &word[..] {
            b"--" => {
                shell.positional = words[index + 1..].to_vec();
                return 0;
            }
            [sign @ (b'-' | b'+'), letters @ ..] if !letters.is_empty() => {
                for letter in letters {
                    match letter {
                        b'e' => shell.exits_on_error = *sign == b'-',
                        b'x' => shell.traces = *sign == b'-',
                        _ => {
                            eprintln!("sh: set: unknown option {}", Bytes(word));
                            return EXIT_USAGE;
                        }
                    }
                }
            }
            _ => {
                shell.positional = words[index..].to_vec();
                return 0;
            }
        }
    }
    0
}

fn kind_of(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    let mut status = 0;
    for name in words {
        if find(name).is_some() {
            println!("{} is a command of the shell", Bytes(name));
        } else if let Some(path) = program(shell, name) {
            println!("{} is {}", Bytes(name), Bytes(&path));
        } else {
            eprintln!("sh: {}: not found", Bytes(name));
            status = 1;
        }
    }
    status
}

/// The file that a command's name stands for.
fn program(shell: &Shell, name: &[u8]) -> Option<Vec<u8>> {
    let mut paths: Vec<Vec<u8>> = Vec::new();
    if name.contains(&b'/') {
        paths.push(name.to_vec());
    } else {
        let directories = shell.path().split(|byte| *byte == b':');
        paths.extend(directories.map(|directory| [directory, b"/", name].concat()));
    }
    let executable = |path: &Vec<u8>| file::access(path, X_OK).is_ok() && !file::is_directory(path);
    paths.into_iter().find(executable)
}

fn umask(_: &mut Shell, words: &[Vec<u8>]) -> i32 {
    match words.first().map(|word| bytes::number(word, 8)) {
        None => {
            let mask = file::set_umask(0);
            file::set_umask(mask);
            println!("{mask:04o}");
        }
        Some(Some(mask @ 0..=0o777)) => drop(file::set_umask(mask as u32)),
        Some(_) => {
            eprintln!("sh: umask: not a mode");
            return EXIT_USAGE;
        }
    }
    0
}
