//! `self-modifying`: instructions that change after they have run. After `fence.i` the new ones
//! must run: over and over, through another mapping of the page, next to the code that writes
//! them, across a page boundary, and after a data page became a code page.

#![no_std]
#![no_main]

mod space;

use guest::{Flags, Ppn};
use guest_runtime::check::Checks;
use guest_runtime::run::{Code, Mode, run};
use guest_runtime::{csr, entry, frames, snippets};
use space::{Action, ECALL, Space, VA, act, data_frame};

entry!(main);

const EXECUTABLE: Flags = Flags::V.with(Flags::R).with(Flags::X).with(Flags::A);
const WRITABLE: Flags = Flags::V.with(Flags::R).with(Flags::W).with(Flags::A).with(Flags::D);

snippets! {
    // Stores the word a2 to a1, then jumps to a1.
    write_and_jump = "sw a2, 0(a1)", "fence.i", "jr a1";
    fence_i = "fence.i";
    // Overwrites its own next instruction with the word a2 and runs it.
    overwrite_next =
        ".option norvc", "la a1, 2f", "sw a2, 0(a1)", "fence.i", "nop", "2: li a0, 1";
    // Counts a3 up to a4 in a loop whose body it changes half-way from +1 to the word a2.
    overwrite_loop =
        ".option norvc", "la a1, 2f", "srli a5, a4, 1", "2: addi a0, a0, 1", "addi a3, a3, 1",
        "bne a3, a5, 3f", "sw a2, 0(a1)", "fence.i", "3: bne a3, a4, 2b";
}

/// `addi a0, zero, value`.
const fn load_immediate(value: u32) -> u32 {
    value << 20 | 0x513
}

fn main() {
    let mut checks = Checks::new("self-modifying");
    checks.section("the same place, over and over");
    again(&mut checks);
    checks.section("next to the writer");
    nearby(&mut checks);
    checks.section("through another mapping");
    alias(&mut checks);
    checks.section("across a page boundary");
    boundary(&mut checks);
    checks.finish()
}

fn again(checks: &mut Checks) {
    let at = frames::at(0);
    for mode in [Mode::Machine, Mode::Supervisor, Mode::User] {
        for value in 0..300 {
            // Written by Rust code ...
            frames::write_code(at, &[load_immediate(value), ECALL]);
            run(Mode::Machine, fence_i(), &[]);
            checks.equal("by M-mode", run(mode, Code::at(at), &[]).a[0], value.into());
            // ... and by the code that jumps there.
            let word = load_immediate(value + 1000).into();
            let outcome = run(mode, write_and_jump(), &[0, at, word]);
            checks.equal("by itself", outcome.a[0], u64::from(value) + 1000);
        }
    }
}

fn nearby(checks: &mut Checks) {
    for value in [5, 6, 6, 7] {
        let outcome = run(Mode::Machine, overwrite_next(), &[0, 0, load_immediate(value).into()]);
        checks.equal("the next instruction", outcome.a[0], value.into());
    }
    const ADD_3: u64 = 0x0035_0513;
    const ADD_1: u64 = 0x0015_0513;
    for (word, step) in [(ADD_3, 3), (ADD_1, 1)] {
        // Half of the turns run what was there before.
        let before = if word == ADD_3 { 1 } else { 3 };
        let outcome = run(Mode::Machine, overwrite_loop(), &[0, 0, word, 0, 2000]);
        checks.equal("a running loop", outcome.a[0], 1000 * before + 1000 * step);
    }
}

fn alias(checks: &mut Checks) {
    const ALIAS: u64 = VA + 0x5000;
    let mut space = Space::new();
    space.map(ALIAS, 0, Ppn::of(data_frame(0)), WRITABLE);
    let code = guest::Pte::new(Ppn::of(data_frame(0)), EXECUTABLE);
    space.set_leaf(VA, code.0);
    space.activate(0);
    frames::write_code(data_frame(0), &[load_immediate(0), ECALL]);
    for value in 0..100 {
        let insns = u64::from(ECALL) << 32 | u64::from(load_immediate(value));
        act(Mode::Supervisor, Action::Store, ALIAS, insns);
        run(Mode::Machine, fence_i(), &[]);
        let outcome = run(Mode::Supervisor, Code::at(VA), &[]);
        checks.equal("written at one address, run at another", outcome.a[0], value.into());
    }
    // Another frame behind the same address needs sfence.vma; fence.i for what is in it.
    frames::write_code(data_frame(1), &[load_immediate(777), ECALL]);
    run(Mode::Machine, fence_i(), &[]);
    space.set_leaf(VA, guest::Pte::new(Ppn::of(data_frame(1)), EXECUTABLE).0);
    csr::sfence_vma_all();
    checks.equal("another frame", run(Mode::Supervisor, Code::at(VA), &[]).a[0], 777);
    // A page that was data and becomes code.
    space.set_leaf(VA, guest::Pte::new(Ppn::of(data_frame(2)), WRITABLE).0);
    csr::sfence_vma_all();
    let insns = u64::from(ECALL) << 32 | u64::from(load_immediate(888));
    act(Mode::Supervisor, Action::Store, VA, insns);
    space.set_leaf(VA, guest::Pte::new(Ppn::of(data_frame(2)), EXECUTABLE).0);
    csr::sfence_vma_all();
    run(Mode::Machine, fence_i(), &[]);
    checks.equal("data becomes code", run(Mode::Supervisor, Code::at(VA), &[]).a[0], 888);
    csr::write::<{ csr::SATP }>(0);
    csr::sfence_vma_all();
}

/// An instruction whose halves lie in two pages, either of which is rewritten.
fn boundary(checks: &mut Checks) {
    let (first, second) = (frames::at(1) - 8, frames::at(1));
    for value in (0..64).map(|n| n * 31) {
        // Three c.nops, then the lower half of the instruction; then its upper half and an ecall.
        let insn = u64::from(load_immediate(value));
        frames::write(first, (insn & 0xffff) << 48 | 0x0001_0001_0001);
        frames::write(second, u64::from(ECALL) << 16 | insn >> 16);
        run(Mode::Machine, fence_i(), &[]);
        let outcome = run(Mode::Machine, Code::at(first), &[]);
        checks.equal("both halves", outcome.a[0], value.into());
        // Only the upper half, which holds the immediate.
        let insn = u64::from(load_immediate(value + 1));
        frames::write(second, u64::from(ECALL) << 16 | insn >> 16);
        run(Mode::Machine, fence_i(), &[]);
        let outcome = run(Mode::Machine, Code::at(first), &[]);
        checks.equal("the upper half", outcome.a[0], u64::from(value) + 1);
    }
}
