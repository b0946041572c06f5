//! [`SwapAreas`]: which slot of which swap area has which cell's content.
//!
//! An area says of each of its slots whose it is, in storage that its maker has given. Slots are
//! handed out in runs, so that one request can write them, from where the last run ended on; how
//! many are free in each of a few regions is counted, so that those without any are passed over.

use core::fmt;
use core::num::NonZeroU32;

use super::super::pieces::Pieces;
use super::super::{CellId, OutOfMemory};

/// How many areas there may be.
pub const AREAS: usize = 8;
/// Most pages of an area, the header among them.
pub const PAGES_MAX: usize = 1 << PAGE_BITS;

/// Bits of a [`SlotId`] that say which page of its area it is.
const PAGE_BITS: u32 = 28;
/// In how many regions the free slots of an area are counted.
const REGIONS: usize = 64;
/// In the storage: nobody's.
const FREE: u32 = 0;
/// In the storage: nobody can have it. No cell has this id.
const BAD: u32 = u32::MAX;

/// Names a slot: the area above, the page of it below. Page 0 is an area's header, so no slot is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId(pub NonZeroU32);

impl SlotId {
    /// The first of the first area.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// Page `page` of an area; `None` where that is none of its slots.
    pub const fn new(area: usize, page: u32) -> Option<Self> {
        if area >= AREAS || page == 0 || page as usize >= PAGES_MAX {
            return None;
        }
        match NonZeroU32::new((area as u32) << PAGE_BITS | page) {
            Some(id) => Some(Self(id)),
            None => None,
        }
    }

    /// Which area.
    pub const fn area(self) -> usize {
        (self.0.get() >> PAGE_BITS) as usize
    }

    /// Which page of it.
    pub const fn page(self) -> u32 {
        self.0.get() & (PAGES_MAX as u32 - 1)
    }
}

/// One area.
pub struct Area {
    /// By page: [`FREE`], [`BAD`], or the cell whose it is. Behind that by region: how many are free.
    storage: Pieces<u32>,
    /// Where the next run is looked for.
    cursor: u32,
    used: u32,
    bad: u32,
    priority: i16,
    gives: bool,
}

impl Area {
    /// Storage for an area of so many pages.
    ///
    /// # Errors
    /// [`OutOfMemory`].
    pub fn storage(pages: usize) -> Result<Pieces<u32>, OutOfMemory> {
        Pieces::new(pages + REGIONS)
    }

    /// An area all slots of which are free but the bad ones, of as many pages as there is new
    /// [storage](Self::storage) for. Takes a while.
    pub fn new(mut storage: Pieces<u32>, bad_pages: &[u32], priority: i16) -> Self {
        let pages = storage.len().checked_sub(REGIONS).expect("storage for the regions");
        assert!(pages <= PAGES_MAX, "{pages} pages of swap in one area");
        let mut bad = 0;
        for page in core::iter::once(0).chain(bad_pages.iter().copied()) {
            if (page as usize) < pages {
                let old = core::mem::replace(storage.at(page as usize), BAD);
                bad += u32::from(old != BAD);
            }
        }
        let mut area = Self { storage, cursor: 1, used: 0, bad, priority, gives: true };
        for page in 0..pages {
            if area.is_free(page) {
                *area.free_in(area.region(page)) += 1;
            }
        }
        area
    }

    fn pages(&self) -> usize {
        self.storage.len() - REGIONS
    }

    /// Whose a page is.
    #[inline]
    fn entry(&self, page: usize) -> Option<u32> {
        self.storage.get(page).filter(|_| page < self.pages())
    }

    fn is_free(&self, page: usize) -> bool {
        self.entry(page) == Some(FREE)
    }

    /// How many are free in a region.
    fn free_in(&mut self, region: usize) -> &mut u32 {
        let pages = self.pages();
        self.storage.at(pages + region)
    }

    /// Slots that have content.
    pub fn used(&self) -> u64 {
        self.used.into()
    }

    /// Slots that have, or could have.
    pub fn total(&self) -> u64 {
        self.pages() as u64 - u64::from(self.bad)
    }

    /// What is in its page `page`; `None` behind its last one.
    pub fn content(&self, page: u32) -> Option<Content> {
        let entry = self.entry(page as usize)?;
        Some(match (page, entry) {
            (0, _) => Content::Header,
            (_, FREE) => Content::Nothing,
            (_, BAD) => Content::Bad,
            (_, cell) => {
                NonZeroU32::new(cell).map_or(Content::Nothing, |id| Content::Of(CellId(id)))
            }
        })
    }

    /// Areas with a higher one are used first.
    pub fn priority(&self) -> i16 {
        self.priority
    }

    /// Pages of a region.
    fn region_pages(&self) -> usize {
        self.pages().div_ceil(REGIONS).max(1)
    }

    fn region(&self, page: usize) -> usize {
        page / self.region_pages()
    }

    /// The first free slot from `page` on, before the end of its region.
    fn free_in_region(&self, page: usize) -> Option<usize> {
        let region = self.region(page);
        let end = ((region + 1) * self.region_pages()).min(self.pages());
        (page..end).find(|page| self.is_free(*page))
    }

    /// A run of at most `most` free slots: where it begins and how long it is.
    fn find_run(&self, most: usize) -> Option<(usize, usize)> {
        let mut at = self.cursor as usize % self.pages().max(1);
        // The region that the cursor is in is looked at twice: from there on, and up to there.
        for _ in 0..=REGIONS {
            let region = self.region(at);
            if self.storage.get(self.pages() + region) > Some(0)
                && let Some(start) = self.free_in_region(at)
            {
                let run = (start..start + most).take_while(|page| self.is_free(*page));
                return Some((start, run.count()));
            }
            at = (region + 1) * self.region_pages();
            if at >= self.pages() {
                at = 0;
            }
        }
        None
    }

    fn set(&mut self, page: usize, entry: u32) -> u32 {
        let old = core::mem::replace(self.storage.at(page), entry);
        let free = self.free_in(self.region(page));
        *free += u32::from(entry == FREE);
        *free -= u32::from(old == FREE);
        old
    }
}

/// All areas.
#[derive(Default)]
pub struct SwapAreas {
    areas: [Option<Area>; AREAS],
    /// The area that has given slots last: among equals it is another one's turn.
    last: usize,
}

impl SwapAreas {
    /// None.
    pub const fn new() -> Self {
        Self { areas: [const { None }; AREAS], last: 0 }
    }

    /// Takes in an area; its number.
    ///
    /// # Errors
    /// The area: there are [`AREAS`] already.
    pub fn add(&mut self, area: Area) -> Result<usize, Area> {
        match self.areas.iter().position(Option::is_none) {
            Some(number) => {
                self.areas[number] = Some(area);
                Ok(number)
            }
            None => Err(area),
        }
    }

    /// The area gives out nothing from now on, or does again.
    pub fn set_giving(&mut self, area: usize, gives: Gives) {
        if let Some(area) = self.areas.get_mut(area).and_then(Option::as_mut) {
            area.gives = gives == Gives::Slots;
        }
    }

    /// Takes an area away, no slot of which is used; its storage.
    pub fn remove(&mut self, area: usize) -> Option<Pieces<u32>> {
        let place = self.areas.get_mut(area)?;
        let removed = place.take_if(|area| area.used == 0)?;
        Some(removed.storage)
    }

    /// The area with this number.
    pub fn area(&self, area: usize) -> Option<&Area> {
        self.areas.get(area)?.as_ref()
    }

    /// Slots that have content.
    pub fn used(&self) -> u64 {
        self.areas.iter().flatten().map(Area::used).sum()
    }

    /// Slots that have content, or could have.
    pub fn total(&self) -> u64 {
        self.areas.iter().flatten().map(Area::total).sum()
    }

    /// Slots that are given out if they are asked for.
    pub fn available(&self) -> u64 {
        let areas = self.areas.iter().flatten().filter(|area| area.gives);
        areas.map(|area| area.total() - area.used()).sum()
    }

    /// Gives slots to cells, one behind the other in one area: to as many of the first of them as
    /// there are slots in a row, and as `out` has room for. How many; 0: there is no free slot.
    pub fn alloc_cluster(&mut self, cells: &[CellId], out: &mut [SlotId]) -> usize {
        let most = cells.len().min(out.len());
        if most == 0 {
            return 0;
        }
        let Some(number) = self.next_area() else { return 0 };
        let Some(area) = &mut self.areas[number] else { return 0 };
        let Some((start, length)) = area.find_run(most) else { return 0 };
        for (page, (cell, out)) in (start..start + length).zip(cells.iter().zip(out)) {
            area.set(page, cell.0.get());
            *out = SlotId::new(number, page as u32).expect("page 0 is never free");
        }
        area.used += length as u32;
        area.cursor = (start + length) as u32;
        self.last = number;
        length
    }

    /// The area whose turn it is: of the highest priority, behind the last one.
    fn next_area(&self) -> Option<usize> {
        let can_give = |number: &usize| {
            self.areas[*number]
                .as_ref()
                .is_some_and(|area| area.gives && area.used() < area.total())
        };
        let numbers = (1..=AREAS).map(|ahead| (self.last + ahead) % AREAS).filter(can_give);
        // Of equal ones the last is the greatest, but the first is wanted.
        let priority = |number: &usize| self.areas[*number].as_ref().map(|area| area.priority);
        numbers.rev().max_by_key(priority)
    }

    /// The slot has nobody's content any more.
    pub fn free(&mut self, slot: SlotId) {
        self.vacate(slot, FREE);
    }

    /// The slot has nobody's content any more, and is not to get any.
    pub fn retire(&mut self, slot: SlotId) {
        self.vacate(slot, BAD).bad += 1;
    }

    fn vacate(&mut self, slot: SlotId, entry: u32) -> &mut Area {
        let area = self.areas[slot.area()].as_mut().expect("an area with used slots stays");
        let old = area.set(slot.page() as usize, entry);
        assert!(old != FREE && old != BAD, "{slot:?} is nobody's and becomes so");
        area.used -= 1;
        area
    }

    /// The cell whose content is in the slot.
    pub fn cell_of(&self, slot: SlotId) -> Option<CellId> {
        let entry = self.area(slot.area())?.entry(slot.page() as usize)?;
        NonZeroU32::new(entry).filter(|entry| entry.get() != BAD).map(CellId)
    }

    /// The used slots around this one, itself not among them, and whose they are: those of the
    /// `window` pages in a row that it is in.
    pub fn neighbours(
        &self,
        slot: SlotId,
        window: u32,
    ) -> impl Iterator<Item = (SlotId, CellId)> + '_ {
        let window = window.max(1);
        let start = slot.page() / window * window;
        self.used_in(slot.area(), start..start.saturating_add(window))
            .filter(move |(near, _)| *near != slot)
    }

    /// The first used slot of an area from `page` on, and whose it is.
    pub fn first_used(&self, area: usize, page: u32) -> Option<(SlotId, CellId)> {
        self.area(area).filter(|area| area.used > 0)?;
        self.used_in(area, page..PAGES_MAX as u32).next()
    }

    fn used_in(
        &self,
        area: usize,
        pages: core::ops::Range<u32>,
    ) -> impl Iterator<Item = (SlotId, CellId)> + '_ {
        let end = self.area(area).map_or(0, |area| area.pages() as u32);
        (pages.start..pages.end.min(end)).filter_map(move |page| {
            let slot = SlotId::new(area, page)?;
            Some((slot, self.cell_of(slot)?))
        })
    }
}

/// What is in a page of an area.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    /// What says that it is an area.
    Header,
    /// Nothing that anybody wants.
    Nothing,
    /// Nothing, and it cannot have any.
    Bad,
    /// This cell's.
    Of(CellId),
}

/// Whether an area gives out slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// It does.
    Slots,
    /// It is being emptied.
    Nothing,
}

impl fmt::Debug for Area {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Area");
        out.field("priority", &self.priority).field("used", &self.used()).finish_non_exhaustive()
    }
}

impl fmt::Debug for SwapAreas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.areas.iter().flatten()).finish()
    }
}

/// For tests that go on from one state in several ways.
#[cfg(test)]
impl SwapAreas {
    /// Makes these books, which have areas of the same sizes, say what `other` says.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        for (own, other) in self.areas.iter_mut().zip(&other.areas) {
            if let (Some(own), Some(other)) = (own, other) {
                own.storage.copy_from(&other.storage);
                let storage = core::mem::take(&mut own.storage);
                *own = Area { storage, ..*other };
            }
        }
        self.last = other.last;
    }
}

#[cfg(test)]
mod tests;
