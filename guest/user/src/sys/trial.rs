//! What the programs that test the kernel share: which tests are run, what is told of them, and the
//! kernel's audit after them; children that do something and are waited for, and figures of memory.
//! Whatever the kernel refuses these is a failure, and panics.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::mapping::PAGE_SIZE_BYTES;
use super::{file, io, process};
use crate::proc::table::Table;
use crate::status::Status;
use crate::{complain, println};

/// A test: its name and what fails by panicking.
pub type Case = (&'static str, fn());

/// Where the kernel's audit of its memory is.
pub const AUDIT: &[u8] = b"/proc/sys/vm/audit";

/// The tests that these names ask for: without any the `usual` ones. `special` ones run by name only.
///
/// # Errors
/// The exit status, where nothing is to be run: `-l` has listed the usual ones, or no test has such
/// a name, which is complained of.
pub fn chosen(
    names: &[&[u8]],
    usual: &[&'static [Case]],
    special: &[&'static [Case]],
) -> Result<Vec<Case>, i32> {
    let (usual, special) = (usual.concat(), special.concat());
    if names == [b"-l"] {
        usual.iter().for_each(|(name, _)| println!("{name}"));
        return Err(0);
    }
    let is_called = |case: &Case, name: &[u8]| case.0.as_bytes() == name;
    let is_known = |name: &[u8]| usual.iter().chain(&special).any(|case| is_called(case, name));
    if let Some(unknown) = names.iter().find(|name| !is_known(name)) {
        complain!("no test is called {}; -l lists them", unknown.escape_ascii());
        return Err(2);
    }
    let is_wanted = |case: &Case| names.iter().any(|name| is_called(case, name));
    let usual = usual.into_iter().filter(|case| names.is_empty() || is_wanted(case));
    Ok(usual.chain(special.into_iter().filter(is_wanted)).collect())
}

/// How tests have ended.
#[derive(Debug, Default)]
pub struct Tally {
    passed: u32,
    failed: u32,
}

impl Tally {
    /// Runs tests, and tells of each how it has ended: with the figures that `run` yields, if there
    /// are any, or with what went wrong.
    pub fn of(cases: &[Case], mut run: impl FnMut(&Case) -> Result<String, String>) -> Self {
        let mut tally = Self::default();
        for case in cases {
            let name = case.0;
            match run(case) {
                Ok(figures) => {
                    tally.passed += 1;
                    let colon = if figures.is_empty() { "" } else { ": " };
                    println!("ok {name}{colon}{figures}");
                }
                Err(what) => {
                    tally.failed += 1;
                    println!("FAILED {name}: {what}");
                }
            }
            let _ = io::flush();
        }
        tally
    }

    /// What is checked after all of them.
    pub fn in_the_end(mut self, outcome: Result<(), String>) -> Self {
        if let Err(what) = outcome {
            self.failed += 1;
            println!("FAILED in the end: {what}");
        }
        self
    }

    /// Tells how many have passed and failed; the exit status.
    pub fn exit_status(self) -> i32 {
        println!("{} passed, {} failed", self.passed, self.failed);
        i32::from(self.failed != 0)
    }
}

/// What the kernel's audit of its memory says, if it has found nothing wrong.
///
/// # Errors
/// In words, where it has, or where there is none.
pub fn audit() -> Result<Vec<u8>, String> {
    // What an orphan of a test holds is on its way out.
    process::give_way();
    let report = file::read_file(AUDIT).map_err(|error| format!("audit: {error}"))?;
    if report.starts_with(b"ok") {
        Ok(report)
    } else {
        Err(format!("audit: {}", report.escape_ascii()))
    }
}

/// A figure of /proc/meminfo, in pages.
pub fn meminfo(name: &str) -> usize {
    let text = file::read_file(b"/proc/meminfo").expect("meminfo");
    Table(&text).get(name).expect("a figure") as usize / (PAGE_SIZE_BYTES / 1024)
}

/// How a child ends that does this.
pub fn outcome(work: impl FnOnce()) -> Status {
    wait_for(start(work))
}

/// A child that does this and exits with 0.
pub fn start(work: impl FnOnce()) -> i32 {
    match process::fork().expect("fork") {
        Some(child) => child,
        None => {
            work();
            process::exit(0)
        }
    }
}

/// How the child ends.
pub fn wait_for(child: i32) -> Status {
    process::wait(child, 0).expect("wait4").expect("it blocks").1
}
