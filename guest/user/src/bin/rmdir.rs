//! `rmdir DIRECTORY...`: takes empty directories away.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::sys::{args, file, io};

guest_user::program!(main);

fn main() -> i32 {
    if args::args().len() == 0 {
        return io::usage("rmdir DIRECTORY...");
    }
    let mut status = 0;
    for path in args::args() {
        if let Err(error) = file::remove_directory(path) {
            guest_user::complain!("failed to remove '{}': {error}", Bytes(path));
            status = 1;
        }
    }
    status
}
