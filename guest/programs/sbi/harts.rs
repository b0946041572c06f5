//! HSM: the states of harts and the ways between them; and interrupts from hart to hart.

use core::sync::atomic::{AtomicU64, Ordering};

use guest_runtime::check::Checks;
use guest_runtime::harts::MAX_HARTS;
use guest_runtime::sbi::{self, Answer, error, extension, hsm};
use guest_runtime::{board, csr, kernel};

use crate::calls::{
    NEVER, NO_HART, SOON_TICKS, SSI, STI, invalid_hart, no_memory, send_ipi, set_timer, time_now,
};

/// States of a hart.
const STARTED: u64 = 0;
const STOPPED: u64 = 1;
const SUSPENDED: u64 = 4;

/// Types of suspension.
const RETENTIVE: u64 = 0;
const NON_RETENTIVE: u64 = 0x8000_0000;

/// What each hart has to say.
pub(crate) static SAID: [AtomicU64; MAX_HARTS] = [const { AtomicU64::new(0) }; MAX_HARTS];
/// What they wait for.
pub(crate) static TURN: AtomicU64 = AtomicU64::new(0);

/// The harts that the program may start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Others {
    mask: u64,
}

impl Others {
    pub(crate) fn each(self) -> impl Iterator<Item = usize> {
        (0..MAX_HARTS).filter(move |hart| self.mask >> hart & 1 == 1)
    }

    pub(crate) fn count(self) -> usize {
        self.mask.count_ones() as usize
    }

    pub(crate) fn mask(self) -> u64 {
        self.mask
    }
}

/// All harts but this one.
pub(crate) fn others(me: usize) -> Others {
    let there = |hart: &usize| *hart != me && status(*hart as u64).error == error::SUCCESS;
    Others { mask: (0..MAX_HARTS).filter(there).fold(0, |mask, hart| mask | 1 << hart) }
}

fn status(hart: u64) -> Answer {
    sbi::call(extension::HSM, hsm::STATUS, &[hart])
}

/// Waits until it holds; false if that takes more than a second.
pub(crate) fn eventually(holds: impl Fn() -> bool) -> bool {
    let until = time_now() + board::TIMEBASE_HZ;
    while !holds() {
        if time_now() > until {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}

fn becomes(hart: usize, state: u64) -> bool {
    eventually(|| status(hart as u64).ok() == Ok(state))
}

/// Waits until all of them are stopped; false if that takes too long.
pub(crate) fn all_stop(others: &Others) -> bool {
    others.each().all(|hart| becomes(hart, STOPPED))
}

pub(crate) fn say(hart: usize, what: u64) {
    SAID[hart].store(what, Ordering::Release);
}

pub(crate) fn said(hart: usize) -> u64 {
    SAID[hart].load(Ordering::Acquire)
}

/// Waits for as long as it takes; it is for harts that another one watches.
pub(crate) fn await_turn(turn: u64) {
    while TURN.load(Ordering::Acquire) < turn {
        core::hint::spin_loop();
    }
}

pub(crate) fn give_turn(turn: u64) {
    TURN.store(turn, Ordering::Release);
}

/// What one hart can try by itself.
pub(crate) fn alone(checks: &mut Checks, me: usize) {
    extern "C" fn never(hart: usize) {
        panic!("hart {hart} was started twice");
    }
    checks.equal("own state", status(me as u64).ok(), Ok(STARTED));
    for hart in [NO_HART, 1 << 32 | me as u64, NEVER] {
        let case = format_args!("state of hart {:#x}", hart & !(me as u64));
        invalid_hart(checks, case, status(hart));
    }
    checks.equal("start itself", kernel::start(me, never).error, error::ALREADY_AVAILABLE);
    let nobody = kernel::start(NO_HART as usize, never).error;
    checks.equal("start nobody", nobody, error::INVALID_PARAM);
    // A suspended hart goes on when an interrupt is pending that it has enabled.
    csr::write::<{ csr::SIE }>(STI);
    let at = time_now() + SOON_TICKS;
    set_timer(at);
    let answer = sbi::call(extension::HSM, hsm::SUSPEND, &[RETENTIVE, 0, 0]);
    checks.equal("suspend", answer.error, error::SUCCESS);
    checks.that(time_now() >= at, "suspended until the timer");
    csr::write::<{ csr::SIE }>(0);
    set_timer(NEVER);
    for kind in [1, 0x0fff_ffff, 0x8000_0001, 0x8fff_ffff] {
        let got = sbi::call(extension::HSM, hsm::SUSPEND, &[kind, 0, 0]).error;
        let refused = got == error::INVALID_PARAM || got == error::NOT_SUPPORTED;
        checks.that(refused, format_args!("suspend, type {kind:#x}: {got}"));
    }
}

/// A hart runs what it is told to, once for each time that it is started.
pub(crate) fn start_and_stop(checks: &mut Checks, others: &Others) {
    extern "C" fn work(hart: usize) {
        let untouched = csr::read::<{ csr::SATP }>() == 0
            && csr::read::<{ csr::SSTATUS }>() & csr::MSTATUS_SIE == 0;
        say(hart, said(hart) + if untouched { 1 } else { 100 });
        await_turn(hart as u64 * 10 + said(hart));
    }
    extern "C" fn never(hart: usize) {
        panic!("hart {hart} runs what it should not");
    }
    for hart in others.each() {
        say(hart, 0);
        checks.equal("at first", status(hart as u64).ok(), Ok(STOPPED));
        for at in no_memory() {
            let answer = sbi::call(extension::HSM, hsm::START, &[hart as u64, *at, 0]);
            checks.equal(format_args!("start at {at:#x}"), answer.error, error::INVALID_ADDRESS);
        }
        for time in 1..=3 {
            checks.equal("start", kernel::start(hart, work).ok(), Ok(0));
            checks.that(eventually(|| said(hart) == time), "runs");
            checks.equal("state", status(hart as u64).ok(), Ok(STARTED));
            let twice = kernel::start(hart, never).error;
            checks.equal("start twice", twice, error::ALREADY_AVAILABLE);
            give_turn(hart as u64 * 10 + time);
            checks.that(becomes(hart, STOPPED), "stops");
        }
    }
    give_turn(0);
    // All at once.
    for hart in others.each() {
        say(hart, 0);
        checks.equal("start", kernel::start(hart, work).ok(), Ok(0));
    }
    checks.that(eventually(|| others.each().all(|hart| said(hart) == 1)), "all run");
    give_turn(u64::MAX);
    checks.that(all_stop(others), "all stop");
    give_turn(0);
}

/// A suspended hart is woken by an interrupt of another one.
pub(crate) fn suspend(checks: &mut Checks, others: &Others) {
    extern "C" fn retentive(hart: usize) {
        csr::write::<{ csr::SIE }>(SSI);
        let answer = sbi::call(extension::HSM, hsm::SUSPEND, &[RETENTIVE, 0, 0]);
        let woken = csr::read::<{ csr::SIP }>() & SSI != 0;
        csr::clear::<{ csr::SIP }>(SSI);
        say(hart, if answer.error == error::SUCCESS && woken { 1 } else { 100 });
    }
    extern "C" fn non_retentive(hart: usize) {
        csr::write::<{ csr::SIE }>(SSI);
        let refused = kernel::suspend(NON_RETENTIVE, resumed);
        say(hart, if refused.error == error::NOT_SUPPORTED { 2 } else { 100 });
    }
    extern "C" fn resumed(hart: usize) {
        let right = csr::read::<{ csr::SATP }>() == 0
            && csr::read::<{ csr::SSTATUS }>() & csr::MSTATUS_SIE == 0;
        csr::clear::<{ csr::SIP }>(SSI);
        say(hart, if right { 1 } else { 100 });
    }
    for hart in others.each() {
        for (name, work) in [
            ("retentive suspension", retentive as extern "C" fn(usize)),
            ("non-retentive suspension", non_retentive),
        ] {
            say(hart, 0);
            checks.equal(name, kernel::start(hart, work).ok(), Ok(0));
            let asleep = || status(hart as u64).ok() == Ok(SUSPENDED) || said(hart) != 0;
            checks.that(eventually(asleep), format_args!("{name}: suspended"));
            checks.equal(name, send_ipi(1, hart as u64).error, error::SUCCESS);
            checks.that(eventually(|| said(hart) != 0), format_args!("{name}: resumed"));
            checks.that(becomes(hart, STOPPED), format_args!("{name}: stopped"));
            if said(hart) == 2 {
                checks.skip(name);
            } else {
                checks.equal(name, said(hart), 1);
            }
        }
    }
}

const TIMES: u64 = 10;

/// Every hart but this one sleeps, is interrupted and answers.
pub(crate) fn interrupts(checks: &mut Checks, me: usize, others: &Others) {
    static ME: AtomicU64 = AtomicU64::new(0);
    extern "C" fn answer(hart: usize) {
        csr::write::<{ csr::SIE }>(SSI);
        say(hart, 1);
        for time in 1..=TIMES {
            while csr::read::<{ csr::SIP }>() & SSI == 0 {
                csr::wait_for_interrupt();
            }
            csr::clear::<{ csr::SIP }>(SSI);
            say(hart, 1 + time);
            send_ipi(1, ME.load(Ordering::Relaxed));
        }
    }
    ME.store(me as u64, Ordering::Relaxed);
    csr::clear::<{ csr::SIP }>(SSI);
    for hart in others.each() {
        say(hart, 0);
        checks.equal("start", kernel::start(hart, answer).ok(), Ok(0));
    }
    let all_said = |what| eventually(|| others.each().all(|hart| said(hart) == what));
    checks.that(all_said(1), "all are ready");
    for time in 1..=TIMES {
        let answer = if time % 2 == 0 { send_ipi(others.mask(), 0) } else { send_ipi(0, NEVER) };
        checks.equal("sent", answer.error, error::SUCCESS);
        checks.that(all_said(1 + time), "every hart is interrupted");
        if others.count() > 0 {
            checks.that(crate::calls::becomes(SSI, SSI), "and answers");
        }
        csr::clear::<{ csr::SIP }>(SSI);
    }
    checks.that(all_stop(others), "all stop");
    csr::clear::<{ csr::SIP }>(SSI);
}
