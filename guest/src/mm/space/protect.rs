//! mprotect. Rights that go away are taken from the entries at once, rights that come are mostly
//! left to faults, which know whether a page may be written where it is.

use core::convert::Infallible;

use super::sweep::{Fate, fence_pages};
use super::tables::{Leaf, RIGHTS, RIGHTS_TO_WRITE, Visit, descend, rights_to_read, update};
use super::unmap::aligned_range;
use super::{Errno, Flags, Machine, PageRange, Prot, Space, Vpn};

impl<M: Machine> Space<M> {
    /// mprotect.
    ///
    /// # Errors
    /// EINVAL where the start is not aligned; ENOMEM where a part is in no area or there are too
    /// many areas; EACCES for more than an area may ever allow. What is below the first such place
    /// has changed.
    pub fn protect(
        &mut self,
        machine: &M,
        start: u64,
        length_bytes: u64,
        prot: Prot,
    ) -> Result<(), Errno> {
        let Some((start, end)) = aligned_range(start, length_bytes) else {
            let aligned = aligned_range(start, 0).is_some();
            return Err(if aligned { Errno::ENOMEM } else { Errno::EINVAL });
        };
        let (start, end) = (Vpn::of(start), Vpn::of(end));
        let mut rights = Rights { machine, prot, taken: None, fetches: Fetches::AsBefore };
        let result = self.protect_areas(&mut rights, PageRange::new(start, end));
        if let Some((first, last)) = rights.taken {
            fence_pages(machine, PageRange::new(first, last.add(1)));
        }
        if rights.fetches == Fetches::New {
            machine.sync_code();
        }
        self.settle(machine);
        result
    }

    fn protect_areas(&mut self, rights: &mut Rights<'_, M>, range: PageRange) -> Result<(), Errno> {
        let prot = rights.prot;
        let mut at = range.start;
        while at < range.end {
            // Whoever looks for the area after this finds it at once.
            let index = self.vmas.locate(at).ok_or(Errno::ENOMEM)?;
            let area = self.vmas.at(index).expect("it has just been found");
            if !prot.within(area.max_prot) {
                return Err(Errno::EACCES);
            }
            let part = PageRange::new(at, area.pages.end.min(range.end));
            at = part.end;
            if area.prot == prot {
                continue;
            }
            if prot.write && !area.prot.write && !self.may_hold(part.pages(), prot, area) {
                return Err(Errno::ENOMEM);
            }
            let charge = self.recharge(rights.machine, part, prot)?;
            self.vmas.set_prot(part, prot, charge, self.limits.areas)?;
            if prot.is_none() {
                self.sweep(rights.machine, part, Fate::Hide);
            } else {
                let Ok(()) = descend(rights.machine, self.root, part, None, rights);
            }
        }
        Ok(())
    }
}

/// Whether a page can be fetched that could not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fetches {
    AsBefore,
    New,
}

/// Gives valid entries the rights of a new protection.
struct Rights<'a, M> {
    machine: &'a M,
    /// It allows something.
    prot: Prot,
    /// First and last page that lost a right.
    taken: Option<(Vpn, Vpn)>,
    fetches: Fetches,
}

impl<M: Machine> Visit for Rights<'_, M> {
    type Stop = Infallible;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Infallible> {
        for page in leaf.pages.iter() {
            let pte = self.machine.pte(leaf.table, Leaf::index(page));
            if !pte.is_valid() {
                continue;
            }
            let old = pte.flags();
            // What is writable is nobody else's; what is not needs a fault to find that out.
            let keeps_write = self.prot.write && old.has(Flags::W);
            let new = if keeps_write { RIGHTS_TO_WRITE } else { rights_to_read(self.prot) };
            if old.has(new) && !old.has_any(RIGHTS.without(new)) {
                continue;
            }
            update(self.machine, leaf.table, Leaf::index(page), pte, |pte| {
                pte.with_flags(pte.flags().without(RIGHTS).with(new))
            });
            if old.has_any(RIGHTS.without(new)) {
                let first = self.taken.map_or(page, |(first, _)| first);
                self.taken = Some((first, page));
            }
            if new.has(Flags::X) && !old.has(Flags::X) {
                self.fetches = Fetches::New;
            }
        }
        Ok(())
    }
}
