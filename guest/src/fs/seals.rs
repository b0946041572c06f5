//! [`Seals`]: what may never again be done to a file in memory: `F_ADD_SEALS` of `fcntl(2)`. Pure
//! policy; where they lie is the kernel's.

use linux_raw_sys::general as linux;

use crate::errno::Errno;

const WRITES: u32 = linux::F_SEAL_WRITE | linux::F_SEAL_FUTURE_WRITE;
const ALL: u32 =
    linux::F_SEAL_SEAL | linux::F_SEAL_EXEC | linux::F_SEAL_SHRINK | linux::F_SEAL_GROW | WRITES;
/// Permission bits to execute.
const EXECUTE: u16 = 0o111;

/// The seals of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seals(u32);

impl Seals {
    /// None; more may come.
    pub const NONE: Self = Self(0);
    /// None, and none may come: what files begin with that were not made to be sealed.
    pub const CLOSED: Self = Self(linux::F_SEAL_SEAL);
    /// Nobody may make it executable.
    pub const NO_EXEC: Self = Self(linux::F_SEAL_EXEC);

    /// `F_SEAL_x`.
    pub const fn bits(self) -> u32 {
        self.0
    }

    const fn has(self, any: u32) -> bool {
        self.0 & any != 0
    }

    /// With more of them, on a file with these permissions: the seal of one that may be executed
    /// seals its content, too.
    ///
    /// # Errors
    /// EINVAL for what is no seal, EPERM where none may come.
    pub fn with(self, bits: u32, permissions: u16) -> Result<Self, Errno> {
        if bits & !ALL != 0 {
            return Err(Errno::EINVAL);
        }
        if self.has(linux::F_SEAL_SEAL) {
            return Err(Errno::EPERM);
        }
        let executable = bits & linux::F_SEAL_EXEC != 0 && permissions & EXECUTE != 0;
        let content = linux::F_SEAL_SHRINK | linux::F_SEAL_GROW | WRITES;
        Ok(Self(self.0 | bits | if executable { content } else { 0 }))
    }

    /// Whether `later` keeps everybody from writing, and these do not: then nobody may have it
    /// mapped for writing.
    pub fn ends_writing(self, later: Self) -> bool {
        later.has(linux::F_SEAL_WRITE) && !self.has(linux::F_SEAL_WRITE)
    }

    /// Whether bytes up to `end` may be written, where `size` of them count.
    #[inline]
    pub const fn allow_write(self, size: u64, end: u64) -> bool {
        !self.has(WRITES) && (end <= size || !self.has(linux::F_SEAL_GROW))
    }

    /// Whether it may be mapped so that writes are seen by others.
    pub const fn allow_shared_writes(self) -> bool {
        !self.has(WRITES)
    }

    /// Whether its size may change so.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_size(self, old: u64, new: u64) -> Result<(), Errno> {
        let shrinks = new < old && self.has(linux::F_SEAL_SHRINK);
        let grows = new > old && self.has(linux::F_SEAL_GROW);
        if shrinks || grows { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Whether content may be taken away.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_punch(self) -> Result<(), Errno> {
        if self.has(WRITES) { Err(Errno::EPERM) } else { Ok(()) }
    }

    /// Whether its permissions may change so.
    ///
    /// # Errors
    /// EPERM.
    pub fn check_permissions(self, old: u16, new: u16) -> Result<(), Errno> {
        let changes = (old ^ new) & EXECUTE != 0;
        if changes && self.has(linux::F_SEAL_EXEC) { Err(Errno::EPERM) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHRINK: u32 = linux::F_SEAL_SHRINK;
    const GROW: u32 = linux::F_SEAL_GROW;
    const WRITE: u32 = linux::F_SEAL_WRITE;
    const FUTURE: u32 = linux::F_SEAL_FUTURE_WRITE;
    const EXEC: u32 = linux::F_SEAL_EXEC;

    fn seals(bits: u32) -> Seals {
        Seals(bits)
    }

    #[test]
    fn seals_come_and_stay() {
        for (before, bits, permissions, want) in [
            (Seals::NONE, GROW, 0o777, Ok(GROW)),
            (seals(GROW), SHRINK, 0o777, Ok(GROW | SHRINK)),
            (seals(GROW), 0, 0o777, Ok(GROW)),
            (Seals::NONE, EXEC, 0o666, Ok(EXEC)),
            (Seals::NONE, EXEC, 0o100, Ok(EXEC | SHRINK | GROW | WRITE | FUTURE)),
            (Seals::NONE, 64, 0o777, Err(Errno::EINVAL)),
            (Seals::CLOSED, 64, 0o777, Err(Errno::EINVAL)),
            (Seals::CLOSED, GROW, 0o777, Err(Errno::EPERM)),
        ] {
            let after = before.with(bits, permissions).map(Seals::bits);
            assert_eq!(after, want, "{before:?} {bits:#x} {permissions:o}");
        }
        assert!(Seals::NONE.ends_writing(seals(WRITE)));
        assert!(
            !seals(WRITE).ends_writing(seals(WRITE)) && !Seals::NONE.ends_writing(seals(FUTURE))
        );
    }

    #[test]
    fn each_seal_forbids_its_own() {
        // What is allowed: writing within, growing by writing, sharing, shrinking, growing, punching.
        for (bits, want) in [
            (0, [true; 6]),
            (SHRINK, [true, true, true, false, true, true]),
            (GROW, [true, false, true, true, false, true]),
            (WRITE, [false, false, false, true, true, false]),
            (FUTURE, [false, false, false, true, true, false]),
            (EXEC, [true; 6]),
        ] {
            let own = seals(bits);
            let got = [
                own.allow_write(10, 10),
                own.allow_write(10, 11),
                own.allow_shared_writes(),
                own.check_size(10, 9).is_ok(),
                own.check_size(10, 11).is_ok(),
                own.check_punch().is_ok(),
            ];
            assert_eq!(got, want, "{bits:#x}");
            assert_eq!(own.check_size(10, 10), Ok(()));
            let (set, same) =
                (own.check_permissions(0o666, 0o766), own.check_permissions(0o755, 0o555));
            assert_eq!((set.is_ok(), same), (bits != EXEC, Ok(())), "{bits:#x}");
        }
    }
}
