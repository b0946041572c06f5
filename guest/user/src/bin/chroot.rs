//! `chroot DIRECTORY [COMMAND [ARGUMENT]...]`: runs a command, or else an interactive shell, for which
//! a directory is the root of all files.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io, process};
use guest_user::{Errno, complain};

guest_user::program!(main);

/// Exit statuses of one's own failure, of a command that cannot run, and of one that is not there.
const EXIT_FAILED: i32 = 125;
const EXIT_NOT_EXECUTABLE: i32 = 126;
const EXIT_NOT_FOUND: i32 = 127;
/// What runs where nothing is named, if `SHELL` names nothing, either.
const SHELL: &[u8] = b"/bin/sh";

fn main() -> i32 {
    let options = Options::parse(args::args(), b"", b"", Order::OptionsFirst);
    let (root, command) = match options.as_ref().and_then(|options| options.operands.split_first())
    {
        Some((root, command)) => (*root, command),
        None => return io::usage("chroot DIRECTORY [COMMAND [ARGUMENT]...]"),
    };
    if let Err(error) = file::change_root(root).and_then(|()| file::change_directory(b"/")) {
        complain!("cannot change root directory to '{}': {error}", Bytes(root));
        return EXIT_FAILED;
    }
    let shell = [args::variable(b"SHELL").unwrap_or(SHELL), b"-i"];
    let command = if command.is_empty() { &shell } else { command };
    // Arguments have no NUL inside.
    let command: Vec<CString> =
        command.iter().filter_map(|word| CString::new(*word).ok()).collect();
    let environment: Vec<CString> = args::environment().map(CString::from).collect();
    let path = args::variable(b"PATH").unwrap_or(b"/bin");
    let error = process::exec_along(path, &command, &environment);
    complain!("'{}': {error}", Bytes(command[0].to_bytes()));
    if error == Errno::NOENT { EXIT_NOT_FOUND } else { EXIT_NOT_EXECUTABLE }
}
