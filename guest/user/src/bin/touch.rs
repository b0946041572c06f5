//! `touch [-c] FILE...`: makes files that are not there, and sets the times of the others to now.

#![no_std]
#![no_main]

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::sys::file::{self, File};
use guest_user::sys::{args, io};
use guest_user::{Errno, Result};
use linux_raw_sys::general::{O_CREAT, O_WRONLY};

guest_user::program!(main);

fn main() -> i32 {
    let options = Options::parse(args::args(), b"c", b"", Order::Anywhere);
    let Some(options) = options.filter(|options| !options.operands.is_empty()) else {
        return io::usage("touch [-c] FILE...");
    };
    let mut status = 0;
    for path in &options.operands {
        let touched = match file::touch(path) {
            Err(Errno::NOENT) if options.has(b'c') => Ok(()),
            Err(Errno::NOENT) => make(path),
            other => other,
        };
        if let Err(error) = touched {
            guest_user::complain!("cannot touch '{}': {error}", Bytes(path));
            status = 1;
        }
    }
    status
}

fn make(path: &[u8]) -> Result<()> {
    File::open_with(path, O_WRONLY | O_CREAT, 0o666).map(drop)
}
