//! [`VmaMap`]: the areas of an address space in order. A sorted vector: finding is a binary search
//! that first tries the area found last, changing moves what lies behind.

use alloc::vec::Vec;

use super::{AtFork, Charge, PageRange, Prot, Purpose, Sharing, Vma, Vpn};
use crate::errno::Errno;

/// Pages by kind, as /proc/PID/status and the limits count them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// All: VmSize, RLIMIT_AS.
    pub pages: u64,
    /// Private and writable, stacks not counted: VmData, RLIMIT_DATA.
    pub data: u64,
    /// Of stacks: VmStk.
    pub stack: u64,
    /// Executable and not writable: VmExe and VmLib.
    pub exec: u64,
    /// Promised, as [`Charge`] says.
    pub committed: u64,
}

impl Totals {
    /// What `pages` pages of an area of this kind count.
    pub(in crate::mm) fn of(pages: u64, prot: Prot, sharing: Sharing, purpose: Purpose) -> Self {
        let count = |counts: bool| if counts { pages } else { 0 };
        let own = prot.write && sharing == Sharing::Private;
        let stack = purpose == Purpose::Stack;
        Self {
            pages,
            data: count(own && !stack),
            stack: count(stack),
            exec: count(prot.exec && !prot.write && !stack),
            committed: 0,
        }
    }

    /// What `pages` pages of this very area count.
    fn of_area<O>(area: &Vma<O>, pages: u64) -> Self {
        let committed = if area.charge == Charge::Charged { pages } else { 0 };
        Self { committed, ..Self::of(pages, area.prot, area.sharing, area.purpose) }
    }

    fn add(&mut self, other: Self) {
        self.pages += other.pages;
        self.data += other.data;
        self.stack += other.stack;
        self.exec += other.exec;
        self.committed += other.committed;
    }

    fn subtract(&mut self, other: Self) {
        self.pages -= other.pages;
        self.data -= other.data;
        self.stack -= other.stack;
        self.exec -= other.exec;
        self.committed -= other.committed;
    }
}

/// The areas of an address space: sorted, none overlaps another, neighbours that are alike are one.
#[derive(Debug)]
pub struct VmaMap<O> {
    areas: Vec<Vma<O>>,
    totals: Totals,
    /// Index of the area that was found last; a guess.
    last: usize,
}

impl<O> Default for VmaMap<O> {
    fn default() -> Self {
        Self { areas: Vec::new(), totals: Totals::default(), last: 0 }
    }
}

impl<O: Clone + PartialEq> VmaMap<O> {
    /// The area that holds `page`.
    pub fn find(&self, page: Vpn) -> Option<&Vma<O>> {
        self.index_of(page).map(|at| &self.areas[at])
    }

    /// The first area that ends behind `page`: the one that holds it, or the next above.
    pub fn find_from(&self, page: Vpn) -> Option<&Vma<O>> {
        self.areas.get(self.index_from(page))
    }

    /// The last area that begins below `page`.
    pub fn find_below(&self, page: Vpn) -> Option<&Vma<O>> {
        self.areas[..self.areas.partition_point(|area| area.pages.start < page)].last()
    }

    /// All, upwards.
    pub fn iter(&self) -> impl Iterator<Item = &Vma<O>> {
        self.areas.iter()
    }

    /// Those that have a page in `range`, upwards.
    pub fn overlapping(&self, range: PageRange) -> impl Iterator<Item = &Vma<O>> {
        self.areas[self.index_from(range.start)..]
            .iter()
            .take_while(move |area| area.pages.start < range.end)
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.areas.len()
    }

    /// Pages by kind.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether no area has a page in `range`, nor would a stack above it lose its distance.
    pub fn is_free(&self, range: PageRange) -> bool {
        self.find_from(range.start).is_none_or(|area| range.end <= area.start_with_gap())
    }

    /// Start of the highest free range of `pages` pages within `within`.
    pub fn gap_below(&self, within: PageRange, pages: u64) -> Option<Vpn> {
        let (floor, mut ceiling) = (within.start.0, within.end.0);
        let fits = |low: u64, high: u64| high >= low && high - low >= pages;
        for area in self.areas.iter().rev() {
            if fits(area.pages.end.0.max(floor), ceiling) {
                break;
            }
            ceiling = ceiling.min(area.start_with_gap().0);
        }
        fits(floor, ceiling).then(|| Vpn(ceiling - pages))
    }

    /// Adds an area where none is, merging it with neighbours that are alike.
    ///
    /// # Errors
    /// ENOMEM where the kernel's heap is exhausted.
    pub fn insert(&mut self, vma: Vma<O>) -> Result<(), Errno> {
        self.insert_at(self.index_from(vma.pages.start), vma)
    }

    /// The same where it is known which area is the next.
    fn insert_at(&mut self, at: usize, vma: Vma<O>) -> Result<(), Errno> {
        self.reserve(1)?;
        let room = self.areas.get(at).is_none_or(|next| vma.pages.end <= next.pages.start);
        assert!(room && !vma.pages.is_empty(), "an area comes where none is: {:?}", vma.pages);
        self.totals.add(Totals::of_area(&vma, vma.pages.pages()));
        let below = at > 0 && self.areas[at - 1].continues_in(&vma);
        let above = self.areas.get(at).is_some_and(|next| vma.continues_in(next));
        match (below, above) {
            (true, true) => {
                self.areas[at - 1].pages.end = self.areas[at].pages.end;
                self.areas.remove(at);
            }
            (true, false) => self.areas[at - 1].pages.end = vma.pages.end,
            (false, true) => {
                let next = &mut self.areas[at];
                next.pages.start = vma.pages.start;
                next.backing = vma.backing;
            }
            (false, false) => self.areas.insert(at, vma),
        }
        Ok(())
    }

    /// Removes what lies in `range`, splitting areas.
    ///
    /// # Errors
    /// ENOMEM where the kernel's heap is exhausted; then nothing has changed.
    pub fn remove(&mut self, range: PageRange) -> Result<(), Errno> {
        self.remove_at(self.index_from(range.start), range)
    }

    /// The same where it is known which area is the first that ends behind the start.
    fn remove_at(&mut self, first: usize, range: PageRange) -> Result<(), Errno> {
        if range.is_empty() || self.areas.get(first).is_none_or(|a| a.pages.start >= range.end) {
            return Ok(());
        }
        self.reserve(1)?;
        let mut from = first;
        let area = &mut self.areas[first];
        if area.pages.start < range.start {
            let tail = (range.end < area.pages.end)
                .then(|| area.part(PageRange::new(range.end, area.pages.end)));
            let cut = PageRange::new(range.start, area.pages.end.min(range.end));
            self.totals.subtract(Totals::of_area(area, cut.pages()));
            area.pages.end = range.start;
            from = first + 1;
            if let Some(tail) = tail {
                self.areas.insert(from, tail);
                return Ok(());
            }
        }
        let mut to = from;
        while let Some(area) = self.areas.get(to).filter(|area| area.pages.end <= range.end) {
            self.totals.subtract(Totals::of_area(area, area.pages.pages()));
            to += 1;
        }
        if let Some(area) = self.areas.get_mut(to).filter(|area| area.pages.start < range.end) {
            let rest = PageRange::new(range.end, area.pages.end);
            let cut = area.pages.pages() - rest.pages();
            self.totals.subtract(Totals::of_area(area, cut));
            *area = area.part(rest);
        }
        self.areas.drain(from..to);
        Ok(())
    }

    /// Gives the part `range` of the area that holds it another protection, and lets it count
    /// differently, splitting and merging.
    ///
    /// # Errors
    /// ENOMEM where the kernel's heap is exhausted, or where there would be more areas than
    /// `limit` and than before; then nothing has changed.
    pub fn set_prot(
        &mut self,
        range: PageRange,
        prot: Prot,
        charge: Charge,
        limit: usize,
    ) -> Result<(), Errno> {
        let at = self.index_of(range.start).expect("an area is there");
        let area = &self.areas[at];
        if (area.prot, area.charge) == (prot, charge) {
            return Ok(());
        }
        self.change(at, Vma { prot, charge, ..area.part(range) }, limit)
    }

    /// Says of the part `range` of the area that holds it what becomes of it in a child, splitting
    /// and merging.
    ///
    /// # Errors
    /// As for [`set_prot`](Self::set_prot).
    pub fn set_at_fork(
        &mut self,
        range: PageRange,
        at_fork: AtFork,
        limit: usize,
    ) -> Result<(), Errno> {
        let at = self.index_of(range.start).expect("an area is there");
        let area = &self.areas[at];
        if area.at_fork == at_fork {
            return Ok(());
        }
        self.change(at, Vma { at_fork, ..area.part(range) }, limit)
    }

    /// Puts an area into the place of a part of the one at an index.
    #[inline]
    fn change(&mut self, at: usize, changed: Vma<O>, limit: usize) -> Result<(), Errno> {
        let (range, area) = (changed.pages, &self.areas[at]);
        let (at_start, at_end) = (area.pages.start == range.start, area.pages.end == range.end);
        let neighbour = |index: Option<usize>| index.and_then(|index| self.areas.get(index));
        let below = at_start
            && neighbour(at.checked_sub(1)).is_some_and(|prev| prev.continues_in(&changed));
        let above =
            at_end && neighbour(Some(at + 1)).is_some_and(|next| changed.continues_in(next));
        let before = self.areas.len();
        let after = before + usize::from(!at_start) + usize::from(!at_end)
            - usize::from(below)
            - usize::from(above);
        if after > limit && after > before {
            return Err(Errno::ENOMEM);
        }
        self.reserve(2)?;
        self.remove_at(at, range)?;
        // Behind what is left of the area below.
        self.insert_at(at + usize::from(!at_start), changed)
    }

    /// Moves the start of the anonymous area at `index` down to `start`, where nothing is; its
    /// index then.
    pub(in crate::mm) fn grow_down(&mut self, index: usize, start: Vpn) -> usize {
        let floor = index.checked_sub(1).map_or(Vpn(0), |below| self.areas[below].pages.end);
        let area = &mut self.areas[index];
        assert!(floor <= start && start < area.pages.start, "only downwards, into nothing");
        let added = area.pages.start.0 - start.0;
        area.pages.start = start;
        self.totals.add(Totals::of_area(area, added));
        if index == 0 || !self.areas[index - 1].continues_in(&self.areas[index]) {
            return index;
        }
        self.areas[index - 1].pages.end = self.areas[index].pages.end;
        self.areas.remove(index);
        index - 1
    }

    /// How many areas more there are without `range`: one where it is cut out of the middle.
    pub fn splits(&self, range: PageRange) -> usize {
        let inside = |area: &Vma<O>| area.pages.start < range.start && range.end < area.pages.end;
        usize::from(self.find(range.start).is_some_and(inside))
    }

    /// Index of the area that holds `page`, remembered for the next time.
    pub(in crate::mm) fn locate(&mut self, page: Vpn) -> Option<usize> {
        let at = self.index_of(page)?;
        self.last = at;
        Some(at)
    }

    /// The area at an index that [`locate`](Self::locate) or
    /// [`index_from`](Self::index_from) gave.
    pub(in crate::mm) fn at(&self, index: usize) -> Option<&Vma<O>> {
        self.areas.get(index)
    }

    /// Index of the first area that ends behind `page`.
    pub(in crate::mm) fn index_from(&self, page: Vpn) -> usize {
        if self.is_in_last(page) {
            return self.last;
        }
        self.areas.partition_point(|area| area.pages.end <= page)
    }

    /// A copy of all of them.
    ///
    /// # Errors
    /// ENOMEM where the kernel's heap is exhausted.
    pub(in crate::mm) fn try_clone(&self) -> Result<Self, Errno> {
        let mut copy = Self { areas: Vec::new(), totals: self.totals, last: self.last };
        copy.reserve(self.areas.len())?;
        copy.areas.extend(self.areas.iter().cloned());
        Ok(copy)
    }

    /// Makes sure that so many areas more can be kept.
    ///
    /// # Errors
    /// ENOMEM where the kernel's heap is exhausted.
    pub(in crate::mm) fn reserve(&mut self, areas: usize) -> Result<(), Errno> {
        self.areas.try_reserve(areas).map_err(|_| Errno::ENOMEM)
    }

    /// Whether the guess is right.
    #[inline]
    fn is_in_last(&self, page: Vpn) -> bool {
        self.areas.get(self.last).is_some_and(|area| area.pages.contains(page))
    }

    fn index_of(&self, page: Vpn) -> Option<usize> {
        if self.is_in_last(page) {
            return Some(self.last);
        }
        let at = self.areas.partition_point(|area| area.pages.end <= page);
        self.areas.get(at).is_some_and(|area| area.pages.contains(page)).then_some(at)
    }
}
