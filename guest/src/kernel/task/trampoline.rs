//! The page that the kernel lends every process: the return from signal handlers. It is mapped as
//! `[vdso]`; there is one frame for all.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::mm::space::{Place, Request};
use guest::mm::vma::Purpose;
use guest::mm::{Backing, CellId, Class, ObjectAccess, PageError, Prot, Sharing, Use};
use guest::{PAGE_SIZE_BYTES, Ppn};

use crate::mm::{self, AddressSpace, Object, Paged};
use crate::sync::SpinLock;

/// `li a7, 139` (rt_sigreturn) and `ecall`: what unwinders look for behind a handler.
const CODE: [u32; 2] = [0x08b0_0893, 0x0000_0073];

/// The page.
struct Page {
    cell: CellId,
}

static PAGE: SpinLock<Option<Object>> = SpinLock::new(None);

impl Paged for Page {
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError> {
        if index != 0 {
            return Err(PageError::BeyondEnd);
        }
        if access == ObjectAccess::Write {
            return Err(PageError::Io);
        }
        mm::memory(|memory| memory.map_object(self.cell, Use::Read))
    }

    fn map_present(&self, first: u64, frames: &mut [Option<Ppn>]) {
        if let (0, [frame, ..]) = (first, frames) {
            *frame = self.map_page(0, ObjectAccess::Read).ok();
        }
    }

    fn has_page(&self, index: u64) -> bool {
        index == 0
    }

    fn identity(&self) -> (u64, u64) {
        (0, 0)
    }

    fn path(&self) -> Vec<u8> {
        Vec::new()
    }

    fn for_each_page(&self, visit: &mut dyn FnMut(u64, CellId)) {
        visit(0, self.cell);
    }
}

/// Makes the page; once, before the first process.
///
/// # Errors
/// ENOMEM.
pub(super) fn make() -> Result<(), Errno> {
    // It stays pinned: every process needs it all the time.
    let (cell, frame) = mm::memory(|memory| memory.new_object_cell(Class::Kernel))?;
    mm::write_frame(frame, 0, &[0; PAGE_SIZE_BYTES as usize]);
    mm::write_frame(frame, 0, CODE.map(u32::to_le_bytes).as_flattened());
    crate::arch::tlb::sync_code();
    let page: Arc<dyn Paged> = Arc::new(Page { cell });
    mm::announce(&page);
    *PAGE.lock() = Some(Object(page));
    Ok(())
}

/// Maps it; its address.
///
/// # Errors
/// ENOMEM.
pub(super) fn map(space: &AddressSpace) -> Result<u64, Errno> {
    let object = PAGE.lock().clone().ok_or(Errno::ENOMEM)?;
    let prot = Prot { read: true, write: false, exec: true };
    let request = Request {
        place: Place::Anywhere { hint: 0 },
        length_bytes: PAGE_SIZE_BYTES,
        prot,
        max_prot: prot,
        sharing: Sharing::Private,
        backing: Backing::Object { object, first: 0 },
        purpose: Purpose::Vdso,
        no_reserve: false,
    };
    space.lock().map(space.machine(), request)
}
