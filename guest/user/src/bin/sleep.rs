//! `sleep TIME...`: waits for the sum of the times; seconds, with fractions, or `s`, `m`, `h`, `d`.

#![no_std]
#![no_main]

use core::time::Duration;

use guest_user::bytes::Bytes;
use guest_user::duration;
use guest_user::sys::{args, io, time};

guest_user::program!(main);

fn main() -> i32 {
    if args::args().len() == 0 {
        return io::usage("sleep TIME[s|m|h|d]...");
    }
    let mut total = Duration::ZERO;
    for word in args::args() {
        let Some(time) = duration::seconds(word) else {
            guest_user::complain!("invalid time {}", Bytes(word));
            return io::EXIT_USAGE;
        };
        total = total.saturating_add(time);
    }
    let end = time::monotonic().saturating_add(total);
    // To a moment, so that being stopped and continued makes it no longer.
    while time::sleep_until(end).is_err() && time::monotonic() < end {}
    0
}
