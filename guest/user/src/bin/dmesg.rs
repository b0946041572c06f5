//! `dmesg`: prints the messages of the kernel.

#![no_std]
#![no_main]

extern crate alloc;

use guest_user::bytes;
use guest_user::sys::{io, system};

guest_user::program!(main);

/// As much as is shown: the last of a kernel's buffer that may be larger.
const BUFFER_BYTES: usize = 128 << 10;

fn main() -> i32 {
    let mut buffer = alloc::vec![0; BUFFER_BYTES];
    match system::messages(&mut buffer) {
        Ok(length) => {
            for line in bytes::lines(&buffer[..length]) {
                // The level, `<6>`, is for programs.
                let text = line.strip_prefix(b"<").and_then(|rest| bytes::split_once(rest, b'>'));
                io::write(text.map_or(line, |(_, text)| text));
                io::write(b"\n");
            }
            0
        }
        Err(error) => {
            guest_user::complain!("{error}");
            1
        }
    }
}
