//! `swapon [-s]`, `swapon [-p PRIORITY] -a`, `swapon [-p PRIORITY] DEVICE...`: lists the swap areas
//! that are on, switches on every disk that has the header of one, or those that are named.

#![no_std]
#![no_main]

extern crate alloc;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::sys::swap::{self, PRIORITY_MAX};
use guest_user::sys::{args, file, io};
use guest_user::{Errno, complain};

guest_user::program!(main);

const USAGE: &str = "swapon [-s] [-p PRIORITY] [-a | DEVICE...]";
/// Exit status where a disk could not be switched on.
const EXIT_FAILED: i32 = 255;

fn main() -> i32 {
    let Some(options) = Options::parse(args::args(), b"as", b"p", Order::Anywhere) else {
        return io::usage(USAGE);
    };
    let is_priority = |number: &u16| *number <= PRIORITY_MAX;
    let number = |text| bytes::decimal(text).and_then(|number| u16::try_from(number).ok());
    let priority = options.value(b'p').map(|text| number(text).filter(is_priority));
    let (all, paths) = (options.has(b'a'), &options.operands);
    if priority == Some(None) || all && !paths.is_empty() {
        return io::usage(USAGE);
    }
    let priority = priority.flatten();
    if options.has(b's') || !all && paths.is_empty() {
        return list();
    }
    if all {
        return switch_on_all(priority);
    }
    let mut status = 0;
    for path in paths {
        if let Err(error) = switch_on(path, priority) {
            complain!("{}: {error}", Bytes(path));
            status = EXIT_FAILED;
        }
    }
    status
}

fn list() -> i32 {
    match file::read_file(b"/proc/swaps") {
        Ok(text) => {
            io::write(&text);
            0
        }
        Err(error) => {
            complain!("/proc/swaps: {error}");
            1
        }
    }
}

/// What did not work.
enum Failure {
    Header(Option<Errno>),
    Call(Errno),
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Header(None) => f.write_str("read swap header failed"),
            Self::Header(Some(error)) => write!(f, "read swap header failed: {error}"),
            Self::Call(error) => write!(f, "swapon failed: {error}"),
        }
    }
}

fn switch_on(path: &[u8], priority: Option<u16>) -> Result<(), Failure> {
    match swap::has_header(path) {
        Ok(true) => swap::switch_on(path, priority).map_err(Failure::Call),
        Ok(false) => Err(Failure::Header(None)),
        Err(error) => Err(Failure::Header(Some(error))),
    }
}

/// Switches on what is not on yet.
fn switch_on_all(priority: Option<u16>) -> i32 {
    let disks = match swap::disks() {
        Ok(disks) => disks,
        Err(error) => {
            complain!("/dev: {error}");
            return EXIT_FAILED;
        }
    };
    let mut status = 0;
    for path in disks {
        match swap::switch_on(&path, priority) {
            Ok(()) | Err(Errno::BUSY) => {}
            Err(error) => {
                complain!("{}: {}", Bytes(&path), Failure::Call(error));
                status = EXIT_FAILED;
            }
        }
    }
    status
}
