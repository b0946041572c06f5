//! `umount [-l] DIRECTORY...`: takes file systems away; those on disks are whole then. With `-l` one
//! that is in use goes out of the tree at once, and is whole when its last user is gone.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::complain;
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};
use linux_raw_sys::general as g;

guest_user::program!(main);

/// Exit status where it failed, as util-linux has it.
const EXIT_FAILED: i32 = 32;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"l", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| !options.operands.is_empty()) else {
        return io::usage("umount [-l] DIRECTORY...");
    };
    let flags = if options.has(b'l') { g::MNT_DETACH } else { 0 };
    let mut status = 0;
    for place in &options.operands {
        if let Err(error) = file::unmount_with(place, flags) {
            complain!("{}: {error}", Bytes(place));
            status = EXIT_FAILED;
        }
    }
    status
}
