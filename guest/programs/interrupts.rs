//! `interrupts`: timer and software interrupts of the CLINT, Sstc, delegation, enables and
//! priorities, vectored `stvec`, WFI. The code under test loops for ever where an interrupt must
//! come, and ends in an `ecall` where none may.

#![no_std]
#![no_main]

use guest_runtime::board::{self, clint};
use guest_runtime::check::Checks;
use guest_runtime::run::cause::{ECALL_M, ECALL_S, ECALL_U, INTERRUPT};
use guest_runtime::run::{Code, Mode, run};
use guest_runtime::{csr, entry, frames, snippets};

entry!(main);

/// Interrupt numbers, which are also the bits in `mip`, `mie` and `mideleg`.
const SSI: u64 = 1;
const MSI: u64 = 3;
const STI: u64 = 5;
const MTI: u64 = 7;
const SEI: u64 = 9;

/// A millisecond: long enough to be in the future, short enough to wait for.
const SOON_TICKS: u64 = board::TIMEBASE_HZ / 1000;
const NEVER: u64 = u64::MAX;

snippets! {
    forever = "1: j 1b";
    nothing = "nop", "nop";
    wait = "wfi";
    // Spins with loads and stores to the word at a1.
    busy = "1: lw a0, 0(a1)", "addi a0, a0, 1", "sw a0, 0(a1)", "j 1b";
    // Waits until a CSR read sees the time in a1.
    until = "1: csrr a0, time", "bltu a0, a1, 1b";
}

fn main() {
    let mut checks = Checks::new("interrupts");
    clint::set_mtimecmp(NEVER);
    checks.section("CLINT timer");
    timer(&mut checks);
    checks.section("CLINT software interrupt");
    software(&mut checks);
    checks.section("enables and modes");
    enables(&mut checks);
    checks.section("priorities");
    priorities(&mut checks);
    checks.section("delegation");
    delegation(&mut checks);
    checks.section("vectored stvec");
    vectored(&mut checks);
    checks.section("Sstc");
    sstc(&mut checks);
    checks.section("WFI");
    wfi(&mut checks);
    checks.finish()
}

fn pending() -> u64 {
    csr::read::<{ csr::MIP }>()
}

fn enable(bits: u64) {
    csr::write::<{ csr::MIE }>(bits);
}

/// Runs with MIE (or, in lower modes, what they do not need) set; yields `mcause` and `mepc`.
fn interrupted(mode: Mode, code: Code) -> (u64, u64) {
    csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_MPIE);
    let outcome = run(mode, code, &[0, frames::at(0)]);
    (outcome.cause, outcome.epc)
}

fn timer(checks: &mut Checks) {
    enable(1 << MTI);
    for code in [forever(), busy()] {
        let at = clint::mtime() + SOON_TICKS;
        clint::set_mtimecmp(at);
        checks.equal("not yet", pending() >> MTI & 1, 0);
        let (cause, epc) = interrupted(Mode::Machine, code);
        checks.equal("taken", cause, INTERRUPT | MTI);
        checks.that((code.address()..code.address() + 16).contains(&epc), "mepc is in the loop");
        checks.that(clint::mtime() >= at, "not before its time");
        checks.equal("still pending", pending() >> MTI & 1, 1);
        clint::set_mtimecmp(NEVER);
        checks.equal("cleared by mtimecmp", pending() >> MTI & 1, 0);
    }
    // The time CSR is the same clock.
    let before = clint::mtime();
    let time = csr::read::<{ csr::TIME }>();
    checks.that((before..=clint::mtime()).contains(&time), "time is mtime");
    let outcome = run(Mode::Machine, until(), &[0, time + SOON_TICKS]);
    checks.equal("time passes", outcome.cause, ECALL_M);
    enable(0);
}

fn software(checks: &mut Checks) {
    enable(1 << MSI);
    checks.equal("quiet", pending() >> MSI & 1, 0);
    clint::set_msip(1);
    checks.equal("raised", pending() >> MSI & 1, 1);
    let taken = interrupted(Mode::Machine, nothing());
    checks.equal("before the first instruction", taken, (INTERRUPT | MSI, nothing().address()));
    clint::set_msip(0);
    checks.equal("lowered", pending() >> MSI & 1, 0);
    checks.equal("none", interrupted(Mode::Machine, nothing()).0, ECALL_M);
    // MSIP and MTIP in mip are read-only.
    csr::set::<{ csr::MIP }>(1 << MSI | 1 << MTI);
    checks.equal("mip is not the source", pending() & (1 << MSI | 1 << MTI), 0);
    enable(0);
}

/// A pending interrupt for M-mode is taken in lower modes whatever MIE says, in M-mode with MIE.
fn enables(checks: &mut Checks) {
    clint::set_msip(1);
    for (mode, ecall) in
        [(Mode::User, ECALL_U), (Mode::Supervisor, ECALL_S), (Mode::Machine, ECALL_M)]
    {
        for mpie in [0, csr::MSTATUS_MPIE] {
            for mie in [0, 1 << MSI, 1 << MTI] {
                enable(mie);
                csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_MPIE);
                csr::set::<{ csr::MSTATUS }>(mpie);
                let taken = mie == 1 << MSI && (mode != Mode::Machine || mpie != 0);
                let want = if taken { INTERRUPT | MSI } else { ecall };
                let case = format_args!("{mode:?} mie {mie:#x} MPIE {mpie:#x}");
                checks.equal(case, run(mode, nothing(), &[]).cause, want);
            }
        }
    }
    clint::set_msip(0);
    enable(0);
}

/// MEI, MSI, MTI, SEI, SSI, STI: of those that are pending the first is taken.
fn priorities(checks: &mut Checks) {
    const ORDER: [u64; 5] = [MSI, MTI, SEI, SSI, STI];
    for set in 1..1 << ORDER.len() {
        let chosen = |number: usize| set >> number & 1 == 1;
        clint::set_msip(u32::from(chosen(0)));
        clint::set_mtimecmp(if chosen(1) { 0 } else { NEVER });
        let by_software = (2..5).filter(|number| chosen(*number));
        csr::write::<{ csr::MIP }>(by_software.fold(0, |bits, number| bits | 1 << ORDER[number]));
        enable(u64::MAX);
        let first = (0..5).find(|number| chosen(*number)).expect("the set is not empty");
        let case = format_args!("set {set:#b}");
        let (cause, _) = interrupted(Mode::Machine, nothing());
        if set == 0b1001 && cause == INTERRUPT | SSI {
            checks.skip("priorities of the manual");
            break;
        }
        checks.equal(case, cause, INTERRUPT | ORDER[first]);
    }
    quiet();
}

fn quiet() {
    enable(0);
    clint::set_msip(0);
    clint::set_mtimecmp(NEVER);
    csr::write::<{ csr::MIP }>(0);
    csr::write::<{ csr::MIDELEG }>(0);
}

/// Sends traps of S-mode to ecalls at the first data frame, one for each vector.
fn bounce() -> u64 {
    let at = frames::at(1);
    frames::write_code(at, &[0x73; 32]);
    csr::write::<{ csr::STVEC }>(at);
    at
}

fn delegation(checks: &mut Checks) {
    let stvec = bounce();
    for number in [SSI, STI, SEI] {
        csr::write::<{ csr::MIP }>(1 << number);
        enable(1 << number);
        csr::write::<{ csr::MIDELEG }>(0);
        for mode in [Mode::User, Mode::Supervisor] {
            let taken = interrupted(mode, nothing());
            checks.equal("to M-mode", taken, (INTERRUPT | number, nothing().address()));
        }
        csr::write::<{ csr::MIDELEG }>(1 << number);
        for (mode, sie, taken) in [
            (Mode::User, 0, true),
            (Mode::User, csr::MSTATUS_SIE, true),
            (Mode::Supervisor, 0, false),
            (Mode::Supervisor, csr::MSTATUS_SIE, true),
            (Mode::Machine, csr::MSTATUS_SIE, false),
        ] {
            csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE);
            csr::set::<{ csr::MSTATUS }>(sie);
            csr::write::<{ csr::SCAUSE }>(0);
            let (cause, epc) = interrupted(mode, nothing());
            let case = format_args!("interrupt {number} in {mode:?} with SIE {sie:#x}");
            let scause = csr::read::<{ csr::SCAUSE }>();
            if taken {
                checks.equal(case, (cause, epc, scause), (ECALL_S, stvec, INTERRUPT | number));
                let sepc = csr::read::<{ csr::SEPC }>();
                checks.equal(case, sepc, nothing().address());
            } else {
                let ecall = if mode == Mode::Machine { ECALL_M } else { ECALL_S };
                checks.equal(case, (cause, scause), (ecall, 0));
            }
        }
        // sie and sip are windows of delegated bits.
        checks.equal("sie", csr::read::<{ csr::SIE }>(), 1 << number);
        checks.equal("sip", csr::read::<{ csr::SIP }>(), 1 << number);
        csr::write::<{ csr::MIDELEG }>(0);
        checks.equal("sie without delegation", csr::read::<{ csr::SIE }>(), 0);
        checks.equal("sip without delegation", csr::read::<{ csr::SIP }>(), 0);
    }
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE);
    quiet();
}

/// With MODE 1 interrupts go to BASE + 4 * cause, exceptions to BASE.
fn vectored(checks: &mut Checks) {
    let base = bounce();
    csr::write::<{ csr::STVEC }>(base | 1);
    if csr::read::<{ csr::STVEC }>() & 1 == 0 {
        checks.skip("vectored mode");
        return;
    }
    for number in [SSI, STI, SEI] {
        csr::write::<{ csr::MIP }>(1 << number);
        csr::write::<{ csr::MIDELEG }>(1 << number);
        enable(1 << number);
        let taken = interrupted(Mode::User, nothing());
        checks.equal("interrupt", taken, (ECALL_S, base + 4 * number));
    }
    quiet();
    csr::write::<{ csr::MEDELEG }>(1 << ECALL_U);
    checks.equal("exception", interrupted(Mode::User, nothing()), (ECALL_S, base));
    csr::write::<{ csr::MEDELEG }>(0);
}

fn sstc(checks: &mut Checks) {
    csr::set::<{ csr::MENVCFG }>(csr::MENVCFG_STCE);
    if csr::read::<{ csr::MENVCFG }>() & csr::MENVCFG_STCE == 0 {
        checks.skip("Sstc");
        return;
    }
    let stvec = bounce();
    csr::write::<{ csr::STIMECMP }>(NEVER);
    checks.equal("never", pending() >> STI & 1, 0);
    csr::set::<{ csr::MIP }>(1 << STI);
    checks.equal("mip.STIP is not writable", pending() >> STI & 1, 0);
    csr::write::<{ csr::MIDELEG }>(1 << STI);
    enable(1 << STI);
    let at = csr::read::<{ csr::TIME }>() + SOON_TICKS;
    csr::write::<{ csr::STIMECMP }>(at);
    csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_SIE);
    let taken = interrupted(Mode::Supervisor, forever());
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE);
    checks.equal("taken in S-mode", taken, (ECALL_S, stvec));
    checks.equal("scause", csr::read::<{ csr::SCAUSE }>(), INTERRUPT | STI);
    checks.that(csr::read::<{ csr::TIME }>() >= at, "not before its time");
    checks.equal("pending", csr::read::<{ csr::SIP }>(), 1 << STI);
    csr::write::<{ csr::STIMECMP }>(NEVER);
    checks.equal("cleared by stimecmp", csr::read::<{ csr::SIP }>(), 0);
    csr::clear::<{ csr::MENVCFG }>(csr::MENVCFG_STCE);
    quiet();
}

/// WFI goes on when something enabled in `mie` is pending, even where it is not taken.
fn wfi(checks: &mut Checks) {
    let wait_ecall = |mode| {
        csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_MPIE);
        run(mode, wait(), &[]).cause
    };
    enable(1 << MTI);
    let at = clint::mtime() + SOON_TICKS;
    clint::set_mtimecmp(at);
    checks.equal("goes on without a trap", wait_ecall(Mode::Machine), ECALL_M);
    checks.that(clint::mtime() >= at, "but not before the timer");
    let at = clint::mtime() + SOON_TICKS;
    clint::set_mtimecmp(at);
    let (cause, epc) = interrupted(Mode::Machine, wait());
    checks.equal("ends in a trap", cause, INTERRUPT | MTI);
    checks.that(matches!(epc - wait().address(), 0 | 4), "mepc is at or after the wfi");
    checks.that(clint::mtime() >= at, "but not before the timer");
    clint::set_mtimecmp(NEVER);
    clint::set_msip(1);
    enable(1 << MSI);
    checks.equal("something is pending already", wait_ecall(Mode::Machine), ECALL_M);
    quiet();
    // In S-mode with a delegated interrupt that SIE holds back.
    csr::write::<{ csr::MIDELEG }>(1 << SSI);
    csr::write::<{ csr::MIP }>(1 << SSI);
    enable(1 << SSI);
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE);
    checks.equal("in S-mode", wait_ecall(Mode::Supervisor), ECALL_S);
    quiet();
}
