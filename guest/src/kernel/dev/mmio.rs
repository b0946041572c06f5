//! [`Registers`]: a device's registers, in the direct map, by offset.

use core::fmt;

use guest::board::Span;

use crate::mm::direct;

/// Registers of one device. Accesses are single and in order among themselves.
#[derive(Clone, Copy)]
pub(crate) struct Registers {
    base: u64,
    size_bytes: u64,
}

impl fmt::Debug for Registers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Registers({:#x}, {:#x} bytes)", self.base, self.size_bytes)
    }
}

impl Registers {
    /// Those that the device tree puts there.
    pub(crate) fn new(span: Span) -> Self {
        Self { base: direct::address_of(span.start), size_bytes: span.size_bytes }
    }

    #[inline]
    fn at<T>(self, offset: u64) -> *mut T {
        let size_bytes = size_of::<T>() as u64;
        assert!(
            offset.is_multiple_of(size_bytes) && offset + size_bytes <= self.size_bytes,
            "{offset:#x} is no register"
        );
        (self.base + offset) as *mut T
    }

    /// Reads a byte.
    #[inline]
    pub(crate) fn read_u8(self, offset: u64) -> u8 {
        // SAFETY: a register, as just checked, mapped for good; aliases no Rust object.
        unsafe { self.at::<u8>(offset).read_volatile() }
    }

    /// Writes a byte.
    #[inline]
    pub(crate) fn write_u8(self, offset: u64, value: u8) {
        // SAFETY: as above. A device that reads or writes RAM does so where its driver says, which
        // is the driver's to get right.
        unsafe { self.at::<u8>(offset).write_volatile(value) };
    }

    /// Reads a word.
    #[inline]
    pub(crate) fn read_u32(self, offset: u64) -> u32 {
        // SAFETY: as above.
        unsafe { self.at::<u32>(offset).read_volatile() }
    }

    /// Writes a word.
    #[inline]
    pub(crate) fn write_u32(self, offset: u64, value: u32) {
        // SAFETY: as above.
        unsafe { self.at::<u32>(offset).write_volatile(value) };
    }
}
