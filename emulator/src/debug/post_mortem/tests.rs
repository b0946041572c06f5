//! Causes that no golden screen shows, and that every screen has its size whatever the machine
//! has come to. The screens themselves are compared in `tests/stop_screens.rs`.

use proptest::prelude::{any, prop_assert, proptest};

use super::*;
use crate::addr::{Access, VirtAddr};
use crate::debug::inspect::tests::{Bench, RAM, ROOT};
use crate::mmu::Pte;
use crate::trap::{Exception, Trap};

/// `wfi`, `mret`.
const WFI: u32 = 0x1050_0073;
const MRET: u32 = 0x3020_0073;

fn said(bench: &Bench, why: Why) -> String {
    bench.view(0, |view| cause(view, why))
}

#[test]
fn reasons_for_illegal_instructions() {
    use Privilege::{Machine, Supervisor, User};
    const TVM_TW_TSR: u64 = 7 << 20;
    for (bits, privilege, mstatus, reason) in [
        (0, Machine, 0, "memory is zero there, and that is no instruction"),
        (u32::MAX, Machine, 0, "0xffffffff is no instruction"),
        (MRET, Supervisor, 0, "mret is for M-mode, not S-mode"),
        (0x1020_0073, User, 0, "sret is not for U-mode"),
        (0x1020_0073, Supervisor, TVM_TW_TSR, "mstatus.TSR keeps sret from S-mode"),
        (WFI, Supervisor, TVM_TW_TSR, "mstatus.TW keeps wfi from S-mode"),
        (0x1200_0073, Supervisor, TVM_TW_TSR, "mstatus.TVM keeps sfence.vma from S-mode"),
        // csrr a0, satp; csrr a0, mhartid; csrw mhartid, a0; csrr a0, 0x7b0; csrr a0, fcsr
        (0x1800_2573, User, 0, "satp is for S-mode and above, not for U-mode"),
        (
            0x1800_2573,
            Supervisor,
            TVM_TW_TSR,
            "satp is closed to S-mode (mstatus.TVM, mcounteren or menvcfg)",
        ),
        (0xf140_2573, Supervisor, 0, "mhartid is for M-mode and above, not for S-mode"),
        (0xf145_1073, Machine, 0, "mhartid is read-only, or closed to M-mode"),
        (0x7b00_2573, Machine, 0, "this hart has no CSR 0x7b0"),
        (0x0030_2573, Machine, 0, "fcsr needs floating point, which is off (mstatus.FS = 0)"),
        // fadd.d; add.uw
        (0x0200_7053, Machine, 0, "floating point is off (mstatus.FS = 0)"),
        (0x0800_003b, Machine, 0, "this hart has not zba, or it is not enabled for M-mode"),
    ] {
        let mut bench = Bench::new(1);
        bench.csr(0x300, mstatus);
        let found = bench.view(0, |view| illegal::reason(view, bits, privilege));
        assert_eq!(found, reason, "{bits:#x}");
    }
}

#[test]
fn reasons_to_sleep() {
    const STCE: u64 = 1 << 63;
    let wfi = "hart 0 waits in wfi at 0x80000000 <start>";
    for (csrs, cause) in [
        (vec![], ", and no interrupt is enabled: mie is 0."),
        (
            // SSIP is pending.
            vec![(0x344, 2)],
            ", and no interrupt is enabled: mie is 0; a supervisor software interrupt is pending, \
             but not enabled in mie.",
        ),
        (
            vec![(0x304, 0x888)],
            " for a machine external interrupt or a machine software interrupt or a machine timer \
             interrupt, which cannot come: mtimecmp is not set to a time that comes, no device \
             has anything to say, and there is no more input, no hart is left that could send one.",
        ),
        (
            vec![(0x304, 0x20)],
            " for a supervisor timer interrupt, which cannot come: only firmware could raise a \
             timer interrupt for S-mode.",
        ),
        (
            vec![(0x304, 0x20), (0x14d, u64::MAX), (0x30a, STCE)],
            " for a supervisor timer interrupt, which cannot come: stimecmp is not set to a time \
             that comes.",
        ),
    ] {
        let mut bench = Bench::new(1);
        bench.code(&[WFI]);
        bench.harts[0].pc = VirtAddr(RAM + 4);
        for &(csr, value) in &csrs {
            bench.csr(csr, value);
        }
        assert_eq!(said(&bench, Why::Asleep), format!("{wfi}{cause}"), "{csrs:x?}");
    }
}

#[test]
fn of_many_sleepers_the_one_that_listens_is_told_of() {
    let mut bench = Bench::new(4);
    bench.code(&[WFI]);
    for hart in [0, 2, 3] {
        bench.harts[hart].pc = VirtAddr(RAM + 4);
    }
    let cause = said(&bench, Why::Asleep);
    let begin = "no hart runs, 3 of 4 wait: hart 0 waits in wfi";
    assert!(cause.starts_with(begin), "{cause}");
    bench.harts.swap(0, 2);
    bench.csr(0x304, 8);
    bench.harts.swap(0, 2);
    let cause = said(&bench, Why::Asleep);
    assert!(cause.starts_with("no hart runs, 3 of 4 wait: hart 2 waits in wfi"), "{cause}");
    let screen = bench.view(0, |view| screen(view, Why::Asleep));
    assert!(screen.contains("\nhart 2: M-mode") && screen.contains("\nhart 1: M-mode"));
}

#[test]
fn harts_that_work_are_told_from_those_that_wait() {
    for (pc, code, cause) in [
        (RAM, 0x6f, "while hart 0 in M-mode jumps in place at 0x80000000 <start>."),
        (RAM + 4, WFI, "while hart 0 in M-mode waits in wfi before 0x80000004 <start+0x4>."),
        (RAM, 0x13, "while hart 0 in M-mode was running at 0x80000000 <start>."),
        (3, 0x13, "while hart 0 in M-mode was running at 0x3."),
    ] {
        let mut bench = Bench::new(1);
        bench.code(&[code]);
        bench.harts[0].pc = VirtAddr(pc);
        let limit = format!("the limit of instructions was reached {cause}");
        assert_eq!(said(&bench, Why::InsnLimit), limit);
        assert_eq!(said(&bench, Why::Timeout), format!("the time limit was reached {cause}"));
    }
}

#[test]
fn a_fault_that_has_gone_away_is_not_explained_wrongly() {
    let mut bench = Bench::paged();
    bench.map(0x80_0000, 0, RAM, 0xcf);
    let fault = Trap::Exception(Exception::PageFault(Access::Load, VirtAddr(0x80_0000)));
    for _ in 0..3 {
        let trail = &mut bench.harts[0].trail;
        trail.trap(fault, Privilege::Supervisor, VirtAddr(0x1000), VirtAddr(0x1000));
    }
    let cause = said(&bench, Why::TrapLoop { hart: 0 });
    assert!(cause.contains("at 0x800000, where nothing is wrong now"), "{cause}");
}

#[test]
fn words_are_wrapped() {
    for (label, text, lines) in [("a: ", "", vec!["a: "]), ("a: ", "one two", vec!["a: one two"])] {
        assert_eq!(wrap(label, text), lines);
    }
    let words = vec!["word"; 60].join(" ");
    let lines = wrap("cause: ", &words);
    assert_eq!(
        lines.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join(" "),
        format!("cause: {words}")
    );
    assert!(lines.len() == 4 && lines.iter().all(|line| line.len() <= COLUMNS));
    let long = "x".repeat(200);
    assert_eq!(wrap("a: ", &long), [format!("a: {long}")]);
}

/// One event: what, from, to and a value.
type Noted = (u8, u64, u64, u64);

fn note(bench: &mut Bench, (what, from, to, value): Noted) {
    let address = |x: u64| VirtAddr([RAM, RAM + 4, 0, 0x1000, u64::MAX, x][x as usize % 6]);
    let (from, to, at) = (address(from), address(to), address(value));
    let exception = match what % 8 {
        0 => return bench.harts[0].trail.jump(from, to),
        1 => return bench.harts[0].trail.trap_return(from, to),
        2 => Exception::IllegalInstruction(value as u32),
        3 => Exception::Breakpoint(from),
        4 => Exception::EnvironmentCall(Privilege::User),
        5 => Exception::Misaligned(Access::Load, at),
        6 => Exception::AccessFault(Access::ALL[value as usize % 3], at),
        _ => Exception::PageFault(Access::ALL[value as usize % 3], at),
    };
    let mode = [Privilege::User, Privilege::Supervisor, Privilege::Machine][what as usize % 3];
    bench.harts[0].trail.trap(Trap::Exception(exception), mode, from, to);
}

proptest! {
    /// Whatever has happened, there is a screen, and it is one.
    #[test]
    fn every_end_has_its_screen(
        events in proptest::collection::vec(any::<Noted>(), 0..40),
        repeats in 0..4_usize,
        code in any::<[u32; 8]>(),
        entries in proptest::collection::vec((0..0x400_u64, any::<u64>()), 0..20),
        (mode, pc, privilege) in (0..4_usize, any::<u64>(), 0..3_usize),
    ) {
        let mut bench = Bench::paged();
        bench.code(&code);
        for (index, bits) in entries {
            let page = RAM / 4096 + (bits >> 20 & 0x4f);
            bench.set_word(ROOT + 8 * index, Pte::new(page, bits & 0x8000_0000_0000_03ff).0);
        }
        bench.csr(0x180, [0, 8, 9, 10][mode] << 60 | ROOT >> 12);
        bench.enter([Privilege::User, Privilege::Supervisor, Privilege::Machine][privilege]);
        bench.harts[0].pc = VirtAddr(if pc & 1 == 0 { RAM + pc % 64 } else { pc });
        for event in &events {
            (0..=repeats).for_each(|_| note(&mut bench, *event));
        }
        for why in [Why::TrapLoop { hart: 0 }, Why::Asleep, Why::InsnLimit, Why::Timeout] {
            let screen = bench.view(0, |view| screen(view, why));
            prop_assert!(screen.starts_with("cause:  ") && screen.ends_with('\n'), "{screen}");
            prop_assert!(screen.lines().count() <= 76, "{screen}");
            prop_assert!(screen.lines().all(|line| line.chars().count() <= 140), "{screen}");
        }
    }
}
