//! `mount [-t TYPE [-o OPTIONS] SOURCE DIRECTORY]`: lists what is mounted, or mounts a file system.
//! Options are `ro`, `rw`, `nosuid`, `nodev`, `noexec`, `noatime`, with commas between them.

#![no_std]
#![no_main]

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};
use guest_user::{complain, println};
use linux_raw_sys::general as g;

guest_user::program!(main);

const USAGE: &str = "mount [-t TYPE [-o OPTIONS] SOURCE DIRECTORY]";
/// Exit status where mounting failed.
const EXIT_FAILED: i32 = 32;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"", b"to", Order::Anywhere);
    let Some(options) = options else { return io::usage(USAGE) };
    let Some(flags) = flags(options.value(b'o').unwrap_or_default()) else {
        return io::usage(USAGE);
    };
    match (options.value(b't'), &options.operands[..]) {
        (None, []) => list(),
        (Some(kind), [source, place]) => match file::mount(source, place, kind, flags) {
            Ok(()) => 0,
            Err(error) => {
                complain!("{}: {error}", Bytes(place));
                EXIT_FAILED
            }
        },
        _ => io::usage(USAGE),
    }
}

/// The flags that options stand for.
fn flags(options: &[u8]) -> Option<u32> {
    let flag = |name: &[u8]| match name {
        b"" | b"rw" | b"defaults" => Some(0),
        b"ro" => Some(g::MS_RDONLY),
        b"nosuid" => Some(g::MS_NOSUID),
        b"nodev" => Some(g::MS_NODEV),
        b"noexec" => Some(g::MS_NOEXEC),
        b"noatime" => Some(g::MS_NOATIME),
        _ => None,
    };
    options.split(|byte| *byte == b',').try_fold(0, |flags, name| Some(flags | flag(name)?))
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
