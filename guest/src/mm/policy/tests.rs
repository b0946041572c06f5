//! Each policy by itself, its rounds' ends, and marks that others have written.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::{Strategy, any, prop_assert, proptest};
use proptest::sample::select;

use super::clock_pro::ClockPro;
use super::two_list::TwoList;
use super::wsclock::WsClock;
use super::{CIRCLES_MAX, Kind, Mark, Policy, Refault, Replacement, Seen, Verdict};

const ACCESSED: Seen = Seen { accessed: true, dirty: false, time: 0 };
const IDLE: Seen = Seen { accessed: false, dirty: false, time: 0 };

/// Moves a hand over all of these until each has been passed so many times; those that are to go.
fn circles(policy: &mut impl Policy, marks: &mut [Mark], times: usize, seen: Seen) -> Vec<usize> {
    let count = marks.len();
    let passes = (0..times * count).map(|pass| pass % count);
    passes.filter(|index| policy.look(&mut marks[*index], seen) == Verdict::Trim).collect()
}

#[test]
fn each_policy_has_a_name_of_its_own() {
    let names: BTreeSet<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(names.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        assert_eq!(Kind::from_name(kind.name()), Some(kind));
        assert_eq!(Replacement::new(kind).kind(), kind);
    }
    assert_eq!(Kind::from_name("Clock"), None);
}

#[test]
fn a_mark_says_whose_notes_it_carries() {
    for kind in Kind::ALL {
        let mut mark = Mark::arrived(77);
        assert!(Kind::ALL.iter().all(|kind| !mark.is_of(*kind)));
        mark.claim(kind);
        for flags in 0..=u8::MAX {
            mark.set(flags);
            assert_eq!(mark.has(flags), flags & 0xf != 0, "{flags:#x}");
            mark.unset(flags);
            assert!(!mark.has(flags));
            assert!(Kind::ALL.iter().all(|other| mark.is_of(*other) == (*other == kind)));
        }
        mark.set(1);
        (mark.age, mark.time) = (9, 9);
        mark.claim(kind);
        assert_eq!((mark.has(0xf), mark.age, mark.time, mark.arrival()), (false, 0, 0, 77));
        mark.clear();
        assert_eq!(mark, Mark::arrived(77));
    }
    assert_eq!(Mark::arrived(0), Mark::FRESH);
}

#[test]
fn a_round_ends_where_all_is_always_in_use() {
    for kind in Kind::ALL {
        let mut policy = Replacement::new(kind);
        let mut marks = [Mark::FRESH; 50];
        let mut hand = (0..50).cycle();
        for round in 0..100 {
            policy.begin(3, 50);
            for _ in 0..3 {
                let seen = Seen { accessed: true, dirty: true, time: round };
                let mut passed = hand.by_ref().map(|index: usize| {
                    let verdict = policy.look(&mut marks[index], seen);
                    if verdict == Verdict::Trim {
                        policy.evicted(&mut marks[index]);
                        let (now, distance) = (50 + round, round);
                        policy.returned(&mut marks[index], Refault { now, distance, resident: 50 });
                    }
                    verdict
                });
                let kept = passed.by_ref().take(50 * CIRCLES_MAX as usize + 1);
                assert!(kept.into_iter().any(|verdict| verdict == Verdict::Trim), "{kind:?}");
            }
        }
    }
}

#[test]
fn fifo_goes_by_arrival_whoever_wrote_the_mark() {
    // The count of arrivals wraps in the middle.
    let arrival = |order: u32| (u32::MAX - 20).wrapping_add(order);
    let mut pages: Vec<(u32, Mark)> = (0..40)
        .map(|index| (index * 17) % 40)
        .map(|order| (order, Mark::arrived(arrival(order))))
        .collect();
    for (kind, (_, mark)) in Kind::ALL.iter().cycle().zip(&mut pages) {
        mark.claim(*kind);
        (mark.time, mark.age) = (1234, 56);
        mark.set(0xf);
    }
    for want in [1, 3, 40] {
        let (mut policy, mut left) = (Replacement::new(Kind::Fifo), pages.clone());
        let mut gone = Vec::new();
        while !left.is_empty() {
            policy.begin(want, left.len() as u32);
            let mut batch = Vec::new();
            while batch.len() < want.min(40 - gone.len() as u32) as usize {
                left.retain_mut(|(order, mark)| {
                    let full = batch.len() == want as usize;
                    let goes = !full && policy.look(mark, ACCESSED) == Verdict::Trim;
                    if goes {
                        batch.push(*order);
                    }
                    !goes
                });
            }
            batch.sort_unstable();
            gone.extend(batch);
        }
        assert_eq!(gone, (0..40).collect::<Vec<u32>>(), "{want} a round");
    }
}

#[test]
fn aging_keeps_the_last_eight_circles() {
    // The table of Tanenbaum and Bos, "Simulating LRU in Software": six pages, five ticks, and who
    // is accessed in each.
    const TICKS: [[u8; 6]; 5] = [
        [1, 0, 1, 0, 1, 1],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 0, 1, 0, 1],
        [1, 0, 0, 0, 1, 0],
        [0, 1, 1, 0, 0, 0],
    ];
    const REGISTERS: [u8; 6] =
        [0b0111_1000, 0b1011_0000, 0b1000_1000, 0b0010_0000, 0b0101_1000, 0b0010_1000];
    let mut policy = Replacement::new(Kind::Aging);
    policy.begin(1, 100);
    let mut marks = [Mark::FRESH; 6];
    for tick in TICKS {
        for (mark, bit) in marks.iter_mut().zip(tick) {
            let verdict = policy.look(mark, Seen { accessed: bit == 1, ..IDLE });
            // Only what was never accessed is empty already.
            assert_eq!(verdict == Verdict::Trim, mark.age == 0);
        }
    }
    assert_eq!(marks.map(|mark| mark.age), REGISTERS);
    // A circle that finds none tells who has the least, which goes in the next one: page 3.
    policy.begin(1, 6);
    assert_eq!(circles(&mut policy, &mut marks, 1, IDLE), []);
    assert_eq!(circles(&mut policy, &mut marks, 1, IDLE)[..1], [3]);
}

#[test]
fn two_lists_keep_what_was_used_twice() {
    let mut policy = TwoList::new();
    policy.begin(1, 4);
    let mut marks = [Mark::FRESH; 4];
    // They came in, so they are accessed; then the first is used again.
    assert_eq!(circles(&mut policy, &mut marks, 1, ACCESSED), []);
    assert_eq!(circles(&mut policy, &mut marks[..1], 1, ACCESSED), []);
    // Now none is in use: the first is active, and stays.
    assert_eq!(circles(&mut policy, &mut marks, 2, IDLE), [1, 2, 3, 1, 2, 3]);
    for (distance, is_active) in [(1, true), (2, true), (3, false)] {
        let mut mark = Mark::FRESH;
        policy.evicted(&mut mark);
        policy.returned(&mut mark, Refault { now: 9, distance, resident: 4 });
        // It was accessed as it came in, and is not used again.
        assert_eq!(policy.look(&mut mark, ACCESSED), Verdict::Keep);
        policy.look(&mut marks[0], ACCESSED);
        let goes = policy.look(&mut mark, IDLE) == Verdict::Trim;
        assert_eq!(goes, !is_active, "{distance}");
        // An active one has to make room for each that became active.
        policy.begin(1, 4);
    }
}

#[test]
fn wsclock_counts_the_time_of_the_process() {
    let mut policy = WsClock::new();
    policy.begin(1, 1000);
    let [mut runs, mut sleeps] = [Mark::FRESH; 2];
    for mark in [&mut runs, &mut sleeps] {
        assert_eq!(policy.look(mark, Seen { time: 65_500, ..ACCESSED }), Verdict::Keep);
    }
    let after = |ticks: u32| Seen { time: 65_500 + ticks, ..IDLE };
    assert_eq!(policy.look(&mut runs, after(99)), Verdict::Keep);
    assert_eq!(policy.look(&mut runs, after(100)), Verdict::Trim);
    assert_eq!(policy.look(&mut sleeps, after(0)), Verdict::Keep);
}

#[test]
fn wsclock_passes_over_as_many_dirty_pages_as_are_wanted() {
    let mut policy = WsClock::new();
    policy.begin(2, 1000);
    let mut marks = [Mark::FRESH; 4];
    assert_eq!(circles(&mut policy, &mut marks, 1, ACCESSED), []);
    let old = Seen { time: 1000, ..IDLE };
    let dirty = Seen { dirty: true, ..old };
    let verdicts = [dirty, dirty, old, dirty].into_iter().zip(&mut marks);
    let verdicts: Vec<_> = verdicts.map(|(seen, mark)| policy.look(mark, seen)).collect();
    assert_eq!(verdicts, [Verdict::Keep, Verdict::Keep, Verdict::Trim, Verdict::Trim]);
}

/// A policy with as many hot pages, and their marks.
fn clock_pro_with_hot(count: usize) -> (ClockPro, Vec<Mark>) {
    let mut policy = ClockPro::new();
    policy.begin(1, 1000);
    let mut marks = vec![Mark::FRESH; count];
    // The access that brings them in begins the test, the next one passes it.
    assert_eq!(circles(&mut policy, &mut marks, 2, ACCESSED), []);
    (policy, marks)
}

#[test]
fn clock_pro_makes_hot_what_is_used_within_its_test() {
    for (distance, is_hot) in [(0, true), (2000, true), (2001, false)] {
        let mut policy = ClockPro::new();
        policy.begin(1, 1000);
        let mut mark = Mark::FRESH;
        assert_eq!(policy.look(&mut mark, ACCESSED), Verdict::Keep);
        assert_eq!(policy.look(&mut mark, IDLE), Verdict::Trim);
        policy.evicted(&mut mark);
        policy.returned(&mut mark, Refault { now: 9, distance, resident: 1000 });
        assert_eq!(policy.look(&mut mark, ACCESSED), Verdict::Keep);
        let goes = policy.look(&mut mark, IDLE) == Verdict::Trim;
        assert_eq!(goes, !is_hot, "{distance}");
    }
}

#[test]
fn clock_pro_cools_one_page_for_one_that_gets_hot() {
    let (mut policy, mut marks) = clock_pro_with_hot(10);
    // Ten became hot: a sweep finds nothing in use, and cools all that is owed.
    assert_eq!(circles(&mut policy, &mut marks, 1, IDLE), []);
    let gone = circles(&mut policy, &mut marks, 1, IDLE);
    assert_eq!(gone, (0..10).collect::<Vec<_>>());

    let (mut policy, mut marks) = clock_pro_with_hot(10);
    // They are in use all the time: the sweep ends, and nothing is owed any more.
    assert_eq!(circles(&mut policy, &mut marks, 2, ACCESSED), []);
    assert_eq!(circles(&mut policy, &mut marks, 5, IDLE), []);
    // Nor is a test of the sweep before still open.
    let mut late = Mark::FRESH;
    late.claim(Kind::ClockPro);
    late.set(2);
    policy.returned(&mut late, Refault { now: 9, distance: 1, resident: 1000 });
    assert_eq!(policy.look(&mut late, ACCESSED), Verdict::Keep);
    assert_eq!(policy.look(&mut late, IDLE), Verdict::Trim);
}

/// Something that a policy is told.
#[derive(Clone, Copy, Debug)]
enum Told {
    Begin(u32, u32),
    Look(usize, Seen),
    Evicted(usize),
    Returned(usize, Refault),
    Choose(Kind),
}

fn told() -> impl Strategy<Value = Told> {
    let number = || {
        let small = 0_u32..100;
        (any::<bool>(), small, any::<u32>()).prop_map(
            |(is_any, small, any)| {
                if is_any { any } else { small }
            },
        )
    };
    let what = (0..10, 0_usize..8, select(&Kind::ALL[..]), any::<bool>(), any::<bool>());
    (what, number(), number(), number()).prop_map(|((what, page, kind, yes, no), a, b, c)| {
        match what {
            0 => Told::Begin(a, b),
            1 => Told::Evicted(page),
            2 => Told::Returned(page, Refault { now: a, distance: b, resident: c }),
            3 => Told::Choose(kind),
            _ => Told::Look(page, Seen { accessed: yes, dirty: no, time: a }),
        }
    })
}

proptest! {
    #[test]
    fn whatever_a_policy_is_told_it_goes_on(all in vec(told(), 0..200)) {
        let mut policy = Replacement::new(Kind::Clock);
        let mut marks = [Mark::FRESH; 8];
        for told in all {
            match told {
                Told::Begin(want, resident) => policy.begin(want, resident),
                Told::Look(page, seen) => {
                    policy.look(&mut marks[page], seen);
                }
                Told::Evicted(page) => policy.evicted(&mut marks[page]),
                Told::Returned(page, refault) => {
                    policy.returned(&mut marks[page], refault);
                    prop_assert!(marks[page].arrival() == refault.now);
                }
                Told::Choose(kind) => policy.choose(kind),
            }
        }
        let looks = 8 * CIRCLES_MAX as usize + 1;
        policy.begin(1, 8);
        let mut passed = (0..8).cycle().take(looks);
        prop_assert!(passed.any(|page| policy.look(&mut marks[page], ACCESSED) == Verdict::Trim));
    }
}
