//! `free [-bkmg]`: how much memory there is and how it is used.

#![no_std]
#![no_main]

use guest_user::options::{Options, Order};
use guest_user::proc::memory::Memory;
use guest_user::sys::{args, file, io};

guest_user::program!(main);

fn main() -> i32 {
    let options = Options::parse(args::args(), b"bkmg", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| options.operands.is_empty()) else {
        return io::usage("free [-bkmg]");
    };
    let shift = match options.last_of(b"bkmg") {
        Some(b'b') => 0,
        Some(b'm') => 20,
        Some(b'g') => 30,
        _ => 10,
    };
    match file::read_file(b"/proc/meminfo") {
        Ok(text) => {
            guest_user::print!("{}", Memory::parse(&text).table(shift));
            0
        }
        Err(error) => {
            guest_user::complain!("/proc/meminfo: {error}");
            1
        }
    }
}
