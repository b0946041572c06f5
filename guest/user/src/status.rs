//! How a child changed: [`Status`], as `wait4` says it and as people read it.

#![forbid(unsafe_code)]

/// How a child changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It ended by itself with this status.
    Exited(i32),
    /// This signal ended it.
    Killed(u32),
    /// This signal stopped it.
    Stopped(u32),
    /// It goes on.
    Continued,
}

impl Status {
    /// Reads the word that `wait4` filled.
    ///
    /// Source: Linux, "wait(2)", the macros on `wstatus`.
    pub fn from_word(word: u32) -> Self {
        match (word & 0x7f, word >> 8 & 0xff) {
            (0, status) => Self::Exited(status as i32),
            (0x7f, _) if word == 0xffff => Self::Continued,
            (0x7f, signal) => Self::Stopped(signal),
            (signal, _) => Self::Killed(signal),
        }
    }

    /// As a shell's `$?` has it: 128 and the signal where one killed or stopped it.
    pub fn code(self) -> i32 {
        match self {
            Self::Exited(status) => status,
            Self::Killed(signal) | Self::Stopped(signal) => 128 + signal as i32,
            Self::Continued => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_wait() {
        for (word, status, code) in [
            (0x0000, Status::Exited(0), 0),
            (0x2a00, Status::Exited(42), 42),
            (0x000b, Status::Killed(11), 139),
            // With a core dump.
            (0x008b, Status::Killed(11), 139),
            (0x137f, Status::Stopped(19), 147),
            (0xffff, Status::Continued, 0),
        ] {
            assert_eq!(Status::from_word(word), status);
            assert_eq!(status.code(), code);
        }
    }
}
