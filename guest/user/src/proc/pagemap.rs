//! `/proc/PID/pagemap`: where a page is, 8 bytes for each.
//!
//! Source: Linux, "Examining Process Page Tables".

use core::fmt;

use alloc::format;
use alloc::string::String;

/// Size of an entry.
pub const ENTRY_BYTES: usize = 8;
/// Bits of an address within a page.
pub const PAGE_SHIFT: u32 = 12;

/// An entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry(pub u64);

/// Where a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In this frame.
    Frame(u64),
    /// In this slot of this swap device.
    Swap {
        /// The device's number.
        device: u64,
        /// The slot's.
        slot: u64,
    },
    /// Nowhere: nobody touched it yet, or nothing is mapped.
    None,
}

impl Entry {
    const PRESENT: u64 = 1 << 63;
    const SWAPPED: u64 = 1 << 62;
    const FILE_OR_SHARED: u64 = 1 << 61;
    const EXCLUSIVE: u64 = 1 << 56;
    const FRAME_MASK: u64 = (1 << 55) - 1;
    const DEVICE_MASK: u64 = (1 << 5) - 1;

    /// Whether the page is a file's, or of shared memory, and no copy of it.
    pub fn is_of_object(self) -> bool {
        self.0 & Self::FILE_OR_SHARED != 0
    }

    /// Where the page is.
    pub fn place(self) -> Place {
        let low = self.0 & Self::FRAME_MASK;
        if self.0 & Self::PRESENT != 0 {
            Place::Frame(low)
        } else if self.0 & Self::SWAPPED != 0 {
            Place::Swap { device: low & Self::DEVICE_MASK, slot: low >> 5 }
        } else {
            Place::None
        }
    }
}

/// The flags, each with a blank before it.
impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (bit, name) in [(Self::EXCLUSIVE, " exclusive"), (Self::FILE_OR_SHARED, " file-shared")]
        {
            if self.0 & bit != 0 {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// The line of `v2p` about an address.
pub fn line(address: u64, entry: Entry) -> String {
    let page = address >> PAGE_SHIFT;
    let offset = address & ((1 << PAGE_SHIFT) - 1);
    let start = format!("{address:#014x} page {page:#x}");
    match entry.place() {
        // Frame numbers are not for everyone.
        Place::Frame(0) => format!("{start} present frame hidden{entry}"),
        Place::Frame(frame) => {
            let physical = frame << PAGE_SHIFT | offset;
            format!("{start} present frame {frame:#x} physical {physical:#x}{entry}")
        }
        Place::Swap { device, slot } => {
            format!("{start} swapped device {device} slot {slot:#x}{entry}")
        }
        Place::None => format!("{start} none"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_become_lines() {
        for (address, entry, want) in [
            (
                0x16010,
                1 << 63 | 1 << 56 | 0x87f3a,
                "0x000000016010 page 0x16 present frame 0x87f3a physical 0x87f3a010 exclusive",
            ),
            (
                0x10000,
                1 << 63 | 1 << 61 | 0x80001,
                "0x000000010000 page 0x10 present frame 0x80001 physical 0x80001000 file-shared",
            ),
            (0x10000, 1 << 63, "0x000000010000 page 0x10 present frame hidden"),
            (0x16fff, 1 << 62 | 3 << 5 | 1, "0x000000016fff page 0x16 swapped device 1 slot 0x3"),
            (0, 0, "0x000000000000 page 0x0 none"),
        ] {
            assert_eq!(line(address, Entry(entry)), want);
        }
    }
}
