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

/// The same range in physical memory.
pub(crate) fn physical(range: &Range<u64>) -> Range<u64> {
    range.start - OFFSET..range.end - OFFSET
}
