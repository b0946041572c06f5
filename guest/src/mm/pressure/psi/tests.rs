//! Tests of pressure stall information: totals against a count of every nanosecond, averages
//! against values worked out by hand.

use proptest::prelude::*;

use super::*;

const SECOND_NS: u64 = 1_000_000_000;

#[derive(Clone, Copy, Debug)]
enum Change {
    Enter,
    Leave,
    Hart(u32, Activity),
}
use Activity::{Idle, Productive, Stalled};
use Change::{Enter, Hart, Leave};

fn apply(psi: &mut Psi, now_ns: u64, change: Change) {
    match change {
        Enter => psi.enter(now_ns),
        Leave => psi.leave(now_ns),
        Hart(hart, activity) => psi.hart_turns(now_ns, hart, activity),
    }
}

#[test]
fn some_is_one_and_full_is_all() {
    let check = |changes: &[(u64, Change)], want: (u64, u64)| {
        let mut psi = Psi::new();
        changes.iter().for_each(|(when, change)| apply(&mut psi, *when, *change));
        let totals = psi.totals(100);
        assert_eq!((totals.some_ns, totals.full_ns), want, "{changes:?}");
    };
    check(&[(10, Hart(0, Productive))], (0, 0));
    check(&[(10, Enter)], (90, 90));
    check(&[(10, Enter), (30, Leave)], (20, 20));
    // The only hart gets on with somebody else, then has nothing to do.
    check(&[(10, Enter), (20, Hart(0, Productive)), (50, Hart(0, Idle)), (60, Leave)], (50, 20));
    // The task that looks for memory runs.
    check(&[(10, Hart(0, Productive)), (20, Enter), (20, Hart(0, Stalled)), (50, Leave)], (30, 30));
    // Two tasks, whose stalls overlap.
    check(&[(10, Enter), (20, Enter), (30, Leave), (40, Leave)], (30, 30));
    // One of two harts is enough to get on.
    let both = [(5, Hart(0, Productive)), (5, Hart(1, Productive)), (10, Enter)];
    check(&[&both[..], &[(20, Hart(0, Idle))]].concat(), (90, 0));
    check(&[&both[..], &[(20, Hart(0, Idle)), (70, Hart(1, Stalled))]].concat(), (90, 30));
    // A clock that is behind takes nothing away.
    check(&[(50, Enter), (40, Hart(0, Idle)), (60, Leave)], (10, 10));
}

#[test]
fn the_text_is_linuxs() {
    let mut psi = Psi::new();
    let line = "avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    assert_eq!(psi.report(SECOND_NS).to_string(), format!("some {line}full {line}"));
    psi.hart_turns(2 * SECOND_NS, 0, Productive);
    psi.enter(2 * SECOND_NS);
    psi.hart_turns(3 * SECOND_NS, 0, Idle);
    psi.leave(4 * SECOND_NS);
    // A step of 100 % and 50 %: (1 - exp(-2/10)) 100 and so on, as far as 11 bits tell.
    assert_eq!(
        psi.report(4 * SECOND_NS + 5000).to_string(),
        "some avg10=18.11 avg60=3.27 avg300=0.68 total=2000000\n\
         full avg10=9.05 avg60=1.63 avg300=0.34 total=1000000\n",
    );
}

/// The report's avg10 of `full`, in percent.
fn full_avg10(psi: &mut Psi, now_ns: u64) -> f64 {
    let text = psi.report(now_ns).to_string();
    let line = text.lines().nth(1).expect("two lines");
    let field = line.split(' ').nth(1).and_then(|field| field.strip_prefix("avg10="));
    field.expect("avg10").parse().expect("a number")
}

/// What 11 bits and Linux's rounding leave open, in percent.
const ROUNDING: f64 = 0.05;

#[test]
fn averages_rise_and_fall_by_themselves() {
    let mut psi = Psi::new();
    psi.enter(0);
    let check = |psi: &mut Psi, seconds: u64, want: f64| {
        let average = full_avg10(psi, seconds * SECOND_NS);
        assert!((average - want).abs() < ROUNDING, "{average} after {seconds} s, not {want}");
    };
    for (seconds, want) in [(1, 0.0), (2, 18.13), (10, 63.21), (60, 99.75), (3600, 100.0)] {
        check(&mut psi, seconds, want);
    }
    psi.leave(3600 * SECOND_NS);
    for (seconds, want) in [(3602, 81.87), (3610, 36.79), (5000, 0.0)] {
        check(&mut psi, seconds, want);
    }
    check(&mut Psi::new(), u64::MAX / 2 / SECOND_NS, 0.0);
    // Steps that nobody looked at are made up for, with what was then: 63.21 exp(-50/10).
    for looks in [&[60][..], &[2, 4, 6, 60], &[59, 60]] {
        let mut psi = Psi::new();
        psi.enter(0);
        psi.leave(10 * SECOND_NS);
        for seconds in looks {
            psi.totals(seconds * SECOND_NS);
        }
        check(&mut psi, 60, 0.43);
    }
}

#[test]
fn a_window_is_what_happened_since_the_last_one() {
    let mut window = Window::new(100, Totals { some_ns: 10, full_ns: 5 });
    for (now_ns, some_ns, full_ns, want) in [
        (200, 10, 5, (0, 0)),
        (300, 110, 55, (1000, 500)),
        (400, 111, 55, (10, 0)),
        (400, 111, 55, (0, 0)),
        // More than there was of time cannot have been lost.
        (401, 222, 222, (1000, 1000)),
    ] {
        let shares = window.close(now_ns, Totals { some_ns, full_ns });
        assert_eq!((shares.some_permille, shares.full_permille), want, "at {now_ns}");
    }
}

fn changes() -> impl Strategy<Value = Vec<(u64, Change)>> {
    let activity = prop_oneof![Just(Idle), Just(Stalled), Just(Productive)];
    let change = prop_oneof![
        Just(Enter),
        Just(Leave),
        (0..3_u32, activity).prop_map(|(hart, activity)| Hart(hart, activity)),
    ];
    prop::collection::vec((0..50_u64, change), 0..60)
}

proptest! {
    #[test]
    fn totals_are_exact(changes in changes()) {
        let (mut psi, mut want) = (Psi::new(), Totals::default());
        let (mut stalled, mut harts, mut now_ns) = (0, [Idle; 3], 0);
        for (after_ns, change) in changes {
            for _ in 0..after_ns {
                want.some_ns += u64::from(stalled > 0);
                want.full_ns += u64::from(stalled > 0 && !harts.contains(&Productive));
            }
            now_ns += after_ns;
            match change {
                Enter => stalled += 1,
                Leave if stalled == 0 => continue,
                Leave => stalled -= 1,
                Hart(hart, activity) => harts[hart as usize] = activity,
            }
            apply(&mut psi, now_ns, change);
            prop_assert_eq!(psi.totals(now_ns), want);
            prop_assert_eq!(psi.stalled(), stalled);
        }
    }

    #[test]
    fn averages_stay_between_none_and_all(changes in changes()) {
        let (mut psi, mut now_ns) = (Psi::new(), 0);
        for (after, change) in changes {
            now_ns += after * SECOND_NS / 7;
            if matches!(change, Leave) && psi.stalled() == 0 {
                continue;
            }
            apply(&mut psi, now_ns, change);
            let report = psi.report(now_ns);
            for (some, full) in report.some.into_iter().zip(report.full) {
                prop_assert!(full <= some + 2 && some <= ALL, "{}", report);
            }
        }
    }
}
