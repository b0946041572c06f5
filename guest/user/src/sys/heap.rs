//! The heap: a list of free blocks in memory that `brk` appends to the program's data.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicUsize, Ordering};

use linked_list_allocator::Heap;
use linux_raw_sys::general::__NR_brk;
use spin::Mutex;

use super::call::{args, call};

/// The heap grows by multiples of this: untouched pages cost nothing.
const GROWTH_BYTES: usize = 32 << 10;
/// Room for the block's own bookkeeping.
const SLACK_BYTES: usize = 64;

#[global_allocator]
static HEAP: Global = Global { free: Mutex::new(Heap::empty()), end: AtomicUsize::new(0) };

struct Global {
    free: Mutex<Heap>,
    /// The break; 0 before the first allocation. Changes only while `free` is locked.
    end: AtomicUsize,
}

impl Global {
    /// Moves the break so that a block of this layout fits. False: the kernel refused.
    fn grow(&self, free: &mut Heap, layout: Layout) -> bool {
        let mut end = self.end.load(Ordering::Relaxed);
        if end == 0 {
            end = move_break(0).next_multiple_of(align_of::<usize>());
        }
        let wanted = layout.size().checked_add(layout.align() + SLACK_BYTES);
        let wanted = wanted.and_then(|bytes| bytes.checked_next_multiple_of(GROWTH_BYTES));
        let Some(new_end) = wanted.and_then(|bytes| end.checked_add(bytes)) else { return false };
        if move_break(new_end) != new_end {
            return false;
        }
        // SAFETY: from the old break to the new one the kernel just made memory, which nobody else
        // uses: this is the only caller of brk, and it holds the lock.
        unsafe {
            if free.size() == 0 {
                free.init(end as *mut u8, new_end - end);
            } else {
                free.extend(new_end - end);
            }
        }
        self.end.store(new_end, Ordering::Relaxed);
        true
    }
}

/// Asks for another break; the break that is then.
fn move_break(end: usize) -> usize {
    call(__NR_brk, args![end]).unwrap_or(0)
}

// SAFETY: blocks come from the list under its lock, are as large and aligned as asked, and go back
// to it with the layout they came with.
unsafe impl GlobalAlloc for Global {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let mut free = self.free.lock();
        loop {
            if let Ok(block) = free.allocate_first_fit(layout) {
                return block.as_ptr();
            }
            if !self.grow(&mut free, layout) {
                return ptr::null_mut();
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise: the block came from `alloc` with this layout.
        unsafe { self.free.lock().deallocate(NonNull::new_unchecked(block), layout) };
    }
}
