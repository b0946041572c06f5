//! Calls that need one hart: Base, TIME, IPI to itself, DBCN, the legacy extensions, SRST.

use core::sync::atomic::{AtomicU64, Ordering};

use guest_runtime::check::Checks;
use guest_runtime::run::cause::INTERRUPT;
use guest_runtime::sbi::{self, Answer, error, extension};
use guest_runtime::supervisor::{self, Trap};
use guest_runtime::{board, csr, frames};

/// `sip` and `sie`: software and timer interrupt.
pub(crate) const SSI: u64 = 1 << 1;
pub(crate) const STI: u64 = 1 << 5;
/// A millisecond.
pub(crate) const SOON_TICKS: u64 = board::TIMEBASE_HZ / 1000;
pub(crate) const NEVER: u64 = u64::MAX;

/// Extensions and how many functions they have.
const EXTENSIONS: [(&str, u64, u64); 8] = [
    ("Base", extension::BASE, 7),
    ("TIME", extension::TIME, 1),
    ("IPI", extension::IPI, 1),
    ("RFENCE", extension::RFENCE, 7),
    ("HSM", extension::HSM, 4),
    ("SRST", extension::SRST, 1),
    ("PMU", extension::PMU, 8),
    ("DBCN", extension::DBCN, 3),
];

/// Functions of Base.
mod base {
    pub(super) const SPEC_VERSION: u64 = 0;
    pub(super) const IMPL_ID: u64 = 1;
    pub(super) const PROBE: u64 = 3;
    pub(super) const MVENDORID: u64 = 4;
    pub(super) const MIMPID: u64 = 6;
}

/// Whether the firmware says that it has the extension.
pub(crate) fn has(extension: u64) -> bool {
    sbi::call(extension::BASE, base::PROBE, &[extension]).ok() != Ok(0)
}

pub(crate) fn time_now() -> u64 {
    csr::read::<{ csr::TIME }>()
}

pub(crate) fn set_timer(at: u64) -> Answer {
    sbi::call(extension::TIME, 0, &[at])
}

pub(crate) fn send_ipi(mask: u64, first: u64) -> Answer {
    sbi::call(extension::IPI, 0, &[mask, first])
}

fn pending() -> u64 {
    csr::read::<{ csr::SIP }>()
}

pub(crate) fn base(checks: &mut Checks) {
    let version = sbi::call(extension::BASE, base::SPEC_VERSION, &[]);
    checks.equal("sbi_get_spec_version", version.error, error::SUCCESS);
    let (major, minor) = (version.value >> 24 & 0x7f, version.value & 0xff_ffff);
    checks.that((major, minor) >= (0, 2), format_args!("version {major}.{minor}"));
    checks.equal("bit 31 of the version and those above", version.value >> 31, 0);
    for function in base::IMPL_ID..=base::MIMPID {
        let answer = sbi::call(extension::BASE, function, &[extension::BASE]);
        checks.equal(format_args!("function {function}"), answer.error, error::SUCCESS);
    }
    for (name, number, _) in EXTENSIONS {
        let probed = sbi::call(extension::BASE, base::PROBE, &[number]);
        checks.equal(format_args!("probe of {name}"), probed.error, error::SUCCESS);
        if probed.value == 0 {
            checks.skip(name);
        }
    }
    for number in [0x9, 0xf, 0x11, 0x0800_0000, 0x0900_0000, 0x4241_5345, u64::MAX] {
        let probed = sbi::call(extension::BASE, base::PROBE, &[number]);
        checks.equal(format_args!("probe of {number:#x}"), probed.ok(), Ok(0));
    }
    let vendor = sbi::call(extension::BASE, base::MVENDORID, &[]);
    checks.equal("mvendorid is a constant", vendor, sbi::call(0x10, base::MVENDORID, &[]));
}

pub(crate) fn unknown(checks: &mut Checks) {
    for number in [0x9, 0xf, 0x11, 0x4241_5345, 0x7fff_ffff, u64::MAX] {
        let got = sbi::call(number, 0, &[]).error;
        checks.equal(format_args!("extension {number:#x}"), got, error::NOT_SUPPORTED);
    }
    for (name, number, functions) in EXTENSIONS {
        for function in [functions, 63, 0x7fff_ffff, u64::MAX] {
            // Later versions have added functions to these.
            if number == extension::PMU || (number == extension::DBCN && !has(number)) {
                continue;
            }
            let got = sbi::call(number, function, &[]).error;
            checks.equal(format_args!("{name}, {function:#x}"), got, error::NOT_SUPPORTED);
        }
    }
}

/// All registers but a0 and a1 come back as they were.
pub(crate) fn registers(checks: &mut Checks, hart: usize) {
    let mask = 1 << hart;
    for (name, number, function, arguments) in [
        ("Base", extension::BASE, base::PROBE, &[extension::TIME][..]),
        ("TIME", extension::TIME, 0, &[NEVER]),
        ("IPI", extension::IPI, 0, &[mask, 0]),
        ("remote fence.i", extension::RFENCE, 0, &[mask, 0]),
        ("remote sfence.vma", extension::RFENCE, 1, &[mask, 0, 0, 0]),
        ("status", extension::HSM, sbi::hsm::STATUS, &[hart as u64]),
        ("nothing", u64::MAX, 0, &[]),
    ] {
        let (answer, changed) = sbi::call_and_compare(number, function, arguments);
        let want = if number == u64::MAX { error::NOT_SUPPORTED } else { error::SUCCESS };
        checks.equal(name, answer.error, want);
        checks.equal(format_args!("{name}: changed registers"), changed, 0);
    }
    csr::clear::<{ csr::SIP }>(SSI);
}

/// Interrupts that [`on_interrupt`] has taken.
static TAKEN: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

extern "C" fn on_interrupt(trap: &mut Trap) {
    match trap.scause ^ INTERRUPT {
        1 => {
            csr::clear::<{ csr::SIP }>(SSI);
            TAKEN[0].fetch_add(1, Ordering::Relaxed);
        }
        5 => {
            set_timer(NEVER);
            TAKEN[1].fetch_add(1, Ordering::Relaxed);
        }
        _ => panic!("unexpected trap into S-mode: {trap:x?}"),
    }
}

/// Lets interrupts in until as many have been taken, of either kind.
fn take(which: usize, count: u64) {
    supervisor::handle_traps(on_interrupt);
    csr::write::<{ csr::SIE }>(SSI | STI);
    csr::set::<{ csr::SSTATUS }>(csr::MSTATUS_SIE);
    while TAKEN[which].load(Ordering::Relaxed) < count {
        core::hint::spin_loop();
    }
    csr::clear::<{ csr::SSTATUS }>(csr::MSTATUS_SIE);
    csr::write::<{ csr::SIE }>(0);
}

/// Waits until a bit of `sip` is as wanted; false if that takes more than a tenth of a second.
pub(crate) fn becomes(bit: u64, set: u64) -> bool {
    let until = time_now() + 100 * SOON_TICKS;
    while pending() & bit != set {
        if time_now() > until {
            return false;
        }
    }
    true
}

pub(crate) fn time(checks: &mut Checks) {
    let at = time_now() + SOON_TICKS;
    checks.equal("in a while", set_timer(at).ok().is_ok(), true);
    let early = pending() & STI;
    checks.that(early == 0 || time_now() >= at, "not pending before its time");
    checks.that(becomes(STI, STI) && time_now() >= at, "pending at its time");
    set_timer(NEVER);
    checks.that(becomes(STI, 0), "never takes it back");
    set_timer(time_now());
    checks.that(becomes(STI, STI), "a time that has come");
    set_timer(0);
    checks.that(becomes(STI, STI), "a time long past");
    set_timer(time_now() + 1000 * SOON_TICKS);
    checks.that(becomes(STI, 0), "a later time takes it back too");
    // Taken, again and again.
    for count in 1..=3 {
        let at = time_now() + SOON_TICKS;
        set_timer(at);
        take(1, count);
        checks.that(time_now() >= at, "taken, not before its time");
    }
    // Ends a WFI.
    csr::write::<{ csr::SIE }>(STI);
    let at = time_now() + SOON_TICKS;
    set_timer(at);
    while pending() & STI == 0 {
        csr::wait_for_interrupt();
    }
    checks.that(time_now() >= at, "awake, not before its time");
    csr::write::<{ csr::SIE }>(0);
    set_timer(NEVER);
}

/// A hart that is nowhere.
pub(crate) const NO_HART: u64 = 4000;

pub(crate) fn ipi(checks: &mut Checks, hart: usize) {
    let hart = hart as u64;
    csr::clear::<{ csr::SIP }>(SSI);
    for (mask, first) in [(1, hart), (1 << hart, 0), (0, NEVER), (NEVER, NEVER)] {
        checks.equal("quiet", pending() & SSI, 0);
        let answer = send_ipi(mask, first).error;
        checks.equal(format_args!("mask {mask:#x} from {first}"), answer, error::SUCCESS);
        checks.that(becomes(SSI, SSI), format_args!("mask {mask:#x} from {first}: pending"));
        csr::clear::<{ csr::SIP }>(SSI);
    }
    checks.equal("no hart", send_ipi(0, 0).error, error::SUCCESS);
    checks.equal("quiet", pending() & SSI, 0);
    for count in 1..=3 {
        send_ipi(1, hart);
        take(0, count);
        checks.equal("taken", pending() & SSI, 0);
    }
    for (mask, first) in [(1, NO_HART), (1 << 63, 0), (1 << hart | 1 << 63, 0)] {
        invalid_hart(checks, format_args!("mask {mask:#x} from {first}"), send_ipi(mask, first));
        csr::clear::<{ csr::SIP }>(SSI);
    }
}

/// An answer about a hart that is not there.
pub(crate) fn invalid_hart(checks: &mut Checks, case: impl core::fmt::Display, answer: Answer) {
    if answer.error == error::SUCCESS {
        checks.skip(format_args!("invalid harts, {case}"));
    } else {
        checks.equal(case, answer.error, error::INVALID_PARAM);
    }
}

pub(crate) fn debug_console(checks: &mut Checks) {
    const WRITE: u64 = 0;
    const READ: u64 = 1;
    const WRITE_BYTE: u64 = 2;
    if !has(extension::DBCN) {
        return;
    }
    let text = b"    written by sbi_debug_console_write\n";
    let mut written = 0;
    while written < text.len() {
        let place = text[written..].as_ptr() as u64;
        let rest = (text.len() - written) as u64;
        let answer = sbi::call(extension::DBCN, WRITE, &[rest, place, 0]);
        checks.equal("write", answer.error, error::SUCCESS);
        if answer.error != error::SUCCESS {
            break;
        }
        written += answer.value as usize;
    }
    checks.equal("bytes written", written, text.len());
    let answer = sbi::call(extension::DBCN, WRITE, &[0, text.as_ptr() as u64, 0]);
    checks.equal("write of nothing", answer.ok(), Ok(0));
    for byte in *b"    written byte by byte\n" {
        let answer = sbi::call(extension::DBCN, WRITE_BYTE, &[byte.into()]);
        checks.equal("write_byte", answer.ok(), Ok(0));
    }
    frames::write(frames::at(0), 7);
    let answer = sbi::call(extension::DBCN, READ, &[8, frames::at(0), 0]);
    checks.equal("read", answer.error, error::SUCCESS);
    checks.that(answer.value <= 8, "read no more than asked for");
    if answer.value == 0 {
        checks.equal("nothing read", frames::read(frames::at(0)), 7);
    }
    for at in no_memory() {
        for function in [WRITE, READ] {
            let answer = sbi::call(extension::DBCN, function, &[8, *at, 0]);
            let case = format_args!("function {function} at {at:#x}");
            checks.equal(case, answer.error, error::INVALID_PARAM);
        }
    }
    let beyond = sbi::call(extension::DBCN, WRITE, &[8, frames::at(0), 1]).error;
    let refused = beyond == error::INVALID_PARAM || beyond == error::FAILED;
    checks.that(refused, format_args!("address beyond 64 bits: {beyond}"));
}

/// Physical addresses that firmware must refuse. OpenSBI goes wherever M-mode can go, but for its
/// own memory.
pub(crate) fn no_memory() -> &'static [u64] {
    const OPENSBI: u64 = 1;
    let implementation = sbi::call(extension::BASE, base::IMPL_ID, &[]).value;
    match implementation {
        OPENSBI => &[board::RAM],
        _ => &[0, board::FINISHER, board::UART, board::RAM - 4, 1 << 60, NEVER - 1],
    }
}

pub(crate) fn legacy(checks: &mut Checks, hart: usize) {
    if !has(extension::LEGACY_PUTCHAR) {
        checks.skip("legacy extensions");
        return;
    }
    for byte in *b"    printed by the legacy putchar\n" {
        checks.equal("putchar", sbi::call(extension::LEGACY_PUTCHAR, 0, &[byte.into()]).error, 0);
    }
    let nothing = sbi::call(extension::LEGACY_GETCHAR, 0, &[]).error;
    checks.equal("getchar with nothing to read", nothing, -1);
    // These leave a1 alone.
    let (answer, changed) = sbi::call_and_compare(extension::LEGACY_SET_TIMER, 0, &[0, 77]);
    checks.equal("set_timer", (answer.error, changed), (0, 0));
    checks.that(becomes(STI, STI), "set_timer");
    sbi::call(extension::LEGACY_SET_TIMER, 0, &[NEVER]);
    checks.that(becomes(STI, 0), "set_timer takes it back");
    let mask_at = frames::at(0);
    frames::write(mask_at, 1 << hart);
    for (case, at) in [("a mask", mask_at), ("all harts", 0)] {
        checks.equal(case, sbi::call(extension::LEGACY_SEND_IPI, 0, &[at]).error, 0);
        checks.that(becomes(SSI, SSI), format_args!("send_ipi to {case}"));
        let cleared = sbi::call(extension::LEGACY_CLEAR_IPI, 0, &[]).error;
        checks.equal("clear_ipi", (cleared >= 0, pending() & SSI), (true, 0));
    }
    for at in [mask_at, 0] {
        checks.equal("fence_i", sbi::call(extension::LEGACY_FENCE_I, 0, &[at]).error, 0);
        let arguments = [at, 0, frames::SIZE_BYTES];
        let fenced = sbi::call(extension::LEGACY_SFENCE_VMA, 0, &arguments).error;
        checks.equal("sfence_vma", fenced, 0);
    }
}

/// Types and reasons that do not exist are refused, and the machine runs on.
pub(crate) fn reset(checks: &mut Checks) {
    for (kind, reason) in [(3, 0), (0xdfff_ffff, 0), (0, 2), (0, 0xdfff_ffff), (3, 2)] {
        let got = sbi::call(extension::SRST, 0, &[kind, reason]).error;
        let refused = got == error::INVALID_PARAM || got == error::NOT_SUPPORTED;
        checks.that(refused, format_args!("type {kind:#x}, reason {reason:#x}: {got}"));
    }
}
