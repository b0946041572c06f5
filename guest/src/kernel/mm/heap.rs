//! The kernel's heap: objects in frames that `talc` manages, and contiguous frames for what is
//! larger. Frames without objects go back to the books, so that an idle machine has its RAM free.
//! May be used with interrupts off and spin locks held, but never inside `memory()`.
//!
//! [`Supply`] is where `talc` gets its frames and leaves them, [`Objects`] what the lock protects.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::mm::{Class, OutOfMemory, Owner};
use guest::{PAGE_SIZE_BYTES, Ppn};
use talc::base::binning::Binning;
use talc::base::{CHUNK_UNIT, Talc};
use talc::source::Source;

use super::books::memory;
use super::direct;
use crate::sync::SpinLock;

const FRAME_BYTES: usize = PAGE_SIZE_BYTES as usize;
/// What `talc` has behind each object, within its chunk.
const TAG_BYTES: usize = size_of::<usize>();
/// Largest object that shares a frame: the last whose chunks have a list of their own.
const LARGEST_BYTES: usize = (Lists::BIN_COUNT as usize - 2) * CHUNK_UNIT - TAG_BYTES;
/// Largest alignment of an object that shares a frame.
const LARGEST_ALIGN_BYTES: usize = FRAME_BYTES / 4;

// One frame of [`Supply`] always helps, be it the first, which begins with the lists' heads.
const _: () = assert!(
    talc::min_first_heap_size::<Lists>() + LARGEST_ALIGN_BYTES + LARGEST_BYTES + TAG_BYTES
        <= FRAME_BYTES
);

/// A list of free chunks for each size, of which any one fits; the last one has all larger ones.
struct Lists;

impl Binning for Lists {
    type AvailabilityBitField = u64;

    #[inline]
    fn size_to_bin(size: usize) -> u32 {
        (size / CHUNK_UNIT) as u32
    }
}

/// Frames come from the books, and go back as soon as they are empty, but for one.
#[derive(Debug)]
struct Supply {
    /// An empty one, so that a single object that comes and goes is cheap.
    spare: Option<Ppn>,
    /// All that there are, the spare one included.
    frames: u64,
}

impl Supply {
    fn take(&mut self) -> Option<Ppn> {
        if let Some(frame) = self.spare.take() {
            return Some(frame);
        }
        let taken = memory(|books| books.alloc(Class::Atomic, Owner::Kernel)).ok()?;
        self.frames += 1;
        Some(taken)
    }

    fn give(&mut self, frame: Ppn) {
        if let Some(other) = self.spare.replace(frame) {
            self.free(other);
        }
    }

    fn free(&mut self, frame: Ppn) {
        self.frames -= 1;
        memory(|books| books.frames.free(frame));
    }

    /// Gives back what only waits to be used again.
    fn trim(&mut self) {
        if let Some(frame) = self.spare.take() {
            self.free(frame);
        }
    }
}

// SAFETY: the books do not use the heap; what is claimed is a frame that is ours, and a frame is
// given away only where nothing of it is in use, the whole of it at once.
unsafe impl Source for Supply {
    const TRACK_HEAP_END: bool = true;

    #[cold]
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, _: Layout) -> Result<(), ()> {
        let frame = talc.source.take().ok_or(())?;
        let start = direct::address_of(frame.base()) as *mut u8;
        // SAFETY: the frame is mapped, and nobody else's.
        unsafe { talc.claim(start, FRAME_BYTES) }.map(drop).ok_or(())
    }

    /// Called where the end of a frame, which is the end of one of `talc`'s heaps, becomes free.
    #[inline]
    unsafe fn resize(&mut self, free: *mut u8, end: *mut u8, is_empty: bool) -> *mut u8 {
        if !is_empty {
            return end;
        }
        self.give(direct::frame_at(free as u64));
        free
    }
}

/// What is in use, for /proc and the audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeapUse {
    /// Bytes of objects that share frames, as they were asked for.
    pub(crate) object_bytes: u64,
    /// Frames that objects share.
    pub(crate) object_frames: u64,
    /// Frames of what is larger.
    pub(crate) large_frames: u64,
}

/// The objects that share frames.
struct Objects {
    talc: Talc<Supply, Lists>,
    bytes: u64,
}

impl Objects {
    /// # Safety
    /// The layout's size is not 0.
    unsafe fn take(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller says.
        let Some(object) = (unsafe { self.talc.allocate(layout) }) else { return ptr::null_mut() };
        self.bytes += layout.size() as u64;
        object.as_ptr()
    }

    /// # Safety
    /// The object came from [`take`](Self::take) with this layout and is not used any more.
    unsafe fn give(&mut self, object: *mut u8, layout: Layout) {
        self.bytes -= layout.size() as u64;
        // SAFETY: as the caller says.
        unsafe { self.talc.deallocate(object, layout) };
    }

    /// Whether the object could become as large where it is.
    ///
    /// # Safety
    /// The object came from [`take`](Self::take) with this layout; the size is not 0.
    unsafe fn resize(&mut self, object: *mut u8, layout: Layout, size: usize) -> bool {
        // SAFETY: as the caller says.
        let done = unsafe { self.talc.try_realloc_in_place(object, layout, size) };
        if done {
            self.bytes = self.bytes - layout.size() as u64 + size as u64;
        }
        done
    }
}

/// Whether such an object shares a frame; otherwise it takes whole ones.
const fn shares_frame(layout: Layout) -> bool {
    layout.size() <= LARGEST_BYTES && layout.align() <= LARGEST_ALIGN_BYTES
}

/// Frames that such an object takes where it does not share one.
const fn frames_of(layout: Layout) -> usize {
    layout.size().div_ceil(FRAME_BYTES)
}

/// Contiguous frames, or null.
fn take_frames(layout: Layout) -> *mut u8 {
    let frames = frames_of(layout);
    let whole = frames.next_power_of_two().max(layout.align() / FRAME_BYTES);
    let taken = memory(|books| {
        let order = whole.ilog2() as u8;
        let first = books.alloc_block(order, Class::Atomic, Owner::Kernel)?;
        // What the block has too much goes back, in blocks that are as aligned as they are
        // large.
        let mut kept = frames;
        while kept < whole {
            let order = kept.trailing_zeros();
            books.frames.free_block(Ppn(first.0 + kept as u64), order as u8);
            kept += 1 << order;
        }
        Ok::<Ppn, OutOfMemory>(first)
    });
    let Ok(first) = taken else { return ptr::null_mut() };
    HEAP.large_frames.fetch_add(frames as u64, Ordering::Relaxed);
    direct::address_of(first.base()) as *mut u8
}

/// Takes contiguous frames back.
fn give_frames(object: *mut u8, layout: Layout) {
    let frames = frames_of(layout);
    HEAP.large_frames.fetch_sub(frames as u64, Ordering::Relaxed);
    let first = direct::frame_at(object as u64);
    memory(|books| {
        let mut left = frames;
        while left > 0 {
            // From the end, so that the offset of what goes is a multiple of its size.
            let order = left.trailing_zeros();
            left -= 1 << order;
            books.frames.free_block(Ppn(first.0 + left as u64), order as u8);
        }
    });
}

/// The heap.
struct Heap {
    objects: SpinLock<Objects>,
    large_frames: AtomicU64,
}

#[global_allocator]
static HEAP: Heap = Heap {
    objects: SpinLock::new(Objects {
        talc: Talc::new(Supply { spare: None, frames: 0 }),
        bytes: 0,
    }),
    large_frames: AtomicU64::new(0),
};

// SAFETY: objects are distinct, as large and as aligned as asked for, stay until they are given
// back, and no allocation unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !shares_frame(layout) {
            return take_frames(layout);
        }
        // SAFETY: the caller says so.
        unsafe { self.objects.lock().take(layout) }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        if !shares_frame(layout) {
            return give_frames(object, layout);
        }
        // SAFETY: the caller says that it came from `alloc` with this layout.
        unsafe { self.objects.lock().give(object, layout) }
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller says that the size, rounded up to the alignment, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let stays = match (shares_frame(layout), shares_frame(new_layout)) {
            // SAFETY: as the caller says.
            (true, true) => unsafe { self.objects.lock().resize(object, layout, new_size) },
            (false, false) => frames_of(layout) == frames_of(new_layout),
            _ => false,
        };
        if stays {
            return object;
        }
        // SAFETY: as the caller says; the copy is as long as the smaller of both.
        unsafe {
            let new = self.alloc(new_layout);
            if !new.is_null() {
                ptr::copy_nonoverlapping(object, new, layout.size().min(new_size));
                self.dealloc(object, layout);
            }
            new
        }
    }
}

/// What is in use.
pub(crate) fn in_use() -> HeapUse {
    let objects = HEAP.objects.lock();
    HeapUse {
        object_bytes: objects.bytes,
        object_frames: objects.talc.source.frames,
        large_frames: HEAP.large_frames.load(Ordering::Relaxed),
    }
}

/// Gives frames back that only wait to be used again.
pub(crate) fn trim() {
    HEAP.objects.lock().talc.source.trim();
}
