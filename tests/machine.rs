//! The machine as a whole: timers that are exact to the instruction, sleep, the mailbox, and runs
//! that can be repeated.

use std::io::Write;
use std::sync::{Arc, Mutex};

use pagewalk::engine::Interpreter;
use pagewalk::isa::Extensions;
use pagewalk::machine::board::Devices;
use pagewalk::machine::boot::{Boot, Payload};
use pagewalk::machine::console::{Console, Input};
use pagewalk::machine::{Config, Limits, Machine, Stop};

use crate::program::asm::{self, SPIN, WFI, addi, csrr, csrw, ld, li, sd, slli, sw};
use crate::program::{Elf, RAM, TOHOST, exit_with, to_host};

const CLINT: u64 = 0x200_0000;
const MTIMECMP: u64 = CLINT + 0x4000;
const MTIME: u64 = CLINT + 0xbff8;

/// CSR numbers.
const MSTATUS: u32 = 0x300;
const MIE: u32 = 0x304;
const MTVEC: u32 = 0x305;
const MENVCFG: u32 = 0x30a;
const MEPC: u32 = 0x341;
const MCAUSE: u32 = 0x342;
const STIMECMP: u32 = 0x14d;
const TIME: u32 = 0xc01;

/// Output of a console that a test reads.
#[derive(Clone, Default)]
pub(crate) struct Output(Arc<Mutex<Vec<u8>>>);

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A machine with this program, and what it will print.
fn machine(elf: &Elf) -> (Machine, Output) {
    machine_of(Config { ram_bytes: 4 << 20, ..Config::default() }, elf)
}

/// The same of another kind.
pub(crate) fn machine_of(config: Config, elf: &Elf) -> (Machine, Output) {
    let output = Output::default();
    let engine = Box::new(Interpreter::new(Extensions::ALL));
    let plan = Boot::of(Payload::new("test", elf.bytes())).plan(&config).unwrap();
    let console = Console::new(output.clone());
    let (devices, input) = (Devices::default(), Input::none());
    let machine = Machine::new(config, plan, devices, engine, console, input).unwrap();
    (machine, output)
}

pub(crate) fn limit(max_insns: u64) -> Limits {
    Limits { max_insns: Some(max_insns), timeout: None }
}

/// How the program ends, after how many instructions.
fn end(insns: &[u32]) -> (Stop, u64) {
    let (mut machine, _) = machine(&Elf::code(insns));
    let stop = machine.run(&limit(1_000_000));
    (stop, machine.retired_insns())
}

/// `head`, then at a distance of 64 instructions from the start a trap handler, to which `mtvec`
/// points from the beginning.
fn with_handler(head: &[Vec<u32>], handler: &[u32]) -> Vec<u32> {
    let handler_at = RAM + 4 * 64;
    let mut insns = [li(6, handler_at), vec![csrw(MTVEC, 6)], head.concat()].concat();
    assert!(insns.len() < 64);
    insns.resize(64, SPIN);
    insns.extend(handler);
    insns
}

/// Stores the 64-bit `value` at `at`.
fn store(at: u64, value: u64) -> Vec<u32> {
    [li(6, at), li(5, value), vec![sd(5, 6)]].concat()
}

fn set_csr(csr: u32, value: u64) -> Vec<u32> {
    [li(5, value), vec![csrw(csr, 5)]].concat()
}

/// `menvcfg.STCE`, which is beyond what [`li`] reaches.
fn enable_stimecmp() -> Vec<u32> {
    vec![addi(5, 0, 1), slli(5, 5, 63), csrw(MENVCFG, 5)]
}

#[test]
fn an_interrupt_that_was_cleared_is_not_taken_again() {
    const MSTATUS_MIE: u64 = 8;
    const MSI: u64 = 3;
    // The handler counts, clears the cause and returns, all in one block.
    let handler = [vec![addi(20, 20, 1)], li(12, CLINT), vec![sw(0, 12), asm::MRET]].concat();
    let enable = [set_csr(MIE, 1 << MSI), set_csr(MSTATUS, MSTATUS_MIE)].concat();
    let raise = [li(12, CLINT), vec![addi(5, 0, 1), sw(5, 12), csrr(0, MCAUSE)]].concat();
    let program = with_handler(&[enable, raise, exit_with(20)], &handler);
    assert_eq!(end(&program).0, Stop::Exit(1));
}

#[test]
fn timers_interrupt_at_their_time() {
    const MTI: u64 = 7;
    const STI: u64 = 5;
    let clint = |at| store(MTIMECMP, at);
    let sstc = |at| [enable_stimecmp(), set_csr(STIMECMP, at)].concat();
    // The handler leaves `time`, which must be the time set, give or take nothing.
    let handler = [vec![csrr(10, TIME), csrr(11, MCAUSE)], exit_with(10)].concat();
    for (name, set, cause) in
        [("mtimecmp", &clint as &dyn Fn(u64) -> Vec<u32>, MTI), ("stimecmp", &sstc, STI)]
    {
        for wait in [SPIN, WFI] {
            for at in [50, 1000, 5000] {
                let enable = [set_csr(MIE, 1 << cause), set_csr(MSTATUS, 8)];
                let head = [set(at), enable.concat(), vec![wait, SPIN]];
                let (stop, insns) = end(&with_handler(&head, &handler));
                assert_eq!(stop, Stop::Exit(at), "{name} {at} {wait:#x} after {insns}");
                let slept = insns < 200;
                assert_eq!(slept, wait == WFI, "{name} {at} {wait:#x} after {insns}");
            }
        }
    }
}

#[test]
fn later_comparison_withdraws_the_timer() {
    let handler = exit_with(0);
    let head = [
        store(MTIMECMP, 0),
        store(MTIMECMP, 0x7fff_ffff),
        set_csr(MIE, 1 << 7),
        set_csr(MSTATUS, 8),
        to_host(77 << 1 | 1),
    ];
    assert_eq!(end(&with_handler(&head, &handler)).0, Stop::Exit(77));
}

#[test]
fn software_interrupt_reaches_its_hart() {
    let handler = [vec![csrr(10, MCAUSE), andi_low(10)], exit_with(10)].concat();
    let msip = [li(6, CLINT), vec![addi(5, 0, 1), sw(5, 6)]].concat();
    let head = [set_csr(MIE, 1 << 3), set_csr(MSTATUS, 8), msip, vec![SPIN]];
    assert_eq!(end(&with_handler(&head, &handler)).0, Stop::Exit(3));
}

/// `rd &= 0xff`: drops the interrupt bit of a cause.
fn andi_low(rd: u32) -> u32 {
    asm::andi(rd, rd, 0xff)
}

#[test]
fn time_is_the_same_in_csr_and_clint() {
    let difference = 0x40a5_0533; // sub x10, x10, x10, with rs1 set below
    let sub = |rd: u32, rs1: u32, rs2: u32| {
        difference & !(31 << 7 | 31 << 15 | 31 << 20) | rd << 7 | rs1 << 15 | rs2 << 20
    };
    for nops in [0, 1, 99, 100, 250] {
        let insns = [
            li(6, MTIME),
            vec![addi(0, 0, 0); nops],
            vec![ld(11, 6), csrr(10, TIME), sub(10, 10, 11)],
            exit_with(10),
        ];
        let (stop, _) = end(&insns.concat());
        // A tick may pass between the two.
        assert!(matches!(stop, Stop::Exit(0 | 1)), "{nops}: {stop:?}");
    }
}

#[test]
fn sleep_without_end_is_noticed() {
    for (name, head, stops) in [
        ("nothing enabled", vec![], true),
        ("timer enabled, never set", vec![set_csr(MIE, 1 << 7)], true),
        ("timer set, not enabled", vec![store(MTIMECMP, 1000)], true),
        ("timer set and enabled", vec![store(MTIMECMP, 1000), set_csr(MIE, 1 << 7)], false),
    ] {
        // With mstatus.MIE clear, wfi wakes up and nothing is taken.
        let insns = [head.concat(), vec![WFI], to_host(1)].concat();
        let (stop, _) = end(&insns);
        assert_eq!(matches!(stop, Stop::Asleep { .. }), stops, "{name}: {stop:?}");
    }
}

#[test]
fn trap_loops_are_told_from_traps() {
    // The handler's own first instruction is illegal.
    let (stop, _) = end(&with_handler(&[vec![0]], &[0]));
    assert!(matches!(stop, Stop::TrapLoop { hart: 0, .. }), "{stop:?}");
    // The handler faults on a device, which makes the machine look each time.
    let sb_clint = [asm::sb(0, 7), SPIN];
    let (mut machine, _) = machine(&Elf::code(&with_handler(&[li(7, CLINT), vec![0]], &sb_clint)));
    let limits = Limits { timeout: Some(std::time::Duration::from_secs(5)), ..limit(1_000_000) };
    let stop = machine.run(&limits);
    assert!(matches!(stop, Stop::TrapLoop { hart: 0, .. }), "{stop:?}");
    // A handler that skips an illegal instruction and returns, a few times.
    const MRET: u32 = 0x3020_0073;
    let handler = [csrr(5, MEPC), addi(5, 5, 4), csrw(MEPC, 5), MRET];
    let head = [vec![0xffff_ffff; 5], to_host(9 << 1 | 1)];
    assert_eq!(end(&with_handler(&head, &handler)).0, Stop::Exit(9));
}

#[test]
fn mailbox_may_share_a_page_with_code() {
    let mut elf = Elf::code(&[]);
    let tohost = RAM + 0x200;
    // Write a console byte, wait until it is taken, write another, then exit.
    let mut insns = li(6, tohost);
    for byte in b"ok" {
        let byte = u32::from(*byte);
        let wait = [sd(5, 6), ld(7, 6), asm::beqz(7, 2), asm::beqz(0, -2)];
        insns.extend([addi(5, 0, 0x101), slli(5, 5, 48), addi(5, 5, byte as i32)]);
        insns.extend(wait);
    }
    insns.extend([addi(5, 0, 3), sd(5, 6), SPIN]);
    let mut bytes: Vec<u8> = insns.iter().flat_map(|insn| insn.to_le_bytes()).collect();
    bytes.resize(0x208, 0);
    elf.segments.truncate(1);
    elf.segments[0].bytes = bytes;
    elf.symbols = vec![("tohost", tohost)];
    let (mut machine, output) = machine(&elf);
    assert_eq!(machine.run(&limit(10_000)), Stop::Exit(1));
    assert_eq!(*output.0.lock().unwrap(), b"ok");
    // Waiting for the host costs a few rounds of the loop at most, not a slice.
    assert!(machine.retired_insns() < 200, "{}", machine.retired_insns());
}

#[test]
fn system_call_writes_to_the_console() {
    let request = RAM + 0x1800;
    let text = RAM + 0x1900;
    let word = |index: u64, value| store(request + 8 * index, value);
    let insns = [
        word(0, 64),
        word(1, 1),
        word(2, text),
        word(3, 5),
        store(text, u64::from(u32::from_le_bytes(*b"hell"))),
        store(text + 4, b'o'.into()),
        store(TOHOST, request),
        // Wait for the answer in fromhost, then leave the call's result.
        li(6, TOHOST + 64),
        vec![ld(7, 6), asm::beqz(7, -1)],
        li(6, request),
        vec![ld(10, 6)],
        exit_with(10),
    ];
    let mut elf = Elf::code(&insns.concat());
    elf.segments[1].memory_bytes = Some(0x1000);
    let (mut machine, output) = machine(&elf);
    assert_eq!(machine.run(&limit(10_000)), Stop::Exit(5));
    assert_eq!(*output.0.lock().unwrap(), b"hello");
}

#[test]
fn reset_restores_ram_and_registers() {
    // Add 1 to a word of the data page; end with it; reset brings it back to what the file says.
    let word = TOHOST + 0x40;
    let insns = [li(6, word), vec![ld(10, 6), addi(10, 10, 1), sd(10, 6)], exit_with(10)];
    let (mut machine, _) = machine(&Elf::code(&insns.concat()));
    for _ in 0..3 {
        assert_eq!(machine.run(&limit(100_000)), Stop::Exit(1));
        machine.reset();
        assert_eq!((machine.hart(0).x[6], machine.hart(0).pc.0), (0, RAM));
    }
}

#[test]
fn harts_start_as_firmware_hands_over() {
    let (machine, _) = machine(&Elf::code(&[SPIN]));
    let hart = machine.hart(0);
    let privilege = pagewalk::addr::Privilege::Machine;
    assert_eq!((hart.pc.0, hart.x[10], hart.privilege), (RAM, 0, privilege));
    // The device tree lies behind the program, on a boundary of 2 MiB.
    assert_eq!(hart.x[11], RAM + (2 << 20));
}

#[test]
fn runs_repeat() {
    let handler = [vec![csrr(10, MEPC), csrr(12, TIME)], exit_with(10)].concat();
    let head = [
        store(MTIMECMP, 777),
        set_csr(MIE, 1 << 7),
        set_csr(MSTATUS, 8),
        vec![addi(9, 9, 1), addi(9, 9, 2), addi(9, 9, 3), asm::beqz(0, -3)],
    ];
    let insns = with_handler(&head, &handler);
    let first = end(&insns);
    assert!(matches!(first.0, Stop::Exit(pc) if pc > RAM), "{first:?}");
    for _ in 0..3 {
        assert_eq!(end(&insns), first);
    }
    // Neither does it matter how a run is cut into pieces, as far as whole blocks are cut.
    let (mut machine, _) = machine(&Elf::code(&insns));
    let stop = (1..).map(|part| machine.run(&limit(part * 5000))).find(|s| *s != Stop::InsnLimit);
    assert_eq!((stop, machine.retired_insns()), (Some(first.0), first.1));
}

#[test]
fn calls_of_firmware_are_no_trap_loop() {
    // Base extension, version: from the same instruction, more often than a loop would be.
    const ECALL: u32 = 0x73;
    const CALLS: u64 = 30_000;
    const SYSTEM_RESET: u64 = 0x5352_5354;
    let entry = RAM + 0x20_0000;
    let insns = [
        li(9, CALLS),
        vec![addi(16, 0, 0), addi(17, 0, 0x10), ECALL, addi(9, 9, -1), asm::beqz(9, 2)],
        vec![asm::beqz(0, -5)],
        li(17, SYSTEM_RESET),
        vec![addi(16, 0, 0), addi(10, 0, 0), addi(11, 0, 0), ECALL],
    ];
    let mut elf = Elf::code(&insns.concat());
    elf.entry = entry;
    (elf.segments[0].virt, elf.segments[0].phys) = (entry, entry);
    elf.segments.truncate(1);
    elf.symbols.truncate(1);
    let (mut machine, _) = machine(&elf);
    assert_eq!(machine.run(&limit(1_000_000)), Stop::Exit(0));
    assert!(machine.retired_insns() > 3 * CALLS);
}
