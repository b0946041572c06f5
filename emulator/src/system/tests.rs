//! Tables of the system instructions: who may execute what, and what it does.

use super::*;
use crate::addr::{Access, PhysAddr, Privilege, VirtAddr, Width};
use crate::bus::{Ram, RamOffset};
use crate::csr::CsrCx;
use crate::hart::HartConfig;
use crate::isa::Op;
use Privilege::{Machine, Supervisor, User};

const BASE: u64 = 0x8000_0000;
const MSTATUS: u16 = 0x300;
const TVM: u64 = 1 << 20;
const TW: u64 = 1 << 21;
const TSR: u64 = 1 << 22;
const MPRV: u64 = 1 << 17;
const SXL_UXL: u64 = 0xa_0000_0000;
const BITS: u32 = 0xabcd_0073;
const ILLEGAL: Exception = Exception::IllegalInstruction(BITS);

fn bus() -> Bus {
    Bus::new(Ram::new(PhysAddr(BASE), 0x2000))
}

/// A hart in `privilege` that has written `csrs`, with all memory open to every mode.
fn hart(privilege: Privilege, csrs: &[(u16, u64)]) -> Hart {
    let mut hart = Hart::new(HartConfig::default());
    for &(addr, value) in [(0x3b0, u64::MAX), (0x3a0, 0x1f)].iter().chain(csrs) {
        set(&mut hart, addr, value);
    }
    hart.privilege = privilege;
    hart.pc = VirtAddr(BASE + 4);
    hart.refresh_translation();
    hart.refresh_protection();
    hart
}

fn set(hart: &mut Hart, addr: u16, value: u64) {
    let cx = CsrCx { privilege: Machine, mtime: 0, insns: 0 };
    let _ = hart.csr.access(CsrAddr(addr), Some(|_| value), &cx).expect("writable");
}

fn get(hart: &mut Hart, addr: u16) -> u64 {
    let cx = CsrCx { privilege: Machine, mtime: 0, insns: 0 };
    hart.csr.access(CsrAddr(addr), None::<fn(u64) -> u64>, &cx).expect("readable").0
}

/// An instruction with these operands; `execute` looks at the operation it is given.
fn insn(rd: u8, rs1: u8, rs2: u8, imm: i32) -> Insn {
    Insn { op: Op::Add, rd, rs1, rs2, rs3: 0, rm: 0, at: 0, imm, bits: BITS }
}

fn run(op: SystemOp, hart: &mut Hart) -> Result<Next, Exception> {
    execute(op, hart, &mut bus(), &insn(0, 0, 0, 0))
}

#[test]
fn privilege_decides_what_is_legal() {
    use SystemOp::*;
    // Operation, mstatus, whether it is legal in U, S and M.
    for (op, status, legal) in [
        (Mret, 0, [false, false, true]),
        (Mret, TSR | TVM | TW, [false, false, true]),
        (Sret, 0, [false, true, true]),
        (Sret, TSR, [false, false, true]),
        (Sret, TVM | TW, [false, true, true]),
        (Wfi, 0, [false, true, true]),
        (Wfi, TW, [false, false, true]),
        (Wfi, TVM | TSR, [false, true, true]),
        (WrsNto, 0, [true, true, true]),
        (WrsNto, TW, [false, false, true]),
        (WrsSto, TW, [true, true, true]),
        (SfenceVma, 0, [false, true, true]),
        (SfenceVma, TVM, [false, false, true]),
        (SfenceVma, TW | TSR, [false, true, true]),
        (SinvalVma, 0, [false, true, true]),
        (SinvalVma, TVM, [false, false, true]),
        (SfenceWInval, TVM, [false, true, true]),
        (SfenceInvalIr, TVM, [false, true, true]),
        (FenceI, TVM | TW | TSR, [true, true, true]),
    ] {
        for (privilege, legal) in [User, Supervisor, Machine].into_iter().zip(legal) {
            let mut hart = hart(privilege, &[(MSTATUS, status)]);
            let found = run(op, &mut hart);
            assert_eq!(found.is_ok(), legal, "{op:?} in {privilege:?}, mstatus {status:#x}");
            if !legal {
                assert_eq!(found, Err(ILLEGAL));
                assert_eq!((hart.pc, hart.privilege), (VirtAddr(BASE + 4), privilege));
            }
        }
    }
}

#[test]
fn calls_and_breakpoints() {
    for privilege in [User, Supervisor, Machine] {
        let mut hart = hart(privilege, &[]);
        let call = Exception::EnvironmentCall(privilege);
        assert_eq!(run(SystemOp::Ecall, &mut hart), Err(call));
        let here = Exception::Breakpoint(VirtAddr(BASE));
        assert_eq!(run(SystemOp::Ebreak, &mut hart), Err(here));
        let short = Insn { bits: 0x9002, ..insn(0, 0, 0, 0) };
        let here = Exception::Breakpoint(VirtAddr(BASE + 2));
        assert_eq!(execute(SystemOp::Ebreak, &mut hart, &mut bus(), &short), Err(here));
    }
}

#[test]
fn the_engine_hears_what_to_do() {
    for (op, next) in [
        (SystemOp::Wfi, Next::WAIT),
        (SystemOp::FenceI, Next::FLUSH_CODE),
        (SystemOp::SfenceVma, Next::RETRANSLATE),
        (SystemOp::Mret, Next::RETRANSLATE | Next::CHECK_INTERRUPTS),
        (SystemOp::Sret, Next::RETRANSLATE | Next::CHECK_INTERRUPTS),
        (SystemOp::WrsNto, Next::CONTINUE),
    ] {
        assert_eq!(run(op, &mut hart(Machine, &[])), Ok(next), "{op:?}");
    }
    assert!((Next::WAIT | Next::FLUSH_CODE).has(Next::WAIT));
    assert!(!Next::WAIT.has(Next::FLUSH_CODE) && Next::WAIT.has(Next::CONTINUE));
}

#[test]
fn trap_returns_unstack() {
    use SystemOp::{Mret, Sret};
    // Operation in M-mode, mstatus before; mode and mstatus after.
    for (op, before, to, after) in [
        (Mret, 0x0000, User, 0x80),
        (Mret, 0x0080, User, 0x88),
        (Mret, 0x0008, User, 0x80),
        (Mret, 0x0880, Supervisor, 0x88),
        (Mret, 0x1880, Machine, 0x88),
        (Mret, 0x0880 | MPRV, Supervisor, 0x88),
        (Mret, MPRV, User, 0x80),
        (Mret, 0x1800 | MPRV, Machine, 0x80 | MPRV),
        (Mret, 0x0122, User, 0x1a2),
        (Sret, 0x0000, User, 0x20),
        (Sret, 0x0020, User, 0x22),
        (Sret, 0x0002, User, 0x20),
        (Sret, 0x0120, Supervisor, 0x22),
        (Sret, 0x0120 | MPRV, Supervisor, 0x22),
        (Sret, 0x1988, Supervisor, 0x18a8),
    ] {
        let mut hart = hart(Machine, &[(MSTATUS, before), (0x341, 0x1002), (0x141, 0x2002)]);
        assert!(run(op, &mut hart).is_ok());
        let pc = if op == Mret { 0x1002 } else { 0x2002 };
        assert_eq!((hart.privilege, hart.pc.0), (to, pc), "{op:?} {before:#x}");
        let found = get(&mut hart, MSTATUS);
        assert_eq!(found, SXL_UXL | after, "{op:?} {before:#x}: {found:#x}");
    }
}

#[test]
fn csr_instructions() {
    const MSCRATCH: i32 = 0x340;
    const CYCLE: i32 = 0xc00;
    use SystemOp::{CsrClear, CsrClearImm, CsrSet, CsrSetImm, CsrWrite, CsrWriteImm};
    // Operation, CSR, rs1; old value in rd, value of mscratch (6 before) after.
    for (op, csr, rs1, expected) in [
        (CsrWrite, MSCRATCH, 5, Ok((6, 0x50))),
        (CsrWrite, MSCRATCH, 0, Ok((6, 0))),
        (CsrSet, MSCRATCH, 5, Ok((6, 0x56))),
        (CsrSet, MSCRATCH, 0, Ok((6, 6))),
        (CsrClear, MSCRATCH, 5, Ok((6, 6))),
        (CsrWriteImm, MSCRATCH, 5, Ok((6, 5))),
        (CsrWriteImm, MSCRATCH, 0, Ok((6, 0))),
        (CsrSetImm, MSCRATCH, 5, Ok((6, 7))),
        (CsrClearImm, MSCRATCH, 5, Ok((6, 2))),
        (CsrClearImm, MSCRATCH, 31, Ok((6, 0))),
        // Setting or clearing nothing is no write, so a read-only register allows it.
        (CsrSet, CYCLE, 0, Ok((40, 6))),
        (CsrClear, CYCLE, 0, Ok((40, 6))),
        (CsrSetImm, CYCLE, 0, Ok((40, 6))),
        (CsrWrite, CYCLE, 0, Err(ILLEGAL)),
        (CsrSet, CYCLE, 6, Err(ILLEGAL)),
        (CsrSetImm, CYCLE, 1, Err(ILLEGAL)),
        (CsrWrite, 0x7c0, 5, Err(ILLEGAL)),
    ] {
        let mut hart = hart(Machine, &[(MSCRATCH as u16, 6)]);
        (hart.x[5], hart.x[10], hart.insns) = (0x50, 99, 40);
        let i = insn(10, rs1, 0, csr);
        let result = execute(op, &mut hart, &mut bus(), &i).map(|next| {
            assert_eq!(next, Next::CONTINUE);
            (hart.x[10], get(&mut hart, MSCRATCH as u16))
        });
        assert_eq!(result, expected, "{op:?} {csr:#x} {rs1}");
        if result.is_err() {
            assert_eq!((hart.x[10], get(&mut hart, MSCRATCH as u16)), (99, 6), "nothing changed");
        }
    }
}

#[test]
fn csr_writes_reach_the_mmu() {
    let write = |hart: &mut Hart, csr: i32, value: u64| {
        hart.x[5] = value;
        execute(SystemOp::CsrWrite, hart, &mut bus(), &insn(0, 5, 0, csr))
    };
    let mut hart = hart(Machine, &[]);
    let at = VirtAddr(BASE);
    assert!(hart.mmu.load(&mut bus(), at, Width::Word).is_ok());
    // With all PMP entries off, U-mode reaches nothing; MPRV lends its privilege.
    assert_eq!(write(&mut hart, 0x3a0, 0), Ok(Next::RETRANSLATE));
    assert_eq!(write(&mut hart, 0x300, MPRV), Ok(Next::RETRANSLATE));
    let fault = Err(Exception::AccessFault(Access::Load, at));
    assert_eq!(hart.mmu.load(&mut bus(), at, Width::Word), fault);
    assert_eq!(write(&mut hart, 0x3a0, 0x1f), Ok(Next::RETRANSLATE));
    assert_eq!(hart.mmu.load(&mut bus(), at, Width::Word), Ok(0));
    // An empty root page table maps nothing.
    assert_eq!(write(&mut hart, 0x180, 8 << 60 | BASE >> 12), Ok(Next::RETRANSLATE));
    let fault = Err(Exception::PageFault(Access::Load, VirtAddr(0x1000)));
    assert_eq!(hart.mmu.load(&mut bus(), VirtAddr(0x1000), Width::Word), fault);
    assert_eq!(write(&mut hart, 0x304, 2), Ok(Next::CHECK_INTERRUPTS));
}

#[test]
fn fences_name_an_address_and_a_space() {
    const ROOT: u64 = BASE + 0x1000;
    const GIGAPAGE: u64 = (BASE >> 12) << 10 | 0xcf;
    let satp = 8 << 60 | 7 << 44 | ROOT >> 12;
    // rs1, rs2; whether the translation of 0x4000_0000 in space 7 is forgotten.
    for (rs1, rs2, forgotten) in [
        (0, 0, true),
        (1, 0, true),
        (0, 2, true),
        (1, 2, true),
        (3, 0, false),
        (0, 4, false),
        (3, 2, false),
        (1, 4, false),
        // Bits above the width of an ASID are ignored.
        (0, 5, true),
    ] {
        let mut bus = bus();
        let entry = PhysAddr(ROOT + 8);
        bus.store(entry, Width::Double, GIGAPAGE).expect("RAM");
        let mut hart = hart(Supervisor, &[(0x180, satp)]);
        hart.x[1..=5].copy_from_slice(&[0x4000_0000, 7, 0x8000_0000, 8, 0x1_0007]);
        let va = VirtAddr(0x4000_0000);
        assert!(hart.mmu.load(&mut bus, va, Width::Word).is_ok());
        bus.store(entry, Width::Double, 0).expect("RAM");
        assert!(hart.mmu.load(&mut bus, va, Width::Word).is_ok(), "cached");
        let next = execute(SystemOp::SfenceVma, &mut hart, &mut bus, &insn(0, rs1, rs2, 0));
        assert_eq!(next, Ok(Next::RETRANSLATE));
        let gone = hart.mmu.load(&mut bus, va, Width::Word).is_err();
        assert_eq!(gone, forgotten, "sfence.vma x{rs1}, x{rs2}");
    }
}

#[test]
fn cache_block_operations() {
    use SystemOp::{CboClean, CboFlush, CboInval, CboZero};
    const ALL_OPS: u64 = 0xf0;
    // Operation, menvcfg, senvcfg; legal in U, S, M.
    for (op, menvcfg, senvcfg, legal) in [
        (CboZero, 0, ALL_OPS, [false, false, true]),
        (CboZero, 0x80, 0, [false, true, true]),
        (CboZero, 0x80, 0x80, [true, true, true]),
        (CboClean, 0x40, 0, [false, true, true]),
        (CboFlush, 0x40, 0x40, [true, true, true]),
        (CboFlush, 0xb0, 0xb0, [false, false, true]),
        (CboInval, 0x10, 0x30, [true, true, true]),
        (CboInval, 0x30, 0xc0, [false, true, true]),
        (CboInval, 0xc0, ALL_OPS, [false, false, true]),
    ] {
        for (privilege, legal) in [User, Supervisor, Machine].into_iter().zip(legal) {
            let mut hart = hart(privilege, &[(0x30a, menvcfg), (0x10a, senvcfg)]);
            hart.x[5] = BASE + 0x7f;
            let mut bus = bus();
            bus.ram.write(RamOffset(0), &[0xff; 0x100]);
            let found = execute(op, &mut hart, &mut bus, &insn(0, 5, 0, 0));
            let expected = if legal { Ok(Next::CONTINUE) } else { Err(ILLEGAL) };
            assert_eq!(found, expected, "{op:?} in {privilege:?}: {menvcfg:#x} {senvcfg:#x}");
            let zeros = bus.ram.slice(RamOffset(0), 0x100).iter().filter(|b| **b == 0);
            assert_eq!(zeros.count(), if legal && op == CboZero { 64 } else { 0 });
        }
    }
}

#[test]
fn cache_block_faults_are_store_faults() {
    use SystemOp::{CboClean, CboFlush, CboInval, CboZero};
    for op in [CboZero, CboClean, CboFlush, CboInval] {
        let mut hart = hart(Machine, &[]);
        hart.x[5] = 0x1040;
        let found = execute(op, &mut hart, &mut bus(), &insn(0, 5, 0, 0));
        let fault = Exception::AccessFault(Access::Store, VirtAddr(0x1040));
        assert_eq!(found, Err(fault), "{op:?}");
    }
}

#[test]
fn the_time_is_read_from_the_clock_that_makes_it_pass() {
    assert_eq!(CsrAddr::TIME.name().as_deref(), Some("time"));
    let read = insn(1, 0, 0, CsrAddr::TIME.0.into());
    let mut hart = hart(Machine, &[]);
    let mut time = |bus: &mut Bus| {
        assert_eq!(execute(SystemOp::CsrSet, &mut hart, bus, &read), Ok(Next::CONTINUE));
        hart.x[1]
    };
    let mut bus = bus();
    bus.set_clock(12_300, 0);
    assert_eq!([time(&mut bus), time(&mut bus)], [123; 2]);
    // Nobody tells the time of the host.
    bus.use_host_clock();
    let first = time(&mut bus);
    assert!((0..u64::from(u32::MAX)).any(|_| time(&mut bus) > first));
}
