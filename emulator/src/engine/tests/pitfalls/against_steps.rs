//! Random programs, run in blocks and turns of any length, end in the state in which they end
//! when each of their instructions is fetched, decoded and translated anew: nothing that the hart
//! or the engine remembers shows. The programs change their page tables, mode bits and code, with
//! the fences that the manual asks for.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::isa::{Fields, encode};
use Privilege::Supervisor;

/// Two pages of code, where they run and where they can be written.
const CODE: u64 = 0x1_0000;
const ALIAS: u64 = 0x2_0000;
/// Three pages of data, of which the middle one is mapped again and again.
const DATA: u64 = 0x3_0000;
const MIDDLE: u64 = DATA + PAGE_SIZE_BYTES;
const ASIDS: [u16; 2] = [1, 2];

/// Registers that random instructions work on.
const FIRST_FREE: u8 = 5;
const FREE: u8 = 8;
/// Registers with constants of a program: start of the middle page and of the next, two values of
/// `satp`, an address space, the entry of the middle page, four values for it, SUM and MXR, and the
/// rounds that are left.
const START: u8 = 13;
const NEXT: u8 = 14;
const SATPS: u8 = 15;
const ASID: u8 = 17;
const ENTRY: u8 = 18;
const ENTRIES: u8 = 19;
const SUM_REGISTER: u8 = 23;
const MXR_REGISTER: u8 = 24;
const ROUNDS: u8 = 25;
/// Registers for the pieces of a program.
const ADDRESS: u8 = 26;
const WORD: u8 = 27;
/// Traps that were taken.
const TRAPS: u8 = 28;
/// What `instret` is at the end.
const RETIRED: u8 = 29;
const INSTRET: u16 = 0xc02;
const MSCRATCH: u16 = 0x340;
const C_NOP: u32 = 1;

/// One piece of a program, made of random numbers.
#[derive(Clone, Copy, Debug)]
enum Piece {
    /// An instruction on the free registers.
    Compute { op: usize, registers: u64 },
    /// A load or store near the start of the middle page or near its end.
    Access { op: usize, register: u64, offset: i32 },
    /// A branch over the next piece.
    Skip { op: usize, registers: u64 },
    /// A halfword, so that what follows may straddle two pages.
    Half,
    /// An instruction that others overwrite.
    Slot,
    /// Overwrites a slot, and `fence.i`.
    Patch { slot: usize, value: i32 },
    /// Maps the middle page, and fences it in one of eight ways.
    Map { entry: u64, fence: usize },
    /// Goes to the one or the other address space.
    Switch { space: u64 },
    /// Sets or clears SUM or MXR.
    Status { op: usize },
    /// A call, or an instruction that is illegal.
    Trap { illegal: bool },
    /// Reads `instret`.
    Count { register: u64 },
    /// `lr` and `sc`, or an AMO, at the pointer.
    Atomic { op: usize, register: u64 },
}

fn piece() -> impl Strategy<Value = Piece> {
    let (choice, number) = (0..1000_usize, 0..1_000_000_u64);
    prop_oneof![
        6 => (choice.clone(), number.clone()).prop_map(|(op, registers)| Piece::Compute { op, registers }),
        6 => (choice.clone(), number.clone(), -16..16_i32)
            .prop_map(|(op, register, offset)| Piece::Access { op, register, offset }),
        2 => (choice.clone(), number.clone()).prop_map(|(op, registers)| Piece::Skip { op, registers }),
        3 => Just(Piece::Half),
        3 => Just(Piece::Slot),
        3 => (choice.clone(), 0..2000_i32).prop_map(|(slot, value)| Piece::Patch { slot, value }),
        2 => (0..4_u64, choice.clone()).prop_map(|(entry, fence)| Piece::Map { entry, fence }),
        1 => (0..2_u64).prop_map(|space| Piece::Switch { space }),
        1 => choice.clone().prop_map(|op| Piece::Status { op }),
        1 => any::<bool>().prop_map(|illegal| Piece::Trap { illegal }),
        1 => number.clone().prop_map(|register| Piece::Count { register }),
        1 => (choice, number).prop_map(|(op, register)| Piece::Atomic { op, register }),
    ]
}

/// A program as halfwords, and the offsets in bytes of its slots.
#[derive(Default)]
struct Program {
    halves: Vec<u32>,
    slots: Vec<u64>,
}

fn free(number: u64) -> u8 {
    FIRST_FREE + (number % u64::from(FREE)) as u8
}

impl Program {
    /// The pieces one after the other, ROUNDS times, and a jump to itself.
    fn of(pieces: &[Piece], halves_before: usize) -> Self {
        let mut program = Self { halves: vec![C_NOP; halves_before], slots: Vec::new() };
        // Where slots are is known after a first pass: patches are as long wherever they lead.
        for _ in 0..2 {
            let slots = std::mem::take(&mut program.slots);
            program.halves.truncate(halves_before);
            for index in 0..pieces.len() {
                program.add(pieces, index, &slots);
            }
        }
        program.emit(addi(ROUNDS, ROUNDS, -1));
        program.emit(insn(Op::Beq, 0, ROUNDS, 0, 8));
        let back = (2 * halves_before as i32) - 2 * program.halves.len() as i32;
        program.emit(insn(Op::Jal, 0, 0, 0, back));
        program.emit(csrr(RETIRED, INSTRET));
        program.emit(jump_to_self());
        program
    }

    fn emit(&mut self, word: u32) {
        self.halves.extend([word & 0xffff, word >> 16]);
    }

    /// Where it ends in a loop.
    fn end(&self) -> u64 {
        CODE + 2 * self.halves.len() as u64 - 4
    }

    fn add(&mut self, pieces: &[Piece], index: usize, slots: &[u64]) {
        match pieces[index] {
            Piece::Compute { op, registers } => {
                const OPS: [Op; 8] =
                    [Op::Add, Op::Sub, Op::Xor, Op::Sltu, Op::Mul, Op::Addw, Op::Srl, Op::Divu];
                let [rd, rs1, rs2] = [1, 10, 100].map(|digit| free(registers / digit));
                self.emit(insn(OPS[op % OPS.len()], rd, rs1, rs2, 0));
            }
            Piece::Access { op, register, offset } => {
                const LOADS: [Op; 5] = [Op::Ld, Op::Lw, Op::Lhu, Op::Lb, Op::Lwu];
                const STORES: [Op; 4] = [Op::Sd, Op::Sw, Op::Sh, Op::Sb];
                let (pointer, op) = (if op % 2 == 0 { START } else { NEXT }, op / 2 % 9);
                self.emit(match op {
                    0..5 => insn(LOADS[op], free(register), pointer, 0, offset),
                    _ => insn(STORES[op - 5], 0, pointer, free(register), offset),
                });
            }
            Piece::Skip { op, registers } => {
                let next = pieces.get(index + 1).map(|next| Self::length_of(*next));
                let op = [Op::Beq, Op::Bne, Op::Blt, Op::Bgeu][op % 4];
                let (rs1, rs2) = (free(registers), free(registers / 10));
                // Without a piece to skip, it is to the next instruction either way.
                self.emit(insn(op, 0, rs1, rs2, 4 + next.unwrap_or(0)));
            }
            Piece::Half => self.halves.push(C_NOP),
            Piece::Slot => {
                self.slots.push(2 * self.halves.len() as u64);
                self.emit(addi(FIRST_FREE, FIRST_FREE, 1));
            }
            Piece::Patch { slot, value } => {
                let target = slots.get(slot % slots.len().max(1));
                self.load_immediate(ADDRESS, (ALIAS + target.unwrap_or(&0)) as u32);
                self.load_immediate(WORD, addi(free(slot as u64), FIRST_FREE, value));
                self.emit(if target.is_some() { insn(Op::Sw, 0, ADDRESS, WORD, 0) } else { nop() });
                self.emit(fence_i());
            }
            Piece::Map { entry, fence } => {
                self.emit(insn(Op::Sd, 0, ENTRY, ENTRIES + entry as u8, 0));
                let forms = fences(START, ASID);
                forms[fence % forms.len()].1.iter().for_each(|word| self.emit(*word));
            }
            Piece::Switch { space } => self.emit(csrw(SATP, SATPS + space as u8)),
            Piece::Status { op } => {
                let op_code = if op % 2 == 0 { Op::Csrrs } else { Op::Csrrc };
                let bits = if op / 2 % 3 == 0 { MXR_REGISTER } else { SUM_REGISTER };
                self.emit(insn(op_code, 0, bits, 0, SSTATUS.into()));
            }
            Piece::Trap { illegal } => self.emit(if illegal { u32::MAX } else { ecall() }),
            Piece::Count { register } => self.emit(csrr(free(register), INSTRET)),
            Piece::Atomic { op, register } => {
                let register = free(register);
                if op % 3 == 0 {
                    self.emit(insn(Op::LrD, register, START, 0, 0));
                }
                let op = [Op::ScD, Op::AmoaddD, Op::AmoswapW][op % 3];
                self.emit(insn(op, register, START, register, 0));
            }
        }
    }

    /// Bytes that `piece` takes.
    fn length_of(piece: Piece) -> i32 {
        let mut alone = Self::default();
        alone.add(&[piece], 0, &[]);
        2 * alone.halves.len() as i32
    }

    /// Two instructions, whatever the value.
    fn load_immediate(&mut self, register: u8, value: u32) {
        let low = (value as i32) << 20 >> 20;
        let high = (value as i32).wrapping_sub(low);
        self.emit(encode(Op::Lui, &Fields { rd: register, imm: high, ..Fields::default() }));
        self.emit(insn(Op::Addiw, register, register, 0, low));
    }
}

/// Counts the trap and goes on behind the instruction, which is four bytes long.
fn handler() -> [u32; 7] {
    [
        insn(Op::Csrrw, ADDRESS, ADDRESS, 0, MSCRATCH.into()),
        csrr(ADDRESS, MEPC),
        addi(ADDRESS, ADDRESS, 4),
        csrw(MEPC, ADDRESS),
        addi(TRAPS, TRAPS, 1),
        insn(Op::Csrrw, ADDRESS, ADDRESS, 0, MSCRATCH.into()),
        insn(Op::Mret, 0, 0, 0, 0),
    ]
}

const HALVES_MAX: usize = PAGE_SIZE_BYTES as usize;

/// A rig that stands before `program`, which begins `halves_before` the end of a page.
fn rig(program: &Program, halves_before: usize) -> Rig {
    let mut rig = Rig::new();
    rig.put(HANDLER, &handler());
    rig.set(MCOUNTEREN, u64::MAX);
    let spaces = ASIDS.map(|asid| rig.space(asid));
    assert!(program.halves.len() <= HALVES_MAX);
    for (half, at) in program.halves.iter().zip((frame(0)..).step_by(2)) {
        rig.put_half(at, *half);
    }
    for (number, satp) in spaces.into_iter().enumerate() {
        for page in 0..2 {
            let offset = page * PAGE_SIZE_BYTES;
            rig.map(satp, CODE + offset, frame(0) + offset, RX);
            rig.map(satp, ALIAS + offset, frame(0) + offset, RW);
            rig.map(satp, DATA + 2 * offset, frame(4 + page), RW);
        }
        rig.map(satp, MIDDLE, frame(6 + number as u64), RW);
    }
    for at in (frame(4)..frame(10)).step_by(8) {
        rig.set_word(at, at.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    let x = &mut rig.hart.x;
    (1..).zip(&mut x[5..13]).for_each(|(number, x)| *x = 0x1234_5678_9abc * number);
    (x[usize::from(START)], x[usize::from(NEXT)]) = (MIDDLE, MIDDLE + PAGE_SIZE_BYTES);
    for (register, satp) in (usize::from(SATPS)..).zip(spaces) {
        x[register] = satp.to_bits();
    }
    x[usize::from(ASID)] = ASIDS[0].into();
    let leaves = [(6, RW), (7, RW | Pte::U), (8, RX & !Pte::R), (9, RW & !Pte::D)];
    for (register, (number, bits)) in (usize::from(ENTRIES)..).zip(leaves) {
        x[register] = Pte::new(frame(number) >> 12, bits).0;
    }
    (x[usize::from(SUM_REGISTER)], x[usize::from(MXR_REGISTER)]) = (SUM, MXR);
    x[usize::from(ROUNDS)] = 4;
    rig.hart.x[usize::from(ENTRY)] = rig.pte_at(spaces[0], MIDDLE, 0);
    rig.stand(Supervisor, spaces[0], CODE + 2 * halves_before as u64);
    rig
}

/// What a program leaves behind.
#[derive(Debug, PartialEq)]
struct Rest {
    x: [u64; 32],
    pc: u64,
    mstatus: u64,
    ram: u64,
}

impl Rest {
    fn of(rig: &mut Rig) -> Self {
        let all = rig.bus.ram.offset_of(PhysAddr(frame(0)), TABLES - frame(0)).expect("RAM");
        let ram = rig.bus.ram.slice(all, frame(16) - frame(0));
        let hash = ram.chunks_exact(8).fold(0_u64, |hash, word| {
            let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
            (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
        });
        let mstatus = rig.get(MSTATUS);
        Self { x: std::array::from_fn(|r| rig.hart.x[r]), pc: rig.hart.pc.0, mstatus, ram: hash }
    }
}

/// Runs to the end, which is a loop, by turns of so many instructions.
fn run_in_turns(rig: &mut Rig, end: u64, turns: &[u64]) -> Rest {
    for budget_insns in turns.iter().cycle() {
        rig.engine.run(&mut rig.hart, &mut rig.bus, *budget_insns);
        rig.bus.attention = false;
        assert!(rig.hart.insns < 100_000, "stuck at {:?}", rig.hart.pc);
        if rig.hart.pc.0 == end {
            return Rest::of(rig);
        }
    }
    unreachable!("turns go on for ever")
}

/// Runs to the end with nothing remembered from one instruction to the next: no translation, and
/// because every place in a page seems to have a breakpoint, no decoded code.
fn run_in_steps(rig: &mut Rig, end: u64) -> Rest {
    const NOWHERE: u64 = 0x7777_0000;
    let places = (0..PAGE_SIZE_BYTES / 2).map(|half| VirtAddr(NOWHERE + 2 * half));
    let breakpoints: BTreeSet<_> = places.collect();
    rig.engine.set_stops(Stops { breakpoints, ..Stops::default() });
    while rig.hart.pc.0 != end {
        rig.hart.mmu.sfence_vma(None, None);
        let before = rig.hart.insns;
        rig.engine.run(&mut rig.hart, &mut rig.bus, 1);
        rig.bus.attention = false;
        assert!(rig.hart.insns - before <= 1, "one at a time");
        assert!(rig.hart.insns < 100_000, "stuck at {:?}", rig.hart.pc);
    }
    Rest::of(rig)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn blocks_end_where_single_instructions_end(
        pieces in prop::collection::vec(piece(), 1..80),
        before_page_end in 0..100_usize,
        turns in prop::collection::vec(1..40_u64, 1..5),
    ) {
        let halves_before = PAGE_SIZE_BYTES as usize / 2 - before_page_end;
        let program = Program::of(&pieces, halves_before);
        let expected = run_in_steps(&mut rig(&program, halves_before), program.end());
        let got = run_in_turns(&mut rig(&program, halves_before), program.end(), &turns);
        prop_assert_eq!(&got, &expected);
        let got = run_in_turns(&mut rig(&program, halves_before), program.end(), &[1000]);
        prop_assert_eq!(&got, &expected);
    }
}
