//! `cat [FILE...]`: copies files to standard output; `-` and no name are standard input.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::sys::args;
use guest_user::sys::file::{self, File};
use guest_user::sys::io::{STDIN, STDOUT};
use guest_user::{Result, complain};

guest_user::program!(main);

const BUFFER_BYTES: usize = 8192;

fn main() -> i32 {
    if args::args().len() == 0 {
        return copy_named(b"-");
    }
    args::args().map(copy_named).fold(0, i32::max)
}

fn copy_named(name: &[u8]) -> i32 {
    let copied =
        if name == b"-" { copy(STDIN) } else { File::open(name).and_then(|file| copy(file.fd())) };
    match copied {
        Ok(()) => 0,
        Err(error) => {
            complain!("{}: {error}", Bytes(name));
            1
        }
    }
}

fn copy(from: i32) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    loop {
        match file::retry(|| file::read(from, &mut buffer))? {
            0 => return Ok(()),
            count => file::write_all(STDOUT, &buffer[..count])?,
        }
    }
}
