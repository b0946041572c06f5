//! Requests of a block device: what the driver writes before the data, and the device behind it.
//!
//! Source: "Block Device".

/// Device id of a block device.
pub const DEVICE_ID: u32 = 2;

/// Feature: [`SEG_MAX`] is valid.
pub const HAS_SEG_MAX: u64 = 1 << 2;
/// Feature: the device is read-only.
pub const READ_ONLY: u64 = 1 << 5;
/// Feature: the device has a cache, which can be flushed.
pub const FLUSH: u64 = 1 << 9;

/// Offset of `capacity` in the configuration space: sectors, in two words.
pub const CAPACITY: u64 = 0;
/// Offset of `seg_max` in the configuration space: pieces of data in one request.
pub const SEG_MAX: u64 = 12;

/// The only queue.
pub const QUEUE: u32 = 0;

/// Size of a sector, the unit of positions, whatever the device's blocks are.
pub const SECTOR_BYTES: u64 = 512;

/// Bytes of a request's header.
pub const HEADER_BYTES: usize = 16;
/// Bytes of a request's status, which the device writes behind the data.
pub const STATUS_BYTES: usize = 1;

/// What a status byte is before the device has written it: none of its own.
pub const STATUS_NONE: u8 = 0xff;

/// What a request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Sectors are read.
    Read,
    /// Sectors are written.
    Write,
    /// What was written survives.
    Flush,
}

impl Operation {
    /// Whether the device writes the data.
    pub const fn is_read(self) -> bool {
        matches!(self, Self::Read)
    }

    /// The header of a request from `sector` on.
    pub fn header(self, sector: u64) -> [u8; HEADER_BYTES] {
        let kind: u32 = match self {
            Self::Read => 0,
            Self::Write => 1,
            Self::Flush => 4,
        };
        let mut header = [0; HEADER_BYTES];
        header[..4].copy_from_slice(&kind.to_le_bytes());
        header[8..].copy_from_slice(&sector.to_le_bytes());
        header
    }
}

/// Whether a status says that the request was carried out.
pub const fn is_done(status: u8) -> bool {
    status == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_lie_as_the_standard_says() {
        let sector = 0x0102_0304_0506_0708;
        for (operation, kind) in
            [(Operation::Read, 0), (Operation::Write, 1), (Operation::Flush, 4)]
        {
            let header = operation.header(sector);
            assert_eq!(header, [kind, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1]);
            assert_eq!(operation.is_read(), operation == Operation::Read);
        }
    }

    #[test]
    fn only_zero_is_done() {
        for status in 0..=u8::MAX {
            assert_eq!(is_done(status), status == 0);
        }
    }
}
