//! The results as people see them: [`table`] on the terminal, [`section`] in the README, [`chart`].

use std::fmt::Write as _;

use super::super::chart::crowd::{self, Crowd};
use super::super::figures;
use super::super::table::{Line, aligned};
use super::CHART;
use super::results::{Cost, Results, STEPS, Throughput, Workload, decade, rate};

/// Between them is what `--guest --readme` writes.
pub(super) const MARKS: (&str, &str) = (
    "<!-- scripts/bench --guest --readme: begin -->",
    "<!-- scripts/bench --guest --readme: end -->",
);

/// All figures, goals, and what went wrong.
pub(super) fn table(results: &Results) -> String {
    let mut text = String::new();
    for (title, rows) in tables(results) {
        let lines: Vec<Line> = rows.into_iter().map(Line::Cells).collect();
        let _ = write!(text, "{title}\n{}\n", aligned(&lines));
    }
    for note in &results.notes {
        let _ = writeln!(text, "{note}");
    }
    for trouble in &results.troubles {
        let _ = writeln!(text, "FAILED: {trouble}");
    }
    for goal in results.goals() {
        let outcome = if goal.met == Some(true) { "met" } else { "BEHIND" };
        let _ = writeln!(text, "{outcome}: {}", goal.goal);
    }
    text
}

/// The README's part: the chart and the tables.
pub(super) fn section(results: &Results) -> String {
    let mut text = format!("![Pages touched a second, by the number of processes]({CHART})\n");
    for (title, rows) in tables(results) {
        let _ = write!(text, "\n{title}:\n\n");
        for (index, row) in rows.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if index == 0 {
                let _ = writeln!(text, "| ---{} |", " | ---:".repeat(row.len() - 1));
            }
        }
    }
    text
}

/// The cliff and the plateau.
pub(super) fn chart(results: &Results) -> String {
    let points = |control| {
        let counts = results.crowds().into_iter();
        let points = counts.filter_map(|count| Some((count, results.of(count, control)?)));
        points.map(|(count, one)| (count, one.per_second())).collect::<Vec<_>>()
    };
    crowd::render(&Crowd {
        title: "The cliff and the plateau",
        about: "Pages touched in a second by processes that each need 0.3 of RAM; the scale is \
                logarithmic.",
        values: "pages touched a second",
        counts: "processes",
        lines: &[("without load control", points(false)), ("with load control", points(true))],
        words: rate,
        decade,
    })
}

/// A title, and rows of which the first is the head.
type Table = (&'static str, Vec<Vec<String>>);

/// Those that have figures.
fn tables(results: &Results) -> Vec<Table> {
    let mut tables = Vec::new();
    if !results.throughput.is_empty() {
        let title = "Pages touched in a second by processes that each need 0.3 of RAM (16 MiB, and \
                     a slow disk), and what the least of them has of an even share";
        tables.push((title, throughput(results)));
    }
    if let Some(first) = results.workloads.first() {
        let title = "Pages that had to come back, in the guest and, in brackets, in the simulation \
                     of its policies on the recorded reference string";
        let head = ["", "pages/frames", "OPT", "LRU"].map(str::to_owned).into_iter();
        let head = head.chain(first.policies.iter().map(|policy| policy.name.clone())).collect();
        let rows = results.workloads.iter().map(workload);
        tables.push((title, [head].into_iter().chain(rows).collect()));
    }
    if !results.costs.is_empty() {
        let title = "Instructions of the whole machine at twice RAM (160 MiB)";
        tables.push((title, costs(&results.costs)));
    }
    tables
}

fn throughput(results: &Results) -> Vec<Vec<String>> {
    let head = ["processes", "without load control", "least", "with", "least", "times as much"];
    let rows = results.crowds().into_iter().map(|count| {
        let mut row = vec![count.to_string()];
        for control in [false, true] {
            let one = results.of(count, control);
            row.push(one.map_or(String::new(), |one| rate(one.per_second())));
            row.push(one.map_or(String::new(), least));
        }
        row.push(results.gain(count).map_or(String::new(), figures::ratio));
        row
    });
    [head.map(str::to_owned).to_vec()].into_iter().chain(rows).collect()
}

/// The least share in percent; it is not nothing where it is said to be more.
fn least(one: &Throughput) -> String {
    match one.least_share() * 100.0 {
        0.0 => "0 %".to_owned(),
        share if share < 0.1 => "< 0.1 %".to_owned(),
        share if share < 9.95 => format!("{share:.1} %"),
        share => format!("{share:.0} %"),
    }
}

fn workload(workload: &Workload) -> Vec<String> {
    let Workload { name, frames, pages, opt, lru, .. } = workload;
    let mut row = vec![
        name.clone(),
        format!("{:.1}", *pages as f64 / (*frames).max(1) as f64),
        opt.to_string(),
        lru.to_string(),
    ];
    let policies = workload.policies.iter();
    row.extend(policies.map(|policy| format!("{} ({})", policy.guest, policy.simulated)));
    row
}

fn costs(costs: &[Cost]) -> Vec<Vec<String>> {
    let mut head = vec![String::new()];
    head.extend(costs.iter().map(|cost| cost.system.clone()));
    head.push("goal".to_owned());
    let rows = STEPS.iter().map(|(name, label, goal)| {
        let mut row = vec![(*label).to_owned()];
        let insns = |cost: &Cost| cost.insns(name).map_or(String::new(), |insns| insns.to_string());
        row.extend(costs.iter().map(insns));
        row.push(goal.to_string());
        row
    });
    [head].into_iter().chain(rows).collect()
}
