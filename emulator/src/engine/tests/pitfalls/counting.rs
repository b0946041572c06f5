//! Counts inside blocks: `instret` counts what retired, wherever it is read, whatever ended the
//! blocks before it, and however the run is cut into turns.

use super::*;
use Privilege::{Machine, Supervisor};

const INSTRET: u16 = 0xc02;
const CODE: u64 = 0x1_0000;
const ALL_COUNTERS: u64 = u64::MAX;

/// Readings of `instret` between instructions of all kinds. x4 is an address that faults, x10 is
/// data. Registers from x16 on hold the readings.
fn readings() -> (Vec<u32>, Vec<u64>) {
    let mut code = Vec::new();
    // How many instructions retired before each reading.
    let mut expected = Vec::new();
    let mut retired = 0;
    let read = |code: &mut Vec<u32>, retired: &mut u64, expected: &mut Vec<u64>| {
        code.push(csrr(16 + expected.len() as u8, INSTRET));
        expected.push(*retired);
        *retired += 1;
    };
    read(&mut code, &mut retired, &mut expected);
    read(&mut code, &mut retired, &mut expected);
    // What is between two readings, and how many of that retire.
    let between: [(&[u32], u64); 9] = [
        (&[addi(5, 5, 1), addi(5, 5, 1), insn(Op::Ld, 6, 10, 0, 0)], 3),
        // A branch over something, taken and not.
        (&[insn(Op::Beq, 0, 0, 0, 8), addi(5, 5, 1)], 1),
        (&[insn(Op::Bne, 0, 0, 0, 8), addi(5, 5, 1)], 2),
        (&[insn(Op::Jal, 0, 0, 0, 12), nop(), nop()], 1),
        // A load that faults, in the middle: its handler retires eight, and itself does not.
        (&[nop(), insn(Op::Ld, 6, 4, 0, 0), nop()], 2 + HANDLER_INSNS),
        (&[ecall()], HANDLER_INSNS),
        (&[insn(Op::AmoaddD, 6, 10, 5, 0), insn(Op::Sd, 0, 10, 5, 3)], 2),
        (&[insn(Op::SfenceVma, 0, 0, 0, 0), fence_i()], 2),
        (&[insn(Op::WrsSto, 0, 0, 0, 0), insn(Op::CboZero, 0, 10, 0, 0)], 2),
    ];
    for (insns, count) in between {
        code.extend(insns);
        retired += count;
        read(&mut code, &mut retired, &mut expected);
    }
    // The way out.
    code.extend([addi(1, 0, 1), ecall()]);
    (code, expected)
}

const HANDLER_INSNS: u64 = 6;

/// Goes on behind the instruction that has trapped, or to [`HANDLER`] where x1 is not zero.
fn skipping_handler(at: u64) -> [u32; 7] {
    [
        insn(Op::Bne, 0, 1, 0, HANDLER.wrapping_sub(at) as i32),
        csrr(2, MEPC),
        addi(2, 2, 4),
        csrw(MEPC, 2),
        nop(),
        insn(Op::Mret, 0, 0, 0, 0),
        nop(),
    ]
}

/// A rig that stands before the readings, in the mode and space asked for.
fn rig(privilege: Privilege) -> (Rig, Vec<u64>) {
    const CBZE: u64 = 0x80;
    const HANDLER_BEHIND: u64 = HANDLER + 0x100;
    let mut rig = Rig::new();
    let (code, expected) = readings();
    rig.put(frame(0), &code);
    rig.put(HANDLER_BEHIND, &skipping_handler(HANDLER_BEHIND));
    rig.set(MTVEC, HANDLER_BEHIND);
    rig.set(MCOUNTEREN, ALL_COUNTERS);
    rig.set(MENVCFG, CBZE);
    let satp = rig.space(1);
    rig.map(satp, CODE, frame(0), RX);
    (rig.hart.x[4], rig.hart.x[10]) = (0x7000, frame(1) + 0x40);
    let pc = if privilege == Machine { frame(0) } else { CODE };
    rig.stand(privilege, satp, pc);
    (rig, expected)
}

fn read(rig: &Rig, count: usize) -> Vec<u64> {
    rig.hart.x[16..16 + count].to_vec()
}

#[test]
fn instret_is_exact_between_any_two_instructions() {
    for privilege in [Machine, Supervisor] {
        for start in [0, 1000] {
            let (mut rig, expected) = rig(privilege);
            rig.hart.insns = start;
            rig.end();
            let expected: Vec<_> = expected.iter().map(|count| start + count).collect();
            assert_eq!(read(&rig, expected.len()), expected, "{privilege:?}");
        }
    }
}

#[test]
fn turns_of_any_length_count_alike() {
    for budget_insns in 1..=60 {
        let (mut rig, expected) = rig(Supervisor);
        rig.end_in_turns_of(budget_insns);
        assert_eq!(read(&rig, expected.len()), expected, "turns of {budget_insns}");
        assert_eq!(rig.hart.x[5], 3);
    }
}

/// A write to a counter takes the place of the writing instruction's own count.
#[test]
fn minstret_may_be_written_inside_a_block() {
    const MINSTRET: u16 = 0xb02;
    let mut rig = Rig::new();
    rig.put(
        BARE_CODE,
        &[nop(), nop(), csrw(MINSTRET, 7), csrr(5, MINSTRET), csrr(6, INSTRET), ecall()],
    );
    for value in [0, 5000, u64::MAX] {
        rig.hart.x[7] = value;
        rig.run_from(Machine, Satp::default(), BARE_CODE);
        assert_eq!(rig.hart.x[5..=6], [value, value.wrapping_add(1)]);
    }
}

/// Blocks are cut where the budget ends, those too that hold a loop several times.
#[test]
fn a_turn_is_as_long_as_its_budget() {
    let straight = [vec![addi(5, 5, 1); 1000], vec![insn(Op::Jal, 0, 0, 0, -4000)]].concat();
    for program in [straight, vec![addi(5, 5, 1), insn(Op::Jal, 0, 0, 0, -4)]] {
        let mut rig = Rig::new();
        rig.put(frame(0), &program);
        rig.stand(Machine, Satp::default(), frame(0));
        for budget_insns in [1, 2, 3, 10, 100, 1000, 5000] {
            let before = rig.hart.insns;
            assert_eq!(rig.engine.run(&mut rig.hart, &mut rig.bus, budget_insns), Exit::Budget);
            assert_eq!(rig.hart.insns - before, budget_insns);
        }
    }
}
