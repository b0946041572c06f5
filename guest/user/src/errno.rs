//! Error numbers of Linux: [`Errno`], its names and its messages.

#![forbid(unsafe_code)]

use core::fmt;

use linux_raw_sys::errno as numbers;

/// An error number as a system call returned it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Errno(pub u32);

/// What a system call gives back.
pub type Result<T> = core::result::Result<T, Errno>;

macro_rules! errors {
    ($($name:ident $number:ident $text:literal)+) => {
        impl Errno {
            $(#[doc = $text]
            pub const $name: Self = Self(numbers::$number);)+
        }

        /// Number, name and message.
        const TABLE: &[(u32, &str, &str)] = &[
            $((numbers::$number, stringify!($number), $text),)+
        ];
    };
}

// Messages: those of the C library, `strerror(3)`.
errors! {
    PERM EPERM "Operation not permitted"
    NOENT ENOENT "No such file or directory"
    SRCH ESRCH "No such process"
    INTR EINTR "Interrupted system call"
    IO EIO "Input/output error"
    NXIO ENXIO "No such device or address"
    TOO_BIG E2BIG "Argument list too long"
    NOEXEC ENOEXEC "Exec format error"
    BADF EBADF "Bad file descriptor"
    CHILD ECHILD "No child processes"
    AGAIN EAGAIN "Resource temporarily unavailable"
    NOMEM ENOMEM "Cannot allocate memory"
    ACCES EACCES "Permission denied"
    FAULT EFAULT "Bad address"
    BUSY EBUSY "Device or resource busy"
    EXIST EEXIST "File exists"
    XDEV EXDEV "Invalid cross-device link"
    NODEV ENODEV "No such device"
    NOTDIR ENOTDIR "Not a directory"
    ISDIR EISDIR "Is a directory"
    INVAL EINVAL "Invalid argument"
    NFILE ENFILE "Too many open files in system"
    MFILE EMFILE "Too many open files"
    NOTTY ENOTTY "Inappropriate ioctl for device"
    TXTBSY ETXTBSY "Text file busy"
    FBIG EFBIG "File too large"
    NOSPC ENOSPC "No space left on device"
    SPIPE ESPIPE "Illegal seek"
    ROFS EROFS "Read-only file system"
    MLINK EMLINK "Too many links"
    PIPE EPIPE "Broken pipe"
    DOM EDOM "Numerical argument out of domain"
    RANGE ERANGE "Numerical result out of range"
    DEADLK EDEADLK "Resource deadlock avoided"
    NAMETOOLONG ENAMETOOLONG "File name too long"
    NOSYS ENOSYS "Function not implemented"
    NOTEMPTY ENOTEMPTY "Directory not empty"
    LOOP ELOOP "Too many levels of symbolic links"
    NOMSG ENOMSG "No message of desired type"
    IDRM EIDRM "Identifier removed"
    OVERFLOW EOVERFLOW "Value too large for defined data type"
    OPNOTSUPP EOPNOTSUPP "Operation not supported"
    TIMEDOUT ETIMEDOUT "Connection timed out"
}

impl Errno {
    /// The name, `ENOENT`; none where it is not in the table.
    pub fn name(self) -> Option<&'static str> {
        TABLE.iter().find(|row| row.0 == self.0).map(|row| row.1)
    }
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match TABLE.iter().find(|row| row.0 == self.0) {
            Some((_, _, text)) => f.write_str(text),
            None => write!(f, "Unknown error {}", self.0),
        }
    }
}

impl fmt::Debug for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "Errno({})", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names_and_messages() {
        assert_eq!(Errno(2), Errno::NOENT);
        assert_eq!(format!("{0} {0:?}", Errno(2)), "No such file or directory ENOENT");
        assert_eq!(format!("{0} {0:?}", Errno(999)), "Unknown error 999 Errno(999)");
    }

    #[test]
    fn no_number_is_there_twice() {
        for (index, row) in TABLE.iter().enumerate() {
            assert!(TABLE[..index].iter().all(|other| other.0 != row.0), "{}", row.1);
        }
    }
}
