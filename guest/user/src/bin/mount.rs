//! `mount [-rB] [-t TYPE] [-o OPTIONS] [SOURCE] DIRECTORY`: lists what is mounted, or mounts a file
//! system (ext2 where no type is said), with `-B` or `--bind` a directory at another place, too;
//! with the option `remount` it changes options. Options are those of [`OPTIONS`], with commas
//! between them; what is not there the file system may know, such as `size=4m` of a tmpfs.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::sys::{args, file, io};
use guest_user::{complain, println};
use linux_raw_sys::general as g;

guest_user::program!(main);

const USAGE: &str = "mount [-rB] [-t TYPE] [-o OPTIONS] [SOURCE] DIRECTORY";
/// Exit status where mounting failed.
const EXIT_FAILED: i32 = 32;

/// Options that are flags: what they set and what they clear.
const OPTIONS: [(&[u8], u32, u32); 14] = [
    (b"defaults", 0, 0),
    (b"ro", g::MS_RDONLY, 0),
    (b"rw", 0, g::MS_RDONLY),
    (b"nosuid", g::MS_NOSUID, 0),
    (b"suid", 0, g::MS_NOSUID),
    (b"nodev", g::MS_NODEV, 0),
    (b"dev", 0, g::MS_NODEV),
    (b"noexec", g::MS_NOEXEC, 0),
    (b"exec", 0, g::MS_NOEXEC),
    (b"sync", g::MS_SYNCHRONOUS, 0),
    (b"noatime", g::MS_NOATIME, 0),
    (b"relatime", g::MS_RELATIME, 0),
    (b"remount", g::MS_REMOUNT, 0),
    (b"bind", g::MS_BIND, 0),
];

fn main() -> i32 {
    let arguments = args::args().map(|argument| match argument {
        b"--bind" => b"-B",
        other => other,
    });
    let options = Options::parse(arguments, b"rB", b"to", Order::Anywhere);
    let Some(options) = options else { return io::usage(USAGE) };
    let (mut flags, data) = sorted(options.value(b'o').unwrap_or_default());
    for (letter, flag) in [(b'r', g::MS_RDONLY), (b'B', g::MS_BIND)] {
        flags |= if options.has(letter) { flag } else { 0 };
    }
    let (source, place) = match &options.operands[..] {
        [] if options.value(b't').is_none() => return list(),
        [place] if flags & g::MS_REMOUNT != 0 => (*place, *place),
        [source, place] => (*source, *place),
        _ => return io::usage(USAGE),
    };
    let kind = options.value(b't').unwrap_or(b"ext2");
    match file::mount_with(source, place, kind, flags, &data) {
        Ok(()) => 0,
        Err(error) => {
            complain!("{}: {error}", Bytes(place));
            EXIT_FAILED
        }
    }
}

/// The flags that options stand for, and what is left for the file system.
fn sorted(options: &[u8]) -> (u32, Vec<u8>) {
    let (mut flags, mut data) = (0, Vec::new());
    for option in options.split(|byte| *byte == b',').filter(|option| !option.is_empty()) {
        if let Some((_, set, clear)) = OPTIONS.iter().find(|(name, ..)| *name == option) {
            flags = flags & !clear | set;
            continue;
        }
        if !data.is_empty() {
            data.push(b',');
        }
        data.extend_from_slice(option);
    }
    (flags, data)
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
