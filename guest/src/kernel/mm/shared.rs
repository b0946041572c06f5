//! [`SharedMemory`]: memory that processes share and no file has: mmap with MAP_SHARED and
//! MAP_ANONYMOUS. It lives as long as somebody maps it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::Ppn;
use guest::errno::Errno;
use guest::mm::object::Pages;
use guest::mm::{CellId, ObjectAccess, PageError};

use super::{Object, ObjectKind, Paged, announce, commit, machine};
use crate::sync::Mutex;

/// Device number under which such memory stands in /proc/PID/maps: that of the kernel's own tmpfs.
const DEVICE: u64 = 1;

/// Numbers them, as inodes.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Shared memory.
#[derive(Debug)]
struct SharedMemory {
    inode: u64,
    pages_at_most: u64,
    /// Whether its pages are promised one by one, when they are made.
    is_promised_by_page: bool,
    pages: Mutex<Pages>,
}

/// When memory is promised.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Promise {
    /// All at once, to a process that has areas for so many pages.
    Whole {
        /// So many.
        own_pages: u64,
    },
    /// Each page when it is made (MAP_NORESERVE).
    ByPage,
}

/// New shared memory of so many pages, all zeros.
///
/// # Errors
/// ENOMEM: so much may not be promised.
pub(crate) fn new_shared(pages: u64, promise: Promise) -> Result<Object, Errno> {
    if let Promise::Whole { own_pages } = promise {
        commit::commit(pages, own_pages)?;
    }
    let memory: Arc<dyn Paged> = Arc::new(SharedMemory {
        inode: NEXT.fetch_add(1, Ordering::Relaxed),
        pages_at_most: pages,
        is_promised_by_page: matches!(promise, Promise::ByPage),
        pages: Mutex::new(Pages::default()),
    });
    announce(&memory);
    Ok(Object(memory))
}

impl Paged for SharedMemory {
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError> {
        if index >= self.pages_at_most {
            return Err(PageError::BeyondEnd);
        }
        let mut pages = self.pages.lock();
        if !self.is_promised_by_page || pages.cell(index).is_some() {
            return pages.map_page(machine(), index, access);
        }
        commit::commit(1, 0).map_err(|_| PageError::Full)?;
        pages.map_page(machine(), index, access).inspect_err(|_| commit::uncommit(1))
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.inode)
    }

    fn path(&self) -> Vec<u8> {
        b"/dev/zero (deleted)".to_vec()
    }

    fn for_each_page(&self, visit: &mut dyn FnMut(u64, CellId)) {
        self.pages.lock().for_each(visit);
    }

    fn has_page(&self, index: u64) -> bool {
        self.pages.lock().is_resident(machine(), index)
    }

    fn kind(&self) -> ObjectKind {
        ObjectKind::Shared
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        let mut pages = self.pages.lock();
        commit::uncommit(if self.is_promised_by_page { pages.count() } else { self.pages_at_most });
        pages.truncate(machine(), 0);
    }
}
