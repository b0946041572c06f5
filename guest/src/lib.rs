//! The operating system in portable Rust, as far as it is policy: the Sv39 page-table entry, tables
//! and a walk that can be printed; with the feature `alloc` also address spaces, files, pipes,
//! signals. No `unsafe`, no hardware: memory comes in behind traits, so everything here is tested
//! on the host. `kernel/` runs it on harts, `first_walk/` its beginnings.

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

#[cfg(feature = "alloc")]
pub mod board;
#[cfg(feature = "alloc")]
pub mod boot_options;
#[cfg(feature = "alloc")]
pub mod errno;
#[cfg(feature = "alloc")]
pub mod fs;
#[cfg(feature = "alloc")]
pub mod ipc;
#[cfg(feature = "alloc")]
pub mod locked;
#[cfg(feature = "alloc")]
pub mod log;
#[cfg(feature = "alloc")]
pub mod mm;
#[cfg(feature = "alloc")]
pub mod proc_text;
pub mod pte;
pub mod ranges;
#[cfg(feature = "alloc")]
pub mod sched;
#[cfg(feature = "alloc")]
pub mod symbols;
#[cfg(feature = "alloc")]
pub mod sync;
pub mod table;
#[cfg(feature = "alloc")]
pub mod task;
pub mod timebase;
#[cfg(feature = "alloc")]
pub mod timers;
#[cfg(feature = "alloc")]
pub mod tty;
#[cfg(feature = "alloc")]
pub mod virtio;
pub mod walk;

pub use pte::{Flags, Ppn, Pte};
pub use table::{FrameMemory, FramePool, MapError, Page, PageTable};
pub use walk::{Access, Finding, Step, Walk, WalkOptions};

/// Size of a base page.
pub const PAGE_SIZE_BYTES: u64 = 4096;
/// Levels of an Sv39 table: 2 (root), 1 and 0.
pub const LEVELS: usize = 3;
/// Entries of one table.
pub const ENTRIES: usize = 512;

// 39 bits are an offset within a page and an index per level.
const _: () = assert!(12 + 9 * LEVELS == 39 && ENTRIES == 1 << 9 && PAGE_SIZE_BYTES == 1 << 12);

/// The index into the table at `level` that `va` selects: VPN\[level\].
pub const fn vpn(va: u64, level: usize) -> usize {
    (va >> (12 + 9 * level)) as usize % ENTRIES
}

/// Bytes that one leaf at `level` maps.
pub const fn leaf_size_bytes(level: usize) -> u64 {
    PAGE_SIZE_BYTES << (9 * level)
}

/// Whether bits 63..39 of `va` all equal bit 38, as Sv39 demands.
pub const fn is_canonical(va: u64) -> bool {
    let upper = va as i64 >> 38;
    upper == 0 || upper == -1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_virtual_address_splits_into_three_indices() {
        let va = 5 << 30 | 6 << 21 | 7 << 12 | 0x123;
        assert_eq!([vpn(va, 2), vpn(va, 1), vpn(va, 0)], [5, 6, 7]);
        assert_eq!([0, 1, 2].map(leaf_size_bytes), [4 << 10, 2 << 20, 1 << 30]);
    }

    #[test]
    fn canonical_addresses() {
        for (va, canonical) in [
            (0, true),
            ((1 << 38) - 1, true),
            (1 << 38, false),
            (1 << 39, false),
            (u64::MAX, true),
            (u64::MAX << 38, true),
            (u64::MAX << 38 ^ 1 << 63, false),
            ((u64::MAX << 38) - 1, false),
        ] {
            assert_eq!(is_canonical(va), canonical, "{va:#x}");
        }
    }
}
