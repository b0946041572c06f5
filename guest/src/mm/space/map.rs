//! mmap: where a new area goes, and what forbids it. Nothing is mapped before it is touched.

use super::{
    AtFork, Backing, Charge, Errno, Machine, PAGE_SIZE_BYTES, PageRange, Place, Prot, Purpose,
    Request, Sharing, Space, Totals, Vma, Vpn,
};
use crate::mm::addr::USER_END;

/// Page numbers of objects stay below this: all of a page has offsets that fit into an `i64`.
const OBJECT_PAGES_MAX: u64 = i64::MAX as u64 / PAGE_SIZE_BYTES;

impl<M: Machine> Space<M> {
    /// mmap: the address of the new area.
    ///
    /// # Errors
    /// EINVAL for no length, a fixed address that is not aligned, memory that is shared or a stack
    /// but has not the object or the anonymity that this takes; EACCES for more rights than
    /// `max_prot`; EPERM below the lowest address; EEXIST; EOVERFLOW behind the last offset of an
    /// object; ENOMEM where no room is left, or a limit is reached.
    pub fn map(&mut self, machine: &M, request: Request<M::Object>) -> Result<u64, Errno> {
        if request.length_bytes == 0 {
            return Err(Errno::EINVAL);
        }
        if request.length_bytes > USER_END {
            return Err(Errno::ENOMEM);
        }
        let pages = request.length_bytes.div_ceil(PAGE_SIZE_BYTES);
        check_kind(&request, pages)?;
        if self.vmas.count() > self.limits.areas {
            return Err(Errno::ENOMEM);
        }
        let range = self.place(request.place, pages)?;
        let charge = charge_of(&request);
        let Request { prot, max_prot, sharing, backing, purpose, .. } = request;
        let at_fork = AtFork::Keep;
        let vma = Vma { pages: range, prot, max_prot, sharing, backing, purpose, charge, at_fork };
        let result = self.replace(machine, vma);
        self.settle(machine);
        result.map(|()| range.start.base())
    }

    /// Puts an area where it belongs, over whatever is there.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn replace(&mut self, machine: &M, vma: Vma<M::Object>) -> Result<(), Errno> {
        let range = vma.pages;
        let (mut replaced, mut promised) = (0, 0);
        for area in self.vmas.overlapping(range) {
            let pages = area.pages.intersection(range).map_or(0, PageRange::pages);
            replaced += pages;
            promised += if area.charge == Charge::Charged { pages } else { 0 };
        }
        if !self.may_grow(range.pages() - replaced, &vma) {
            return Err(Errno::ENOMEM);
        }
        self.commit_like(machine, range.pages() - promised, &vma)?;
        self.vmas.reserve(2)?;
        if replaced > 0 {
            self.unmap_pages(machine, range)?;
        }
        self.vmas.insert(vma)?;
        self.note_pages();
        Ok(())
    }

    /// Whether the limits leave room for `pages` pages more of an area like this one.
    pub(super) fn may_grow(&self, pages: u64, like: &Vma<M::Object>) -> bool {
        self.vmas.totals().pages + pages <= self.limits.total_bytes / PAGE_SIZE_BYTES
            && self.may_hold(pages, like.prot, like)
    }

    /// Whether the limit on data leaves room for `pages` pages of an area like this one, but with
    /// this protection.
    pub(super) fn may_hold(&self, pages: u64, prot: Prot, like: &Vma<M::Object>) -> bool {
        let more = Totals::of(pages, prot, like.sharing, like.purpose).data;
        more == 0 || self.vmas.totals().data + more <= self.limits.data_bytes / PAGE_SIZE_BYTES
    }

    /// Remembers how many pages the areas have now.
    pub(super) fn note_pages(&mut self) {
        self.counters.peak_pages = self.counters.peak_pages.max(self.vmas.totals().pages);
    }

    /// Where `pages` pages go.
    fn place(&self, place: Place, pages: u64) -> Result<PageRange, Errno> {
        match place {
            Place::Anywhere { hint } => self.find_room(hint, pages).ok_or(Errno::ENOMEM),
            Place::Fixed(start) => self.fixed(start, pages),
            Place::FixedNoReplace(start) => {
                let range = self.fixed(start, pages)?;
                match self.vmas.overlapping(range).next() {
                    Some(_) => Err(Errno::EEXIST),
                    None => Ok(range),
                }
            }
        }
    }

    /// A range for an area that insists on its place.
    ///
    /// # Errors
    /// EINVAL where it is not aligned, ENOMEM where it leaves user space, EPERM where it begins
    /// below the lowest address.
    pub(super) fn fixed(&self, start: u64, pages: u64) -> Result<PageRange, Errno> {
        if !start.is_multiple_of(PAGE_SIZE_BYTES) {
            return Err(Errno::EINVAL);
        }
        let range = PageRange::of_user(start, pages * PAGE_SIZE_BYTES).ok_or(Errno::ENOMEM)?;
        if start < self.limits.min_address { Err(Errno::EPERM) } else { Ok(range) }
    }

    /// A free range: at the hint, or the highest in the mapping region, or the highest at all.
    pub fn find_room(&self, hint: u64, pages: u64) -> Option<PageRange> {
        let lowest = Vpn(self.limits.min_address.div_ceil(PAGE_SIZE_BYTES));
        if hint != 0 {
            let wanted = Vpn::of(hint).max(lowest);
            if wanted < Vpn::USER_END && pages <= Vpn::USER_END.0 - wanted.0 {
                let range = PageRange::sized(wanted, pages);
                if self.vmas.is_free(range) {
                    return Some(range);
                }
            }
        }
        let region = |end: Vpn| PageRange::new(lowest.min(end), end);
        let start = self
            .vmas
            .gap_below(region(self.mapping_top), pages)
            .or_else(|| self.vmas.gap_below(region(Vpn::USER_END), pages))?;
        Some(PageRange::sized(start, pages))
    }
}

/// Whether what is asked for counts as promised from the start.
fn charge_of<O>(request: &Request<O>) -> Charge {
    match request.sharing {
        _ if request.no_reserve => Charge::Never,
        Sharing::Private if request.prot.write => Charge::Charged,
        _ => Charge::Free,
    }
}

/// What a request may not ask for, wherever it goes.
fn check_kind<O>(request: &Request<O>, pages: u64) -> Result<(), Errno> {
    match &request.backing {
        Backing::Anonymous if request.sharing == Sharing::Shared => return Err(Errno::EINVAL),
        Backing::Object { .. } if request.purpose == Purpose::Stack => return Err(Errno::EINVAL),
        Backing::Object { first, .. }
            if first.checked_add(pages).is_none_or(|end| end > OBJECT_PAGES_MAX) =>
        {
            return Err(Errno::EOVERFLOW);
        }
        _ => {}
    }
    if request.prot.within(request.max_prot) { Ok(()) } else { Err(Errno::EACCES) }
}
