//! Known counts of known strings, what holds for all strings, and who wins where.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
use proptest::sample::select;

use super::super::CIRCLES_MAX;
use super::traces::{cycle, four_processes, hot_and_scan, loads, phases, quicksort, uniform, zipf};
use super::{Kind, Lab, Outcome, Reference, Run, exact};

/// Belady's own, and that of Silberschatz, Galvin and Gagne, Operating System Concepts, "Page
/// Replacement".
const BELADY: [u32; 12] = [1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5];
const SILBERSCHATZ: [u32; 20] = [7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1];

fn run(kind: Kind, frames: u32, batch: u32, string: &[Reference]) -> Outcome {
    Lab { kind, frames, batch }.run(string)
}

#[test]
fn textbook_strings_have_their_known_counts() {
    for (string, frames, fifo, lru, opt) in [
        // Belady's anomaly: more frames, more faults.
        (&BELADY[..], 3, 9, 10, 7),
        (&BELADY, 4, 10, 8, 6),
        (&BELADY, 5, 5, 5, 5),
        (&SILBERSCHATZ, 3, 15, 12, 9),
        (&SILBERSCHATZ, 6, 6, 6, 6),
        (&[0, 1, 2, 0, 1, 2, 0, 1, 2], 2, 9, 9, 6),
        (&[], 1, 0, 0, 0),
    ] {
        let string = loads(string.iter().copied());
        let counts = [exact::fifo, exact::lru, exact::opt].map(|count| count(frames, &string));
        assert_eq!(counts, [fifo, lru, opt], "{frames} frames, {string:?}");
        let faults = run(Kind::Fifo, frames as u32, 1, &string).faults;
        assert_eq!(faults, fifo, "{frames} frames, {string:?}");
    }
}

#[test]
fn clock_as_done_by_hand() {
    // Where the hand passes on Belady's string with 3 frames; a stroke is a bit that it clears:
    // 4: 1' 2' 3' 1; 1: 2; 2: 3; 5: 4' 1' 2' 4; 3: 5' 1' 2' 5; 4: 1; 5: 2.
    let clock = run(Kind::Clock, 3, 1, &loads(BELADY));
    assert_eq!((clock.faults, clock.looks, clock.looks_max), (10, 16, 4));
}

#[test]
fn dirty_pages_are_written_once_as_they_leave() {
    let mut string = cycle(5, 5);
    string.iter_mut().for_each(|reference| reference.write = true);
    // The first five push them out, and come back clean later.
    string.extend(loads([5, 6, 7, 8, 9, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    let outcome = run(Kind::Fifo, 5, 1, &string);
    assert_eq!((outcome.faults, outcome.writes), (20, 5));
}

fn references() -> impl Strategy<Value = Vec<Reference>> {
    let reference = (0_u32..12, any::<bool>(), 0_u16..3);
    let reference = reference.prop_map(|(page, write, process)| Reference {
        page: page + 12 * u32::from(process),
        process,
        write,
    });
    vec(reference, 0..300)
}

proptest! {
    #[test]
    fn nothing_beats_opt_and_every_round_ends(
        string in references(),
        frames in 1_u32..10,
        batch in 1_u32..10,
        kind in select(&Kind::ALL[..]),
    ) {
        let outcome = run(kind, frames, batch, &string);
        let distinct: BTreeSet<_> = string.iter().map(|reference| reference.page).collect();
        let opt = exact::opt(frames as usize, &string);
        prop_assert!((distinct.len() as u64..=string.len() as u64).contains(&opt));
        prop_assert!((opt..=string.len() as u64).contains(&outcome.faults));
        prop_assert!(outcome.looks_max <= u64::from(frames * CIRCLES_MAX + 1));
        prop_assert!(outcome.writes <= outcome.faults);
        prop_assert_eq!(outcome, run(kind, frames, batch, &string), "twice the same");
    }

    #[test]
    fn fifo_is_fifo(string in references(), frames in 1_u32..10) {
        let outcome = run(Kind::Fifo, frames, 1, &string);
        prop_assert_eq!(outcome.faults, exact::fifo(frames as usize, &string));
    }

    #[test]
    fn lru_is_a_stack(string in references(), frames in 1_usize..10) {
        let [fewer, more] = [frames, frames + 1].map(|frames| exact::lru(frames, &string));
        prop_assert!(more <= fewer, "more frames are no worse");
    }

    #[test]
    fn policies_take_over_from_each_other(
        string in references(),
        kinds in vec((select(&Kind::ALL[..]), 1_usize..40), 1..20),
        frames in 1_u32..10,
        batch in 1_u32..5,
    ) {
        let mut run = Run::new(Lab { kind: Kind::Fifo, frames, batch }, 36);
        let mut turns = kinds.iter().cycle();
        let mut left = 0;
        for reference in &string {
            if left == 0 {
                let (kind, length) = turns.next().expect("for ever");
                run.choose(*kind);
                left = *length;
            }
            left -= 1;
            run.access(*reference);
        }
        prop_assert!(run.outcome().faults >= exact::opt(frames as usize, &string));
        prop_assert!(run.outcome().looks_max <= u64::from(frames * CIRCLES_MAX + 1));
    }
}

#[test]
fn without_pressure_only_first_touches_fault() {
    let string = uniform(7, 50, 1000);
    for kind in Kind::ALL {
        let want = Outcome { faults: 50, ..Outcome::default() };
        assert_eq!(run(kind, 50, 8, &string), want, "{kind:?}");
    }
}

#[test]
fn batches_rescue_what_is_still_used() {
    let string = zipf(400, 20_000);
    for kind in Kind::ALL {
        let [single, batched] = [1, 16].map(|batch| run(kind, 100, batch, &string));
        assert_eq!(single.rescues, 0, "{kind:?}");
        assert!(batched.rescues > 0, "{kind:?}");
        // Trimming early is no loss, as the first in line still is in RAM.
        assert!(batched.faults * 10 < single.faults * 11, "{kind:?}: {batched:?} {single:?}");
    }
}

const FRAMES: u32 = 1000;

/// What to make of the faults of the policies, in the order of [`Kind::ALL`], beside OPT's, LRU's.
type Claim = fn(&dyn Fn(Kind) -> f64, f64, f64) -> bool;

fn traces() -> Vec<(&'static str, Vec<Reference>, Claim)> {
    let after = |mut first: Vec<Reference>, then: Vec<Reference>| {
        first.extend(then.iter().map(|load| Reference { page: load.page + 4 * FRAMES, ..*load }));
        first
    };
    vec![
        ("popularity (Zipf 0.9), 4.0", zipf(4 * FRAMES, 150_000), |of, _, lru| {
            Kind::ALL.iter().all(|kind| of(*kind) < 1.2 * lru) && of(Kind::ClockPro) < 0.95 * lru
        }),
        ("loop, 1.1", cycle(FRAMES * 11 / 10, 100_000), |of, _, lru| {
            lru == 100.0 && of(Kind::Clock) == 100.0 && of(Kind::ClockPro) < 30.0
        }),
        ("loop, 2.0", cycle(2 * FRAMES, 100_000), |of, opt, lru| {
            lru == 100.0 && of(Kind::ClockPro) < 1.2 * opt
        }),
        ("hot 0.7 and a scan", hot_and_scan(FRAMES * 7 / 10, 150_000), |of, opt, lru| {
            of(Kind::ClockPro) < 1.1 * opt && of(Kind::TwoList) < 0.8 * lru && of(Kind::Clock) < lru
        }),
        ("ten phases, 0.7 each", phases(FRAMES * 7 / 10, 300_000), |of, opt, lru| {
            lru < 1.01 * opt && Kind::ALL.iter().all(|kind| of(*kind) < 1.2 * opt)
        }),
        ("4 processes, 0.6 each", four_processes(FRAMES * 6 / 10, 150_000), |of, _, lru| {
            of(Kind::WsClock) < 0.75 * lru && of(Kind::ClockPro) < 0.75 * lru
        }),
        ("quicksort, 1.5", quicksort(FRAMES * 3 / 2), |of, _, lru| {
            Kind::ALL.iter().all(|kind| of(*kind) < 1.2 * lru)
        }),
        (
            "popularity 4.0, then loop 1.1",
            after(zipf(4 * FRAMES, 75_000), cycle(FRAMES * 11 / 10, 75_000)),
            |of, _, lru| of(Kind::ClockPro) < 0.5 * lru,
        ),
    ]
}

/// Faults in percent of the accesses; behind the policy's pages that the hand passes for a fault.
/// FIFO is counted exactly, without a hand, which comes to the same.
#[test]
#[expect(clippy::print_stdout, reason = "the table is what this test is read for")]
fn who_wins_where() {
    let names = Kind::ALL.map(Kind::name).join(" | ");
    println!("| trace, of RAM | OPT | LRU | {names} |");
    println!("|---|{}", "---|".repeat(2 + Kind::ALL.len()));
    for (name, string, claim) in traces() {
        let percent = |faults: u64| 100.0 * faults as f64 / string.len() as f64;
        let [opt, lru, fifo] = [exact::opt, exact::lru, exact::fifo]
            .map(|count| percent(count(FRAMES as usize, &string)));
        let outcomes = Kind::ALL.map(|kind| match kind {
            Kind::Fifo => (fifo, format!("{fifo:.2}")),
            _ => {
                let outcome = run(kind, FRAMES, 1, &string);
                let faults = percent(outcome.faults);
                let looks = outcome.looks as f64 / outcome.faults as f64;
                (faults, format!("{faults:.2} ({looks:.0})"))
            }
        });
        let cells = outcomes.each_ref().map(|(_, cell)| cell.as_str());
        println!("| {name} | {opt:.2} | {lru:.2} | {} |", cells.join(" | "));
        let of = |kind: Kind| outcomes[kind as usize].0;
        assert!(Kind::ALL.iter().all(|kind| of(*kind) >= opt), "{name}");
        assert!(claim(&of, opt, lru), "{name}: {outcomes:?}");
    }
}
