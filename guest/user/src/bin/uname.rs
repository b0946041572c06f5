//! `uname [-asnrvm]`: names of the kernel and the machine.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use guest_user::options::{Options, Order};
use guest_user::sys::{args, io, system};

guest_user::program!(main);

fn main() -> i32 {
    let options = Options::parse(args::args(), b"asnrvm", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| options.operands.is_empty()) else {
        return io::usage("uname [-asnrvm]");
    };
    let names = match system::names() {
        Ok(names) => names,
        Err(error) => {
            guest_user::complain!("{error}");
            return 1;
        }
    };
    let all = [
        (b's', &names.sysname),
        (b'n', &names.nodename),
        (b'r', &names.release),
        (b'v', &names.version),
        (b'm', &names.machine),
    ];
    let none = options.last_of(b"asnrvm").is_none();
    let asked = |letter| options.has(b'a') || options.has(letter) || none && letter == b's';
    let asked: Vec<Vec<u8>> = all
        .iter()
        .filter(|(letter, _)| asked(*letter))
        .map(|(_, name)| name.iter().map(|byte| *byte as u8).take_while(|b| *b != 0).collect())
        .collect();
    io::write(&asked.join(&b' '));
    io::write(b"\n");
    0
}
