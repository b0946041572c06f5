//! Tests of load control, decision by decision; `simulation.rs` has the whole.

use proptest::prelude::*;

use super::*;
use Verdict::{Keep, Resume, Suspend};

const AVAILABLE: u64 = 1000;

/// A window that ends after so many seconds.
fn calm(seconds: u64) -> Sample {
    Sample { now_ns: seconds * SECOND_NS, available: AVAILABLE, ..Sample::default() }
}

fn lost(seconds: u64) -> Sample {
    Sample { full_permille: 401, came_in: 50, refaults: 26, ..calm(seconds) }
}

/// A process that has run since the start, and got on.
fn active(pid: u32, nice: i8, working_set: u64) -> Member {
    Member {
        pid,
        nice,
        resident: working_set,
        working_set,
        progress_ns: TURN_PROGRESS_NS,
        refaults: 0,
        is_idle: false,
        turn: Turn::Active { since_ns: 0 },
        verdict: Keep,
    }
}

fn resumed(seconds: u64, member: Member) -> Member {
    Member { turn: Turn::Active { since_ns: seconds * SECOND_NS }, ..member }
}

fn suspended(seconds: u64, member: Member) -> Member {
    Member { turn: Turn::Suspended { since_ns: seconds * SECOND_NS }, resident: 0, ..member }
}

/// Does what is wanted, after so many seconds.
fn obey(members: &mut [Member], seconds: u64) {
    let since_ns = seconds * SECOND_NS;
    for member in members {
        match member.verdict {
            Keep => {}
            Suspend => member.turn = Turn::Suspended { since_ns },
            Resume => member.turn = Turn::Active { since_ns },
        }
    }
}

/// Who gets a verdict other than to be kept.
fn decide(control: &mut LoadControl, sample: Sample, members: &[Member]) -> Vec<(u32, Verdict)> {
    let mut members = members.to_vec();
    control.decide(&sample, &mut members);
    let changed = members.iter().filter(|member| member.verdict != Keep);
    changed.map(|member| (member.pid, member.verdict)).collect()
}

#[test]
fn two_lost_windows_in_a_row_are_needed() {
    let members = [active(2, 0, 700), active(3, 0, 600)];
    let full = |full_permille| Sample { full_permille, ..lost(2) };
    let pages = |came_in, refaults| Sample { came_in, refaults, ..lost(2) };
    for (first, second, acts) in [
        (lost(1), lost(2), true),
        (calm(1), lost(2), false),
        (lost(1), calm(2), false),
        (lost(1), full(400), false),
        // A program that is loaded is not one that comes back.
        (lost(1), pages(50, 25), false),
        (lost(1), pages(0, 0), false),
    ] {
        let mut control = LoadControl::new();
        assert_eq!(decide(&mut control, first, &members), []);
        let got = decide(&mut control, second, &members);
        assert_eq!(!got.is_empty(), acts, "{second:?}");
    }
    let mut control = LoadControl::new();
    let acts = [1, 2, 3, 4].map(|s| decide(&mut control, lost(s), &members).len());
    assert_eq!(acts, [0, 1, 0, 1], "then it waits for two more");
}

#[test]
fn who_matters_least_pauses_first() {
    let check = |members: &[Member], want: &[(u32, Verdict)]| {
        let mut control = LoadControl::new();
        assert_eq!(decide(&mut control, lost(9), members), []);
        assert_eq!(decide(&mut control, lost(10), members), want, "{members:?}");
    };
    let (small, large) = (active(5, 0, 500), active(4, 0, 900));
    check(&[small, large], &[(4, Suspend)]);
    check(&[active(5, 1, 500), large], &[(5, Suspend)]);
    check(&[Member { resident: 950, ..small }, large], &[(5, Suspend)]);
    // Whose turn is not over stays if there is another one.
    check(&[small, resumed(8, large)], &[(5, Suspend)]);
    check(&[small, Member { progress_ns: 0, ..large }], &[(5, Suspend)]);
    check(&[resumed(8, small), resumed(8, large)], &[(4, Suspend)]);
    // Neither init, nor the last one, nor what is too small to help, nor who is suspended.
    check(&[active(1, 19, 900), small], &[]);
    check(&[large], &[]);
    check(&[active(3, 19, 15), large], &[]);
    check(&[active(3, 19, 15), small, large], &[(4, Suspend)]);
    check(&[suspended(9, small), resumed(8, large)], &[]);
    // Who waits for something else does not run, and nothing is won by suspending it.
    let idle = Member { is_idle: true, ..active(6, 19, 900) };
    check(&[idle, large], &[]);
    check(&[idle, small, large], &[(4, Suspend)]);
    check(&[], &[]);
}

#[test]
fn who_starves_beside_others_is_helped() {
    let rich = active(2, 0, 800);
    let poor = Member { progress_ns: 0, refaults: 26, ..resumed(1, active(3, 0, 300)) };
    let fast = Member { progress_ns: SECOND_NS / 5, ..poor };
    let idle = Member { refaults: 0, ..poor };
    for (seconds, poor, want) in [
        (10, poor, &[(2, Suspend)][..]),
        (8, poor, &[]),
        (10, fast, &[]),
        (10, idle, &[]),
        (10, suspended(1, poor), &[]),
    ] {
        let window = |seconds| Sample { full_permille: 0, ..lost(seconds) };
        let mut control = LoadControl::new();
        // It has just been changed, so that nothing else happens.
        control.changed_ns = (seconds - 1) * SECOND_NS;
        control.rotated_ns = control.changed_ns;
        assert_eq!(decide(&mut control, window(seconds - 1), &[rich, poor]), [], "{poor:?}");
        assert_eq!(decide(&mut control, window(seconds), &[rich, poor]), want, "{poor:?}");
    }
}

#[test]
fn one_that_never_fits_lets_others_run() {
    let mut control = LoadControl::new();
    let mut members = [Member { progress_ns: 0, ..active(2, 0, 5000) }, active(3, 0, 400)];
    let mut seconds_of_small = 0;
    for seconds in 1..=100 {
        // While the large one runs, it waits.
        let runs = |member: &Member| member.active_since().is_some();
        let sample = if runs(&members[0]) { lost(seconds) } else { calm(seconds) };
        control.decide(&sample, &mut members);
        obey(&mut members, seconds);
        members.iter_mut().for_each(|member| member.verdict = Keep);
        let [large, small] = [0, 1].map(|index| runs(&members[index]));
        assert!(large || small, "somebody runs");
        seconds_of_small += u64::from(small && !large);
    }
    assert!((8..=50).contains(&seconds_of_small), "{seconds_of_small}");
}

#[test]
fn who_fits_returns() {
    let check = |seconds, members: &[Member], want: &[(u32, Verdict)]| {
        let mut control = LoadControl::new();
        assert_eq!(decide(&mut control, calm(seconds), members), want, "{members:?}");
    };
    let (one, two) = (active(2, 0, 600), active(3, 0, 400));
    check(3, &[one, suspended(1, two)], &[(3, Resume)]);
    check(3, &[one, suspended(1, active(3, 0, 401))], &[]);
    // Those who run fit whether or not they can be suspended.
    check(3, &[active(1, 0, 601), suspended(1, two)], &[(3, Resume)]);
    check(3, &[active(1, 0, 601), one, suspended(1, two)], &[]);
    // The one that has waited longest, even if another one is smaller.
    check(3, &[one, suspended(2, active(4, -20, 100)), suspended(1, two)], &[(3, Resume)]);
    check(3, &[one, suspended(1, active(4, 0, 500)), suspended(2, two)], &[]);
    // Too early, unless there is plenty, or nobody.
    check(1, &[one, suspended(1, two)], &[]);
    check(1, &[active(2, 0, 100), suspended(1, two)], &[(3, Resume)]);
    check(1, &[suspended(0, active(2, 0, 5000)), suspended(1, two)], &[(2, Resume)]);
    check(3, &[one, two], &[]);
    // Those who wait for something else, perhaps for who was suspended, are in nobody's way.
    let idle = Member { is_idle: true, ..active(5, 0, 5000) };
    check(1, &[idle, suspended(1, two)], &[(3, Resume)]);
    check(3, &[idle, one, suspended(1, two)], &[(3, Resume)]);
    check(3, &[idle, one, suspended(1, active(3, 0, 401))], &[]);
}

#[test]
fn the_others_take_turns() {
    let check = |members: &[Member], want: &[(u32, Verdict)]| {
        let mut control = LoadControl::new();
        assert_eq!(decide(&mut control, calm(20), members), want, "{members:?}");
    };
    let waits = suspended(1, active(9, 0, 500));
    let (one, two) = (active(2, 0, 450), resumed(5, active(3, 0, 450)));
    check(&[one, two, waits], &[(2, Suspend), (9, Resume)]);
    check(&[one, resumed(5, active(3, 1, 450)), waits], &[(3, Suspend), (9, Resume)]);
    // Who has not had his turn does not make way, until it has lasted too long.
    let slow = |since| Member { progress_ns: TURN_PROGRESS_NS - 1, ..resumed(since, one) };
    check(&[slow(0), two, waits], &[(3, Suspend), (9, Resume)]);
    check(&[slow(0), resumed(17, two), waits], &[]);
    let mut control = LoadControl::new();
    let got = decide(&mut control, calm(30), &[slow(0), resumed(27, two), waits]);
    assert_eq!(got, [(2, Suspend), (9, Resume)]);
    // A large one needs the places of two, and has them only together.
    let large = suspended(1, active(9, 0, 900));
    check(&[one, two, large], &[(2, Suspend), (3, Suspend), (9, Resume)]);
    check(&[one, resumed(17, two), large], &[]);
    check(
        &[one, two, suspended(1, active(9, 0, 5000))],
        &[(2, Suspend), (3, Suspend), (9, Resume)],
    );
    // Small ones, such as a shell that waits for a key, are left alone.
    check(&[active(4, 19, 10), one, two, waits], &[(2, Suspend), (9, Resume)]);
}

#[test]
fn turns_come_every_few_seconds() {
    let mut control = LoadControl::new();
    let mut members =
        vec![active(2, 0, 600), suspended(0, active(3, 0, 600)), suspended(0, active(4, 0, 600))];
    let mut turns = Vec::new();
    for seconds in 1..=24 {
        control.decide(&calm(seconds), &mut members);
        let resumed = members.iter().filter(|member| member.verdict == Resume);
        turns.extend(resumed.map(|member| (seconds, member.pid)));
        obey(&mut members, seconds);
    }
    assert_eq!(turns, [(4, 3), (8, 4), (12, 2), (16, 3), (20, 4), (24, 2)]);
}

#[test]
fn mistakes_teach_patience() {
    let mut control = LoadControl::new();
    let (one, two) = (active(2, 0, 400), active(3, 0, 300));
    let mut now = 0;
    let mut waits = Vec::new();
    for _ in 0..7 {
        // The estimate says that both fit, and that is wrong.
        let began = now;
        // Meanwhile somebody runs whose turn has always just begun.
        while decide(&mut control, calm(now), &[resumed(now, one), suspended(began, two)])
            != [(3, Resume)]
        {
            now += 1;
            assert!(now < 1000, "it never returns");
        }
        waits.push(now - began);
        let both = [one, resumed(now, two)];
        assert_eq!(decide(&mut control, lost(now + 1), &both), []);
        assert_eq!(decide(&mut control, lost(now + 2), &both).len(), 1);
        now += 2;
    }
    assert_eq!(waits, [2, 4, 8, 16, 32, 64, 64]);
}

fn members() -> impl Strategy<Value = Vec<Member>> {
    let member = (-20..20_i8, 0..700_u64, 0..700_u64, 0..2 * TURN_PROGRESS_NS, 0..60_u64);
    let members = prop::collection::vec((member, any::<bool>()), 0..10);
    members.prop_map(|members| {
        let numbered = members.into_iter().zip(1..);
        let member = |(((nice, resident, working_set, progress_ns, seconds), runs), pid)| {
            let since_ns = seconds * SECOND_NS;
            let turn = if runs { Turn::Active { since_ns } } else { Turn::Suspended { since_ns } };
            let refaults = u64::from(pid % 2);
            Member {
                pid,
                nice,
                resident,
                working_set,
                progress_ns,
                refaults,
                is_idle: pid % 5 == 0,
                turn,
                verdict: Resume,
            }
        };
        numbered.map(member).collect()
    })
}

proptest! {
    #[test]
    fn somebody_always_runs(samples in prop::collection::vec((any::<bool>(), members()), 1..30)) {
        let mut control = LoadControl::new();
        for ((is_lost, mut members), seconds) in samples.into_iter().zip(60..) {
            let sample = if is_lost { lost(seconds) } else { calm(seconds) };
            let ran = members.iter().any(|member| member.is_useful(&sample));
            control.decide(&sample, &mut members);
            let verdicts = |wanted| members.iter().filter(move |m| m.verdict == wanted);
            prop_assert!(verdicts(Resume).count() <= 1);
            prop_assert!(verdicts(Resume).all(|member| member.suspended_since().is_some()));
            let may_pause = |member: &Member| {
                member.pid != INIT_PID && matches!(member.turn, Turn::Active { .. })
            };
            prop_assert!(verdicts(Suspend).all(may_pause));
            let runs = members.iter().any(|member| member.is_useful(&sample));
            prop_assert!(!ran || runs || verdicts(Resume).count() == 1, "{:?}", members);
        }
    }
}
