//! Sv39 for the benchmark programs on the bare machine: the program, the RAM lent to it and the
//! devices that it needs, mapped to themselves by pages of 4 KiB, A and D set beforehand.

use core::ops::Range;

use guest::{ENTRIES, Flags, FrameMemory, FramePool, PAGE_SIZE_BYTES, Page, PageTable, Ppn, Pte};
use guest_runtime::supervisor::{self, Trap};
use guest_runtime::{EXIT_PANIC, board, csr, exit_by_mailbox, println, ram};

/// Goes on in S-mode with `measured`, with floating point and counters on, if the board has this
/// much RAM.
pub(crate) fn enter(ram_bytes: u64, measured: extern "C" fn() -> !) -> ! {
    const CYCLE_TIME_INSTRET: u64 = 7;
    if !ram::reaches(ram_bytes) {
        println!("this takes {} MiB of RAM", ram_bytes >> 20);
        exit_by_mailbox(EXIT_PANIC);
    }
    csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_FS);
    csr::write::<{ csr::MCOUNTEREN }>(CYCLE_TIME_INSTRET);
    supervisor::enter(measured, on_trap)
}

/// Turns translation on. RAM that is lent later is not mapped.
pub(crate) fn turn_on() {
    /// The root, and two on the way to each of program, UART and finisher.
    const FEW: usize = 7;
    const READ_WRITE: Flags = Flags::R.with(Flags::W).with(Flags::A).with(Flags::D);
    let lent = ram::lent();
    let last_levels = (lent.end - lent.start) as usize / PAGE_SIZE_BYTES as usize / ENTRIES + 2;
    let mut tables = Tables(ram::lend(FEW + last_levels, |_| Table::default()));
    let first = Ppn::of(tables.first());
    let mut pool = FramePool::new(first, Ppn(first.0 + tables.0.len() as u64));
    let root = PageTable::new(&mut tables, &mut pool).expect(ENOUGH);
    let page_at = |va| va..va + PAGE_SIZE_BYTES;
    let parts: [(Range<u64>, Flags); 4] = [
        (ram::PROGRAM, READ_WRITE | Flags::X),
        (lent, READ_WRITE),
        (page_at(board::UART), READ_WRITE),
        (page_at(board::FINISHER), READ_WRITE),
    ];
    for (range, flags) in parts {
        for va in range.step_by(PAGE_SIZE_BYTES as usize) {
            let page = Page { va, level: 0 };
            root.map(&mut tables, &mut pool, page, Ppn::of(va), flags).expect(ENOUGH);
        }
    }
    supervisor::turn_on(root.root().0);
}

/// Why mapping does not fail.
const ENOUGH: &str = "tables were counted, and nothing is mapped twice";

/// One page table.
#[derive(Debug)]
#[repr(C, align(4096))]
struct Table([Pte; ENTRIES]);

impl Default for Table {
    fn default() -> Self {
        Self([Pte::default(); ENTRIES])
    }
}

/// All page tables, in consecutive frames. The hart reads them and writes none, as A and D are set.
#[derive(Debug)]
struct Tables(&'static mut [Table]);

impl Tables {
    /// Physical address of the first.
    fn first(&self) -> u64 {
        self.0.as_ptr() as u64
    }

    fn number(&self, table: Ppn) -> usize {
        (table.0 - Ppn::of(self.first()).0) as usize
    }
}

impl FrameMemory for Tables {
    fn read_pte(&self, table: Ppn, index: usize) -> Pte {
        self.0[self.number(table)].0[index]
    }

    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
        let number = self.number(table);
        self.0[number].0[index] = pte;
    }
}

extern "C" fn on_trap(trap: &mut Trap) {
    println!("unexpected trap into S-mode: {trap:x?}");
    exit_by_mailbox(EXIT_PANIC)
}
