//! The short way of a miss: what it must not take for granted.

use super::*;
use crate::addr::{PmpRegion, Rights};
use crate::mmu::tests::{ALL_MEMORY, Fixture, RAM_BASE, RWX};

const DATA: u64 = RAM_BASE + 0x3000;

fn region(first: u64, last: u64, rights: Rights) -> PmpRegion {
    PmpRegion { first: PhysAddr(first), last: PhysAddr(last), rights, locked: false }
}

/// Whether the short way serves, the page being unknown to the TLB.
fn is_short(f: &mut Fixture, va: u64, access: Access) -> bool {
    assert!(!f.hits(va, access), "{va:#x} {access:?}");
    f.mmu.refill(&f.bus.ram, VirtAddr(va), access).is_some()
}

#[test]
fn neighbours_of_what_was_walked_come_the_short_way() {
    for (level, size) in [(0, 0x1000), (1, 0x20_0000), (2, 0x4000_0000)] {
        let mut f = Fixture::new();
        for i in 0..2 {
            f.map(0x4000_0000 + i * size, level, RAM_BASE, RWX | Pte::U);
        }
        f.change(|cx| cx.sum = true);
        assert!(!is_short(&mut f, 0x4000_0000, Access::Load), "no walk has come here");
        assert_eq!(f.translate(0x4000_0000, Access::Load), Ok(RAM_BASE));
        assert!(is_short(&mut f, 0x4000_0123, Access::Store), "level {level}");
        let next = if level == 0 { 0x4000_1000 } else { 0x4000_1fff };
        assert!(is_short(&mut f, next, Access::Load), "level {level}");
        assert!(!is_short(&mut f, next, Access::Fetch), "SUM is for loads and stores");
        assert!(f.hits(next, Access::Load));
        // Fences without an address take away the way, those with one do not.
        f.mmu.sfence_vma(Some(VirtAddr(next)), None);
        assert!(is_short(&mut f, next, Access::Load), "level {level}");
        f.mmu.sfence_vma(None, Some(crate::addr::Asid(7)));
        assert!(!is_short(&mut f, 0x4000_1000, Access::Store), "level {level}");
    }
}

#[test]
fn the_way_ends_in_another_space_or_ram() {
    let mut f = Fixture::new();
    f.map(0x5000, 0, DATA, RWX);
    assert_eq!(f.translate(0x5000, Access::Load), Ok(DATA));
    let (home, other) = (f.cx.satp, f.space(2));
    f.change(|cx| cx.satp = other);
    assert!(!is_short(&mut f, 0x5000, Access::Store));
    f.change(|cx| cx.satp = home);
    assert!(is_short(&mut f, 0x5000, Access::Store));
    // The new RAM is so small that the old tables would be beyond its end.
    f.bus.ram = Ram::new(PhysAddr(RAM_BASE), 0x1000);
    assert!(f.mmu.refill(&f.bus.ram, VirtAddr(0x5000), Access::Fetch).is_none());
    assert!(f.translate(0x5000, Access::Fetch).is_err());
}

#[test]
fn tables_that_pmp_cuts_are_asked_entry_by_entry() {
    let mut f = Fixture::new();
    let at = f.pte_at(f.cx.satp, 0x5000, 0);
    for va in [0x5000, 0x6000, 0x10_0000] {
        f.map(va, 0, DATA, RWX);
    }
    f.mmu.set_pmp(vec![region(at, at + 7, Rights::NONE), ALL_MEMORY]);
    let denied = Err(Exception::AccessFault(Access::Load, VirtAddr(0x5000)));
    for _ in 0..2 {
        assert_eq!(f.translate(0x6000, Access::Load), Ok(DATA));
        assert_eq!(f.translate(0x5000, Access::Load), denied);
        assert_eq!(f.translate(0x10_0000, Access::Load), Ok(DATA));
        f.mmu.sfence_vma(Some(VirtAddr(0x6000)), None);
    }
    assert!(!is_short(&mut f, 0x6000, Access::Load));
}

#[test]
fn pages_out_of_reach_are_checked() {
    let read_only = Rights { read: true, ..Rights::NONE };
    let mut f = Fixture::new();
    for (i, pa) in [DATA, DATA + 0x1000, DATA + 0x2000, 0x1000_0000].into_iter().enumerate() {
        f.map(0x5000 + i as u64 * 0x1000, 0, pa, RWX);
    }
    let closed = region(DATA + 0x1000, DATA + 0x1fff, read_only);
    f.mmu.set_pmp(vec![closed, ALL_MEMORY]);
    for _ in 0..2 {
        // Open, read-only, open behind it, and no RAM; in an order that moves the reach each time.
        for (va, access, short, ok) in [
            (0x5000, Access::Store, true, true),
            (0x6000, Access::Load, false, true),
            (0x6000, Access::Store, false, false),
            (0x7000, Access::Store, true, true),
            (0x8000, Access::Load, false, true),
        ] {
            f.mmu.sfence_vma(Some(VirtAddr(va)), None);
            assert_eq!(f.translate(va, access).is_ok(), ok, "{va:#x} {access:?}");
            f.mmu.sfence_vma(Some(VirtAddr(va)), None);
            assert_eq!(is_short(&mut f, va, access), short, "{va:#x} {access:?}");
        }
    }
    // M-mode has a reach of its own.
    f.change(|cx| cx.privilege = crate::addr::Privilege::Machine);
    assert!(!is_short(&mut f, DATA + 0x1000, Access::Store));
    assert_eq!(f.translate(DATA + 0x1000, Access::Store), Ok(DATA + 0x1000));
    assert!(is_short(&mut f, DATA, Access::Store));
}

#[test]
fn entries_above_the_last_level_are_read_anew() {
    let mut f = Fixture::new();
    // A superpage makes room for a table, and that for a superpage, without a fence.
    f.map(0x20_0000, 1, RAM_BASE, RWX);
    assert_eq!(f.translate(0x20_5000, Access::Load), Ok(RAM_BASE + 0x5000));
    f.map(0x20_0000, 1, 0, 0);
    f.map(0x20_5000, 0, DATA, RWX);
    assert_eq!(f.translate(0x20_5000, Access::Store), Ok(DATA));
    assert!(is_short(&mut f, 0x20_5000, Access::Fetch), "by way of the new table");
    // A superpage that is not aligned faults however one comes there.
    f.map(0x60_0000, 1, RAM_BASE, RWX);
    assert_eq!(f.translate(0x60_5000, Access::Load), Ok(RAM_BASE + 0x5000));
    f.map(0x60_0000, 1, RAM_BASE + 0x1000, RWX);
    assert!(!is_short(&mut f, 0x60_5000, Access::Store));
    assert!(f.translate(0x60_5000, Access::Store).is_err());
}

#[test]
fn stores_to_tracked_pages_are_heard_of() {
    let mut f = Fixture::new();
    f.map(0x5000, 0, DATA, RWX);
    f.bus.ram.track(RamOffset(DATA - RAM_BASE), 8);
    for value in 1..3 {
        f.mmu.store_missed(&mut f.bus, VirtAddr(0x5000), Width::Double, value).expect("mapped");
        assert_eq!(f.bus.ram.take_hits(), [PhysAddr(DATA)]);
        assert_eq!(f.word(DATA), value);
    }
    f.mmu.store_missed(&mut f.bus, VirtAddr(0x5040), Width::Double, 3).expect("mapped");
    assert!(!f.bus.ram.has_hits() && !f.hits(0x5040, Access::Store));
}
