//! RFENCE: the answers to every form, and the effect of fences on harts whose translations and
//! code this one changes.

use core::sync::atomic::{AtomicU64, Ordering};

use guest::{Flags, FrameMemory, FramePool, Page, PageTable, Ppn, Pte};
use guest_runtime::check::Checks;
use guest_runtime::sbi::{self, error, extension};
use guest_runtime::{board, csr, frames, kernel, supervisor};

use crate::calls::{NEVER, NO_HART, invalid_hart};
use crate::harts::{Others, await_turn, eventually, give_turn, said, say};

/// Functions.
const FENCE_I: u64 = 0;
const SFENCE_VMA: u64 = 1;
const SFENCE_VMA_ASID: u64 = 2;
const FIRST_HFENCE: u64 = 3;
const LAST_HFENCE: u64 = 6;

/// The page under test.
const VA: u64 = supervisor::WINDOW.start + (2 << 21) + (1 << 12);
const PAGE: u64 = frames::SIZE_BYTES;
const RW: Flags = Flags::V.with(Flags::R).with(Flags::W).with(Flags::A).with(Flags::D);
/// Frames for tables come first; these are for data and code.
const DATA: u64 = 32;
const CODE: u64 = 40;

pub(crate) fn answers(checks: &mut Checks, me: usize) {
    let me = me as u64;
    for (mask, first) in [(1 << me, 0), (1, me), (0, 0), (0, NEVER)] {
        for (start, size) in [(0, 0), (0, NEVER), (VA, PAGE), (VA, 1 << 30), (VA + 8, 1)] {
            for function in [FENCE_I, SFENCE_VMA, SFENCE_VMA_ASID] {
                let answer = sbi::call(extension::RFENCE, function, &[mask, first, start, size, 5]);
                let case = format_args!("function {function}, {mask:#x} from {first}, {size:#x}");
                checks.equal(case, answer.error, error::SUCCESS);
            }
        }
    }
    for function in FIRST_HFENCE..=LAST_HFENCE {
        let got = sbi::call(extension::RFENCE, function, &[1 << me, 0, 0, 0, 0]).error;
        let right = got == error::NOT_SUPPORTED || got == error::SUCCESS;
        checks.that(right, format_args!("function {function}: {got}"));
    }
    for function in [FENCE_I, SFENCE_VMA, SFENCE_VMA_ASID] {
        for (mask, first) in [(1, NO_HART), (1 << 63, 0)] {
            let answer = sbi::call(extension::RFENCE, function, &[mask, first, 0, 0, 0]);
            invalid_hart(checks, format_args!("RFENCE {function}, {mask:#x}, {first}"), answer);
        }
    }
}

/// The frames as page tables see them.
struct Frames;

impl FrameMemory for Frames {
    fn read_pte(&self, table: Ppn, index: usize) -> Pte {
        Pte(frames::read(table.base() + 8 * index as u64))
    }

    fn write_pte(&mut self, table: Ppn, index: usize, pte: Pte) {
        frames::write(table.base() + 8 * index as u64, pte.0);
    }
}

/// RAM and devices mapped to themselves, and the page under test.
fn tables() -> PageTable {
    let mut pool = FramePool::new(Ppn::of(frames::at(0)), Ppn::of(frames::at(DATA)));
    let table = PageTable::new(&mut Frames, &mut pool).expect("frames are free");
    let everything = RW | Flags::X;
    for (va, level, to, flags) in
        [(0, 2, 0, RW), (board::RAM, 2, board::RAM, everything), (VA, 0, frames::at(DATA), RW)]
    {
        let page = Page { va, level };
        let mapped = table.map(&mut Frames, &mut pool, page, Ppn::of(to), flags);
        mapped.expect("frames are free, and nothing is in the way");
    }
    table
}

static ROOT: AtomicU64 = AtomicU64::new(0);
/// Turns that each hart takes; the last one ends it.
const ROUNDS: u64 = 12;

extern "C" fn load_every_turn(hart: usize) {
    supervisor::turn_on(ROOT.load(Ordering::Relaxed));
    for turn in 1..=ROUNDS {
        say(hart, turn << 32 | supervisor::load(VA));
        await_turn(turn);
    }
    csr::write::<{ csr::SATP }>(0);
    csr::sfence_vma_all();
}

/// The others have used a translation; this hart changes it and has them fenced.
pub(crate) fn translations(checks: &mut Checks, others: &Others) {
    let table = tables();
    for number in 0..2 {
        frames::write(frames::at(DATA + number), 100 + number);
    }
    let leaf_at = table.pte_at(&Frames, VA, 0).expect("just mapped");
    ROOT.store(table.root().0, Ordering::Relaxed);
    give_turn(0);
    for hart in others.each() {
        say(hart, 0);
        checks.equal("start", kernel::start(hart, load_every_turn).ok(), Ok(0));
    }
    for turn in 1..=ROUNDS {
        let value = 100 + (turn + 1) % 2;
        let all = || others.each().all(|hart| said(hart) == turn << 32 | value);
        checks.that(eventually(all), format_args!("turn {turn}: all see {value}"));
        let next = Ppn::of(frames::at(DATA + turn % 2));
        frames::write(leaf_at, Pte::new(next, RW).0);
        let (function, start, size) = [
            (SFENCE_VMA, 0, 0),
            (SFENCE_VMA, VA, PAGE),
            (SFENCE_VMA, 0, NEVER),
            (SFENCE_VMA_ASID, VA, PAGE),
            (SFENCE_VMA_ASID, 0, 0),
            (SFENCE_VMA, VA - 7 * PAGE, 8 * PAGE),
        ][turn as usize % 6];
        let arguments = [others.mask(), 0, start, size, 0];
        let answer = sbi::call(extension::RFENCE, function, &arguments);
        checks.equal(format_args!("turn {turn}: fence"), answer.error, error::SUCCESS);
        give_turn(turn);
    }
    checks.that(crate::harts::all_stop(others), "all stop");
    give_turn(0);
}

/// `li a0, number`, then `ret`.
fn function(number: u64) -> [u32; 2] {
    [(number as u32) << 20 | 10 << 7 | 0x13, 0x8067]
}

extern "C" fn call_every_turn(hart: usize) {
    for turn in 1..=ROUNDS {
        say(hart, turn << 32 | frames::call(frames::at(CODE)));
        await_turn(turn);
    }
}

/// The others have run code; this hart changes it and has them fenced.
pub(crate) fn code(checks: &mut Checks, others: &Others) {
    frames::write_code(frames::at(CODE), &function(1));
    csr::fence_i();
    for hart in others.each() {
        say(hart, 0);
        checks.equal("start", kernel::start(hart, call_every_turn).ok(), Ok(0));
    }
    for turn in 1..=ROUNDS {
        let all = || others.each().all(|hart| said(hart) == turn << 32 | turn);
        checks.that(eventually(all), format_args!("turn {turn}: all run the new code"));
        frames::write_code(frames::at(CODE), &function(turn + 1));
        let answer = sbi::call(extension::RFENCE, FENCE_I, &[others.mask(), 0]);
        checks.equal(format_args!("turn {turn}: fence"), answer.error, error::SUCCESS);
        give_turn(turn);
    }
    checks.that(crate::harts::all_stop(others), "all stop");
    give_turn(0);
}
