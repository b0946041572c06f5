//! [`Tunable`]: a number under /proc/sys: its name, what it may be, and where it is kept, so that
//! the kernel reads it with one load.

use core::ops::RangeInclusive;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::errno::Errno;

/// A number that can be read and written as a text.
#[derive(Debug)]
pub struct Tunable {
    path: &'static str,
    value: AtomicU64,
    range: RangeInclusive<u64>,
}

impl Tunable {
    /// The one at /proc/sys/`path`, with what it is unless somebody changes it.
    pub const fn new(path: &'static str, default: u64, range: RangeInclusive<u64>) -> Self {
        assert!(*range.start() <= default && default <= *range.end(), "a default is in range");
        Self { path, value: AtomicU64::new(default), range }
    }

    /// Its place below /proc/sys.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// What it is.
    #[inline]
    pub fn get(&self) -> u64 {
        self.value.load(Ordering::Relaxed)
    }

    /// Sets it, from within the range.
    pub fn set(&self, value: u64) {
        debug_assert!(self.range.contains(&value), "{} is to be {value}", self.path);
        self.value.store(value, Ordering::Relaxed);
    }

    /// Sets it from what was written.
    ///
    /// # Errors
    /// EINVAL: no number, or one out of range.
    pub fn store(&self, text: &str) -> Result<u64, Errno> {
        let value = number(text).filter(|value| self.range.contains(value));
        let value = value.ok_or(Errno::EINVAL)?;
        self.value.store(value, Ordering::Relaxed);
        Ok(value)
    }
}

/// The first number of a text, in base 10, or in base 16 or 8 with a prefix as in C.
pub fn number(text: &str) -> Option<u64> {
    let word = text.split_ascii_whitespace().next()?;
    match (word.strip_prefix("0x"), word.strip_prefix('0')) {
        (Some(digits), _) => u64::from_str_radix(digits, 16).ok(),
        (None, Some(digits)) if !digits.is_empty() => u64::from_str_radix(digits, 8).ok(),
        _ => word.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_as_c_reads_them() {
        for (text, want) in [
            ("0", Some(0)),
            ("65536\n", Some(65536)),
            ("  12 13", Some(12)),
            ("0x1000", Some(4096)),
            ("010", Some(8)),
            ("", None),
            ("\n", None),
            ("-1", None),
            ("1k", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(text), want, "{text:?}");
        }
    }

    #[test]
    fn what_is_out_of_range_changes_nothing() {
        let tunable = Tunable::new("vm/overcommit_memory", 0, 0..=2);
        for (text, result, after) in
            [("1\n", Ok(1), 1), ("3", Err(Errno::EINVAL), 1), ("x", Err(Errno::EINVAL), 1)]
        {
            assert_eq!((tunable.store(text), tunable.get()), (result, after), "{text:?}");
        }
    }
}
