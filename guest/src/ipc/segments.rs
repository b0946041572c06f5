//! What System V's shared memory has of its own: how many pages all segments may have, flags of
//! `shmat` and of modes.
//!
//! Source: `shmget(2)`, `shmat(2)`, `shmctl(2)`.

use crate::PAGE_SIZE_BYTES;
use crate::errno::Errno;

/// Flag of `shmat`: only to be read.
pub const READ_ONLY: u32 = 0o10000;
/// Flag of `shmat`: the address is rounded down.
pub const ROUND: u32 = 0o20000;
/// Flag of `shmat`: whatever is at the address goes.
pub const REPLACE: u32 = 0o40000;
/// Flag of `shmat`: to be executed, too.
pub const EXECUTE: u32 = 0o100000;
/// Flag of `shmget`: nothing is promised.
pub const NO_RESERVE: u32 = 0o10000;
/// Flags of `shmget` about pages that there are not.
pub const HUGE: u32 = 0o4000;
/// In a mode: it goes with the last who has attached it.
pub const GOING: u32 = 0o1000;
/// In a mode: its pages stay in RAM.
pub const LOCKED: u32 = 0o2000;

/// Smallest segment.
pub const SIZE_MIN_BYTES: u64 = 1;

/// How big segments may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Each one, in bytes.
    pub size_bytes: u64,
    /// All, in pages.
    pub pages: u64,
}

impl Limits {
    /// Pages of a new segment, where all have `used` already.
    ///
    /// # Errors
    /// EINVAL for a size that no segment may have, ENOSPC.
    pub fn pages(self, size_bytes: u64, used: u64) -> Result<u64, Errno> {
        if size_bytes < SIZE_MIN_BYTES || size_bytes > self.size_bytes {
            return Err(Errno::EINVAL);
        }
        let pages = size_bytes.div_ceil(PAGE_SIZE_BYTES);
        let all = used.checked_add(pages).filter(|all| *all <= self.pages);
        all.map(|_| pages).ok_or(Errno::ENOSPC)
    }
}

/// What `shmat` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The address; 0: anywhere.
    pub at: u64,
    /// Whether what is there goes.
    pub replaces: bool,
}

impl Place {
    /// Takes address and flags.
    ///
    /// # Errors
    /// EINVAL.
    pub const fn of(address: u64, flags: u32) -> Result<Self, Errno> {
        let offset = address % PAGE_SIZE_BYTES;
        let (rounds, replaces) = (flags & ROUND != 0, flags & REPLACE != 0);
        let at = address - offset;
        let is_good = (offset == 0 || rounds) && (at != 0 || !replaces);
        if is_good { Ok(Self { at, replaces }) } else { Err(Errno::EINVAL) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let limits = Limits { size_bytes: 8192, pages: 3 };
        for (size, used, expect) in [
            (0, 0, Err(Errno::EINVAL)),
            (1, 0, Ok(1)),
            (4097, 0, Ok(2)),
            (8192, 1, Ok(2)),
            (8192, 2, Err(Errno::ENOSPC)),
            (8193, 0, Err(Errno::EINVAL)),
            (1, u64::MAX, Err(Errno::ENOSPC)),
        ] {
            assert_eq!(limits.pages(size, used), expect, "{size} {used}");
        }
    }

    #[test]
    fn places() {
        let place = |at, replaces| Ok(Place { at, replaces });
        for (address, flags, expect) in [
            (0, 0, place(0, false)),
            (0x5000, 0, place(0x5000, false)),
            (0x5001, 0, Err(Errno::EINVAL)),
            (0x5fff, ROUND, place(0x5000, false)),
            (0x5fff, ROUND | REPLACE, place(0x5000, true)),
            (0, REPLACE, Err(Errno::EINVAL)),
            (0xfff, ROUND | REPLACE, Err(Errno::EINVAL)),
        ] {
            assert_eq!(Place::of(address, flags), expect, "{address:#x} {flags:o}");
        }
    }
}
