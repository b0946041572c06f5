//! mremap: shrinking, growing where it is, moving. A move takes the words of the entries along;
//! cells and frames do not notice.

use core::convert::Infallible;

use super::sweep::{Fate, fence_pages};
use super::tables::{Leaf, NewTables, Visit, Way, descend, index, walk};
use super::{
    Backing, Counters, Errno, Machine, Mobility, PAGE_SIZE_BYTES, PageRange, Ppn, Pte, Purpose,
    Remap, Rest, Sharing, Space, Vma, Vpn,
};
use crate::ENTRIES;

/// Areas that a move to a fixed place may need at worst.
const FIXED_MOVE_AREAS: usize = 5;

impl<M: Machine> Space<M> {
    /// mremap: where the mapping is then.
    ///
    /// # Errors
    /// EINVAL for addresses that are not aligned, no new length, ranges that overlap, a length of
    /// zero for private memory, or [`Rest::Mapped`] with another length or without a move;
    /// EFAULT where the old range is not within one area; ENOMEM where there is no room.
    pub fn remap(&mut self, machine: &M, wish: Remap) -> Result<u64, Errno> {
        let result = self.resize_or_move(machine, wish);
        self.settle(machine);
        result
    }

    fn resize_or_move(&mut self, machine: &M, wish: Remap) -> Result<u64, Errno> {
        let Remap { start, old_bytes, new_bytes, mobility, rest } = wish;
        if !start.is_multiple_of(PAGE_SIZE_BYTES)
            || rest == Rest::Mapped && (mobility == Mobility::Stay || old_bytes != new_bytes)
            || new_bytes == 0
        {
            return Err(Errno::EINVAL);
        }
        let old = PageRange::sized(Vpn::of(start), old_bytes.div_ceil(PAGE_SIZE_BYTES));
        let pages = new_bytes.div_ceil(PAGE_SIZE_BYTES);
        if self.vmas.find(old.start).is_none() {
            return Err(Errno::EFAULT);
        }
        if let Mobility::Fixed(to) = mobility {
            let to = PageRange::of_user(to, new_bytes).ok_or(Errno::EINVAL)?;
            return self.remap_fixed(machine, old, to, rest);
        }
        if rest == Rest::Unmapped && old.pages() >= pages {
            if old.pages() > pages {
                if old.end > Vpn::USER_END {
                    return Err(Errno::EINVAL);
                }
                self.unmap_pages(machine, PageRange::new(old.start.add(pages), old.end))?;
            }
            return Ok(start);
        }
        let area = self.check_resize(machine, old, pages, rest)?;
        if rest == Rest::Unmapped && !old.is_empty() && self.grow_in_place(&area, old, pages)? {
            return Ok(start);
        }
        if mobility == Mobility::Stay {
            return Err(Errno::ENOMEM);
        }
        let new = self.find_room(0, pages).ok_or(Errno::ENOMEM)?;
        self.move_area(machine, &area, Move { old, new, rest })
    }

    /// A move to a place that the caller insists on.
    fn remap_fixed(
        &mut self,
        machine: &M,
        old: PageRange,
        new: PageRange,
        rest: Rest,
    ) -> Result<u64, Errno> {
        if old.intersection(new).is_some() || old.end > Vpn::USER_END {
            return Err(Errno::EINVAL);
        }
        if new.start.base() < self.limits.min_address {
            return Err(Errno::EPERM);
        }
        if self.vmas.count() + FIXED_MOVE_AREAS >= self.limits.areas {
            return Err(Errno::ENOMEM);
        }
        self.unmap_pages(machine, new)?;
        let kept = PageRange::sized(old.start, old.pages().min(new.pages()));
        if kept != old {
            self.unmap_pages(machine, PageRange::new(kept.end, old.end))?;
        }
        // What was there may be promised again.
        self.settle(machine);
        let area = self.check_resize(machine, kept, new.pages(), rest)?;
        self.move_area(machine, &area, Move { old: kept, new, rest })
    }

    /// The area that `old` is part of, if it may have `pages` pages instead; they are promised then.
    fn check_resize(
        &mut self,
        machine: &M,
        old: PageRange,
        pages: u64,
        rest: Rest,
    ) -> Result<Vma<M::Object>, Errno> {
        let area = self.vmas.find(old.start).ok_or(Errno::EFAULT)?;
        if old.is_empty() && area.sharing == Sharing::Private {
            return Err(Errno::EINVAL);
        }
        if old.end > area.pages.end {
            return Err(Errno::EFAULT);
        }
        let more = match rest {
            Rest::Mapped => pages,
            Rest::Unmapped => pages.saturating_sub(old.pages()),
        };
        if !self.may_grow(more, area) {
            return Err(Errno::ENOMEM);
        }
        let area = area.clone();
        self.commit_like(machine, more, &area)?;
        Ok(area)
    }

    /// Lets an area that ends with `old` grow into what is free behind it; whether it could.
    fn grow_in_place(
        &mut self,
        area: &Vma<M::Object>,
        old: PageRange,
        pages: u64,
    ) -> Result<bool, Errno> {
        let end = Vpn(old.start.0 + pages);
        let added = PageRange::new(old.end, end);
        if old.end != area.pages.end || end > Vpn::USER_END || !self.vmas.is_free(added) {
            return Ok(false);
        }
        self.vmas.insert(continued(area, added))?;
        self.note_pages();
        Ok(true)
    }

    /// Moves `part.old` of `area`, which holds all of it, to where nothing is.
    fn move_area(&mut self, machine: &M, area: &Vma<M::Object>, part: Move) -> Result<u64, Errno> {
        let Move { old, new, rest } = part;
        let splits = if rest == Rest::Mapped { 0 } else { self.vmas.splits(old) };
        if self.vmas.count() + 1 + splits > self.limits.areas {
            return Err(Errno::ENOMEM);
        }
        self.vmas.reserve(3)?;
        self.make_tables(machine, old, new.start)?;
        let purpose = match area.purpose {
            Purpose::Heap => Purpose::Mapping,
            other => other,
        };
        let backing = backing_from(area, old.start);
        self.vmas.insert(Vma { pages: new, backing, purpose, ..*area })?;
        let mut carry =
            Carry { machine, root: self.root, from: old.start, to: new.start, found: false };
        let Ok(()) = descend(machine, self.root, old, None, &mut carry);
        // The frames stay in use, but what is stored through an old entry from now on would
        // bypass the rights that the new one will have.
        if carry.found {
            fence_pages(machine, old);
        }
        if rest == Rest::Unmapped && !old.is_empty() {
            self.unmap_pages(machine, old)?;
        }
        self.note_pages();
        Ok(new.start.base())
    }

    /// Makes the leaf tables that the entries of `old` need when they move to `new`.
    ///
    /// # Errors
    /// ENOMEM; then the tables are as before.
    fn make_tables(&mut self, machine: &M, old: PageRange, new: Vpn) -> Result<(), Errno> {
        let mut make = Make {
            machine,
            root: self.root,
            counters: &mut self.counters,
            from: old.start,
            to: new,
        };
        let made = descend(machine, self.root, old, None, &mut make);
        if made.is_err() {
            // Nothing is in them, and no area is there yet: a sweep gives back what is spare.
            self.sweep(machine, PageRange::sized(new, old.pages()), Fate::Drop);
        }
        made
    }
}

/// A move of pages.
#[derive(Clone, Copy, Debug)]
struct Move {
    old: PageRange,
    new: PageRange,
    rest: Rest,
}

/// What is behind the page `start` of `area`, as the backing of an area that begins with it.
fn backing_from<O: Clone + PartialEq>(area: &Vma<O>, start: Vpn) -> Backing<O> {
    match area.object_at(start) {
        None => Backing::Anonymous,
        Some((object, first)) => Backing::Object { object: object.clone(), first },
    }
}

/// The continuation of `area` over `added`, right behind it.
fn continued<O: Clone + PartialEq>(area: &Vma<O>, added: PageRange) -> Vma<O> {
    Vma { pages: added, backing: backing_from(area, added.start), ..*area }
}

/// The page that `page` of a range from `from` on becomes when it moves to `to`.
fn shifted(page: Vpn, from: Vpn, to: Vpn) -> Vpn {
    Vpn(to.0 + (page.0 - from.0))
}

/// Makes the tables at the place that a range moves to.
struct Make<'a, M> {
    machine: &'a M,
    root: Ppn,
    counters: &'a mut Counters,
    from: Vpn,
    to: Vpn,
}

impl<M: Machine> Visit for Make<'_, M> {
    type Stop = Errno;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Errno> {
        let Some(last) = leaf.pages.end.0.checked_sub(1).map(Vpn) else { return Ok(()) };
        // Up to two leaf tables take the entries of one.
        for page in [leaf.pages.start, last] {
            let page = shifted(page, self.from, self.to);
            let way = walk(self.machine, self.root, page);
            if way.missing() > 0 {
                let new = self.machine.memory(|memory| NewTables::take(memory, way))?;
                new.link(self.machine, way, page, self.counters);
            }
        }
        Ok(())
    }
}

/// Carries words to the place that a range moves to, where the tables are.
struct Carry<'a, M> {
    machine: &'a M,
    root: Ppn,
    from: Vpn,
    to: Vpn,
    found: bool,
}

impl<M: Machine> Visit for Carry<'_, M> {
    type Stop = Infallible;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Infallible> {
        let base = leaf.pages.start.0 & !(ENTRIES as u64 - 1);
        for at in leaf.indices() {
            if self.machine.pte(leaf.table, at).0 == 0 {
                continue;
            }
            self.found = true;
            let page = shifted(Vpn(base + at as u64), self.from, self.to);
            let Way::Leaf(table) = walk(self.machine, self.root, page) else {
                unreachable!("the tables have been made")
            };
            let word = self.machine.swap_pte(leaf.table, at, Pte(0));
            self.machine.swap_pte(table, index(page, 0), word);
        }
        Ok(())
    }
}
