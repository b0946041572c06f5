//! munmap.

use super::sweep::Fate;
use super::{Errno, Machine, PAGE_SIZE_BYTES, PageRange, Space};

impl<M: Machine> Space<M> {
    /// munmap: nothing is left in the range; holes in it do not matter.
    ///
    /// # Errors
    /// EINVAL where it is not aligned, empty, or not in user space; ENOMEM where an area had to be
    /// split and there are too many.
    pub fn unmap(&mut self, machine: &M, start: u64, length_bytes: u64) -> Result<(), Errno> {
        let range = PageRange::of_user(start, length_bytes).ok_or(Errno::EINVAL)?;
        let result = self.unmap_pages(machine, range);
        self.settle(machine);
        result
    }

    /// As [`unmap`](Self::unmap).
    pub(super) fn unmap_pages(&mut self, machine: &M, range: PageRange) -> Result<(), Errno> {
        if self.vmas.splits(range) > 0 && self.vmas.count() >= self.limits.areas {
            return Err(Errno::ENOMEM);
        }
        if self.vmas.overlapping(range).next().is_some() {
            self.vmas.remove(range)?;
            self.sweep(machine, range, Fate::Drop);
        }
        Ok(())
    }
}

/// The pages of the bytes from `start` on as madvise and mprotect count them: `None` where `start`
/// is not aligned or the end overflows.
pub(super) fn aligned_range(start: u64, length_bytes: u64) -> Option<(u64, u64)> {
    if !start.is_multiple_of(PAGE_SIZE_BYTES) {
        return None;
    }
    let length = length_bytes.checked_next_multiple_of(PAGE_SIZE_BYTES)?;
    Some((start, start.checked_add(length)?))
}
