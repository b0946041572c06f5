//! [`Limits`]: `getrlimit(2)`: how much of each resource a process may use.

use linux_raw_sys::general as linux;

use crate::errno::Errno;

/// How many resources there are.
pub const COUNT: usize = linux::RLIM_NLIMITS as usize;
/// No limit.
pub const INFINITY: u64 = u64::MAX;

/// `RLIMIT_STACK`: how far the stack grows, in bytes.
pub const STACK: u32 = linux::RLIMIT_STACK;
/// `RLIMIT_FSIZE`: how large files are made, in bytes.
pub const FSIZE: u32 = linux::RLIMIT_FSIZE;
/// `RLIMIT_NOFILE`: first descriptor that there cannot be.
pub const NOFILE: u32 = linux::RLIMIT_NOFILE;
/// `RLIMIT_NPROC`: threads of a user.
pub const NPROC: u32 = linux::RLIMIT_NPROC;
/// `RLIMIT_SIGPENDING`: signals that queue.
pub const SIGPENDING: u32 = linux::RLIMIT_SIGPENDING;

/// RLIMIT_STACK of the first process.
pub const STACK_BYTES: u64 = 8 << 20;
const LOCKED_BYTES: u64 = 8 << 20;
const QUEUE_BYTES: u64 = 819_200;
const FILES: u64 = 1024;
const FILES_MAX: u64 = 4096;

/// How many of `count` bytes may be written at a position, where files grow up to `limit`.
///
/// # Errors
/// EFBIG: none of them.
pub fn fitting(limit: u64, at: u64, count: usize) -> Result<usize, Errno> {
    let room = limit.saturating_sub(at);
    match count {
        0 => Ok(0),
        _ if room == 0 => Err(Errno::EFBIG),
        _ => Ok(count.min(usize::try_from(room).unwrap_or(usize::MAX))),
    }
}

/// A soft limit, which counts, and a hard one, up to which the process may raise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// What counts.
    pub soft: u64,
    /// How far it may be raised.
    pub hard: u64,
}

/// All limits of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    all: [Limit; COUNT],
}

/// Whether whoever sets a limit may raise the hard one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// The superuser.
    Raise,
    /// Anybody else.
    LowerOnly,
}

impl Limits {
    /// Those of the first process, where there may be `threads` in all.
    pub fn first(threads: u64) -> Self {
        let same = |limit| Limit { soft: limit, hard: limit };
        let mut all = [same(INFINITY); COUNT];
        for (resource, limit) in [
            (STACK, Limit { soft: STACK_BYTES, hard: INFINITY }),
            (linux::RLIMIT_CORE, Limit { soft: 0, hard: INFINITY }),
            (NPROC, same(threads / 2)),
            (NOFILE, Limit { soft: FILES, hard: FILES_MAX }),
            (linux::RLIMIT_MEMLOCK, same(LOCKED_BYTES)),
            (SIGPENDING, same(threads / 2)),
            (linux::RLIMIT_MSGQUEUE, same(QUEUE_BYTES)),
            (linux::RLIMIT_NICE, same(0)),
            (linux::RLIMIT_RTPRIO, same(0)),
        ] {
            all[resource as usize] = limit;
        }
        Self { all }
    }

    /// One of them.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get(&self, resource: u32) -> Result<Limit, Errno> {
        self.all.get(resource as usize).copied().ok_or(Errno::EINVAL)
    }

    /// Changes one.
    ///
    /// # Errors
    /// EINVAL where the soft limit is above the hard one, EPERM where the hard one would rise.
    pub fn set(&mut self, resource: u32, limit: Limit, right: Right) -> Result<(), Errno> {
        let old = self.get(resource)?;
        if limit.soft > limit.hard {
            return Err(Errno::EINVAL);
        }
        if limit.hard > old.hard && right == Right::LowerOnly {
            return Err(Errno::EPERM);
        }
        self.all[resource as usize] = limit;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_grow_up_to_the_limit() {
        for (limit, at, count, want) in [
            (INFINITY, 0, usize::MAX, Ok(usize::MAX)),
            (100, 0, 100, Ok(100)),
            (100, 0, 101, Ok(100)),
            (100, 99, 10, Ok(1)),
            (100, 100, 1, Err(Errno::EFBIG)),
            (100, u64::MAX, 1, Err(Errno::EFBIG)),
            (100, 200, 0, Ok(0)),
            (0, 0, 1, Err(Errno::EFBIG)),
        ] {
            assert_eq!(fitting(limit, at, count), want, "{count} at {at} of {limit}");
        }
    }

    #[test]
    fn limits_are_lowered_by_all_and_raised_by_some() {
        let limit = |soft, hard| Limit { soft, hard };
        for (resource, new, right, want) in [
            (NOFILE, limit(10, 20), Right::LowerOnly, Ok(())),
            (NOFILE, limit(FILES_MAX, FILES_MAX), Right::LowerOnly, Ok(())),
            (NOFILE, limit(10, FILES_MAX + 1), Right::LowerOnly, Err(Errno::EPERM)),
            (NOFILE, limit(10, FILES_MAX + 1), Right::Raise, Ok(())),
            (NOFILE, limit(21, 20), Right::Raise, Err(Errno::EINVAL)),
            (STACK, limit(INFINITY, INFINITY), Right::LowerOnly, Ok(())),
            (COUNT as u32, limit(1, 1), Right::Raise, Err(Errno::EINVAL)),
        ] {
            let mut limits = Limits::first(100);
            let old = limits.get(resource);
            assert_eq!(limits.set(resource, new, right), want);
            let now = limits.get(resource);
            assert_eq!(now, if want.is_ok() { Ok(new) } else { old });
        }
        assert_eq!(Limits::first(100).get(NPROC), Ok(limit(50, 50)));
    }
}
