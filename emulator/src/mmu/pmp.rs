//! [`Pmp`]: physical memory protection, the check of one physical access against the active
//! entries. The csr room decodes the entries into [`PmpRegion`]s; the MMU asks here.

use crate::addr::{
    Access, PAGE_OFFSET_MASK, PAGE_SHIFT, PAGE_SIZE_BYTES, PhysAddr, PmpRegion, Privilege, Rights,
};

/// The active PMP entries, lowest-numbered first.
///
/// Source: Privileged ISA, "Physical Memory Protection CSRs", "Priority and Matching Logic".
#[derive(Clone, Debug, Default)]
pub struct Pmp {
    regions: Vec<PmpRegion>,
}

/// Number of the last page of all.
const LAST_PAGE: u64 = PhysAddr(u64::MAX).page_number();

/// A range of base pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Reach {
    first_page: u64,
    pages: u64,
}

impl Reach {
    /// No page.
    pub(super) const NOTHING: Self = Self { first_page: 0, pages: 0 };

    /// Whether the page of `at` is one of them.
    #[inline(always)]
    pub(super) fn covers(self, at: PhysAddr) -> bool {
        at.page_number().wrapping_sub(self.first_page) < self.pages
    }
}

impl Pmp {
    /// Protection by `regions`, in the order of their entry numbers. A region that ends before
    /// it starts matches nothing.
    pub fn new(mut regions: Vec<PmpRegion>) -> Self {
        regions.retain(|region| region.first <= region.last);
        Self { regions }
    }

    /// Whether `privilege` may make this access to all of the `len_bytes` (at least one) bytes at `at`.
    pub fn allows(
        &self,
        at: PhysAddr,
        len_bytes: u64,
        access: Access,
        privilege: Privilege,
    ) -> bool {
        debug_assert!(len_bytes > 0, "an access has bytes");
        self.rights(at, len_bytes, privilege).is_some_and(|rights| rights.allows(access))
    }

    /// What `privilege` may do with every byte of the base page that holds `at`; `None` where
    /// bytes of the page fall under different entries, so that each access must ask for itself.
    pub fn page_rights(&self, at: PhysAddr, privilege: Privilege) -> Option<Rights> {
        self.rights(at.page_base(), PAGE_SIZE_BYTES, privilege)
    }

    /// Whether the hart's walker, which has the rights of S-mode, may read all of the page table at
    /// `table`.
    pub(super) fn walker_reads(&self, table: PhysAddr) -> bool {
        let rights = self.page_rights(table, Privilege::Supervisor);
        rights.is_some_and(|rights| rights.read)
    }

    /// Pages that `privilege` may use for everything: all those around the one that holds `at` up
    /// to the next that it may not use so; nothing where that is this one.
    pub(super) fn reach(&self, at: PhysAddr, privilege: Privilege) -> Reach {
        let Some((mut first, mut last)) = self.alike(at.page_number(), privilege) else {
            return Reach::NOTHING;
        };
        while let Some((further, _)) = first.checked_sub(1).and_then(|p| self.alike(p, privilege)) {
            first = further;
        }
        while last < LAST_PAGE
            && let Some((_, further)) = self.alike(last + 1, privilege)
        {
            last = further;
        }
        Reach { first_page: first, pages: last - first + 1 }
    }

    /// The first and the last of the pages that `privilege` may use for everything for the same
    /// reason as `page`, if it may use that one so.
    fn alike(&self, page: u64, privilege: Privilege) -> Option<(u64, u64)> {
        if self.page_rights(PhysAddr(page << PAGE_SHIFT), privilege) != Some(Rights::ALL) {
            return None;
        }
        let (mut first, mut last) = (0, LAST_PAGE);
        for region in &self.regions {
            let (begin, end) = (region.first.page_number(), region.last.page_number());
            if end < page {
                first = first.max(end + 1);
            } else if page < begin {
                last = last.min(begin - 1);
            } else {
                // This one decides: it has all of the page, and of those between its ends.
                first = first.max(begin + u64::from(region.first.page_offset() != 0));
                last = last.min(end - u64::from(region.last.page_offset() != PAGE_OFFSET_MASK));
                break;
            }
        }
        Some((first, last))
    }

    /// The rights given by the lowest-numbered entry that matches any of the bytes. `None` where
    /// it does not match all of them: such an access fails whatever the entry grants.
    fn rights(&self, first: PhysAddr, len_bytes: u64, privilege: Privilege) -> Option<Rights> {
        // An access that would wrap reaches nothing anyway; it must only not match by accident.
        let last = PhysAddr(first.0.saturating_add(len_bytes - 1));
        let machine = privilege == Privilege::Machine;
        match self.regions.iter().find(|r| r.first <= last && first <= r.last) {
            Some(region) if first < region.first || region.last < last => None,
            Some(region) if machine && !region.locked => Some(Rights::ALL),
            Some(region) => Some(region.rights),
            // No entry matches: M-mode is free. S- and U-mode are not, as entries are implemented.
            None if machine => Some(Rights::ALL),
            None => Some(Rights::NONE),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const READ: Rights = Rights { read: true, write: false, execute: false };

    fn region(first: u64, last: u64, rights: Rights, locked: bool) -> PmpRegion {
        PmpRegion { first: PhysAddr(first), last: PhysAddr(last), rights, locked }
    }

    /// Entry 0: locked, read-only [0x1000, 0x1008); entry 1: no rights, [0x1000, 0x2000);
    /// entry 2: everything below 0x1_0000.
    fn pmp() -> Pmp {
        Pmp::new(vec![
            region(0x1000, 0x1007, READ, true),
            region(0x1000, 0x1fff, Rights::NONE, false),
            region(0, 0xffff, Rights::ALL, false),
        ])
    }

    #[test]
    fn first_matching_entry_decides() {
        use Access::{Fetch, Load, Store};
        use Privilege::{Machine, Supervisor, User};
        for (at, len, access, allowed) in [
            // at, length, access, allowed to [M, S, U]
            (0x1000, 8, Load, [true, true, true]),
            (0x1000, 8, Store, [false, false, false]),
            (0x1000, 8, Fetch, [false, false, false]),
            (0x1004, 4, Load, [true, true, true]),
            // Partly entry 0, which has priority: fails even in M-mode.
            (0x1004, 8, Load, [false, false, false]),
            (0x0ffc, 8, Load, [false, false, false]),
            // Partly entry 1.
            (0x1ffc, 8, Load, [false, false, false]),
            (0x1008, 8, Load, [true, false, false]),
            (0x1ff8, 8, Store, [true, false, false]),
            (0x2000, 8, Store, [true, true, true]),
            (0x0ff8, 8, Fetch, [true, true, true]),
            (0xfff8, 8, Load, [true, true, true]),
            // Partly entry 2, and beyond every entry.
            (0xfffc, 8, Load, [false, false, false]),
            (0x1_0000, 8, Load, [true, false, false]),
            (u64::MAX, 8, Load, [true, false, false]),
        ] {
            let got =
                [Machine, Supervisor, User].map(|p| pmp().allows(PhysAddr(at), len, access, p));
            assert_eq!(got, allowed, "{at:#x}+{len} {access:?}");
        }
    }

    #[test]
    fn without_entries_only_machine_mode_has_access() {
        for access in Access::ALL {
            for (privilege, allowed) in [
                (Privilege::Machine, true),
                (Privilege::Supervisor, false),
                (Privilege::User, false),
            ] {
                let got = Pmp::default().allows(PhysAddr(0x8000_0000), 4, access, privilege);
                assert_eq!(got, allowed, "{access:?} {privilege:?}");
            }
        }
    }

    #[test]
    fn inverted_regions_match_nothing() {
        let pmp = Pmp::new(vec![region(0x2000, 0x1000, Rights::NONE, true)]);
        assert!(pmp.allows(PhysAddr(0x1800), 0x1000, Access::Load, Privilege::Machine));
    }

    #[test]
    fn pages_that_entries_cut_have_no_common_rights() {
        use Privilege::{Machine, Supervisor};
        for (at, machine, supervisor) in [
            (0x0123, Some(Rights::ALL), Some(Rights::ALL)),
            (0x1fff, None, None),
            (0x2000, Some(Rights::ALL), Some(Rights::ALL)),
            (0x1_0000, Some(Rights::ALL), Some(Rights::NONE)),
        ] {
            assert_eq!(pmp().page_rights(PhysAddr(at), Machine), machine, "{at:#x}");
            assert_eq!(pmp().page_rights(PhysAddr(at), Supervisor), supervisor, "{at:#x}");
        }
    }

    #[test]
    fn reaches_are_the_pages_around_up_to_the_next_that_is_not_free() {
        let all = |first, last, locked| region(first, last, Rights::ALL, locked);
        let none = |first, last, locked| region(first, last, Rights::NONE, locked);
        let everywhere = (0, u64::MAX >> 12);
        let outside = vec![none(0x1000, 0x17ff, false), all(0x800, 0xf7ff, false)];
        // Entries, mode, address; first and last page.
        for (regions, machine, at, reach) in [
            (vec![all(0, u64::MAX, false)], false, 0x8000_0123, Some(everywhere)),
            (vec![all(0, u64::MAX, false)], true, 0x8000_0123, Some(everywhere)),
            (vec![], true, 0x8000_0123, Some(everywhere)),
            (vec![], false, 0x8000_0123, None),
            (vec![none(0, u64::MAX, true)], true, 0x8000_0123, None),
            (vec![none(0, u64::MAX, false)], true, 0x8000_0123, Some(everywhere)),
            (vec![region(0, u64::MAX, READ, false)], false, 0x8000_0123, None),
            // The entry before is in the way, and cuts a page.
            (outside.clone(), false, 0x3fff, Some((2, 0xe))),
            (outside.clone(), false, 0x1000, None),
            (outside.clone(), false, 0x0fff, None),
            (outside.clone(), false, 0xf000, None),
            (outside.clone(), true, 0x1_0000, Some((0x10, u64::MAX >> 12))),
            (outside.clone(), true, 0x3000, Some((2, 0xe))),
            // M-mode is free within entries and between them.
            (
                vec![none(0x1000, 0x1fff, false), none(0x4000, 0x4fff, false)],
                true,
                0,
                Some(everywhere),
            ),
            (
                vec![all(0x1000, 0x1fff, false), all(0x2000, 0x4fff, true)],
                false,
                0x2000,
                Some((1, 4)),
            ),
            (vec![none(0x3000, 0x3fff, false), all(0, 0x7fff, false)], false, 0, Some((0, 2))),
            (outside, false, 0x1_0000, None),
        ] {
            let mode = if machine { Privilege::Machine } else { Privilege::Supervisor };
            let got = Pmp::new(regions.clone()).reach(PhysAddr(at), mode);
            let expect = reach.map_or(Reach::NOTHING, |(first, last): (u64, u64)| Reach {
                first_page: first,
                pages: last - first + 1,
            });
            assert_eq!(got, expect, "{at:#x} {mode:?} {regions:?}");
        }
    }

    proptest! {
        /// Whatever the entries are: each page of a reach has all rights, and those just outside
        /// have not.
        #[test]
        fn pages_within_reach_may_be_used(
            regions in prop::collection::vec((0..0x9000u64, 0..0x9000u64, 0..4u8), 0..5),
            page in 0..10u64,
        ) {
            let regions = regions.into_iter().map(|(first, last, kind)| {
                let rights = if kind & 1 == 0 { Rights::ALL } else { READ };
                region(first & !3, last | 3, rights, kind & 2 != 0)
            });
            let pmp = Pmp::new(regions.collect());
            for privilege in [Privilege::Machine, Privilege::Supervisor] {
                let reach = pmp.reach(PhysAddr(page << 12), privilege);
                let rights = |page: u64| pmp.page_rights(PhysAddr(page << 12), privilege);
                prop_assert_eq!(reach.covers(PhysAddr(page << 12)), rights(page) == Some(Rights::ALL));
                for other in 0..12 {
                    let between = page.min(other)..=page.max(other);
                    let free = between.map(rights).all(|rights| rights == Some(Rights::ALL));
                    prop_assert_eq!(reach.covers(PhysAddr(other << 12)), free, "{}", other);
                }
            }
        }
    }
}
