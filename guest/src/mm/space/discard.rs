//! madvise(MADV_DONTNEED), and taking pages away because their object has them no more.

use core::ops::Range;

use super::sweep::Fate;
use super::unmap::aligned_range;
use super::{Errno, Machine, PageRange, Space, Vpn};

/// What becomes of private copies of an object's pages when it loses the pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Copies {
    /// They go with them: it was truncated.
    Gone,
    /// They stay: a hole was made in it.
    Kept,
}

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

    /// Takes away these pages of `object`, which has them no more. Touching them again is what the
    /// object answers then.
    pub fn discard_object(
        &mut self,
        machine: &M,
        object: &M::Object,
        gone: Range<u64>,
        copies: Copies,
    ) {
        let fate = match copies {
            Copies::Gone => Fate::Drop,
            Copies::Kept => Fate::Hide,
        };
        let mut at = Vpn(0);
        while let Some(area) = self.vmas.find_from(at) {
            let pages = area.pages;
            at = pages.end;
            let Some((found, index)) = area.object_at(pages.start) else { continue };
            let within = |page: u64| page.saturating_sub(index).min(pages.pages());
            let (first, end) = (within(gone.start), within(gone.end));
            if found == object && first < end {
                let part = PageRange::new(pages.start.add(first), pages.start.add(end));
                self.sweep(machine, part, fate);
            }
        }
    }
}
