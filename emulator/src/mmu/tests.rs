//! Tests of [`Mmu`] as a whole, on page tables in RAM; `model.rs` compares the TLB with an
//! always-walk model. [`Fixture`] serves the tests of `access.rs` too.

mod model;

use super::*;
use crate::addr::PAGE_SHIFT;
use crate::addr::Rights;

pub(super) const RAM_BASE: u64 = 0x8000_0000;
/// Page tables are allocated from here; pages below are free for data.
const TABLES: u64 = RAM_BASE + 0x30_0000;
const RAM_LEN_BYTES: u64 = 0x40_0000;

/// A valid leaf that S-mode may use for everything.
pub(super) const RWX: u64 = Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;

/// The PMP entry that firmware sets to get out of the way.
pub(super) const ALL_MEMORY: PmpRegion =
    PmpRegion { first: PhysAddr(0), last: PhysAddr(u64::MAX), rights: Rights::ALL, locked: false };

/// An MMU over RAM that holds Sv39 tables; S-mode, ASID 1, PMP open.
pub(super) struct Fixture {
    pub(super) bus: Bus,
    pub(super) mmu: Mmu,
    pub(super) cx: Context,
    next_table: u64,
}

impl Fixture {
    pub(super) fn new() -> Self {
        let bus = Bus::new(Ram::new(PhysAddr(RAM_BASE), RAM_LEN_BYTES));
        let mut mmu = Mmu::new();
        mmu.set_pmp(vec![ALL_MEMORY]);
        let mut fixture = Self { bus, mmu, cx: Context::RESET, next_table: TABLES };
        let satp = fixture.space(1);
        fixture.enter(Context {
            privilege: Privilege::Supervisor,
            satp,
            napot: true,
            pbmt: true,
            ..Context::RESET
        });
        fixture
    }

    /// A fresh, empty address space.
    pub(super) fn space(&mut self, asid: u16) -> Satp {
        Satp { mode: Mode::Sv39, asid: Asid(asid), root_ppn: self.table() >> PAGE_SHIFT }
    }

    fn table(&mut self) -> u64 {
        self.next_table += PAGE_SIZE_BYTES;
        self.next_table - PAGE_SIZE_BYTES
    }

    /// Makes `cx` the context of fetches and data.
    pub(super) fn enter(&mut self, cx: Context) {
        self.cx = cx;
        self.mmu.set_contexts(cx, cx);
    }

    /// Changes the current context.
    pub(super) fn change(&mut self, change: impl FnOnce(&mut Context)) {
        let mut cx = self.cx;
        change(&mut cx);
        self.enter(cx);
    }

    /// Where `satp` keeps the entry of `level` for `va`; missing tables above it are made.
    pub(super) fn pte_at(&mut self, satp: Satp, va: u64, level: u32) -> u64 {
        let mut table = satp.root_ppn << PAGE_SHIFT;
        for above in (level..3).rev() {
            let at = table + (va >> (12 + 9 * above) & 0x1ff) * 8;
            if above == level {
                return at;
            }
            if self.word(at) == 0 {
                let next = self.table();
                self.set_word(at, Pte::new(next >> PAGE_SHIFT, Pte::V).0);
            }
            table = Pte(self.word(at)).page().0;
        }
        unreachable!("levels are 0 to 2")
    }

    /// Maps `va` to `pa` in the current address space with a leaf at `level`. No fence.
    pub(super) fn map(&mut self, va: u64, level: u32, pa: u64, bits: u64) {
        let at = self.pte_at(self.cx.satp, va, level);
        self.set_word(at, Pte::new(pa >> PAGE_SHIFT, bits).0);
    }

    pub(super) fn word(&mut self, at: u64) -> u64 {
        self.bus.load(PhysAddr(at), Width::Double).expect("RAM")
    }

    pub(super) fn set_word(&mut self, at: u64, value: u64) {
        self.bus.store(PhysAddr(at), Width::Double, value).expect("RAM");
    }

    pub(super) fn translate(&mut self, va: u64, access: Access) -> Result<u64, Exception> {
        self.mmu.translate(&mut self.bus, VirtAddr(va), access, 1).map(|pa| pa.0)
    }

    pub(super) fn hits(&self, va: u64, access: Access) -> bool {
        self.mmu.lookup(VirtAddr(va), access).is_some()
    }
}

fn page_fault<T>(access: Access, va: u64) -> Result<T, Exception> {
    Err(Exception::PageFault(access, VirtAddr(va)))
}

fn access_fault<T>(access: Access, va: u64) -> Result<T, Exception> {
    Err(Exception::AccessFault(access, VirtAddr(va)))
}

#[test]
fn satp_fields() {
    for (bits, mode, asid, root_ppn) in [
        (0, Mode::Bare, 0, 0),
        (8 << 60 | 0x8_1234, Mode::Sv39, 0, 0x8_1234),
        (9 << 60 | 0xffff << 44, Mode::Sv48, 0xffff, 0),
        (10 << 60 | 1 << 44 | ((1 << 44) - 1), Mode::Sv57, 1, (1 << 44) - 1),
    ] {
        let satp = Satp { mode, asid: Asid(asid), root_ppn };
        assert_eq!(Satp::from_bits(bits), satp);
        assert_eq!(satp.to_bits(), bits);
    }
    for reserved in [1, 7, 11, 15] {
        assert_eq!(Satp::from_bits(reserved << 60).mode, Mode::Bare);
    }
}

#[test]
fn addresses_are_physical_in_machine_mode_and_under_bare() {
    let mut f = Fixture::new();
    let paged = f.cx.satp;
    for (privilege, satp) in [
        (Privilege::Machine, paged),
        (Privilege::Machine, Satp::default()),
        (Privilege::Supervisor, Satp::default()),
        (Privilege::User, Satp::default()),
    ] {
        f.change(|cx| (cx.privilege, cx.satp) = (privilege, satp));
        for access in Access::ALL {
            for va in [RAM_BASE + 0x1234, 0x1000_0000, u64::MAX] {
                assert_eq!(f.translate(va, access), Ok(va));
                assert_eq!(f.hits(va, access), va == RAM_BASE + 0x1234);
            }
        }
    }
}

#[test]
fn a_hit_gives_the_offset_of_the_byte_in_ram() {
    let mut f = Fixture::new();
    f.map(0x5000, 0, RAM_BASE + 0x3000, RWX);
    assert_eq!(f.mmu.lookup(VirtAddr(0x5678), Access::Load), None);
    assert_eq!(f.translate(0x5678, Access::Load), Ok(RAM_BASE + 0x3678));
    assert_eq!(f.mmu.lookup(VirtAddr(0x5abc), Access::Load), Some(RamOffset(0x3abc)));
    assert!(!f.hits(0x5678, Access::Fetch) && !f.hits(0x5678, Access::Store));
    assert!(!f.hits(0x4678, Access::Load) && !f.hits(0x5678 + (512 << 12), Access::Load));
}

#[test]
fn walk_faults_become_page_faults_or_access_faults() {
    for access in Access::ALL {
        let mut f = Fixture::new();
        // Nothing mapped, not canonical.
        for va in [0x5000, 1 << 38, 1 << 63] {
            assert_eq!(f.translate(va, access), page_fault(access, va));
        }
        // The table of level 0 is a device, or beyond RAM.
        for table in [0x1000_0000, RAM_BASE + RAM_LEN_BYTES] {
            f.map(0x5000, 1, table, Pte::V);
            assert_eq!(f.translate(0x5000, access), access_fault(access, 0x5000));
        }
        // The root is.
        f.change(|cx| cx.satp.root_ppn = 1);
        assert_eq!(f.translate(0x5000, access), access_fault(access, 0x5000));
        // The page is no RAM: translation succeeds, the bus will answer; nothing is cached.
        let mut f = Fixture::new();
        f.map(0x5000, 0, 0x1000_0000, RWX);
        assert_eq!(f.translate(0x5004, access), Ok(0x1000_0004));
        assert!(!f.hits(0x5004, access));
    }
}

#[test]
fn pmp_guards_pages_and_page_tables() {
    let read_only = Rights { read: true, ..Rights::NONE };
    let data = RAM_BASE + 0x3000;
    // What PMP says of the data page and of the tables; then the outcome of a store to the page
    // whose entry lacks A and D, whose entry has them, and of a load.
    for (page, tables, setting_bits, store, load) in [
        (Rights::ALL, Rights::ALL, true, true, true),
        (Rights::ALL, read_only, false, true, true),
        (Rights::ALL, Rights::NONE, false, false, false),
        (read_only, Rights::ALL, false, false, true),
        (Rights::NONE, Rights::ALL, false, false, false),
    ] {
        let mut f = Fixture::new();
        let region = |first, last, rights| PmpRegion {
            first: PhysAddr(first),
            last: PhysAddr(last),
            rights,
            locked: false,
        };
        f.change(|cx| cx.adue = true);
        f.map(0x5000, 0, data, RWX & !(Pte::A | Pte::D));
        f.map(0x6000, 0, data, RWX);
        f.mmu.set_pmp(vec![
            region(data, data + 0xfff, page),
            region(TABLES, TABLES + 0xf_ffff, tables),
            ALL_MEMORY,
        ]);
        for (va, access, ok) in [
            (0x5000, Access::Store, setting_bits),
            (0x6000, Access::Store, store),
            (0x6000, Access::Load, load),
        ] {
            let expected = if ok { Ok(data) } else { access_fault(access, va) };
            assert_eq!(f.translate(va, access), expected, "{page:?} {tables:?}");
            assert_eq!(f.hits(va, access), ok);
        }
    }
}

#[test]
fn pages_that_pmp_cuts_are_checked_each_time() {
    let mut f = Fixture::new();
    let data = RAM_BASE + 0x3000;
    let half = PmpRegion {
        first: PhysAddr(data),
        last: PhysAddr(data + 0x7ff),
        rights: Rights::NONE,
        locked: true,
    };
    f.map(0x5000, 0, data, RWX);
    assert_eq!(f.translate(0x5000, Access::Load), Ok(data));
    f.mmu.set_pmp(vec![half, ALL_MEMORY]);
    assert!(!f.hits(0x5000, Access::Load), "derived from the old entries");
    for privilege in [Privilege::Supervisor, Privilege::Machine] {
        f.change(|cx| cx.privilege = privilege);
        let va = if privilege == Privilege::Machine { data } else { 0x5000 };
        assert_eq!(f.translate(va + 0x800, Access::Load), Ok(data + 0x800));
        assert_eq!(f.translate(va, Access::Load), access_fault(Access::Load, va));
        assert!(!f.hits(va + 0x800, Access::Load));
    }
}

#[test]
fn entries_survive_everything_but_fences() {
    let mut f = Fixture::new();
    let home = f.cx;
    f.map(0x5000, 0, RAM_BASE + 0x3000, RWX);
    assert_eq!(f.translate(0x5000, Access::Load), Ok(RAM_BASE + 0x3000));
    // The table changes, and nobody fences.
    f.map(0x5000, 0, RAM_BASE + 0x4000, RWX);
    let other = f.space(2);
    for away in [
        Context { privilege: Privilege::User, ..home },
        Context { privilege: Privilege::Machine, ..home },
        Context { sum: true, ..home },
        Context { mxr: true, ..home },
        Context { satp: other, ..home },
        Context { satp: Satp::default(), ..home },
    ] {
        f.enter(away);
        // Whatever comes of it, it takes another slot.
        let _ = f.translate(0x6000, Access::Load);
        f.enter(home);
        assert_eq!(f.translate(0x5000, Access::Load), Ok(RAM_BASE + 0x3000), "{away:?}");
    }
    f.mmu.sfence_vma(None, None);
    assert_eq!(f.translate(0x5000, Access::Load), Ok(RAM_BASE + 0x4000));
}

#[test]
fn contexts_act_at_once() {
    use Access::{Fetch, Load, Store};
    let mut f = Fixture::new();
    f.map(0x5000, 0, RAM_BASE + 0x3000, RWX | Pte::U);
    f.map(0x6000, 0, RAM_BASE + 0x4000, Pte::V | Pte::A | Pte::X);
    let home = f.cx;
    let sum = Context { sum: true, ..home };
    let mxr = Context { mxr: true, ..home };
    let user = Context { privilege: Privilege::User, ..home };
    // Each row finds what the rows before it have cached.
    for (cx, va, access, ok) in [
        (user, 0x5000, Load, true),
        (user, 0x5000, Fetch, true),
        (home, 0x5000, Load, false),
        (home, 0x5000, Fetch, false),
        (sum, 0x5000, Load, true),
        (sum, 0x5000, Store, true),
        (sum, 0x5000, Fetch, false),
        (home, 0x5000, Load, false),
        (home, 0x5000, Store, false),
        (mxr, 0x6000, Load, true),
        (mxr, 0x6000, Fetch, true),
        (home, 0x6000, Load, false),
        (home, 0x6000, Fetch, true),
        (user, 0x6000, Fetch, false),
        (user, 0x5000, Store, true),
    ] {
        f.enter(cx);
        assert_eq!(f.translate(va, access).is_ok(), ok, "{va:#x} {access:?} {cx:?}");
        assert_eq!(f.hits(va, access), ok);
    }
    // Fetches and data can be in different contexts: MPRV.
    f.mmu.set_contexts(Context::RESET, user);
    assert_eq!(f.translate(0x5000, Load), Ok(RAM_BASE + 0x3000));
    assert_eq!(f.translate(0x5000, Fetch), Ok(0x5000));
}

/// Two spaces with private, global and superpage mappings; what each fence leaves behind.
#[test]
fn four_forms_of_sfence() {
    // space (ASID), address, level, other bits
    let mappings = [
        (1, 0x0000_5000, 0, 0),
        (1, 0x0000_6000, 0, 0),
        (1, 0x0000_7000, 0, Pte::G),
        (1, 0x0020_0000, 1, 0),
    ];
    // The pages looked at: two fragments of the superpage and of the NAPOT range.
    let pages = [
        (1, 0x0000_5000),
        (1, 0x0000_6000),
        (1, 0x0000_7000),
        (1, 0x0020_8000),
        (1, 0x003f_f000),
        (2, 0x0041_0000),
        (2, 0x0041_f000),
    ];
    for (va, asid, survivors) in [
        (None, None, [false; 7]),
        (None, Some(1), [false, false, true, false, false, true, true]),
        (None, Some(2), [true, true, true, true, true, false, false]),
        (None, Some(3), [true; 7]),
        (Some(0x5fff), None, [false, true, true, true, true, true, true]),
        (Some(0x7000), None, [true, true, false, true, true, true, true]),
        // A global mapping need not stay.
        (Some(0x7000), Some(1), [true, true, false, true, true, true, true]),
        (Some(0x6000), Some(1), [true, false, true, true, true, true, true]),
        (Some(0x6000), Some(2), [true; 7]),
        (Some(0x2a_0000), None, [true, true, true, false, false, true, true]),
        (Some(0x41_5000), Some(2), [true, true, true, true, true, false, false]),
        (Some(0x42_0000), None, [true; 7]),
        (Some(1 << 63 | 0x5000), None, [true; 7]),
    ] {
        let mut f = Fixture::new();
        let spaces = [f.cx.satp, f.space(2)];
        for (asid, va, level, bits) in mappings {
            f.change(|cx| cx.satp = spaces[asid - 1]);
            f.map(va, level, RAM_BASE + 0x20_8000 * u64::from(level == 0), RWX | bits);
        }
        // Every slot of a NAPOT range holds the same entry.
        f.change(|cx| cx.satp = spaces[1]);
        for slot in 0..16 {
            f.map(0x41_0000 + slot * 0x1000, 0, RAM_BASE + 0x20_8000, RWX | Pte::N);
        }
        let visit = |f: &mut Fixture, probe: fn(&mut Fixture, u64) -> bool| {
            pages.map(|(asid, va)| {
                f.change(|cx| cx.satp = spaces[asid - 1]);
                probe(f, va)
            })
        };
        assert_eq!(visit(&mut f, |f, va| f.translate(va, Access::Load).is_ok()), [true; 7]);
        f.mmu.sfence_vma(va.map(VirtAddr), asid.map(Asid));
        let left = visit(&mut f, |f, va| f.hits(va, Access::Load));
        assert_eq!(left, survivors, "sfence.vma {va:x?}, {asid:?}");
    }
}

#[test]
fn more_address_spaces_than_the_tlb_can_tell_apart() {
    let mut f = Fixture::new();
    let spaces: Vec<_> = (0..200).map(|asid| f.space(asid)).collect();
    for (i, satp) in spaces.iter().enumerate() {
        f.change(|cx| cx.satp = *satp);
        // One gigapage each, to one of two targets.
        f.map(0x4000_0000, 2, if i % 2 == 0 { RAM_BASE } else { 0 }, RWX);
    }
    for _ in 0..2 {
        for (i, satp) in spaces.iter().enumerate() {
            f.change(|cx| cx.satp = *satp);
            let base = if i % 2 == 0 { RAM_BASE } else { 0 };
            assert_eq!(f.translate(0x4000_1000, Access::Store), Ok(base + 0x1000), "{i}");
            assert_eq!(f.hits(0x4000_1000, Access::Store), base != 0);
            assert!(!f.hits(0x4000_1000, Access::Load));
        }
    }
}

#[test]
fn stores_are_cached_only_where_nobody_watches() {
    let mut f = Fixture::new();
    f.map(0x5000, 0, RAM_BASE + 0x3000, RWX);
    f.map(0x6000, 0, RAM_BASE + 0x4000, RWX & !Pte::D);
    f.map(0x7000, 0, RAM_BASE + 0x3000, RWX);
    for va in [0x5000, 0x7000] {
        assert!(f.translate(va, Access::Store).is_ok() && f.hits(va, Access::Store));
        assert!(f.translate(va, Access::Load).is_ok());
    }
    // A clean page takes loads only, until a store has set D.
    assert!(f.translate(0x6000, Access::Load).is_ok() && !f.hits(0x6000, Access::Store));
    f.change(|cx| cx.adue = true);
    assert!(f.translate(0x6000, Access::Store).is_ok() && f.hits(0x6000, Access::Store));
    // Both mappings of a page that becomes tracked lose their store entries, and get no new ones.
    f.bus.ram.track(RamOffset(0x3040), 4);
    f.mmu.forbid_stores(RamOffset(0x3000));
    for va in [0x5000, 0x7000] {
        assert!(!f.hits(va, Access::Store) && f.hits(va, Access::Load));
        assert!(f.translate(va, Access::Store).is_ok() && !f.hits(va, Access::Store));
    }
    assert!(f.hits(0x6000, Access::Store));
}

#[test]
fn setting_accessed_in_a_watched_table_is_noticed() {
    let mut f = Fixture::new();
    f.change(|cx| cx.adue = true);
    f.map(0x5000, 0, RAM_BASE + 0x3000, Pte::V | Pte::R);
    let at = f.pte_at(f.cx.satp, 0x5000, 0);
    f.bus.ram.track(RamOffset(at - RAM_BASE), 8);
    assert!(f.translate(0x5000, Access::Load).is_ok());
    assert_eq!(Pte(f.word(at)), Pte::new(0x8_0003, Pte::V | Pte::R | Pte::A));
    assert_eq!(f.bus.ram.take_hits(), [PhysAddr(at & !63)]);
}

#[test]
fn explaining_changes_nothing() {
    let mut f = Fixture::new();
    f.change(|cx| cx.adue = true);
    f.map(0x5000, 0, RAM_BASE + 0x3000, Pte::V | Pte::R | Pte::W);
    let at = f.pte_at(f.cx.satp, 0x5000, 0);
    let before = f.word(at);
    for (va, access, verdicts, pa) in [
        (
            0x5678,
            Access::Store,
            vec![Verdict::Pointer, Verdict::Pointer, Verdict::Updated],
            Ok(PhysAddr(RAM_BASE + 0x3678)),
        ),
        (
            0x5678,
            Access::Fetch,
            vec![Verdict::Pointer, Verdict::Pointer, Verdict::Fault(WalkFault::Permission)],
            Err(Refusal::Walk(WalkFault::Permission)),
        ),
        (1 << 40, Access::Load, vec![], Err(Refusal::Walk(WalkFault::NotCanonical))),
    ] {
        let Explanation { steps, pa: got } = f.mmu.explain(&f.bus, VirtAddr(va), access);
        assert_eq!(steps.iter().map(|step| step.verdict).collect::<Vec<_>>(), verdicts);
        assert_eq!(got, pa);
        assert!(!f.hits(va, access));
    }
    assert_eq!(f.word(at), before);
    f.mmu.set_pmp(vec![]);
    f.change(|cx| cx.satp = Satp::default());
    let got = f.mmu.explain(&f.bus, VirtAddr(RAM_BASE), Access::Load);
    assert_eq!(got.pa, Err(Refusal::Protection(PhysAddr(RAM_BASE))));
}

#[test]
fn the_tlb_shows_what_it_holds() {
    let mut f = Fixture::new();
    f.map(0x5000, 0, RAM_BASE + 0x3000, RWX);
    f.map(0x4020_0000, 1, RAM_BASE + 0x20_0000, RWX | Pte::G);
    f.translate(0x5678, Access::Store).expect("mapped");
    f.change(|cx| (cx.sum, cx.mxr) = (true, true));
    f.translate(0x4020_1000, Access::Fetch).expect("mapped");
    let satp = f.cx.satp;
    f.change(|cx| cx.privilege = Privilege::Machine);
    f.translate(RAM_BASE, Access::Load).expect("RAM");
    let mut found: Vec<_> = f.mmu.tlb_entries().collect();
    found.sort_by_key(|entry| entry.va);
    let kernel = TlbContext::Virtual { satp, user: false, sum: false, mxr: false };
    let entry = |access, context, va, page, size_shift, global| TlbEntry {
        access,
        context,
        va: VirtAddr(va),
        page: RamOffset(page),
        size_shift,
        global,
    };
    let machine = TlbContext::Physical { machine: true };
    let expect = [
        entry(Access::Store, kernel, 0x5000, 0x3000, 12, false),
        entry(Access::Fetch, kernel, 0x4020_1000, 0x20_1000, 21, true),
        entry(Access::Load, machine, RAM_BASE, 0, 12, false),
    ];
    assert_eq!(found, expect);
    f.mmu.sfence_vma(None, None);
    assert_eq!(f.mmu.tlb_entries().count(), 0);
}
