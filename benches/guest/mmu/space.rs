//! Memory as the rows find it. The kernel's half is global and maps program, arena and devices to
//! themselves; the other regions lie above 4 GiB, each in a gigabyte of its own.

use guest::{
    ENTRIES, Flags, FrameMemory, FramePool, Page, PageTable, Ppn, Pte, leaf_size_bytes, vpn,
};
use guest_runtime::routine::Routine;
use guest_runtime::{arena, board, csr, ram, supervisor};

/// From a word that is touched to the next one: each is in another page, and in another line of
/// it, as no program puts all it has at the starts of pages.
pub(crate) const STRIDE_BYTES: u64 = 4096 + 64;
/// Words in each large region, [`STRIDE_BYTES`] apart.
pub(crate) const SLOTS: u64 = 4096;
/// Pages of a large region.
pub(crate) const PAGES: u64 = SLOTS * STRIDE_BYTES / PAGE_BYTES;
/// A base page.
pub(crate) const PAGE_BYTES: u64 = 4096;

/// MODE field of `satp`.
pub(crate) const SV39: u64 = 8 << 60;
/// Lowest bit of `satp`'s ASID field.
pub(crate) const ASID_SHIFT: u32 = 44;

/// Readable, and accessed.
pub(crate) const READ: Flags = Flags::R.with(Flags::A);
/// Readable and writable, accessed and dirty.
pub(crate) const WRITE: Flags = READ.with(Flags::W).with(Flags::D);
/// Readable and executable, accessed.
pub(crate) const EXECUTE: Flags = READ.with(Flags::X);

/// The data for S-mode to load.
pub(crate) const DATA: u64 = 0x1_0000_0000;
/// The same, for U-mode.
pub(crate) const USER_DATA: u64 = 0x1_4000_0000;
/// The chain of jumps, for S-mode.
pub(crate) const CHAIN: u64 = 0x1_8000_0000;
/// The loops that run in U-mode.
const USER_CODE: u64 = 0x1_c000_0000;
/// Pages whose entries come and go.
pub(crate) const STORM: u64 = 0x2_0000_0000;
/// Frames that may be written to, for U-mode.
pub(crate) const USER_SCRATCH: u64 = 0x2_4000_0000;
/// The start of the chain, executable only.
pub(crate) const CHAIN_UNREADABLE: u64 = 0x2_8000_0000;
/// A page that is writable and executable.
pub(crate) const SELF_MODIFYING: u64 = 0x2_c000_0000;
/// Pages that are mapped at random.
pub(crate) const CHURN: u64 = 0x3_0000_0000;
pub(crate) const CHURN_PAGES: u64 = 1 << 16;
/// RAM from its first byte, by one leaf.
const GIGAPAGE: u64 = 0x3_4000_0000;
/// The data, by leaves of 2 MiB.
pub(crate) const MEGAPAGES: u64 = 0x3_8000_0000;
/// The data, by NAPOT ranges of 64 KiB.
pub(crate) const NAPOT: u64 = 0x3_c000_0000;

/// Parts of the arena, from its start. Tables and single pages come first.
const POOL_BYTES: u64 = 24 << 20;
const LARGE_BYTES: u64 = 20 << 20;
const _: () = assert!(PAGES * PAGE_BYTES <= LARGE_BYTES);
const _: () = assert!(POOL_BYTES + 3 * LARGE_BYTES <= arena::SIZE_BYTES);

/// Physical address of the data: slot n holds n + 1.
pub(crate) fn data() -> u64 {
    arena::start() + POOL_BYTES
}

/// Physical address of the chain: slot n adds 1 to `a0` and jumps to slot n + 1; the last returns.
pub(crate) fn chain() -> u64 {
    data() + LARGE_BYTES
}

/// Physical address of frames that rows may write to.
pub(crate) fn scratch() -> u64 {
    chain() + LARGE_BYTES
}

/// The data behind the leaf of 1 GiB.
pub(crate) fn gigapage_data() -> u64 {
    GIGAPAGE + data() - board::RAM
}

/// Physical memory as page tables see it.
struct Frames;

impl FrameMemory for Frames {
    fn read_pte(&self, table: Ppn, index: usize) -> Pte {
        Pte(arena::read(table.base() + 8 * index as u64))
    }

    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
        arena::write(table.base() + 8 * index as u64, pte.0);
    }
}

/// The kernel's address space, and what others are made of.
pub(crate) struct Space {
    table: PageTable,
    pool: FramePool,
    /// Physical address of the next code for U-mode, and how much there is.
    user_code: u64,
    user_code_bytes: u64,
    asid: u64,
}

impl Space {
    /// Makes tables for all regions, and fills these.
    pub(crate) fn new() -> Self {
        let end = Ppn::of(arena::start() + POOL_BYTES);
        let mut pool = FramePool::new(Ppn::of(arena::start()), end);
        let table = PageTable::new(&mut Frames, &mut pool).expect("frames are free");
        let user_code = pool.take().expect("frames are free").base();
        let mut space = Self { table, pool, user_code, user_code_bytes: 0, asid: 0 };
        let program_pages = (ram::PROGRAM.end - ram::PROGRAM.start) / PAGE_BYTES;
        space.map(board::RAM, board::RAM, program_pages, WRITE | EXECUTE | Flags::G);
        let arena_pages = arena::SIZE_BYTES / PAGE_BYTES;
        space.map(arena::start(), arena::start(), arena_pages, WRITE | Flags::G);
        for device in [board::UART, board::FINISHER] {
            space.map(device, device, 1, WRITE | Flags::G);
        }
        space.map(DATA, data(), PAGES, READ);
        space.map(USER_DATA, data(), PAGES, READ | Flags::U);
        space.map(CHAIN, chain(), PAGES, EXECUTE);
        space.map(USER_CODE, user_code, 1, EXECUTE | Flags::U);
        space.map(STORM, data(), PAGES, READ | Flags::U);
        space.map(USER_SCRATCH, scratch(), PAGES, WRITE | Flags::U);
        space.map(CHAIN_UNREADABLE, chain(), 1, EXECUTE.without(Flags::R));
        space.map_leaf(GIGAPAGE, 2, board::RAM, READ);
        for offset in (0..LARGE_BYTES).step_by(leaf_size_bytes(1) as usize) {
            space.map_leaf(MEGAPAGES + offset, 1, data() + offset, READ);
        }
        space.map(NAPOT, data(), PAGES, READ);
        space.join();
        fill();
        space
    }

    /// Makes the pages of the NAPOT region ranges of 16.
    fn join(&self) {
        const NAPOT_BIT: u64 = 1 << 63;
        for offset in (0..PAGES * PAGE_BYTES).step_by(PAGE_BYTES as usize) {
            let at = self.leaf_at(NAPOT + offset);
            let pte = Pte(arena::read(at));
            let coded = Pte::new(Ppn(pte.ppn().0 & !15 | 8), pte.flags());
            arena::write(at, coded.0 | NAPOT_BIT);
        }
    }

    /// Turns translation on, with no old translations.
    pub(crate) fn activate(&mut self) {
        supervisor::turn_on(self.table.root().0);
        csr::write::<{ csr::SATP }>(self.kernel_satp());
        csr::sfence_vma_all();
        // Where there are no ASIDs, it is 0.
        self.asid = csr::read::<{ csr::SATP }>() >> ASID_SHIFT & 0xffff;
    }

    /// The kernel's `satp`, with an ASID of its own.
    pub(crate) fn kernel_satp(&self) -> u64 {
        const KERNEL_ASID: u64 = 1;
        SV39 | KERNEL_ASID << ASID_SHIFT | self.table.root().0
    }

    /// Physical address of the root table.
    pub(crate) fn root(&self) -> u64 {
        self.table.root().base()
    }

    /// ASID of the kernel's space.
    pub(crate) fn asid(&self) -> u64 {
        self.asid
    }

    /// Maps `pages` from `va` on to physical memory from `at` on.
    pub(crate) fn map(&mut self, va: u64, at: u64, pages: u64, flags: Flags) {
        self.map_in(self.table, va, at, pages, flags);
    }

    /// Maps one page of the given level.
    fn map_leaf(&mut self, va: u64, level: usize, at: u64, flags: Flags) {
        let page = Page { va, level };
        let mapped = self.table.map(&mut Frames, &mut self.pool, page, Ppn::of(at), flags);
        mapped.expect("frames are free, and nothing is in the way");
    }

    fn map_in(&mut self, table: PageTable, va: u64, at: u64, pages: u64, flags: Flags) {
        for offset in (0..pages * PAGE_BYTES).step_by(PAGE_BYTES as usize) {
            let page = Page { va: va + offset, level: 0 };
            let mapped = table.map(&mut Frames, &mut self.pool, page, Ppn::of(at + offset), flags);
            mapped.expect("frames are free, and nothing is in the way");
        }
    }

    /// Gives the churn's region its tables. Yields the physical address of the first entry, which
    /// the others follow in one row.
    pub(crate) fn churn_table(&mut self) -> u64 {
        const TABLES: u64 = CHURN_PAGES / ENTRIES as u64;
        let first = self.take_frames(TABLES);
        (0..CHURN_PAGES).for_each(|page| arena::write(first + 8 * page, 0));
        // So that there is a table above.
        self.map_leaf(CHURN, 1, board::RAM, READ);
        for table in 0..TABLES {
            let va = CHURN + table * leaf_size_bytes(1);
            let at = self.table.pte_at(&Frames, va, 1).expect("just made");
            arena::write(at, Pte::table(Ppn::of(first + table * PAGE_BYTES)).0);
        }
        csr::sfence_vma_all();
        first
    }

    /// Physical address of the entry of the page at `va`.
    pub(crate) fn leaf_at(&self, va: u64) -> u64 {
        self.table.pte_at(&Frames, va, 0).expect("tables are there")
    }

    /// Puts an entry for physical page `at` + n, with these flags as they are, in place of that of
    /// page n of the storm's, and lets the hart forget the old ones.
    pub(crate) fn set_storm(&self, at: u64, flags: Flags) {
        for offset in (0..PAGES * PAGE_BYTES).step_by(PAGE_BYTES as usize) {
            arena::write(self.leaf_at(STORM + offset), Pte::new(Ppn::of(at + offset), flags).0);
        }
        csr::sfence_vma_all();
    }

    /// The storm's entries, slot by slot.
    pub(crate) fn storm(&self) -> impl Iterator<Item = Pte> {
        (0..SLOTS).map(|slot| Pte(arena::read(self.leaf_at(STORM + slot * STRIDE_BYTES))))
    }

    /// Copies the routine to where U-mode may run it; yields its address there.
    pub(crate) fn install(&mut self, routine: Routine) -> u64 {
        let va = USER_CODE + self.user_code_bytes;
        let end = routine.copy_to(self.user_code + self.user_code_bytes);
        self.user_code_bytes = end - self.user_code;
        assert!(self.user_code_bytes <= PAGE_BYTES, "too much code for U-mode");
        csr::fence_i();
        va
    }

    /// Physical address of `count` frames in a row.
    pub(crate) fn take_frames(&mut self, count: u64) -> u64 {
        let mut frames = (0..count).map(|_| self.pool.take().expect("frames are free"));
        let first = frames.next().expect("one at least").base();
        frames.for_each(drop);
        first
    }

    /// Another address space: the kernel's half, and `pages` at `va` from physical memory `at` on.
    /// Yields its root table's page number.
    pub(crate) fn fork(&mut self, va: u64, at: u64, pages: u64) -> Ppn {
        let table = PageTable::new(&mut Frames, &mut self.pool).expect("frames are free");
        for shared in [board::RAM, board::UART] {
            let entry = Frames.read_pte(self.table.root(), vpn(shared, 2));
            Frames.write_pte(table.root(), vpn(shared, 2), entry);
        }
        self.map_in(table, va, at, pages, READ);
        table.root()
    }
}

fn fill() {
    const ADD_ONE: u64 = 0x0015_0513;
    const RETURN: u64 = 0x0000_8067;
    for slot in 0..SLOTS {
        arena::write(data() + slot * STRIDE_BYTES, slot + 1);
        let next = if slot == SLOTS - 1 { RETURN } else { jump(STRIDE_BYTES - 4) };
        arena::write(chain() + slot * STRIDE_BYTES, next << 32 | ADD_ONE);
    }
    csr::fence_i();
}

/// `jal zero, offset`, for a positive offset.
const fn jump(offset: u64) -> u64 {
    (offset >> 1 & 0x3ff) << 21 | (offset >> 11 & 1) << 20 | (offset >> 12 & 0xff) << 12 | 0x6f
}
