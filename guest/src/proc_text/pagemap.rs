//! Entries of /proc/PID/pagemap: 64 bits for each page.
//!
//! Source: Linux, "Examining Process Page Tables" (Documentation/admin-guide/mm/pagemap.rst).

use crate::mm::space::PageState;
use crate::pte::Ppn;

/// The page is in RAM.
pub const PRESENT: u64 = 1 << 63;
/// The page is in swap.
pub const SWAPPED: u64 = 1 << 62;
/// The page is a file's, or of shared memory.
pub const FILE_OR_SHARED: u64 = 1 << 61;
/// The page is mapped by nobody else.
pub const EXCLUSIVE: u64 = 1 << 56;
/// Bits of an entry in swap that name the area; the slot's number is above them.
const SWAP_AREA_BITS: u32 = 5;
/// Bytes of an entry.
pub const ENTRY_BYTES: u64 = 8;

/// Who reads, and so what is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// The superuser: frames and slots are shown.
    Root,
    /// Anybody else: frames and slots read as 0.
    Other,
}

/// The entry of a page.
pub fn entry(state: PageState, reader: Reader) -> u64 {
    match state {
        PageState::Absent => 0,
        PageState::Swapped { slot } if reader == Reader::Root => {
            SWAPPED | u64::from(slot.page()) << SWAP_AREA_BITS | slot.area() as u64
        }
        PageState::Swapped { .. } => SWAPPED,
        PageState::Present { frame, exclusive, object, .. } => {
            let Ppn(frame) = if reader == Reader::Root { frame } else { Ppn(0) };
            let exclusive = if exclusive { EXCLUSIVE } else { 0 };
            let object = if object { FILE_OR_SHARED } else { 0 };
            PRESENT | object | exclusive | frame
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mm::SlotId;
    use crate::pte::Pte;

    #[test]
    fn bits_say_where_a_page_is() {
        let present = |exclusive, object| PageState::Present {
            frame: Ppn(0x80123),
            pte: Pte(0),
            exclusive,
            object,
        };
        let slot = SlotId::new(3, 0x777).expect("a slot");
        for (state, reader, want) in [
            (PageState::Absent, Reader::Root, 0),
            (PageState::Swapped { slot }, Reader::Other, 1 << 62),
            (PageState::Swapped { slot }, Reader::Root, 1 << 62 | 0x777 << 5 | 3),
            (present(false, false), Reader::Root, 1 << 63 | 0x80123),
            (present(true, false), Reader::Root, 1 << 63 | 1 << 56 | 0x80123),
            (present(true, true), Reader::Other, 1 << 63 | 1 << 61 | 1 << 56),
        ] {
            assert_eq!(entry(state, reader), want, "{state:?}");
        }
    }
}
