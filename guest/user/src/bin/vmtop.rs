//! `vmtop [-n COUNT] [-d SECONDS]`: the processes with what they have in memory and in swap, what
//! they need of it, and their page faults, again and again. On a terminal each table replaces the
//! last one; elsewhere one is printed, or as many as are asked for, one behind the other.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use guest_user::options::{Options, Order};
use guest_user::proc::memory::Memory;
use guest_user::proc::top::{self, Row};
use guest_user::sys::io::STDOUT;
use guest_user::sys::{args, file, io, pages, terminal, time};
use guest_user::{Result, bytes, complain, duration, print, println};

guest_user::program!(main);

const USAGE: &str = "vmtop [-n COUNT] [-d SECONDS]";
/// Between two tables where nobody says.
const PAUSE: Duration = Duration::from_secs(3);
/// Goes to the upper left and clears what is there.
///
/// Source: ECMA-48, "CUP - Cursor Position", "ED - Erase in Page".
const CLEAR: &str = "\x1b[H\x1b[J";

fn main() -> i32 {
    let options = Options::parse(args::args(), b"", b"nd", Order::Anywhere);
    let Some(options) = options.filter(|options| options.operands.is_empty()) else {
        return io::usage(USAGE);
    };
    let count = options.value(b'n').map(|text| bytes::decimal(text).filter(|count| *count > 0));
    let pause = options.value(b'd').map(duration::seconds);
    if count == Some(None) || pause == Some(None) {
        return io::usage(USAGE);
    }
    let is_terminal = terminal::is_terminal(STDOUT);
    let endless = if is_terminal { u64::MAX } else { 1 };
    let count = count.flatten().unwrap_or(endless);
    match show(count, pause.flatten().unwrap_or(PAUSE), if is_terminal { CLEAR } else { "" }) {
        Ok(()) => 0,
        Err(error) => {
            complain!("/proc: {error}");
            1
        }
    }
}

/// The processes now.
fn rows() -> Result<Vec<Row>> {
    let row = |pid: u64| {
        let file = |name| file::read_file(format!("/proc/{pid}/{name}").as_bytes()).ok();
        Row::parse(&file("stat")?, &file("status")?, file("ws").as_deref())
    };
    // One may have ended meanwhile.
    Ok(pages::processes()?.into_iter().filter_map(row).collect())
}

fn hundredths(time: Duration) -> u64 {
    (time.as_millis() / 10) as u64
}

/// The first table is about all the time since the start, each other one about the time since the
/// one before.
fn show(count: u64, pause: Duration, clear: &str) -> Result<()> {
    let (mut before, mut last) = (Vec::new(), Duration::ZERO);
    for number in 0..count {
        let (rows, now) = (rows()?, time::monotonic());
        let memory = Memory::parse(&file::read_file(b"/proc/meminfo")?);
        if number > 0 && clear.is_empty() {
            println!();
        }
        print!("{clear}{}", memory.table(10));
        print!("{}", top::table(&rows, &before, hundredths(now - last)));
        (before, last) = (rows, now);
        if number + 1 < count {
            io::flush()?;
            time::sleep(pause)?;
        }
    }
    Ok(())
}
