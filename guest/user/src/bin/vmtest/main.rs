//! `vmtest [-l] [NAME...]`: small tests of the kernel from where it matters, the user's side of
//! the system-call door: demand paging, mappings, copy-on-write, isolation, processes, threads,
//! signals, queues and segments. Each test runs in a process of its own; after each, the kernel's audit of its memory
//! (`/proc/sys/vm/audit`) must find nothing wrong. `-l` lists them. Runs on Linux, too, which has
//! no audit.
//!
//! `world.rs` makes bare system calls and touches bare addresses; the other files are the tests.

#![no_std]
#![no_main]

extern crate alloc;

mod cow;
mod ipc;
mod isolation;
mod mappings;
mod pages;
mod pointers;
mod promises;
mod shm;
mod signals;
mod system;
mod tasks;
mod threads;
mod timers;
mod world;

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::{args, file, io, process};
use guest_user::{complain, println};

guest_user::program!(main);

/// A test: its name and what fails by panicking.
type Case = (&'static str, fn());

const CASES: [&[Case]; 13] = [
    pages::CASES,
    promises::CASES,
    mappings::CASES,
    cow::CASES,
    isolation::CASES,
    pointers::CASES,
    system::CASES,
    tasks::CASES,
    threads::CASES,
    signals::CASES,
    timers::CASES,
    ipc::CASES,
    shm::CASES,
];

fn main() -> i32 {
    let names: alloc::vec::Vec<&[u8]> = args::args().collect();
    let all = || CASES.iter().copied().flatten();
    if names == [b"-l"] {
        all().for_each(|(name, _)| println!("{name}"));
        return 0;
    }
    let is_known = |wanted: &[u8]| all().any(|(name, _)| name.as_bytes() == wanted);
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        complain!("no test is called {}; -l lists them", unknown.escape_ascii());
        return 2;
    }
    let (mut passed, mut failed) = (0, 0);
    for (name, test) in
        all().filter(|(name, _)| names.is_empty() || names.contains(&name.as_bytes()))
    {
        match run(test) {
            Ok(()) => {
                passed += 1;
                println!("ok {name}");
            }
            Err(what) => {
                failed += 1;
                println!("FAILED {name}: {what}");
            }
        }
        let _ = io::flush();
    }
    println!("{passed} passed, {failed} failed");
    i32::from(failed != 0)
}

/// Runs a test in a child, and the audit after it; what went wrong.
fn run(test: &fn()) -> Result<(), alloc::string::String> {
    use alloc::format;
    let status = world::outcome(test);
    if status != Status::Exited(0) {
        return Err(format!("{status:?}"));
    }
    // What an orphan of the test holds is on its way out.
    process::give_way();
    match file::read_file(b"/proc/sys/vm/audit") {
        Ok(report) if !report.starts_with(b"ok") => {
            Err(format!("audit: {}", report.escape_ascii()))
        }
        Ok(_) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(format!("audit: {error}")),
    }
}
