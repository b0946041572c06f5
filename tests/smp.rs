//! Several harts in one machine: they take turns, share memory and code, and every order in which
//! they run can be repeated. Larger conversations between harts are guest programs (`e2e.rs`).

use pagewalk::addr::VirtAddr;
use pagewalk::machine::config::OnTrapLoop;
use pagewalk::machine::{Config, Stop};

use crate::machine::{limit, machine_of};
use crate::program::asm::{SPIN, WFI, addi, amoadd_w, beqz, csrr, csrw, jalr, ld, li, lw, sw};
use crate::program::{Elf, RAM, exit_with, to_host};

const CLINT: u64 = 0x200_0000;
const MHARTID: u32 = 0xf14;
const MIE: u32 = 0x304;
const MTVEC: u32 = 0x305;

/// A word that the program's data segment holds.
const SHARED: u64 = crate::program::TOHOST + 0x80;

fn config(harts: usize) -> Config {
    Config { harts, ram_bytes: 4 << 20, ..Config::default() }
}

/// How a program ends on `harts` harts, after how many instructions.
fn end(harts: usize, insns: &[u32]) -> (Stop, u64) {
    let (mut machine, _) = machine_of(config(harts), &Elf::code(insns));
    let stop = machine.run(&limit(10_000_000));
    (stop, machine.retired_insns())
}

/// Hart 0 goes on behind this; the others run `others`, which does not come to its end.
fn split(others: &[u32]) -> Vec<u32> {
    let skip = others.len() as i32 + 1;
    [vec![csrr(5, MHARTID), beqz(5, skip)], others.to_vec()].concat()
}

#[test]
fn harts_know_their_numbers() {
    let (machine, _) = machine_of(config(3), &Elf::code(&[SPIN]));
    for id in 0..3 {
        let hart = machine.hart(id);
        assert_eq!((hart.id(), hart.x[10], hart.pc), (id as u64, id as u64, VirtAddr(RAM)));
    }
}

#[test]
fn atomics_of_all_harts_add_up() {
    // Every hart adds 1 to the word a hundred times, then 1 to the word behind it; hart 0 waits
    // until all have done that.
    let rounds = 100;
    for harts in [1, 2, 5] {
        let add = [
            li(6, SHARED),
            vec![addi(7, 0, rounds), addi(8, 0, 1)],
            vec![amoadd_w(0, 8, 6), addi(7, 7, -1), beqz(7, 2), beqz(0, -3)],
            vec![addi(9, 6, 4), amoadd_w(0, 8, 9)],
        ];
        let wait = [lw(10, 9), addi(10, 10, -(harts as i32)), beqz(10, 2), beqz(0, -3), lw(10, 6)];
        let insns = [add.concat(), split(&[SPIN]), wait.to_vec(), exit_with(10)].concat();
        assert_eq!(end(harts, &insns).0, Stop::Exit(harts as u64 * rounds as u64), "{harts}");
    }
}

#[test]
fn software_interrupts_wake_other_harts() {
    // Hart 1 sleeps until hart 0, which has spun for a while, sends it an interrupt; then it ends
    // the run. Hart 0 goes to sleep, with nothing enabled.
    let listen = [vec![addi(5, 0, 8), csrw(MIE, 5), WFI], to_host(42 << 1 | 1)].concat();
    let spin = [addi(7, 0, 1000), addi(7, 7, -1), beqz(7, 2), beqz(0, -2)].to_vec();
    let ring = [li(6, CLINT + 4), vec![addi(5, 0, 1), sw(5, 6), WFI, SPIN]].concat();
    let (stop, insns) = end(2, &[split(&listen), spin, ring].concat());
    assert_eq!(stop, Stop::Exit(42));
    assert!(insns < 5000, "sleeping costs nothing: {insns}");
}

#[test]
fn all_asleep_is_noticed() {
    let (stop, _) = end(3, &[WFI, SPIN]);
    assert_eq!(stop, Stop::Asleep { pc: VirtAddr(RAM + 4) });
    // One that spins keeps the machine running.
    assert_eq!(end(3, &[split(&[WFI, SPIN]), vec![SPIN]].concat()).0, Stop::InsnLimit);
}

#[test]
fn code_written_by_one_hart_is_executed_by_another() {
    // Hart 0 writes a function that returns 0 to a page of its own. Hart 1 calls it over and over
    // until it returns something else, which is the exit code. Meanwhile hart 0, whose TLB lets
    // it store to that page, overwrites the function.
    let (function, fence_i) = (RAM + 0x3000, 0x100f);
    let write = |insn: u32| [li(5, insn.into()), vec![sw(5, 6)]].concat();
    let wait = [li(9, function), vec![lw(10, 9), beqz(10, -1)]].concat();
    let call = [vec![fence_i, jalr(1, 9), beqz(10, -2)], exit_with(10)].concat();
    let spin = [addi(7, 0, 2000), addi(7, 7, -1), beqz(7, 2), beqz(0, -2)];
    let code = [
        split(&[wait, call].concat()),
        li(6, function + 4),
        write(jalr(0, 1)),
        li(6, function),
        write(addi(10, 0, 0)),
        spin.to_vec(),
        write(addi(10, 0, 55)),
        vec![SPIN],
    ];
    assert_eq!(end(2, &code.concat()).0, Stop::Exit(55));
}

#[test]
fn runs_of_several_harts_repeat() {
    // Whichever of four racing harts comes first leaves its number.
    let race = [
        li(6, SHARED),
        vec![csrr(11, MHARTID), addi(8, 0, 1)],
        vec![amoadd_w(10, 8, 6), addi(10, 10, -2000)],
        vec![beqz(10, 2), beqz(0, -3)],
        exit_with(11),
    ];
    let first = end(4, &race.concat());
    assert!(matches!(first.0, Stop::Exit(0..4)), "{first:?}");
    for _ in 0..3 {
        assert_eq!(end(4, &race.concat()), first);
    }
}

#[test]
fn a_trap_loop_of_one_hart_ends_the_run_unless_told_otherwise() {
    // Hart 1 faults in its handler's prologue, where some instructions retire each time.
    let handler = RAM + 0x400;
    let crash = [li(5, handler), vec![csrw(MTVEC, 5), 0, SPIN]].concat();
    let count = [addi(7, 7, 1), beqz(0, -1)];
    let mut insns = [split(&crash), count.to_vec()].concat();
    insns.resize(0x100, 0);
    insns.extend([addi(8, 8, 1), addi(8, 8, 1), ld(5, 0)]);
    assert!(matches!(end(2, &insns).0, Stop::TrapLoop { hart: 1, .. }));
    let patient = Config { on_trap_loop: OnTrapLoop::Continue, ..config(2) };
    let (mut machine, _) = machine_of(patient, &Elf::code(&insns));
    assert_eq!(machine.run(&limit(1_000_000)), Stop::InsnLimit);
}
