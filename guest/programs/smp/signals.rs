//! Software interrupts from hart to hart through the CLINT, and what ends a WFI.

use core::sync::atomic::{AtomicU64, Ordering};

use guest_runtime::board::{self, clint};
use guest_runtime::check::Checks;
use guest_runtime::harts::{self, together};
use guest_runtime::run::cause::INTERRUPT;
use guest_runtime::run::{Mode, run};
use guest_runtime::{csr, snippets};

use crate::crew::{Cell, HARTS, MSI, SAID, await_interrupt, barrier, wait_until};

/// Number of the machine software interrupt.
const MSI_NUMBER: u64 = 3;
/// `mip` and `mie`: the machine timer interrupt.
const MTI: u64 = 1 << 7;
const TIMES: u64 = 20;
const LAPS: u64 = 25;
/// A tenth of a millisecond.
const SOON_TICKS: u64 = board::TIMEBASE_HZ / 10_000;
const NEVER: u64 = u64::MAX;

snippets! {
    forever = "1: j 1b";
}

/// Spins until this hart's software interrupt is taken; yields `mcause`.
fn interrupted() -> u64 {
    csr::write::<{ csr::MIE }>(MSI);
    csr::set::<{ csr::MSTATUS }>(csr::MSTATUS_MPIE);
    let cause = run(Mode::Machine, forever(), &[]).cause;
    csr::write::<{ csr::MIE }>(0);
    clint::set_msip_of(harts::id(), 0);
    cause
}

pub(crate) fn interrupts(checks: &mut Checks) {
    to_and_fro(checks);
    only_the_one(checks);
    to_all(checks);
    ring(checks);
}

/// Hart 0 interrupts another, which answers by an interrupt.
fn to_and_fro(checks: &mut Checks) {
    for hart in 1..HARTS {
        harts::start(hart, || {
            let hart = harts::id();
            let mut taken = 0;
            for _ in 0..TIMES {
                taken += u64::from(interrupted() == INTERRUPT | MSI_NUMBER);
                SAID[hart].set(taken);
                clint::set_msip(1);
            }
        });
        // It listens to its interrupt for other reasons until it has begun; then this is work.
        wait_until(|| csr_msip_is_low(hart));
        for turn in 1..=TIMES {
            clint::set_msip_of(hart, 1);
            checks.equal("answered", interrupted(), INTERRUPT | MSI_NUMBER);
            checks.equal("taken", SAID[hart].get(), turn);
        }
        wait_until(|| harts::is_idle(hart));
    }
}

fn csr_msip_is_low(hart: usize) -> bool {
    guest_runtime::mmio::read_word(board::CLINT_MSIP + 4 * hart as u64) == 0
}

/// While one hart's interrupt is pending, no other's is.
fn only_the_one(checks: &mut Checks) {
    static RAISED: AtomicU64 = AtomicU64::new(0);
    together(HARTS, || {
        for turn in 0..HARTS {
            if harts::id() == 0 {
                clint::set_msip_of(turn, 1);
                RAISED.store(turn as u64, Ordering::Release);
            }
            barrier(HARTS);
            let pending = csr::read::<{ csr::MIP }>() & MSI != 0;
            let right = pending == (harts::id() == turn);
            let said = if turn == 0 { 0 } else { SAID[harts::id()].get() };
            SAID[harts::id()].set(said + u64::from(right));
            barrier(HARTS);
            if harts::id() == turn {
                clint::set_msip_of(turn, 0);
            }
            barrier(HARTS);
        }
    });
    for hart in 0..HARTS {
        checks.equal("one hart at a time", SAID[hart].get(), HARTS as u64);
    }
}

/// All harts but one are interrupted at once and count.
fn to_all(checks: &mut Checks) {
    SAID.iter().for_each(|said| said.set(0));
    together(HARTS, || {
        for _ in 0..TIMES {
            barrier(HARTS);
            if harts::id() == 0 {
                (1..HARTS).for_each(|hart| clint::set_msip_of(hart, 1));
            } else {
                let right = interrupted() == INTERRUPT | MSI_NUMBER;
                let said = &SAID[harts::id()];
                said.set(said.get() + u64::from(right));
            }
        }
    });
    for hart in 1..HARTS {
        checks.equal("every interrupt is taken", SAID[hart].get(), TIMES);
    }
}

/// A token goes round: each hart sleeps until the one before it has the token.
fn ring(checks: &mut Checks) {
    static TOKEN: AtomicU64 = AtomicU64::new(0);
    static WRONG: AtomicU64 = AtomicU64::new(0);
    TOKEN.store(0, Ordering::Relaxed);
    together(HARTS, || {
        let hart = harts::id();
        let next = (hart + 1) % HARTS;
        barrier(HARTS);
        for lap in 0..LAPS {
            if hart != 0 || lap != 0 {
                await_interrupt(hart);
            }
            let here = lap * HARTS as u64 + hart as u64;
            let token = TOKEN.swap(here + 1, Ordering::Relaxed);
            WRONG.fetch_add(u64::from(token != here), Ordering::Relaxed);
            clint::set_msip_of(next, 1);
        }
        if hart == 0 {
            await_interrupt(hart);
        }
    });
    checks.equal("token", TOKEN.load(Ordering::Relaxed), LAPS * HARTS as u64);
    checks.equal("out of turn", WRONG.load(Ordering::Relaxed), 0);
}

/// WFI ends by a software interrupt and by the timer, of which each hart has one, whoever sets it.
pub(crate) fn waits(checks: &mut Checks) {
    static ALARM: Cell = Cell::new();
    (0..HARTS).for_each(|hart| clint::set_mtimecmp_of(hart, NEVER));
    for (name, work) in
        [("own timer", own_timer as fn()), ("timer set by another hart", wait_for_timer)]
    {
        for hart in 1..HARTS {
            SAID[hart].set(0);
            harts::start(hart, work);
            if name != "own timer" {
                ALARM.set(clint::mtime() + SOON_TICKS);
                clint::set_mtimecmp_of(hart, ALARM.get());
            }
            wait_until(|| harts::is_idle(hart));
            let (woken, now) = (SAID[hart].get(), clint::mtime());
            checks.that(woken != 0 && woken <= now, format_args!("{name}: woken"));
            let early = name != "own timer" && woken < ALARM.get();
            checks.that(!early, format_args!("{name}: not before its time"));
            clint::set_mtimecmp_of(hart, NEVER);
        }
    }
    // All harts sleep at once, each with an alarm of its own; the last to wake is the last due.
    together(HARTS, || {
        let hart = harts::id();
        barrier(HARTS);
        let at = clint::mtime() + SOON_TICKS * (HARTS - hart) as u64;
        clint::set_mtimecmp_of(hart, at);
        let woken = sleep_until_timer();
        SAID[hart].set(u64::from(woken >= at));
        clint::set_mtimecmp_of(hart, NEVER);
    });
    for hart in 0..HARTS {
        checks.equal("all sleep", SAID[hart].get(), 1);
    }
    // A hart asleep is woken by the one that is not.
    for hart in 1..HARTS {
        SAID[hart].set(0);
        harts::start(hart, || {
            let hart = harts::id();
            SAID[hart].set(1);
            await_interrupt(hart);
            SAID[hart].set(2);
        });
        wait_until(|| SAID[hart].get() == 1);
        let until = clint::mtime() + SOON_TICKS;
        wait_until(|| clint::mtime() >= until);
        checks.equal("still asleep", SAID[hart].get(), 1);
        clint::set_msip_of(hart, 1);
        wait_until(|| harts::is_idle(hart));
        checks.equal("awake", SAID[hart].get(), 2);
    }
}

/// Yields the time when the timer was seen to be due.
fn sleep_until_timer() -> u64 {
    csr::write::<{ csr::MIE }>(MTI);
    while csr::read::<{ csr::MIP }>() & MTI == 0 {
        csr::wait_for_interrupt();
    }
    csr::write::<{ csr::MIE }>(0);
    clint::mtime()
}

fn own_timer() {
    let hart = harts::id();
    let at = clint::mtime() + SOON_TICKS;
    clint::set_mtimecmp_of(hart, at);
    let woken = sleep_until_timer();
    SAID[hart].set(if woken >= at { woken } else { 0 });
}

fn wait_for_timer() {
    let woken = sleep_until_timer();
    SAID[harts::id()].set(woken);
}
