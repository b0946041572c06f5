//! The demo's physical memory: frames at fixed addresses, the switch to Sv39, and the two
//! instructions that touch pages on purpose. All `unsafe` of the demo; `main.rs` sees safe
//! functions only.

use core::arch::naked_asm;

use guest::{Access, Finding, FrameMemory, FramePool, PageTable, Ppn, Pte, Walk, WalkOptions};
use guest_runtime::{board, frames, supervisor};

/// The frames, reached by their physical addresses, which the demo maps to themselves.
#[derive(Debug)]
pub(crate) struct Frames;

impl Frames {
    /// All frames, free.
    pub(crate) fn pool() -> FramePool {
        let first = Ppn::of(frames::at(0));
        FramePool::new(first, Ppn(first.0 + frames::COUNT_PAGES))
    }

    /// The doubleword `index` of `frame`, behind the back of every mapping.
    pub(crate) fn write_doubleword(&mut self, frame: Ppn, index: usize, value: u64) {
        frames::write(frame.base() + 8 * index as u64, value);
    }
}

impl FrameMemory for Frames {
    fn read_pte(&self, table: Ppn, index: usize) -> Pte {
        Pte(frames::read(table.base() + 8 * index as u64))
    }

    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
        self.write_doubleword(table, index, pte.0);
    }
}

/// Turns Sv39 on with `table`; yields `satp`. Panics where the table does not map the first
/// megapage of RAM, which holds program and frames, and the devices to themselves.
pub(crate) fn turn_on(table: PageTable) -> u64 {
    for (va, access) in [
        (board::RAM, Access::Fetch),
        (board::RAM, Access::Store),
        (frames::at(0), Access::Store),
        (board::UART, Access::Store),
        (board::FINISHER, Access::Store),
    ] {
        let walk = Walk::new(&Frames, table, va, access, WalkOptions::default());
        assert_eq!(walk.finding(), Some(Finding::Grants(va)), "{va:#x} is not mapped to itself");
    }
    // SAFETY: as just checked; program and frames are in one page (asserted in virt.ld).
    unsafe { supervisor::turn_on_sv39(table.root().0) }
}

/// Loads the doubleword at `va`; whether it traps is what the demo is about.
pub(crate) fn load(va: u64) -> u64 {
    assert_outside_rust(va);
    // SAFETY: `va` belongs to no Rust object, as just checked, and the trap handler either makes
    // the page readable or ends the program.
    unsafe { probe_load(va) }
}

/// Stores a doubleword to `va`; whether it traps is what the demo is about.
pub(crate) fn store(va: u64, value: u64) {
    assert_outside_rust(va);
    // SAFETY: as in `load`; the frames behind these pages are accessed by volatile access only.
    unsafe { probe_store(va, value) };
}

/// Program, stack, tables and devices are all mapped to themselves, below 4 GiB.
fn assert_outside_rust(va: u64) {
    assert!(va >= 1 << 32, "{va:#x} may belong to the program");
}

// SAFETY: `.probe` is an executable section at a fixed address.
#[unsafe(link_section = ".probe")]
#[unsafe(naked)]
unsafe extern "C" fn probe_load(va: u64) -> u64 {
    naked_asm!(".option push", ".option norvc", "ld a0, 0(a0)", "ret", ".option pop")
}

// SAFETY: as above.
#[unsafe(link_section = ".probe")]
#[unsafe(naked)]
unsafe extern "C" fn probe_store(va: u64, value: u64) {
    naked_asm!(".option push", ".option norvc", "sd a1, 0(a0)", "ret", ".option pop")
}
