//! `swapoff -a`, `swapoff DEVICE...`: brings home what is in swap areas, and does not use them any
//! more.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::vec::Vec;

use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::proc::swaps;
use guest_user::sys::{args, file, io, swap};
use guest_user::{Errno, complain};

guest_user::program!(main);

const USAGE: &str = "swapoff -a | DEVICE...";

// Exit statuses, as util-linux has them: "swapoff(8)", section "Exit status".
/// There is too little RAM for what is in the area.
const EXIT_NO_MEMORY: i32 = 2;
/// The call failed for another reason.
const EXIT_FAILED: i32 = 4;
/// Wrong usage.
const EXIT_USAGE: i32 = 16;
/// With `-a`: none could be switched off.
const EXIT_ALL_FAILED: i32 = 32;
/// With `-a`: some could be.
const EXIT_SOME_FAILED: i32 = 64;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"a", b"", Order::Anywhere);
    let options = options.filter(|options| options.has(b'a') == options.operands.is_empty());
    let Some(options) = options else {
        io::usage(USAGE);
        return EXIT_USAGE;
    };
    if !options.has(b'a') {
        let ends = options.operands.iter().map(|path| switch_off(path));
        // The first failure counts, and the others are tried.
        return ends.fold(0, |status, end| if status == 0 { end } else { status });
    }
    let text = file::read_file(b"/proc/swaps").unwrap_or_default();
    let ends: Vec<i32> = swaps::parse(&text).iter().map(|area| switch_off(area.path)).collect();
    let failed = ends.iter().filter(|end| **end != 0).count();
    match failed {
        0 => 0,
        failed if failed == ends.len() => EXIT_ALL_FAILED,
        _ => EXIT_SOME_FAILED,
    }
}

/// Switches one off; the exit status for that.
fn switch_off(path: &[u8]) -> i32 {
    match swap::switch_off(path) {
        Ok(()) => 0,
        Err(error) => {
            complain!("{}: swapoff failed: {error}", Bytes(path));
            if error == Errno::NOMEM { EXIT_NO_MEMORY } else { EXIT_FAILED }
        }
    }
}
