//! Interrupts get into every loop, and are taken before the very next instruction where one lets
//! them in.

use super::*;
use crate::trap::Interrupt;
use Privilege::{Machine, Supervisor, User};

const MIE: u16 = 0x304;
const MIDELEG: u16 = 0x303;
const MIP: u16 = 0x344;
const SIE: u16 = 0x104;
const SIP: u16 = 0x144;
const STIMECMP: u16 = 0x14d;
const STVEC: u16 = 0x105;
const SEPC: u16 = 0x141;
const SCAUSE: u16 = 0x142;

const STATUS_SIE: u64 = 1 << 1;
const STATUS_MIE: u64 = 1 << 3;
const STCE: u64 = 1 << 63;
const IS_INTERRUPT: u64 = 1 << 63;

const CODE: u64 = frame(0);

/// Loops by name: code at [`CODE`], and on the page behind it. x9 is the address of the loop, x10
/// that of data, x11 that of the second page.
fn loops() -> Vec<(&'static str, Vec<u32>, Vec<u32>)> {
    const TO_NEXT_PAGE: i32 = PAGE_SIZE_BYTES as i32;
    let back = |count: i32| insn(Op::Jal, 0, 0, 0, -4 * count);
    vec![
        ("a jump to itself", vec![jump_to_self()], vec![]),
        ("a branch to itself", vec![insn(Op::Beq, 0, 0, 0, 0)], vec![]),
        ("a jump through a register to itself", vec![insn(Op::Jalr, 0, 9, 0, 0)], vec![]),
        ("one block", vec![addi(5, 5, 1), back(1)], vec![]),
        (
            "two blocks that jump to each other",
            vec![insn(Op::Jal, 0, 0, 0, 8), nop(), addi(5, 5, 1), back(3)],
            vec![],
        ),
        (
            "a branch out that is never taken",
            vec![insn(Op::Bne, 0, 0, 0, 12), addi(5, 5, 1), back(2), nop()],
            vec![],
        ),
        (
            "two pages",
            vec![insn(Op::Jal, 0, 0, 0, TO_NEXT_PAGE)],
            vec![insn(Op::Jal, 0, 0, 0, -TO_NEXT_PAGE)],
        ),
        (
            "two pages through registers",
            vec![insn(Op::Jalr, 0, 11, 0, 0)],
            vec![insn(Op::Jalr, 0, 9, 0, 0)],
        ),
        (
            "a call and its return",
            vec![insn(Op::Jal, 1, 0, 0, 8), back(1), insn(Op::Jalr, 0, 1, 0, 0)],
            vec![],
        ),
        (
            "loads and stores",
            vec![insn(Op::Ld, 5, 10, 0, 0), insn(Op::Sd, 0, 10, 5, 0), back(2)],
            vec![],
        ),
        (
            "a spinlock",
            vec![insn(Op::LrW, 5, 10, 0, 0), insn(Op::Beq, 0, 5, 0, -4), back(2)],
            vec![],
        ),
        ("fence.i", vec![fence_i(), back(1)], vec![]),
        ("sfence.vma", vec![insn(Op::SfenceVma, 0, 0, 0, 0), back(1)], vec![]),
        ("a CSR", vec![csrr(5, 0x340), back(1)], vec![]),
        ("code that writes itself", vec![insn(Op::Sw, 0, 9, 12, 8), nop(), nop(), back(3)], vec![]),
    ]
}

/// A rig that stands before a loop, with MSIP enabled and not yet pending.
fn looping(code: &[u32], second_page: &[u32]) -> Rig {
    let mut rig = Rig::new();
    rig.put(CODE, code);
    rig.put(CODE + PAGE_SIZE_BYTES, second_page);
    (rig.hart.x[9], rig.hart.x[10], rig.hart.x[11]) = (CODE, frame(8), CODE + PAGE_SIZE_BYTES);
    rig.hart.x[12] = nop().into();
    rig.set(MIE, Interrupt::MachineSoftware.bit());
    rig.set(MSTATUS, STATUS_MIE);
    rig.stand(Machine, Satp::default(), CODE);
    rig
}

#[test]
fn every_loop_can_be_interrupted() {
    const TURN_INSNS: u64 = 50;
    for (name, code, second_page) in loops() {
        let mut rig = looping(&code, &second_page);
        for _ in 0..20 {
            rig.engine.run(&mut rig.hart, &mut rig.bus, TURN_INSNS);
            rig.bus.attention = false;
        }
        assert!(rig.hart.insns > 10, "{name}: it does something");
        assert_ne!(rig.hart.pc.0, HANDLER, "{name}: nothing is pending");
        let before = rig.hart.pc.0;
        rig.bus.irq.msip = 1;
        rig.hart.sample_lines(&rig.bus);
        let insns = rig.hart.insns;
        rig.engine.run(&mut rig.hart, &mut rig.bus, 1);
        assert_eq!((rig.hart.pc.0, rig.hart.insns), (HANDLER, insns + 1), "{name}");
        assert_eq!((rig.get(MCAUSE), rig.get(MEPC)), (IS_INTERRUPT | 3, before), "{name}");
    }
}

/// Loops that consist of traps and of returns from them.
#[test]
fn loops_of_traps_can_be_interrupted() {
    const HANDLER_AT: u64 = CODE + 0x100;
    let return_behind = [csrr(5, MEPC), addi(5, 5, 0), csrw(MEPC, 5), insn(Op::Mret, 0, 0, 0, 0)];
    for (name, code, handler, privilege) in [
        ("calls", vec![ecall()], &return_behind[..], User),
        ("illegal instructions", vec![0], &return_behind[..], Supervisor),
        ("faults", vec![insn(Op::Ld, 5, 0, 0, 0)], &return_behind[..], User),
        ("nothing but traps", vec![0], &[0], Machine),
    ] {
        let mut rig = looping(&code, &[]);
        rig.put(HANDLER_AT, handler);
        rig.set(MTVEC, HANDLER_AT);
        rig.stand(privilege, Satp::default(), CODE);
        for _ in 0..20 {
            assert_eq!(rig.engine.run(&mut rig.hart, &mut rig.bus, 50), Exit::Budget, "{name}");
        }
        // The handlers of M-mode run with interrupts off; so it may be after the next return.
        rig.bus.irq.msip = 1;
        rig.hart.sample_lines(&rig.bus);
        if privilege == Machine {
            rig.set(MSTATUS, STATUS_MIE);
            rig.set(MTVEC, HANDLER);
        }
        let cause = (0..10).find_map(|_| {
            rig.engine.run(&mut rig.hart, &mut rig.bus, 1);
            let cause = rig.get(MCAUSE);
            (cause & IS_INTERRUPT != 0).then_some(cause)
        });
        assert_eq!(cause, Some(IS_INTERRUPT | 3), "{name}");
    }
}

const SSI: u64 = 1 << 1;
const MSI: u64 = 1 << 3;
const STI: u64 = 1 << 5;

/// An instruction that lets an interrupt in: its name, itself, its operand in x7, the mode that
/// executes it, values of CSRs before, and the number of the interrupt.
type Unmasking = (&'static str, u32, u64, Privilege, &'static [(u16, u64)], u64);

/// Of interrupts that are pending, and that M-mode takes.
fn machine_unmaskings() -> [Unmasking; 6] {
    const MPP_MACHINE: u64 = 3 << 11;
    const MPP_SUPERVISOR: u64 = 1 << 11;
    const MPIE: u64 = 1 << 7;
    const RETURN_BEHIND: (u16, u64) = (MEPC, CODE + 8);
    const ON: (u16, u64) = (MSTATUS, STATUS_MIE);
    let mret = insn(Op::Mret, 0, 0, 0, 0);
    let delegated = &[(MIE, SSI), (MIP, SSI), ON, (MIDELEG, SSI)];
    let late_timer = &[(STIMECMP, 0), (MIE, STI), ON];
    [
        ("mstatus.MIE", csrs(MSTATUS, 7), STATUS_MIE, Machine, &[(MIE, MSI)], 3),
        ("mie", csrs(MIE, 7), MSI, Machine, &[ON], 3),
        ("mret to S", mret, 0, Machine, &[(MIE, MSI), RETURN_BEHIND, (MSTATUS, MPP_SUPERVISOR)], 3),
        ("MPIE", mret, 0, Machine, &[(MIE, MSI), RETURN_BEHIND, (MSTATUS, MPP_MACHINE | MPIE)], 3),
        ("mideleg", csrc(MIDELEG, 7), SSI, Machine, delegated, 1),
        ("menvcfg.STCE", csrs(MENVCFG, 7), STCE, Machine, late_timer, 5),
    ]
}

/// Of interrupts that are pending, or that the instruction makes pending, and that S-mode takes.
fn supervisor_unmaskings() -> [Unmasking; 5] {
    const DELEGATED: (u16, u64) = (MIDELEG, SSI | STI);
    const ON: (u16, u64) = (MSTATUS, STATUS_SIE);
    const PENDING: (u16, u64) = (MIP, SSI);
    const ENABLED: (u16, u64) = (MIE, SSI | STI);
    const COUNTERS: (u16, u64) = (MCOUNTEREN, u64::MAX);
    let sret = insn(Op::Sret, 0, 0, 0, 0);
    let return_behind = &[DELEGATED, ENABLED, PENDING, (SEPC, CODE + 8)];
    let no_timer = &[(MENVCFG, STCE), COUNTERS, (STIMECMP, u64::MAX), DELEGATED, ENABLED, ON];
    [
        ("SIE", csrs(SSTATUS, 7), STATUS_SIE, Supervisor, &[DELEGATED, ENABLED, PENDING], 1),
        ("sip", csrs(SIP, 7), SSI, Supervisor, &[DELEGATED, ENABLED, ON], 1),
        ("sie", csrs(SIE, 7), SSI, Supervisor, &[DELEGATED, PENDING, ON], 1),
        ("sret to U", sret, 0, Supervisor, return_behind, 1),
        ("stimecmp", csrw(STIMECMP, 0), 0, Supervisor, no_timer, 5),
    ]
}

#[test]
fn what_lets_an_interrupt_in_is_followed_by_it() {
    let to_machine = machine_unmaskings().into_iter().map(|row| (row, Machine));
    let to_supervisor = supervisor_unmaskings().into_iter().map(|row| (row, Supervisor));
    for (row, to) in to_machine.chain(to_supervisor) {
        // In one turn, and cut into many.
        for budget_insns in [100, 1] {
            check_unmasking(&row, to, budget_insns);
        }
    }
}

fn check_unmasking(row: &Unmasking, to: Privilege, budget_insns: u64) {
    let (name, insn, operand, from, csrs, cause) = *row;
    let mut rig = Rig::new();
    // In the middle of a straight line; nothing behind it may run.
    rig.put(CODE, &[nop(), insn, addi(5, 5, 1), addi(5, 5, 1), jump_to_self()]);
    rig.set(STVEC, HANDLER + 0x100);
    rig.put(HANDLER + 0x100, &[jump_to_self()]);
    for (csr, value) in csrs {
        rig.set(*csr, *value);
    }
    rig.hart.x[7] = operand;
    rig.stand(from, Satp::default(), CODE);
    rig.bus.irq.msip = u64::from(cause == 3);
    rig.hart.sample_lines(&rig.bus);
    for _ in 0..100 / budget_insns {
        let exit = rig.engine.run(&mut rig.hart, &mut rig.bus, budget_insns);
        if exit == Exit::Attention {
            // A new time for the timer: the machine looks at it, and the hart goes on.
            rig.bus.attention = false;
            rig.hart.sample_lines(&rig.bus);
            rig.engine.run(&mut rig.hart, &mut rig.bus, budget_insns);
        }
    }
    let (cause_csr, epc) = if to == Machine { (MCAUSE, MEPC) } else { (SCAUSE, SEPC) };
    let taken = (rig.get(cause_csr), rig.get(epc), rig.hart.x[5]);
    assert_eq!(taken, (IS_INTERRUPT | cause, CODE + 8, 0), "{name}, turns of {budget_insns}");
}
