//! Page tables for the benches: [`World`] is RAM with tables in it and an MMU over both, for
//! `translation.rs`. Tables are taken from the end of RAM, page by page; data lies at its start.

use pagewalk::addr::{
    Access, Asid, PAGE_SHIFT, PAGE_SIZE_BYTES, PhysAddr, PmpRegion, Privilege, Rights, VirtAddr,
    Width,
};
use pagewalk::bus::{Bus, Ram};
use pagewalk::mmu::{Context, Mmu, Mode, PTE_SIZE_BYTES, Pte, PteMemory, Satp, VPN_BITS};

pub(crate) const RAM_BASE: u64 = 0x8000_0000;
const RAM_LEN_BYTES: u64 = 1 << 27;

/// A leaf that S-mode may use for everything.
pub(crate) const RWX: u64 = Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;

/// The PMP entry that firmware sets to get out of the way.
const ALL_MEMORY: PmpRegion =
    PmpRegion { first: PhysAddr(0), last: PhysAddr(u64::MAX), rights: Rights::ALL, locked: false };

/// RAM with page tables, and an MMU in S-mode.
pub(crate) struct World {
    pub(crate) bus: Bus,
    pub(crate) mmu: Mmu,
    /// Tables start here.
    tables: u64,
}

impl World {
    /// One empty address space in `mode`, ASID 0, which is the current one.
    pub(crate) fn new(mode: Mode) -> (Self, Context) {
        let bus = Bus::new(Ram::new(PhysAddr(RAM_BASE), RAM_LEN_BYTES));
        let mut mmu = Mmu::new();
        mmu.set_pmp(vec![ALL_MEMORY]);
        let mut world = Self { bus, mmu, tables: RAM_BASE + RAM_LEN_BYTES };
        let space = world.space(mode, 0);
        world.mmu.set_contexts(space, space);
        (world, space)
    }

    /// A new address space, empty.
    pub(crate) fn space(&mut self, mode: Mode, asid: u16) -> Context {
        let root_ppn = self.table() >> PAGE_SHIFT;
        Context {
            privilege: Privilege::Supervisor,
            satp: Satp { mode, asid: Asid(asid), root_ppn },
            napot: true,
            pbmt: true,
            ..Context::RESET
        }
    }

    fn table(&mut self) -> u64 {
        self.tables -= PAGE_SIZE_BYTES;
        self.tables
    }

    /// Maps `va` to `pa` by a leaf at `level`; tables above it are made where they are missing.
    pub(crate) fn map(&mut self, space: &Context, va: u64, level: u32, pa: u64, bits: u64) {
        let mut table = space.satp.root_ppn << PAGE_SHIFT;
        for above in (level + 1..space.satp.mode.levels()).rev() {
            let at = entry(table, va, above);
            if self.word(at) == 0 {
                let next = self.table();
                self.set_word(at, Pte::new(next >> PAGE_SHIFT, Pte::V).0);
            }
            table = Pte(self.word(at)).page().0;
        }
        self.set_word(entry(table, va, level), Pte::new(pa >> PAGE_SHIFT, bits).0);
    }

    /// Maps `count` base pages, `stride_bytes` apart from 0 on, to a few pages of data.
    pub(crate) fn map_many(&mut self, space: &Context, count: u64, stride_bytes: u64) {
        for index in 0..count {
            let frame = RAM_BASE + index % 64 * PAGE_SIZE_BYTES;
            self.map(space, index * stride_bytes, 0, frame, RWX);
        }
    }

    /// Translates a load from each of `count` pages in turn.
    #[inline]
    pub(crate) fn touch(&mut self, count: u64, stride_bytes: u64) -> u64 {
        let mut sum = 0;
        for index in 0..count {
            let va = VirtAddr(index * stride_bytes);
            let pa = self.mmu.translate(&mut self.bus, va, Access::Load, 8);
            sum ^= pa.expect("all pages are mapped").0;
        }
        sum
    }

    fn word(&mut self, at: u64) -> u64 {
        self.bus.load(PhysAddr(at), Width::Double).expect("RAM")
    }

    fn set_word(&mut self, at: u64, value: u64) {
        self.bus.store(PhysAddr(at), Width::Double, value).expect("RAM");
    }
}

/// Where `table`, at `level`, keeps the entry for `va`.
fn entry(table: u64, va: u64, level: u32) -> u64 {
    table + (va >> (PAGE_SHIFT + VPN_BITS * level) & ((1 << VPN_BITS) - 1)) * PTE_SIZE_BYTES
}

/// Tables in RAM without physical protection, for the walk alone.
pub(crate) struct Tables<'a>(pub(crate) &'a mut Ram);

impl PteMemory for Tables<'_> {
    fn read_pte(&mut self, at: PhysAddr) -> Option<u64> {
        let offset = self.0.offset_of(at, PTE_SIZE_BYTES)?;
        Some(self.0.load(offset, Width::Double))
    }

    fn update_pte(&mut self, at: PhysAddr, old: u64, new: u64) -> Option<bool> {
        let offset = self.0.offset_of(at, PTE_SIZE_BYTES)?;
        let unchanged = self.0.load(offset, Width::Double) == old;
        if unchanged {
            self.0.store(offset, Width::Double, new);
        }
        Some(unchanged)
    }
}
