//! [`Pmp`]: physical memory protection, the check of one physical access against the active
//! entries. The csr room decodes the entries into [`PmpRegion`]s; the MMU asks here.

use crate::addr::{Access, PAGE_SIZE_BYTES, PhysAddr, PmpRegion, Privilege, Rights};

/// The active PMP entries, lowest-numbered first.
///
/// Source: Privileged ISA, "Physical Memory Protection CSRs", "Priority and Matching Logic".
#[derive(Clone, Debug, Default)]
pub struct Pmp {
    regions: Vec<PmpRegion>,
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
}
