//! `faults PID` and `faults COMMAND [ARGUMENT]...`: a line for each page fault of a process, and sums at
//! its end or at Ctrl-C. The status is that of the command.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::ffi::CString;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use guest_user::bytes::{self, Bytes};
use guest_user::proc::faults::{HEADINGS, Log};
use guest_user::proc::stat::ProcessStat;
use guest_user::sys::file::{self, File};
use guest_user::sys::signal::{self, Action};
use guest_user::sys::{args, io, process, time};
use guest_user::{Errno, Result, complain, print, println};
use linux_raw_sys::general as g;

guest_user::program!(main);

/// Time between two looks at the records.
const PAUSE: Duration = Duration::from_millis(10);
/// Exit status where a command cannot be started.
const EXIT_NOT_STARTED: i32 = 127;

fn main() -> i32 {
    let Some(first) = args::args().next() else {
        return io::usage("faults PID  or  faults COMMAND [ARGUMENT]...");
    };
    let _ = signal::set(g::SIGINT, Action::Catch);
    let pid = bytes::decimal(first).filter(|_| args::args().len() == 1);
    match pid.and_then(|pid| i32::try_from(pid).ok()) {
        Some(pid) => report(watch(pid)),
        None => command(),
    }
}

fn report(done: Result<()>) -> i32 {
    match done {
        Ok(()) => 0,
        Err(error) => {
            complain!("{error}");
            1
        }
    }
}

/// Switches the records of a process on (`1`) or off (`0`).
fn switch(path: &str, value: &[u8]) -> Result<()> {
    File::open_with(path.as_bytes(), g::O_WRONLY, 0)?.write_all(value)
}

/// Follows a process that runs already.
fn watch(pid: i32) -> Result<()> {
    let path = format!("/proc/{pid}/faults");
    switch(&path, b"1")?;
    follow(pid)?;
    // It may have ended.
    let _ = switch(&path, b"0");
    Ok(())
}

/// Starts a command and follows it from its first instruction on; its status.
fn command() -> i32 {
    match process::fork() {
        Err(error) => report(Err(error)),
        Ok(None) => {
            let _ = signal::set(g::SIGINT, Action::Default);
            start()
        }
        Ok(Some(child)) => {
            let followed = follow(child);
            match file::retry(|| process::wait(child, 0)) {
                Ok(Some((_, status))) => {
                    report(followed);
                    status.code()
                }
                _ => report(followed),
            }
        }
    }
}

fn start() -> i32 {
    let words: Vec<CString> = args::args().filter_map(|word| CString::new(word).ok()).collect();
    let environment: Vec<CString> = args::environment().map(CString::from).collect();
    if let Err(error) = switch("/proc/self/faults", b"1") {
        complain!("/proc/self/faults: {error}");
        return EXIT_NOT_STARTED;
    }
    let path = args::variable(b"PATH").unwrap_or(b"/bin");
    let error = process::exec_along(path, &words, &environment);
    complain!("{}: {error}", Bytes(args::args().next().unwrap_or_default()));
    EXIT_NOT_STARTED
}

/// Prints records until the process ends or Ctrl-C is typed, then the sums.
fn follow(pid: i32) -> Result<()> {
    let path = format!("/proc/{pid}/faults");
    let mut log = Log::default();
    println!("{HEADINGS}");
    loop {
        // In this order: a process that has ended has no more to record.
        let ended = has_ended(pid);
        match file::read_file(path.as_bytes()) {
            Ok(text) => print!("{}", log.update(&text)),
            Err(Errno::NOENT | Errno::SRCH) => break,
            Err(error) => return Err(error),
        }
        let _ = io::flush();
        if ended || signal::take(g::SIGINT) {
            break;
        }
        // A signal ends it early, and is looked at above.
        let _ = time::sleep(PAUSE);
    }
    let summary: String = log.summary();
    print!("{summary}");
    io::flush()
}

/// Whether a process is over; a zombie is.
fn has_ended(pid: i32) -> bool {
    let text = file::read_file(format!("/proc/{pid}/stat").as_bytes()).unwrap_or_default();
    ProcessStat::parse(&text).is_none_or(|stat| b"ZX".contains(&stat.state))
}
