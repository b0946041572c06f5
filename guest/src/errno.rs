//! [`Errno`]: why a system call fails, as Linux numbers it. Every portable room answers with it.

use linux_raw_sys::errno;

/// What a system call yields.
pub type Answer = Result<u64, Errno>;

macro_rules! errnos {
    ($($name:ident)*) => {
        /// An error number, 1 to 4095; a system call returns it negated. As wide as a register, so
        /// that registers hold any `Result` of it and a number: a narrower one goes by way of memory.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u64)]
        pub enum Errno {
            $(#[doc = concat!("`", stringify!($name), "`.")]
            $name = errno::$name as u64,)*
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
    ELOOP ENOMSG EIDRM EBADR ENODATA EOVERFLOW EBADFD EILSEQ EUSERS ENOTSOCK EMSGSIZE EOPNOTSUPP
    ETIMEDOUT EALREADY EINPROGRESS ELIBBAD ESTALE EUCLEAN EDQUOT ECANCELED EOWNERDEAD ENOTRECOVERABLE
}

impl Errno {
    /// The number.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// What a system call returns in `a0`.
    pub const fn as_return(self) -> u64 {
        (self as u64).wrapping_neg()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_linuxs() {
        for (errno, number) in [(Errno::EPERM, 1), (Errno::ENOSYS, 38), (Errno::ETIMEDOUT, 110)] {
            assert_eq!(errno.number(), number);
            assert_eq!(errno.as_return() as i64, -i64::from(number));
        }
        assert_eq!(format!("{:?}", Errno::EFAULT), "EFAULT");
    }
}
