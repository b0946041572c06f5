//! `head [-n COUNT] [FILE...]`: the first lines of files.

#![no_std]
#![no_main]

use guest_user::bytes::{self, Bytes};
use guest_user::sys::file::{self, File};
use guest_user::sys::io::STDIN;
use guest_user::sys::{args, io};
use guest_user::{Result, complain, println};

guest_user::program!(main);

const USAGE: &str = "head [-n COUNT] [FILE...]";
const DEFAULT_LINES: u64 = 10;
const BUFFER_BYTES: usize = 2048;

fn main() -> i32 {
    let mut words = args::args();
    let mut files = words.clone();
    let mut count = Some(DEFAULT_LINES);
    match words.next() {
        Some(b"-n") => {
            count = words.next().and_then(bytes::decimal);
            files = words;
        }
        // `-n5` and the old `-5`.
        Some([b'-', digits @ ..]) if !digits.is_empty() => {
            count = bytes::decimal(digits.strip_prefix(b"n").unwrap_or(digits));
            files = words;
        }
        _ => {}
    }
    let Some(count) = count else { return io::usage(USAGE) };
    let several = files.len() > 1;
    if files.len() == 0 {
        return report(b"standard input", copy(STDIN, count));
    }
    let mut status = 0;
    for (index, path) in files.enumerate() {
        if several {
            let gap = if index == 0 { "" } else { "\n" };
            println!("{gap}==> {} <==", Bytes(path));
        }
        let copied = File::open(path).and_then(|file| copy(file.fd(), count));
        status = status.max(report(path, copied));
    }
    status
}

fn report(name: &[u8], done: Result<()>) -> i32 {
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain!("{}: {error}", Bytes(name));
            1
        }
    }
}

fn copy(fd: i32, mut lines: u64) -> Result<()> {
    let mut buffer = [0; BUFFER_BYTES];
    while lines > 0 {
        let length = file::retry(|| file::read(fd, &mut buffer))?;
        if length == 0 {
            break;
        }
        for line in buffer[..length].split_inclusive(|byte| *byte == b'\n') {
            if lines == 0 {
                break;
            }
            io::write(line);
            lines -= u64::from(line.ends_with(b"\n"));
        }
    }
    Ok(())
}
