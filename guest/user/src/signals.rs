//! Names and meanings of the signals.

#![forbid(unsafe_code)]

use linux_raw_sys::general as g;

use crate::bytes;

/// Number, name without `SIG`, and what a shell says of a process that it ended (`strsignal(3)`).
const TABLE: [(u32, &str, &str); 31] = [
    (g::SIGHUP, "HUP", "Hangup"),
    (g::SIGINT, "INT", "Interrupt"),
    (g::SIGQUIT, "QUIT", "Quit"),
    (g::SIGILL, "ILL", "Illegal instruction"),
    (g::SIGTRAP, "TRAP", "Trace/breakpoint trap"),
    (g::SIGABRT, "ABRT", "Aborted"),
    (g::SIGBUS, "BUS", "Bus error"),
    (g::SIGFPE, "FPE", "Floating point exception"),
    (g::SIGKILL, "KILL", "Killed"),
    (g::SIGUSR1, "USR1", "User defined signal 1"),
    (g::SIGSEGV, "SEGV", "Segmentation fault"),
    (g::SIGUSR2, "USR2", "User defined signal 2"),
    (g::SIGPIPE, "PIPE", "Broken pipe"),
    (g::SIGALRM, "ALRM", "Alarm clock"),
    (g::SIGTERM, "TERM", "Terminated"),
    (g::SIGSTKFLT, "STKFLT", "Stack fault"),
    (g::SIGCHLD, "CHLD", "Child exited"),
    (g::SIGCONT, "CONT", "Continued"),
    (g::SIGSTOP, "STOP", "Stopped (signal)"),
    (g::SIGTSTP, "TSTP", "Stopped"),
    (g::SIGTTIN, "TTIN", "Stopped (tty input)"),
    (g::SIGTTOU, "TTOU", "Stopped (tty output)"),
    (g::SIGURG, "URG", "Urgent I/O condition"),
    (g::SIGXCPU, "XCPU", "CPU time limit exceeded"),
    (g::SIGXFSZ, "XFSZ", "File size limit exceeded"),
    (g::SIGVTALRM, "VTALRM", "Virtual timer expired"),
    (g::SIGPROF, "PROF", "Profiling timer expired"),
    (g::SIGWINCH, "WINCH", "Window changed"),
    (g::SIGIO, "IO", "I/O possible"),
    (g::SIGPWR, "PWR", "Power failure"),
    (g::SIGSYS, "SYS", "Bad system call"),
];

/// The last of the real-time signals.
pub const LAST: u32 = 64;

/// The signal that a text names: `9`, `KILL`, `SIGKILL`, in any case; 0 is none.
pub fn parse(text: &[u8]) -> Option<u32> {
    if let Some(number) = bytes::decimal(text) {
        return u32::try_from(number).ok().filter(|number| *number <= LAST);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix(b"SIG").unwrap_or(&upper);
    TABLE.iter().find(|row| row.1.as_bytes() == name).map(|row| row.0)
}

/// The name without `SIG`; none where there is none.
pub fn name(signal: u32) -> Option<&'static str> {
    TABLE.iter().find(|row| row.0 == signal).map(|row| row.1)
}

/// What a shell says of a process that this signal ended or stopped.
pub fn description(signal: u32) -> &'static str {
    TABLE.iter().find(|row| row.0 == signal).map_or("Real-time signal", |row| row.2)
}

/// All names in the order of their numbers.
pub fn all() -> impl Iterator<Item = (u32, &'static str)> {
    TABLE.iter().map(|row| (row.0, row.1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names() {
        for (text, want) in [
            ("9", Some(9)),
            ("KILL", Some(9)),
            ("SIGKILL", Some(9)),
            ("sigterm", Some(15)),
            ("64", Some(64)),
            ("0", Some(0)),
            ("65", None),
            ("NONE", None),
            ("", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
        assert_eq!((name(11), description(11)), (Some("SEGV"), "Segmentation fault"));
    }

    #[test]
    fn the_table_is_in_order_and_without_gaps() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.0 as usize, index + 1, "{}", row.1);
        }
    }
}
