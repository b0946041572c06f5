//! `exceptions`: raises each synchronous exception in each mode that can, checks `mcause`,
//! `mepc`, `mtval` and `mstatus`, then the same delegated to S-mode, and the ways back.

#![no_std]
#![no_main]

use guest_runtime::check::Checks;
use guest_runtime::run::{Code, Mode, Outcome, cause, run};
use guest_runtime::{csr, entry, frames, snippets};

entry!(main);

/// No memory and no device of the board is here.
const NOWHERE: u64 = 0x2_0000;
const MODES: [Mode; 3] = [Mode::User, Mode::Supervisor, Mode::Machine];

snippets! {
    nothing = "nop";
    ebreak = ".option push", ".option norvc", "ebreak", ".option pop";
    c_ebreak = "c.ebreak";
    zeros = ".4byte 0";
    undefined = ".4byte 0x0000006b";
    load_byte = "lb a0, 0(a1)";
    load = "ld a0, 0(a1)";
    store = "sd a2, 0(a1)";
    amo = "amoadd.d a0, a2, (a1)";
    amo_word = "amoswap.w a0, a2, (a1)";
    load_reserved = "lr.d a0, (a1)";
    jump = "jr a1";
    write_cycle = "csrw cycle, zero";
    read_mstatus = "csrr a0, mstatus";
    read_sstatus = "csrr a0, sstatus";
    read_satp = "csrr a0, satp";
    read_nothing = "csrr a0, 0x5c0";
    mret = "mret";
    sret = "sret";
    wfi = "wfi";
    sfence_vma = "sfence.vma";
    move_float = "fmv.x.d a0, f0";
}

fn main() {
    let mut checks = Checks::new("exceptions");
    checks.section("environment calls and breakpoints");
    calls(&mut checks);
    checks.section("illegal instructions");
    illegal(&mut checks);
    checks.section("privilege");
    privilege(&mut checks);
    checks.section("access faults");
    access_faults(&mut checks);
    checks.section("misaligned atomics");
    misaligned(&mut checks);
    checks.section("state after a trap");
    state(&mut checks);
    checks.section("delegation to S-mode");
    delegation(&mut checks);
    checks.finish()
}

const fn ecall_from(mode: Mode) -> u64 {
    match mode {
        Mode::User => cause::ECALL_U,
        Mode::Supervisor => cause::ECALL_S,
        Mode::Machine => cause::ECALL_M,
    }
}

/// The trap must be `cause` at the first instruction of `code`, with `tval`.
fn expect(checks: &mut Checks, case: &str, mode: Mode, code: Code, want: (u64, u64)) {
    let outcome = run(mode, code, &[7, NOWHERE, 9]);
    let case = format_args!("{case} in {mode:?}");
    checks.equal(case, (outcome.cause, outcome.tval), want);
    checks.equal(case, outcome.epc, code.address());
    checks.equal(case, (outcome.mstatus & csr::MSTATUS_MPP) >> 11, mode as u64);
    checks.equal(case, outcome.a[0], 7);
}

fn calls(checks: &mut Checks) {
    for mode in MODES {
        let outcome = run(mode, nothing(), &[]);
        checks.equal("ecall", (outcome.cause, outcome.tval), (ecall_from(mode), 0));
        // The nop before it is compressed or not.
        checks.that(matches!(outcome.epc - nothing().address(), 2 | 4), "mepc of ecall");
        for (case, code) in [("ebreak", ebreak()), ("c.ebreak", c_ebreak())] {
            // The manual leaves the choice between 0 and the address.
            let outcome = run(mode, code, &[]);
            let tval = if outcome.tval == 0 { 0 } else { code.address() };
            expect(checks, case, mode, code, (cause::BREAKPOINT, tval));
        }
    }
}

/// An illegal instruction of these bits; `mtval` holds them, or 0 on simple harts.
fn expect_illegal(checks: &mut Checks, case: &str, mode: Mode, code: Code, bits: u64) {
    let tval = if run(mode, code, &[]).tval == 0 { 0 } else { bits };
    expect(checks, case, mode, code, (cause::ILLEGAL, tval));
}

fn illegal(checks: &mut Checks) {
    for mode in MODES {
        expect_illegal(checks, "zeros", mode, zeros(), 0);
        expect_illegal(checks, "undefined", mode, undefined(), 0x6b);
        expect_illegal(checks, "write to a read-only CSR", mode, write_cycle(), 0xc000_1073);
        expect_illegal(checks, "no such CSR", mode, read_nothing(), 0x5c00_2573);
        expect_illegal(checks, "FS off", mode, move_float(), 0xe200_0553);
    }
    csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_FS);
    for mode in MODES {
        checks.equal("FS on", run(mode, move_float(), &[]).cause, ecall_from(mode));
    }
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_FS);
}

fn privilege(checks: &mut Checks) {
    use Mode::{Supervisor, User};
    let rows: [(&str, Code, u64, &[Mode]); 7] = [
        ("mret", mret(), 0x3020_0073, &[User, Supervisor]),
        ("sret", sret(), 0x1020_0073, &[User]),
        ("sfence.vma", sfence_vma(), 0x1200_0073, &[User]),
        ("mstatus", read_mstatus(), 0x3000_2573, &[User, Supervisor]),
        ("sstatus", read_sstatus(), 0x1000_2573, &[User]),
        ("satp", read_satp(), 0x1800_2573, &[User]),
        ("cycle", write_cycle(), 0xc000_1073, &MODES),
    ];
    for (case, code, bits, modes) in rows {
        for mode in modes {
            expect_illegal(checks, case, *mode, code, bits);
        }
    }
    for (case, code, bits, trap) in [
        ("TVM: sfence.vma", sfence_vma(), 0x1200_0073, csr::MSTATUS_TVM),
        ("TVM: satp", read_satp(), 0x1800_2573, csr::MSTATUS_TVM),
        ("TSR: sret", sret(), 0x1020_0073, csr::MSTATUS_TSR),
        ("TW: wfi", wfi(), 0x1050_0073, csr::MSTATUS_TW),
    ] {
        csr::set::<{ csr::MSTATUS }>(trap);
        expect_illegal(checks, case, Supervisor, code, bits);
        csr::clear::<{ csr::MSTATUS }>(trap);
    }
    // Without the trap bits S-mode may.
    for code in [sfence_vma(), read_satp(), read_sstatus()] {
        checks.equal("allowed", run(Supervisor, code, &[]).cause, cause::ECALL_S);
    }
}

/// Whether an AMO raises the exceptions of a store; a few machines get that wrong.
fn amos_are_stores() -> bool {
    run(Mode::Machine, amo(), &[0, NOWHERE]).cause != cause::LOAD_ACCESS
}

fn access_faults(checks: &mut Checks) {
    for mode in MODES {
        for (case, code, cause) in [
            ("lb", load_byte(), cause::LOAD_ACCESS),
            ("ld", load(), cause::LOAD_ACCESS),
            ("lr.d", load_reserved(), cause::LOAD_ACCESS),
            ("sd", store(), cause::STORE_ACCESS),
            ("amoadd.d", amo(), cause::STORE_ACCESS),
        ] {
            if case == "amoadd.d" && !amos_are_stores() {
                checks.skip("AMOs that are stores from the beginning");
                continue;
            }
            expect(checks, case, mode, code, (cause, NOWHERE));
        }
        // A jump is legal; the fetch after it is not.
        for code in [Code::at(NOWHERE), jump()] {
            let outcome = run(mode, code, &[0, NOWHERE]);
            let got = (outcome.cause, outcome.tval, outcome.epc);
            checks.equal("fetch", got, (cause::FETCH_ACCESS, NOWHERE, NOWHERE));
        }
        // Bit 0 of the target does not count.
        let outcome = run(mode, jump(), &[0, nothing().address() | 1]);
        checks.equal("jr to an odd address", outcome.cause, ecall_from(mode));
    }
}

fn misaligned(checks: &mut Checks) {
    let at = frames::at(0);
    for mode in MODES {
        for (case, code, causes, offsets) in [
            ("lr.d", load_reserved(), [cause::LOAD_MISALIGNED, cause::LOAD_ACCESS], 1..8),
            ("amoadd.d", amo(), [cause::STORE_MISALIGNED, cause::STORE_ACCESS], 1..8),
            ("amoswap.w", amo_word(), [cause::STORE_MISALIGNED, cause::STORE_ACCESS], 1..4),
        ] {
            if case != "lr.d" && !amos_are_stores() {
                continue;
            }
            for offset in offsets {
                let outcome = run(mode, code, &[7, at + offset, 9]);
                let case = format_args!("{case} at +{offset} in {mode:?}");
                checks.that(causes.contains(&outcome.cause), case);
                checks.equal(case, (outcome.tval, outcome.a[0]), (at + offset, 7));
            }
        }
    }
}

fn state(checks: &mut Checks) {
    const MIE: u64 = 1 << 3;
    for enabled in [0, csr::MSTATUS_MPIE] {
        csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_MPIE);
        csr::set::<{ csr::MSTATUS }>(enabled);
        let outcome = run(Mode::Machine, nothing(), &[]);
        checks.equal("MPIE holds what MIE was", outcome.mstatus & csr::MSTATUS_MPIE, enabled);
        checks.equal("MIE is off in the handler", outcome.mstatus & MIE, 0);
    }
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_MPIE);
    // A few machines drop the bit at mret only.
    csr::write::<{ csr::MEPC }>(0x8000_0001);
    match csr::read::<{ csr::MEPC }>() {
        0x8000_0001 => checks.skip("mepc that drops bit 0"),
        other => checks.equal("mepc drops bit 0", other, 0x8000_0000),
    }
    checks.equal("misa.MXL is 64 bits", csr::read::<{ csr::MISA }>() >> 62, 2);
}

/// A supervisor trap ends in an ecall at `stvec`, so that M-mode sees it.
fn delegated(mode: Mode, code: Code) -> Outcome {
    csr::write::<{ csr::STVEC }>(frames::at(1));
    run(mode, code, &[7, NOWHERE, 9])
}

fn delegation(checks: &mut Checks) {
    const ALL: u64 = 0xb1ff;
    frames::write_code(frames::at(1), &[0x73]);
    csr::write::<{ csr::MEDELEG }>(ALL);
    checks.equal("medeleg", csr::read::<{ csr::MEDELEG }>() & !ALL, 0);
    for (case, code, want) in [
        ("sd", store(), cause::STORE_ACCESS),
        ("ld", load(), cause::LOAD_ACCESS),
        ("fetch", Code::at(NOWHERE), cause::FETCH_ACCESS),
        ("undefined", undefined(), cause::ILLEGAL),
        ("ebreak", ebreak(), cause::BREAKPOINT),
    ] {
        for mode in [Mode::User, Mode::Supervisor] {
            csr::write::<{ csr::MEDELEG }>(0);
            let direct = run(mode, code, &[7, NOWHERE, 9]);
            csr::write::<{ csr::MEDELEG }>(1 << want);
            for enabled in [0, csr::MSTATUS_SIE] {
                csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE | csr::MSTATUS_SPIE);
                csr::set::<{ csr::MSTATUS }>(enabled);
                let outcome = delegated(mode, code);
                let case = format_args!("{case} in {mode:?}");
                checks.equal(case, outcome.cause, cause::ECALL_S);
                checks.equal(case, outcome.epc, frames::at(1));
                checks.equal(case, csr::read::<{ csr::SCAUSE }>(), want);
                checks.equal(case, csr::read::<{ csr::SEPC }>(), direct.epc);
                checks.equal(case, csr::read::<{ csr::STVAL }>(), direct.tval);
                let spp = if mode == Mode::Supervisor { csr::MSTATUS_SPP } else { 0 };
                checks.equal(case, outcome.mstatus & csr::MSTATUS_SPP, spp);
                checks.equal(case, outcome.mstatus & csr::MSTATUS_SIE, 0);
                checks.equal(case, outcome.mstatus & csr::MSTATUS_SPIE, enabled << 4);
            }
        }
        // M-mode's own traps stay in M-mode.
        let outcome = delegated(Mode::Machine, code);
        checks.equal(case, outcome.cause, want);
    }
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE | csr::MSTATUS_SPIE);
    calls_are_delegated(checks);
    csr::write::<{ csr::MEDELEG }>(0);
}

/// An ecall from U-mode reaches S-mode; `sret` goes where `sepc` and SPP say.
fn calls_are_delegated(checks: &mut Checks) {
    csr::write::<{ csr::MEDELEG }>(1 << cause::ECALL_U);
    let outcome = delegated(Mode::User, nothing());
    checks.equal("ecall", outcome.cause, cause::ECALL_S);
    checks.equal("ecall", csr::read::<{ csr::SCAUSE }>(), cause::ECALL_U);
    csr::write::<{ csr::MEDELEG }>(0);
    csr::write::<{ csr::SEPC }>(nothing().address());
    for (spp, spie) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SPP | csr::MSTATUS_SPIE | csr::MSTATUS_SIE);
        csr::set::<{ csr::MSTATUS }>(spp * csr::MSTATUS_SPP | spie * csr::MSTATUS_SPIE);
        let outcome = run(Mode::Supervisor, sret(), &[]);
        let want = if spp == 1 { cause::ECALL_S } else { cause::ECALL_U };
        checks.equal("sret", outcome.cause, want);
        checks.equal("sret: SIE", outcome.mstatus & csr::MSTATUS_SIE, spie * csr::MSTATUS_SIE);
        checks.equal("sret: SPP", outcome.mstatus & csr::MSTATUS_SPP, 0);
        checks.equal("sret: SPIE", outcome.mstatus & csr::MSTATUS_SPIE, csr::MSTATUS_SPIE);
    }
    csr::clear::<{ csr::MSTATUS }>(csr::MSTATUS_SIE | csr::MSTATUS_SPIE);
}
