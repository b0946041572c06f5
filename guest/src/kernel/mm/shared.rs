//! [`SharedMemory`]: memory that processes share and no file has: mmap with MAP_SHARED and
//! MAP_ANONYMOUS. It lives as long as somebody maps it.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::Ppn;
use guest::mm::object::Pages;
use guest::mm::{ObjectAccess, PageError};

use super::{Object, ObjectKind, Paged, announce, machine};
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
    pages: Mutex<Pages>,
}

/// New shared memory of so many pages, all zeros.
pub(crate) fn new_shared(pages: u64) -> Object {
    let memory: Arc<dyn Paged> = Arc::new(SharedMemory {
        inode: NEXT.fetch_add(1, Ordering::Relaxed),
        pages_at_most: pages,
        pages: Mutex::new(Pages::default()),
    });
    announce(&memory);
    Object(memory)
}

impl Paged for SharedMemory {
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError> {
        if index >= self.pages_at_most {
            return Err(PageError::BeyondEnd);
        }
        self.pages.lock().map_page(machine(), index, access)
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.inode)
    }

    fn path(&self) -> Vec<u8> {
        b"/dev/zero (deleted)".to_vec()
    }

    fn for_each_page(&self, visit: &mut dyn FnMut(u64, Ppn)) {
        self.pages.lock().for_each(visit);
    }

    fn has_page(&self, index: u64) -> bool {
        self.pages.lock().page(index).is_some()
    }

    fn kind(&self) -> ObjectKind {
        ObjectKind::Shared
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        self.pages.lock().truncate(machine(), 0);
    }
}
