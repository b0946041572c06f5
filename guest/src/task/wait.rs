//! [`Wanted`]: which children a `wait4` or `waitid` waits for, and what it tells of them.

use linux_raw_sys::general as linux;

use super::Pid;
use super::signal::{Number, SIGCHLD};
use crate::errno::Errno;

/// How a child has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It has ended with this code.
    Exited(u8),
    /// This signal has ended it.
    Killed(Number),
    /// This signal has stopped it.
    Stopped(Number),
    /// It goes on.
    Continued,
}

impl Change {
    /// The status that `wait4` yields.
    pub const fn status(self) -> u32 {
        match self {
            Change::Exited(code) => (code as u32) << 8,
            Change::Killed(signal) => signal as u32,
            Change::Stopped(signal) => 0x7f | (signal as u32) << 8,
            Change::Continued => 0xffff,
        }
    }

    /// `si_code` and `si_status`.
    pub const fn code_and_status(self) -> (i32, u32) {
        match self {
            Change::Exited(code) => (linux::CLD_EXITED as i32, code as u32),
            Change::Killed(signal) => (linux::CLD_KILLED as i32, signal as u32),
            Change::Stopped(signal) => (linux::CLD_STOPPED as i32, signal as u32),
            Change::Continued => (linux::CLD_CONTINUED as i32, super::signal::SIGCONT as u32),
        }
    }

    /// Whether the child has ended.
    pub const fn is_end(self) -> bool {
        matches!(self, Change::Exited(_) | Change::Killed(_))
    }

    /// What the machine returns when the first process has ended like this, as a shell would.
    pub const fn exit_code(self) -> u8 {
        match self {
            Change::Exited(code) => code,
            Change::Killed(signal) | Change::Stopped(signal) => 128 + signal,
            Change::Continued => 0,
        }
    }
}

/// Which children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// All.
    Any,
    /// This one.
    Process(Pid),
    /// Those in this group.
    Group(Pid),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Of whom.
    pub which: Which,
    options: u32,
}

const WAIT4: u32 = linux::WNOHANG
    | linux::WUNTRACED
    | linux::WCONTINUED
    | linux::__WNOTHREAD
    | linux::__WCLONE
    | linux::__WALL;
const WAITID: u32 = WAIT4 | linux::WNOWAIT | linux::WEXITED;
const ANY_CHANGE: u32 = linux::WEXITED | linux::WSTOPPED | linux::WCONTINUED;

impl Wanted {
    /// The arguments of `wait4` for a caller in group `group`.
    ///
    /// # Errors
    /// EINVAL for options that there are not, ESRCH for a group that there cannot be.
    pub const fn for_wait4(pid: i32, options: u32, group: Pid) -> Result<Self, Errno> {
        if options & !WAIT4 != 0 {
            return Err(Errno::EINVAL);
        }
        let which = match pid {
            i32::MIN => return Err(Errno::ESRCH),
            -1 => Which::Any,
            0 => Which::Group(group),
            1.. => Which::Process(pid as Pid),
            _ => Which::Group(-pid as Pid),
        };
        Ok(Self { which, options: options | linux::WEXITED })
    }

    /// The arguments of `waitid`.
    ///
    /// # Errors
    /// EINVAL.
    pub const fn for_waitid(kind: u32, id: i32, options: u32, group: Pid) -> Result<Self, Errno> {
        if options & !WAITID != 0 || options & ANY_CHANGE == 0 {
            return Err(Errno::EINVAL);
        }
        let which = match (kind, id) {
            (linux::P_ALL, _) => Which::Any,
            (linux::P_PID, 1..) => Which::Process(id as Pid),
            (linux::P_PGID, 0) => Which::Group(group),
            (linux::P_PGID, 1..) => Which::Group(id as Pid),
            _ => return Err(Errno::EINVAL),
        };
        Ok(Self { which, options })
    }

    const fn has(self, option: u32) -> bool {
        self.options & option != 0
    }

    /// Whether to come back at once.
    pub const fn is_hurried(self) -> bool {
        self.has(linux::WNOHANG)
    }

    /// Whether what is told may be told again.
    pub const fn leaves(self) -> bool {
        self.has(linux::WNOWAIT)
    }

    /// Whether it asks about children that have not ended.
    pub const fn wants_the_living(self) -> bool {
        self.has(linux::WSTOPPED | linux::WCONTINUED)
    }

    /// Whether a child with this number, in this group, that sends this signal when it ends, is
    /// meant at all.
    pub const fn means(self, pid: Pid, group: Pid, exit_signal: Number) -> bool {
        let right = match self.which {
            Which::Any => true,
            Which::Process(wanted) => wanted == pid,
            Which::Group(wanted) => wanted == group,
        };
        let is_clone = exit_signal != SIGCHLD;
        right && (self.has(linux::__WALL) || is_clone == self.has(linux::__WCLONE))
    }

    /// Whether this change is asked for.
    pub const fn wants(self, change: Change) -> bool {
        self.has(match change {
            Change::Exited(_) | Change::Killed(_) => linux::WEXITED,
            Change::Stopped(_) => linux::WSTOPPED,
            Change::Continued => linux::WCONTINUED,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::signal::{SIGKILL, SIGUSR1};
    use super::*;

    #[test]
    fn statuses_are_those_of_the_macros() {
        for (change, status, told) in [
            (Change::Exited(3), 0x300, (1, 3)),
            (Change::Killed(SIGKILL), 9, (2, 9)),
            (Change::Stopped(20), 0x147f, (5, 20)),
            (Change::Continued, 0xffff, (6, 18)),
        ] {
            assert_eq!((change.status(), change.code_and_status()), (status, told));
        }
        assert_eq!(Change::Killed(SIGKILL).exit_code(), 137);
    }

    #[test]
    fn arguments() {
        let which = |pid, options| Wanted::for_wait4(pid, options, 5).map(|wanted| wanted.which);
        for (pid, want) in [
            (-1, Ok(Which::Any)),
            (0, Ok(Which::Group(5))),
            (7, Ok(Which::Process(7))),
            (-9, Ok(Which::Group(9))),
            (i32::MIN, Err(Errno::ESRCH)),
        ] {
            assert_eq!(which(pid, linux::WNOHANG), want);
            assert_eq!(which(pid, 1 << 20), Err(Errno::EINVAL));
        }
        let waitid = |kind, id, options| Wanted::for_waitid(kind, id, options, 5);
        for (kind, id, options, good) in [
            (linux::P_ALL, 0, linux::WEXITED, true),
            (linux::P_ALL, 0, linux::WNOHANG, false),
            (linux::P_PID, 0, linux::WEXITED, false),
            (linux::P_PID, 3, linux::WEXITED | 1 << 20, false),
            (linux::P_PGID, 0, linux::WSTOPPED, true),
            (linux::P_PGID, -1, linux::WSTOPPED, false),
            (9, 1, linux::WEXITED, false),
        ] {
            assert_eq!(waitid(kind, id, options).is_ok(), good, "{kind} {id} {options:#x}");
        }
    }

    #[test]
    fn matching() {
        let wait = |pid, options| Wanted::for_wait4(pid, options, 5).unwrap();
        for (wanted, pid, group, signal, want) in [
            (wait(-1, 0), 7, 7, SIGCHLD, true),
            (wait(-1, 0), 7, 7, SIGUSR1, false),
            (wait(-1, 0), 7, 7, 0, false),
            (wait(-1, linux::__WCLONE), 7, 7, SIGUSR1, true),
            (wait(-1, linux::__WCLONE), 7, 7, SIGCHLD, false),
            (wait(-1, linux::__WALL), 7, 7, SIGUSR1, true),
            (wait(7, 0), 7, 5, SIGCHLD, true),
            (wait(8, 0), 7, 5, SIGCHLD, false),
            (wait(0, 0), 7, 5, SIGCHLD, true),
            (wait(-7, 0), 7, 5, SIGCHLD, false),
        ] {
            assert_eq!(wanted.means(pid, group, signal), want, "{wanted:?}");
        }
        let plain = wait(-1, 0);
        assert!(plain.wants(Change::Exited(0)) && plain.wants(Change::Killed(1)));
        assert!(!plain.wants(Change::Stopped(1)) && !plain.wants(Change::Continued));
        let all = wait(-1, linux::WUNTRACED | linux::WCONTINUED);
        assert!(all.wants(Change::Stopped(1)) && all.wants(Change::Continued));
        let stops = Wanted::for_waitid(linux::P_ALL, 0, linux::WSTOPPED, 5).unwrap();
        assert!(!stops.wants(Change::Exited(0)) && stops.wants(Change::Stopped(1)));
    }
}
