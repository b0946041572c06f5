//! Arguments and environment of the process.

use core::ffi::CStr;

use super::start;

/// The arguments after the program's name, in order.
#[derive(Clone, Debug)]
pub struct Args {
    next: usize,
}

/// The arguments after the program's name.
pub fn args() -> Args {
    Args { next: 1 }
}

impl Iterator for Args {
    type Item = &'static [u8];

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= start::argument_count() {
            return None;
        }
        self.next += 1;
        Some(start::argument(self.next - 1).to_bytes())
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = start::argument_count().saturating_sub(self.next);
        (left, Some(left))
    }
}

impl ExactSizeIterator for Args {}

/// The name that the program was started with, argv\[0\]; empty where there is none.
pub fn name() -> &'static [u8] {
    if start::argument_count() == 0 { b"" } else { start::argument(0).to_bytes() }
}

/// The entries of the environment that the process was started with, `NAME=VALUE`.
pub fn environment() -> impl Iterator<Item = &'static CStr> {
    (0..).map_while(start::environment)
}

/// The value of a variable of that environment.
pub fn variable(name: &[u8]) -> Option<&'static [u8]> {
    environment().find_map(|entry| entry.to_bytes().strip_prefix(name)?.strip_prefix(b"="))
}
