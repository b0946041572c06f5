//! What memory should show, page by page and without a page table: who may do what, and which
//! words are there. Slow, simple, and written from the manual pages rather than from the code.

use std::collections::BTreeMap;
use std::ops::Range;

use super::*;

/// The words that are looked at in each page.
pub(super) const SLOTS: usize = 2;
/// Their offsets.
pub(super) const OFFSETS: [u64; SLOTS] = [0, PAGE - 8];
/// Pages below a stack that stay free.
const GAP: u64 = 256;

pub(super) type Words = [u64; SLOTS];

/// One page of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ModelPage {
    pub(super) prot: Prot,
    pub(super) sharing: Sharing,
    /// Which object's page is behind it.
    pub(super) behind: Option<(usize, u64)>,
    pub(super) purpose: Purpose,
    /// Whether it counts as promised.
    pub(super) charge: Charge,
    /// What the process has of its own.
    pub(super) copy: Option<Words>,
}

impl ModelPage {
    fn allows(&self, access: Access) -> bool {
        match access {
            Access::Load => self.prot.read || self.prot.write,
            Access::Store => self.prot.write,
            Access::Fetch => self.prot.exec,
        }
    }

    /// Whether `next`, the page above, is in the same area.
    fn continues_in(&self, next: &Self) -> bool {
        let behind = match (self.behind, next.behind) {
            (None, None) => true,
            (Some((object, index)), Some(other)) => other == (object, index + 1),
            _ => false,
        };
        let kind = |page: &Self| (page.prot, page.sharing, page.purpose, page.charge);
        behind && kind(self) == kind(next)
    }
}

/// One process.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelSpace {
    pub(super) pages: BTreeMap<u64, ModelPage>,
    pub(super) heap: (u64, u64),
}

impl ModelSpace {
    pub(super) fn is_free(&self, range: Range<u64>) -> bool {
        self.pages.range(range).next().is_none()
    }

    /// Free, with the distance that a stack above keeps.
    pub(super) fn is_free_with_gap(&self, range: Range<u64>) -> bool {
        let above = self.pages.range(range.end..).next();
        let near =
            |(page, at): (&u64, &ModelPage)| at.purpose == Purpose::Stack && page - GAP < range.end;
        self.is_free(range.clone()) && !above.is_some_and(near)
    }

    /// The end of the area that `page` is in.
    fn area_end(&self, mut page: u64) -> u64 {
        while let (Some(this), Some(next)) = (self.pages.get(&page), self.pages.get(&(page + 1))) {
            if !this.continues_in(next) {
                break;
            }
            page += 1;
        }
        page + 1
    }

    /// The areas: range and first page.
    pub(super) fn areas(&self) -> Vec<(Range<u64>, ModelPage)> {
        let mut areas: Vec<(Range<u64>, ModelPage)> = Vec::new();
        let mut last: Option<(u64, &ModelPage)> = None;
        for (page, this) in &self.pages {
            match (last, areas.last_mut()) {
                (Some((below, prev)), Some((range, _)))
                    if below + 1 == *page && prev.continues_in(this) =>
                {
                    range.end = page + 1;
                }
                _ => areas.push((*page..page + 1, this.clone())),
            }
            last = Some((*page, this));
        }
        areas
    }

    pub(super) fn unmap(&mut self, range: Range<u64>) {
        self.pages.retain(|page, _| !range.contains(page));
    }

    pub(super) fn map(&mut self, range: Range<u64>, first: &ModelPage) {
        let start = range.start;
        for page in range {
            let behind = first.behind.map(|(object, index)| (object, index + page - start));
            self.pages.insert(page, ModelPage { behind, ..first.clone() });
        }
    }

    /// mprotect, while so many pages more may be promised.
    pub(super) fn protect(
        &mut self,
        range: Range<u64>,
        prot: Prot,
        room: i64,
    ) -> Result<(), Errno> {
        let (mut at, mut left) = (range.start, room.max(0) as u64);
        while at < range.end {
            let page = self.pages.get(&at).ok_or(Errno::ENOMEM)?.clone();
            let area = self.areas().into_iter().map(|(area, _)| area).find(|a| a.contains(&at));
            let area = area.expect("a page is in an area");
            let part = at..area.end.min(range.end);
            at = part.end;
            if page.prot == prot {
                continue;
            }
            let is_touched = self.pages.range(area).any(|(_, page)| page.copy.is_some());
            let charge = match page.charge {
                Charge::Free if prot.write && page.sharing == Sharing::Private => {
                    left = left.checked_sub(part.end - part.start).ok_or(Errno::ENOMEM)?;
                    Charge::Charged
                }
                Charge::Charged if !prot.write && page.behind.is_none() && !is_touched => {
                    Charge::Free
                }
                as_before => as_before,
            };
            for (_, page) in self.pages.range_mut(part) {
                (page.prot, page.charge) = (prot, charge);
            }
        }
        Ok(())
    }

    /// Pages that are promised.
    pub(super) fn committed(&self) -> u64 {
        self.committed_in(0..u64::MAX)
    }

    /// Of these.
    pub(super) fn committed_in(&self, range: Range<u64>) -> u64 {
        let charged = |(_, page): &(&u64, &ModelPage)| page.charge == Charge::Charged;
        self.pages.range(range).filter(charged).count() as u64
    }

    pub(super) fn discard(&mut self, range: Range<u64>) -> Result<(), Errno> {
        let mapped = self.pages.range_mut(range.clone()).map(|(_, page)| page.copy = None).count();
        if mapped as u64 == range.end - range.start { Ok(()) } else { Err(Errno::ENOMEM) }
    }

    pub(super) fn set_break(&mut self, wanted: u64, room: i64) -> u64 {
        let (start, end) = self.heap;
        let (old, new) = (end.div_ceil(PAGE), wanted.div_ceil(PAGE));
        let blocked = new > old && !self.is_free_with_gap(old..new + 1);
        if wanted < start || blocked || new > old && (new - old) as i64 > room {
            return end;
        }
        self.unmap(new..old.max(new));
        let page = ModelPage {
            prot: Prot::READ_WRITE,
            sharing: Sharing::Private,
            behind: None,
            purpose: Purpose::Heap,
            charge: Charge::Charged,
            copy: None,
        };
        self.map(old..new.max(old), &page);
        self.heap.1 = wanted;
        wanted
    }

    /// Lets the stack above `page` grow down to it, if it may.
    pub(super) fn grow_stack(&mut self, page: u64, limit: u64, room: i64) {
        let Some((&first, stack)) = self.pages.range(page..).next() else { return };
        let below = self.pages.range(..page).next_back();
        let near = below.is_some_and(|(below, at)| {
            at.purpose != Purpose::Stack && !at.prot.is_none() && page - (below + 1) < GAP
        });
        let is_stack = first != page && stack.purpose == Purpose::Stack;
        let is_refused = stack.charge == Charge::Charged && (first - page) as i64 > room;
        if !is_stack || near || self.area_end(first) - page > limit || is_refused {
            return;
        }
        let stack = ModelPage { copy: None, ..stack.clone() };
        self.map(page..first, &stack);
    }

    /// Everything of mremap that needs no new place: `Err(Ok(()))` if it is to move now. What
    /// fails may have unmapped before.
    pub(super) fn remap_in_place(
        &mut self,
        wish: &Remap,
        room: i64,
    ) -> Result<u64, Result<(), Errno>> {
        let (start, old, new) = (wish.start / PAGE, wish.old_bytes / PAGE, wish.new_bytes / PAGE);
        let moves = wish.rest == Rest::Mapped;
        if moves && (wish.mobility == Mobility::Stay || old != new) {
            return Err(Err(Errno::EINVAL));
        }
        if !self.pages.contains_key(&start) {
            return Err(Err(Errno::EFAULT));
        }
        if let Mobility::Fixed(to) = wish.mobility {
            let (to, before) = (to / PAGE, self.committed());
            if to < start + old && start < to + new {
                return Err(Err(Errno::EINVAL));
            }
            self.unmap(to..to + new);
            self.unmap(start + new.min(old)..start + old);
            let within = start + new.min(old) <= self.area_end(start);
            let room = room + (before - self.committed()) as i64;
            return Err(match within {
                false => Err(Errno::EFAULT),
                true if self.is_refused(wish, room) => Err(Errno::ENOMEM),
                true => Ok(()),
            });
        }
        if !moves && new <= old {
            self.unmap(start + new..start + old);
            return Ok(wish.start);
        }
        let end = self.area_end(start);
        if start + old > end {
            return Err(Err(Errno::EFAULT));
        }
        if self.is_refused(wish, room) {
            return Err(Err(Errno::ENOMEM));
        }
        if !moves && start + old == end && self.is_free_with_gap(end..start + new) {
            let last = self.pages[&(end - 1)].clone();
            self.map(end..start + new, &beyond(&last, 1));
            return Ok(wish.start);
        }
        Err(if wish.mobility == Mobility::Stay { Err(Errno::ENOMEM) } else { Ok(()) })
    }

    /// Whether what mremap adds is more than may be promised.
    fn is_refused(&self, wish: &Remap, room: i64) -> bool {
        let kept = if wish.rest == Rest::Mapped { 0 } else { wish.old_bytes };
        let more = wish.new_bytes.saturating_sub(kept) / PAGE;
        self.pages[&(wish.start / PAGE)].charge == Charge::Charged && more > 0 && more as i64 > room
    }

    /// The rest of mremap: to where nothing is.
    pub(super) fn move_to(&mut self, wish: &Remap, to: u64) {
        let (start, new) = (wish.start / PAGE, wish.new_bytes / PAGE);
        let old = (wish.old_bytes / PAGE).min(new);
        let purpose = match self.pages[&start].purpose {
            Purpose::Heap => Purpose::Mapping,
            other => other,
        };
        for page in 0..new {
            let moved = match self.pages.get_mut(&(start + page)).filter(|_| page < old) {
                Some(this) => {
                    let moved = this.clone();
                    this.copy = None;
                    moved
                }
                None => beyond(&self.pages[&(to + page - 1)], 1),
            };
            self.pages.insert(to + page, ModelPage { purpose, ..moved });
        }
        if wish.rest == Rest::Unmapped {
            self.unmap(start..start + old);
        }
    }
}

/// The page `pages` further on in the same area, untouched.
fn beyond(page: &ModelPage, pages: u64) -> ModelPage {
    let behind = page.behind.map(|(object, index)| (object, index + pages));
    ModelPage { behind, copy: None, ..page.clone() }
}

/// An object.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelObject {
    pub(super) pages: u64,
    pub(super) words: BTreeMap<u64, Words>,
}

/// All of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) spaces: Vec<ModelSpace>,
    pub(super) objects: Vec<ModelObject>,
}

impl Model {
    /// What is read in a page that is mapped.
    pub(super) fn words(&self, page: &ModelPage) -> Words {
        let object =
            |(object, index): (usize, u64)| self.objects[object].words.get(&index).copied();
        page.copy.or_else(|| page.behind.and_then(object)).unwrap_or_default()
    }

    /// What an access sees, without doing it.
    pub(super) fn look(&self, space: usize, page: u64, access: Access) -> Result<Words, Trouble> {
        let page = self.spaces[space].pages.get(&page).ok_or(Trouble::NotMapped)?;
        let beyond = |(object, index): (usize, u64)| index >= self.objects[object].pages;
        if !page.allows(access) {
            Err(Trouble::Denied)
        } else if page.copy.is_none() && page.behind.is_some_and(beyond) {
            Err(Trouble::Bus)
        } else {
            Ok(self.words(page))
        }
    }

    /// Pages that are promised to all.
    pub(super) fn committed(&self) -> u64 {
        self.spaces.iter().map(ModelSpace::committed).sum()
    }

    /// Does a store that is possible.
    pub(super) fn store(&mut self, space: usize, page: u64, slot: usize, value: u64) {
        let at = &self.spaces[space].pages[&page];
        let mut words = self.words(at);
        words[slot] = value;
        match (at.sharing, at.behind) {
            (Sharing::Shared, Some((object, index))) => {
                self.objects[object].words.insert(index, words);
            }
            _ => self.spaces[space].pages.get_mut(&page).expect("mapped").copy = Some(words),
        }
    }

    pub(super) fn truncate(&mut self, object: usize, pages: u64) {
        self.objects[object].pages = pages;
        self.objects[object].words.retain(|index, _| *index < pages);
        let cut = |page: &ModelPage| page.behind.is_some_and(|(o, i)| o == object && i >= pages);
        for page in self.spaces.iter_mut().flat_map(|space| space.pages.values_mut()) {
            if cut(page) {
                page.copy = None;
            }
        }
    }
}
