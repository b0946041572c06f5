//! `mv FROM... TO`: renames files, or moves them into a directory of the same file system.

#![no_std]
#![no_main]

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};

guest_user::program!(main);

fn main() -> i32 {
    const USAGE: &str = "mv FROM... TO";
    let options = Options::parse(args::args(), b"f", b"", Order::Anywhere);
    let Some(options) = options else { return io::usage(USAGE) };
    let Some((to, sources @ [_, ..])) = options.operands.split_last() else {
        return io::usage(USAGE);
    };
    let into = file::is_directory(to);
    if sources.len() > 1 && !into {
        guest_user::complain!("target '{}' is not a directory", Bytes(to));
        return 1;
    }
    let mut status = 0;
    for from in sources {
        let moved = if into {
            file::rename(from, &[to, &b"/"[..], bytes::file_name(from)].concat())
        } else {
            file::rename(from, to)
        };
        if let Err(error) = moved {
            guest_user::complain!("cannot move '{}' to '{}': {error}", Bytes(from), Bytes(to));
            status = 1;
        }
    }
    status
}
