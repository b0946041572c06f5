//! `swapbench WHAT ...`: what swapping costs and what it brings, in figures: lines `figure NAME
//! NUMBER`. Time is the machine's, so that on an emulator whose time is counted instructions each
//! run has the same figures. The disk `/dev/vda` is the swap area.
//!
//! - `throughput PROCESSES CONTROL WARM_MS WINDOW_MS`: how many pages processes touch together, each
//!   of which needs 0.3 of RAM, with load control (1) or without (0).
//! - `replace WORKLOAD POLICY`: how many pages have to come back, by the policy of replacement.
//! - `record WORKLOAD PAGES`: the pages that such a workload touches, in their order, as bytes.
//! - `cost`: instructions for pages that leave and come back, at twice RAM. Runs on Linux, too.
//!
//! `throughput`, `replace` and `cost` do that; `workload` is what `replace` runs, `world` what all
//! share.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod cost;
mod replace;
mod throughput;
mod workload;
mod world;

use guest_user::sys::{args, io};
use guest_user::{Errno, Result, bytes, complain};

guest_user::program!(main);

const USAGE: &str = "swapbench throughput PROCESSES CONTROL WARM_MS WINDOW_MS | \
                     replace WORKLOAD POLICY | record WORKLOAD PAGES | cost";

fn main() -> i32 {
    match run() {
        Ok(()) => 0,
        Err(Errno::INVAL) => io::usage(USAGE),
        Err(error) => {
            complain!("{error}");
            1
        }
    }
}

/// Does what the arguments ask for.
///
/// # Errors
/// Of the kernel; `EINVAL` where the arguments make no sense.
fn run() -> Result<()> {
    let mut words = args::args();
    let mut word = || words.next().ok_or(Errno::INVAL);
    let number = |word: &[u8]| bytes::decimal(word).ok_or(Errno::INVAL);
    match word()? {
        b"throughput" => {
            let numbers = [word()?, word()?, word()?, word()?];
            let [processes, control, warm_ms, window_ms] = numbers.map(number);
            throughput::run(&throughput::Plan {
                processes: processes? as usize,
                control: control? != 0,
                warm_ms: warm_ms?,
                window_ms: window_ms?,
            })
        }
        b"replace" => replace::run(word()?, word()?),
        b"record" => replace::record(word()?, number(word()?)? as usize),
        b"cost" => cost::run(),
        _ => Err(Errno::INVAL),
    }
}
