//! Regions of the kernel's half whose pages are mapped as they are needed: stacks, the books on
//! cells. Each is one gigabyte, so one entry of the root, which the boot makes.

use guest::mm::{Class, OutOfMemory, Owner};
use guest::{Flags, Ppn, Pte, vpn};

use super::books::memory;
use super::{boot, direct};

/// Size of a region.
pub(super) const SIZE_BYTES: u64 = 1 << 30;

const FLAGS: Flags =
    Flags::V.with(Flags::R).with(Flags::W).with(Flags::A).with(Flags::D).with(Flags::G);

/// The table of level 1 of the region that has `va`.
fn middle_table(va: u64) -> Ppn {
    direct::pte(boot::kernel_root(), vpn(va, 2)).ppn()
}

/// The table that maps the page at `va`, made where it is missing. Tables stay.
pub(super) fn leaf_table(va: u64) -> Result<Ppn, OutOfMemory> {
    let (middle, index) = (middle_table(va), vpn(va, 1));
    let pointer = direct::pte(middle, index);
    if pointer.is_valid() {
        return Ok(pointer.ppn());
    }
    let table = memory(|books| books.alloc(Class::Kernel, Owner::Kernel))?;
    direct::zero(table);
    match direct::exchange_pte(middle, index, Pte(0), Pte::table(table)) {
        Ok(()) => Ok(table),
        Err(other) => {
            // Somebody else was faster.
            memory(|books| books.frames.free(table));
            Ok(other.ppn())
        }
    }
}

/// Maps a new frame at `va`, where nothing is; its content is whatever was there. The caller
/// fences: a TLB may know that the entry was not valid.
pub(super) fn map_page(va: u64) -> Result<(), OutOfMemory> {
    let table = leaf_table(va)?;
    let frame = memory(|books| books.alloc(Class::Kernel, Owner::Kernel))?;
    let old = direct::swap_pte(table, vpn(va, 0), Pte::new(frame, FLAGS));
    assert!(old == Pte(0), "a page of the kernel mapped twice");
    Ok(())
}

/// Takes the page at `va` out of its table; its frame, which the caller frees behind the fence.
pub(super) fn unmap_page(va: u64) -> Ppn {
    let table = direct::pte(middle_table(va), vpn(va, 1)).ppn();
    direct::swap_pte(table, vpn(va, 0), Pte(0)).ppn()
}
