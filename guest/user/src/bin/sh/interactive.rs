//! A shell that talks to a user: prompt, line editor, completion, news of the jobs.

use alloc::vec::Vec;
use core::mem;

use guest_user::errno::Result;
use guest_user::line::complete::{self, Completion};
use guest_user::line::{COLUMNS, Editor, Outcome};
use guest_user::shell::parse::{self, SyntaxError};
use guest_user::sys::io::{STDERR, STDIN};
use guest_user::sys::signal::{self, Action};
use guest_user::sys::{dir, file, io, process, terminal};
use guest_user::{Errno, eprintln};
use linux_raw_sys::general as g;

use crate::redirect::OWN_FDS;
use crate::spawn::SHELL_SIGNALS;
use crate::state::{Control, Flow, Shell};
use crate::{builtins, syntax_error};

/// The prompt before further lines of a command.
const MORE_PROMPT: &[u8] = b"> ";

/// A line from the user.
enum Input {
    Line(Vec<u8>),
    /// Ctrl-C.
    Interrupted,
    /// Ctrl-D, or the terminal is gone.
    End,
}

/// Reads and runs commands until the user leaves.
pub(crate) fn run(shell: &mut Shell) {
    shell.interactive = true;
    shell.control = take_control();
    if shell.control.is_none() {
        eprintln!("sh: no terminal of its own: job control is off");
    }
    for signal in SHELL_SIGNALS {
        let action = if signal == g::SIGINT { Action::Catch } else { Action::Ignore };
        // These signals can be set.
        let _ = signal::set(signal, action);
    }
    let mut editor = Editor::default();
    let mut warned = false;
    while shell.flow != Flow::Exit {
        shell.flow = Flow::On;
        signal::take(g::SIGINT);
        tell_news(shell);
        match read_command(shell, &mut editor) {
            Input::Line(text) => {
                if !run_text(shell, &text) {
                    warned = false;
                }
            }
            Input::Interrupted => shell.interrupt(),
            Input::End if !warned && has_stopped_jobs(shell) => {
                eprintln!("There are stopped jobs.");
                warned = true;
            }
            Input::End => return,
        }
    }
}

/// Runs what was typed; false: it was nothing.
fn run_text(shell: &mut Shell, text: &[u8]) -> bool {
    let mut rest = text;
    let mut ran = false;
    while shell.flow == Flow::On {
        match parse::parse_line(rest) {
            Ok(None) => break,
            Ok(Some((list, length))) => {
                rest = &rest[length..];
                ran = true;
                shell.run_list(&list);
                let _ = io::flush();
            }
            Err(error) => {
                syntax_error(shell, &error);
                break;
            }
        }
    }
    ran
}

fn has_stopped_jobs(shell: &Shell) -> bool {
    use guest_user::shell::jobs::State;
    shell.jobs.iter().any(|job| matches!(job.state(), State::Stopped(_)))
}

/// Takes the terminal, with the shell's group in its foreground; none where that is impossible.
fn take_control() -> Option<Control> {
    loop {
        let foreground = terminal::foreground(STDIN).ok()?;
        if foreground == process::group(0).ok()? {
            break;
        }
        // Wait until somebody puts us there.
        process::kill(0, g::SIGTTIN).ok()?;
    }
    // A session's leader is its group's leader already.
    let _ = process::set_group(0, 0);
    let group = process::group(0).ok()?;
    let terminal = file::duplicate_above(STDIN, OWN_FDS).ok()?;
    let modes = terminal::modes(terminal).ok()?;
    let _ = signal::set(g::SIGTTOU, Action::Ignore);
    terminal::set_foreground(terminal, group).ok()?;
    Some(Control { terminal, group, modes })
}

/// Prints what became of jobs since the last prompt.
fn tell_news(shell: &mut Shell) {
    shell.reap();
    for line in shell.jobs.news() {
        eprintln!("{line}");
    }
}

/// `pagewalk:/dir# `, with a dollar sign for users without all rights.
fn prompt(shell: &Shell) -> Vec<u8> {
    let directory = shell.get(b"PWD").unwrap_or(b"?");
    let sign: &[u8] = if process::user() == 0 { b"# " } else { b"$ " };
    [b"pagewalk:", directory, sign].concat()
}

/// Reads lines until they are a command.
fn read_command(shell: &mut Shell, editor: &mut Editor) -> Input {
    let mut text = Vec::new();
    let mut prompt = prompt(shell);
    loop {
        match read_line(shell, editor, &prompt) {
            Input::Line(line) => {
                editor.remember(&line);
                shell.history = editor.history().to_vec();
                text.extend_from_slice(&line);
                text.push(b'\n');
            }
            // The end in the middle of a command gives it up.
            Input::End if !text.is_empty() => {
                syntax_error(shell, &SyntaxError::Incomplete);
                return Input::Interrupted;
            }
            other => return other,
        }
        if !is_incomplete(&text) {
            return Input::Line(text);
        }
        prompt = MORE_PROMPT.to_vec();
    }
}

/// Whether a text needs another line.
fn is_incomplete(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        match parse::parse_line(rest) {
            Ok(Some((_, length))) => rest = &rest[length..],
            Ok(None) => return false,
            Err(error) => return error == SyntaxError::Incomplete,
        }
    }
}

/// Reads a line with the editor, in raw mode.
fn read_line(shell: &mut Shell, editor: &mut Editor, prompt: &[u8]) -> Input {
    let before = match terminal::modes(STDIN) {
        Ok(modes) => modes,
        Err(_) => return Input::End,
    };
    if terminal::set_modes(STDIN, &terminal::raw(&before)).is_err() {
        return Input::End;
    }
    let input = edit(shell, editor, prompt);
    let _ = terminal::set_modes(STDIN, &before);
    input.unwrap_or(Input::End)
}

fn edit(shell: &mut Shell, editor: &mut Editor, prompt: &[u8]) -> Result<Input> {
    let mut output = Vec::new();
    // Also where the user sends standard error elsewhere.
    let screen = shell.control.as_ref().map_or(STDERR, |control| control.terminal);
    let columns = terminal::columns(screen).unwrap_or(COLUMNS);
    editor.begin(prompt, columns, &mut output);
    loop {
        file::write_all(screen, &mem::take(&mut output))?;
        let mut byte = [0];
        match file::read(STDIN, &mut byte) {
            Ok(0) => return Ok(Input::End),
            Ok(_) => {}
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        }
        let outcome = editor.feed(byte[0], &mut output);
        let input = match outcome {
            Outcome::More => continue,
            Outcome::Complete => {
                let completion = completion(shell, editor.before_cursor());
                editor.complete(&completion, &mut output);
                continue;
            }
            Outcome::Line(line) => Input::Line(line),
            Outcome::Interrupted => Input::Interrupted,
            Outcome::EndOfFile => Input::End,
        };
        file::write_all(screen, &output)?;
        return Ok(input);
    }
}

/// What may stand before the cursor: names of commands, or of files.
fn completion(shell: &Shell, before: &[u8]) -> Completion {
    let context = complete::context(before);
    if context.is_command {
        let mut names: Vec<Vec<u8>> = builtins::names().map(|name| name.into()).collect();
        for directory in shell.path().split(|byte| *byte == b':') {
            let entries = dir::entries(directory).unwrap_or_default();
            let programs = entries.into_iter().filter(|entry| !entry.is_directory());
            names.extend(programs.map(|entry| entry.name));
        }
        return Completion::new(&context.prefix, names);
    }
    let directory = match &context.directory[..] {
        [] => b".".to_vec(),
        [b'~', b'/', rest @ ..] => [shell.get(b"HOME").unwrap_or(b"/"), b"/", rest].concat(),
        other => other.to_vec(),
    };
    let entries = dir::entries(&directory).unwrap_or_default().into_iter();
    let entries = entries.filter(|entry| entry.name != b"." && entry.name != b"..");
    let names = entries.map(|entry| {
        let path = [&directory[..], b"/", &entry.name].concat();
        let mut name = entry.name;
        if file::is_directory(&path) {
            name.push(b'/');
        }
        name
    });
    Completion::new(&context.prefix, names)
}
