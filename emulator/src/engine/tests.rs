//! The interpreter on small programs: blocks, budgets, overwritten code, precise traps.

use super::*;
use crate::addr::{PhysAddr, Privilege, Width};
use crate::bus::{BusFault, Device, DeviceCx, Ram};
use crate::csr::{CsrAddr, CsrCx};
use crate::hart::HartConfig;
use crate::isa::{Fields, Op, encode};
use crate::mmu::{Fence, WalkRecord};
use crate::trap::{Exception, Interrupt};

mod pitfalls;
mod stops;

const RAM: u64 = 0x8000_0000;
const RAM_BYTES: u64 = 0x1_0000;
const HANDLER: u64 = RAM + 0x8000;
const DEVICE: u64 = 0x1000_0000;

const MSTATUS: u16 = 0x300;
const MIE: u16 = 0x304;
const MTVEC: u16 = 0x305;
const MEPC: u16 = 0x341;
const MCAUSE: u16 = 0x342;
const MTVAL: u16 = 0x343;
const PMPCFG0: u16 = 0x3a0;
const PMPADDR0: u16 = 0x3b0;

struct Fixture<E: ?Sized = Interpreter<Events>> {
    engine: Box<E>,
    hart: Hart,
    bus: Bus,
}

/// What the observer heard, as text: of architectural state, and of how it came about.
#[derive(Debug, Default)]
struct Events(Vec<String>, Vec<String>);

impl Observer for Events {
    const ACTIVE: bool = true;

    fn x(&mut self, r: u8, value: u64) {
        self.0.push(format!("x{r}={value:#x}"));
    }

    fn csr(&mut self, addr: CsrAddr, value: u64) {
        self.0.push(format!("c{:#x}={value:#x}", addr.0));
    }

    fn store(&mut self, va: VirtAddr, width: Width, value: u64) {
        self.0.push(format!("{width:?} {:#x} at {:#x}", value, va.0));
    }

    fn retire(&mut self, privilege: Privilege, pc: VirtAddr, _bits: u32) {
        self.0.push(format!("{privilege:?} {:#x}", pc.0));
    }

    fn exception(&mut self, exception: &Exception, _: Privilege, epc: VirtAddr) {
        self.0.push(format!("{exception:?} from {:#x}", epc.0));
    }

    fn interrupt(&mut self, interrupt: Interrupt, _: Privilege, epc: VirtAddr) {
        self.0.push(format!("{interrupt:?} before {:#x}", epc.0));
    }

    fn turn(&mut self, hart: u64) {
        self.1.push(format!("turn of {hart}"));
    }

    fn pause(&mut self) {
        self.1.push("pause".to_owned());
    }

    fn begin(&mut self, _: Privilege, pc: VirtAddr, _: u32) {
        self.1.push(format!("begin {:#x}", pc.0));
    }

    fn decoded(&mut self, _: Privilege, pc: VirtAddr, code: &[u8]) {
        self.1.push(format!("decoded {:#x} {}", pc.0, code.len()));
    }

    fn lookup(&mut self, access: Access, va: VirtAddr, _: u64) {
        self.1.push(format!("{access:?} {:#x}", va.0));
    }

    fn walk(&mut self, walk: &WalkRecord, _: Privilege, pc: VirtAddr) {
        self.1.push(format!("miss {:?} {:#x} for {:#x}", walk.access, walk.va.0, pc.0));
    }

    fn fence(&mut self, fence: &Fence, origin: FenceOrigin) {
        self.1.push(format!("{origin:?} {:?}", fence.va));
    }
}

/// A register that counts its reads.
struct Counter(u64);

impl Device for Counter {
    fn name(&self) -> &'static str {
        "counter"
    }

    fn read(&mut self, _: u64, _: Width, _: &mut DeviceCx<'_>) -> Result<u64, BusFault> {
        self.0 += 1;
        Ok(self.0)
    }

    fn write(&mut self, _: u64, _: Width, _: u64, _: &mut DeviceCx<'_>) -> Result<(), BusFault> {
        Ok(())
    }

    fn reset(&mut self) {
        self.0 = 0;
    }
}

impl Fixture {
    fn new(program: &[u32]) -> Self {
        let engine = Interpreter::with_observer(Extensions::ALL, Events::default());
        Self::with(Box::new(engine), program)
    }
}

impl<E: Engine + ?Sized> Fixture<E> {
    /// M-mode at the first byte of RAM, which holds `program`; the handler is an endless loop.
    fn with(engine: Box<E>, program: &[u32]) -> Self {
        let mut bus = Bus::new(Ram::new(PhysAddr(RAM), RAM_BYTES));
        bus.map(PhysAddr(DEVICE), 0x1000, Box::new(Counter(0))).expect("free");
        let mut this = Self { engine, hart: Hart::new(HartConfig::default()), bus };
        this.put(RAM, program);
        this.put(HANDLER, &[jump_to_self()]);
        this.write_csr(MTVEC, HANDLER);
        this
    }

    fn put(&mut self, at: u64, program: &[u32]) {
        let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
        let at = self.bus.ram.offset_of(PhysAddr(at), bytes.len() as u64).expect("in RAM");
        self.bus.ram.write(at, &bytes);
    }

    fn csr_cx(&self) -> CsrCx {
        CsrCx { privilege: Privilege::Machine, mtime: 0, insns: self.hart.insns }
    }

    fn write_csr(&mut self, addr: u16, value: u64) {
        let cx = self.csr_cx();
        let _ = self.hart.csr.access(CsrAddr(addr), Some(|_| value), &cx).expect("writable");
        self.hart.refresh_translation();
        self.hart.refresh_protection();
    }

    fn read_csr(&mut self, addr: u16) -> u64 {
        let cx = self.csr_cx();
        self.hart.csr.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx).expect("readable").0
    }

    fn run(&mut self, budget_insns: u64) -> Exit {
        self.engine.run(&mut self.hart, &mut self.bus, budget_insns)
    }

    /// (mcause, mepc, mtval), after a trap.
    fn trap(&mut self) -> (u64, u64, u64) {
        (self.read_csr(MCAUSE), self.read_csr(MEPC), self.read_csr(MTVAL))
    }
}

fn insn(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> u32 {
    encode(op, &Fields { rd, rs1, rs2, imm, ..Fields::default() })
}

fn addi(rd: u8, rs1: u8, imm: i32) -> u32 {
    insn(Op::Addi, rd, rs1, 0, imm)
}

fn jump_to_self() -> u32 {
    insn(Op::Jal, 0, 0, 0, 0)
}

#[test]
fn a_loop_runs_and_the_budget_ends_it() {
    // x5 counts to 10, then spins.
    let mut f =
        Fixture::new(&[addi(6, 0, 10), addi(5, 5, 1), insn(Op::Bne, 0, 5, 6, -4), jump_to_self()]);
    assert_eq!(f.run(21), Exit::Budget);
    assert_eq!((f.hart.x[5], f.hart.insns, f.hart.pc.0), (10, 21, RAM + 12));
    assert_eq!(f.run(100), Exit::Budget);
    assert_eq!((f.hart.insns, f.hart.pc.0), (121, RAM + 12));
}

#[test]
fn traps_are_precise_in_the_middle_of_a_block() {
    let mut f = Fixture::new(&[addi(5, 0, 1), insn(Op::Ld, 5, 0, 0, 8), addi(5, 0, 3)]);
    f.run(2);
    assert_eq!(f.trap(), (5, RAM + 4, 8));
    assert_eq!(f.hart.x[5], 1);
    assert_eq!(f.hart.insns, 2, "addi, and the handler's first");
    assert_eq!(
        f.engine.turn.observer.observer.0[..3],
        ["x5=0x1", "Machine 0x80000000", "AccessFault(Load, VirtAddr(0x8)) from 0x80000004"]
    );
}

#[test]
fn a_hart_that_only_traps_still_returns() {
    let mut f = Fixture::new(&[0]);
    f.write_csr(MTVEC, RAM);
    assert_eq!(f.run(50), Exit::Budget);
    assert_eq!((f.hart.insns, f.hart.pc.0), (0, RAM));
    assert_eq!(f.trap(), (2, RAM, 0));
}

/// Patches `addi x5, x0, 1` in a loop body that has run before.
fn self_modifying(fence: u32) -> Fixture {
    let patched = addi(5, 0, 2);
    let mut f = Fixture::new(&[
        insn(Op::Jal, 0, 0, 0, 8),
        jump_to_self(),
        addi(5, 0, 1),
        insn(Op::Bne, 0, 5, 6, 8),
        insn(Op::Jal, 0, 0, 0, -12),
        insn(Op::Sw, 0, 7, 8, 8),
        fence,
        insn(Op::Jal, 0, 0, 0, -20),
    ]);
    (f.hart.x[6], f.hart.x[7], f.hart.x[8]) = (2, RAM, patched.into());
    f
}

#[test]
fn overwritten_code_is_fetched_anew() {
    for fence in [insn(Op::FenceI, 0, 0, 0, 0), addi(0, 0, 0)] {
        let mut f = self_modifying(fence);
        while f.run(20) == Exit::Attention {}
        assert_eq!((f.hart.x[5], f.hart.pc.0), (2, RAM + 4));
    }
}

#[test]
fn data_beside_code_is_stored_without_dropping_code() {
    let mut f = Fixture::new(&[insn(Op::Sd, 0, 7, 8, 0), addi(5, 5, 1), jump_to_self()]);
    (f.hart.x[7], f.hart.x[8]) = (RAM + 0x800, 42);
    assert_eq!(f.run(10), Exit::Budget);
    let at = f.bus.ram.offset_of(PhysAddr(RAM + 0x800), 8).expect("in RAM");
    assert_eq!(f.bus.ram.load(at, Width::Double), 42);
    assert!(f.bus.ram.is_page_tracked(at), "the page still holds code");
}

#[test]
fn dma_into_code_is_noticed() {
    let mut f = Fixture::new(&[addi(5, 0, 1), jump_to_self()]);
    f.run(2);
    f.put(RAM, &[addi(5, 0, 2)]);
    f.hart.pc = VirtAddr(RAM);
    assert_eq!(f.run(2), Exit::Budget);
    assert_eq!(f.hart.x[5], 2);
}

#[test]
fn an_instruction_may_straddle_two_pages() {
    let word = addi(5, 0, 7);
    let mut f = Fixture::new(&[]);
    f.put(RAM + 0xffe, &[word, word]);
    f.hart.pc = VirtAddr(RAM + 0xffe);
    f.run(1);
    assert_eq!((f.hart.x[5], f.hart.pc.0), (7, RAM + 0x1002));
}

#[test]
fn the_second_half_of_an_instruction_may_fault() {
    let mut f = Fixture::new(&[]);
    let end = RAM + RAM_BYTES;
    let last = f.bus.ram.offset_of(PhysAddr(end - 2), 2).expect("in RAM");
    f.bus.ram.store(last, Width::Half, addi(5, 0, 7).into());
    f.hart.pc = VirtAddr(end - 2);
    f.run(1);
    assert_eq!(f.trap(), (1, end - 2, end));
}

#[test]
fn pmp_may_end_in_the_middle_of_a_page_of_code() {
    // S-mode may execute the first 16 bytes of the page and nothing else.
    let mut f = Fixture::new(&[addi(5, 5, 1); 8]);
    f.write_csr(PMPADDR0, RAM >> 2);
    f.write_csr(PMPADDR0 + 1, (RAM + 16) >> 2);
    f.write_csr(PMPCFG0, 0x0c << 8);
    f.hart.privilege = Privilege::Supervisor;
    f.hart.refresh_translation();
    f.run(5);
    assert_eq!(f.trap(), (1, RAM + 16, RAM + 16));
    assert_eq!(f.hart.x[5], 4);
}

#[test]
fn wfi_waits_until_an_interrupt_is_pending_and_enabled() {
    let wfi = insn(Op::Wfi, 0, 0, 0, 0);
    let mut f = Fixture::new(&[wfi, addi(5, 5, 1), wfi, jump_to_self()]);
    assert_eq!(f.run(10), Exit::Wait);
    assert_eq!((f.hart.insns, f.hart.pc.0), (1, RAM + 4));
    // Pending and enabled in mie, but not globally: WFI ends, no trap.
    f.write_csr(MIE, Interrupt::MachineSoftware.bit());
    f.bus.irq.msip = 1;
    f.hart.sample_lines(&f.bus);
    assert_eq!(f.run(3), Exit::Budget);
    assert_eq!((f.hart.x[5], f.hart.pc.0), (1, RAM + 12));
}

#[test]
fn an_unmasked_interrupt_is_taken_before_the_next_instruction() {
    const MSTATUS_MIE: i32 = 8;
    let set_mie = encode(
        Op::Csrrsi,
        &Fields { rs1: MSTATUS_MIE as u8, imm: MSTATUS.into(), ..Fields::default() },
    );
    let mut f = Fixture::new(&[set_mie, addi(5, 5, 1)]);
    f.write_csr(MIE, Interrupt::MachineSoftware.bit());
    f.bus.irq.msip = 1;
    f.hart.sample_lines(&f.bus);
    f.run(2);
    assert_eq!(f.trap(), (1 << 63 | 3, RAM + 4, 0));
    assert_eq!(f.hart.x[5], 0);
}

#[test]
fn a_device_access_calls_for_attention() {
    let mut f = Fixture::new(&[insn(Op::Ld, 5, 7, 0, 0), jump_to_self()]);
    f.hart.x[7] = DEVICE;
    assert_eq!(f.run(10), Exit::Attention);
    assert_eq!(f.hart.x[5], 1);
    f.bus.attention = false;
    assert_eq!(f.run(10), Exit::Budget);
}

#[test]
fn system_instructions_report_what_they_did() {
    const MSCRATCH: i32 = 0x340;
    let mut f = Fixture::new(&[
        insn(Op::Csrrw, 6, 7, 0, MSCRATCH),
        // Its rd is a reserved field.
        insn(Op::FenceI, 6, 0, 0, 0),
        insn(Op::CboZero, 0, 7, 0, 0),
        jump_to_self(),
    ]);
    f.hart.x[7] = RAM + 0x1047;
    f.run(3);
    let heard = f.engine.turn.observer.observer.0;
    assert_eq!(heard[..3], ["x6=0x0", "c0x340=0x80001047", "Machine 0x80000000"]);
    assert_eq!(heard[3], "Machine 0x80000004");
    let zeros: Vec<String> =
        (RAM + 0x1040..RAM + 0x1080).map(|at| format!("Byte 0x0 at {at:#x}")).collect();
    assert_eq!(heard[4..4 + 64], zeros);
    assert_eq!(heard[4 + 64], "Machine 0x80000008");
}

/// What was heard of how things came about, since the last call.
fn heard(f: &mut Fixture) -> Vec<String> {
    std::mem::take(&mut f.engine.turn.observer.observer.1)
}

#[test]
fn a_watched_hart_tells_how_things_come_about() {
    let load = insn(Op::Ld, 5, 7, 0, 0);
    let mut f =
        Fixture::new(&[load, load, insn(Op::SfenceVma, 0, 7, 0, 0), insn(Op::Jal, 0, 0, 0, -8)]);
    let data = RAM + 0x2000;
    f.hart.x[7] = data;
    f.run(4);
    let loads = [
        "turn of 0".to_owned(),
        format!("Fetch {RAM:#x}"),
        format!("miss Fetch {RAM:#x} for {RAM:#x}"),
        format!("decoded {RAM:#x} 12"),
        format!("begin {RAM:#x}"),
        format!("Load {data:#x}"),
        format!("miss Load {data:#x} for {RAM:#x}"),
        format!("begin {:#x}", RAM + 4),
        format!("Load {data:#x}"),
        format!("begin {:#x}", RAM + 8),
        format!("Sfence Some(VirtAddr({data:#x}))"),
        format!("Fetch {:#x}", RAM + 12),
        format!("decoded {:#x} 4", RAM + 12),
        format!("begin {:#x}", RAM + 12),
        "pause".to_owned(),
    ];
    assert_eq!(heard(&mut f), loads);
    // What others have done to the hart comes first; nothing is decoded again.
    f.hart.mmu.sfence_vma(None, None);
    f.hart.pc = VirtAddr(RAM + 12);
    f.run(1);
    let after_fence = [
        "turn of 0".to_owned(),
        "Remote None".to_owned(),
        format!("Fetch {:#x}", RAM + 12),
        format!("miss Fetch {:#x} for {:#x}", RAM + 12, RAM + 12),
        format!("begin {:#x}", RAM + 12),
        "pause".to_owned(),
    ];
    assert_eq!(heard(&mut f), after_fence);
}

#[test]
fn a_fetch_that_faults_is_translated_once() {
    let mut f = Fixture::new(&[insn(Op::Jal, 0, 0, 0, -0x1000)]);
    // A locked PMP entry takes the page before RAM from M-mode.
    f.write_csr(PMPADDR0, (RAM - 0x1000) >> 2);
    f.write_csr(PMPADDR0 + 1, RAM >> 2);
    f.write_csr(PMPCFG0, 0x88 << 8);
    f.run(2);
    assert_eq!(f.trap(), (1, RAM - 0x1000, RAM - 0x1000));
    let misses = heard(&mut f).into_iter().filter(|event| event.starts_with("miss"));
    let miss = |at: u64| format!("miss Fetch {at:#x} for {at:#x}");
    assert_eq!(misses.collect::<Vec<_>>(), [RAM, RAM - 0x1000, HANDLER].map(miss));
}

#[test]
fn code_that_no_block_holds_is_decoded_each_time() {
    let mut f = Fixture::new(&[]);
    let at = RAM + 0xffe;
    f.put(at, &[addi(5, 5, 1)]);
    for _ in 0..2 {
        f.hart.pc = VirtAddr(at);
        f.run(1);
        let decoded = heard(&mut f).into_iter().filter(|event| event.starts_with("decoded"));
        assert_eq!(decoded.collect::<Vec<_>>(), [format!("decoded {at:#x} 4")]);
    }
}
