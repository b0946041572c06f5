//! [`SharedMemory`]: memory that processes share and no file has: mmap with MAP_SHARED and
//! MAP_ANONYMOUS, which lives as long as somebody maps it; and what segments of System V are made of.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};

use guest::Ppn;
use guest::errno::Errno;
use guest::mm::object::Pages;
use guest::mm::space::Copies;
use guest::mm::{CellId, ObjectAccess, PageError};

use super::reclaim::Patience;
use super::{Object, ObjectKind, Paged, announce, commit, cut_out, machine, memory};
use crate::sync::Mutex;

/// Device number under which such memory stands in /proc/PID/maps: that of the kernel's own tmpfs.
const DEVICE: u64 = 1;

/// Numbers them, as inodes.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Shared memory.
#[derive(Debug)]
pub(crate) struct SharedMemory {
    inode: u64,
    pages_at_most: u64,
    /// Whether its pages are promised one by one, when they are made.
    is_promised_by_page: bool,
    state: Mutex<State>,
    /// Held by the one who locks or unlocks it.
    changing: Mutex<()>,
}

/// What its lock protects.
#[derive(Debug, Default)]
struct State {
    pages: Pages,
    /// Whether its pages are pinned, those that come, too.
    is_locked: bool,
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

/// New shared memory of so many pages, all zeros, as an object.
///
/// # Errors
/// ENOMEM: so much may not be promised.
pub(crate) fn new_shared(pages: u64, promise: Promise) -> Result<Object, Errno> {
    let memory: Arc<dyn Paged> = Arc::new(SharedMemory::new(pages, promise)?);
    announce(&memory);
    Ok(Object(memory))
}

impl SharedMemory {
    /// New shared memory of so many pages, all zeros.
    ///
    /// # Errors
    /// ENOMEM: so much may not be promised.
    pub(crate) fn new(pages: u64, promise: Promise) -> Result<Self, Errno> {
        if let Promise::Whole { own_pages } = promise {
            commit::commit(pages, own_pages)?;
        }
        Ok(Self {
            inode: NEXT.fetch_add(1, Ordering::Relaxed),
            pages_at_most: pages,
            is_promised_by_page: matches!(promise, Promise::ByPage),
            state: Mutex::new(State::default()),
            changing: Mutex::new(()),
        })
    }

    /// Holds every page in RAM, also those that are made later, until [`unlock`](Self::unlock).
    ///
    /// # Errors
    /// ENOMEM: a page could not be brought in.
    pub(crate) fn lock(&self) -> Result<(), Errno> {
        let _alone = self.changing.lock();
        let mut there = Vec::new();
        {
            let mut state = self.state.lock();
            if state.is_locked {
                return Ok(());
            }
            let count = state.pages.count() as usize;
            there.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
            state.pages.for_each(&mut |index, _| there.push(index));
            state.is_locked = true;
        }
        let mut patience = Patience::new();
        for (done, index) in there.iter().enumerate() {
            while let Err(error) = self.pin(*index) {
                if patience.wait_out_page(error).is_err() {
                    self.state.lock().unpin_but(&there[done..]);
                    return Err(Errno::ENOMEM);
                }
            }
        }
        Ok(())
    }

    /// Pins a page that is there.
    fn pin(&self, index: u64) -> Result<(), PageError> {
        let pages = &mut self.state.lock().pages;
        pages.pin_page(machine(), index, ObjectAccess::Read).map(|_| ())
    }

    /// Lets go of these pages; mappings know the memory as what has this identity.
    ///
    /// # Errors
    /// EBUSY where they are locked.
    pub(crate) fn punch_as(&self, identity: (u64, u64), pages: Range<u64>) -> Result<(), Errno> {
        let mut state = self.state.lock();
        if state.is_locked {
            return Err(Errno::EBUSY);
        }
        let before = state.pages.count();
        state.pages.punch(machine(), pages.clone());
        let gone = before - state.pages.count();
        drop(state);
        if self.is_promised_by_page {
            commit::uncommit(gone);
        }
        cut_out(identity, pages, Copies::Kept);
        Ok(())
    }

    /// The end of [`lock`](Self::lock).
    pub(crate) fn unlock(&self) {
        let _alone = self.changing.lock();
        self.state.lock().unpin_but(&[]);
    }
}

impl State {
    /// Pages are pinned no longer, but for some that never were, ascending.
    fn unpin_but(&mut self, others: &[u64]) {
        if !core::mem::take(&mut self.is_locked) {
            return;
        }
        self.pages.for_each(&mut |index, cell| {
            if others.binary_search(&index).is_err()
                && let Some(frame) = memory(|memory| memory.cells.frame(cell))
            {
                Pages::unpin_page(machine(), frame);
            }
        });
    }
}

impl Paged for SharedMemory {
    fn map_page(&self, index: u64, access: ObjectAccess) -> Result<Ppn, PageError> {
        if index >= self.pages_at_most {
            return Err(PageError::BeyondEnd);
        }
        let mut state = self.state.lock();
        let is_plain = !self.is_promised_by_page && !state.is_locked;
        if is_plain || state.pages.cell(index).is_some() {
            return state.pages.map_page(machine(), index, access);
        }
        if self.is_promised_by_page {
            commit::commit(1, 0).map_err(|_| PageError::Full)?;
        }
        let made = state.pages.map_page(machine(), index, access);
        match made {
            Ok(frame) if state.is_locked => memory(|memory| memory.pin(frame)),
            Err(_) if self.is_promised_by_page => commit::uncommit(1),
            _ => {}
        }
        made
    }

    fn map_present(&self, first: u64, frames: &mut [Option<Ppn>]) {
        self.state.lock().pages.map_present(machine(), first, frames);
    }

    fn identity(&self) -> (u64, u64) {
        (DEVICE, self.inode)
    }

    fn path(&self) -> Vec<u8> {
        b"/dev/zero (deleted)".to_vec()
    }

    fn for_each_page(&self, visit: &mut dyn FnMut(u64, CellId)) {
        self.state.lock().pages.for_each(visit);
    }

    fn punch(&self, pages: Range<u64>) -> Result<(), Errno> {
        self.punch_as(self.identity(), pages)
    }

    fn has_page(&self, index: u64) -> bool {
        self.state.lock().pages.is_resident(machine(), index)
    }

    fn kind(&self) -> ObjectKind {
        ObjectKind::Shared
    }
}

impl Drop for SharedMemory {
    fn drop(&mut self) {
        let mut state = self.state.lock();
        state.unpin_but(&[]);
        let promised =
            if self.is_promised_by_page { state.pages.count() } else { self.pages_at_most };
        commit::uncommit(promised);
        state.pages.truncate(machine(), 0);
    }
}
