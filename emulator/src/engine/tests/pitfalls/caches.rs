//! Caches of decoded code that grow, collide and are purged: more functions than any table in
//! front of them has places, run, rewritten and run again, by every mode.

use super::*;
use Privilege::{Machine, Supervisor, User};

/// Functions of two instructions: more than the engine's tables in front have places.
const FUNCTIONS: u64 = 40_000;
const FUNCTION_BYTES: u64 = 16;
const FIRST: u64 = RAM + 0x10_0000;

/// Calls the functions from x10 to x11 and adds up, in x13, what they return in x12.
fn caller() -> Vec<u32> {
    vec![
        insn(Op::Jalr, 1, 10, 0, 0),
        insn(Op::Add, 13, 13, 12, 0),
        addi(10, 10, FUNCTION_BYTES as i32),
        insn(Op::Bltu, 0, 10, 11, -12),
        ecall(),
    ]
}

fn function(value: u64) -> [u32; 2] {
    [addi(12, 0, value as i32), insn(Op::Jalr, 0, 1, 0, 0)]
}

fn sum(rig: &mut Rig, privilege: Privilege) -> u64 {
    (rig.hart.x[10], rig.hart.x[11]) = (FIRST, FIRST + FUNCTIONS * FUNCTION_BYTES);
    rig.hart.x[13] = 0;
    let end = rig.run_from(privilege, Satp::default(), BARE_CODE);
    assert_eq!(end.epc, BARE_CODE + 16);
    rig.hart.x[13]
}

#[test]
fn purged_code_stays_purged_however_much_there_is() {
    let mut rig = Rig::new();
    rig.put(BARE_CODE, &caller());
    let mut values: Vec<u64> = (0..FUNCTIONS).map(|number| number % 1000).collect();
    for (at, value) in (FIRST..).step_by(FUNCTION_BYTES as usize).zip(&values) {
        rig.put(at, &function(*value));
    }
    for (turn, privilege) in [Machine, Supervisor, User, Machine].into_iter().enumerate() {
        for _ in 0..2 {
            assert_eq!(sum(&mut rig, privilege), values.iter().sum::<u64>(), "{privilege:?}");
        }
        // Single functions, then whole pages.
        let rewritten = |number: u64| number % 97 == turn as u64 || number / 512 % 8 == turn as u64;
        for number in (0..FUNCTIONS).filter(|number| rewritten(*number)) {
            values[number as usize] = 1000 + turn as u64;
            rig.put(FIRST + number * FUNCTION_BYTES, &function(1000 + turn as u64));
        }
    }
    assert_eq!(sum(&mut rig, Machine), values.iter().sum::<u64>());
}

/// A page's blocks are dropped and made anew again and again: what led to the old ones (links,
/// cached targets) must lead to the new ones.
#[test]
fn jumps_into_rewritten_pages_find_what_is_there() {
    const PAGES: u64 = 6;
    const TURNS: u64 = 60;
    let page = |number: u64| FIRST + number * PAGE_SIZE_BYTES;
    // Each page adds its value and goes on to the next, half of them through a register.
    let code = |number: u64, value: u64| {
        let next = match number {
            _ if number == PAGES - 1 => ecall(),
            _ if number.is_multiple_of(2) => insn(Op::Jal, 0, 0, 0, PAGE_SIZE_BYTES as i32 - 8),
            _ => insn(Op::Jalr, 0, 10 + number as u8, 0, 0),
        };
        [addi(5, 5, value as i32), nop(), next]
    };
    let mut rig = Rig::new();
    let mut values = [0; PAGES as usize];
    for turn in 0..TURNS {
        for number in (0..PAGES).filter(|number| (turn + number) % 3 == 0 || turn == 0) {
            values[number as usize] = turn + 7 * number;
            rig.put(page(number), &code(number, turn + 7 * number));
            rig.hart.x[10 + number as usize] = page(number + 1);
        }
        for _ in 0..3 {
            rig.hart.x[5] = 0;
            rig.run_from(Machine, Satp::default(), page(0));
            assert_eq!(rig.hart.x[5], values.iter().sum::<u64>(), "turn {turn}");
        }
    }
}
