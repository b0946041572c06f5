//! The direct map: physical address `pa` at virtual address `WINDOW + pa`, RAM and devices alike.
//! Everything the kernel does to a frame's content, a page-table entry among it, happens here.
//!
//! Frames may be in use by processes on other harts and tables by the harts' page walkers, so they
//! are only touched by atomic accesses, which the compiler neither invents nor merges.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::table::FrameMemory;
use guest::{ENTRIES, Flags, PAGE_SIZE_BYTES, Ppn, Pte};

use crate::arch::{page, uaccess};

/// Virtual address of physical address 0.
pub(crate) const WINDOW: u64 = 0xffff_ffc0_0000_0000;
/// How much physical memory the window shows.
pub(crate) const WINDOW_SIZE_BYTES: u64 = 128 << 30;

/// Words of a frame.
const WORDS: usize = (PAGE_SIZE_BYTES / 8) as usize;

/// Where the direct map shows physical address `pa`.
pub(crate) const fn address_of(pa: u64) -> u64 {
    debug_assert!(pa < WINDOW_SIZE_BYTES);
    WINDOW + pa
}

/// The frame that the direct map shows at `va`.
pub(crate) const fn frame_at(va: u64) -> Ppn {
    debug_assert!(va >= WINDOW && va < WINDOW + WINDOW_SIZE_BYTES);
    Ppn::of(va - WINDOW)
}

fn words(frame: Ppn) -> &'static [AtomicU64; WORDS] {
    // SAFETY: frame numbers come from the books on RAM, the boot's ranges of RAM, or entries that
    // were made of those: the window maps them for good, and nothing but atomics accesses them
    // while they hold tables or the pages of processes.
    unsafe { &*(address_of(frame.base()) as *const [AtomicU64; WORDS]) }
}

/// The entry `index` of the table in frame `table`.
#[inline]
pub(super) fn pte(table: Ppn, index: usize) -> Pte {
    Pte(words(table)[index].load(Ordering::Relaxed))
}

/// Replaces an entry; the old one. What was written to the frame that it names is seen by whoever
/// sees the entry.
#[inline]
pub(super) fn swap_pte(table: Ppn, index: usize, pte: Pte) -> Pte {
    Pte(words(table)[index].swap(pte.0, Ordering::AcqRel))
}

/// Replaces an entry if it is `old`.
///
/// # Errors
/// The entry that is there instead.
#[inline]
pub(super) fn exchange_pte(table: Ppn, index: usize, old: Pte, new: Pte) -> Result<(), Pte> {
    let entry = &words(table)[index];
    match entry.compare_exchange(old.0, new.0, Ordering::AcqRel, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(found) => Err(Pte(found)),
    }
}

/// Takes these bits out of an entry; the entry before.
#[inline]
pub(super) fn clear_pte(table: Ppn, index: usize, bits: Flags) -> Pte {
    Pte(words(table)[index].fetch_and(!Pte::new(Ppn(0), bits).0, Ordering::AcqRel))
}

/// Fills a frame with zeros.
#[inline]
pub(crate) fn zero(frame: Ppn) {
    // SAFETY: as in `words`; the routine is assembly.
    unsafe { page::zero(address_of(frame.base())) }
}

/// Copies a frame's content.
#[inline]
pub(crate) fn copy(from: Ppn, to: Ppn) {
    // SAFETY: as in `words`, for both; the routine is assembly.
    unsafe { page::copy(address_of(from.base()), address_of(to.base())) }
}

/// Asserts that the bytes from `offset` on lie within a frame; their address.
fn bytes(frame: Ppn, offset: usize, count: usize) -> u64 {
    assert!(offset + count <= PAGE_SIZE_BYTES as usize, "{count} bytes at {offset} of a frame");
    address_of(frame.base()) + offset as u64
}

/// Copies from a frame to kernel memory. Asserts that the bytes lie within the frame.
pub(crate) fn read_frame(frame: Ppn, offset: usize, to: &mut [u8]) {
    let from = bytes(frame, offset, to.len()) as *const u8;
    // SAFETY: `bytes` has checked the range, frames are mapped (see `words`), and kernel memory
    // that `to` borrows is no page of a process or file. A process that writes to the page at the
    // same time gets to see torn bytes, as it would with `read` on any kernel.
    unsafe { core::ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) }
}

/// Copies from kernel memory to a frame. Asserts that the bytes lie within the frame.
pub(crate) fn write_frame(frame: Ppn, offset: usize, from: &[u8]) {
    let to = bytes(frame, offset, from.len()) as *mut u8;
    // SAFETY: as in `read_frame`.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), to, from.len()) }
}

/// From a frame straight to user memory, as far as no fault is needed; how many bytes.
pub(crate) fn try_frame_to_user(frame: Ppn, offset: usize, to: u64, count: usize) -> usize {
    let from = bytes(frame, offset, count) as *const u8;
    // SAFETY: the range is checked and mapped; the slice is only handed to the copy routine, which
    // is assembly.
    uaccess::try_copy_out(to, unsafe { core::slice::from_raw_parts(from, count) })
}

/// From user memory straight to a frame, likewise.
pub(crate) fn try_user_to_frame(from: u64, frame: Ppn, offset: usize, count: usize) -> usize {
    let to = bytes(frame, offset, count) as *mut u8;
    // SAFETY: as in `try_frame_to_user`.
    uaccess::try_copy_in(unsafe { core::slice::from_raw_parts_mut(to, count) }, from)
}

/// Bytes of RAM that nobody writes: the initial file system as the loader left it.
///
/// # Safety
/// The range is RAM that stays as it is as long as the slice is used.
pub(crate) unsafe fn constant_bytes(range: Range<u64>) -> &'static [u8] {
    let length = (range.end - range.start) as usize;
    // SAFETY: mapped (see `words`), and constant, as the caller says.
    unsafe { core::slice::from_raw_parts(address_of(range.start) as *const u8, length) }
}

/// Makes an array of `count` default values in RAM at `pa`.
///
/// # Safety
/// The memory is the caller's, for good, and aligned for `T`.
pub(super) unsafe fn carve<T: Copy + Default>(pa: u64, count: usize) -> &'static mut [T] {
    let first = address_of(pa) as *mut T;
    for index in 0..count {
        // SAFETY: within memory that is the caller's.
        unsafe { first.add(index).write(T::default()) };
    }
    // SAFETY: all values are there, and nobody else refers to them.
    unsafe { core::slice::from_raw_parts_mut(first, count) }
}

/// Tables as `guest::table` makes them: in whichever frames the boot takes.
#[derive(Debug)]
pub(super) struct Tables;

impl FrameMemory for Tables {
    fn read_pte(&self, table: Ppn, index: usize) -> Pte {
        pte(table, index)
    }

    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
        swap_pte(table, index, pte);
    }
}

const _: () = assert!(ENTRIES == WORDS, "a table fills a frame");
