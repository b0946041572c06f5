//! `vmstat [SECONDS [COUNT]]`: what processes, memory, swap and processors do, since the start and
//! then every so many seconds; `vmstat -s` lists the counters.

#![no_std]
#![no_main]

use core::time::Duration;

use guest_user::options::{Options, Order};
use guest_user::proc::memory::{Activity, Memory, VMSTAT_HEADINGS};
use guest_user::sys::{args, file, io, time};
use guest_user::{Result, bytes, complain, print, println};

guest_user::program!(main);

const USAGE: &str = "vmstat [-s] [SECONDS [COUNT]]";
/// Lines after which the headings come again.
const HEADINGS_EVERY_LINES: u64 = 20;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"s", b"", Order::Anywhere);
    let Some(options) = options else { return io::usage(USAGE) };
    let mut numbers = [None; 2];
    for (index, word) in options.operands.iter().enumerate() {
        match (numbers.get_mut(index), bytes::decimal(word).filter(|number| *number > 0)) {
            (Some(number), Some(value)) => *number = Some(value),
            _ => return io::usage(USAGE),
        }
    }
    let done = if options.has(b's') { summary() } else { lines(numbers) };
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain!("/proc: {error}");
            1
        }
    }
}

fn now() -> Result<(Activity, Memory)> {
    let (stat, vmstat) = (file::read_file(b"/proc/stat")?, file::read_file(b"/proc/vmstat")?);
    Ok((Activity::parse(&stat, &vmstat), Memory::parse(&file::read_file(b"/proc/meminfo")?)))
}

fn summary() -> Result<()> {
    let (activity, memory) = now()?;
    print!("{}", activity.summary(&memory));
    Ok(())
}

/// The first line is about all the time since the start, each other one about the time since the
/// one before.
fn lines([seconds, count]: [Option<u64>; 2]) -> Result<()> {
    let count = count.unwrap_or(if seconds.is_some() { u64::MAX } else { 1 });
    let pause = seconds.unwrap_or(1);
    let mut before = Activity::default();
    let mut period = uptime_seconds()?;
    let mut next = time::monotonic();
    for line in 0..count {
        if line % HEADINGS_EVERY_LINES == 0 {
            print!("{VMSTAT_HEADINGS}");
        }
        let (activity, memory) = now()?;
        println!("{}", activity.line(&before, &memory, period));
        before = activity;
        period = pause;
        if line + 1 < count {
            let _ = io::flush();
            next += Duration::from_secs(pause);
            time::sleep_until(next)?;
        }
    }
    Ok(())
}

fn uptime_seconds() -> Result<u64> {
    // The fraction does not matter: `12.34` is 12 here.
    let text = file::read_file(b"/proc/uptime")?;
    let whole = bytes::split_once(&text, b'.').map_or(&text[..], |(whole, _)| whole);
    Ok(bytes::decimal(whole).unwrap_or(0))
}
