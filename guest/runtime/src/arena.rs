//! RAM that no Rust object is in and that is reached by physical address: page tables by the
//! thousand, and the pages that benchmarks load from, store to and run. `frames.rs` is the same at
//! small, fixed addresses; `ram.rs` has the RAM.

use core::sync::atomic::{AtomicU64, Ordering};

use crate::ram;

/// Size of the arena.
pub const SIZE_BYTES: u64 = 96 << 20;

/// Physical address of the first byte; 0 as long as nobody has asked.
static START: AtomicU64 = AtomicU64::new(0);

/// Physical address of the first byte, a multiple of 2 MiB. From the first call on, the RAM is set
/// aside; the board must have it ([`ram::reaches`]).
pub fn start() -> u64 {
    let start = START.load(Ordering::Relaxed);
    if start != 0 {
        return start;
    }
    let start = ram::set_aside(SIZE_BYTES);
    START.store(start, Ordering::Relaxed);
    start
}

/// The doubleword at physical address `at`.
pub fn read(at: u64) -> u64 {
    // SAFETY: `slot` is inside the arena, where no Rust object is.
    unsafe { slot(at).read_volatile() }
}

/// Replaces the doubleword at physical address `at`.
pub fn write(at: u64, value: u64) {
    // SAFETY: as above.
    unsafe { slot(at).write_volatile(value) };
}

fn slot(at: u64) -> *mut u64 {
    let offset = at.wrapping_sub(start());
    assert!(at.is_multiple_of(8) && offset < SIZE_BYTES, "{at:#x} is not in the arena");
    at as *mut u64
}
