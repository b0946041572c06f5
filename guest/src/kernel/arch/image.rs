//! Where the kernel's image lies. Its addresses are [`OFFSET`] above the physical ones.

use core::ops::Range;

/// What virtual addresses of the image are above their physical ones.
pub(crate) const OFFSET: u64 = 0xffff_ffff_0000_0000;

unsafe extern "C" {
    static _text_start: u8;
    static _text_end: u8;
    static _rodata_start: u8;
    static _rodata_end: u8;
    static _data_start: u8;
    static _image_end: u8;
    static _boot_stack_start: u8;
    static _boot_stack_top: u8;
}

fn range(start: *const u8, end: *const u8) -> Range<u64> {
    start as u64..end as u64
}

/// Addresses of code.
pub(crate) fn text() -> Range<u64> {
    range(&raw const _text_start, &raw const _text_end)
}

/// Addresses of constants.
pub(crate) fn rodata() -> Range<u64> {
    range(&raw const _rodata_start, &raw const _rodata_end)
}

/// Addresses of everything that changes, the boot stack included.
pub(crate) fn data() -> Range<u64> {
    range(&raw const _data_start, &raw const _image_end)
}

/// Addresses of the stack on which the first hart boots.
pub(crate) fn boot_stack() -> Range<u64> {
    range(&raw const _boot_stack_start, &raw const _boot_stack_top)
}

/// What stands at the low end of the boot stack as long as nothing else was put there.
const MARK: u64 = 0x656e_645f_6f66_5f69;
/// How many words: what leaves one out may meet the next.
const MARKS: usize = 32;

fn marks() -> [*mut u64; MARKS] {
    let start: *mut u64 = core::ptr::with_exposed_provenance_mut(boot_stack().start as usize);
    core::array::from_fn(|index| start.wrapping_add(index))
}

/// Marks the low end of the boot stack, which is still far away.
pub(crate) fn mark_boot_stack() {
    for mark in marks() {
        // SAFETY: the words are the stack's, which is not used as far down as that.
        unsafe { mark.write_volatile(MARK) };
    }
}

/// Whether the marks are still there, below which the kernel's constants lie.
pub(crate) fn is_boot_stack_whole() -> bool {
    // SAFETY: they are aligned words of the stack, which is left or not used as far down as that.
    marks().into_iter().all(|mark| unsafe { mark.read_volatile() } == MARK)
}

/// The same range in physical memory.
pub(crate) fn physical(range: &Range<u64>) -> Range<u64> {
    range.start - OFFSET..range.end - OFFSET
}
