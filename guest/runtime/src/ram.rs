//! RAM behind the program, for those that need more than [`frames`](crate::frames) has: [`lend`]
//! gives it out as slices, piece by piece and for ever.
//!
//! It begins behind the place of a kernel, too; but a kernel must have read its device tree before
//! it lends: firmware may have put that here.

use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use crate::board::RAM;
use crate::frames::SIZE_BYTES;
use crate::run::{Mode, cause, run};
use crate::snippets;

/// Where programs that start in M-mode are, with their stacks and frames (`virt.ld`).
pub const PROGRAM: Range<u64> = RAM..RAM + (2 << 20);
/// What can be lent; boards may have less.
const SPARE: Range<u64> = RAM + (4 << 20)..RAM + (1 << 30);

/// Physical address of the first byte that is not yet lent.
static NEXT: AtomicU64 = AtomicU64::new(SPARE.start);

snippets! {
    load_from_ram = "ld a0, 0(a1)";
}

/// Whether the board has this much RAM. For M-mode.
pub fn reaches(bytes: u64) -> bool {
    let last = (RAM + bytes - 8) & !7;
    run(Mode::Machine, load_from_ram(), &[0, last]).cause == cause::ECALL_M
}

/// What has been lent so far, whole pages.
pub fn lent() -> Range<u64> {
    SPARE.start..NEXT.load(Ordering::Relaxed)
}

/// Sets RAM aside for good without putting anything there; yields the physical address, a multiple
/// of 2 MiB.
pub(crate) fn set_aside(bytes: u64) -> u64 {
    const MEGAPAGE_BYTES: u64 = 2 << 20;
    let first = NEXT.fetch_add(bytes + MEGAPAGE_BYTES, Ordering::Relaxed);
    assert!(first <= SPARE.end - bytes - MEGAPAGE_BYTES, "RAM is used up");
    first.next_multiple_of(MEGAPAGE_BYTES)
}

/// Lends room for `count` values, from the beginning of a page on, and puts there what `value`
/// makes of each index. The board must have it ([`reaches`]), and where translation is on, it must
/// be mapped to itself.
pub fn lend<T>(count: usize, mut value: impl FnMut(usize) -> T) -> &'static mut [T] {
    const { assert!(align_of::<T>() <= SIZE_BYTES as usize, "pages are not aligned to more") };
    let bytes = count.checked_mul(size_of::<T>()).expect("fits into RAM") as u64;
    let first = NEXT.fetch_add(bytes.next_multiple_of(SIZE_BYTES), Ordering::Relaxed);
    assert!(bytes <= SPARE.end - SPARE.start && first <= SPARE.end - bytes, "RAM is used up");
    let values = first as *mut T;
    for index in 0..count {
        // SAFETY: in `SPARE`, which holds no Rust object, and lent to nobody else, as `NEXT` only
        // grows; aligned, as `first` is a multiple of a page.
        unsafe { values.add(index).write(value(index)) };
    }
    // SAFETY: as above, and now initialised.
    unsafe { core::slice::from_raw_parts_mut(values, count) }
}
