//! Misses of the TLB. [`Mmu::refill`] is the short way: where an earlier walk is known to have come
//! to, one look at one entry, and PMP out of the way. [`Mmu::translate_in_full`] is for everything
//! else, and decides what may be gone without the next time. Both fill the TLB.

use super::bank::Mapping;
use super::pmp::Reach;
use super::tables::PageTables;
use super::walk::{self, Leaf, Step, Steps, Verdict, WalkFault, walk};
use super::walk_cache::Known;
use super::{Mmu, Pte, Refusal};
use crate::addr::{Access, PhysAddr, VirtAddr, Width};
use crate::bus::{Bus, Ram, RamOffset};
use crate::trap::Exception;

impl Mmu {
    /// Where in RAM the byte at `va` is, if that takes no more than a look at one entry of a table;
    /// the TLB then knows the page. `None` says nothing.
    #[inline(always)]
    pub(super) fn refill(&mut self, ram: &Ram, va: VirtAddr, access: Access) -> Option<RamOffset> {
        if !self.tlb.is_attached(ram) {
            return None;
        }
        let key = self.tlb.key(access);
        let (pa, mapping) = if key.is_virtual() {
            let known = self.walks.find(va, key.satp())?;
            let pte = Pte(ram.load(known.entry_of(va), Width::Double));
            let plain = key.plain(access);
            // For base pages, which is most of them, the compiler then knows the level.
            let is_plain = match known.level() {
                0 => plain.admits(pte, 0) || plain.admits_napot(pte, self.context(access)),
                level => plain.admits(pte, level),
            };
            if !is_plain {
                return None;
            }
            let leaf = walk::leaf(pte, PhysAddr(0), known.level(), pte.has(Pte::G), va);
            (leaf.pa, Mapping::of(&leaf))
        } else {
            (PhysAddr(va.0), Mapping::NONE)
        };
        if !self.reaches[usize::from(key.is_machine())].covers(pa) {
            return None;
        }
        let page = ram.page_at(pa)?;
        let at = RamOffset(page.offset().0 | pa.page_offset());
        if access != Access::Store || !ram.is_page_tracked(at) {
            self.tlb.insert(va, access, page, mapping);
        }
        Some(at)
    }

    /// As [`translate`](Self::translate), where the TLB has no entry.
    #[cold]
    #[inline(never)]
    pub(super) fn translate_in_full(
        &mut self,
        bus: &mut Bus,
        va: VirtAddr,
        access: Access,
        len_bytes: u64,
    ) -> Result<PhysAddr, Exception> {
        self.attach(&bus.ram);
        let found = if self.probe.is_none() {
            self.resolve_known(&mut bus.ram, (va, access), len_bytes)
        } else {
            self.resolve_recorded(&mut bus.ram, (va, access), len_bytes)
        };
        let (pa, mapping) = found.map_err(|refusal| exception(refusal, access, va))?;
        self.fill(&bus.ram, (va, access), pa, mapping);
        Ok(pa)
    }

    /// As [`resolve`](Self::resolve) in `ram`, from the last table that is known to be on the way.
    fn resolve_known(
        &mut self,
        ram: &mut Ram,
        (va, access): (VirtAddr, Access),
        len_bytes: u64,
    ) -> Result<(PhysAddr, Mapping), Refusal> {
        let key = self.tlb.key(access);
        let (pa, mapping) = if key.is_virtual() {
            let walker = self.reaches[usize::from(false)];
            let known = self.walks.find(va, key.satp());
            let mut last = LastTable(None);
            let leaf = self.walk_from(known, (ram, walker), (va, access), &mut last);
            if let Some((table, level)) = last.0
                && let Some(page) = ram.page_at(table)
                && known != Some(Known::new(page.offset(), level))
                && (walker.covers(table) || self.pmp.walker_reads(table))
            {
                self.walks.insert(va, key.satp(), Known::new(page.offset(), level));
            }
            leaf.map(|leaf| (leaf.pa, Mapping::of(&leaf))).map_err(Refusal::Walk)?
        } else {
            (PhysAddr(va.0), Mapping::NONE)
        };
        if !self.reaches[usize::from(key.is_machine())].covers(pa) {
            self.protect(self.context(access), pa, (access, len_bytes))?;
        }
        Ok((pa, mapping))
    }

    /// The walk for `va`, or what is left of it behind a table that is known.
    fn walk_from(
        &self,
        known: Option<Known>,
        (ram, reach): (&mut Ram, Reach),
        (va, access): (VirtAddr, Access),
        last: &mut LastTable,
    ) -> Result<Leaf, WalkFault> {
        let cx = self.context(access);
        let base = ram.base();
        let mut memory = PageTables { ram, pmp: &self.pmp, reach };
        match known {
            None => walk(&mut memory, va, access, cx, last),
            Some(known) => {
                let from = (base.wrapping_add(known.table().0), known.level());
                walk::resume(&mut memory, (va, access, cx), from, last)
            }
        }
    }

    /// Caches a translation, where every access of its kind to the page may then go straight to
    /// RAM, and what the short way needs to find the neighbours.
    fn fill(
        &mut self,
        ram: &Ram,
        (va, access): (VirtAddr, Access),
        pa: PhysAddr,
        mapping: Mapping,
    ) {
        let Some(page) = ram.page_at(pa) else { return };
        let watched = access == Access::Store && ram.is_page_tracked(page.offset());
        if self.may_reach(pa, access) && !watched {
            self.tlb.insert(va, access, page, mapping);
        }
    }

    /// Whether PMP leaves all of the page of `pa` to `access`. Remembers the pages around where it
    /// leaves them to every access, unless somebody watches.
    fn may_reach(&mut self, pa: PhysAddr, access: Access) -> bool {
        let class = usize::from(self.tlb.key(access).is_machine());
        if self.reaches[class].covers(pa) {
            return true;
        }
        let privilege = self.context(access).privilege;
        let reach = self.pmp.reach(pa, privilege);
        if self.probe.is_none() && reach != Reach::NOTHING {
            self.reaches[class] = reach;
        }
        self.pmp.page_rights(pa, privilege).is_some_and(|rights| rights.allows(access))
    }
}

/// Notes the last table that a walk has read an entry of, if such walks end there: at the last
/// level all do, above it those that find a leaf.
struct LastTable(Option<(PhysAddr, u32)>);

impl Steps for LastTable {
    #[inline(always)]
    fn step(&mut self, step: Step) {
        let ends = match step.verdict {
            Verdict::Fault(WalkFault::Unreadable) => false,
            Verdict::Leaf | Verdict::Updated => true,
            _ => step.level == 0,
        };
        if ends {
            self.0 = Some((step.pte_at.page_base(), step.level.into()));
        }
    }
}

/// The exception that is due: for the original access, whatever the walk was doing.
pub(super) fn exception(refusal: Refusal, access: Access, va: VirtAddr) -> Exception {
    match refusal {
        Refusal::Walk(fault) if !fault.is_access_fault() => Exception::PageFault(access, va),
        Refusal::Walk(_) | Refusal::Protection(_) => Exception::AccessFault(access, va),
    }
}

#[cfg(test)]
mod tests;
