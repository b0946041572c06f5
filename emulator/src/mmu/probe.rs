//! [`Probe`]: what a watched hart's MMU tells of itself: TLB misses with the walks that they cause,
//! and fences. Nobody watches unless asked to; then the probe is looked at where misses and fences
//! are served, and nowhere on the hit path. The engine takes the records after each instruction.

use super::{Context, Explanation, Mapping, Mmu, PageTables, Reach, Refusal};
use crate::addr::{Access, Asid, PhysAddr, Rights, VirtAddr};
use crate::bus::Ram;

/// Records that nobody has taken yet.
#[derive(Debug, Default)]
pub(super) struct Probe {
    walks: Vec<WalkRecord>,
    fences: Vec<Fence>,
}

/// A translation that the TLB did not have, and how it was made. Without translation (M-mode,
/// Bare) there is no walk and so there are no steps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkRecord {
    /// The address to translate.
    pub va: VirtAddr,
    /// What for.
    pub access: Access,
    /// What the translation depended on. Its privilege mode is the effective one of the access.
    pub cx: Context,
    /// The entries looked at, and what came of them.
    pub explanation: Explanation,
    /// What PMP lets the mode do with the physical page: nothing where the walk found none,
    /// `None` where bytes of the page have different rights.
    pub page_rights: Option<Rights>,
}

/// A fence over translations: of `va` or of all addresses, of `asid` or of all address spaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fence {
    /// The address, if one is named.
    pub va: Option<VirtAddr>,
    /// The address space, if one is named.
    pub asid: Option<Asid>,
}

impl Mmu {
    /// From now on records misses and fences, until they are taken.
    pub fn watch(&mut self) {
        self.probe.get_or_insert_default();
        self.reaches = [Reach::NOTHING; 2];
    }

    /// From now on records nothing; what was not taken is lost.
    pub fn unwatch(&mut self) {
        self.probe = None;
    }

    /// Takes the misses since the last call, in order; none where nobody watches.
    pub fn take_walks(&mut self) -> impl Iterator<Item = WalkRecord> {
        self.probe.iter_mut().flat_map(|probe| probe.walks.drain(..))
    }

    /// Takes the fences since the last call, in order; none where nobody watches.
    pub fn take_fences(&mut self) -> impl Iterator<Item = Fence> {
        self.probe.iter_mut().flat_map(|probe| probe.fences.drain(..))
    }

    pub(super) fn note_fence(&mut self, fence: Fence) {
        if let Some(probe) = &mut self.probe {
            probe.fences.push(fence);
        }
    }

    /// As [`resolve`](Self::resolve) in `ram`, leaving a record.
    #[cold]
    #[inline(never)]
    pub(super) fn resolve_recorded(
        &mut self,
        ram: &mut Ram,
        (va, access): (VirtAddr, Access),
        len_bytes: u64,
    ) -> Result<(PhysAddr, Mapping), Refusal> {
        let (cx, mut steps) = (*self.context(access), Vec::new());
        let mut memory = PageTables { ram, pmp: &self.pmp, reach: Reach::NOTHING };
        let found = self.resolve(&cx, &mut memory, (va, access), len_bytes, &mut steps);
        let pa = found.map(|(pa, _)| pa);
        let page_rights = match pa {
            Ok(pa) | Err(Refusal::Protection(pa)) => self.pmp.page_rights(pa, cx.privilege),
            Err(Refusal::Walk(_)) => Some(Rights::NONE),
        };
        let explanation = Explanation { steps, pa };
        if let Some(probe) = &mut self.probe {
            probe.walks.push(WalkRecord { va, access, cx, explanation, page_rights });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::{PhysAddr, Privilege, Width};
    use crate::bus::{Bus, RamOffset};
    use crate::mmu::{Mode, Pte, Satp, Verdict, WalkFault};

    const BASE: u64 = 0x8000_0000;

    /// RAM that begins with an Sv39 root: the first gigabyte is mapped to RAM.
    fn fixture() -> (Mmu, Bus) {
        let mut bus = Bus::new(Ram::new(PhysAddr(BASE), 0x2000));
        let gigapage = Pte::new(BASE >> 12, Pte::V | Pte::R | Pte::W | Pte::A);
        bus.ram.store(RamOffset(0), Width::Double, gigapage.0);
        let mut mmu = Mmu::new();
        let satp = Satp { mode: Mode::Sv39, asid: Asid(3), root_ppn: BASE >> 12 };
        let cx = Context { privilege: Privilege::Supervisor, satp, ..Context::RESET };
        mmu.set_contexts(Context::RESET, cx);
        mmu.set_pmp(vec![crate::addr::PmpRegion {
            first: PhysAddr(BASE),
            last: PhysAddr(BASE + 0x1fff),
            rights: Rights::ALL,
            locked: false,
        }]);
        (mmu, bus)
    }

    #[test]
    fn nothing_is_kept_for_nobody() {
        let (mut mmu, mut bus) = fixture();
        assert!(mmu.load(&mut bus, VirtAddr(8), Width::Word).is_ok());
        mmu.sfence_vma(None, None);
        assert_eq!((mmu.take_walks().count(), mmu.take_fences().count()), (0, 0));
    }

    #[test]
    fn each_miss_leaves_a_record_and_no_hit_does() {
        let (mut mmu, mut bus) = fixture();
        mmu.watch();
        for at in [8, 16, 0x1000] {
            assert!(mmu.load(&mut bus, VirtAddr(at), Width::Word).is_ok());
        }
        let records: Vec<_> = mmu.take_walks().collect();
        assert_eq!(records.iter().map(|r| r.va.0).collect::<Vec<_>>(), [8, 0x1000]);
        assert_eq!(records[0].explanation.pa, Ok(PhysAddr(BASE + 8)));
        assert_eq!(records[0].explanation.steps[0].verdict, Verdict::Leaf);
        assert_eq!((records[0].access, records[0].page_rights), (Access::Load, Some(Rights::ALL)));
        assert_eq!(mmu.take_walks().count(), 0, "taken is taken");
    }

    #[test]
    fn a_miss_that_fails_says_why() {
        let (mut mmu, mut bus) = fixture();
        mmu.watch();
        let not_dirty = Refusal::Walk(WalkFault::NotDirty);
        // Address and kind of access, what denies it.
        for (va, access, refusal) in [
            (0, Access::Store, not_dirty),
            (1 << 30, Access::Load, Refusal::Walk(WalkFault::NotValid)),
            (1 << 63, Access::Load, Refusal::Walk(WalkFault::NotCanonical)),
            (0x2000, Access::Load, Refusal::Protection(PhysAddr(BASE + 0x2000))),
        ] {
            assert!(mmu.translate(&mut bus, VirtAddr(va), access, 4).is_err());
            let records: Vec<_> = mmu.take_walks().collect();
            assert_eq!(records.len(), 1, "{va:#x}");
            assert_eq!(records[0].explanation.pa, Err(refusal), "{va:#x}");
            assert_eq!(records[0].page_rights, Some(Rights::NONE), "{va:#x}");
        }
    }

    #[test]
    fn recording_changes_no_translation() {
        let ((mut plain, mut bus), (mut watched, mut watched_bus)) = (fixture(), fixture());
        watched.watch();
        for va in [0, 8, 0xff8, 0xffe, 0x1ffe, 0x2000, 1 << 30, 1 << 63] {
            for access in Access::ALL {
                let translate = |mmu: &mut Mmu, bus| mmu.translate(bus, VirtAddr(va), access, 2);
                assert_eq!(
                    translate(&mut plain, &mut bus),
                    translate(&mut watched, &mut watched_bus)
                );
                let looked_up = watched.lookup(VirtAddr(va), access);
                assert_eq!(plain.lookup(VirtAddr(va), access), looked_up, "{va:#x}");
            }
        }
    }

    #[test]
    fn fences_are_told_as_they_were_given() {
        let (mut mmu, _) = fixture();
        mmu.watch();
        let forms = [(None, None), (Some(VirtAddr(5)), None), (None, Some(Asid(7)))];
        for (va, asid) in forms {
            mmu.sfence_vma(va, asid);
        }
        let told: Vec<_> = mmu.take_fences().map(|fence| (fence.va, fence.asid)).collect();
        assert_eq!(told, forms);
    }
}
