//! `filetest [-l] [-k] [NAME...]`: tests of files on a disk: an ext2 file system on the first disk that
//! has one, mounted at `/files`. Each test runs in a process of its own and in a directory of its own;
//! after each, the kernel's audit of its memory must find nothing wrong. In the end the file system is
//! unmounted and mounted again, and has what it should. `-l` lists the tests, `-k` leaves their files
//! there. Some run by name only, and then alone: `churn` changes files, and tells which have survived,
//! for a disk whose power is cut meanwhile; `bad-block` and `errors` are for disks that fail.
//!
//! `world.rs` is what the tests share; the other files are the tests.

#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod churn;
mod content;
mod errors;
mod mapped;
mod names;
mod pressure;
mod world;

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest_user::status::Status;
use guest_user::sys::trial::{self, Case, Tally};
use guest_user::sys::{args, file, process};
use guest_user::{Errno, complain};

guest_user::program!(main);

const CASES: [&[Case]; 4] = [names::CASES, content::CASES, mapped::CASES, pressure::CASES];
/// Those that run by name only.
const BY_NAME: [&[Case]; 2] = [churn::CASES, errors::CASES];

/// Where the file system is.
const PLACE: &[u8] = b"/files";
/// Disks that it may be on.
const DISKS: [&[u8]; 3] = [b"/dev/vda", b"/dev/vdb", b"/dev/vdc"];
/// Written before all tests, and read when the file system was unmounted and mounted after them.
const KEPT: &[u8] = b"/files/kept";
const KEPT_BYTES: usize = 100_000;

fn main() -> i32 {
    let words: Vec<&[u8]> = args::args().collect();
    let keep = words.contains(&&b"-k"[..]);
    let names: Vec<&[u8]> = words.into_iter().filter(|word| *word != b"-k").collect();
    let cases = match trial::chosen(&names, &CASES, &BY_NAME) {
        Ok(cases) => cases,
        Err(status) => return status,
    };
    // It may be there from the last time.
    let _ = file::make_directory(PLACE, 0o755);
    if let Err(error) = mount() {
        complain!("no disk with a file system: {error}");
        return 2;
    }
    drop(world::write_file(KEPT, &world::bytes(77, KEPT_BYTES)));
    Tally::of(&cases, |case| run(case, keep)).in_the_end(come_back()).exit_status()
}

/// Mounts the first disk that has a file system.
fn mount() -> Result<(), Errno> {
    let mut outcome = Err(Errno::NODEV);
    for disk in DISKS {
        match file::mount(disk, PLACE, b"ext2", 0) {
            Ok(()) => return Ok(()),
            // There is none, or it has something else.
            Err(error) => outcome = outcome.map_err(|_| error),
        }
    }
    outcome
}

/// Runs a test in a child, in a directory of its own, and the audit after it.
fn run((name, test): &Case, keep: bool) -> Result<String, String> {
    let place = [PLACE, b"/", name.as_bytes()].concat();
    file::make_directory(&place, 0o755).map_err(|error| format!("mkdir: {error}"))?;
    let child = world::start(|| {
        process::set_group(0, 0).expect("a group of its own");
        file::change_directory(&place).expect("the directory is there");
        test();
    });
    let status = world::wait_for(child);
    // A test that has failed leaves its children behind.
    let _ = process::kill(-child, linux_raw_sys::general::SIGKILL);
    if status != Status::Exited(0) {
        return Err(format!("{status:?}"));
    }
    trial::audit()?;
    if !keep {
        world::remove_all(&place);
        trial::audit()?;
    }
    Ok(String::new())
}

/// What was written is there when the file system is mounted once more.
fn come_back() -> Result<(), String> {
    let told = |what: &'static str| move |error: Errno| format!("{what}: {error}");
    file::unmount(PLACE).map_err(told("umount"))?;
    if file::stat(KEPT).is_ok() {
        return Err("it is still there".into());
    }
    mount().map_err(told("mount"))?;
    let found = file::read_file(KEPT).map_err(told("read"))?;
    if found != world::bytes(77, KEPT_BYTES) {
        return Err("something else has come back".into());
    }
    file::unmount(PLACE).map_err(told("umount"))?;
    trial::audit().map(drop)
}
