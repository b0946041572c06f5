//! [`Machine`]: what memory policy needs of the world. The kernel's has the direct map, the locks
//! and `sfence.vma` behind it, the tests' a `Vec` and a TLB that forgets nothing by itself.

use core::fmt::Debug;

use super::{CellId, Memory, OutOfMemory, PageRange, Vpn};
use crate::pte::{Flags, Ppn, Pte};

/// RAM, the books on it, and the fences of one address space.
pub trait Machine {
    /// A handle on the pages of a file or of shared memory; a clone is the same object.
    type Object: Clone + PartialEq + Debug;

    /// Runs `f` with the books on memory, for this hart alone. `f` is short: it neither sleeps
    /// nor allocates from the heap, and no page's content is touched in it.
    fn memory<R>(&self, f: impl FnOnce(&mut Memory) -> R) -> R;

    /// Promises `pages` pages more to who has areas for `own_pages` pages
    /// ([`Ledger::commit`](super::commit::Ledger::commit)).
    ///
    /// # Errors
    /// [`OutOfMemory`]: nothing is promised then.
    fn commit(&self, pages: u64, own_pages: u64) -> Result<(), OutOfMemory>;
    /// `pages` pages that were promised are no longer.
    fn uncommit(&self, pages: u64);

    /// The entry `index` (below 512) of the table in frame `table`.
    fn pte(&self, table: Ppn, index: usize) -> Pte;
    /// Replaces the entry in one step; yields the old one, whose A and D the hart may have set
    /// since anybody looked.
    fn swap_pte(&self, table: Ppn, index: usize, pte: Pte) -> Pte;
    /// Replaces the entry if it is `old`.
    ///
    /// # Errors
    /// The entry that is there instead.
    fn exchange_pte(&self, table: Ppn, index: usize, old: Pte, new: Pte) -> Result<(), Pte>;

    /// Takes these bits out of the entry in one step; the entry before.
    fn clear_pte(&self, table: Ppn, index: usize, bits: Flags) -> Pte {
        let mut old = self.pte(table, index);
        loop {
            let new = old.with_flags(old.flags().without(bits));
            match self.exchange_pte(table, index, old, new) {
                Ok(()) => return old,
                Err(found) => old = found,
            }
        }
    }

    /// Fills the frame with zeros.
    fn zero(&self, frame: Ppn);
    /// Copies a frame's content.
    fn copy(&self, from: Ppn, to: Ppn);

    /// Page `index` of the object, which counts as mapped once more
    /// ([`Frames::map`](super::frames::Frames::map)) so that it stays. May sleep.
    ///
    /// # Errors
    /// [`PageError`].
    fn object_page(
        &self,
        object: &Self::Object,
        index: u64,
        access: ObjectAccess,
    ) -> Result<Ppn, PageError>;

    /// Those of the object's pages from `first` on that are in RAM, as many as `frames` has room for,
    /// each mapped once more as [`object_page`](Self::object_page) does; the others stay none.
    fn object_pages(&self, object: &Self::Object, first: u64, frames: &mut [Option<Ppn>]);

    /// Makes every hart forget what it has cached of this address space within `reach`, before it
    /// returns.
    fn fence(&self, reach: Reach);

    /// Makes this hart forget what it has cached of `page`, whose entry now grants more than it
    /// did: harts may keep entries that were invalid. Other harts find out by a fault of their own.
    fn refresh(&self, page: Vpn) {
        self.fence(Reach::Pages(PageRange::sized(page, 1)));
    }

    /// Makes fetches of every hart see what has been stored: a page has become executable in this
    /// address space.
    fn sync_code(&self) {}
}

/// What an object's page is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ObjectAccess {
    /// To be read: a hole may be answered with a page of zeros that the object then owns.
    Read,
    /// To be written: it will be dirty.
    Write,
    /// To be read, but only if it is there now; otherwise [`PageError::Absent`].
    IfPresent,
}

/// Why an object has no such page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// The object ends before it: SIGBUS.
    BeyondEnd,
    /// No frame for it.
    OutOfMemory,
    /// It could not be read: SIGBUS.
    Io,
    /// It is in swap, or on its way from there: to be brought in, or waited for. By the time
    /// anybody looks at the cell it may be gone, and another one.
    Swapped(CellId),
    /// It may not be had: its file system is full, or nothing more is promised. SIGBUS.
    Full,
    /// It is a file's, which has to read it. Only the file is told this.
    AtHome,
    /// It is not in memory, and [`ObjectAccess::IfPresent`] asked for no more.
    Absent,
}

/// What a fence concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// Leaf entries of these pages.
    Pages(PageRange),
    /// The whole address space, pointers to tables included.
    Space,
}
