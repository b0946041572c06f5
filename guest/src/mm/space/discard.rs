//! madvise(MADV_DONTNEED), and taking pages away because their object shrinks.

use super::sweep::Fate;
use super::unmap::aligned_range;
use super::{Errno, Machine, PageRange, Space, Vpn};

impl<M: Machine> Space<M> {
    /// madvise(MADV_DONTNEED): the areas stay, what was in their pages is forgotten.
    ///
    /// # Errors
    /// EINVAL where the start is not aligned or the end overflows; ENOMEM where parts of the range
    /// are in no area, after the others have been worked on.
    pub fn discard(&mut self, machine: &M, start: u64, length_bytes: u64) -> Result<(), Errno> {
        let (start, end) = aligned_range(start, length_bytes).ok_or(Errno::EINVAL)?;
        let (start, end) = (Vpn::of(start), Vpn::of(end));
        let mut at = start;
        let mut hole = false;
        while at < end {
            let Some(area) = self.vmas.find_from(at).filter(|area| area.pages.start < end) else {
                hole = true;
                break;
            };
            hole |= area.pages.start > at;
            let part = PageRange::new(area.pages.start.max(at), area.pages.end.min(end));
            self.sweep(machine, part, Fate::Drop);
            at = part.end;
        }
        if hole { Err(Errno::ENOMEM) } else { Ok(()) }
    }

    /// Takes away the pages of `object` from number `first` on, private copies of them as well:
    /// the object has been cut off there. Touching them again is what the object answers then.
    pub fn discard_object(&mut self, machine: &M, object: &M::Object, first: u64) {
        let mut at = Vpn(0);
        while let Some(area) = self.vmas.find_from(at) {
            let pages = area.pages;
            at = pages.end;
            let Some((found, index)) = area.object_at(pages.start) else { continue };
            let kept = first.saturating_sub(index);
            if found == object && kept < pages.pages() {
                let part = PageRange::new(pages.start.add(kept), pages.end);
                self.sweep(machine, part, Fate::Drop);
            }
        }
    }
}
