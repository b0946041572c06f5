//! What is said when a machine stops that nobody stopped: one small program for each cause, the
//! screens compared with `golden/stop-*.txt`. `scripts/bless` rewrites those.

use std::fs;

use pagewalk::debug::post_mortem::{self, Why};
use pagewalk::machine::{Config, Stop};

use crate::machine::{limit, machine_of};
use crate::program::asm::{SPIN, WFI, addi, csrr, csrw, jalr, ld, li, sd, slli};
use crate::program::{Elf, RAM};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden");
/// One screen.
const MAX_LINES: usize = 62;
const MAX_COLUMNS: usize = 120;

const MSTATUS: u32 = 0x300;
const MEDELEG: u32 = 0x302;
const MIE: u32 = 0x304;
const MTVEC: u32 = 0x305;
const MEPC: u32 = 0x341;
const STVEC: u32 = 0x105;
const SATP: u32 = 0x180;
const PMPCFG0: u32 = 0x3a0;
const PMPADDR0: u32 = 0x3b0;
const MRET: u32 = 0x3020_0073;

/// Where trap handlers are.
const HANDLER: u64 = RAM + 4 * 96;
/// Page tables, in the page behind the mailbox.
const ROOT: u64 = RAM + 0x2000;

fn set_csr(csr: u32, value: u64) -> Vec<u32> {
    [li(5, value), vec![csrw(csr, 5)]].concat()
}

/// Goes on at `to`, in S-mode.
fn leave_for(to: u64) -> Vec<u32> {
    [set_csr(MSTATUS, 1 << 11), set_csr(MEPC, to), vec![MRET]].concat()
}

/// Opens memory to S-mode, delegates page faults, and executes `code` in S-mode.
fn in_supervisor_mode(code: &[Vec<u32>]) -> Vec<Vec<u32>> {
    let open = [set_csr(PMPADDR0, 0xffff_ffff), set_csr(PMPCFG0, 0x1f)].concat();
    let mut insns = [open, set_csr(MEDELEG, 0xb000), leave_for(RAM + 0x80)].concat();
    assert!(insns.len() <= 32, "{} instructions", insns.len());
    insns.resize(32, SPIN);
    vec![insns, code.concat()]
}

/// Translates by Sv39 with the tables at [`ROOT`].
fn turn_on_sv39() -> Vec<u32> {
    // or x5, x5, x6
    const OR: u32 = 0x0062_e2b3;
    [li(5, ROOT >> 12), vec![addi(6, 0, 8), slli(6, 6, 60), OR, csrw(SATP, 5)]].concat()
}

/// Stores the low 32 bits of an entry that maps or points to `page` in the table at `table`.
fn set_entry(table: u64, index: u64, page: u64, bits: u64) -> Vec<u32> {
    [li(6, table + 8 * index), li(5, page >> 12 << 10 | bits), vec![sd(5, 6)]].concat()
}

/// `head` at `_start`, `handler` at [`HANDLER`].
fn program(head: &[Vec<u32>], handler: &[u32]) -> Elf {
    let mut insns = head.concat();
    assert!(insns.len() <= 96, "{} instructions", insns.len());
    insns.resize(96, SPIN);
    insns.extend(handler);
    let mut elf = Elf::code(&insns);
    elf.symbols.push(("handler", HANDLER));
    elf.segments[1].memory_bytes = Some(0x4000);
    elf
}

fn jump_away() -> Vec<u32> {
    [li(6, 0x1234_5678), vec![jalr(0, 6)]].concat()
}

/// Runs `elf`, which must stop as `expect` says, and compares the screen with the golden file.
#[track_caller]
fn check(name: &str, expect: Why, elf: &Elf) {
    let (mut machine, _) = machine_of(Config { ram_bytes: 4 << 20, ..Config::default() }, elf);
    let why = match machine.run(&limit(100_000)) {
        Stop::TrapLoop { hart, .. } => Why::TrapLoop { hart },
        Stop::Asleep { .. } => Why::Asleep,
        Stop::InsnLimit => Why::InsnLimit,
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(why, expect, "{name}");
    let now = machine.inspect(0, |view| post_mortem::screen(view, why));
    let widest = now.lines().map(|line| line.chars().count()).max();
    assert!(now.lines().count() <= MAX_LINES && widest <= Some(MAX_COLUMNS), "{name}: {now}");
    let path = format!("{GOLDEN}/stop-{name}.txt");
    if std::env::var_os("PAGEWALK_BLESS").is_some() {
        fs::write(&path, now).expect("the golden file can be written");
        return;
    }
    let golden = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let line = now.lines().zip(golden.lines()).find(|(now, golden)| now != golden);
    assert_eq!(line, None, "{path} differs (scripts/bless rewrites it)");
    assert_eq!(now, golden, "{path} differs in length");
}

const LOOP: Why = Why::TrapLoop { hart: 0 };

#[test]
fn jump_to_unmapped_memory() {
    check("jump-to-nowhere", LOOP, &program(&[jump_away()], &[SPIN]));
}

#[test]
fn fault_in_the_handlers_first_instruction() {
    let head = [set_csr(MTVEC, HANDLER), vec![0]];
    check("first-handler-instruction", LOOP, &program(&head, &[sd(1, 2), MRET]));
}

#[test]
fn stack_that_grows_into_nothing() {
    let head = [set_csr(MTVEC, HANDLER), li(2, 0x7000_0000), vec![sd(1, 2)]];
    check("handler-stack", LOOP, &program(&head, &[addi(2, 2, -256), sd(1, 2), MRET]));
}

#[test]
fn illegal_instruction_in_the_handler() {
    // fadd.s ft0, ft0, ft0
    const FADD: u32 = 0x53;
    let head = [set_csr(MTVEC, HANDLER), jump_away()];
    check("illegal-in-handler", LOOP, &program(&head, &[addi(0, 0, 0), FADD, MRET]));
}

#[test]
fn supervisor_without_pmp() {
    check("no-pmp", LOOP, &program(&[leave_for(HANDLER)], &[SPIN]));
}

#[test]
fn code_that_translation_leaves_behind() {
    let code = [set_csr(STVEC, HANDLER), turn_on_sv39()];
    check("unmapped-after-satp", LOOP, &program(&in_supervisor_mode(&code), &[SPIN]));
}

#[test]
fn kernel_on_the_built_in_firmware() {
    let at = RAM + 0x20_0000;
    for (name, insns, why) in [
        ("sbi-jump", jump_away(), LOOP),
        ("sbi-illegal", vec![0], LOOP),
        ("sbi-asleep", vec![WFI], Why::Asleep),
    ] {
        let mut elf = program(&[insns], &[SPIN]);
        elf.entry = at;
        elf.segments.truncate(1);
        (elf.segments[0].virt, elf.segments[0].phys) = (at, at);
        elf.symbols = vec![("_start", at)];
        check(name, why, &elf);
    }
}

#[test]
fn handler_that_only_users_may_execute() {
    // Code below 2 MiB of RAM is mapped for S-mode, the handler's page above it for U-mode only.
    const POINTER: u64 = 1;
    const S_RWX: u64 = 0xcf;
    const U_RWX: u64 = 0xdf;
    let (middle, other) = (ROOT + 0x1000, RAM + 0x20_0000);
    let code = [
        set_entry(ROOT, 2, middle, POINTER),
        set_entry(middle, 0, RAM, S_RWX),
        set_entry(middle, 1, other, U_RWX),
        set_csr(STVEC, other),
        turn_on_sv39(),
        vec![ld(5, 0)],
    ];
    check("user-handler", LOOP, &program(&in_supervisor_mode(&code), &[SPIN]));
}

#[test]
fn sleep_with_nothing_enabled() {
    check("asleep-nothing-enabled", Why::Asleep, &program(&[vec![WFI]], &[SPIN]));
}

#[test]
fn sleep_for_a_timer_that_nobody_has_set() {
    const MTIE: u64 = 0x80;
    let head = [set_csr(MIE, MTIE), vec![WFI]];
    check("asleep-timer-not-set", Why::Asleep, &program(&head, &[SPIN]));
}

#[test]
fn limit_while_it_jumps_in_place() {
    check("limit-in-place", Why::InsnLimit, &program(&[], &[SPIN]));
}

#[test]
fn limit_while_a_handler_has_no_remedy() {
    let head = [set_csr(MTVEC, HANDLER), vec![ld(5, 0)]];
    check("limit-no-remedy", Why::InsnLimit, &program(&head, &[csrr(5, MEPC), MRET]));
}
