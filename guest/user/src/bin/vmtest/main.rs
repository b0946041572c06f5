//! `vmtest [-l] [NAME...]`: small tests of the kernel from where it matters, the user's side of
//! the system-call door: demand paging, mappings, copy-on-write, isolation, processes, threads,
//! signals, queues and segments. Each test runs in a process of its own; after each, the kernel's
//! audit of its memory (`/proc/sys/vm/audit`) must find nothing wrong. `-l` lists them. Runs on Linux,
//! too, which has no audit.
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

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::trial::{self, AUDIT, Case, Tally};
use guest_user::sys::{args, file};

guest_user::program!(main);

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
    let names: Vec<&[u8]> = args::args().collect();
    match trial::chosen(&names, &CASES, &[]) {
        Ok(cases) => Tally::of(&cases, run).exit_status(),
        Err(status) => status,
    }
}

/// Runs a test in a child, and the audit after it, which Linux has none of; what went wrong.
fn run((_, test): &Case) -> Result<String, String> {
    let status = trial::outcome(test);
    if status != Status::Exited(0) {
        return Err(format!("{status:?}"));
    }
    if file::stat(AUDIT).err() != Some(Errno::NOENT) {
        trial::audit()?;
    }
    Ok(String::new())
}
