//! Physical page frames at fixed addresses that belong to no Rust object: page tables, and the
//! pages that a program lets its guest code load from, store to and run.

use core::cell::UnsafeCell;

/// Number of frames.
pub const COUNT_PAGES: u64 = 64;
/// Size of a frame.
pub const SIZE_BYTES: u64 = 4096;

const DOUBLEWORDS: usize = (COUNT_PAGES * SIZE_BYTES / 8) as usize;

#[repr(C, align(4096))]
struct Store([UnsafeCell<u64>; DOUBLEWORDS]);

// SAFETY: every access is a single volatile load or store of a doubleword, which no other hart can
// cut in two; no reference is made.
unsafe impl Sync for Store {}

// SAFETY: the linker script gives `.frames` memory of its own.
#[unsafe(link_section = ".frames")]
static STORE: Store = Store([const { UnsafeCell::new(0) }; DOUBLEWORDS]);

/// Physical address of frame `number`.
pub fn at(number: u64) -> u64 {
    assert!(number < COUNT_PAGES, "frame {number}");
    &raw const STORE as u64 + number * SIZE_BYTES
}

/// Whether the frames hold the doubleword at physical address `at`.
pub fn contain(at: u64) -> bool {
    let first = &raw const STORE as u64;
    at.is_multiple_of(8) && (first..first + COUNT_PAGES * SIZE_BYTES).contains(&at)
}

/// The doubleword at physical address `at`.
pub fn read(at: u64) -> u64 {
    // SAFETY: `slot` is inside `STORE`.
    unsafe { slot(at).read_volatile() }
}

/// Replaces the doubleword at physical address `at`.
pub fn write(at: u64, value: u64) {
    // SAFETY: `slot` is inside `STORE`.
    unsafe { slot(at).write_volatile(value) };
}

/// Writes instructions from physical address `at` on; a last odd one is followed by a zero.
pub fn write_code(at: u64, insns: &[u32]) {
    for (index, pair) in insns.chunks(2).enumerate() {
        let upper = u64::from(*pair.get(1).unwrap_or(&0));
        write(at + 8 * index as u64, upper << 32 | u64::from(pair[0]));
    }
}

/// Calls the function at physical address `at`, which keeps to the calling convention and its hands
/// off the memory of Rust objects; yields `a0`.
pub fn call(at: u64) -> u64 {
    assert!(contain(at), "{at:#x} is not in a frame");
    // SAFETY: the address is one of the frames', which hold what `write_code` has put there; the
    // contract above is the caller's.
    let function: extern "C" fn() -> u64 = unsafe { core::mem::transmute(at) };
    function()
}

fn slot(at: u64) -> *mut u64 {
    assert!(contain(at), "{at:#x} is not in a frame");
    STORE.0[(at - &raw const STORE as u64) as usize / 8].get()
}
