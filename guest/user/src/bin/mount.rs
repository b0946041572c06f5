//! `mount [-t TYPE SOURCE DIRECTORY]`: lists what is mounted, or mounts a file system.

#![no_std]
#![no_main]

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};
use guest_user::{complain, println};

guest_user::program!(main);

/// Exit status where mounting failed.
const EXIT_FAILED: i32 = 32;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"", b"t", Order::Anywhere);
    let Some(options) = options else { return io::usage("mount [-t TYPE SOURCE DIRECTORY]") };
    match (options.value(b't'), &options.operands[..]) {
        (None, []) => list(),
        (Some(kind), [source, place]) => match file::mount(source, place, kind, 0) {
            Ok(()) => 0,
            Err(error) => {
                complain!("{}: {error}", Bytes(place));
                EXIT_FAILED
            }
        },
        _ => io::usage("mount [-t TYPE SOURCE DIRECTORY]"),
    }
}

fn list() -> i32 {
    let text = match file::read_file(b"/proc/mounts") {
        Ok(text) => text,
        Err(error) => {
            complain!("/proc/mounts: {error}");
            return 1;
        }
    };
    for line in bytes::lines(&text) {
        let mut fields = bytes::fields(line).map(Bytes);
        if let (Some(source), Some(place), Some(kind), Some(options)) =
            (fields.next(), fields.next(), fields.next(), fields.next())
        {
            println!("{source} on {place} type {kind} ({options})");
        }
    }
    0
}
