//! What `-d` shows and `--stats` counts of a small program that does a little of everything:
//! walks of each kind, faults, fences, an interrupt, all three modes. Golden files hold the lines;
//! `scripts/bless` rewrites them.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use pagewalk::debug::trace::{Filter, TraceOptions};
use pagewalk::debug::{CommitLog, Observers, Stats, Tracer};
use pagewalk::engine::{Engine, Interpreter};
use pagewalk::isa::Extensions;
use pagewalk::machine::board::Devices;
use pagewalk::machine::boot::{Boot, Payload, Plan};
use pagewalk::machine::console::{Console, Input};
use pagewalk::machine::{Config, Limits, Machine, Stop};
use serde_json::{Value, json};

use crate::program::asm::{
    ECALL, MRET, SRET, add, addi, beqz, csrr, csrw, fence, ld, li, sd, slli, srli, sw,
};
use crate::program::{Elf, R, RAM, Segment, W, X, to_host};

const CLINT: u64 = 0x200_0000;

/// Where the parts of the program are.
const SUPERVISOR: u64 = RAM + 0x200;
const HANDLER: u64 = RAM + 0x400;
const USER: u64 = RAM + 0x7000;
/// Page tables.
const ROOT: u64 = RAM + 0x2000;
const MIDDLE: u64 = RAM + 0x3000;
const LAST: u64 = RAM + 0x4000;
/// Data pages: one that was used before, one that was not, two megabytes.
const USED: u64 = RAM + 0x5000;
const FRESH: u64 = RAM + 0x6000;
const LARGE: u64 = RAM + 0x20_0000;

/// The same in the virtual address space of the program. RAM is mapped to itself.
const VA_USED: u64 = 0x1000;
const VA_FRESH: u64 = 0x2000;
const VA_USER: u64 = 0x3000;
const VA_LARGE: u64 = 0x20_0000;
const VA_CLINT: u64 = 0x40_0000;

/// Bits of page-table entries.
const POINTER: u64 = 1;
const DATA: u64 = 0xc7; // D, A, W, R, V
const UNUSED_DATA: u64 = 0x07; // W, R, V
const USER_CODE: u64 = 0x5b; // A, U, X, R, V
const ALL: u64 = 0xcf; // D, A, X, W, R, V

const MSTATUS: u32 = 0x300;
const MIE: u32 = 0x304;
const MTVEC: u32 = 0x305;
const MENVCFG: u32 = 0x30a;
const MEPC: u32 = 0x341;
const MCAUSE: u32 = 0x342;
const PMPCFG0: u32 = 0x3a0;
const PMPADDR0: u32 = 0x3b0;
const SATP: u32 = 0x180;
const SEPC: u32 = 0x141;

/// `lr.d t0, (t1)` and others at the same place.
const LR_D: u32 = 0x1003_32af;
const SC_D: u32 = 0x1873_32af;
const AMOADD_D: u32 = 0x0073_32af;
const CBO_ZERO: u32 = 0x0043_200f;
const CBO_CLEAN: u32 = 0x0013_200f;

const SFENCE: u32 = 9;
const SINVAL: u32 = 11;

/// M-mode: everything is allowed, Sv39 with A and D set by the hart, software interrupts on.
fn start() -> Vec<u32> {
    [
        li(5, HANDLER),
        vec![csrw(MTVEC, 5), addi(5, 0, -1), csrw(PMPADDR0, 5)],
        vec![addi(5, 0, 0x1f), csrw(PMPCFG0, 5)],
        vec![addi(5, 0, 1), slli(5, 5, 61), csrw(MENVCFG, 5)],
        vec![addi(5, 0, 8), slli(5, 5, 60)],
        li(6, ROOT >> 12),
        vec![add(5, 5, 6), csrw(SATP, 5)],
        li(5, 1 << 11),
        vec![csrw(MSTATUS, 5), addi(5, 0, 8), csrw(MIE, 5)],
        li(5, SUPERVISOR),
        vec![csrw(MEPC, 5), MRET],
    ]
    .concat()
}

/// S-mode: loads and stores, fences, two page faults, an interrupt; then U-mode.
fn supervisor() -> Vec<u32> {
    [
        li(6, VA_USED),
        vec![ld(5, 6), ld(5, 6), sd(5, 6), sd(5, 6)],
        li(7, VA_LARGE),
        vec![ld(5, 7)],
        li(8, VA_FRESH),
        vec![ld(5, 8), sd(5, 8)],
        vec![fence(SFENCE, 0, 0), ld(5, 6), fence(SFENCE, 6, 0), ld(5, 6)],
        // Address space 0x1000 is not the current one, which is 0; nor is 0x2000.
        vec![fence(SFENCE, 0, 6), ld(5, 6), fence(SINVAL, 6, 8)],
        vec![ld(5, 0), addi(9, 0, 1), slli(9, 9, 38), ld(5, 9)],
        li(9, VA_CLINT),
        vec![addi(5, 0, 1), sw(5, 9)],
        li(5, VA_USER),
        vec![csrw(SEPC, 5), SRET],
    ]
    .concat()
}

/// M-mode: ends the program at a call from U-mode, skips what has faulted, ends an interrupt.
fn handler() -> Vec<u32> {
    let interrupt = [li(12, CLINT), vec![sw(0, 12), MRET]].concat();
    let skip = vec![csrr(11, MEPC), addi(11, 11, 4), csrw(MEPC, 11), MRET];
    [
        vec![csrr(10, MCAUSE), srli(11, 10, 63), beqz(11, 1 + interrupt.len() as i32)],
        interrupt,
        vec![addi(10, 10, -8), beqz(10, 1 + skip.len() as i32)],
        skip,
        to_host(1),
    ]
    .concat()
}

fn bytes(insns: &[u32]) -> Vec<u8> {
    insns.iter().flat_map(|insn| insn.to_le_bytes()).collect()
}

/// A page table with these entries: index, physical address, bits.
fn table(at: u64, entries: &[(usize, u64, u64)]) -> Segment {
    let mut table = vec![0; 4096];
    for &(index, to, bits) in entries {
        let entry = to >> 12 << 10 | bits;
        table[8 * index..][..8].copy_from_slice(&entry.to_le_bytes());
    }
    Segment::load(at, R | W, table)
}

fn program() -> Elf {
    let mut elf = Elf::code(&start());
    let mut code = bytes(&start());
    for (at, part) in [(SUPERVISOR, supervisor()), (HANDLER, handler())] {
        assert!(code.len() as u64 <= at - RAM);
        code.resize((at - RAM) as usize, 0);
        code.extend(bytes(&part));
    }
    elf.segments[0] = Segment::load(RAM, R | X, code);
    elf.segments.extend([
        table(ROOT, &[(0, MIDDLE, POINTER), (2, RAM, ALL)]),
        table(MIDDLE, &[(0, LAST, POINTER), (1, LARGE, DATA), (2, CLINT, DATA)]),
        table(LAST, &[(1, USED, DATA), (2, FRESH, UNUSED_DATA), (3, USER, USER_CODE)]),
        Segment::load(USER, R | X, bytes(&[addi(1, 0, 1), ECALL])),
    ]);
    elf.symbols.extend([("supervisor", SUPERVISOR), ("handler", HANDLER), ("user", VA_USER)]);
    elf
}

/// A file that a test reads.
#[derive(Clone, Default)]
struct Text(Arc<Mutex<Vec<u8>>>);

impl Text {
    fn read(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn config(harts: usize) -> Config {
    Config { ram_bytes: 4 << 20, harts, ..Config::default() }
}

fn plan(elf: &Elf, config: &Config) -> Plan {
    Boot::of(Payload::new("test", elf.bytes())).plan(config).unwrap()
}

fn machine(elf: &Elf, harts: usize, engine: Box<dyn Engine>) -> Machine {
    let config = config(harts);
    let plan = plan(elf, &config);
    let (console, input) = (Console::new(std::io::sink()), Input::none());
    Machine::new(config, plan, Devices::default(), engine, console, input).unwrap()
}

fn watched(elf: &Elf, harts: usize, observers: Observers) -> Machine {
    machine(elf, harts, Box::new(Interpreter::with_observer(Extensions::ALL, observers)))
}

fn run(machine: &mut Machine) -> Stop {
    machine.run(&Limits { max_insns: Some(10_000), timeout: None })
}

fn tracer(items: &str, filter: Filter, out: Text) -> Tracer {
    let options = TraceOptions { items: items.parse().unwrap(), filter };
    Tracer::new(&options, plan(&program(), &config(1)).symbols, Box::new(out)).unwrap()
}

/// The trace of the program.
fn trace(items: &str, filter: Filter) -> String {
    let text = Text::default();
    let tracer = Some(tracer(items, filter, text.clone()));
    let mut machine = watched(&program(), 1, Observers { tracer, ..Observers::default() });
    assert_eq!(run(&mut machine), Stop::Exit(0));
    machine.finish().unwrap();
    text.read()
}

fn filter(modes: &str, regions: &[&str]) -> Filter {
    let regions = regions.iter().map(|region| region.parse().unwrap()).collect();
    Filter { modes: modes.parse().unwrap(), regions }
}

#[test]
fn traces_are_written_as_they_were() {
    for item in ["int", "mmu", "in_asm", "exec"] {
        let now = trace(item, Filter::default());
        let name = format!("tests/golden/trace-{item}.txt");
        let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join(&name);
        if std::env::var_os("PAGEWALK_BLESS").is_some() {
            fs::write(path, now).unwrap();
            continue;
        }
        let golden = fs::read_to_string(path).unwrap();
        let lines = now.lines().zip(golden.lines()).find(|(now, golden)| now != golden);
        assert_eq!(lines, None, "{name} differs (scripts/bless rewrites it)");
        assert_eq!(now.lines().count(), golden.lines().count(), "{name} differs");
    }
}

#[test]
fn filters_leave_out_what_is_elsewhere() {
    // Modes, regions; of how many instructions something is shown, of how many traps and misses.
    for (modes, regions, insns, traps, misses) in [
        ("m,s,u", &[][..], 119, 4, 19),
        ("m", &[], 75, 0, 6),
        ("s", &[], 42, 3, 12),
        ("u", &[], 2, 1, 1),
        ("s,u", &[], 44, 4, 13),
        ("m,s,u", &["user"], 2, 1, 1),
        ("m", &["user"], 0, 0, 0),
        ("m,s,u", &["handler"], 42, 0, 3),
        ("m,s,u", &["0x80000200..0x8000020f"], 4, 0, 1),
        ("m,s,u", &["0x80000200+0x10", "user"], 6, 1, 2),
        ("m,s,u", &["0x80000210-16"], 4, 0, 1),
    ] {
        let lines = |item, mark: &str| {
            let trace = trace(item, filter(modes, regions));
            trace.lines().filter(|line| line.contains(mark)).count()
        };
        let found = (
            lines("exec", "Trace 0: "),
            lines("int", "riscv_cpu_do_interrupt"),
            lines("mmu", " ad "),
        );
        assert_eq!(found, (insns, traps, misses), "{modes} {regions:?}");
    }
    // Of a block only what lies inside.
    let block = trace("in_asm", filter("s", &["0x80000204..0x8000020b"]));
    let expected = "----------------\nIN: supervisor\nPriv: 1; Virt: 0\n\
        0x0000000080000204:  00030313          mv                      t1, t1\n\
        0x0000000080000208:  02031313          slli                    t1, t1, 0x20\n\n";
    assert_eq!(block, expected);
}

#[test]
fn items_come_in_the_order_of_events() {
    let trace = trace("exec,mmu,int,in_asm", filter("u", &[]));
    let kinds: Vec<_> = trace.lines().map(|line| line.split([' ', ':']).next().unwrap()).collect();
    let walk = ["riscv_cpu_tlb_fill", "riscv_cpu_tlb_fill", "", "", "", "riscv_cpu_tlb_fill"];
    let block = ["----------------", "IN", "Priv", "0x0000000000003000", "0x0000000000003004", ""];
    let run = ["Trace", "Trace", "riscv_cpu_do_interrupt"];
    assert_eq!(kinds, [&walk[..], &block, &run].concat());
}

#[test]
fn a_filter_names_symbols_that_are_there() {
    let options = TraceOptions { filter: filter("m", &["nobody"]), ..TraceOptions::default() };
    let tracer =
        Tracer::new(&options, plan(&program(), &config(1)).symbols, Box::new(std::io::sink()));
    assert_eq!(tracer.unwrap_err().to_string(), "the program has no symbol `nobody`");
}

/// The statistics of a program, as JSON and as text.
fn stats(elf: &Elf, harts: usize) -> (Value, String) {
    let stats = Stats::new();
    let collected = stats.collected();
    let mut machine = watched(elf, harts, Observers { stats: Some(stats), ..Observers::default() });
    assert_eq!(run(&mut machine), Stop::Exit(0));
    let devices = machine.device_counts();
    machine.finish().unwrap();
    let report = collected.report(devices);
    (report.to_json(), report.to_string())
}

/// What is not zero.
fn without_zeros(section: &Value) -> Value {
    let section = section.as_object().unwrap();
    let used = section.iter().filter(|(_, count)| **count != 0);
    used.map(|(name, count)| (name.clone(), count.clone())).collect()
}

#[test]
fn statistics_are_exact() {
    let (json, _) = stats(&program(), 1);
    let hart = &json["harts"][0];
    assert_eq!(hart, &json["total"]);
    for (section, expected) in [
        // 33 to start, 9 for each of two page faults and for the interrupt; 15 to end, with the
        // jump behind the last store.
        ("instructions", json!({ "machine": 75, "supervisor": 40, "user": 1, "all": 116 })),
        // Loads: the second of the first page, and the one behind a fence for another space.
        // Stores: the second of that page. Fetches: 29 look-ups, one for each entry into a block
        // from another page or for the first time, less the misses.
        ("tlb_hits", json!({ "fetch": 15, "load": 2, "store": 1 })),
        // Loads: two small pages and the large one, two after fences, two that fault. Stores: both
        // small pages, the CLINT in S-mode and in M-mode, the mailbox. Fetches: the first of each
        // mode, after two writes to PMP registers, and of M-mode and S-mode after a fence.
        ("tlb_misses", json!({ "fetch": 7, "load": 7, "store": 5 })),
        (
            "walks",
            json!({
                "4K_leaf_at_level_0": 7,
                "2M_leaf_at_level_1": 2,
                "1G_leaf_at_level_2": 2,
                "denied_at_level_0": 1,
                "address_not_canonical": 1,
                "A_or_D_set_by_the_hart": 2,
                // M-mode: 4 fetches, the CLINT, the mailbox.
                "misses_without_a_walk": 6,
            }),
        ),
        ("exceptions", json!({ "load_page_fault": 2, "user_ecall": 1 })),
        ("interrupts", json!({ "m_software": 1 })),
        (
            "fences",
            json!({
                "sfence_vma_all": 1,
                "sfence_vma_va": 1,
                "sfence_vma_asid": 1,
                "sinval_vma_va_asid": 1,
                "satp_writes": 1,
            }),
        ),
    ] {
        assert_eq!(without_zeros(&hart[section]), expected, "{section}");
    }
    let devices = json["devices"].as_array().unwrap();
    let used: Vec<_> = devices.iter().filter(|d| d["reads"] != 0 || d["writes"] != 0).collect();
    assert_eq!(used, [&json!({ "name": "clint", "reads": 0, "writes": 2 })]);
}

#[test]
fn each_instruction_looks_up_what_it_accesses() {
    /// Nearly the end of a page.
    const EDGE: u64 = FRESH - 4;
    // Instruction at x6; hits of loads and of stores when it is executed for the second time.
    for (insn, at, loads, stores) in [
        (ld(5, 6), USED, 1, 0),
        (ld(5, 6), EDGE, 2, 0),
        (sd(5, 6), USED, 0, 1),
        (sd(5, 6), EDGE, 0, 2),
        (LR_D, USED, 1, 0),
        (SC_D, USED, 0, 1),
        (AMOADD_D, USED, 0, 1),
        (CBO_ZERO, USED, 0, 1),
        (CBO_CLEAN, USED, 1, 0),
        (addi(5, 6, 0), USED, 0, 0),
        // A device is never in the TLB.
        (sw(0, 6), CLINT, 0, 0),
    ] {
        let cbo = vec![addi(5, 0, 0x7f), slli(5, 5, 4), csrw(MENVCFG, 5)];
        let insns = [cbo, li(6, at), vec![insn, insn], to_host(1)].concat();
        let (json, _) = stats(&Elf::code(&insns), 1);
        let hits = &json["total"]["tlb_hits"];
        assert_eq!((&hits["load"], &hits["store"]), (&json!(loads), &json!(stores)), "{insn:#x}");
    }
}

#[test]
fn statistics_are_kept_by_hart() {
    let (json, text) = stats(&program(), 2);
    let all = |of: &Value| of["instructions"]["all"].as_u64().unwrap();
    let harts = json["harts"].as_array().unwrap();
    assert_eq!(harts.len(), 2);
    assert!(harts.iter().all(|hart| all(hart) > 0));
    assert_eq!(harts.iter().map(all).sum::<u64>(), all(&json["total"]));
    let title: Vec<_> = text.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(title, ["statistics", "hart", "0", "hart", "1", "total"]);
}

#[test]
fn watching_changes_no_run() {
    for harts in [1, 3] {
        let texts = [Text::default(), Text::default()];
        let [log, trace] = texts.clone();
        let observers = Observers {
            commit_log: Some(CommitLog::new(Box::new(log) as _, 0)),
            tracer: Some(tracer("int,mmu,in_asm,exec", Filter::default(), trace)),
            stats: Some(Stats::new()),
        };
        let mut plain = machine(&program(), harts, Box::new(Interpreter::new(Extensions::ALL)));
        let mut watched = watched(&program(), harts, observers);
        assert_eq!(run(&mut plain), run(&mut watched));
        assert_eq!(plain.retired_insns(), watched.retired_insns());
        assert_eq!(plain.device_counts(), watched.device_counts());
        for id in 0..harts {
            let (plain, watched) = (plain.hart(id), watched.hart(id));
            assert_eq!((plain.x, plain.f, plain.pc), (watched.x, watched.f, watched.pc));
            assert_eq!((plain.privilege, plain.insns), (watched.privilege, watched.insns));
        }
        watched.finish().unwrap();
        assert!(texts.iter().all(|text| !text.read().is_empty()));
        // Every line of the log says whose it is.
        let log = texts[0].read();
        for id in 0..harts {
            let prefix = format!("core{id:4}: ");
            assert!(log.lines().any(|line| line.starts_with(&prefix)), "{prefix}");
        }
    }
}

#[test]
fn a_trace_that_cannot_be_written_is_reported_at_the_end() {
    struct Full;
    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let options = TraceOptions { items: "exec".parse().unwrap(), filter: Filter::default() };
    let tracer =
        Tracer::new(&options, plan(&program(), &config(1)).symbols, Box::new(Full)).unwrap();
    let observers = Observers { tracer: Some(tracer), ..Observers::default() };
    let mut machine = watched(&program(), 1, observers);
    assert_eq!(run(&mut machine), Stop::Exit(0));
    assert_eq!(machine.finish().unwrap_err().kind(), std::io::ErrorKind::StorageFull);
}
