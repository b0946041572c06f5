//! `env [-i] [NAME=VALUE]... [COMMAND [ARGUMENT]...]`: runs a command in a changed environment, or
//! prints it.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::sys::{args, io, process};
use guest_user::{Errno, complain};

guest_user::program!(main);

/// Exit statuses of a command that is not there, and of one that cannot run.
const EXIT_NOT_FOUND: i32 = 127;
const EXIT_NOT_EXECUTABLE: i32 = 126;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"i", b"", Order::OptionsFirst);
    let Some(options) = options else {
        return io::usage("env [-i] [NAME=VALUE]... [COMMAND [ARGUMENT]...]");
    };
    let mut environment: Vec<CString> = Vec::new();
    if !options.has(b'i') {
        environment.extend(args::environment().map(CString::from));
    }
    let mut words = options.operands.iter().peekable();
    while let Some(word) = words.next_if(|word| word.contains(&b'=')) {
        let name = bytes::split_once(word, b'=').map_or(&b""[..], |(name, _)| name);
        environment.retain(|entry| {
            bytes::split_once(entry.to_bytes(), b'=').is_none_or(|(other, _)| other != name)
        });
        // Arguments have no NUL inside.
        environment.extend(CString::new(*word));
    }
    let command: Vec<CString> = words.filter_map(|word| CString::new(*word).ok()).collect();
    if command.is_empty() {
        for entry in &environment {
            io::write(entry.to_bytes());
            io::write(b"\n");
        }
        return 0;
    }
    let path = environment.iter().find_map(|entry| entry.to_bytes().strip_prefix(b"PATH="));
    let error = process::exec_along(path.unwrap_or(b"/bin"), &command, &environment);
    complain!("'{}': {error}", Bytes(command[0].to_bytes()));
    if error == Errno::NOENT { EXIT_NOT_FOUND } else { EXIT_NOT_EXECUTABLE }
}
