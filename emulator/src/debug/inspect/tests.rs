//! A small machine for the tests of all debugging texts ([`Bench`]), and those of single texts.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::addr::{PAGE_SHIFT, PhysAddr, VirtAddr, Width};
use crate::bus::{Bus, BusFault, Device, DeviceCx, Ram};
use crate::csr::{CsrAddr, CsrConfig, CsrCx, Effect};
use crate::debug::symbols::{Row, SymbolKind, Symbols};
use crate::hart::{Hart, HartConfig};
use crate::mmu::{Mode, Pte, Satp};

pub(in crate::debug) const RAM: u64 = 0x8000_0000;
pub(in crate::debug) const RAM_LEN_BYTES: u64 = 1 << 20;
/// The root table of [`Bench::paged`]; tables below it follow.
pub(in crate::debug) const ROOT: u64 = RAM + 0x4_0000;
/// Where the device is.
pub(in crate::debug) const DEVICE: u64 = 0x1000_0000;
/// A valid leaf that S-mode may use for everything.
pub(in crate::debug) const RWX: u64 = Pte::V | Pte::R | Pte::W | Pte::X | Pte::A | Pte::D;

/// A device that counts how often it is read.
struct Counting(Arc<AtomicU32>);

impl Device for Counting {
    fn name(&self) -> &'static str {
        "uart0"
    }

    fn read(&mut self, _: u64, _: Width, _: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(0)
    }

    fn write(&mut self, _: u64, _: Width, _: u64, _: &mut DeviceCx<'_>) -> Result<(), BusFault> {
        Ok(())
    }

    fn reset(&mut self) {}

    fn register_name(&self, offset: u64) -> Option<&'static str> {
        (offset == 0).then_some("RBR")
    }
}

/// RAM, a device, harts and symbols.
pub(in crate::debug) struct Bench {
    pub(in crate::debug) bus: Bus,
    pub(in crate::debug) harts: Vec<Hart>,
    symbols: Symbols,
    device_reads: Arc<AtomicU32>,
    next_table: u64,
}

impl Bench {
    /// This many harts at reset, the symbols `start`, `main` and `data` at the start of RAM.
    pub(in crate::debug) fn new(harts: u64) -> Self {
        let mut bus = Bus::new(Ram::new(PhysAddr(RAM), RAM_LEN_BYTES));
        let device_reads = Arc::new(AtomicU32::new(0));
        bus.map(PhysAddr(DEVICE), 0x100, Box::new(Counting(Arc::clone(&device_reads))))
            .expect("no overlap");
        let hart = |hart_id| {
            let csr = CsrConfig { hart_id, ..CsrConfig::default() };
            Hart::new(HartConfig { csr, ..HartConfig::default() })
        };
        let row = |at, len_bytes, name| Row { at, len_bytes, name, kind: SymbolKind::Function };
        let names = b"\0start\0main\0data\0".to_vec();
        let rows = vec![row(RAM, 0x10, 1), row(RAM + 0x10, 0x20, 7), row(RAM + 0x1000, 8, 12)];
        let symbols = Symbols::new(rows, names);
        Self { bus, harts: (0..harts).map(hart).collect(), symbols, device_reads, next_table: 0 }
    }

    /// One hart in S-mode behind Sv39 with ASID 5 and empty tables; PMP is open.
    pub(in crate::debug) fn paged() -> Self {
        let mut bench = Self::new(1);
        bench.next_table = ROOT + 0x1000;
        bench.csr(0x3b0, u64::MAX >> 10);
        bench.csr(0x3a0, 0x1f);
        bench.csr(0x180, 8 << 60 | 5 << 44 | ROOT >> PAGE_SHIFT);
        bench.enter(Privilege::Supervisor);
        bench
    }

    /// Writes a CSR of hart 0.
    pub(in crate::debug) fn csr(&mut self, addr: u16, value: u64) {
        let hart = &mut self.harts[0];
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: 0 };
        let write = hart.csr.access(CsrAddr(addr), Some(|_| value), &cx);
        let (_, effect) = write.expect("writable");
        if effect.has(Effect::PROTECTION) {
            hart.refresh_protection();
        }
        hart.refresh_translation();
    }

    /// Puts hart 0 into this mode.
    pub(in crate::debug) fn enter(&mut self, privilege: Privilege) {
        self.harts[0].privilege = privilege;
        self.harts[0].refresh_translation();
    }

    pub(in crate::debug) fn word(&mut self, at: u64) -> u64 {
        self.bus.load(PhysAddr(at), Width::Double).expect("RAM")
    }

    pub(in crate::debug) fn set_word(&mut self, at: u64, value: u64) {
        self.bus.store(PhysAddr(at), Width::Double, value).expect("RAM");
    }

    /// Puts these instructions at the start of RAM.
    pub(in crate::debug) fn code(&mut self, insns: &[u32]) {
        for (at, insn) in (RAM..).step_by(4).zip(insns) {
            self.bus.store(PhysAddr(at), Width::Word, (*insn).into()).expect("RAM");
        }
    }

    /// Maps `va` to `pa` by a leaf of `level`; tables above it are made.
    pub(in crate::debug) fn map(&mut self, va: u64, level: u32, pa: u64, bits: u64) {
        let mut table = ROOT;
        for above in (level..3).rev() {
            let at = table + (va >> (12 + 9 * above) & 0x1ff) * 8;
            if above == level {
                return self.set_word(at, Pte::new(pa >> PAGE_SHIFT, bits).0);
            }
            if self.word(at) == 0 {
                self.set_word(at, Pte::new(self.next_table >> PAGE_SHIFT, Pte::V).0);
                self.next_table += 0x1000;
            }
            table = Pte(self.word(at)).page().0;
        }
    }

    /// Has hart 0 translate `va`, as an instruction would.
    pub(in crate::debug) fn touch(&mut self, va: u64, access: Access) {
        let hart = &mut self.harts[0];
        hart.mmu.translate(&mut self.bus, VirtAddr(va), access, 1).expect("allowed");
    }

    /// What `f` makes of the view of the hart with this index.
    pub(in crate::debug) fn view<T>(&self, current: usize, f: impl FnOnce(&View<'_>) -> T) -> T {
        let harts: Vec<_> = self.harts.iter().collect();
        f(&View { harts: &harts, bus: &self.bus, symbols: &self.symbols, current })
    }

    /// What the monitor answers about hart 0.
    pub(in crate::debug) fn say(&self, line: &str) -> String {
        self.view(0, |view| crate::debug::monitor::execute(view, line))
    }

    pub(in crate::debug) fn device_reads(&self) -> u32 {
        self.device_reads.load(Ordering::Relaxed)
    }
}

const U_R: u64 = Pte::V | Pte::R | Pte::U;
const U_RW: u64 = U_R | Pte::W;

/// The text that QEMU 7.2 writes for the same tables.
#[test]
fn mappings_are_listed_as_qemu_does() {
    let mut bench = Bench::paged();
    for (va, level, pa, bits) in [
        (0x0, 0, RAM, U_R),
        (0x1000, 0, RAM + 0x1000, U_R),
        (0x2000, 0, RAM, U_RW),
        (0x5000, 0, RAM + 0x3000, U_RW),
        (0x8000_0000, 2, RAM, RWX),
        (511 << 30, 2, RAM, RWX & !Pte::X | Pte::G),
    ] {
        bench.map(va, level, pa, bits);
    }
    let list = "\
vaddr            paddr            size             attr
---------------- ---------------- ---------------- -------
0000000000000000 0000000080000000 0000000000002000 r--u---
0000000000002000 0000000080000000 0000000000001000 rw-u---
0000000000005000 0000000080003000 0000000000001000 rw-u---
0000000080000000 0000000080000000 0000000040000000 rwx--ad
ffffffffc0000000 0000000080000000 0000000040000000 rw--gad
";
    assert_eq!(bench.say("info mem"), list);
    // In M-mode the address space is still there.
    bench.enter(Privilege::Machine);
    assert_eq!(bench.say("info mem"), list);
    bench.csr(0x180, 0);
    assert_eq!(bench.say("info mem"), "No translation or protection\n");
}

#[test]
fn only_what_a_walk_accepts_is_listed() {
    let heading = "\
vaddr            paddr            size             attr
---------------- ---------------- ---------------- -------\n";
    let list = |bench: &Bench| bench.say("info mem").strip_prefix(heading).map(str::to_owned);
    for (level, pa, bits, listed) in [
        (0, RAM, Pte::V | Pte::W, ""),
        (0, RAM, RWX | 1 << 54, ""),
        (0, RAM, Pte::V, ""),
        (1, RAM + 0x1000, RWX, ""),
        (1, RAM, RWX, "0000000000000000 0000000080000000 0000000000200000 rwx--ad\n"),
        (1, 0x7000_0000, Pte::V, ""),
        // Each entry of a NAPOT range maps its own page.
        (
            0,
            RAM + 0x8000,
            RWX | Pte::N,
            "0000000000000000 0000000080000000 0000000000001000 rwx--ad\n",
        ),
    ] {
        let mut bench = Bench::paged();
        bench.map(0, level, pa, bits);
        assert_eq!(list(&bench).as_deref(), Some(listed), "level {level}, {:?}", Pte(bits));
    }
}

#[test]
fn tables_that_point_to_themselves_end_the_list() {
    for mode in Mode::PAGED {
        let mut bench = Bench::paged();
        let satp = Satp { mode, root_ppn: ROOT >> PAGE_SHIFT, ..Satp::default() };
        bench.csr(0x180, satp.to_bits());
        for index in 0..512 {
            bench.set_word(ROOT + 8 * index, Pte::new(ROOT >> PAGE_SHIFT, Pte::V).0);
        }
        // Leaves that never merge, at every level.
        bench.set_word(ROOT, Pte::new(0, Pte::V | Pte::R).0);
        let said = bench.say("info mem");
        let last = "cut: more than 16384 page tables or 16384 ranges";
        assert_eq!(said.lines().last(), Some(last), "{mode:?}");
        assert!(said.lines().count() <= 3 + 16384);
    }
}

#[test]
fn napot_ranges_are_listed_whole() {
    let mut bench = Bench::paged();
    (0..16).for_each(|page| bench.map(page << 12, 0, RAM + 0x8000, RWX | Pte::N));
    let last = "0000000000000000 0000000080000000 0000000000010000 rwx--ad";
    assert_eq!(bench.say("info mem").lines().nth(2), Some(last));
    assert_eq!(bench.say("gva2gpa 0xf123"), "gpa: 0x8000f123\n");
    assert!(bench.say("tr 0xf123").contains(" N "), "the bit is shown");
}
