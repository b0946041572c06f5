//! `ln [-sf] TARGET [NAME]`: gives a file a second name, with `-s` a symbolic link.

#![no_std]
#![no_main]

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};

guest_user::program!(main);

fn main() -> i32 {
    let options = Options::parse(args::args(), b"sf", b"", Order::Anywhere);
    let Some(options) = options else { return io::usage("ln [-sf] TARGET [NAME]") };
    let (target, name) = match options.operands[..] {
        [target] => (target, &b"."[..]),
        [target, name] => (target, name),
        _ => return io::usage("ln [-sf] TARGET [NAME]"),
    };
    let mut path = name.to_vec();
    if file::is_directory(name) {
        path = [name, b"/", bytes::file_name(target)].concat();
    }
    if options.has(b'f') {
        // That there was none is as good.
        let _ = file::unlink(&path);
    }
    let made = if options.has(b's') {
        file::symbolic_link(target, &path)
    } else {
        file::link(target, &path)
    };
    if let Err(error) = made {
        guest_user::complain!("failed to create link '{}': {error}", Bytes(&path));
        return 1;
    }
    0
}
