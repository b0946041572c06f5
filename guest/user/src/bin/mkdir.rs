//! `mkdir [-p] DIRECTORY...`: makes directories, with `-p` those above them, too.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};
use guest_user::{Errno, Result, complain};

guest_user::program!(main);

/// Permissions before the umask.
const MODE: u32 = 0o777;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"p", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| !options.operands.is_empty()) else {
        return io::usage("mkdir [-p] DIRECTORY...");
    };
    let mut status = 0;
    for path in &options.operands {
        let made =
            if options.has(b'p') { make_all(path) } else { file::make_directory(path, MODE) };
        if let Err(error) = made {
            complain!("cannot create directory '{}': {error}", Bytes(path));
            status = 1;
        }
    }
    status
}

/// Makes a directory and those above it, as far as they are not there.
fn make_all(path: &[u8]) -> Result<()> {
    for (at, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
        make_if_missing(&path[..at])?;
    }
    make_if_missing(path)
}

fn make_if_missing(path: &[u8]) -> Result<()> {
    match file::make_directory(path, MODE) {
        Err(Errno::EXIST) if file::is_directory(path) => Ok(()),
        other => other,
    }
}
