//! Where the books have what they know of cells: a region of its own, mapped as far as there may be
//! cells. It grows with the swap areas, and does not shrink.

use core::slice;

use core::sync::atomic::{AtomicU64, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::cells::{Cell, State};

use super::books::{memory, total_frames};
use super::region;
use crate::arch::tlb;
use crate::sync::SpinLock;

/// First address of the region.
pub(super) const REGION: u64 = 0xffff_ffe0_4000_0000;
/// Most cells that it has room for.
const CELLS_MAX: u64 = region::SIZE_BYTES / size_of::<Cell>() as u64;

/// Pages that are mapped.
static MAPPED: SpinLock<u64> = SpinLock::new(0);

/// Cells beyond those that have a frame or a slot: of pages of files that were evicted, until the
/// files let go of them.
static EVICTED_MAX: AtomicU64 = AtomicU64::new(0);

/// Sees to it that there are cells for pages of files, too: as many as there are frames may be
/// evicted before the files have to let go of some.
///
/// # Errors
/// `ENOMEM`.
pub(super) fn serve_files() -> Result<(), Errno> {
    EVICTED_MAX.store(total_frames(), Ordering::Relaxed);
    grow(total_frames() + memory(|books| books.slots.total()))
}

/// Whether it is time that files let go of pages that were evicted.
pub(super) fn is_crowded() -> bool {
    let evicted = memory(|books| books.cells.count(State::Home));
    evicted > EVICTED_MAX.load(Ordering::Relaxed) / 2
}

/// Sees to it that so many cells may live, and those of evicted pages of files.
///
/// # Errors
/// `ENOMEM`.
pub(super) fn grow(cells: u64) -> Result<(), Errno> {
    let cells = cells + EVICTED_MAX.load(Ordering::Relaxed);
    if cells > CELLS_MAX {
        return Err(Errno::ENOMEM);
    }
    let pages = (cells * size_of::<Cell>() as u64).div_ceil(PAGE_SIZE_BYTES);
    let mut mapped = MAPPED.lock();
    let before = *mapped;
    while *mapped < pages {
        region::map_page(REGION + *mapped * PAGE_SIZE_BYTES)?;
        *mapped += 1;
    }
    tlb::fence_kernel(REGION + before * PAGE_SIZE_BYTES..REGION + *mapped * PAGE_SIZE_BYTES);
    let known = memory(|books| books.cells.capacity() as usize);
    let room = (*mapped * PAGE_SIZE_BYTES / size_of::<Cell>() as u64) as usize;
    let start = REGION as *mut Cell;
    for index in known..room {
        // SAFETY: the page is mapped, and nobody knows of this cell, as only what the lock above
        // protects leads here.
        unsafe { start.add(index).write(Cell::DEAD) };
    }
    if known < room {
        // SAFETY: so many cells are mapped and written; those that were known are given back.
        let longer = |_: &'static mut [Cell]| unsafe { slice::from_raw_parts_mut(start, room) };
        memory(|books| books.cells.extend(longer));
    }
    Ok(())
}
