//! Instructions and accesses with bytes on two pages: each page is looked up when they execute,
//! whatever became of the other, and both may compete for one place in a cache.

use super::*;
use Privilege::{Supervisor, User};

/// The first page of code; the instruction under test has its upper half on the next one.
const CODE: u64 = 0x1_0000;
const SECOND: u64 = CODE + PAGE_SIZE_BYTES;
const AT: u64 = SECOND - 2;
const RESULT: usize = 5;

/// `addi x5, x0, value`, its lower half at the end of frame `first` and the upper one at the start
/// of frame `second`, with an `ecall` behind.
fn put_halves(rig: &mut Rig, first: u64, second: u64, value: i32) {
    let word = addi(RESULT as u8, 0, value);
    rig.put_half(frame(first) + PAGE_SIZE_BYTES - 2, word & 0xffff);
    rig.put_half(frame(second), word >> 16);
    rig.put_half(frame(second) + 2, ecall() & 0xffff);
    rig.put_half(frame(second) + 4, ecall() >> 16);
}

/// Frame 0, then frame 1 or 2: the halves give 1 or 2.
fn rig() -> (Rig, Satp) {
    let mut rig = Rig::new();
    let satp = rig.space(1);
    rig.map(satp, CODE, frame(0), RX);
    rig.map(satp, SECOND, frame(1), RX);
    put_halves(&mut rig, 0, 1, 1);
    put_halves(&mut rig, 0, 2, 2);
    (rig, satp)
}

/// Runs from `pc`: what the instruction under test has put into its register.
fn result(rig: &mut Rig, satp: Satp, pc: u64) -> u64 {
    let end = rig.run_from(Supervisor, satp, pc);
    assert_eq!((end.cause, end.epc), (ECALL_FROM_S, SECOND + 2));
    rig.hart.x[RESULT]
}

#[test]
fn the_second_page_may_be_mapped_anew() {
    let forms = [
        (None, None),
        (Some(VirtAddr(SECOND)), None),
        (None, Some(Asid(1))),
        (Some(VirtAddr(SECOND)), Some(Asid(1))),
    ];
    // Alone, and at the end of a block.
    for (pc, code_before) in [(AT, 0), (AT - 8, 2)] {
        let (mut rig, satp) = rig();
        rig.put(
            frame(0) + PAGE_SIZE_BYTES - 2 - 4 * code_before,
            &[nop(); 2][..code_before as usize],
        );
        for _ in 0..3 {
            assert_eq!(result(&mut rig, satp, pc), 1);
        }
        for (turn, (va, asid)) in forms.into_iter().cycle().take(12).enumerate() {
            let second = 1 + (turn as u64 + 1) % 2;
            rig.map(satp, SECOND, frame(second), RX);
            rig.hart.mmu.sfence_vma(va, asid);
            assert_eq!(result(&mut rig, satp, pc), second, "{va:?} {asid:?}");
        }
    }
}

#[test]
fn the_second_page_may_be_another_in_another_space() {
    let (mut rig, first) = rig();
    let second = rig.space(2);
    rig.map(second, CODE, frame(0), RX);
    rig.map(second, SECOND, frame(2), RX);
    for _ in 0..4 {
        assert_eq!(result(&mut rig, first, AT), 1);
        assert_eq!(result(&mut rig, second, AT), 2);
    }
}

#[test]
fn the_second_page_may_become_one_that_cannot_be_executed() {
    for bits in [0, RW, RX & !Pte::A, RX | Pte::U] {
        let (mut rig, satp) = rig();
        for _ in 0..2 {
            rig.map(satp, SECOND, frame(1), RX);
            rig.hart.mmu.sfence_vma(Some(VirtAddr(SECOND)), None);
            assert_eq!(result(&mut rig, satp, AT), 1);
            rig.map(satp, SECOND, frame(1), bits);
            rig.hart.mmu.sfence_vma(Some(VirtAddr(SECOND)), None);
            let fault = End { cause: FETCH_PAGE_FAULT, epc: AT, tval: SECOND };
            assert_eq!(rig.run_from(Supervisor, satp, AT), fault, "{bits:#x}");
        }
    }
    // U-mode must not get in by what S-mode has fetched.
    let (mut rig, satp) = rig();
    rig.map(satp, CODE, frame(0), RX | Pte::U);
    rig.map(satp, SECOND, frame(1), RX | Pte::U);
    let fault = End { cause: FETCH_PAGE_FAULT, epc: AT, tval: AT };
    for _ in 0..2 {
        assert_eq!(rig.run_from(User, satp, AT).cause, ECALL_FROM_U);
        assert_eq!(rig.run_from(Supervisor, satp, AT), fault);
    }
}

#[test]
fn either_half_may_be_overwritten() {
    let (mut rig, satp) = rig();
    for value in 0..40 {
        put_halves(&mut rig, 0, 1, value);
        assert_eq!(result(&mut rig, satp, AT), value as u64);
        // The lower half says which register: x7 instead of x5.
        let word = addi(7, 0, value);
        rig.put_half(frame(0) + PAGE_SIZE_BYTES - 2, word & 0xffff);
        rig.hart.x[7] = u64::MAX;
        result(&mut rig, satp, AT);
        assert_eq!(rig.hart.x[7], value as u64);
    }
}

/// Pages in a row, more than a TLB has places.
const ROW_PAGES: u64 = 2100;
const ROW: u64 = 0x4000_0000;
/// Frames that the row goes round.
const ROW_FRAMES: u64 = 7;

/// Adds up what is eight bytes long across the end of every page of a row, and inverts it there.
/// x10: address; x11: where to stop; x12: page size; x13: sum.
fn walk_along_row() -> Vec<u32> {
    vec![
        insn(Op::Ld, 5, 10, 0, -4),
        insn(Op::Add, 13, 13, 5, 0),
        insn(Op::Xori, 5, 5, 0, -1),
        insn(Op::Sd, 0, 10, 5, -4),
        insn(Op::Ld, 6, 10, 0, -4),
        insn(Op::Add, 13, 13, 6, 0),
        insn(Op::Add, 10, 10, 12, 0),
        insn(Op::Bltu, 0, 10, 11, -28),
        ecall(),
    ]
}

#[test]
fn accesses_across_pages_go_on_wherever_the_pages_are_cached() {
    let mut rig = Rig::new();
    let satp = rig.space(1);
    rig.map(satp, CODE, frame(0), RX);
    rig.put(frame(0), &walk_along_row());
    for page in 0..ROW_PAGES {
        rig.map(satp, ROW + page * PAGE_SIZE_BYTES, frame(1 + page % ROW_FRAMES), RW);
    }
    for number in 1..=ROW_FRAMES {
        rig.set_word(frame(number), number * 0x0101_0101);
        rig.set_word(frame(number) + PAGE_SIZE_BYTES - 8, number << 56 | number << 32);
    }
    rig.hart.x[10..=13].copy_from_slice(&[
        ROW + PAGE_SIZE_BYTES,
        ROW + ROW_PAGES * PAGE_SIZE_BYTES,
        PAGE_SIZE_BYTES,
        0,
    ]);
    assert_eq!(rig.run_from(Supervisor, satp, CODE).cause, ECALL_FROM_S);
    // What is loaded, and its complement loaded back, is -1 in each turn.
    assert_eq!(rig.hart.x[13], (ROW_PAGES - 1).wrapping_neg());
    assert_eq!(rig.hart.x[10], ROW + ROW_PAGES * PAGE_SIZE_BYTES);
}

/// Code, source and target of a copy at the same place in any direct-mapped table, and everything
/// across page ends: each instruction needs five translations that drive each other out.
#[test]
fn an_instruction_completes_although_its_pages_drive_each_other_out() {
    const FAR: u64 = 1 << 30;
    let mut rig = Rig::new();
    let satp = rig.space(1);
    let [code, from, to] = [1, 3, 4].map(|gigapage| gigapage * FAR + 0x5000);
    for (base, number, bits) in [(code, 0, RX), (from, 2, RW), (to, 4, RW)] {
        for page in 0..2 {
            rig.map(satp, base + page * PAGE_SIZE_BYTES, frame(number + page), bits);
        }
    }
    let end = code + PAGE_SIZE_BYTES;
    // The load straddles the end of the code page, and accesses one of the data page.
    let program = [insn(Op::Ld, 5, 10, 0, 0), insn(Op::Sd, 0, 11, 5, 0), ecall()];
    for (index, half) in program.iter().flat_map(|word| [word & 0xffff, word >> 16]).enumerate() {
        let at = PAGE_SIZE_BYTES - 2 + 2 * index as u64;
        rig.put_half(frame(at / PAGE_SIZE_BYTES) + at % PAGE_SIZE_BYTES, half);
    }
    let boundary = |number: u64| frame(number) + PAGE_SIZE_BYTES;
    for distance in 1..8 {
        let value = 0x1122_3344_5566_7788_u64.rotate_left(8 * distance as u32);
        for byte in 0..8 {
            // The frames of a pair are neighbours.
            let at = PhysAddr(boundary(2) - distance + byte);
            rig.bus.store(at, Width::Byte, value >> (8 * byte)).expect("RAM");
        }
        (rig.hart.x[10], rig.hart.x[11]) =
            (from + PAGE_SIZE_BYTES - distance, to + PAGE_SIZE_BYTES - distance);
        for _ in 0..2 {
            assert_eq!(rig.run_from(Supervisor, satp, end - 2).cause, ECALL_FROM_S);
            let copied = (0..8).map(|byte| {
                let at = PhysAddr(boundary(4) - distance + byte);
                rig.bus.load(at, Width::Byte).expect("RAM") << (8 * byte)
            });
            assert_eq!(copied.sum::<u64>(), value, "{distance}");
        }
    }
}
