//! `protection`: physical memory protection. NA4, NAPOT and TOR entries, their order, partial
//! matches, locked entries that bind M-mode, and what PMP says to page walks.

#![no_std]
#![no_main]

mod space;

use guest::{Access, Flags};
use guest_runtime::check::Checks;
use guest_runtime::run::{Code, Mode, cause, run};
use guest_runtime::{csr, entry, frames, snippets};
use space::{Action, ECALL, Space, VA, act, data_frame};

entry!(main);

/// Fields of a PMP configuration byte.
const R: u64 = 1;
const W: u64 = 2;
const X: u64 = 4;
const OFF: u64 = 0;
const TOR: u64 = 1 << 3;
const NA4: u64 = 2 << 3;
const NAPOT: u64 = 3 << 3;
const LOCK: u64 = 1 << 7;

snippets! {
    load_word = "lw a0, 0(a1)";
    load = "ld a0, 0(a1)";
    store = "sw a2, 0(a1)";
}

fn main() {
    let mut checks = Checks::new("protection");
    for at in (frames::at(0)..frames::at(6)).step_by(8) {
        frames::write_code(at, &[ECALL, ECALL]);
    }
    checks.section("rights of one entry");
    rights(&mut checks);
    checks.section("address matching");
    matching(&mut checks);
    checks.section("order of entries");
    order(&mut checks);
    checks.section("page walks");
    walks(&mut checks);
    // Last: locks hold until reset.
    checks.section("locks");
    locks(&mut checks);
    checks.finish()
}

/// Sets entries 0 to 2; entry 3 grants everything, so that the code itself may run. The runtime
/// had used entry 0 for that.
fn set(entries: [(u64, u64); 3]) {
    let [(config0, address0), (config1, address1), (config2, address2)] = entries;
    csr::write::<{ csr::PMPADDR3 }>(u64::MAX);
    // Off while the addresses change.
    csr::write::<{ csr::PMPCFG0 }>((NAPOT | R | W | X) << 24);
    csr::write::<{ csr::PMPADDR0 }>(address0);
    csr::write::<{ csr::PMPADDR1 }>(address1);
    csr::write::<{ csr::PMPADDR2 }>(address2);
    let configs = config0 | config1 << 8 | config2 << 16 | (NAPOT | R | W | X) << 24;
    csr::write::<{ csr::PMPCFG0 }>(configs);
    csr::sfence_vma_all();
}

const NONE: (u64, u64) = (OFF, 0);

/// `pmpaddr` of a NAPOT region.
const fn napot(base: u64, size_bytes: u64) -> u64 {
    base >> 2 | (size_bytes / 8 - 1)
}

/// Whether loads, stores and fetches at `at`, where an `ecall` is, work in `mode`.
fn allowed(mode: Mode, at: u64) -> [bool; 3] {
    let loads = run(mode, load_word(), &[0, at]).cause != cause::LOAD_ACCESS;
    let stores = run(mode, store(), &[0, at, ECALL.into()]).cause != cause::STORE_ACCESS;
    let fetches = run(mode, Code::at(at), &[]).cause != cause::FETCH_ACCESS;
    [loads, stores, fetches]
}

fn rights(checks: &mut Checks) {
    let at = frames::at(0);
    for bits in [0, R, X, R | W, R | X, R | W | X] {
        set([(NAPOT | bits, napot(at, 4096)), NONE, NONE]);
        let want = [R, W, X].map(|bit| bits & bit != 0);
        for mode in [Mode::User, Mode::Supervisor] {
            checks.equal(format_args!("{bits:#b} {mode:?}"), allowed(mode, at), want);
        }
        checks.equal("M-mode is not bound", allowed(Mode::Machine, at), [true; 3]);
    }
}

fn matching(checks: &mut Checks) {
    let at = frames::at(2);
    let denied = |address| !allowed(Mode::User, address)[0];
    let mut expect = |case: &str, entries, inside: [u64; 2]| {
        set(entries);
        let [first, last] = inside;
        checks.that(!denied(first - 4), format_args!("{case}: just below"));
        checks.that(denied(first), format_args!("{case}: the first"));
        checks.that(denied(last & !3), format_args!("{case}: the last"));
        checks.that(!denied((last & !3) + 4), format_args!("{case}: just above"));
    };
    expect("NA4", [(NA4, at >> 2), NONE, NONE], [at, at + 3]);
    for size in [8, 16, 64, 4096, 8192] {
        expect("NAPOT", [(NAPOT, napot(at, size)), NONE, NONE], [at, at + size - 1]);
    }
    let tor = [(OFF, (at + 8) >> 2), (TOR, (at + 0x20) >> 2), NONE];
    expect("TOR", tor, [at + 8, at + 0x1f]);
    // A TOR range that ends before it begins matches nothing.
    set([(OFF, (at + 0x20) >> 2), (TOR, at >> 2), NONE]);
    for offset in [0, 8, 0x20] {
        checks.that(!denied(at + offset), "an empty range");
    }
    // An access that is only partly inside fails, whatever the entry grants, and
    // in M-mode too.
    set([(NA4 | R | W | X, at >> 2), NONE, NONE]);
    for mode in [Mode::User, Mode::Supervisor, Mode::Machine] {
        let whole = run(mode, load_word(), &[0, at]).cause;
        checks.that(whole != cause::LOAD_ACCESS, "wholly inside");
        let partly = run(mode, load(), &[0, at]);
        checks.equal("partly inside", (partly.cause, partly.tval), (cause::LOAD_ACCESS, at));
    }
}

fn order(checks: &mut Checks) {
    let at = frames::at(0);
    let page = napot(at, 4096);
    for (first, second, want) in [(0, R, false), (R, 0, true)] {
        set([(NAPOT | first, page), (NAPOT | second, page), NONE]);
        checks.equal("the lowest wins", allowed(Mode::User, at)[0], want);
        // An entry that is off does not match.
        set([(OFF | first, page), (NAPOT | second, page), NONE]);
        checks.equal("off", allowed(Mode::User, at)[0], second == R);
    }
    // Where nothing matches, lower modes may do nothing and M-mode everything.
    csr::write::<{ csr::PMPCFG0 }>(0);
    let outcome = run(Mode::User, load(), &[0, at]);
    match outcome.cause {
        cause::ILLEGAL => checks.skip("an mret into a mode that may do nothing"),
        other => checks.equal("no match: U-mode", other, cause::FETCH_ACCESS),
    }
    checks.equal("no match: M-mode", allowed(Mode::Machine, at), [true; 3]);
    set([NONE; 3]);
}

/// The walk reads, and with Svadu writes, page tables as S-mode would; its failures are access
/// faults of the original access's kind, and so are those of the access itself.
fn walks(checks: &mut Checks) {
    const FULL: Flags =
        Flags::V.with(Flags::R).with(Flags::W).with(Flags::X).with(Flags::A).with(Flags::D);
    let space = Space::new();
    let page = data_frame(0);
    space.set_leaf(VA, guest::Pte::new(guest::Ppn::of(page), FULL).0);
    space.activate(0);
    frames::write_code(page, &[ECALL]);
    let mode = Mode::Supervisor;
    let touch = |access| match access {
        Access::Fetch => run(mode, Code::at(VA), &[]),
        Access::Load => act(mode, Action::Load, VA, 0),
        Access::Store => act(mode, Action::Store, VA, ECALL.into()),
    };
    let leaf_table = space.leaf_at(VA) & !0xfff;
    for (case, protected, denied) in [
        ("table", leaf_table, [true; 3]),
        ("page", page, [true; 3]),
        ("neither", frames::at(63), [false; 3]),
    ] {
        set([(NAPOT, napot(protected, 4096)), NONE, NONE]);
        let accesses = [
            (Access::Fetch, cause::FETCH_ACCESS),
            (Access::Load, cause::LOAD_ACCESS),
            (Access::Store, cause::STORE_ACCESS),
        ];
        for ((access, fault), denied) in accesses.into_iter().zip(denied) {
            let outcome = touch(access);
            let want = if denied { (fault, VA) } else { (cause::ECALL_S, 0) };
            checks.equal(case, (outcome.cause, outcome.tval), want);
        }
    }
    set([NONE; 3]);
    csr::write::<{ csr::SATP }>(0);
    csr::sfence_vma_all();
}

fn locks(checks: &mut Checks) {
    let at = frames::at(40);
    set([(NAPOT | LOCK | R, napot(at, 4096)), NONE, NONE]);
    for mode in [Mode::User, Mode::Supervisor] {
        checks.that(run(mode, load(), &[0, at]).cause != cause::LOAD_ACCESS, "a load is granted");
    }
    let ecall = run(Mode::Machine, load(), &[0, at]).cause;
    checks.equal("M-mode may load", ecall, cause::ECALL_M);
    let stored = run(Mode::Machine, store(), &[0, at, 1]);
    checks.equal("M-mode may not store", (stored.cause, stored.tval), (cause::STORE_ACCESS, at));
    let fetched = run(Mode::Machine, Code::at(at), &[]).cause;
    checks.equal("M-mode may not fetch", fetched, cause::FETCH_ACCESS);
    // Neither address nor configuration can be changed.
    let (address, config) = (csr::read::<{ csr::PMPADDR0 }>(), csr::read::<{ csr::PMPCFG0 }>());
    csr::write::<{ csr::PMPADDR0 }>(0);
    csr::write::<{ csr::PMPCFG0 }>((NAPOT | R | W | X) << 24);
    checks.equal("pmpaddr0", csr::read::<{ csr::PMPADDR0 }>(), address);
    checks.equal("pmp0cfg", csr::read::<{ csr::PMPCFG0 }>(), config);
    // A locked TOR entry locks the address below it too.
    set([NONE, (OFF, at >> 2), (TOR | LOCK | R | W | X, (at + 4096) >> 2)]);
    csr::write::<{ csr::PMPADDR1 }>(0);
    checks.equal("pmpaddr1 below a locked TOR", csr::read::<{ csr::PMPADDR1 }>(), at >> 2);
}
