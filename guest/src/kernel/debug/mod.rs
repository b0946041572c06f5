//! The kernel's log, its panic screen with symbols.
//!
//! `klog!(Level::Info, "…")` adds a line; /dev/kmsg and syslog(2) read with [`read_log`]. Whatever
//! cannot go on ends in `panic.rs`.

mod panic;

use core::fmt::Write;
use core::sync::atomic::{AtomicU8, Ordering};

use guest::log::{Line, LogRing, Record};

use crate::dev;
use crate::sync::{SpinLock, WaitQueue};
use crate::time;

pub(crate) use panic::{
    is_panicking, kernel_exception, kernel_stack_overflow, set_symbols, stop_hart,
};

/// How urgent a line is, as syslog counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// Something failed.
    Error = 3,
    /// Something may fail.
    Warning = 4,
    /// Worth knowing.
    Notice = 5,
    /// What happens.
    Info = 6,
    /// For whoever looks for a mistake.
    Debug = 7,
}

/// Memory for the last lines.
const LOG_BYTES: usize = 16 << 10;

static LOG: SpinLock<LogRing<LOG_BYTES>> = SpinLock::new(LogRing::new());
/// Readers that wait for the next line.
static READERS: WaitQueue = WaitQueue::new();
/// Lines below this reach the console.
static CONSOLE_LEVEL: AtomicU8 = AtomicU8::new(7);

/// Adds a line to the log and, below the console's level, prints it: use
/// `klog!(Level::Info, "…")`.
pub(crate) fn log(level: Level, line: core::fmt::Arguments<'_>) {
    let mut text = Line::new();
    // A line takes everything.
    let _ = text.write_fmt(line);
    let now = time::now();
    LOG.lock().push(level as u8, now.0, &text);
    if (level as u8) < CONSOLE_LEVEL.load(Ordering::Relaxed) {
        let mut stamped = Line::new();
        let _ = write_stamp(&mut stamped, now.0);
        dev::console_write(stamped.as_bytes());
        dev::console_write(text.as_bytes());
        dev::console_write(b"\r\n");
    }
    READERS.wake_all();
}

/// The time of a line, as Linux prints it.
fn write_stamp(to: &mut impl Write, ns: u64) -> core::fmt::Result {
    let micros = ns / 1000;
    write!(to, "[{:5}.{:06}] ", micros / 1_000_000, micros % 1_000_000)
}

/// Adds a line to the kernel's log: a level, then what `format!` takes.
macro_rules! klog {
    ($level:expr, $($argument:tt)+) => {
        $crate::debug::log($level, ::core::format_args!($($argument)+))
    };
}
pub(crate) use klog;

/// Lines below this level reach the console.
pub(crate) fn set_console_level(level: u8) {
    CONSOLE_LEVEL.store(level, Ordering::Relaxed);
}

/// The first line of the log with this number or a later one, its text in `line`.
pub(crate) fn read_log(sequence: u64, line: &mut Line) -> Option<Record> {
    LOG.lock().read(sequence, line)
}

/// Numbers of the oldest line that is there, and of the one to come.
pub(crate) fn log_bounds() -> (u64, u64) {
    let log = LOG.lock();
    (log.first(), log.next())
}

/// Where readers wait for the next line.
pub(crate) fn log_readers() -> &'static WaitQueue {
    &READERS
}
