//! `oscost [-l] [NAME...]`: what the kernel's services cost, in instructions that the hart retires in
//! user mode and in the kernel together. Each row is `row NAME MINIMUM MEDIAN`, of many repetitions;
//! `-l` lists the rows with what one operation of each is. Runs on Linux, too, for comparison: give
//! the machine one hart, and programs the counter (`sysctl kernel.perf_user_access=2`).
//!
//! `meter` counts; `tasks`, `memory`, `signals`, `channels`, `queues`, `files` and `disk` are the rows
//! by subject. The last are left out where no disk has an ext2 file system.

#![no_std]
#![no_main]

extern crate alloc;

mod channels;
mod disk;
mod files;
mod memory;
mod meter;
mod queues;
mod signals;
mod tasks;

use alloc::vec::Vec;

use guest_user::sys::{args, io, process};
use guest_user::{Result, complain, println};

use meter::Meter;

guest_user::program!(main);

/// A row: its name, what one operation is, and what does it.
type Row = (&'static str, &'static str, fn(&mut Meter) -> Result<()>);

const ROWS: [&[Row]; 7] = [
    tasks::ROWS,
    memory::ROWS,
    signals::ROWS,
    channels::ROWS,
    queues::ROWS,
    files::ROWS,
    disk::ROWS,
];

/// The argument with which this program is started by itself, to end at once.
const END_AT_ONCE: &[u8] = b"--end-at-once";

fn main() -> i32 {
    let names: Vec<&[u8]> = args::args().collect();
    let all = || ROWS.iter().copied().flatten();
    match names[..] {
        [END_AT_ONCE] => return 0,
        [b"-l"] => {
            all().for_each(|(name, meaning, _)| println!("{name:18} {meaning}"));
            return 0;
        }
        _ => {}
    }
    let is_known = |wanted: &[u8]| all().any(|(name, ..)| name.as_bytes() == wanted);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        complain!("no row is called {}; -l lists them", unknown.escape_ascii());
        return 2;
    }
    let mut meter = match Meter::new() {
        Ok(meter) => meter,
        Err(error) => {
            complain!("no counter can be read: {error}");
            return 1;
        }
    };
    // The counter is the hart's own: who moves to another hart reads another one.
    if process::set_harts(1).is_err() {
        println!("note this process cannot be kept on one hart");
    }
    println!("note counted with {}", meter.clock());
    let mut status = 0;
    let has_disk = disk::Mounted::find().is_some();
    let is_possible = |name: &str| has_disk || disk::ROWS.iter().all(|(row, ..)| *row != name);
    if !has_disk {
        println!("note no disk has an ext2 file system: its rows are left out");
    }
    let wanted = all().filter(|(name, ..)| match names[..] {
        [] => is_possible(name),
        _ => names.contains(&name.as_bytes()),
    });
    for (name, _, work) in wanted {
        match work(&mut meter).and_then(|()| meter.take()) {
            Ok((minimum, median)) => println!("row {name} {minimum} {median}"),
            Err(error) => {
                println!("row {name} failed: {error}");
                status = 1;
            }
        }
        // Nothing is on its way while others are counted.
        let _ = io::flush();
    }
    status
}
