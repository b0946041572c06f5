//! `counters`: `cycle`, `time` and `instret` count, can be stopped and set by M-mode, and are
//! visible to lower modes as `mcounteren` and `scounteren` say.

#![no_std]
#![no_main]

use guest_runtime::check::Checks;
use guest_runtime::run::{Code, Mode, cause, run};
use guest_runtime::{csr, entry, snippets};

entry!(main);

snippets! {
    read_cycle = "csrr a0, cycle";
    read_time = "csrr a0, time";
    read_instret = "csrr a0, instret";
    // a0 and a1 surround seven instructions.
    seven = "csrr a0, minstret", "nop", "nop", "nop", "nop", "nop", "nop", "nop", "csrr a1, minstret";
    // a3 turns of a loop of two instructions.
    turns = "csrr a0, minstret", "1: addi a3, a3, -1", "bnez a3, 1b", "csrr a1, minstret";
    // The write decides what the next instruction sees.
    set_instret = "csrw minstret, a2", "csrr a0, minstret", "csrr a1, minstret";
    cycles = "csrr a0, mcycle", "nop", "nop", "csrr a1, mcycle";
}

/// Bits in `mcounteren`, `scounteren` and `mcountinhibit`.
const CY: u64 = 1 << 0;
const TM: u64 = 1 << 1;
const IR: u64 = 1 << 2;

fn main() {
    let mut checks = Checks::new("counters");
    checks.section("instructions");
    instructions(&mut checks);
    checks.section("cycles and time");
    cycles_and_time(&mut checks);
    checks.section("inhibition");
    inhibition(&mut checks);
    checks.section("visibility");
    visibility(&mut checks);
    checks.finish()
}

fn instructions(checks: &mut Checks) {
    let outcome = run(Mode::Machine, seven(), &[]);
    checks.equal("seven and a csrr", outcome.a[1] - outcome.a[0], 8);
    for turns_wanted in [1, 2, 100, 12345] {
        let outcome = run(Mode::Machine, turns(), &[0, 0, 0, turns_wanted]);
        checks.equal("a loop", outcome.a[1] - outcome.a[0], 2 * turns_wanted + 1);
    }
    // What traps does not retire; the ecall that ends each run is one such.
    let before = csr::read::<{ csr::MINSTRET }>();
    let after = csr::read::<{ csr::MINSTRET }>();
    checks.that(after > before, "monotonic");
    let outcome = run(Mode::Machine, set_instret(), &[0, 0, 1000]);
    match outcome.a[0] {
        1001 => checks.skip("a minstret that does not count its own write"),
        value => checks.equal("written value, then one more", [value, outcome.a[1]], [1000, 1001]),
    }
    checks.that(csr::read::<{ csr::INSTRET }>() > 1001, "instret is minstret");
}

fn cycles_and_time(checks: &mut Checks) {
    let outcome = run(Mode::Machine, cycles(), &[]);
    checks.that(outcome.a[1] > outcome.a[0], "mcycle counts");
    let before = csr::read::<{ csr::MCYCLE }>();
    checks.that(csr::read::<{ csr::CYCLE }>() >= before, "cycle is mcycle");
    let before = csr::read::<{ csr::TIME }>();
    run(Mode::Machine, turns(), &[0, 0, 0, 100_000]);
    checks.that(csr::read::<{ csr::TIME }>() > before, "time counts");
}

fn inhibition(checks: &mut Checks) {
    csr::write::<{ csr::MCOUNTINHIBIT }>(IR | CY);
    if csr::read::<{ csr::MCOUNTINHIBIT }>() != IR | CY {
        checks.skip("mcountinhibit");
        return;
    }
    let outcome = run(Mode::Machine, seven(), &[]);
    checks.equal("minstret stands still", outcome.a[1], outcome.a[0]);
    let outcome = run(Mode::Machine, cycles(), &[]);
    checks.equal("mcycle stands still", outcome.a[1], outcome.a[0]);
    csr::write::<{ csr::MCOUNTINHIBIT }>(TM);
    match csr::read::<{ csr::MCOUNTINHIBIT }>() {
        TM => checks.skip("a mcountinhibit without TM"),
        bits => checks.equal("time cannot be stopped", bits, 0),
    }
    csr::write::<{ csr::MCOUNTINHIBIT }>(0);
    let outcome = run(Mode::Machine, seven(), &[]);
    checks.equal("and counts again", outcome.a[1] - outcome.a[0], 8);
}

fn visibility(checks: &mut Checks) {
    let rows: [(&str, Code, u64); 3] =
        [("cycle", read_cycle(), CY), ("time", read_time(), TM), ("instret", read_instret(), IR)];
    for (name, code, bit) in rows {
        for machine in [0, bit, !bit, u64::MAX] {
            for supervisor in [0, bit, !bit, u64::MAX] {
                csr::write::<{ csr::MCOUNTEREN }>(machine);
                csr::write::<{ csr::SCOUNTEREN }>(supervisor);
                let (by_machine, by_supervisor) = (machine & bit != 0, supervisor & bit != 0);
                for (mode, visible, ecall) in [
                    (Mode::Machine, true, cause::ECALL_M),
                    (Mode::Supervisor, by_machine, cause::ECALL_S),
                    (Mode::User, by_machine && by_supervisor, cause::ECALL_U),
                ] {
                    let want = if visible { ecall } else { cause::ILLEGAL };
                    let case = format_args!("{name} in {mode:?} {machine:#x} {supervisor:#x}");
                    checks.equal(case, run(mode, code, &[]).cause, want);
                }
            }
        }
    }
}
