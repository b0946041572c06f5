//! What a hart caches by itself, it gives up by itself: after another hart has changed a page
//! table or code and has sent an interrupt, the fence of the interrupted hart must work.

use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use guest::{Flags, Ppn, Pte};
use guest_runtime::board::clint;
use guest_runtime::check::Checks;
use guest_runtime::harts::{self, together};
use guest_runtime::run::{Code, Mode, cause, run};
use guest_runtime::{csr, frames, snippets};

use crate::crew::{HARTS, SAID, await_interrupt, barrier};
use crate::space::{self, Action, Space, VA, act, data_frame};

const RW: Flags = Flags::V.with(Flags::R).with(Flags::W).with(Flags::A).with(Flags::D);
const ASID: u64 = 5;
/// What a load yields that faults.
const FAULT: u64 = u64::MAX;

snippets! {
    // a1 = address, a2 = ASID.
    all = "sfence.vma";
    by_address = "sfence.vma a1";
    by_asid = "sfence.vma zero, a2";
    by_both = "sfence.vma a1, a2";
}

const FENCES: [(&str, fn() -> Code); 4] = [
    ("sfence.vma", all),
    ("sfence.vma va", by_address),
    ("sfence.vma asid", by_asid),
    ("sfence.vma va, asid", by_both),
];

static SATP: AtomicU64 = AtomicU64::new(0);
static LEAF_AT: AtomicU64 = AtomicU64::new(0);
static FENCE: AtomicUsize = AtomicUsize::new(0);

/// The bits of a leaf that maps data frame `number`.
fn pte(number: u64, flags: Flags) -> u64 {
    Pte::new(Ppn::of(data_frame(number)), flags).0
}

/// Leaves and what a load through them yields; each follows the one before, the last is first.
fn leaves() -> [(u64, u64); 6] {
    [
        (pte(1, RW), 101),
        (pte(2, RW), 102),
        (0, FAULT),
        (pte(1, RW), 101),
        (pte(1, RW | Flags::U), FAULT),
        (pte(0, RW), 100),
    ]
}

/// Loads through the page under test in S-mode.
fn load() -> u64 {
    let outcome = act(Mode::Supervisor, Action::Load, VA, 0);
    if outcome.cause == cause::ECALL_S { outcome.a[0] } else { FAULT }
}

pub(crate) fn translations(checks: &mut Checks) {
    let space = Space::new();
    for number in 0..3 {
        frames::write(data_frame(number), 100 + number);
    }
    space.set_leaf(VA, pte(0, RW));
    space.activate(ASID);
    SATP.store(csr::read::<{ csr::SATP }>(), Ordering::Relaxed);
    LEAF_AT.store(space.leaf_at(VA), Ordering::Relaxed);
    for (index, (name, _)) in FENCES.iter().enumerate() {
        FENCE.store(index, Ordering::Relaxed);
        SAID.iter().for_each(|said| said.set(0));
        together(HARTS, change_and_follow);
        for (hart, said) in SAID.iter().enumerate() {
            // 1 for what is right, 100 for what was wrong.
            let want = if hart == 0 { 0 } else { 3 * leaves().len() as u64 };
            checks.equal(format_args!("{name} on hart {hart}"), said.get(), want);
        }
    }
}

/// Hart 0 changes the leaf and interrupts the others; they must see the old or the new page
/// before their fence, and the new one after it.
fn change_and_follow() {
    let hart = harts::id();
    csr::write::<{ csr::SATP }>(SATP.load(Ordering::Relaxed));
    csr::sfence_vma_all();
    let count = |right: bool| {
        let said = &SAID[hart];
        said.set(said.get() + if right { 1 } else { 100 });
    };
    let (_, fence) = FENCES[FENCE.load(Ordering::Relaxed)];
    let leaves = leaves();
    let mut old = leaves[leaves.len() - 1].1;
    for (bits, new) in leaves {
        barrier(HARTS);
        if hart == 0 {
            frames::write(LEAF_AT.load(Ordering::Relaxed), bits);
            (1..HARTS).for_each(|other| clint::set_msip_of(other, 1));
        } else {
            count([old, new].contains(&load()));
            await_interrupt(hart);
            count([old, new].contains(&load()));
            run(Mode::Machine, fence(), &[0, VA, ASID]);
            count(load() == new);
        }
        barrier(HARTS);
        old = new;
    }
    csr::write::<{ csr::SATP }>(0);
    csr::sfence_vma_all();
}

/// Times that the code changes.
const EDITIONS: u64 = 32;

/// `li a0, number`.
fn li_a0(number: u64) -> u32 {
    (number as u32) << 20 | 10 << 7 | 0x13
}

/// Each hart in turn writes a function that all harts call.
pub(crate) fn code(checks: &mut Checks) {
    SAID.iter().for_each(|said| said.set(0));
    frames::write_code(data_frame(3), &[li_a0(0), space::ECALL]);
    csr::fence_i();
    together(HARTS, || {
        let hart = harts::id();
        let function = Code::at(data_frame(3));
        let said = &SAID[hart];
        csr::fence_i();
        for edition in 1..=EDITIONS {
            let author = edition as usize % HARTS;
            barrier(HARTS);
            if hart == author {
                frames::write_code(function.address(), &[li_a0(edition), space::ECALL]);
                for other in (0..HARTS).filter(|other| *other != author) {
                    clint::set_msip_of(other, 1);
                }
            } else {
                let early = run(Mode::Machine, function, &[]).a[0];
                await_interrupt(hart);
                let known = early == edition || early == edition - 1;
                said.set(said.get() + u64::from(!known));
            }
            csr::fence_i();
            let got = run(Mode::Machine, function, &[]).a[0];
            said.set(said.get() + u64::from(got != edition));
            barrier(HARTS);
        }
    });
    for (hart, said) in SAID.iter().enumerate() {
        checks.equal(format_args!("calls of old code on hart {hart}"), said.get(), 0);
    }
}
