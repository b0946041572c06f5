//! `page-faults`: every combination of PTE bits under every access, privilege, SUM and MXR; bad
//! entries at every level; superpages; both A/D schemes; MPRV; page-crossing accesses. What to
//! expect comes from the portable walk, which is tested on the host.

#![no_std]
#![no_main]

mod space;

use guest::{Access, Finding, Flags, Ppn, Walk, WalkOptions};
use guest_runtime::check::Checks;
use guest_runtime::run::{Code, Mode, Outcome, cause, run};
use guest_runtime::{csr, entry, frames, snippets};
use space::{Action, Frames, Space, VA, act, code, data_frame};

entry!(main);

const LOADED: u64 = 0x1122_3344_5566_7788;
const STORED: u64 = 0x99aa_bbcc_ddee_ff00;

fn main() {
    let mut checks = Checks::new("page-faults");
    let mut space = Space::new();
    space.activate(0);

    // Ask for Svade; a hart may have nothing but Svadu.
    csr::clear::<{ csr::MENVCFG }>(csr::MENVCFG_ADUE);
    let hart_updates = updates_by_itself(&space);
    checks.section("every leaf, A and D set by software");
    if hart_updates {
        checks.skip("Svade");
        every_leaf(&mut checks, &space, true);
    } else {
        every_leaf(&mut checks, &space, false);
        checks.section("every leaf, A and D set by the hart");
        csr::set::<{ csr::MENVCFG }>(csr::MENVCFG_ADUE);
        if updates_by_itself(&space) {
            every_leaf(&mut checks, &space, true);
        } else {
            checks.skip("Svadu");
        }
        csr::clear::<{ csr::MENVCFG }>(csr::MENVCFG_ADUE);
    }
    checks.section("bad entries at each level");
    levels(&mut checks, &space);
    checks.section("superpages");
    superpages(&mut checks, &mut space);
    checks.section("addresses that are not canonical");
    canonical(&mut checks);
    checks.section("Sv48 and Sv57");
    more_levels(&mut checks, &space);
    checks.section("MPRV");
    mprv(&mut checks, &space);
    checks.section("AMO");
    amo(&mut checks, &space);
    checks.section("accesses across two pages");
    crossing(&mut checks, &mut space);
    checks.finish()
}

/// Whether the hart sets A instead of raising a page fault.
fn updates_by_itself(space: &Space) -> bool {
    set_page(space, Flags::V | Flags::R, 0);
    act(Mode::Supervisor, Action::Load, VA, 0).cause == cause::ECALL_S
}

/// Points the page under test at data frame `frame` with these bits, and fences.
fn set_page(space: &Space, flags: Flags, frame: u64) {
    let pte = guest::Pte::new(Ppn::of(data_frame(frame)), flags);
    space.set_leaf(VA, pte.0);
    csr::sfence_vma_all();
}

/// Eight bits from the low bits of `bits`.
fn flags(bits: u64) -> Flags {
    guest::Pte(bits).flags()
}

fn every_leaf(checks: &mut Checks, space: &Space, hart_updates: bool) {
    for bits in 0..256 {
        for access in [Access::Fetch, Access::Load, Access::Store] {
            for variant in 0..6 {
                // SUM and MXR concern S-mode and U-mode; SUM does nothing in U-mode.
                let user = variant >= 4;
                let (sum, mxr) = (variant & 1 == 1 && !user, variant & 2 == 2 || variant == 5);
                let options = WalkOptions { user, sum, mxr };
                leaf(checks, space, flags(bits), access, options, hart_updates);
            }
        }
    }
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SUM | csr::MSTATUS_MXR);
}

fn leaf(
    checks: &mut Checks,
    space: &Space,
    flags: Flags,
    access: Access,
    options: WalkOptions,
    hart_updates: bool,
) {
    let page = data_frame(0);
    frames::write(page, if access == Access::Fetch { space::ECALL.into() } else { LOADED });
    // The hart as it would be after its own updates decides; then the PTE shows them.
    let dirty = if access == Access::Store { Flags::A | Flags::D } else { Flags::A };
    let updated = if hart_updates { flags | dirty } else { flags };
    set_page(space, updated, 0);
    let walk = Walk::new(&Frames, space.table, VA, access, options);
    let grants = matches!(walk.finding(), Some(Finding::Grants(_)));
    set_page(space, flags, 0);

    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SUM | csr::MSTATUS_MXR);
    let (sum, mxr) = (options.sum, options.mxr);
    csr::set::<{ csr::MSTATUS }>(if sum { csr::MSTATUS_SUM } else { 0 });
    csr::set::<{ csr::MSTATUS }>(if mxr { csr::MSTATUS_MXR } else { 0 });
    let mode = if options.user { Mode::User } else { Mode::Supervisor };
    let outcome = touch(mode, access, VA);
    let case = format_args!("{flags} {access:?} {options:?}");
    let memory = frames::read(page);
    let pte_flags = guest::Pte(frames::read(space.leaf_at(VA))).flags();
    if grants {
        granted(checks, case, mode, access, &outcome);
        checks.equal(case, memory, if access == Access::Store { STORED } else { memory });
        checks.equal(case, pte_flags, updated);
    } else {
        faulted(checks, case, access, &outcome, VA);
        checks.that(memory != STORED, case);
        checks.equal(case, pte_flags, flags);
    }
}

/// Fetches from, loads from or stores to `va`.
fn touch(mode: Mode, access: Access, va: u64) -> Outcome {
    match access {
        Access::Fetch => run(mode, Code::at(va), &[0, va, STORED]),
        Access::Load => act(mode, Action::Load, va, STORED),
        Access::Store => act(mode, Action::Store, va, STORED),
    }
}

fn granted(
    checks: &mut Checks,
    case: core::fmt::Arguments<'_>,
    mode: Mode,
    access: Access,
    outcome: &Outcome,
) {
    let ecall = if mode == Mode::User { cause::ECALL_U } else { cause::ECALL_S };
    checks.equal(case, outcome.cause, ecall);
    checks.equal(case, outcome.a[0], if access == Access::Load { LOADED } else { 0 });
}

fn faulted(
    checks: &mut Checks,
    case: core::fmt::Arguments<'_>,
    access: Access,
    outcome: &Outcome,
    tval: u64,
) {
    let page_fault = match access {
        Access::Fetch => cause::FETCH_PAGE,
        Access::Load => cause::LOAD_PAGE,
        Access::Store => cause::STORE_PAGE,
    };
    checks.equal(case, (outcome.cause, outcome.tval), (page_fault, tval));
    // What could not be loaded was not written to the register.
    checks.equal(case, outcome.a[0], 0);
}

fn levels(checks: &mut Checks, space: &Space) {
    const FULL: Flags = Flags::R.with(Flags::W).with(Flags::X).with(Flags::A).with(Flags::D);
    let page = data_frame(0);
    space.set_leaf(VA, Ppn::of(page).0 << 10 | 1 << 60 | 0xcf);
    csr::sfence_vma_all();
    let strict = touch(Mode::Supervisor, Access::Load, VA).cause == cause::LOAD_PAGE;
    if !strict {
        checks.skip("page faults for reserved upper bits");
    }
    set_page(space, FULL | Flags::V, 0);
    for level in 0..3 {
        let at = space.table.pte_at(&Frames, VA, level).expect("tables are there");
        let good = frames::read(at);
        let pointer = Ppn::of(page).0 << 10 | 1;
        let bad = [
            ("V=0", good & !1),
            ("all zero", 0),
            ("W without R", good & !0xe | 4),
            ("X and W without R", good & !0xe | 0xc),
            ("bad pointer", if level == 0 { pointer } else { pointer | 0x40 }),
            ("reserved bit 54", good | 1 << 54),
            ("reserved bit 60", good | 1 << 60),
            ("PBMT 3", good | 3 << 61),
            ("N where it may not be", good | 1 << 63),
        ];
        // Some harts ignore the upper bits.
        let bad = if strict { &bad[..] } else { &bad[..5] };
        for (what, bits) in bad {
            frames::write(at, *bits);
            csr::sfence_vma_all();
            for access in [Access::Fetch, Access::Load, Access::Store] {
                let outcome = touch(Mode::Supervisor, access, VA);
                faulted(checks, format_args!("level {level} {what}"), access, &outcome, VA);
            }
        }
        frames::write(at, good);
        if level > 0 {
            access_faults(checks, at, good);
        }
    }
    csr::sfence_vma_all();
    frames::write(page, LOADED);
    let outcome = touch(Mode::Supervisor, Access::Load, VA);
    granted(checks, format_args!("all repaired"), Mode::Supervisor, Access::Load, &outcome);
}

/// A pointer to a table where there is no memory: an access fault, of the original access's kind.
fn access_faults(checks: &mut Checks, at: u64, good: u64) {
    const NOWHERE: u64 = 0x2_0000;
    frames::write(at, Ppn::of(NOWHERE).0 << 10 | 1);
    csr::sfence_vma_all();
    if touch(Mode::Supervisor, Access::Load, VA).cause == cause::LOAD_PAGE {
        checks.skip("access faults for tables outside memory");
        frames::write(at, good);
        return;
    }
    for (access, want) in [
        (Access::Fetch, cause::FETCH_ACCESS),
        (Access::Load, cause::LOAD_ACCESS),
        (Access::Store, cause::STORE_ACCESS),
    ] {
        let outcome = touch(Mode::Supervisor, access, VA);
        checks.equal("table outside memory", (outcome.cause, outcome.tval), (want, VA));
    }
    frames::write(at, good);
}

fn superpages(checks: &mut Checks, space: &mut Space) {
    const RW: Flags = Flags::R.with(Flags::W).with(Flags::A).with(Flags::D);
    const RAM: u64 = 0x8000_0000;
    let page = data_frame(1);
    let mode = Mode::Supervisor;
    for (level, va) in [(1, 0x3_0000_0000), (2, 0x4_0000_0000)] {
        space.map(va, level, Ppn::of(RAM), RW);
        csr::sfence_vma_all();
        let inside = va + (page - RAM);
        frames::write(page, LOADED);
        let outcome = touch(mode, Access::Load, inside);
        granted(checks, format_args!("level {level} load"), mode, Access::Load, &outcome);
        let outcome = touch(mode, Access::Store, inside);
        granted(checks, format_args!("level {level} store"), mode, Access::Store, &outcome);
        checks.equal("stored through a superpage", frames::read(page), STORED);
        let outcome = touch(mode, Access::Fetch, inside);
        faulted(checks, format_args!("level {level} X=0"), Access::Fetch, &outcome, inside);
        // Every lower bit of the page number makes it misaligned.
        let at = space.table.pte_at(&Frames, va, level).expect("just mapped");
        let good = frames::read(at);
        for bit in 0..9 * level {
            frames::write(at, good | 1 << (10 + bit));
            csr::sfence_vma_all();
            let outcome = touch(mode, Access::Load, inside);
            let case = format_args!("level {level} misaligned by bit {bit}");
            faulted(checks, case, Access::Load, &outcome, inside);
        }
        frames::write(at, good);
    }
    csr::sfence_vma_all();
}

fn canonical(checks: &mut Checks) {
    for va in [1 << 38, VA | 1 << 39, VA | 1 << 40, VA | 1 << 62, VA | 1 << 63, !0 << 39] {
        for access in [Access::Fetch, Access::Load, Access::Store] {
            for mode in [Mode::Supervisor, Mode::User] {
                let outcome = touch(mode, access, va);
                faulted(checks, format_args!("{va:#x}"), access, &outcome, va);
            }
        }
    }
}

/// Puts one and then two more levels above the tables: entries 0 and 1 lead to what was the root.
fn more_levels(checks: &mut Checks, space: &Space) {
    const FULL: Flags = Flags::V.with(Flags::R).with(Flags::W).with(Flags::A).with(Flags::D);
    set_page(space, FULL, 0);
    frames::write(data_frame(0), LOADED);
    let mut root = space.table.root();
    for (name, mode, levels) in [("Sv48", 9, 4), ("Sv57", 10, 5)] {
        let upper = data_frame(20 + levels);
        for index in 0..512 {
            let pte = if index < 2 { guest::Pte::table(root).0 } else { 0 };
            frames::write(upper + 8 * index, pte);
        }
        root = Ppn::of(upper);
        let satp = mode << 60 | root.0;
        csr::write::<{ csr::SATP }>(satp);
        csr::sfence_vma_all();
        if csr::read::<{ csr::SATP }>() != satp {
            checks.skip(name);
            break;
        }
        let top = 9 * (levels - 1) + 12;
        let load = |va| touch(Mode::Supervisor, Access::Load, va);
        for va in [VA, VA | 1 << top] {
            let case = format_args!("{name} {va:#x}");
            granted(checks, case, Mode::Supervisor, Access::Load, &load(va));
        }
        // An empty entry of the root; then addresses that are not canonical for this mode.
        for va in [VA | 2 << top, VA | 1 << (top + 8), VA | 1 << (top + 9), VA | 1 << 63] {
            faulted(checks, format_args!("{name} {va:#x}"), Access::Load, &load(va), va);
        }
        // The upper half of the address space begins at entry 256 of the root.
        let va = u64::MAX << (top + 8);
        let middle = upper + 8 * 256;
        frames::write(middle, frames::read(upper));
        csr::sfence_vma_all();
        granted(checks, format_args!("{name}"), Mode::Supervisor, Access::Load, &load(va | VA));
        frames::write(middle, 0);
    }
    space.activate(0);
}

snippets! {
    // a3 = MPP of the access, a4 = MPRV; both are undone before the trap that ends it.
    load_as = "csrs mstatus, a3", "csrs mstatus, a4", "ld a0, 0(a1)", "csrc mstatus, a4";
    store_as = "csrs mstatus, a3", "csrs mstatus, a4", "sd a2, 0(a1)", "csrc mstatus, a4";
}

/// M-mode with MPRV loads and stores as MPP says.
fn mprv(checks: &mut Checks, space: &Space) {
    const RW: Flags = Flags::V.with(Flags::R).with(Flags::W).with(Flags::A).with(Flags::D);
    let page = data_frame(0);
    for (mode, flags, works) in [
        (Mode::User, RW, false),
        (Mode::User, RW | Flags::U, true),
        (Mode::Supervisor, RW, true),
        (Mode::Supervisor, RW | Flags::U, false),
    ] {
        set_page(space, flags, 0);
        frames::write(page, LOADED);
        let mpp = (mode as u64) << 11;
        let arguments = [0, VA, STORED, mpp, csr::MSTATUS_MPRV];
        let outcome = run(Mode::Machine, load_as(), &arguments);
        let case = format_args!("{mode:?} {flags}");
        let loaded = if works { (cause::ECALL_M, LOADED) } else { (cause::LOAD_PAGE, 0) };
        checks.equal(case, (outcome.cause, outcome.a[0]), loaded);
        let outcome = run(Mode::Machine, store_as(), &arguments);
        let stored = if works { (cause::ECALL_M, STORED) } else { (cause::STORE_PAGE, LOADED) };
        checks.equal(case, (outcome.cause, frames::read(page)), stored);
    }
    // MPP=M: MPRV changes nothing.
    let arguments = [0, page, 0, csr::MSTATUS_MPP, csr::MSTATUS_MPRV];
    frames::write(page, LOADED);
    let outcome = run(Mode::Machine, load_as(), &arguments);
    checks.equal("MPP=M", (outcome.cause, outcome.a[0]), (cause::ECALL_M, LOADED));
}

/// An AMO is a store from the beginning: it never raises a load page fault.
fn amo(checks: &mut Checks, space: &Space) {
    const AD: Flags = Flags::A.with(Flags::D).with(Flags::V);
    let page = data_frame(0);
    set_page(space, Flags::NONE, 0);
    if act(Mode::Supervisor, Action::Amo, VA, 1).cause == cause::LOAD_PAGE {
        checks.skip("AMOs that are stores from the beginning");
        return;
    }
    for (flags, works) in
        [(AD | Flags::R | Flags::W, true), (AD | Flags::R, false), (Flags::NONE, false)]
    {
        set_page(space, flags, 0);
        frames::write(page, LOADED);
        let outcome = act(Mode::Supervisor, Action::Amo, VA, 1);
        let got = (outcome.cause, outcome.a[0], frames::read(page));
        let want = if works {
            (cause::ECALL_S, LOADED, LOADED + 1)
        } else {
            (cause::STORE_PAGE, 0, LOADED)
        };
        checks.equal(flags, got, want);
    }
}

/// A doubleword across two pages: both are checked before a store writes anything, and the trap
/// value is the first byte that could not be reached.
fn crossing(checks: &mut Checks, space: &mut Space) {
    const RW: Flags = Flags::R.with(Flags::W).with(Flags::A).with(Flags::D);
    const SECOND: u64 = VA + 0x1000;
    // The frames are not neighbours.
    let (first, second) = (data_frame(0), data_frame(2));
    space.map(SECOND, 0, Ppn::of(second), RW);
    set_page(space, RW | Flags::V, 0);
    let good = frames::read(space.leaf_at(SECOND));
    let mode = Mode::Supervisor;
    for distance in 1..8 {
        let va = SECOND - distance;
        let set = |value: u64| {
            frames::write(first + 0xff8, value);
            frames::write(second, value);
        };
        let memory = || (frames::read(first + 0xff8), frames::read(second));
        let case = format_args!("{distance} bytes before the page");
        set(0);
        space.set_leaf(SECOND, good);
        csr::sfence_vma_all();
        checks.equal(case, touch(mode, Access::Store, va).cause, cause::ECALL_S);
        let lower = STORED << (64 - 8 * distance);
        checks.equal(case, memory(), (lower, STORED >> (8 * distance)));
        checks.equal(case, touch(mode, Access::Load, va).a[0], STORED);
        for (missing, tval) in [(SECOND, SECOND), (VA, va)] {
            let at = space.leaf_at(missing);
            let pte = frames::read(at);
            frames::write(at, 0);
            csr::sfence_vma_all();
            set(LOADED);
            for access in [Access::Load, Access::Store] {
                let outcome = touch(mode, access, va);
                faulted(checks, case, access, &outcome, tval);
                let action = if access == Access::Load { Action::Load } else { Action::Store };
                checks.equal(case, outcome.epc, code(mode, action).address());
            }
            checks.equal(case, memory(), (LOADED, LOADED));
            frames::write(at, pte);
        }
    }
}
