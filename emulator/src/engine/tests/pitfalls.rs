//! What engines of other emulators got wrong, tried on this one: stale code, stale permissions, a
//! block that runs on where its translation has changed, instructions and accesses that straddle
//! pages, loops that no interrupt gets into, inexact counts. [`Rig`] serves them all: a hart with
//! page tables, whose programs end in a trap to M-mode.

mod against_steps;
mod atomics;
mod caches;
mod code;
mod counting;
mod interrupts;
mod straddling;
mod translation;

use super::{MCAUSE, MEPC, MSTATUS, MTVAL, MTVEC, PMPADDR0, PMPCFG0, addi, insn, jump_to_self};
use crate::addr::{Asid, PAGE_SIZE_BYTES, PhysAddr, Privilege, VirtAddr, Width};
use crate::bus::{Bus, Ram};
use crate::csr::{CsrAddr, CsrCx};
use crate::engine::{Engine, Exit, Interpreter, Stops};
use crate::hart::{Hart, HartConfig};
use crate::isa::{Extensions, Op};
use crate::mmu::{Mode, PTE_SIZE_BYTES, Pte, Satp};

const RAM: u64 = 0x8000_0000;
const RAM_BYTES: u64 = 8 << 20;

/// Where traps to M-mode go: an endless loop.
const HANDLER: u64 = RAM;
/// Code that only physical addresses reach.
const BARE_CODE: u64 = RAM + 0x1000;
/// Page tables are allocated from here.
const TABLES: u64 = RAM + 0x70_0000;

const SATP: u16 = 0x180;
const SSTATUS: u16 = 0x100;
const MEDELEG: u16 = 0x302;
const MCOUNTEREN: u16 = 0x306;
const MENVCFG: u16 = 0x30a;
const PMP_RWX_NAPOT: u64 = 0x1f;

const SUM: u64 = 1 << 18;
const MXR: u64 = 1 << 19;

const FETCH_ACCESS_FAULT: u64 = 1;
const LOAD_ACCESS_FAULT: u64 = 5;
const STORE_ACCESS_FAULT: u64 = 7;
const ECALL_FROM_U: u64 = 8;
const ECALL_FROM_S: u64 = 9;
const FETCH_PAGE_FAULT: u64 = 12;
const LOAD_PAGE_FAULT: u64 = 13;
const STORE_PAGE_FAULT: u64 = 15;

/// Leaves that S-mode may use.
const RW: u64 = Pte::V | Pte::R | Pte::W | Pte::A | Pte::D;
const RX: u64 = Pte::V | Pte::R | Pte::X | Pte::A;
const RWX: u64 = RW | Pte::X;

/// More instructions than any program here executes.
const MANY_INSNS: u64 = 20_000_000;

/// Physical address of a frame for code and data.
const fn frame(number: u64) -> u64 {
    let at = RAM + 0x10_0000 + number * PAGE_SIZE_BYTES;
    assert!(at < TABLES, "so many frames are not there");
    at
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct End {
    cause: u64,
    epc: u64,
    tval: u64,
}

/// A hart and its memory. Every physical address is also a virtual one, by a gigapage that S-mode
/// may read and write, and not execute.
struct Rig<E: ?Sized = Interpreter<crate::hart::NoObserver>> {
    hart: Hart,
    bus: Bus,
    next_table: u64,
    engine: Box<E>,
}

impl Rig {
    fn new() -> Self {
        Self::with(Box::new(Interpreter::new(Extensions::ALL)))
    }
}

impl<E: Engine + ?Sized> Rig<E> {
    fn with(engine: Box<E>) -> Self {
        let bus = Bus::new(Ram::new(PhysAddr(RAM), RAM_BYTES));
        let hart = Hart::new(HartConfig::default());
        let mut rig = Self { engine, hart, bus, next_table: TABLES };
        rig.put(HANDLER, &[jump_to_self()]);
        rig.set(MTVEC, HANDLER);
        rig.set(PMPADDR0, u64::MAX);
        rig.set(PMPCFG0, PMP_RWX_NAPOT);
        rig
    }

    /// Writes `code` to physical memory, as a device would.
    fn put(&mut self, at: u64, code: &[u32]) {
        let bytes: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = self.bus.ram.offset_of(PhysAddr(at), bytes.len() as u64).expect("in RAM");
        self.bus.ram.write(at, &bytes);
    }

    fn put_half(&mut self, at: u64, half: u32) {
        self.bus.store(PhysAddr(at), Width::Half, half.into()).expect("RAM");
    }

    fn word(&mut self, at: u64) -> u64 {
        self.bus.load(PhysAddr(at), Width::Double).expect("RAM")
    }

    fn set_word(&mut self, at: u64, value: u64) {
        self.bus.store(PhysAddr(at), Width::Double, value).expect("RAM");
    }

    /// Writes a CSR, with the effects that an instruction would have, and no others: what the hart
    /// has cached stays.
    fn set(&mut self, csr: u16, value: u64) {
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: self.hart.insns };
        let access = self.hart.csr.access(CsrAddr(csr), Some(|_| value), &cx);
        let (_, effect) = access.expect("writable");
        // Whoever sets something goes on with another turn, which looks at the rest.
        let _next = crate::system::apply(&mut self.hart, effect);
    }

    fn get(&mut self, csr: u16) -> u64 {
        let cx = CsrCx { privilege: Privilege::Machine, mtime: 0, insns: self.hart.insns };
        self.hart.csr.access(CsrAddr(csr), None::<fn(u64) -> u64>, &cx).expect("readable").0
    }

    /// A new address space with nothing in it but all of physical memory.
    fn space(&mut self, asid: u16) -> Satp {
        let root = self.table();
        let satp = Satp { mode: Mode::Sv39, asid: Asid(asid), root_ppn: root >> 12 };
        let linear = self.pte_at(satp, RAM, 2);
        self.set_word(linear, Pte::new(RAM >> 12, RW).0);
        satp
    }

    fn table(&mut self) -> u64 {
        self.next_table += PAGE_SIZE_BYTES;
        self.next_table - PAGE_SIZE_BYTES
    }

    /// Where `satp` keeps the entry of `level` for `va`; missing tables above it are made.
    fn pte_at(&mut self, satp: Satp, va: u64, level: u32) -> u64 {
        let mut table = satp.root_ppn << 12;
        for above in (level..3).rev() {
            let at = table + (va >> (12 + 9 * above) & 0x1ff) * PTE_SIZE_BYTES;
            if above == level {
                return at;
            }
            if self.word(at) == 0 {
                let next = self.table();
                self.set_word(at, Pte::new(next >> 12, Pte::V).0);
            }
            table = Pte(self.word(at)).page().0;
        }
        unreachable!("levels are 0 to 2")
    }

    /// Maps a base page; no fence.
    fn map(&mut self, satp: Satp, va: u64, pa: u64, bits: u64) {
        let at = self.pte_at(satp, va, 0);
        self.set_word(at, Pte::new(pa >> 12, bits).0);
    }

    /// Puts the hart before the instruction at `pc`.
    fn stand(&mut self, privilege: Privilege, satp: Satp, pc: u64) {
        self.hart.privilege = privilege;
        self.hart.pc = VirtAddr(pc);
        self.set(SATP, satp.to_bits());
        self.hart.refresh_translation();
    }

    /// Runs to the trap that ends the program.
    fn end(&mut self) -> End {
        self.end_in_turns_of(MANY_INSNS)
    }

    /// As [`end`](Self::end), by turns of `budget_insns` instructions.
    fn end_in_turns_of(&mut self, budget_insns: u64) -> End {
        let limit = self.hart.insns + MANY_INSNS;
        while self.hart.pc.0 != HANDLER {
            // The handler never ends, so the long turn is given in parts.
            self.engine.run(&mut self.hart, &mut self.bus, budget_insns.min(1000));
            self.bus.attention = false;
            assert!(self.hart.insns < limit, "stuck at {:?}", self.hart.pc);
        }
        End { cause: self.get(MCAUSE), epc: self.get(MEPC), tval: self.get(MTVAL) }
    }

    /// Runs from `pc` to the trap that ends the program.
    fn run_from(&mut self, privilege: Privilege, satp: Satp, pc: u64) -> End {
        self.stand(privilege, satp, pc);
        self.end()
    }
}

fn ecall() -> u32 {
    insn(Op::Ecall, 0, 0, 0, 0)
}

fn nop() -> u32 {
    addi(0, 0, 0)
}

/// `csrrw x0, csr, rs1`.
fn csrw(csr: u16, rs1: u8) -> u32 {
    insn(Op::Csrrw, 0, rs1, 0, csr.into())
}

/// `csrrs x0, csr, rs1`.
fn csrs(csr: u16, rs1: u8) -> u32 {
    insn(Op::Csrrs, 0, rs1, 0, csr.into())
}

/// `csrrc x0, csr, rs1`.
fn csrc(csr: u16, rs1: u8) -> u32 {
    insn(Op::Csrrc, 0, rs1, 0, csr.into())
}

/// `csrrs rd, csr, x0`.
fn csrr(rd: u8, csr: u16) -> u32 {
    insn(Op::Csrrs, rd, 0, 0, csr.into())
}

fn fence_i() -> u32 {
    insn(Op::FenceI, 0, 0, 0, 0)
}

/// Every form of fence over an address in `va` and an address space in `asid`, by name.
fn fences(va: u8, asid: u8) -> Vec<(String, Vec<u32>)> {
    let mut forms = Vec::new();
    for (rs1, rs2) in [(0, 0), (va, 0), (0, asid), (va, asid)] {
        let names = format!("x{rs1}, x{rs2}");
        forms.push((format!("sfence.vma {names}"), vec![insn(Op::SfenceVma, 0, rs1, rs2, 0)]));
        let sinval = [
            insn(Op::SfenceWInval, 0, 0, 0, 0),
            insn(Op::SinvalVma, 0, rs1, rs2, 0),
            insn(Op::SfenceInvalIr, 0, 0, 0, 0),
        ];
        forms.push((format!("sinval.vma {names}"), sinval.to_vec()));
    }
    forms
}
