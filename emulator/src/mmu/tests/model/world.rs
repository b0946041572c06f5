//! [`World`]: memory with page tables that many address spaces share, and harts that use them. Each
//! level has two tables, and an entry leads to either of those below, so that the same page is
//! reached in many ways, some of them old.

use super::super::super::pte::NAPOT_PAGES_SHIFT;
use super::manual::{Beliefs, Memory, OnPath, Path};
use super::*;

/// Number of levels with tables.
pub(super) const LEVELS_MAX: u32 = 5;
/// Tables of each level.
const TABLES_PER_LEVEL: usize = 2;
/// All tables.
pub(super) const TABLES: usize = LEVELS_MAX as usize * TABLES_PER_LEVEL;

/// Pages used in every address space. Some share their place in any direct-mapped table, some a
/// table, a megapage or a NAPOT range.
pub(super) const PAGES: [u64; 8] = [
    0x20_5000,
    0x20_6000,
    0x40_5000,
    0x40_6000,
    0x60_5000,
    0x4020_5000,
    0xffff_ffff_ffc0_6000,
    // Without translation, the only one that is in RAM: frame 0.
    0x8010_0000,
];
/// Pages that are mapped in the same way for ever, every second one to U-mode.
pub(super) const STATIC: u64 = 0xc000_0000;
pub(super) const STATIC_PAGES: u64 = 512;
/// Addresses that nobody accesses.
pub(super) const NOWHERE: u64 = 0x12_3450_0000;

/// Frames of data, each the first of a NAPOT range of frames.
pub(super) const FRAMES: u64 = 6;

/// Address spaces. The first and the fourth, or the second and the fifth, are alike in half of
/// their bits.
pub(super) const ASIDS: [u16; 20] =
    [1, 2, 3, 0x100, 0x200, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 0xffff, 0];
/// Values of `satp`: more than a TLB has banks for.
pub(super) const SATPS: usize = ROOTS.len() * ASIDS.len();
/// Schemes, and which table of their highest level is the root. The last does not translate.
const ROOTS: [(Mode, usize); 5] =
    [(Mode::Sv39, 0), (Mode::Sv39, 1), (Mode::Sv48, 0), (Mode::Sv57, 0), (Mode::Bare, 0)];

pub(super) const READ: Rights = Rights { read: true, ..Rights::NONE };
pub(super) const EXECUTE: Rights = Rights { execute: true, ..Rights::NONE };

/// Number `index` of the values of `satp`; neighbours share their ASID.
pub(super) fn satp(index: usize) -> Satp {
    let (mode, table) = ROOTS[index % ROOTS.len()];
    let level = mode.levels().saturating_sub(1) as usize;
    let root_ppn = table_at(TABLES_PER_LEVEL * level + table) >> PAGE_SHIFT;
    Satp { mode, asid: Asid(ASIDS[index / ROOTS.len()]), root_ppn }
}

pub(super) fn table_at(table: usize) -> u64 {
    super::super::TABLES + table as u64 * PAGE_SIZE_BYTES
}

pub(super) fn frame_at(frame: u64) -> u64 {
    RAM_BASE + 0x10_0000 + (frame << (PAGE_SHIFT + NAPOT_PAGES_SHIFT))
}

/// Where `table` keeps the entry of `level` for `va`.
pub(super) fn entry_at(table: u64, va: u64, level: u32) -> u64 {
    table + (va >> (PAGE_SHIFT + VPN_BITS * level) & ((1 << VPN_BITS) - 1)) * PTE_SIZE_BYTES
}

/// What is written to a page-table entry.
#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// A leaf: one of few frames of its size, and these bits.
    Leaf { frame: u64, bits: u64 },
    /// A leaf whose physical address is not aligned to its size.
    Misaligned { bits: u64 },
    /// A pointer to one of the tables of the next level; none from the last.
    Pointer { table: usize, bits: u64 },
}

/// Mostly leaves that allow something, lest nothing is ever remembered.
const LEAF_BITS: [u64; 22] = [
    0,
    RWX,
    RWX,
    RWX,
    RWX | Pte::U,
    RWX | Pte::U,
    RWX | Pte::U,
    RWX | Pte::G,
    RWX | Pte::U | Pte::G,
    RWX | Pte::N,
    RWX | Pte::N | Pte::U,
    RWX & !Pte::D,
    (RWX | Pte::U) & !Pte::D,
    RWX & !Pte::A & !Pte::D,
    RWX & !Pte::A & !Pte::D | Pte::U,
    Pte::V | Pte::R | Pte::A,
    Pte::V | Pte::X | Pte::A,
    Pte::V | Pte::W | Pte::A,
    Pte::V | Pte::R | Pte::W | Pte::U,
    RWX | 1 << 61,
    RWX | Pte::PBMT,
    RWX | 1 << 54,
];

pub(super) fn entry() -> impl Strategy<Value = Entry> {
    let bits = select(&LEAF_BITS[..]);
    let pointer_bits = select(&[Pte::V, Pte::V, Pte::V, Pte::V | Pte::G, Pte::V | Pte::A, 0][..]);
    prop_oneof![
        6 => (0..FRAMES, bits.clone()).prop_map(|(frame, bits)| Entry::Leaf { frame, bits }),
        1 => bits.prop_map(|bits| Entry::Misaligned { bits }),
        5 => (0..TABLES_PER_LEVEL, pointer_bits)
            .prop_map(|(table, bits)| Entry::Pointer { table, bits }),
    ]
}

impl Entry {
    fn value(self, level: u32) -> u64 {
        let shift = PAGE_SHIFT + VPN_BITS * level;
        match self {
            Self::Leaf { frame, bits } if level == 0 => {
                // The size of a NAPOT range is in the page number.
                let napot = if bits & Pte::N != 0 { 8 } else { 0 };
                Pte::new(frame_at(frame) >> PAGE_SHIFT | napot, bits).0
            }
            // Some of the larger pages are in RAM.
            Self::Leaf { frame, bits } => {
                let base = (RAM_BASE >> shift << shift) + ((frame % 2) << shift);
                Pte::new(base >> PAGE_SHIFT, bits & !Pte::N).0
            }
            Self::Misaligned { bits } => Pte::new((RAM_BASE >> PAGE_SHIFT) + 1, bits).0,
            Self::Pointer { table, bits } => {
                let below = level.saturating_sub(1) as usize;
                Pte::new(table_at(TABLES_PER_LEVEL * below + table) >> PAGE_SHIFT, bits).0
            }
        }
    }
}

/// A hart, and what may be said of it.
pub(super) struct Side {
    mmu: Mmu,
    pub(super) cx: Context,
    /// The mode that loads and stores act for.
    pub(super) data_privilege: Privilege,
    beliefs: Beliefs,
}

impl Side {
    fn context(&self, access: Access) -> Context {
        let privilege =
            if access == Access::Fetch { self.cx.privilege } else { self.data_privilege };
        Context { privilege, ..self.cx }
    }
}

pub(super) struct World {
    bus: Bus,
    memory: Memory,
    harts: Vec<Side>,
    /// The page of RAM that was accessed last.
    accessed: Option<RamOffset>,
}

impl World {
    /// Tables that map all pages, in half of the address spaces to other frames than in the others.
    pub(super) fn new(harts: usize) -> Self {
        let bus = Bus::new(Ram::new(PhysAddr(RAM_BASE), RAM_LEN_BYTES));
        let cx = Context {
            privilege: Privilege::Supervisor,
            satp: satp(0),
            napot: true,
            ..Context::RESET
        };
        let sides = (0..harts).map(|_| {
            let mut mmu = Mmu::new();
            mmu.set_pmp(vec![ALL_MEMORY]);
            mmu.set_contexts(cx, cx);
            let beliefs = Beliefs::new(cx.pbmt);
            Side { mmu, cx, data_privilege: cx.privilege, beliefs }
        });
        let (memory, harts) = (Memory::default(), sides.collect());
        let mut world = Self { bus, memory, harts, accessed: None };
        for (number, va) in (0..).zip(PAGES) {
            for table in 0..TABLES_PER_LEVEL {
                let user = if number % 2 == 0 { Pte::U } else { 0 };
                let frame = (number + 3 * table as u64) % FRAMES;
                world.write(0, table, va, Entry::Leaf { frame, bits: RWX | user });
                for level in 1..LEVELS_MAX {
                    // The table of the same number below; at level 1 it depends on the page, too.
                    let other = usize::from(level == 1 && number % 4 >= 2);
                    world.write(
                        level,
                        table,
                        va,
                        Entry::Pointer { table: table ^ other, bits: Pte::V },
                    );
                }
            }
        }
        world.map_static();
        world
    }

    /// The static pages by tables of their own, two levels, below the tables of the third.
    fn map_static(&mut self) {
        let [middle, last] = [TABLES, TABLES + 1].map(table_at);
        for page in 0..STATIC_PAGES {
            let va = STATIC + page * PAGE_SIZE_BYTES;
            let user = if page % 2 == 0 { Pte::U } else { 0 };
            let frame = frame_at(page % FRAMES) >> PAGE_SHIFT;
            self.set(entry_at(last, va, 0), Pte::new(frame, RWX | user).0);
        }
        self.set(entry_at(middle, STATIC, 1), Pte::new(last >> PAGE_SHIFT, Pte::V).0);
        for level in 2..LEVELS_MAX {
            for table in 0..TABLES_PER_LEVEL {
                let below = TABLES_PER_LEVEL * (level as usize - 1) + table;
                let below = if level == 2 { middle } else { table_at(below) };
                let table = table_at(TABLES_PER_LEVEL * level as usize + table);
                self.set(entry_at(table, STATIC, level), Pte::new(below >> PAGE_SHIFT, Pte::V).0);
            }
        }
    }

    fn set(&mut self, at: u64, value: u64) {
        self.bus.store(PhysAddr(at), Width::Double, value).expect("RAM");
        self.memory.note(at, value);
    }

    pub(super) fn write(&mut self, level: u32, table: usize, va: u64, entry: Entry) {
        let table = table_at(TABLES_PER_LEVEL * level as usize + table);
        let (at, value) = (entry_at(table, va, level), entry.value(level));
        // Every entry of a NAPOT range must be the same; so let all of a range change at once.
        let is_range = |value: u64| level == 0 && Pte(value).has(Pte::N);
        let range_bytes = PTE_SIZE_BYTES << NAPOT_PAGES_SHIFT;
        let (first, len_bytes) = match is_range(value) || is_range(self.memory.value(at)) {
            true => (at & !(range_bytes - 1), range_bytes),
            false => (at, PTE_SIZE_BYTES),
        };
        for at in (first..first + len_bytes).step_by(PTE_SIZE_BYTES as usize) {
            self.set(at, value);
        }
    }

    pub(super) fn enter(&mut self, hart: usize, change: impl FnOnce(&mut Side)) {
        let side = &mut self.harts[hart];
        change(side);
        if side.cx.privilege != Privilege::Machine {
            side.data_privilege = side.cx.privilege;
        }
        side.beliefs.pbmte.push(side.cx.pbmt);
        side.beliefs.pbmte.dedup();
        side.mmu.set_contexts(side.context(Access::Fetch), side.context(Access::Load));
    }

    pub(super) fn fence(&mut self, hart: usize, va: Option<u64>, asid: Option<u16>) {
        self.memory.time += 1;
        let side = &mut self.harts[hart];
        side.mmu.sfence_vma(va.map(VirtAddr), asid.map(Asid));
        side.beliefs.fence(self.memory.time, va, asid, side.cx.pbmt);
    }

    /// Physical protection acts at once: nothing needs to be believed of it.
    pub(super) fn guard(&mut self, hart: usize, regions: Vec<PmpRegion>) {
        self.harts[hart].mmu.set_pmp(regions);
    }

    /// As an engine that has found code in a page, and the machine that lets every hart know.
    pub(super) fn track(&mut self) {
        if let Some(at) = self.accessed {
            self.bus.ram.track(at, 4);
        }
        for page in self.bus.ram.take_newly_tracked() {
            self.harts.iter_mut().for_each(|side| side.mmu.forbid_stores(page));
        }
    }

    pub(super) fn untrack(&mut self) {
        if let Some(at) = self.accessed {
            self.bus.ram.untrack_page(at);
        }
    }

    pub(super) fn access(&mut self, hart: usize, va: u64, access: Access, len_bytes: u64) {
        let side = &mut self.harts[hart];
        let hit = side.mmu.lookup(VirtAddr(va), access);
        let got = side.mmu.translate(&mut self.bus, VirtAddr(va), access, len_bytes);
        if let Some(at) = hit {
            assert_eq!(got, Ok(PhysAddr(RAM_BASE + at.0)), "what hits is the translation");
            let watched = access == Access::Store && self.bus.ram.is_page_tracked(at);
            assert!(!watched, "a store to {va:#x} passes the tracker by");
        }
        let side = &self.harts[hart];
        let cx = side.context(access);
        let allowed = self.allows(side, &cx, (va, access, len_bytes), got);
        assert!(allowed, "{access:?} at {va:#x} in {cx:x?}: {got:x?}, hit {hit:x?}");
        self.note_updates(va, access, cx.adue && hit.is_none());
        let page = |pa: PhysAddr| self.bus.ram.offset_of(pa.page_base(), PAGE_SIZE_BYTES);
        self.accessed = got.ok().and_then(page).or(self.accessed);
    }

    /// Whether `got` may be the outcome of an access.
    fn allows(
        &self,
        side: &Side,
        cx: &Context,
        (va, access, len_bytes): (u64, Access, u64),
        got: Result<PhysAddr, Exception>,
    ) -> bool {
        let pmp = side.mmu.pmp();
        let protect = |pa: PhysAddr| match pmp.allows(pa, len_bytes, access, cx.privilege) {
            true => Ok(pa),
            false => Err(Exception::AccessFault(access, VirtAddr(va))),
        };
        if !cx.translates() {
            return got == protect(PhysAddr(va));
        }
        side.beliefs.some_path(&self.memory, cx.satp, va, |path| {
            // A walk reads the last entry anew, and so no fault is ever remembered.
            let walked = outcome(path, pmp, (va, access), cx);
            let raised = |fault: WalkFault| match fault.is_access_fault() {
                true => Exception::AccessFault(access, VirtAddr(va)),
                false => Exception::PageFault(access, VirtAddr(va)),
            };
            path.ends_fresh && walked.map_err(raised).and_then(protect) == got
                || self.is_remembered(side, path, cx, (va, access)).map(protect) == Some(got)
        })
    }

    /// What a hart may remember of a walk along `path`: complete, A and D included.
    fn is_remembered(
        &self,
        side: &Side,
        path: &Path,
        cx: &Context,
        of: (u64, Access),
    ) -> Option<PhysAddr> {
        let settings = side.beliefs.pbmte.iter();
        let mut remembered = settings.filter_map(|&pbmt| {
            let cx = Context { adue: false, pbmt, ..*cx };
            outcome(path, side.mmu.pmp(), of, &cx).ok()
        });
        remembered.next()
    }

    /// Notes what a walk for `va` has written to the tables, which must be what it may write.
    fn note_updates(&mut self, va: u64, access: Access, may_update: bool) {
        let entries = (0..TABLES).map(|table| {
            let level = table / TABLES_PER_LEVEL;
            entry_at(table_at(table), va, level as u32)
        });
        let mut updates = 0;
        for at in entries {
            let old = self.memory.value(at);
            let new = self.bus.load(PhysAddr(at), Width::Double).expect("RAM");
            if new != old {
                let marks = Pte::A | if access == Access::Store { Pte::D } else { 0 };
                assert!(may_update && new == old | marks, "{old:#x} has become {new:#x}");
                updates += 1;
                self.memory.note(at, new);
            }
        }
        assert!(updates <= 1, "one walk updates one entry");
    }

    /// Everything that the TLB of a hart holds is what a hit may give.
    pub(super) fn audit(&self, hart: usize) {
        let side = &self.harts[hart];
        for (at, value) in self.memory.entries() {
            let found = self.bus.ram.load(RamOffset(at - RAM_BASE), Width::Double);
            assert_eq!(found, value, "the entry at {at:#x}, which nobody has written");
        }
        for entry in side.mmu.tlb_entries() {
            let (pa, va) = (PhysAddr(RAM_BASE + entry.page.0), entry.va.0);
            let (cx, is_known) = match entry.context {
                TlbContext::Physical { machine } => {
                    let privilege =
                        if machine { Privilege::Machine } else { Privilege::Supervisor };
                    (Context { privilege, ..Context::RESET }, va == pa.0)
                }
                TlbContext::Virtual { satp, user, sum, mxr } => {
                    let privilege = if user { Privilege::User } else { Privilege::Supervisor };
                    let cx = Context { privilege, satp, sum, mxr, ..side.cx };
                    let of = (va, entry.access);
                    let is_it = |path: &Path| self.is_remembered(side, path, &cx, of) == Some(pa);
                    (cx, side.beliefs.some_path(&self.memory, satp, va, is_it))
                }
            };
            let rights = side.mmu.pmp().page_rights(pa, cx.privilege);
            let is_open = rights.is_some_and(|rights| rights.allows(entry.access));
            let watched = entry.access == Access::Store && self.bus.ram.is_page_tracked(entry.page);
            assert!(is_known && is_open && !watched, "{entry:x?}");
        }
    }
}

/// Where a walk along `path` leads.
fn outcome(
    path: &Path,
    pmp: &Pmp,
    (va, access): (u64, Access),
    cx: &Context,
) -> Result<PhysAddr, WalkFault> {
    let leaf = walk(&mut OnPath { path, pmp }, VirtAddr(va), access, cx, &mut ())?;
    if path.for_globals && !leaf.global { Err(WalkFault::NotValid) } else { Ok(leaf.pa) }
}
