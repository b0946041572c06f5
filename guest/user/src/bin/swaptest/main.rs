//! `swaptest [-l] [NAME...]`: tests of memory that does not fit into RAM: programs larger than RAM,
//! crowds of them, shared memory and files that are swapped, swapping switched off while programs
//! run, and what happens where even swap is full. Each test runs in a process of its own, with the
//! disk `/dev/vda` as swap area; after each, the kernel's audit of its memory must find nothing
//! wrong. `-l` lists them. Those for disks that fail now and then only run by name: `errors` whatever
//! fails, `write-errors` where only writing does, `read-errors` and `file-errors` where only reading
//! does, often.
//!
//! `world.rs` is what the tests share: memory with a pattern, children; the other files are the
//! tests.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod ends;
mod errors;
mod large;
mod many;
mod shared;
mod world;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest_user::complain;
use guest_user::proc::table::Table;
use guest_user::status::Status;
use guest_user::sys::trial::{self, Case, Tally};
use guest_user::sys::{args, file, process, swap};
use linux_raw_sys::general as g;

guest_user::program!(main);

const CASES: [&[Case]; 4] = [large::CASES, many::CASES, shared::CASES, ends::CASES];
/// Those that run by name only.
const BY_NAME: &[Case] = errors::CASES;

/// The swap area.
const DISK: &[u8] = b"/dev/vda";

fn main() -> i32 {
    let names: Vec<&[u8]> = args::args().collect();
    if let [b"verify", seed] = names[..] {
        return world::verify_as_program(seed);
    }
    let cases = match trial::chosen(&names, &CASES, &[BY_NAME]) {
        Ok(cases) => cases,
        Err(status) => return status,
    };
    if let Err(error) = swap::switch_on(DISK, None).and_then(|()| process::lock_memory()) {
        complain!("{}: {error}", DISK.escape_ascii());
        return 2;
    }
    Tally::of(&cases, run).in_the_end(leave_nothing()).exit_status()
}

/// Runs a test in a child, and the audit after it; what it has swapped, or what went wrong.
fn run((_, test): &Case) -> Result<String, String> {
    let before = moved();
    let child = world::start(|| {
        process::set_group(0, 0).expect("a group of its own");
        // Where somebody has to end, it is one of the test.
        world::adjust_oom_score(b"500");
        test();
    });
    let status = world::wait_for(child);
    // A test that has failed leaves its children behind, and perhaps no swap area.
    let _ = process::kill(-child, g::SIGKILL);
    if status != Status::Exited(0) {
        let _ = swap::switch_on(DISK, None);
        return Err(format!("{status:?}"));
    }
    trial::audit()?;
    let after = moved();
    Ok(format!("{} pages out, {} in", after[0] - before[0], after[1] - before[1]))
}

/// Pages that have left and come back up to now.
fn moved() -> [u64; 2] {
    let text = file::read_file(b"/proc/vmstat").unwrap_or_default();
    ["pswpout", "pswpin"].map(|name| Table(&text).number(name))
}

/// Everything that tests have swapped has come back: no area is needed, and none is used.
fn leave_nothing() -> Result<(), String> {
    swap::switch_off(DISK).map_err(|error| format!("swapoff: {error}"))?;
    let swaps = file::read_file(b"/proc/swaps").unwrap_or_default();
    if swaps.iter().filter(|byte| **byte == b'\n').count() != 1 {
        return Err(format!("swaps: {}", swaps.escape_ascii()));
    }
    let report = trial::audit()?;
    match Table(&report).get("slots") {
        Some(0) => Ok(()),
        slots => Err(format!("slots in use: {slots:?}")),
    }
}
