//! Instructions on the host's clock: how many are decoded, and how many of each kind the
//! interpreter executes, in a second. Programs are made here, run in M-mode from the start of
//! RAM, and loop for ever.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use pagewalk::addr::PhysAddr;
use pagewalk::bus::{Bus, Ram, RamOffset};
use pagewalk::csr::CsrAddr;
use pagewalk::engine::{Engine, Interpreter};
use pagewalk::hart::{Hart, HartConfig, NoObserver};
use pagewalk::isa::{Extensions, Fields, Op, decode, encode};

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = decoding, dispatch
}
criterion_main!(benches);

const RAM_BASE: u64 = 0x8000_0000;
const RAM_LEN_BYTES: u64 = 1 << 20;

/// Traps go here.
const HANDLER: u64 = RAM_BASE + 0x7_0000;

/// Loads and stores go here.
const DATA: u64 = RAM_BASE + 0x8_0000;

/// Instructions executed by one turn of a bench.
const BUDGET_INSNS: u64 = 100_000;

/// Kinds of instructions and how often each stands in compiled code, in percent, roughly.
const MIX: [(Op, usize); 16] = [
    (Op::Addi, 22),
    (Op::Ld, 15),
    (Op::Sd, 10),
    (Op::Add, 7),
    (Op::Lw, 6),
    (Op::Beq, 6),
    (Op::Bne, 6),
    (Op::Jal, 6),
    (Op::Auipc, 5),
    (Op::Jalr, 4),
    (Op::Lui, 3),
    (Op::Sub, 3),
    (Op::Slli, 3),
    (Op::Lbu, 2),
    (Op::Mul, 1),
    (Op::FmaddD, 1),
];

/// The mix, spread evenly, with operands that change from one to the next.
fn mixed_words() -> Vec<u32> {
    let total: usize = MIX.iter().map(|(_, share)| share).sum();
    let ops: Vec<Op> = MIX.iter().flat_map(|(op, share)| vec![*op; *share]).collect();
    // A step that has no divisor in common with the number of instructions visits them all.
    let spread = (0..total).map(|index| ops[index * 37 % total]);
    let register = |index: usize| (index % 32) as u8;
    let fields = |index: usize| Fields {
        rd: register(index),
        rs1: register(index * 3),
        rs2: register(index * 5),
        rs3: register(index * 7),
        rm: 0,
        imm: index as i32 % 16 * 4,
    };
    spread.enumerate().map(|(index, op)| encode(op, &fields(index))).collect()
}

/// Every 16-bit instruction, in an order that jumps about.
fn compressed_words() -> Vec<u32> {
    let all = (0..=0xffff_u32).map(|index| index.wrapping_mul(0x9e37) & 0xffff);
    all.filter(|bits| bits & 3 != 3 && decode(*bits, &Extensions::ALL).is_some()).collect()
}

fn decoding(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (name, words) in [("32-bit", mixed_words()), ("compressed", compressed_words())] {
        group.throughput(Throughput::Elements(words.len() as u64));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let decoded = words.iter().map(|bits| decode(black_box(*bits), &Extensions::ALL));
                decoded.fold(0, |sum, insn| sum ^ insn.expect("all are legal").imm)
            });
        });
    }
    group.finish();
}

fn insn(op: Op, rd: u8, rs1: u8, rs2: u8, imm: i32) -> u32 {
    encode(op, &Fields { rd, rs1, rs2, imm, ..Fields::default() })
}

/// `body` over and over.
fn looped(mut body: Vec<u32>) -> Vec<u32> {
    body.push(insn(Op::Jal, 0, 0, 0, -4 * body.len() as i32));
    body
}

fn repeat(times: usize, insns: &[u32]) -> Vec<u32> {
    looped(insns.repeat(times))
}

/// Register 5 points to the data, 6 counts up, 7 is 1, 9 is 0.
fn programs() -> [(&'static str, Vec<u32>); 10] {
    let count = insn(Op::Add, 6, 6, 7, 0);
    [
        ("alu", repeat(8, &alu())),
        ("multiply", repeat(16, &[insn(Op::Mul, 10, 6, 6, 0), count])),
        ("loads", repeat(16, &[insn(Op::Ld, 10, 5, 0, 0), insn(Op::Lw, 11, 5, 0, 16)])),
        ("stores", repeat(16, &[insn(Op::Sd, 0, 5, 6, 8), insn(Op::Sw, 0, 5, 6, 24)])),
        ("branches-taken", repeat(16, &[insn(Op::Beq, 0, 9, 0, 8), count])),
        ("branches-not-taken", repeat(16, &[insn(Op::Bne, 0, 9, 0, 8), count])),
        ("calls", calls()),
        ("traps", repeat(4, &[count, insn(Op::Ecall, 0, 0, 0, 0)])),
        ("csr", repeat(16, &[insn(Op::Csrrw, 10, 6, 0, MSCRATCH), count])),
        ("float", repeat(16, &[insn(Op::FaddD, 1, 2, 3, 0), insn(Op::FmulD, 4, 2, 1, 0)])),
    ]
}

const MSTATUS: i32 = 0x300;
const MTVEC: i32 = 0x305;
const MSCRATCH: i32 = 0x340;
const MEPC: i32 = 0x341;
/// `mstatus.FS` as Initial.
const MSTATUS_FS: u64 = 1 << 13;

/// Goes on behind the instruction that has trapped.
fn handler() -> [u32; 4] {
    [
        insn(Op::Csrrs, 10, 0, 0, MEPC),
        insn(Op::Addi, 10, 10, 0, 4),
        insn(Op::Csrrw, 0, 10, 0, MEPC),
        insn(Op::Mret, 0, 0, 0, 0),
    ]
}

fn alu() -> [u32; 8] {
    [
        insn(Op::Addi, 10, 6, 0, 12),
        insn(Op::Xor, 11, 10, 6, 0),
        insn(Op::Slli, 12, 11, 0, 7),
        insn(Op::Add, 6, 12, 7, 0),
        insn(Op::And, 13, 6, 10, 0),
        insn(Op::Srli, 14, 13, 0, 3),
        insn(Op::Sltu, 15, 14, 6, 0),
        insn(Op::Sub, 6, 6, 15, 0),
    ]
}

/// Calls of four functions, each on a page of its own, and returns.
fn calls() -> Vec<u32> {
    const FUNCTIONS: i32 = 4;
    let at = |function: i32| 0x1000 * (function + 1);
    let call = |function| insn(Op::Jal, 1, 0, 0, at(function) - 4 * function);
    let mut program = looped((0..FUNCTIONS).map(call).collect());
    for function in 0..FUNCTIONS {
        program.resize(at(function) as usize / 4, 0);
        program.extend([insn(Op::Add, 6, 6, 7, 0), insn(Op::Jalr, 0, 1, 0, 0)]);
    }
    program
}

fn dispatch(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dispatch");
    for (name, program) in programs() {
        let mut rig = Rig::new(&program);
        // A block that has begun is finished, so this is what one turn executes, or nearly.
        group.throughput(Throughput::Elements(rig.run()));
        group.bench_function(name, |bencher| bencher.iter(|| rig.run()));
    }
    group.finish();
}

/// A hart on a bus with nothing but RAM.
struct Rig {
    engine: Interpreter<NoObserver>,
    hart: Hart,
    bus: Bus,
}

impl Rig {
    fn new(program: &[u32]) -> Self {
        let bus = Bus::new(Ram::new(PhysAddr(RAM_BASE), RAM_LEN_BYTES));
        let engine = Interpreter::new(Extensions::ALL);
        let mut rig = Self { engine, hart: Hart::new(HartConfig::default()), bus };
        rig.put(RAM_BASE, program);
        rig.put(HANDLER, &handler());
        rig.set(MSTATUS, MSTATUS_FS);
        rig.set(MTVEC, HANDLER);
        (rig.hart.x[5], rig.hart.x[7]) = (DATA, 1);
        (rig.hart.f[2], rig.hart.f[3]) = (1.5_f64.to_bits(), 1e-9_f64.to_bits());
        let insns = rig.run();
        assert!(insns >= BUDGET_INSNS, "the program stops after {insns} instructions");
        rig
    }

    /// Runs on for the budget; how many instructions that were.
    fn run(&mut self) -> u64 {
        let before = self.hart.insns;
        self.engine.run(&mut self.hart, &mut self.bus, BUDGET_INSNS);
        self.hart.insns - before
    }

    fn put(&mut self, at: u64, program: &[u32]) {
        let bytes: Vec<u8> = program.iter().flat_map(|word| word.to_le_bytes()).collect();
        self.bus.ram.write(RamOffset(at - RAM_BASE), &bytes);
    }

    fn set(&mut self, csr: i32, value: u64) {
        let (csr, cx) = (CsrAddr(csr as u16), self.hart.csr_cx(&self.bus));
        let _ = self.hart.csr.access(csr, Some(|_| value), &cx).expect("writable");
    }
}
