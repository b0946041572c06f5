//! What changes a translation acts on the very next instruction, whether that loads, stores or
//! is itself fetched in another way, however often the same code has run before.

use super::*;
use Privilege::{Machine, Supervisor, User};

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
const MPRV: u64 = 1 << 17;
const MPP_SUPERVISOR: u64 = 1 << 11;
const ADUE: u64 = 1 << 61;
const PBMTE: u64 = 1 << 62;
/// A leaf's memory type: non-cacheable.
const PBMT_NC: u64 = 1 << 61;
const PMP_R_NAPOT: u64 = 0x19;

/// One step of a program that runs in a straight line.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Loads from the page under test: the value, or the cause of a fault.
    Load(Result<u64, u64>),
    /// Stores there.
    Store(Result<(), u64>),
    /// Writes a CSR.
    Csr(u16, u64),
    /// Sets bits of a CSR.
    Set(u16, u64),
    /// Clears bits of a CSR.
    Clear(u16, u64),
}
use Step::{Clear, Csr, Load, Set, Store};

/// Register with the address under test.
const POINTER: u8 = 4;
/// Register that single loads go to.
const LOADED: u8 = 5;
/// Registers with operands come from here upwards, those with results from there downwards.
const FIRST_OPERAND: u8 = 8;
const FIRST_RESULT: u8 = 31;
/// What a register holds that no load has reached.
const NOTHING: u64 = 0xdead_beef;

/// Runs `steps`, one instruction each, at the pc of `rig`; goes on behind those that fault.
fn run_steps(rig: &mut Rig, name: &str, steps: &[Step]) {
    let (privilege, start) = (rig.hart.privilege, rig.hart.pc.0);
    let satp = Satp::from_bits(rig.get(SATP));
    let (mut operand, mut result) = (FIRST_OPERAND, FIRST_RESULT);
    let (mut code, mut faults, mut results) = (Vec::new(), Vec::new(), Vec::new());
    for (step, epc) in steps.iter().zip((start..).step_by(4)) {
        let (op, csr, value) = match *step {
            Load(expected) => {
                code.push(insn(Op::Ld, result, POINTER, 0, 0));
                rig.hart.x[usize::from(result)] = NOTHING;
                results.push((result, expected.unwrap_or(NOTHING)));
                faults.extend(expected.err().map(|cause| End { cause, epc, tval: DATA }));
                result -= 1;
                continue;
            }
            Store(expected) => {
                code.push(insn(Op::Sd, 0, POINTER, 0, 8));
                faults.extend(expected.err().map(|cause| End { cause, epc, tval: DATA + 8 }));
                continue;
            }
            Csr(csr, value) => (Op::Csrrw, csr, value),
            Set(csr, value) => (Op::Csrrs, csr, value),
            Clear(csr, value) => (Op::Csrrc, csr, value),
        };
        code.push(insn(op, 0, operand, 0, csr.into()));
        rig.hart.x[usize::from(operand)] = value;
        operand += 1;
    }
    assert!(operand <= result + 1, "too many registers");
    code.push(ecall());
    let code_at = if privilege == Machine { start } else { frame(0) + start % PAGE_SIZE_BYTES };
    rig.put(code_at, &code);
    rig.hart.x[usize::from(POINTER)] = DATA;
    for fault in faults {
        assert_eq!(rig.end(), fault, "{name}");
        let current = Satp::from_bits(rig.get(SATP));
        rig.stand(privilege, current, fault.epc + 4);
    }
    assert_eq!(rig.end().epc, start + 4 * steps.len() as u64, "{name}: the end");
    for (number, (register, expected)) in results.into_iter().enumerate() {
        assert_eq!(rig.hart.x[usize::from(register)], expected, "{name}: load {number}");
    }
    rig.stand(privilege, satp, start);
}

/// Two address spaces that share the code page. The page under test is a frame of their own,
/// which holds 100 or 101.
fn two_spaces(bits: u64) -> (Rig, [Satp; 2]) {
    let mut rig = Rig::new();
    let spaces = [1, 2].map(|asid| rig.space(asid));
    for (number, satp) in (1..).zip(spaces) {
        rig.map(satp, CODE, frame(0), RX);
        rig.map(satp, DATA, frame(number), bits);
        rig.set_word(frame(number), 99 + number);
    }
    (rig, spaces)
}

#[test]
fn csr_writes_act_on_the_next_load_or_store() {
    const NO_LOAD: Step = Load(Err(LOAD_PAGE_FAULT));
    const NO_STORE: Step = Store(Err(STORE_PAGE_FAULT));
    const FINE: Step = Load(Ok(100));
    const STORES: Step = Store(Ok(()));
    let (sum, no_sum) = (Set(SSTATUS, SUM), Clear(SSTATUS, SUM));
    let (mxr, no_mxr) = (Set(SSTATUS, MXR), Clear(SSTATUS, MXR));
    for (name, bits, steps) in [
        ("SUM", RW | Pte::U, [NO_LOAD, sum, FINE, STORES, no_sum, NO_LOAD, NO_STORE]),
        (
            "SUM, stores first",
            RW | Pte::U,
            [NO_STORE, sum, STORES, FINE, no_sum, NO_STORE, NO_LOAD],
        ),
        ("MXR", RX & !Pte::R, [NO_LOAD, mxr, FINE, NO_STORE, no_mxr, NO_STORE, NO_LOAD]),
    ] {
        let (mut rig, [satp, _]) = two_spaces(bits);
        rig.stand(Supervisor, satp, CODE);
        for _ in 0..3 {
            run_steps(&mut rig, name, &steps);
        }
    }
}

#[test]
fn satp_acts_on_the_next_load() {
    let (mut rig, spaces) = two_spaces(RW);
    let [first, second] = spaces.map(|satp| satp.to_bits());
    let there_and_back = [Csr(SATP, second), Load(Ok(101)), Csr(SATP, first), Load(Ok(100))];
    rig.stand(Supervisor, spaces[0], CODE);
    for _ in 0..3 {
        run_steps(&mut rig, "satp", &[there_and_back, there_and_back].concat());
    }
}

#[test]
fn machine_mode_sees_changes_at_once_through_mprv() {
    const SUPERVISOR: Step = Csr(MSTATUS, MPRV | MPP_SUPERVISOR);
    const USER: Step = Csr(MSTATUS, MPRV);
    const NO_LOAD: Step = Load(Err(LOAD_PAGE_FAULT));
    const NO_STORE: Step = Store(Err(STORE_PAGE_FAULT));
    let denied = |step| match step {
        Load(_) => Load(Err(LOAD_ACCESS_FAULT)),
        _ => Store(Err(STORE_ACCESS_FAULT)),
    };
    let (fine, stores) = (Load(Ok(100)), Store(Ok(())));
    // A trap changes MPP, so it is set anew after each.
    for (name, bits, steps) in [
        ("MPP", RW, vec![SUPERVISOR, fine, USER, NO_LOAD, SUPERVISOR, fine]),
        ("MPP and U", RW | Pte::U, vec![USER, fine, SUPERVISOR, NO_LOAD, USER, fine]),
        (
            "SUM",
            RW | Pte::U,
            vec![SUPERVISOR, Set(MSTATUS, SUM), fine, Clear(MSTATUS, SUM), NO_LOAD],
        ),
        (
            "ADUE",
            RW & !Pte::A & !Pte::D,
            vec![SUPERVISOR, NO_LOAD, SUPERVISOR, Set(MENVCFG, ADUE), fine, stores],
        ),
        (
            "D alone",
            RW & !Pte::D,
            vec![SUPERVISOR, fine, NO_STORE, SUPERVISOR, Set(MENVCFG, ADUE), stores],
        ),
        (
            "PBMTE",
            RW | PBMT_NC,
            vec![SUPERVISOR, NO_LOAD, SUPERVISOR, Set(MENVCFG, PBMTE), fine, stores],
        ),
        (
            "PMP",
            RW,
            vec![
                SUPERVISOR,
                fine,
                stores,
                Csr(PMPCFG0, PMP_R_NAPOT),
                fine,
                denied(stores),
                SUPERVISOR,
                Csr(PMPCFG0, 0),
                denied(fine),
                SUPERVISOR,
                Csr(PMPCFG0, PMP_RWX_NAPOT),
                fine,
                stores,
            ],
        ),
    ] {
        let (mut rig, [satp, _]) = two_spaces(bits);
        rig.stand(Machine, satp, BARE_CODE);
        run_steps(&mut rig, name, &steps);
    }
}

/// The page under test gets another frame, under the feet of a program that has used it; each
/// form of fence lets the very next load see it.
#[test]
fn fences_act_on_the_next_load() {
    const ENTRY: u8 = 6;
    const VALUE: u8 = 7;
    const ASID: u8 = 8;
    for (name, fence) in fences(POINTER, ASID) {
        let (mut rig, [satp, _]) = two_spaces(RW);
        let entry = rig.pte_at(satp, DATA, 0);
        let mut code = vec![insn(Op::Ld, LOADED, POINTER, 0, 0), insn(Op::Sd, 0, ENTRY, VALUE, 0)];
        code.extend(fence);
        code.extend([insn(Op::Ld, 10, POINTER, 0, 0), ecall()]);
        rig.put(frame(0), &code);
        for (new, value) in [(2, 101), (1, 100), (2, 101)] {
            let old = if value == 100 { 101 } else { 100 };
            rig.hart.x[usize::from(POINTER)] = DATA;
            rig.hart.x[usize::from(ENTRY)] = entry;
            rig.hart.x[usize::from(VALUE)] = Pte::new(frame(new) >> 12, RW).0;
            rig.hart.x[usize::from(ASID)] = satp.asid.0.into();
            assert_eq!(rig.run_from(Supervisor, satp, CODE).cause, ECALL_FROM_S, "{name}");
            assert_eq!([rig.hart.x[usize::from(LOADED)], rig.hart.x[10]], [old, value], "{name}");
        }
    }
}

/// Two frames at one address: the one that changes the translation and the one that comes after.
/// `change` must let the very next instruction be fetched from the second frame.
fn next_fetch_is_translated_anew(name: &str, prepare: impl Fn(&mut Rig, Satp), change: &[u32]) {
    let mut rig = Rig::new();
    let satp = rig.space(1);
    rig.map(satp, CODE, frame(0), RX);
    let tail = |number| [addi(LOADED, 0, number), ecall()];
    rig.put(frame(0), &[change, &tail(1)].concat());
    rig.put(frame(1), &[change, &tail(2)].concat());
    // First nothing changes, and the code that must not run on is there, decoded and linked.
    let entry = rig.pte_at(satp, CODE, 0);
    let same = rig.word(entry);
    (rig.hart.x[6], rig.hart.x[7], rig.hart.x[8]) = (entry, same, 1);
    (rig.hart.x[9], rig.hart.x[POINTER as usize]) = (satp.to_bits(), CODE);
    for _ in 0..3 {
        assert_eq!(rig.run_from(Supervisor, satp, CODE).cause, ECALL_FROM_S, "{name}");
        assert_eq!(rig.hart.x[usize::from(LOADED)], 1, "{name}");
    }
    prepare(&mut rig, satp);
    assert_eq!(rig.run_from(Supervisor, satp, CODE).cause, ECALL_FROM_S, "{name}");
    assert_eq!(rig.hart.x[usize::from(LOADED)], 2, "{name}");
}

#[test]
fn fences_act_on_the_next_fetch() {
    for (name, fence) in fences(POINTER, 8) {
        let change = [vec![insn(Op::Sd, 0, 6, 7, 0)], fence].concat();
        let prepare = |rig: &mut Rig, _| rig.hart.x[7] = Pte::new(frame(1) >> 12, RX).0;
        next_fetch_is_translated_anew(&name, prepare, &change);
    }
}

#[test]
fn satp_acts_on_the_next_fetch() {
    let prepare = |rig: &mut Rig, _| {
        let other = rig.space(2);
        rig.map(other, CODE, frame(1), RX);
        rig.hart.x[9] = other.to_bits();
    };
    next_fetch_is_translated_anew("satp", prepare, &[csrw(SATP, 9)]);
}

/// What another hart's fence, or firmware on its behalf, does between two turns.
#[test]
fn a_remote_fence_acts_on_the_next_fetch_of_a_running_loop() {
    for fence in [
        (None, None),
        (Some(VirtAddr(CODE)), None),
        (None, Some(Asid(1))),
        (Some(VirtAddr(CODE)), Some(Asid(1))),
    ] {
        let mut rig = Rig::new();
        let satp = rig.space(1);
        rig.map(satp, CODE, frame(0), RX);
        rig.put(frame(0), &[addi(LOADED, LOADED, 1), insn(Op::Jal, 0, 0, 0, -4)]);
        rig.put(frame(1), &[ecall(), ecall()]);
        rig.stand(Supervisor, satp, CODE);
        rig.engine.run(&mut rig.hart, &mut rig.bus, 100);
        let counted = rig.hart.x[usize::from(LOADED)];
        assert!(counted >= 49, "the loop runs");
        rig.map(satp, CODE, frame(1), RX);
        rig.hart.mmu.sfence_vma(fence.0, fence.1);
        assert_eq!(rig.end().cause, ECALL_FROM_S, "{fence:?}");
        assert_eq!(rig.hart.x[usize::from(LOADED)], counted, "{fence:?}");
    }
}

/// Returns and calls that change the mode lead to a page that the new mode may not execute,
/// although the old one has just run the very same code there.
#[test]
fn a_change_of_mode_asks_for_rights_anew() {
    const SPP: u64 = 1 << 8;
    const SEPC: u16 = 0x141;
    let mut rig = Rig::new();
    let satp = rig.space(1);
    rig.map(satp, CODE, frame(0), RX);
    rig.put(frame(0), &[insn(Op::Sret, 0, 0, 0, 0), ecall()]);
    let mut sret_to = |status: u64, bits: u64| {
        rig.map(satp, CODE, frame(0), bits);
        rig.hart.mmu.sfence_vma(None, None);
        rig.set(MSTATUS, status);
        rig.set(SEPC, CODE + 4);
        rig.run_from(Supervisor, satp, CODE)
    };
    for _ in 0..2 {
        assert_eq!(sret_to(SPP, RX).cause, ECALL_FROM_S);
        let end = sret_to(0, RX);
        assert_eq!(end, End { cause: FETCH_PAGE_FAULT, epc: CODE + 4, tval: CODE + 4 });
    }
    // The other way round: a call from U-mode, delegated to a handler on the page of the caller.
    const STVEC: u16 = 0x105;
    const ECALL_FROM_U: u64 = 8;
    rig.set(MEDELEG, 1 << ECALL_FROM_U);
    rig.set(STVEC, CODE);
    rig.put(frame(0), &[ecall(), ecall()]);
    rig.map(satp, CODE, frame(0), RX | Pte::U);
    rig.hart.mmu.sfence_vma(None, None);
    for _ in 0..2 {
        let end = rig.run_from(User, satp, CODE);
        assert_eq!(end, End { cause: FETCH_PAGE_FAULT, epc: CODE, tval: CODE });
    }
}

#[test]
fn pmp_acts_on_the_next_fetch() {
    const LOCKED_R_NAPOT: u64 = 0x80 | PMP_R_NAPOT;
    // The page that the program is on becomes one that even M-mode may not execute.
    let mut rig = Rig::new();
    let page = BARE_CODE >> 2 | (PAGE_SIZE_BYTES / 8 - 1);
    rig.put(BARE_CODE, &[csrw(PMPCFG0, 9), addi(LOADED, LOADED, 1), ecall()]);
    rig.set(PMPADDR0 + 1, u64::MAX);
    rig.set(PMPADDR0, page);
    for (config, cause, count) in [
        (PMP_RWX_NAPOT << 8, 11, 1),
        (PMP_RWX_NAPOT << 8, 11, 2),
        (PMP_RWX_NAPOT << 8 | LOCKED_R_NAPOT, FETCH_ACCESS_FAULT, 2),
    ] {
        rig.hart.x[9] = config;
        let end = rig.run_from(Machine, Satp::default(), BARE_CODE);
        assert_eq!((end.cause, rig.hart.x[usize::from(LOADED)]), (cause, count));
    }
    assert_eq!(rig.get(MEPC), BARE_CODE + 4);
}
