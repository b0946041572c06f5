//! `maps PID`: the areas of a process's address space and how much of each is in memory, shared,
//! private and swapped, in KiB.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;

use guest_user::bytes::Bytes;
use guest_user::proc::maps;
use guest_user::sys::{args, file, io};
use guest_user::{complain, print};

guest_user::program!(main);

fn main() -> i32 {
    let mut words = args::args();
    let (Some(pid), None) = (words.next(), words.next()) else { return io::usage("maps PID") };
    let path = format!("/proc/{}/smaps", Bytes(pid));
    match file::read_file(path.as_bytes()) {
        Ok(text) => {
            print!("{}", maps::table(&maps::parse(&text)));
            0
        }
        Err(error) => {
            complain!("{path}: {error}");
            1
        }
    }
}
