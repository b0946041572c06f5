//! Code that changes: written before or after it has run or been mapped for execution, in the
//! same address space or another, through the same mapping or another, by a device, next to the
//! code that writes it. After `fence.i` the hart must run what was written.

use super::*;
use Privilege::{Machine, Supervisor, User};

/// Three mappings of one frame: to execute, to write, and both.
const CODE: u64 = 0x1_0000;
const ALIAS: u64 = 0x2_0000;
const BOTH: u64 = 0x3_0000;
/// The same frame in a megapage that may be written.
const LARGE: u64 = 0x4000_0000;
/// Where the instructions that write and fence are.
const WRITER: u64 = 0x5_0000;
const USER_WRITER: u64 = 0x6_0000;
const RESULT: usize = 5;

/// What may be done to code, in any order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Writes the next value through the mapping at this address, as S-mode.
    Write(u64),
    /// The same as U-mode.
    WriteAsUser(u64),
    /// The same in a second address space.
    WriteElsewhere(u64),
    /// Writes data to the same page.
    WriteBeside(u64),
    /// A device writes it.
    Dma,
    /// `fence.i`, and a call at this address, must see the last value written.
    Call(u64),
    /// The same in the second address space.
    CallElsewhere(u64),
    /// Runs code on many other pages.
    Distract,
}
use Act::{Call, CallElsewhere, Distract, Dma};
use Act::{Write, WriteAsUser, WriteBeside, WriteElsewhere};

const DISTRACTIONS: u64 = 200;
const FIRST_DISTRACTION: u64 = 0x10_0000;

struct Scene {
    rig: Rig,
    spaces: [Satp; 2],
    value: i32,
}

impl Scene {
    /// Frame 0 holds the function under test; 1 and 2 the writers.
    fn new() -> Self {
        let mut rig = Rig::new();
        let spaces = [1, 2].map(|asid| rig.space(asid));
        for satp in spaces {
            rig.map(satp, CODE, frame(0), RX);
            rig.map(satp, ALIAS, frame(0), RW);
            rig.map(satp, BOTH, frame(0), RWX);
            rig.map(satp, ALIAS + 0x1000, frame(0), RW | Pte::U);
            rig.map(satp, WRITER, frame(1), RX);
            rig.map(satp, USER_WRITER, frame(1), RX | Pte::U);
            let large = rig.pte_at(satp, LARGE, 1);
            rig.set_word(large, Pte::new(RAM >> 12, RW).0);
            for page in 0..DISTRACTIONS {
                let va = FIRST_DISTRACTION + page * PAGE_SIZE_BYTES;
                rig.map(satp, va, frame(16 + page), RX);
                rig.put(frame(16 + page), &[ecall()]);
            }
        }
        // Stores, or lets what was stored become code and calls it.
        rig.put(frame(1), &[insn(Op::Sw, 0, 10, 11, 0), ecall()]);
        rig.put(frame(1) + 0x100, &[fence_i(), insn(Op::Jalr, 0, 10, 0, 0)]);
        rig.put(frame(0), &[addi(RESULT as u8, 0, 0), ecall()]);
        Self { rig, spaces, value: 0 }
    }

    fn run(&mut self, act: Act) {
        let [here, elsewhere] = self.spaces;
        match act {
            Write(at) => self.write(Supervisor, here, WRITER, at),
            WriteAsUser(at) => self.write(User, here, USER_WRITER, at),
            WriteElsewhere(at) => self.write(Supervisor, elsewhere, WRITER, at),
            WriteBeside(at) => {
                self.write(Supervisor, here, WRITER, at + 0x800);
                self.value -= 1;
            }
            Dma => {
                self.value += 1;
                self.rig.put(frame(0), &[addi(RESULT as u8, 0, self.value)]);
            }
            Call(at) => self.call(here, at),
            CallElsewhere(at) => self.call(elsewhere, at),
            Distract => {
                for page in 0..DISTRACTIONS {
                    let va = FIRST_DISTRACTION + page * PAGE_SIZE_BYTES;
                    assert_eq!(self.rig.run_from(Supervisor, here, va).cause, ECALL_FROM_S);
                }
            }
        }
    }

    fn write(&mut self, privilege: Privilege, satp: Satp, writer: u64, at: u64) {
        self.value += 1;
        self.rig.hart.x[10] = at;
        self.rig.hart.x[11] = addi(RESULT as u8, 0, self.value).into();
        let end = self.rig.run_from(privilege, satp, writer);
        assert_eq!(end.epc, writer + 4, "{end:?}");
    }

    fn call(&mut self, satp: Satp, at: u64) {
        self.rig.hart.x[10] = at;
        let end = self.rig.run_from(Supervisor, satp, WRITER + 0x100);
        assert_eq!((end.cause, end.epc), (ECALL_FROM_S, at + 4));
    }
}

/// Orders in which code is written and run.
fn orders() -> [Vec<Act>; 16] {
    let large = LARGE + (frame(0) - RAM);
    let linear = frame(0);
    [
        // The mapping to execute is used first, or the one to write is.
        vec![Call(CODE), Write(ALIAS), Call(CODE), Write(ALIAS), Call(CODE)],
        vec![Write(ALIAS), Call(CODE), Write(ALIAS), Write(ALIAS), Call(CODE)],
        // One mapping for both.
        vec![Call(BOTH), Write(BOTH), Call(BOTH), Write(BOTH), Call(BOTH)],
        vec![Write(BOTH), Call(BOTH), Write(BOTH), Call(BOTH)],
        // Several mappings to execute, several to write.
        vec![Write(ALIAS), Call(CODE), Call(BOTH), Write(BOTH), Call(CODE), Call(BOTH)],
        vec![
            Write(ALIAS),
            Write(linear),
            Call(CODE),
            Write(linear),
            Call(CODE),
            Write(ALIAS),
            Call(CODE),
        ],
        // Data on the page: what lets it be written must not let the code be.
        vec![Call(BOTH), WriteBeside(BOTH), Write(BOTH), Call(BOTH), WriteBeside(BOTH), Call(BOTH)],
        vec![
            WriteBeside(ALIAS),
            Call(CODE),
            WriteBeside(ALIAS),
            Dma,
            WriteBeside(ALIAS),
            Call(CODE),
        ],
        // A superpage.
        vec![Write(large), Call(CODE), Write(large), Call(CODE), Write(ALIAS), Call(CODE)],
        vec![Call(CODE), Write(large), Write(linear), Call(CODE), Write(large), Call(CODE)],
        // U-mode writes what S-mode runs: the entry to store by is one of another context.
        vec![WriteAsUser(ALIAS + 0x1000), Call(CODE), WriteAsUser(ALIAS + 0x1000), Call(CODE)],
        vec![
            Call(CODE),
            WriteAsUser(ALIAS + 0x1000),
            Write(ALIAS),
            Call(CODE),
            WriteAsUser(ALIAS + 0x1000),
            Call(CODE),
        ],
        // So is that of another address space, which may be long ago.
        vec![
            WriteElsewhere(ALIAS),
            Call(CODE),
            WriteElsewhere(ALIAS),
            Call(CODE),
            CallElsewhere(BOTH),
        ],
        vec![WriteElsewhere(ALIAS), Call(CODE), Distract, WriteElsewhere(ALIAS), Call(CODE)],
        // A device.
        vec![
            Call(CODE),
            Dma,
            Call(CODE),
            Dma,
            Dma,
            Call(BOTH),
            Write(ALIAS),
            Call(BOTH),
            Dma,
            Call(CODE),
        ],
        vec![Dma, Call(CODE), Distract, Write(ALIAS), Call(CODE), Dma, CallElsewhere(CODE)],
    ]
}

#[test]
fn whatever_the_order_the_code_written_last_runs() {
    for order in orders() {
        let mut scene = Scene::new();
        for (index, act) in order.iter().chain(&order).enumerate() {
            scene.run(*act);
            if matches!(act, Call(_) | CallElsewhere(_)) {
                let got = scene.rig.hart.x[RESULT];
                assert_eq!(got, scene.value as u64, "act {index} of {order:?}");
            }
        }
    }
}

/// Writes `addi x10, x0, turn mod 1024` to x9, fences, calls it, adds up, x8 times.
fn write_fence_call() -> Vec<u32> {
    vec![
        addi(5, 0, 0),
        insn(Op::Andi, 6, 5, 0, 1023),
        insn(Op::Slli, 6, 6, 0, 20),
        insn(Op::Or, 6, 6, 7, 0),
        insn(Op::Sw, 0, 9, 6, 0),
        fence_i(),
        insn(Op::Jalr, 1, 9, 0, 0),
        insn(Op::Add, 11, 11, 10, 0),
        addi(5, 5, 1),
        insn(Op::Bltu, 0, 5, 8, -32),
        ecall(),
    ]
}

/// The sum of the turns' numbers modulo 1024.
fn sum_of(turns: u64) -> u64 {
    (0..turns).map(|turn| turn % 1024).sum()
}

#[test]
fn a_loop_that_writes_and_calls_adds_up() {
    assert_eq!(sum_of(200_000), 0x617_4160, "the sum that a peer misses");
    // Where the function is: on another page, right behind the loop, in the loop's own line.
    for (distance, turns) in [(0x2000, 200_000), (0x100, 5000), (0x30, 5000)] {
        let mut rig = Rig::new();
        rig.put(BARE_CODE, &write_fence_call());
        rig.put(BARE_CODE + distance, &[nop(), insn(Op::Jalr, 0, 1, 0, 0)]);
        rig.hart.x[7] = addi(10, 0, 0).into();
        rig.hart.x[8] = turns;
        rig.hart.x[9] = BARE_CODE + distance;
        let end = rig.run_from(Machine, Satp::default(), BARE_CODE);
        assert_eq!((end.epc, rig.hart.x[11]), (BARE_CODE + 40, sum_of(turns)), "{distance:#x}");
    }
}

/// As [`a_loop_that_writes_and_calls_adds_up`], but translated, and written through an alias.
#[test]
fn a_loop_that_writes_and_calls_adds_up_under_translation() {
    for target in [ALIAS, BOTH] {
        let mut rig = Rig::new();
        let satp = rig.space(1);
        rig.map(satp, WRITER, frame(1), RX);
        rig.map(satp, CODE, frame(0), RX);
        rig.map(satp, target, frame(0), RWX);
        let mut code = write_fence_call();
        code[4] = insn(Op::Sw, 0, 12, 6, 0);
        rig.put(frame(1), &code);
        rig.put(frame(0), &[nop(), insn(Op::Jalr, 0, 1, 0, 0)]);
        rig.hart.x[7] = addi(10, 0, 0).into();
        rig.hart.x[8] = 5000;
        (rig.hart.x[9], rig.hart.x[12]) = (CODE, target);
        let end = rig.run_from(Supervisor, satp, WRITER);
        assert_eq!((end.epc, rig.hart.x[11]), (WRITER + 40, sum_of(5000)));
    }
}

/// Each width of store, and what else writes, hits the instruction under test.
#[test]
fn every_kind_of_store_is_noticed() {
    const NEW: i32 = 65;
    let word = addi(RESULT as u8, 0, NEW);
    let old = addi(RESULT as u8, 0, 1);
    let double = u64::from(ecall()) << 32 | u64::from(word);
    // The instructions, and x11 for them; x10 is where the old instruction is.
    let kinds: [(&str, Vec<u32>, u64); 9] = [
        ("sb", vec![insn(Op::Sb, 0, 10, 11, 3)], (word >> 24).into()),
        ("sh", vec![insn(Op::Sh, 0, 10, 11, 2)], (word >> 16).into()),
        ("sw", vec![insn(Op::Sw, 0, 10, 11, 0)], word.into()),
        ("sd", vec![insn(Op::Sd, 0, 10, 11, 0)], double),
        ("a misaligned sd", vec![insn(Op::Sd, 0, 10, 11, -4)], u64::from(word) << 32),
        ("amoswap.w", vec![insn(Op::AmoswapW, 0, 10, 11, 0)], word.into()),
        ("amoadd.w", vec![insn(Op::AmoaddW, 0, 10, 11, 0)], (word - old).into()),
        ("sc.w", vec![insn(Op::LrW, 12, 10, 0, 0), insn(Op::ScW, 12, 10, 11, 0)], word.into()),
        ("fsd", vec![insn(Op::FmvDX, 1, 11, 0, 0), insn(Op::Fsd, 0, 10, 1, 0)], double),
    ];
    // At the start of a page, where a store may come from the page before, and elsewhere.
    for target in [BARE_CODE + PAGE_SIZE_BYTES, BARE_CODE + 0x800] {
        for (name, stores, operand) in &kinds {
            let mut rig = Rig::new();
            rig.set(MSTATUS, 1 << 13);
            rig.put(BARE_CODE, &[&stores[..], &[fence_i(), insn(Op::Jalr, 0, 10, 0, 0)]].concat());
            rig.put(target, &[old, ecall()]);
            rig.run_from(Machine, Satp::default(), target);
            assert_eq!(rig.hart.x[RESULT], 1, "{name}");
            (rig.hart.x[10], rig.hart.x[11]) = (target, *operand);
            let end = rig.run_from(Machine, Satp::default(), BARE_CODE);
            assert_eq!((end.epc, rig.hart.x[RESULT]), (target + 4, NEW as u64), "{name}");
        }
    }
    // A cleared block is illegal.
    let mut rig = Rig::new();
    let target = BARE_CODE + 0x800;
    rig.put(BARE_CODE, &[insn(Op::CboZero, 0, 10, 0, 0), fence_i(), insn(Op::Jalr, 0, 10, 0, 0)]);
    rig.put(target, &[old, ecall()]);
    rig.run_from(Machine, Satp::default(), target);
    rig.hart.x[10] = target;
    let end = rig.run_from(Machine, Satp::default(), BARE_CODE);
    assert_eq!(end, End { cause: 2, epc: target, tval: 0 });
}

/// A page table may be code, too: setting A in it is a store like any other. The entry's low half
/// is `c.addi x5, 2` before and `c.addi x5, 18` after.
#[test]
fn a_walk_that_sets_accessed_may_write_code() {
    const ADUE: u64 = 1 << 61;
    const C_ADDI_X5: u64 = Pte::V | Pte::X | Pte::D | 2 << 8;
    let mut rig = Rig::new();
    rig.set(MENVCFG, ADUE);
    let satp = rig.space(1);
    rig.map(satp, CODE, frame(0), C_ADDI_X5);
    rig.put(frame(0), &[ecall()]);
    let entry = rig.pte_at(satp, CODE, 0);
    rig.put(BARE_CODE, &[fence_i(), insn(Op::Jalr, 0, 10, 0, 0)]);
    rig.hart.x[10] = entry;
    for (added, sum) in [(2, 2), (18, 20), (18, 38)] {
        // Behind it is an instruction that is illegal while the floating-point unit is off.
        let end = rig.run_from(Machine, Satp::default(), BARE_CODE);
        assert_eq!((end.cause, end.epc), (2, entry + 2));
        assert_eq!(rig.hart.x[RESULT], sum, "c.addi x5, {added}");
        assert_eq!(rig.run_from(Supervisor, satp, CODE).cause, ECALL_FROM_S);
        assert_eq!(rig.word(entry) & 0xffff, C_ADDI_X5 | Pte::A);
    }
}
