//! The address space that the paging programs share: tables in frames, a page of code for each of
//! S- and U-mode, and one page under test. M-mode sets everything up and looks at the result, so
//! nothing of the program itself needs to be mapped.

use guest::{Flags, FrameMemory, FramePool, Page, PageTable, Ppn, Pte};
use guest_runtime::run::{Code, Mode, Outcome, run};
use guest_runtime::{csr, frames};

/// `ld a0, 0(a1)`.
pub(crate) const LD: u32 = 0x0005_b503;
/// `sd a2, 0(a1)`.
pub(crate) const SD: u32 = 0x00c5_b023;
/// `amoadd.d a0, a2, (a1)`.
pub(crate) const AMOADD: u32 = 0x00c5_b52f;
/// `ecall`.
pub(crate) const ECALL: u32 = 0x0000_0073;

/// A page of S-mode with code.
const SUPERVISOR_CODE: u64 = 0x2_0000_0000;
/// A page of U-mode with the same code.
const USER_CODE: u64 = 0x2_0000_1000;
/// The page under test: its three indices differ.
pub(crate) const VA: u64 = 3 << 30 | 2 << 21 | 1 << 12;

/// Frames for tables come first; those for data are numbered from here.
const FIRST_DATA_FRAME: u64 = 32;
/// MODE field of `satp`.
pub(crate) const SV39: u64 = 8 << 60;

/// The frames as page tables see them.
pub(crate) struct Frames;

impl FrameMemory for Frames {
    fn read_pte(&self, table: Ppn, index: usize) -> Pte {
        Pte(frames::read(table.base() + 8 * index as u64))
    }

    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
        frames::write(table.base() + 8 * index as u64, pte.0);
    }
}

/// What one instruction does to the page under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// Loads a doubleword.
    Load,
    /// Stores a doubleword.
    Store,
    /// Adds to a doubleword.
    Amo,
}

impl Action {
    /// Where the code page does this: 16 bytes for each.
    fn offset(self) -> u64 {
        16 * self as u64
    }
}

/// Tables and pages.
pub(crate) struct Space {
    pub(crate) table: PageTable,
    pool: FramePool,
}

impl Space {
    /// The code pages, and V=0 in the entry of the page under test.
    pub(crate) fn new() -> Self {
        let pool = FramePool::new(Ppn::of(frames::at(0)), Ppn::of(data_frame(0)));
        Self::with_pool(pool)
    }

    fn with_pool(mut pool: FramePool) -> Self {
        let code = pool.take().expect("frames are free").base();
        for (action, insn) in [(Action::Load, LD), (Action::Store, SD), (Action::Amo, AMOADD)] {
            frames::write_code(code + action.offset(), &[insn, ECALL]);
        }
        let table = PageTable::new(&mut Frames, &mut pool).expect("frames are free");
        let mut space = Self { table, pool };
        let executable = Flags::X | Flags::A;
        space.map(SUPERVISOR_CODE, 0, Ppn::of(code), executable);
        space.map(USER_CODE, 0, Ppn::of(code), executable | Flags::U);
        space.map(VA, 0, Ppn::of(data_frame(0)), Flags::R);
        space.set_leaf(VA, 0);
        space
    }

    /// Maps a page.
    pub(crate) fn map(&mut self, va: u64, level: usize, ppn: Ppn, flags: Flags) {
        let page = Page { va, level };
        let mapped = self.table.map(&mut Frames, &mut self.pool, page, ppn, flags);
        mapped.expect("frames are free, and nothing is in the way");
    }

    /// Replaces the level-0 entry of `va` by these bits.
    pub(crate) fn set_leaf(&self, va: u64, bits: u64) {
        frames::write(self.leaf_at(va), bits);
    }

    /// Physical address of the level-0 entry of `va`.
    pub(crate) fn leaf_at(&self, va: u64) -> u64 {
        self.table.pte_at(&Frames, va, 0).expect("tables are there")
    }

    /// What to put in `satp` for this space.
    pub(crate) fn satp(&self, asid: u64) -> u64 {
        SV39 | asid << 44 | self.table.root().0
    }

    /// Makes it the current space, with no old translations.
    pub(crate) fn activate(&self, asid: u64) {
        csr::write::<{ csr::SATP }>(self.satp(asid));
        csr::sfence_vma_all();
    }
}

/// Physical address of a frame for data.
pub(crate) fn data_frame(number: u64) -> u64 {
    frames::at(FIRST_DATA_FRAME + number)
}

/// Lets one instruction of the code page act on `va` with `value`.
pub(crate) fn act(mode: Mode, action: Action, va: u64, value: u64) -> Outcome {
    run(mode, code(mode, action), &[0, va, value])
}

/// Where the instruction for `action` lies in the code page of `mode`.
pub(crate) fn code(mode: Mode, action: Action) -> Code {
    let page = if mode == Mode::User { USER_CODE } else { SUPERVISOR_CODE };
    Code::at(page + action.offset())
}
