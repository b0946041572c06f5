//! Standard output and standard error. Output is collected and written when the buffer is full, at
//! a line's end where it goes to a terminal, before `fork` and `exec`, and at the exit; standard
//! error is written piece by piece. [`print!`](crate::print!) and its kin write text, [`write()`]
//! any bytes.

use core::fmt::{self, Write as _};

use spin::Mutex;

use super::file;
use crate::errno::{Errno, Result};
use crate::sys::terminal;

/// File descriptor of standard input.
pub const STDIN: i32 = 0;
/// File descriptor of standard output.
pub const STDOUT: i32 = 1;
/// File descriptor of standard error.
pub const STDERR: i32 = 2;

/// Exit status of wrong usage.
pub const EXIT_USAGE: i32 = 1;

const BUFFER_BYTES: usize = 2048;

static OUTPUT: Mutex<Output> = Mutex::new(Output {
    buffer: [0; BUFFER_BYTES],
    used: 0,
    destination: Destination::Unknown,
    failure: None,
});

struct Output {
    buffer: [u8; BUFFER_BYTES],
    used: usize,
    destination: Destination,
    /// The first error of a write.
    failure: Option<Errno>,
}

/// Where standard output goes.
// The first value is zero, so that the whole buffer is, and takes no room in the program's file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Destination {
    /// Nobody asked yet.
    Unknown,
    Terminal,
    /// Anything else.
    File,
}

impl Output {
    fn put(&mut self, bytes: &[u8]) {
        if self.destination == Destination::Unknown {
            let terminal = terminal::is_terminal(STDOUT);
            self.destination = if terminal { Destination::Terminal } else { Destination::File };
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            if self.used == BUFFER_BYTES {
                self.flush();
            }
            let (now, later) = rest.split_at(rest.len().min(BUFFER_BYTES - self.used));
            self.buffer[self.used..][..now.len()].copy_from_slice(now);
            self.used += now.len();
            rest = later;
        }
        if self.destination == Destination::Terminal && bytes.contains(&b'\n') {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let written = file::write_all(STDOUT, &self.buffer[..self.used]);
        self.used = 0;
        if let Err(error) = written {
            self.failure.get_or_insert(error);
        }
    }
}

impl fmt::Write for Output {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.put(text.as_bytes());
        Ok(())
    }
}

/// Writes bytes to standard output.
pub fn write(bytes: &[u8]) {
    OUTPUT.lock().put(bytes);
}

/// Writes out what is collected.
///
/// # Errors
/// The first error of all writes so far, once.
pub fn flush() -> Result<()> {
    let mut output = OUTPUT.lock();
    if output.used > 0 {
        output.flush();
    }
    output.failure.take().map_or(Ok(()), Err)
}

/// Forgets what is collected, and where it was going: standard output is another file now, or the
/// process is a child that must not repeat its parent's words.
pub fn forget() {
    let mut output = OUTPUT.lock();
    output.used = 0;
    output.destination = Destination::Unknown;
}

#[doc(hidden)]
pub fn print(arguments: fmt::Arguments<'_>) {
    // The buffer accepts everything; errors are kept for `flush`.
    let _ = OUTPUT.lock().write_fmt(arguments);
}

/// Pieces of a message to standard error, collected into one write where they are short.
struct Message {
    buffer: [u8; 256],
    used: usize,
}

impl Message {
    fn flush(&mut self) {
        // There is nowhere to complain to.
        let _ = file::write_all(STDERR, &self.buffer[..self.used]);
        self.used = 0;
    }
}

impl fmt::Write for Message {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            if self.used == self.buffer.len() {
                self.flush();
            }
            self.buffer[self.used] = byte;
            self.used += 1;
        }
        Ok(())
    }
}

#[doc(hidden)]
pub fn eprint(arguments: fmt::Arguments<'_>) {
    let mut message = Message { buffer: [0; 256], used: 0 };
    let _ = message.write_fmt(arguments);
    message.flush();
}

/// Prints to standard output.
#[macro_export]
macro_rules! print {
    ($($argument:tt)*) => { $crate::sys::io::print(::core::format_args!($($argument)*)) };
}

/// Prints a line to standard output.
#[macro_export]
macro_rules! println {
    () => { $crate::print!("\n") };
    ($format:literal $($argument:tt)*) => {
        $crate::print!("{}\n", ::core::format_args!($format $($argument)*))
    };
}

/// Prints to standard error.
#[macro_export]
macro_rules! eprint {
    ($($argument:tt)*) => { $crate::sys::io::eprint(::core::format_args!($($argument)*)) };
}

/// Prints a line to standard error.
#[macro_export]
macro_rules! eprintln {
    () => { $crate::eprint!("\n") };
    ($format:literal $($argument:tt)*) => {
        $crate::eprint!("{}\n", ::core::format_args!($format $($argument)*))
    };
}

/// Prints a line to standard error behind the program's name: `ls: ...`.
#[macro_export]
macro_rules! complain {
    ($format:literal $($argument:tt)*) => {
        $crate::eprint!(
            "{}: {}\n",
            $crate::bytes::Bytes($crate::bytes::file_name($crate::sys::args::name())),
            ::core::format_args!($format $($argument)*)
        )
    };
}

/// Prints how a program is used to standard error; the exit status for that.
pub fn usage(text: &str) -> i32 {
    crate::eprintln!("usage: {text}");
    EXIT_USAGE
}
