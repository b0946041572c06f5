//! [`rewritten`]: the README with its table of measurements made anew, between two marks.

use std::fmt::Write as _;

use anyhow::{Result, bail};

use super::chart::{self, Selection};
use super::figures;
use super::peers::{NATIVE, PAGEWALK, QEMU};
use super::results::{Host, Results, Row, Unit};

const BEGIN: &str = "<!-- scripts/bench --readme: begin -->";
const END: &str = "<!-- scripts/bench --readme: end -->";

/// Where the README finds the chart, from the root of the workspace.
pub(super) const CHART: &str = "benches/results.svg";
/// All results beside it.
pub(super) const JSON: &str = "benches/results.json";

/// The rows that the README's table shows, with words for them.
const TABLE: &[(&str, &str)] = &[
    ("hit.latency", "load that hits in the TLB"),
    ("miss.read.stride.4096", "load that misses, page after page"),
    ("miss.read.random.65536", "load that misses, 65536 pages at random"),
    ("super.2m", "load from 2 MiB pages"),
    ("fence.all.0", "`sfence.vma` of everything"),
    ("fence.all.64", "the same, then 64 pages anew"),
    ("fence.page.64", "`sfence.vma` of one page, then 64 others"),
    ("switch.asid.8", "switch among 8 address spaces with ASIDs"),
    ("switch.fence.8", "the same with fences instead"),
    ("ecall.0", "system call"),
    ("ecall.64", "the same, with 64 user pages touched"),
    ("sum.4096", "copy of 4 KiB from user memory, with SUM"),
    ("timer", "timer interrupt"),
    ("fault.read", "page fault, repaired"),
    ("protect-copy", "write to a protected page, copied"),
    ("smc", "write code, `fence.i`, call it"),
    ("compute.sha256", "SHA-256"),
    ("compute.sort", "sorting"),
    ("compute.matrix", "matrix product in double precision"),
    ("startup.trivial", "start and exit of a machine"),
    ("startup.memory", "memory that this takes"),
];

/// The rows of [`TABLE`] that the chart has as curves.
const CURVES: &[(&str, &str)] = &[
    ("miss.read.stride", "read miss"),
    ("miss.write.stride", "write miss"),
    ("miss.read.random", "random read"),
    ("fence.all", "fence"),
    ("fence.page", "fence of a page"),
    ("ecall", "system call"),
    ("switch.asid", "switch with ASIDs"),
    ("switch.fence", "switch with fences"),
];

/// The README's chart.
pub(super) fn chart(results: &Results) -> String {
    let plain: Vec<(&str, String)> =
        TABLE.iter().map(|(name, label)| (*name, label.replace('`', ""))).collect();
    let rows: Vec<(&str, &str)> =
        plain.iter().map(|(name, label)| (*name, label.as_str())).collect();
    chart::render(results, Some(Selection { rows: &rows, families: CURVES }))
}

/// The README with the table in it.
///
/// # Errors
/// The marks are not there, each once and in order.
pub(super) fn rewritten(readme: &str, results: &Results) -> Result<String> {
    replaced(readme, (BEGIN, END), &section(results))
}

/// The README with another text between two marks.
///
/// # Errors
/// The marks are not there, each once and in order.
pub(super) fn replaced(readme: &str, (begin, end): (&str, &str), text: &str) -> Result<String> {
    let (Some((before, rest)), 1) = (readme.split_once(begin), readme.matches(begin).count())
    else {
        bail!("README.md needs one line {begin}");
    };
    let (Some((_, after)), 1) = (rest.split_once(end), readme.matches(end).count()) else {
        bail!("README.md needs one line {end} after the one that begins");
    };
    Ok(format!("{before}{begin}\n{text}{end}{after}"))
}

fn section(results: &Results) -> String {
    let version = |name: &str| {
        let peer = results.peers.iter().find(|peer| peer.name == name);
        peer.and_then(|peer| peer.version.clone()).unwrap_or_default()
    };
    let Host { cpu, cpus } = &results.host;
    let mut text = format!("{cpu}, {cpus} CPUs, {}:\n\n", figures::medians(results.rounds));
    let qemu = format!("QEMU {}", version(QEMU));
    // Writing to a string cannot fail.
    let _ = writeln!(text, "| | Pagewalk | {} | times as fast | native |", qemu.trim());
    text += "| --- | ---: | ---: | ---: | ---: |\n";
    let rows = TABLE.iter().filter_map(|&(name, label)| {
        Some((results.rows.iter().find(|row| row.name == name)?, label))
    });
    for (row, label) in rows {
        let times = row.times_as_fast(QEMU).filter(|_| row.unit != Unit::Megabytes);
        let times = times.map(figures::ratio).unwrap_or_default();
        let [own, qemu, native] = [PAGEWALK, QEMU, NATIVE].map(|peer| figure(row, peer));
        let _ = writeln!(text, "| {label} | {own} | {qemu} | {times} | {native} |");
    }
    let _ = write!(text, "\n![Time for an operation, by program and emulator]({CHART})\n");
    text
}

fn figure(row: &Row, peer: &str) -> String {
    match row.cells.get(peer) {
        Some(cell) if cell.wrong.is_some() => "wrong result".to_owned(),
        Some(cell) => row.unit.figure(cell.median),
        None => String::new(),
    }
}
