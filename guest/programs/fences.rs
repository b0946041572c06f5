//! `fences`: the hart may use an old translation until a fence that names it, and must not after.
//! Each form of `sfence.vma` and of Svinval is tried on each kind of change. Where the manual
//! leaves open what happens before the fence, what this machine does is printed and not judged.

#![no_std]
#![no_main]

mod space;

use guest::{Flags, FramePool, PageTable, Ppn, Pte};
use guest_runtime::check::Checks;
use guest_runtime::run::{Code, Mode, cause, run};
use guest_runtime::{csr, entry, frames, println, snippets};
use space::{Action, Frames, Space, VA, act, data_frame};

entry!(main);

const RW: Flags = Flags::V.with(Flags::R).with(Flags::W).with(Flags::A).with(Flags::D);
/// The address-space identifier of most tests.
const ASID: u64 = 5;
const OTHER_ASID: u64 = 6;
/// A page far from the one under test.
const ELSEWHERE: u64 = VA + (7 << 12);

snippets! {
    // a1 = address, a2 = ASID.
    all = "sfence.vma";
    by_address = "sfence.vma a1";
    by_asid = "sfence.vma zero, a2";
    by_both = "sfence.vma a1, a2";
    inval_all = "sfence.w.inval", "sinval.vma zero, zero", "sfence.inval.ir";
    inval_by_address = "sfence.w.inval", "sinval.vma a1, zero", "sfence.inval.ir";
    inval_by_asid = "sfence.w.inval", "sinval.vma zero, a2", "sfence.inval.ir";
    inval_by_both = "sfence.w.inval", "sinval.vma a1, a2", "sfence.inval.ir";
    inval_alone = "sinval.vma zero, zero";
    write_inval_alone = "sfence.w.inval";
}

/// A form of fence, with what it names.
struct Fence {
    name: &'static str,
    code: fn() -> Code,
    /// Global mappings are not named by forms with an ASID.
    names_global: bool,
    /// Pointers are not named by forms with an address, only leaves.
    names_pointers: bool,
}

const FENCES: [Fence; 8] = [
    Fence { name: "sfence.vma", code: all, names_global: true, names_pointers: true },
    Fence { name: "sfence.vma va", code: by_address, names_global: true, names_pointers: false },
    Fence { name: "sfence.vma asid", code: by_asid, names_global: false, names_pointers: true },
    Fence {
        name: "sfence.vma va, asid",
        code: by_both,
        names_global: false,
        names_pointers: false,
    },
    Fence { name: "sinval.vma", code: inval_all, names_global: true, names_pointers: true },
    Fence {
        name: "sinval.vma va",
        code: inval_by_address,
        names_global: true,
        names_pointers: false,
    },
    Fence {
        name: "sinval.vma asid",
        code: inval_by_asid,
        names_global: false,
        names_pointers: true,
    },
    Fence {
        name: "sinval.vma va, asid",
        code: inval_by_both,
        names_global: false,
        names_pointers: false,
    },
];

fn main() {
    let mut checks = Checks::new("fences");
    let mut space = Space::new();
    for number in 0..3 {
        frames::write(data_frame(number), 100 + number);
    }
    space.activate(ASID);
    let asids = csr::read::<{ csr::SATP }>() >> 44 & 0xffff == ASID;
    let svinval = run(Mode::Machine, inval_all(), &[]).cause == cause::ECALL_M;
    if !svinval {
        checks.skip("Svinval");
    }
    let fences = if svinval { &FENCES[..] } else { &FENCES[..4] };
    checks.section("a leaf changes");
    leaf(&mut checks, &space, fences);
    checks.section("a pointer changes");
    pointer(&mut checks, &space, fences);
    checks.section("a superpage changes");
    superpage(&mut checks, &mut space, fences);
    checks.section("rights shrink, grow and come without a fence");
    rights(&mut checks, &space);
    checks.section("satp changes");
    if asids {
        asid(&mut checks, &space, fences);
    } else {
        checks.skip("ASIDs");
    }
    checks.section("SUM and MXR act at once");
    at_once(&mut checks, &space);
    checks.section("who may fence");
    permission(&mut checks, svinval);
    checks.finish()
}

/// The bits of a leaf that maps data frame `number`.
fn pte(number: u64, flags: Flags) -> u64 {
    Pte::new(Ppn::of(data_frame(number)), flags).0
}

/// Loads from `va` in S-mode: what it saw, or the cause of its fault.
fn load(va: u64) -> Result<u64, u64> {
    let outcome = act(Mode::Supervisor, Action::Load, va, 0);
    if outcome.cause == cause::ECALL_S { Ok(outcome.a[0]) } else { Err(outcome.cause) }
}

/// Fences from M-mode, where the code needs no mapping.
fn fence(fence: &Fence, va: u64) {
    run(Mode::Machine, (fence.code)(), &[0, va, ASID]);
}

/// Between a change and its fence the old or the new translation may be used, and nothing else.
fn before_fence(checks: &mut Checks, name: &str, old: Result<u64, u64>, new: Result<u64, u64>) {
    let got = load(VA);
    checks.that(got == old || got == new, format_args!("{name}: {got:?} before the fence"));
}

fn leaf(checks: &mut Checks, space: &Space, fences: &[Fence]) {
    const FAULT: Result<u64, u64> = Err(cause::LOAD_PAGE);
    let mut stale = 0;
    for form in fences {
        for (from, to, old, new) in [
            (pte(0, RW), pte(1, RW), Ok(100), Ok(101)),
            (pte(0, RW), 0, Ok(100), FAULT),
            (0, pte(1, RW), FAULT, Ok(101)),
            (pte(0, RW), pte(0, Flags::X | Flags::V | Flags::A), Ok(100), FAULT),
            (pte(0, RW | Flags::U), pte(2, RW), FAULT, Ok(102)),
        ] {
            space.set_leaf(VA, from);
            csr::sfence_vma_all();
            checks.equal(form.name, load(VA), old);
            space.set_leaf(VA, to);
            stale += u32::from(load(VA) == old);
            before_fence(checks, form.name, old, new);
            fence(form, VA);
            checks.equal(form.name, load(VA), new);
        }
    }
    println!("  old translation used before the fence: {stale} of {} times", 5 * fences.len());
    global_leaf(checks, space, fences);
}

/// Forms with an ASID need not reach global mappings; the others must.
fn global_leaf(checks: &mut Checks, space: &Space, fences: &[Fence]) {
    for form in fences {
        space.set_leaf(VA, pte(0, RW | Flags::G));
        csr::sfence_vma_all();
        checks.equal(form.name, load(VA), Ok(100));
        space.set_leaf(VA, pte(1, RW | Flags::G));
        fence(form, VA);
        if form.names_global {
            checks.equal(form.name, load(VA), Ok(101));
        } else {
            before_fence(checks, form.name, Ok(100), Ok(101));
        }
    }
}

/// A non-leaf entry: only forms without an address name it for every page below, but a form with
/// an address names it for that page.
fn pointer(checks: &mut Checks, space: &Space, fences: &[Fence]) {
    let other_table = data_frame(8);
    for level in [1, 2] {
        let at = space.table.pte_at(&Frames, VA, level).expect("tables are there");
        let good = frames::read(at);
        for index in 0..512 {
            frames::write(other_table + 8 * index, pte(2, RW));
        }
        for form in fences {
            space.set_leaf(VA, pte(0, RW));
            csr::sfence_vma_all();
            checks.equal(form.name, load(VA), Ok(100));
            // At level 2 the new table's entries are misaligned superpages.
            frames::write(at, Pte::table(Ppn::of(other_table)).0);
            let new = if level == 1 { Ok(102) } else { Err(cause::LOAD_PAGE) };
            before_fence(checks, form.name, Ok(100), new);
            fence(form, VA);
            let seen = load(VA);
            let may_be_old = !form.names_pointers && seen == Ok(100);
            checks.that(seen == new || may_be_old, form.name);
            frames::write(at, good);
            csr::sfence_vma_all();
        }
    }
}

/// Any address inside names the whole superpage.
fn superpage(checks: &mut Checks, space: &mut Space, fences: &[Fence]) {
    const MEGAPAGE: u64 = 0x3_0000_0000;
    const RAM: u64 = 0x8000_0000;
    space.map(MEGAPAGE, 1, Ppn::of(RAM), RW);
    let at = space.table.pte_at(&Frames, MEGAPAGE, 1).expect("just mapped");
    let good = frames::read(at);
    let inside = |frame| MEGAPAGE + (data_frame(frame) - RAM);
    for form in fences {
        frames::write(at, good);
        csr::sfence_vma_all();
        for frame in 0..3 {
            checks.equal(form.name, load(inside(frame)), Ok(100 + frame));
        }
        frames::write(at, 0);
        fence(form, inside(1));
        for frame in 0..3 {
            checks.equal(form.name, load(inside(frame)), Err(cause::LOAD_PAGE));
        }
    }
    frames::write(at, good);
    csr::sfence_vma_all();
}

/// Changes that are safe without a fence in one direction only.
fn rights(checks: &mut Checks, space: &Space) {
    let read_only = RW.without(Flags::W);
    for (from, to) in [(read_only, RW), (RW, read_only)] {
        space.set_leaf(VA, pte(0, from));
        csr::sfence_vma_all();
        checks.equal("load", load(VA), Ok(100));
        space.set_leaf(VA, pte(0, to));
        let early = act(Mode::Supervisor, Action::Store, VA, 100).cause;
        checks.that(matches!(early, cause::ECALL_S | cause::STORE_PAGE), "store before the fence");
        csr::sfence_vma_all();
        let stored = act(Mode::Supervisor, Action::Store, VA, 100).cause;
        let want = if to == RW { cause::ECALL_S } else { cause::STORE_PAGE };
        checks.equal("store after the fence", stored, want);
    }
    // A fence for another page leaves this one to the hart.
    space.set_leaf(VA, pte(0, RW));
    csr::sfence_vma_all();
    checks.equal("load", load(VA), Ok(100));
    space.set_leaf(VA, pte(1, RW));
    fence(&FENCES[1], ELSEWHERE);
    before_fence(checks, "fence elsewhere", Ok(100), Ok(101));
    fence(&FENCES[1], VA);
    checks.equal("fence here", load(VA), Ok(101));
}

/// Two address spaces with ASIDs of their own never see each other's pages.
fn asid(checks: &mut Checks, first: &Space, fences: &[Fence]) {
    let mut pool = FramePool::new(Ppn::of(data_frame(16)), Ppn::of(data_frame(24)));
    let second = PageTable::new(&mut Frames, &mut pool).expect("frames are free");
    // The code pages are in the upper entries of the root, the page under test below.
    for index in 0..512 {
        let entry = frames::read(first.table.root().base() + 8 * index);
        frames::write(second.root().base() + 8 * index, if index == 3 { 0 } else { entry });
    }
    let page = guest::Page { va: VA, level: 0 };
    let frame = Ppn::of(data_frame(2));
    second.map(&mut Frames, &mut pool, page, frame, RW).expect("frames are free");
    let leaf = second.pte_at(&Frames, VA, 0).expect("just mapped");
    let satps = [first.satp(ASID), space::SV39 | OTHER_ASID << 44 | second.root().0];
    first.set_leaf(VA, pte(0, RW));
    csr::sfence_vma_all();
    for form in fences {
        first.set_leaf(VA, pte(0, RW));
        frames::write(leaf, pte(2, RW));
        csr::sfence_vma_all();
        for _ in 0..2 {
            for (satp, value) in satps.iter().zip([100, 102]) {
                csr::write::<{ csr::SATP }>(*satp);
                checks.equal("switch without a fence", load(VA), Ok(value));
            }
        }
        // Both change; the fence for the first one's ASID need not reach the second's.
        first.set_leaf(VA, pte(1, RW));
        frames::write(leaf, pte(0, RW));
        csr::write::<{ csr::SATP }>(satps[0]);
        fence(form, VA);
        checks.equal(form.name, load(VA), Ok(101));
        csr::write::<{ csr::SATP }>(satps[1]);
        if form.names_global {
            checks.equal(form.name, load(VA), Ok(100));
        } else {
            before_fence(checks, form.name, Ok(102), Ok(100));
        }
    }
    csr::write::<{ csr::SATP }>(satps[0]);
    csr::sfence_vma_all();
}

/// SUM, MXR and the privilege mode are no part of a cached translation.
fn at_once(checks: &mut Checks, space: &Space) {
    const FAULT: Result<u64, u64> = Err(cause::LOAD_PAGE);
    let execute_only = Flags::V | Flags::X | Flags::A;
    for (flags, bit) in [(RW | Flags::U, csr::MSTATUS_SUM), (execute_only, csr::MSTATUS_MXR)] {
        space.set_leaf(VA, pte(0, flags));
        csr::sfence_vma_all();
        for _ in 0..3 {
            checks.equal("clear", load(VA), FAULT);
            csr::set::<{ csr::MSTATUS }>(bit);
            checks.equal("set", load(VA), Ok(100));
            csr::clear::<{ csr::MSTATUS }>(bit);
        }
    }
    space.set_leaf(VA, pte(0, RW | Flags::U));
    csr::sfence_vma_all();
    for _ in 0..3 {
        let user = act(Mode::User, Action::Load, VA, 0);
        checks.equal("U-mode", (user.cause, user.a[0]), (cause::ECALL_U, 100));
        checks.equal("S-mode", load(VA), FAULT);
    }
}

fn permission(checks: &mut Checks, svinval: bool) {
    // Fences are tried with translation off, where the snippets are reachable from U-mode too.
    let satp = csr::swap::<{ csr::SATP }>(0);
    for form in if svinval { &FENCES[..] } else { &FENCES[..4] } {
        for (mode, tvm, want) in [
            (Mode::Machine, 0, cause::ECALL_M),
            (Mode::Machine, csr::MSTATUS_TVM, cause::ECALL_M),
            (Mode::Supervisor, 0, cause::ECALL_S),
            (Mode::Supervisor, csr::MSTATUS_TVM, cause::ILLEGAL),
            (Mode::User, 0, cause::ILLEGAL),
        ] {
            csr::set::<{ csr::MSTATUS }>(tvm);
            checks.equal(form.name, run(mode, (form.code)(), &[]).cause, want);
            csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_TVM);
        }
    }
    if svinval {
        let traps = run(Mode::User, inval_alone(), &[]).cause;
        checks.equal("sinval.vma in U-mode", traps, cause::ILLEGAL);
        csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_TVM);
        let traps = run(Mode::Supervisor, inval_alone(), &[]).cause;
        checks.equal("sinval.vma under TVM", traps, cause::ILLEGAL);
        let ordered = run(Mode::Supervisor, write_inval_alone(), &[]).cause;
        checks.equal("sfence.w.inval under TVM", ordered, cause::ECALL_S);
        csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_TVM);
    }
    csr::write::<{ csr::SATP }>(satp);
}
