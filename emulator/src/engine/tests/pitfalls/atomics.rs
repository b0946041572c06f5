//! Reservations: what is between a load-reserved and its store-conditional decides whether that
//! may store. And atomics need the right to write from the beginning.

use super::*;
use Privilege::{Machine, Supervisor};

const CODE: u64 = 0x1_0000;
const DATA: u64 = 0x2_0000;
/// Register with the address that is reserved, and with another.
const HERE: u8 = 10;
const THERE: u8 = 11;
/// Where the outcome of the last store-conditional is.
const OUTCOME: u8 = 5;

const OLD: u64 = 100;
const NEW: u64 = 200;

fn reserve(at: u8) -> u32 {
    insn(Op::LrD, 6, at, 0, 0)
}

fn conditionally(at: u8) -> u32 {
    insn(Op::ScD, OUTCOME, at, 7, 0)
}

/// A rig with `code`, a page of data that S-mode may write, and one that it may not.
fn rig(code: &[u32]) -> (Rig, Satp) {
    let mut rig = Rig::new();
    let satp = rig.space(1);
    rig.map(satp, CODE, frame(0), RX);
    rig.map(satp, DATA, frame(1), RW);
    rig.map(satp, DATA + PAGE_SIZE_BYTES, frame(2), RX);
    rig.put(frame(0), code);
    for number in [1, 2] {
        rig.set_word(frame(number), OLD);
    }
    rig.hart.x[usize::from(HERE)] = DATA;
    rig.hart.x[usize::from(THERE)] = DATA + 0x800;
    rig.hart.x[7] = NEW;
    (rig, satp)
}

/// Runs on behind the instruction that has trapped.
fn go_on(rig: &mut Rig, satp: Satp, end: End) -> End {
    rig.run_from(Supervisor, satp, end.epc + 4)
}

#[test]
fn what_comes_between_decides() {
    let between: [(&str, &[u32], bool); 7] = [
        ("nothing", &[], true),
        ("arithmetic, and a jump", &[addi(8, 8, 1), insn(Op::Jal, 0, 0, 0, 4)], true),
        ("a fence", &[insn(Op::SfenceVma, 0, 0, 0, 0), fence_i()], true),
        ("another reservation", &[reserve(THERE)], false),
        ("a failed store-conditional", &[conditionally(THERE)], false),
        ("a successful one", &[conditionally(HERE)], false),
        ("one and a reservation", &[conditionally(HERE), reserve(HERE)], true),
    ];
    for (name, insns, stores) in between {
        for budget_insns in [1, 2, 1000] {
            let code = [&[reserve(HERE)], insns, &[conditionally(HERE), ecall()]].concat();
            let (mut rig, satp) = rig(&code);
            rig.stand(Supervisor, satp, CODE);
            rig.end_in_turns_of(budget_insns);
            let failed = rig.hart.x[usize::from(OUTCOME)] != 0;
            assert_eq!(failed, !stores, "{name}, in turns of {budget_insns}");
        }
    }
}

/// A trap ends the reservation, wherever it comes from and whatever its handler does: the program
/// that goes on may be another one, which has reserved something itself.
#[test]
fn a_trap_comes_between() {
    for trapping in [ecall(), 0, insn(Op::Ld, 8, 0, 0, 0), insn(Op::Ebreak, 0, 0, 0, 0)] {
        let (mut rig, satp) = rig(&[reserve(HERE), trapping, conditionally(HERE), ecall()]);
        let end = rig.run_from(Supervisor, satp, CODE);
        assert_eq!(end.epc, CODE + 4);
        go_on(&mut rig, satp, end);
        assert_eq!((rig.hart.x[usize::from(OUTCOME)], rig.word(frame(1))), (1, OLD));
    }
    // An interrupt between two turns.
    const MSI: u64 = 1 << 3;
    const MIE: u16 = 0x304;
    // The fence ends the turn there.
    let (mut rig, satp) = rig(&[reserve(HERE), fence_i(), conditionally(HERE), ecall()]);
    rig.stand(Supervisor, satp, CODE);
    while rig.hart.reservation.is_none() {
        rig.engine.run(&mut rig.hart, &mut rig.bus, 1);
    }
    rig.set(MIE, MSI);
    rig.bus.irq.msip = 1;
    rig.hart.sample_lines(&rig.bus);
    let end = rig.end();
    assert_eq!(end.cause, 1 << 63 | 3);
    rig.bus.irq.msip = 0;
    rig.hart.sample_lines(&rig.bus);
    rig.run_from(Supervisor, satp, end.epc);
    assert_eq!((rig.hart.x[usize::from(OUTCOME)], rig.word(frame(1))), (1, OLD));
}

/// The page may be loaded from and executed, and neither AMO nor store-conditional gets by that,
/// be it in the cache already or not.
#[test]
fn atomics_need_the_right_to_write() {
    let page = DATA + PAGE_SIZE_BYTES;
    for (atomic, cause) in [
        (insn(Op::AmoaddD, 5, HERE, 7, 0), STORE_PAGE_FAULT),
        (insn(Op::AmoorW, 5, HERE, 0, 0), STORE_PAGE_FAULT),
        (insn(Op::ScD, 5, HERE, 7, 0), STORE_PAGE_FAULT),
        (insn(Op::LrD, 5, HERE, 0, 0), ECALL_FROM_S),
    ] {
        let (mut rig, satp) = rig(&[insn(Op::Ld, 6, HERE, 0, 0), reserve(HERE), atomic, ecall()]);
        rig.hart.x[usize::from(HERE)] = page;
        for _ in 0..2 {
            assert_eq!(rig.run_from(Supervisor, satp, CODE).cause, cause);
            assert_eq!((rig.hart.x[6], rig.word(frame(2))), (OLD, OLD));
        }
    }
    // In M-mode the same page is open.
    let (mut rig, _) = rig(&[insn(Op::AmoaddD, 5, HERE, 7, 0), ecall()]);
    rig.hart.x[usize::from(HERE)] = frame(2);
    rig.run_from(Machine, Satp::default(), frame(0));
    assert_eq!((rig.hart.x[5], rig.word(frame(2))), (OLD, OLD + NEW));
}
