//! The chain of frame pointers on a kernel stack.

use core::arch::asm;

use super::image;

/// Most frames that are followed.
const MAX_FRAMES: usize = 32;
/// A frame pointer is above the return address and the caller's frame pointer.
const RECORD_BYTES: u64 = 16;

/// The frame pointer of the function that this is inlined into.
#[inline(always)]
pub(crate) fn frame_pointer() -> u64 {
    let pointer;
    // SAFETY: reads a register.
    unsafe { asm!("mv {}, fp", out(reg) pointer, options(nomem, nostack)) };
    pointer
}

/// Calls `visit` with the return addresses from the frame at `frame_pointer` outwards. The stack
/// is that of this hart, and `lowest` to `top` all that may be read of it.
pub(crate) fn walk(frame_pointer: u64, lowest: u64, top: u64, mut visit: impl FnMut(u64)) {
    let mut frame = frame_pointer;
    let mut floor = lowest + RECORD_BYTES;
    for _ in 0..MAX_FRAMES {
        if frame < floor || frame > top || !frame.is_multiple_of(8) {
            return;
        }
        // SAFETY: aligned, and within the stack, which is mapped.
        let (caller, return_address) = unsafe {
            let record = frame as *const u64;
            (record.sub(2).read_volatile(), record.sub(1).read_volatile())
        };
        if !image::text().contains(&return_address) {
            return;
        }
        visit(return_address);
        // Callers are further up; anything else is no chain.
        (floor, frame) = (frame + RECORD_BYTES, caller);
    }
}
