//! `sh`: the shell. `sh [-ceisx] [FILE | TEXT] [ARGUMENT...]`; without a file or text it reads
//! standard input, and talks to the user where that is a terminal.
//!
//! `state` is what a shell knows, `run` walks the tree, `spawn` makes processes and waits for them
//! (job control), `redirect` moves descriptors, `builtins` and its neighbours are the commands
//! that the shell is itself, `interactive` reads from a terminal.

#![no_std]
#![no_main]

extern crate alloc;

mod builtins;
mod files;
mod interactive;
mod job_commands;
mod redirect;
mod run;
mod spawn;
mod state;

use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::shell::parse::{self, SyntaxError};
use guest_user::sys::io::{STDERR, STDIN};
use guest_user::sys::{args, file, io, process, terminal};
use state::{Flow, Shell};

guest_user::program!(main);

/// Exit status of wrong usage and syntax errors.
const EXIT_USAGE: i32 = 2;
/// Exit status where a command is not found.
const EXIT_NOT_FOUND: i32 = 127;
/// Exit status where a file is there but cannot be executed.
const EXIT_NOT_EXECUTABLE: i32 = 126;

/// Where commands come from.
enum Source {
    /// The first argument itself.
    Text,
    /// The file that the first argument names, or standard input where there is none.
    File,
    /// Standard input, whatever the arguments.
    Input,
}

fn main() -> i32 {
    let mut shell = Shell::new();
    let mut words: Vec<Vec<u8>> = args::args().map(<[u8]>::to_vec).collect();
    let mut source = Source::File;
    let mut talks = terminal::is_terminal(STDIN) && terminal::is_terminal(STDERR);
    while let Some([b'-', letters @ ..]) = words.first().map(Vec::as_slice) {
        let letters = letters.to_vec();
        words.remove(0);
        if letters == b"-" {
            break;
        }
        for letter in letters {
            match letter {
                b'c' => source = Source::Text,
                b's' => source = Source::Input,
                b'e' => shell.exits_on_error = true,
                b'x' => shell.traces = true,
                b'i' => talks = true,
                b'l' => {}
                _ => {
                    guest_user::eprintln!("sh: unknown option -{}", char::from(letter));
                    return EXIT_USAGE;
                }
            }
        }
    }
    match source {
        Source::Text => {
            if words.is_empty() {
                guest_user::eprintln!("sh: -c needs a text");
                return EXIT_USAGE;
            }
            let text = words.remove(0);
            if !words.is_empty() {
                shell.name = words.remove(0);
            }
            shell.positional = words;
            run_text(&mut shell, &text);
        }
        Source::File if !words.is_empty() => {
            shell.name = words.remove(0);
            shell.positional = words;
            match file::read_file(&shell.name) {
                Ok(text) => run_text(&mut shell, &text),
                Err(error) => {
                    guest_user::eprintln!("sh: {}: {error}", Bytes(&shell.name));
                    return EXIT_NOT_FOUND;
                }
            }
        }
        _ => {
            shell.positional = words;
            if talks { interactive::run(&mut shell) } else { run_input(&mut shell) }
        }
    }
    shell.status
}

/// Runs the lines of a text one after the other.
fn run_text(shell: &mut Shell, text: &[u8]) {
    let mut rest = text;
    while shell.flow == Flow::On {
        match parse::parse_line(rest) {
            Ok(None) => return,
            Ok(Some((list, length))) => {
                rest = &rest[length..];
                shell.run_list(&list);
            }
            Err(error) => return syntax_error(shell, &error),
        }
    }
}

/// Runs standard input line by line; a command may read what follows it.
fn run_input(shell: &mut Shell) {
    let mut text = Vec::new();
    while shell.flow == Flow::On {
        let more = files::read_line(&mut text);
        match parse::parse_line(&text) {
            Err(SyntaxError::Incomplete) if more => continue,
            Err(error) => return syntax_error(shell, &error),
            Ok(Some((list, _))) => shell.run_list(&list),
            Ok(None) => {}
        }
        text.clear();
        if !more {
            return;
        }
    }
}

fn syntax_error(shell: &mut Shell, error: &SyntaxError) {
    guest_user::eprintln!("sh: {error}");
    shell.status = EXIT_USAGE;
}

/// Ends this process, a child of the shell.
fn exit_child(status: i32) -> ! {
    // A pipe's reader may have gone.
    let _ = io::flush();
    process::exit_at_once(status)
}
