//! Tests of the choice of victims, and of the report.

use proptest::prelude::*;

use super::*;

const TOTAL: u64 = 10_000;

fn process(pid: u32, pages: [u64; 3], adj: i16) -> Process<'static> {
    let [resident, swapped, tables] = pages;
    Process { pid, name: b"hog", resident, swapped, tables, adj, fate: Fate::Lives }
}

#[test]
fn badness_is_what_would_be_won() {
    for (pid, pages, adj, badness, score) in [
        (2, [0, 0, 0], 0, Some(0), 666),
        (2, [1000, 0, 0], 0, Some(1000), 733),
        (2, [700, 200, 100], 0, Some(1000), 733),
        (2, [10_000, 0, 0], 0, Some(10_000), 1333),
        (2, [0, 0, 0], 500, Some(5000), 1000),
        (2, [1000, 0, 0], 1000, Some(11_000), 1400),
        (2, [1000, 0, 0], -500, Some(-4000), 400),
        (2, [0, 0, 0], -999, Some(-9990), 0),
        (2, [10_000, 0, 0], -1000, None, 0),
        (1, [10_000, 0, 0], 1000, None, 0),
    ] {
        let process = process(pid, pages, adj);
        assert_eq!(process.badness(TOTAL), badness, "{process:?}");
        assert_eq!(process.score(TOTAL), score, "{process:?}");
    }
    let all = process(2, [u64::MAX, u64::MAX, 1], 1000);
    assert_eq!(all.badness(u64::MAX), Some(i64::MAX), "sums stop where numbers do");
}

#[test]
fn the_worst_has_to_go() {
    use Choice::{Kill, Nobody, Wait};
    let check = |processes: &[Process<'_>], want: Choice| {
        assert_eq!(choose(processes.iter().copied(), TOTAL), want, "{processes:?}");
    };
    let (init, small, large) =
        (process(1, [9000, 0, 0], 0), process(5, [10, 0, 0], 0), process(4, [100, 0, 0], 0));
    let with = |process: Process<'static>, fate| Process { fate, ..process };
    check(&[], Nobody);
    check(&[init], Nobody);
    check(&[process(9, [100, 0, 0], ADJ_NEVER)], Nobody);
    check(&[init, small, large], Kill(4));
    check(&[process(7, [0, 200, 0], 0), large], Kill(7));
    check(&[process(7, [0, 0, 200], 0), large], Kill(7));
    // A tenth of all memory counts more than a hundredth that is used.
    check(&[process(7, [10, 0, 0], 100), large], Kill(7));
    check(&[process(7, [1000, 0, 0], -100), large], Kill(4));
    // Less than nothing is still not exempt.
    check(&[process(7, [10, 0, 0], -500)], Kill(7));
    // Of two that are alike the younger one.
    check(&[process(7, [10, 0, 0], 0), process(8, [10, 0, 0], 0)], Kill(8));
    check(&[process(8, [10, 0, 0], 0), process(7, [10, 0, 0], 0)], Kill(8));
    // One at a time; whoever is exempt may die as well.
    check(&[large, with(small, Fate::Dies)], Wait(5));
    check(&[large, with(process(9, [1, 0, 0], ADJ_NEVER), Fate::Dies)], Wait(9));
    check(&[small, with(large, Fate::Reaped)], Kill(5));
    check(&[with(large, Fate::Reaped)], Nobody);
}

#[test]
fn the_report_is_a_table() {
    let reason = Reason::Watermark { name: "low", frames: 60 };
    let shortage = Shortage { reason, ram: 8000, free: 42, swap: 2000, swap_free: 0 };
    assert_eq!(shortage.total(), TOTAL);
    let processes = [
        process(1, [30, 5, 4], 0),
        Process { name: b"od\n d", fate: Fate::Reaped, ..process(23, [100, 0, 3], -500) },
        process(412, [6000, 1900, 17], 0),
    ];
    let victim = choose(processes.iter().copied(), shortage.total());
    let mut text = [shortage.title().to_string(), shortage.state().to_string()].join("\n");
    text.push('\n');
    text.push_str(Shortage::COLUMNS);
    for process in &processes {
        text += &format!("\n{}", shortage.row(process, victim));
    }
    text += &format!("\n{}", shortage.verdict(&processes[2]));
    assert_eq!(
        text,
        "\
Out of memory: free frames stay below the watermark low (60)
42 of 8000 frames and 0 of 2000 pages of swap are free
    pid        rss       swap   tables    adj  score  name
      1         30          5        4      0 exempt  hog
     23        100          0        3   -500    340  od\\n d (reaped)
>   412       6000       1900       17      0   1194  hog
Killed process 412 (hog): rss 24000 kB, swap 7600 kB, tables 68 kB, oom_score_adj 0"
    );
    assert_eq!(Reason::Thrashing.to_string(), "what is paged out is needed at once");
}

proptest! {
    #[test]
    fn nobody_worse_is_spared(
        used in prop::collection::vec((0..TOTAL, -1000..=1000_i16), 0..20),
    ) {
        let numbered = used.iter().zip(1..);
        let processes: Vec<_> =
            numbered.map(|((pages, adj), pid)| process(pid, [*pages, 0, 0], *adj)).collect();
        let exempt = |process: &Process<'_>| process.badness(TOTAL).is_none();
        match choose(processes.iter().copied(), TOTAL) {
            Choice::Kill(pid) => {
                let victim = processes.iter().find(|process| process.pid == pid).expect("one");
                prop_assert!(pid != 1 && victim.adj != ADJ_NEVER);
                let worst = processes.iter().filter_map(|process| process.badness(TOTAL)).max();
                prop_assert_eq!(victim.badness(TOTAL), worst);
            }
            choice => {
                prop_assert_eq!(choice, Choice::Nobody);
                prop_assert!(processes.iter().all(exempt));
            }
        }
    }
}
