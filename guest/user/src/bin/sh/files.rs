//! Commands of the shell about files: `cd`, `pwd`, `read`, `test`.

use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::shell::test::{self as expression, TestError};
use guest_user::sys::io::STDIN;
use guest_user::sys::{file, io, terminal};
use guest_user::{eprint, eprintln};
use linux_raw_sys::general as g;

use crate::EXIT_USAGE;
use crate::state::Shell;

pub(crate) fn change_directory(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    let back = words.first().is_some_and(|word| word == b"-");
    let target = match words.first() {
        None => shell.get(b"HOME").unwrap_or(b"/").to_vec(),
        Some(_) if back => match shell.get(b"OLDPWD") {
            Some(before) => before.to_vec(),
            None => {
                eprintln!("sh: cd: OLDPWD is not set");
                return 1;
            }
        },
        Some(word) => word.clone(),
    };
    if let Err(error) = file::change_directory(&target) {
        eprintln!("sh: cd: {}: {error}", Bytes(&target));
        return 1;
    }
    let before = shell.get(b"PWD").unwrap_or_default().to_vec();
    let now = file::working_directory().unwrap_or(target);
    shell.set(b"OLDPWD", &before);
    shell.set(b"PWD", &now);
    if back {
        io::write(&[&now[..], b"\n"].concat());
    }
    0
}

pub(crate) fn working_directory(_: &mut Shell, _: &[Vec<u8>]) -> i32 {
    match file::working_directory() {
        Ok(path) => {
            io::write(&[&path[..], b"\n"].concat());
            0
        }
        Err(error) => {
            eprintln!("sh: pwd: {error}");
            1
        }
    }
}

/// Appends a line of standard input with its line feed, byte by byte: what follows it is for
/// others. False at the end.
pub(crate) fn read_line(line: &mut Vec<u8>) -> bool {
    let mut byte = [0];
    loop {
        match file::read(STDIN, &mut byte) {
            Ok(1) => line.push(byte[0]),
            _ => return false,
        }
        if byte[0] == b'\n' {
            return true;
        }
    }
}

pub(crate) fn read(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    let mut words = words;
    let mut escapes = true;
    loop {
        match words {
            [option, rest @ ..] if option == b"-r" => {
                escapes = false;
                words = rest;
            }
            [option, prompt, rest @ ..] if option == b"-p" => {
                eprint!("{}", Bytes(prompt));
                words = rest;
            }
            _ => break,
        }
    }
    let _ = io::flush();
    let mut line = Vec::new();
    let mut complete = read_line(&mut line);
    while complete && escapes && line.ends_with(b"\\\n") {
        line.truncate(line.len() - 2);
        complete = read_line(&mut line);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    let default = [b"REPLY".to_vec()];
    let names = if words.is_empty() { &default } else { words };
    let plain = |text: &[u8]| if escapes { bytes::unescape(text) } else { text.to_vec() };
    let mut rest = &line[..];
    for (index, name) in names.iter().enumerate() {
        let value;
        (value, rest) = if index + 1 == names.len() {
            (plain(rest.trim_ascii()), &rest[rest.len()..])
        } else {
            let start = rest.trim_ascii_start();
            let end = start.iter().position(u8::is_ascii_whitespace).unwrap_or(start.len());
            (plain(&start[..end]), &start[end..])
        };
        shell.set(name, &value);
    }
    i32::from(!complete)
}

pub(crate) fn bracket(shell: &mut Shell, words: &[Vec<u8>]) -> i32 {
    match words.split_last() {
        Some((last, words)) if last == b"]" => test(shell, words),
        _ => {
            eprintln!("sh: [: ] is missing");
            EXIT_USAGE
        }
    }
}

pub(crate) fn test(_: &mut Shell, words: &[Vec<u8>]) -> i32 {
    match expression::evaluate(words, &System) {
        Ok(value) => return i32::from(!value),
        Err(TestError::Missing) => eprintln!("sh: test: an operand is missing"),
        Err(TestError::NotANumber(word)) => eprintln!("sh: test: {}: not a number", Bytes(&word)),
        Err(TestError::Unexpected(word)) => eprintln!("sh: test: {}: unexpected", Bytes(&word)),
    }
    EXIT_USAGE
}

/// Answers from the file system.
struct System;

impl expression::Files for System {
    fn holds(&self, operator: u8, name: &[u8]) -> bool {
        match operator {
            b'r' => file::access(name, g::R_OK).is_ok(),
            b'w' => file::access(name, g::W_OK).is_ok(),
            b'x' => file::access(name, g::X_OK).is_ok(),
            b'h' | b'L' => {
                file::stat_link(name).is_ok_and(|stat| file::is_kind(stat.st_mode, g::S_IFLNK))
            }
            _ => file::stat(name).is_ok_and(|stat| match operator {
                b'b' => file::is_kind(stat.st_mode, g::S_IFBLK),
                b'c' => file::is_kind(stat.st_mode, g::S_IFCHR),
                b'd' => file::is_kind(stat.st_mode, g::S_IFDIR),
                b'f' => file::is_kind(stat.st_mode, g::S_IFREG),
                b'g' => stat.st_mode & g::S_ISGID != 0,
                b'p' => file::is_kind(stat.st_mode, g::S_IFIFO),
                b's' => stat.st_size > 0,
                b'S' => file::is_kind(stat.st_mode, g::S_IFSOCK),
                b'u' => stat.st_mode & g::S_ISUID != 0,
                _ => true,
            }),
        }
    }

    fn is_terminal(&self, fd: i32) -> bool {
        terminal::is_terminal(fd)
    }
}
