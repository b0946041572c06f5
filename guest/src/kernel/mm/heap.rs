//! The kernel's heap: objects of a few sizes, cut from frames, and blocks of frames for what is
//! larger. Whole free frames go back to the books, so that an idle machine has its RAM free.
//! May be used with interrupts off and spin locks held, but never inside `memory()`.
//!
//! A *slab* is a frame of objects of one class. Its first bytes are its [`Slab`]; objects follow.
//! Slabs with room are on their class's list. An object that is free holds the next one's offset.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::{self, NonNull};

use guest::mm::{Class, Owner};
use guest::{PAGE_SIZE_BYTES, Ppn};

use super::books::memory;
use super::direct;
use crate::sync::SpinLock;

/// Sizes of objects, chosen so that a frame holds them with little left over.
const SIZES_BYTES: [u16; 20] = [
    16, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320, 400, 512, 576, 672, 800, 1008, 1344, 1536,
    2032,
];
const CLASSES: usize = SIZES_BYTES.len();
/// Largest object of a slab.
const LARGEST_BYTES: usize = SIZES_BYTES[CLASSES - 1] as usize;
/// Objects are multiples of this, and aligned to it at least.
const GRAIN_BYTES: usize = 16;
const FRAME_BYTES: usize = PAGE_SIZE_BYTES as usize;

/// The class of an object of so many grains: the smallest that holds it.
const CLASS_OF_GRAINS: [u8; LARGEST_BYTES / GRAIN_BYTES + 1] = {
    let mut table = [0; LARGEST_BYTES / GRAIN_BYTES + 1];
    let (mut grains, mut class) = (0, 0);
    while grains < table.len() {
        if grains * GRAIN_BYTES > SIZES_BYTES[class] as usize {
            class += 1;
        }
        table[grains] = class as u8;
        grains += 1;
    }
    table
};

/// What objects of a class are aligned to.
const fn alignment_of(class: usize) -> usize {
    1 << SIZES_BYTES[class].trailing_zeros()
}

/// Offset of the first object in a slab of a class.
const fn start_of(class: usize) -> usize {
    size_of::<Slab>().next_multiple_of(alignment_of(class))
}

/// The beginning of a slab's frame.
#[repr(C)]
struct Slab {
    next: Option<NonNull<Slab>>,
    previous: Option<NonNull<Slab>>,
    /// Offset of the first object that was freed, 0: none.
    free: u16,
    /// Offset behind the last object that was ever used.
    fresh: u16,
    /// Objects in use.
    used: u16,
    class: u16,
}

const _: () = assert!(size_of::<Slab>() <= 2 * GRAIN_BYTES);

impl Slab {
    fn has_room(&self) -> bool {
        let size = SIZES_BYTES[usize::from(self.class)];
        self.free != 0 || usize::from(self.fresh + size) <= FRAME_BYTES
    }
}

/// What is in use, for /proc and the audit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeapUse {
    /// Bytes in objects of slabs, as their classes count them.
    pub(crate) object_bytes: u64,
    /// Frames of slabs.
    pub(crate) slab_frames: u64,
    /// Frames of larger blocks.
    pub(crate) block_frames: u64,
}

/// All slabs that have room.
struct Slabs {
    lists: [Option<NonNull<Slab>>; CLASSES],
    in_use: HeapUse,
}

// SAFETY: the pointers are to frames of the heap, which are only touched under its lock.
unsafe impl Send for Slabs {}

impl Slabs {
    /// An object of the class, or null.
    fn take(&mut self, class: usize) -> *mut u8 {
        let Some(mut slab_at) = self.lists[class].or_else(|| self.grow(class)) else {
            return ptr::null_mut();
        };
        // SAFETY: slabs on lists are frames of the heap that begin with a `Slab`.
        let slab = unsafe { slab_at.as_mut() };
        let offset = match slab.free {
            0 => {
                let offset = slab.fresh;
                slab.fresh += SIZES_BYTES[class];
                offset
            }
            offset => {
                // SAFETY: `offset` is that of a free object within the slab, whose first bytes
                // name the next one.
                slab.free = unsafe { slab_at.byte_add(offset.into()).cast::<u16>().read() };
                offset
            }
        };
        slab.used += 1;
        if !slab.has_room() {
            self.unlink(slab_at);
        }
        self.in_use.object_bytes += u64::from(SIZES_BYTES[class]);
        // SAFETY: the object is within the slab's frame.
        unsafe { slab_at.byte_add(offset.into()) }.cast().as_ptr()
    }

    /// Takes an object of the class back.
    ///
    /// # Safety
    /// It came from [`take`](Self::take) with this class and is not used any more.
    unsafe fn give(&mut self, object: NonNull<u8>, class: usize) {
        let offset = object.as_ptr() as usize % FRAME_BYTES;
        // SAFETY: the frame of an object begins with its slab, as the caller says.
        let mut slab_at = unsafe { object.byte_sub(offset).cast::<Slab>() };
        // SAFETY: likewise; nothing else borrows it.
        let slab = unsafe { slab_at.as_mut() };
        assert!(usize::from(slab.class) == class && slab.used > 0, "not an object of the heap");
        let had_room = slab.has_room();
        // SAFETY: the object is ours again.
        unsafe { object.cast::<u16>().write(slab.free) };
        slab.free = offset as u16;
        slab.used -= 1;
        let is_empty = slab.used == 0;
        self.in_use.object_bytes -= u64::from(SIZES_BYTES[class]);
        if !had_room {
            self.link(slab_at);
        }
        // The last slab of a list stays, so that a single object that comes and goes is cheap.
        // SAFETY: as above.
        let is_alone =
            unsafe { slab_at.as_ref().next.is_none() } && self.lists[class] == Some(slab_at);
        if is_empty && !is_alone {
            self.shrink(slab_at);
        }
    }

    /// A new slab, on its list.
    #[cold]
    fn grow(&mut self, class: usize) -> Option<NonNull<Slab>> {
        let frame = memory(|books| books.frames.alloc(Class::Atomic, Owner::Kernel)).ok()?;
        let slab_at = NonNull::new(direct::address_of(frame.base()) as *mut Slab)?;
        let fresh = start_of(class) as u16;
        let slab =
            Slab { next: None, previous: None, free: 0, fresh, used: 0, class: class as u16 };
        // SAFETY: the frame is ours.
        unsafe { slab_at.write(slab) };
        self.link(slab_at);
        self.in_use.slab_frames += 1;
        Some(slab_at)
    }

    /// Gives an empty slab's frame back.
    #[cold]
    fn shrink(&mut self, slab_at: NonNull<Slab>) {
        self.unlink(slab_at);
        self.in_use.slab_frames -= 1;
        memory(|books| books.frames.free(direct::frame_at(slab_at.as_ptr() as u64)));
    }

    fn link(&mut self, mut slab_at: NonNull<Slab>) {
        // SAFETY: slabs are frames of the heap; `self` is borrowed, so nothing else touches them.
        unsafe {
            let slab = slab_at.as_mut();
            let head = &mut self.lists[usize::from(slab.class)];
            (slab.next, slab.previous) = (*head, None);
            if let Some(mut old) = head.replace(slab_at) {
                old.as_mut().previous = Some(slab_at);
            }
        }
    }

    fn unlink(&mut self, slab_at: NonNull<Slab>) {
        // SAFETY: as in `link`.
        unsafe {
            let slab = slab_at.as_ref();
            let (next, previous) = (slab.next, slab.previous);
            match previous {
                Some(mut previous) => previous.as_mut().next = next,
                None => self.lists[usize::from(slab.class)] = next,
            }
            if let Some(mut next) = next {
                next.as_mut().previous = previous;
            }
        }
    }

    /// Gives the frames of all empty slabs back.
    fn trim(&mut self) {
        for class in 0..CLASSES {
            let mut next = self.lists[class];
            while let Some(slab_at) = next {
                // SAFETY: as in `link`.
                let slab = unsafe { slab_at.as_ref() };
                next = slab.next;
                if slab.used == 0 {
                    self.shrink(slab_at);
                }
            }
        }
    }

    /// Contiguous frames, or null.
    fn take_block(&mut self, layout: Layout) -> *mut u8 {
        let frames = layout.size().div_ceil(FRAME_BYTES).max(1);
        let whole = frames.next_power_of_two().max(layout.align() / FRAME_BYTES);
        let taken = memory(|books| {
            let order = whole.ilog2() as u8;
            let first = books.frames.alloc_block(order, Class::Atomic, Owner::Kernel)?;
            // What the block has too much goes back, in blocks that are as aligned as they are
            // large.
            let mut kept = frames;
            while kept < whole {
                let order = kept.trailing_zeros();
                books.frames.free_block(Ppn(first.0 + kept as u64), order as u8);
                kept += 1 << order;
            }
            Ok::<Ppn, guest::mm::OutOfMemory>(first)
        });
        let Ok(first) = taken else { return ptr::null_mut() };
        self.in_use.block_frames += frames as u64;
        direct::address_of(first.base()) as *mut u8
    }

    /// Takes contiguous frames back.
    fn give_block(&mut self, block: *mut u8, layout: Layout) {
        let frames = layout.size().div_ceil(FRAME_BYTES).max(1);
        self.in_use.block_frames -= frames as u64;
        let first = direct::frame_at(block as u64);
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
}

/// The class for a layout; `None` where it takes whole frames.
fn class_of(layout: Layout) -> Option<usize> {
    let size = layout.size();
    if size > LARGEST_BYTES || layout.align() >= FRAME_BYTES {
        return None;
    }
    let class = usize::from(CLASS_OF_GRAINS[size.div_ceil(GRAIN_BYTES)]);
    if layout.align() <= GRAIN_BYTES {
        return Some(class);
    }
    (class..CLASSES).find(|class| alignment_of(*class) >= layout.align())
}

/// The heap.
struct Heap(SpinLock<Slabs>);

#[global_allocator]
static HEAP: Heap = Heap(SpinLock::new(Slabs {
    lists: [None; CLASSES],
    in_use: HeapUse { object_bytes: 0, slab_frames: 0, block_frames: 0 },
}));

// SAFETY: objects and blocks are distinct, as large and as aligned as asked for (see `class_of`
// and `take_block`), stay until they are given back, and no allocation unwinds.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        match class_of(layout) {
            Some(class) => self.0.lock().take(class),
            None => self.0.lock().take_block(layout),
        }
    }

    unsafe fn dealloc(&self, object: *mut u8, layout: Layout) {
        let Some(at) = NonNull::new(object) else { return };
        match class_of(layout) {
            // SAFETY: the caller says that it came from `alloc` with this layout.
            Some(class) => unsafe { self.0.lock().give(at, class) },
            None => self.0.lock().give_block(object, layout),
        }
    }

    unsafe fn realloc(&self, object: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller says that the size, rounded up to the alignment, does not overflow.
        let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
        let frames = |layout: Layout| layout.size().div_ceil(FRAME_BYTES);
        let (old_class, new_class) = (class_of(layout), class_of(new_layout));
        let is_block = old_class.is_none();
        if old_class == new_class && (!is_block || frames(layout) == frames(new_layout)) {
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
    HEAP.0.lock().in_use
}

/// Gives frames back that only wait to be used again.
pub(crate) fn trim() {
    HEAP.0.lock().trim();
}
