//! The Goldfish real-time clock ("Goldfish Virtual Hardware", "Goldfish real-time clock").

use guest_runtime::board::{TIMEBASE_HZ, clint};
use guest_runtime::check::Checks;
use guest_runtime::mmio::{read_word, write_word};

use crate::devices::rtc::{
    ALARM_STATUS, CLEAR_ALARM, CLEAR_INTERRUPT, IRQ_ENABLED, alarm_ns, now_ns, set_alarm, set_now,
};
use crate::devices::{self, Source, calm};

const SECOND_NS: u64 = 1_000_000_000;
const MILLISECOND_NS: u64 = 1_000_000;

/// Arms an alarm a millisecond from now, with its interrupt on; yields its time.
pub(crate) fn alarm_soon() -> u64 {
    write_word(IRQ_ENABLED, 1);
    let at = now_ns() + MILLISECOND_NS;
    set_alarm(at);
    at
}

/// Whether the device asks for attention, or not, as wanted.
fn asks(want: bool) -> bool {
    devices::is_asking(Source::Rtc, want) == want
}

/// Lets the clock go on for so long.
fn pass(ns: u64) {
    let until = now_ns() + ns;
    while now_ns() < until {}
}

/// Waits for at most ten seconds of the clock itself.
fn wait_for(holds: impl Fn() -> bool) -> bool {
    let until = now_ns() + 10 * SECOND_NS;
    while !holds() {
        if now_ns() > until {
            return false;
        }
    }
    true
}

pub(crate) fn time(checks: &mut Checks) {
    calm();
    let first = now_ns();
    // It runs while the machine's time runs.
    let until = clint::mtime() + TIMEBASE_HZ / 100;
    let mut last = first;
    let mut back = 0;
    while clint::mtime() < until {
        let now = now_ns();
        back += u32::from(now < last);
        last = now;
    }
    checks.that(last > first, "it runs");
    checks.equal("never back", back, 0);
    // It can be set, also to where the low half overflows soon.
    for set in [1_000_000 * SECOND_NS, 0x17_ffff_ff00 - MILLISECOND_NS, first] {
        set_now(set);
        let now = now_ns();
        checks.that(now >= set, format_args!("set to {set}"));
        checks.that(now - set < 10 * SECOND_NS, format_args!("about {set}"));
        pass(2 * MILLISECOND_NS);
        checks.that(now_ns() > set + MILLISECOND_NS, "runs on");
    }
}

pub(crate) fn alarm(checks: &mut Checks) {
    calm();
    let at = alarm_soon();
    checks.equal("alarm", alarm_ns(), at);
    checks.that(read_word(ALARM_STATUS) == 1 || now_ns() >= at, "armed");
    checks.that(wait_for(|| asks(true)) && now_ns() >= at, "goes off, not before its time");
    checks.equal("no longer armed", read_word(ALARM_STATUS), 0);
    write_word(CLEAR_INTERRUPT, 1);
    // Withdrawn.
    calm();
    write_word(IRQ_ENABLED, 1);
    set_alarm(now_ns() + MILLISECOND_NS);
    write_word(CLEAR_ALARM, 1);
    checks.equal("disarmed", read_word(ALARM_STATUS), 0);
    pass(3 * MILLISECOND_NS);
    checks.that(asks(false), "does not go off");
    // Without its interrupt, it goes off in silence; the interrupt comes when it is enabled.
    write_word(IRQ_ENABLED, 0);
    set_alarm(now_ns() + MILLISECOND_NS);
    checks.that(wait_for(|| read_word(ALARM_STATUS) == 0), "gone off");
    checks.that(asks(false), "in silence");
    write_word(IRQ_ENABLED, 1);
    checks.that(asks(true), "enabled late");
    calm();
    // A time that is past.
    write_word(IRQ_ENABLED, 1);
    set_alarm(now_ns() - MILLISECOND_NS);
    checks.equal("at once", (read_word(ALARM_STATUS), asks(true)), (0, true));
    calm();
    checks.that(asks(false), "quiet");
}
