//! `umount DIRECTORY...`: takes file systems away; those on disks are whole then.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::complain;
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};

guest_user::program!(main);

/// Exit status where it failed, as util-linux has it.
const EXIT_FAILED: i32 = 32;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| !options.operands.is_empty()) else {
        return io::usage("umount DIRECTORY...");
    };
    let mut status = 0;
    for place in &options.operands {
        if let Err(error) = file::unmount(place) {
            complain!("{}: {error}", Bytes(place));
            status = EXIT_FAILED;
        }
    }
    status
}
