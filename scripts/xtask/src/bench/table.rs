//! [`render`]: the results as text, in aligned columns.

use std::fmt::Write as _;

use super::campaign::MEMORIES;
use super::catalogue;
use super::figures;
use super::goals::Verdict;
use super::peers::PAGEWALK;
use super::results::{Results, Row};

/// Stands where there is no figure.
const NONE: &str = "-";

/// The table, the curves, what went wrong and the summary of the goals.
pub(super) fn render(results: &Results) -> String {
    let mut text = head(results);
    text += &aligned(&main_table(results));
    if !results.curves.is_empty() {
        text += "\nPagewalk with other sizes of RAM\n";
        text += &aligned(&curves(&results.curves));
    }
    let notes = notes(results);
    if !notes.is_empty() {
        text += "\n";
        text += &notes;
    }
    if let Some(summary) = summary(results) {
        let _ = write!(text, "\n{summary}\n");
    }
    text
}

fn head(results: &Results) -> String {
    let host = &results.host;
    let medians = figures::medians(results.rounds);
    let mut text = format!("{}, {} CPUs; {medians}\n", host.cpu, host.cpus);
    for peer in &results.peers {
        let version = peer.version.as_deref().unwrap_or_default();
        let _ = writeln!(text, "{:10} {version:24} {}", peer.name, peer.command);
    }
    text + "\n"
}

/// A line of a table.
#[derive(Debug)]
pub(super) enum Line {
    Title(&'static str),
    /// The first is aligned to the left, and so is the last.
    Cells(Vec<String>),
}

fn main_table(results: &Results) -> Vec<Line> {
    let others =
        || results.peers.iter().map(|peer| peer.name.as_str()).filter(|&name| name != PAGEWALK);
    let mut header = vec![String::new(), PAGEWALK.to_owned()];
    header.extend(others().map(str::to_owned));
    header.extend(others().map(|peer| format!("x {peer}")));
    header.extend(["MIPS".to_owned(), "goal".to_owned()]);
    let mut lines = vec![Line::Cells(header)];
    let mut title = "";
    for row in &results.rows {
        let own_title = catalogue::place(&row.name).1;
        if title != own_title {
            title = own_title;
            lines.push(Line::Title(title));
        }
        let mut cells = vec![format!("  {}", row.name), figure(row, PAGEWALK)];
        cells.extend(others().map(|peer| figure(row, peer)));
        cells.extend(others().map(|peer| or_none(row.times_as_fast(peer).map(figures::ratio))));
        let mips = row.cells.get(PAGEWALK).filter(|cell| cell.wrong.is_none());
        cells.push(or_none(mips.and_then(|cell| cell.mips).map(|mips| format!("{mips:.0}"))));
        cells.push(row.goals.iter().map(verdict).collect::<Vec<_>>().join(", "));
        lines.push(Line::Cells(cells));
    }
    lines
}

fn figure(row: &Row, peer: &str) -> String {
    match row.cells.get(peer) {
        Some(cell) if cell.wrong.is_some() => "WRONG".to_owned(),
        Some(cell) => row.unit.figure(cell.median),
        None => NONE.to_owned(),
    }
}

fn or_none(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| NONE.to_owned())
}

fn verdict(verdict: &Verdict) -> String {
    let outcome = match verdict.met {
        Some(true) => "met",
        Some(false) => "BEHIND",
        None => "not compared",
    };
    format!("{} {outcome}", verdict.goal)
}

/// A column for each size of RAM, and how much the last costs more than the first.
fn curves(rows: &[Row]) -> Vec<Line> {
    let mut header = vec![String::new()];
    header.extend(MEMORIES.map(str::to_owned));
    let (first, last) = (MEMORIES[0], MEMORIES[MEMORIES.len() - 1]);
    header.extend([format!("{last} / {first}"), String::new()]);
    let line = |row: &Row| {
        let mut cells = vec![format!("  {}", row.name)];
        cells.extend(MEMORIES.map(|memory| figure(row, memory)));
        let growth = row.figure(last).zip(row.figure(first)).map(|(last, first)| last / first);
        cells.extend([or_none(growth.map(figures::ratio)), String::new()]);
        Line::Cells(cells)
    };
    [Line::Cells(header)].into_iter().chain(rows.iter().map(line)).collect()
}

/// The lines, with their cells below each other.
pub(super) fn aligned(lines: &[Line]) -> String {
    let width = |text: &String| text.chars().count();
    let mut widths: Vec<usize> = Vec::new();
    for line in lines {
        let Line::Cells(cells) = line else { continue };
        widths.resize(widths.len().max(cells.len()), 0);
        for (column, cell) in widths.iter_mut().zip(cells) {
            *column = width(cell).max(*column);
        }
    }
    let mut text = String::new();
    for line in lines {
        let mut out = String::new();
        match line {
            Line::Title(title) => out += title,
            Line::Cells(cells) => {
                for (index, (cell, &columns)) in cells.iter().zip(&widths).enumerate() {
                    // Writing to a string cannot fail.
                    let _ = match index {
                        0 => write!(out, "{cell:columns$}"),
                        _ if index + 1 == cells.len() => write!(out, "  {cell}"),
                        _ => write!(out, "  {cell:>columns$}"),
                    };
                }
            }
        }
        text += out.trim_end();
        text.push('\n');
    }
    text
}

/// What was left out or went wrong, a line each.
fn notes(results: &Results) -> String {
    let mut notes = Vec::new();
    for row in &results.rows {
        let skips = row.skips.iter();
        notes.extend(skips.map(|(peer, reason)| format!("{} on {peer}: {reason}", row.name)));
    }
    notes.extend(results.troubles.iter().map(|trouble| format!("FAILED: {trouble}")));
    notes.extend(results.wrongs());
    notes.iter().map(|note| format!("{note}\n")).collect()
}

/// How many goals are met, and which are not.
fn summary(results: &Results) -> Option<String> {
    let goals =
        || results.rows.iter().flat_map(|row| row.goals.iter().map(move |goal| (row, goal)));
    let count = |met: Option<bool>| goals().filter(|(_, goal)| goal.met == met).count();
    let (met, behind, open) = (count(Some(true)), count(Some(false)), count(None));
    if met + behind + open == 0 {
        return None;
    }
    let mut text = format!("{met} of {} goals met", met + behind);
    if open > 0 {
        let _ = write!(text, ", {open} not compared");
    }
    let mut names: Vec<&str> = goals()
        .filter(|(_, goal)| goal.met == Some(false))
        .map(|(row, _)| row.name.as_str())
        .collect();
    names.dedup();
    if !names.is_empty() {
        let _ = write!(text, "; behind: {}", names.join(", "));
    }
    Some(text)
}
