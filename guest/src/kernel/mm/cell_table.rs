//! Where the books have what they know of cells: a region of its own, mapped as far as there may be
//! cells. It grows with the swap areas, and does not shrink.

use core::slice;

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::cells::Cell;

use super::books::memory;
use super::region;
use crate::arch::tlb;
use crate::sync::SpinLock;

/// First address of the region.
pub(super) const REGION: u64 = 0xffff_ffe0_4000_0000;
/// Most cells that it has room for.
const CELLS_MAX: u64 = region::SIZE_BYTES / size_of::<Cell>() as u64;

/// Pages that are mapped.
static MAPPED: SpinLock<u64> = SpinLock::new(0);

/// Sees to it that so many cells may live.
///
/// # Errors
/// `ENOMEM`.
pub(super) fn grow(cells: u64) -> Result<(), Errno> {
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
