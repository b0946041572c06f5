//! Checks of the test programs: counts them by section, prints those that fail, and ends the
//! machine with the result as exit code.

use core::fmt;

use crate::{exit, println};

/// Highest exit code that names a failed check.
const MAX_CODE: u32 = 253;

/// The running account.
#[derive(Debug)]
pub struct Checks {
    title: &'static str,
    section: Option<&'static str>,
    in_section: u32,
    total: u32,
    failed: u32,
    /// Number of the first check that failed.
    first: Option<u32>,
}

impl Checks {
    /// An empty account for the program called `title`.
    pub fn new(title: &'static str) -> Self {
        println!("{title}");
        Self { title, section: None, in_section: 0, total: 0, failed: 0, first: None }
    }

    /// Begins a section, and prints how many checks the last one had.
    pub fn section(&mut self, name: &'static str) {
        if let Some(ended) = self.section.replace(name) {
            println!("  {ended}: {}", self.in_section);
        }
        self.in_section = 0;
    }

    /// Counts a check; it passes where `got` is `want`.
    pub fn equal<T: PartialEq + fmt::Debug>(&mut self, case: impl fmt::Display, got: T, want: T) {
        self.that(got == want, format_args!("{case}: got {got:x?}, want {want:x?}"));
    }

    /// Counts a check; it passes where `holds`.
    pub fn that(&mut self, holds: bool, case: impl fmt::Display) {
        self.total += 1;
        self.in_section += 1;
        if !holds {
            let section = self.section.unwrap_or_default();
            println!("  FAILED {} {section}: {case}", self.total);
            self.failed += 1;
            self.first.get_or_insert(self.total);
        }
    }

    /// Says that something is not there to be checked.
    pub fn skip(&mut self, what: impl fmt::Display) {
        println!("  not here: {what}");
    }

    /// Ends the machine: exit code 0, or the number of the first check that failed.
    pub fn finish(self) -> ! {
        exit(self.conclude())
    }

    /// Prints the result; yields what the machine is to end with.
    pub fn conclude(mut self) -> u16 {
        self.section("");
        match self.first {
            None => {
                println!("{}: {} checks passed", self.title, self.total);
                0
            }
            Some(first) => {
                println!("{}: {} of {} checks failed", self.title, self.failed, self.total);
                first.min(MAX_CODE) as u16
            }
        }
    }
}
