//! Plots of rows that differ in a number only: pages, address spaces, and of Pagewalk's rows that
//! may not depend on the size of RAM.

use super::super::campaign::MEMORIES;
use super::super::catalogue::{self, numbered};
use super::super::figures;
use super::super::results::{Results, Row};
use super::svg::{Anchor, Style, Svg};
use super::{GROUP, MARGIN, SMALL, TEXT, WIDTH, colour};

const COLUMNS: usize = 3;
const COLUMN: f64 = (WIDTH - 2.0 * MARGIN) / COLUMNS as f64;
const HEIGHT: f64 = 130.0;
/// Room above a plot for its title, and below for its ticks.
const TITLE_HEIGHT: f64 = 26.0;
const TICKS_HEIGHT: f64 = 30.0;
const HEADING_HEIGHT: f64 = 30.0;
/// Room beside a plot for the labels of its vertical axis, and for names of lines.
const AXIS_WIDTH: f64 = 48.0;
const NAMES_WIDTH: f64 = 110.0;
const NAME_PITCH: f64 = 12.0;
/// Fewer rows are no curve.
const FAMILY_MIN_ROWS: usize = 3;
/// Of lines that are not peers.
const COLOURS: [&str; 6] = ["#e8702a", "#4a84cc", "#3d9a62", "#9270c4", "#c08a1e", "#2a9d9d"];

/// Rows that have the same name but for a number at its end.
#[derive(Debug)]
pub(super) struct Family<'a> {
    stem: &'a str,
    label: String,
    /// In the order of the numbers.
    members: Vec<(u64, &'a Row)>,
}

/// All families of the rows, in their order.
pub(super) fn families(rows: &[Row]) -> Vec<Family<'_>> {
    let mut families: Vec<Family<'_>> = Vec::new();
    for row in rows {
        let Some((stem, number)) = numbered(&row.name) else { continue };
        match families.iter_mut().find(|family| family.stem == stem) {
            Some(family) => family.members.push((number, row)),
            None => {
                families.push(Family { stem, label: stem.to_owned(), members: vec![(number, row)] })
            }
        }
    }
    families.retain(|family| family.members.len() >= FAMILY_MIN_ROWS);
    families.iter_mut().for_each(|family| family.members.sort_by_key(|(number, _)| *number));
    families
}

/// The families with these stems, labelled so and with what they count.
pub(super) fn selected<'a>(rows: &'a [Row], selection: &[(&str, &str)]) -> Vec<Family<'a>> {
    let mut all = families(rows);
    let mut selected = Vec::new();
    for (stem, label) in selection {
        let Some(index) = all.iter().position(|family| family.stem == *stem) else { continue };
        let family = all.swap_remove(index);
        selected.push(Family { label: format!("{label}, by {}", family.counts()), ..family });
    }
    selected
}

/// A line of a plot.
#[derive(Debug)]
struct Line {
    name: String,
    colour: &'static str,
    /// Nanoseconds, by tick; those that a logarithmic scale has a place for.
    values: Vec<Option<f64>>,
}

/// Decades of nanoseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    low: i32,
    high: i32,
}

/// A plot's place and its axes.
#[derive(Clone, Debug)]
struct Plot {
    x: f64,
    y: f64,
    width: f64,
    range: Range,
    ticks: Vec<String>,
}

/// Draws the families by group, each with the scale of its group; where the next thing goes.
pub(super) fn draw_groups(
    svg: &mut Svg,
    families: &[Family<'_>],
    peers: &[&str],
    mut y: f64,
) -> f64 {
    for group in families.chunk_by(|a, b| a.title() == b.title()) {
        let lines = group.iter().flat_map(|family| family.lines(peers)).collect::<Vec<_>>();
        let Some(range) = Range::over(&lines) else { continue };
        let heading = match group[0].counts() {
            "" => group[0].title().to_owned(),
            counts => format!("{}, by the number of {counts}", group[0].title()),
        };
        y += HEADING_HEIGHT;
        svg.text(MARGIN, y - 8.0, GROUP, &heading);
        y = draw_grid(svg, group, peers, Some(range), y);
    }
    y
}

/// Draws families side by side, each with a scale of its own unless there is one for all; where
/// the next thing goes.
pub(super) fn draw_grid(
    svg: &mut Svg,
    families: &[Family<'_>],
    peers: &[&str],
    range: Option<Range>,
    mut y: f64,
) -> f64 {
    for row in families.chunks(COLUMNS) {
        for (column, family) in row.iter().enumerate() {
            let lines = family.lines(peers);
            let Some(range) = range.or_else(|| Range::over(&lines)) else { continue };
            let x = MARGIN + COLUMN * column as f64 + AXIS_WIDTH;
            svg.text(x, y + TITLE_HEIGHT - 10.0, TEXT, &family.label);
            let (y, width) = (y + TITLE_HEIGHT, COLUMN - AXIS_WIDTH - 16.0);
            let ticks = family.members.iter().map(|(number, _)| shortened(*number)).collect();
            Plot { x, y, width, range, ticks }.draw(svg, &lines);
        }
        y += TITLE_HEIGHT + HEIGHT + TICKS_HEIGHT;
    }
    y
}

/// Draws Pagewalk's rows over the size of RAM; where the next thing goes.
pub(super) fn draw_memory(svg: &mut Svg, results: &Results, y: f64) -> f64 {
    let lines = results.curves.iter().enumerate().map(|(index, row)| Line {
        name: row.name.clone(),
        colour: COLOURS[index % COLOURS.len()],
        values: MEMORIES.iter().map(|memory| row.figure(memory).filter(has_place)).collect(),
    });
    let lines: Vec<Line> = lines.collect();
    let Some(range) = Range::over(&lines) else { return y };
    svg.text(MARGIN, y + HEADING_HEIGHT - 8.0, GROUP, "Pagewalk alone, by the size of RAM");
    let y = y + HEADING_HEIGHT + 10.0;
    let (x, width) = (MARGIN + AXIS_WIDTH, 2.0 * COLUMN - AXIS_WIDTH - NAMES_WIDTH);
    let plot = Plot { x, y, width, range, ticks: MEMORIES.map(str::to_owned).to_vec() };
    plot.draw(svg, &lines);
    plot.name(svg, &lines);
    y + HEIGHT + TICKS_HEIGHT
}

/// 65536 as 64K.
fn shortened(number: u64) -> String {
    const KIBI: u64 = 1024;
    if number >= 10 * KIBI && number.is_multiple_of(KIBI) {
        format!("{}K", number / KIBI)
    } else {
        number.to_string()
    }
}

fn has_place(ns: &f64) -> bool {
    ns.is_finite() && *ns > 0.0
}

impl Family<'_> {
    /// Whether the row is in it.
    pub(super) fn has(&self, row: &Row) -> bool {
        numbered(&row.name).is_some_and(|(stem, _)| stem == self.stem)
    }

    fn title(&self) -> &'static str {
        catalogue::place(self.stem).1
    }

    fn counts(&self) -> &'static str {
        catalogue::counts(self.stem)
    }

    fn lines(&self, peers: &[&str]) -> Vec<Line> {
        let figure = |row: &Row, peer: &str| row.figure(peer).filter(has_place);
        let line = |peer: &&str| Line {
            name: (*peer).to_owned(),
            colour: colour(peers, peer),
            values: self.members.iter().map(|(_, row)| figure(row, peer)).collect(),
        };
        // The first peer last, over the others.
        let lines = peers.iter().rev().map(line);
        lines.filter(|line| line.values.iter().any(Option::is_some)).collect()
    }
}

impl Range {
    fn over(lines: &[Line]) -> Option<Self> {
        let values = lines.iter().flat_map(|line| &line.values).flatten();
        let values: Vec<f64> = values.map(|ns| ns.log10()).collect();
        let low = values.iter().copied().reduce(f64::min)?.floor() as i32;
        let high = values.iter().copied().reduce(f64::max)?.ceil() as i32;
        Some(Self { low, high: high.max(low + 1) })
    }
}

impl Plot {
    fn height_of(&self, ns: f64) -> f64 {
        let Range { low, high } = self.range;
        let part = (ns.log10() - f64::from(low)) / f64::from(high - low);
        self.y + HEIGHT * (1.0 - part)
    }

    fn across(&self, tick: usize) -> f64 {
        self.x + self.width / self.ticks.len() as f64 * (tick as f64 + 0.5)
    }

    fn draw(&self, svg: &mut Svg, lines: &[Line]) {
        for decade in self.range.low..=self.range.high {
            let y = self.height_of(10f64.powi(decade));
            svg.rule((self.x, y), (self.x + self.width, y), 0.25);
            let style = Style { anchor: Anchor::End, ..SMALL };
            svg.text(self.x - 6.0, y + 3.0, style, &figures::decade(decade));
        }
        for (index, tick) in self.ticks.iter().enumerate() {
            let style = Style { anchor: Anchor::Middle, ..SMALL };
            svg.text(self.across(index), self.y + HEIGHT + 14.0, style, tick);
        }
        for line in lines {
            let points = line.values.iter().enumerate();
            let points: Vec<(f64, f64)> = points
                .filter_map(|(tick, &ns)| Some((self.across(tick), self.height_of(ns?))))
                .collect();
            svg.curve(&points, line.colour, &line.name);
        }
    }

    /// The names of lines at their ends, one below the other.
    fn name(&self, svg: &mut Svg, lines: &[Line]) {
        let end = |line: &Line| line.values.last().copied().flatten();
        let mut names: Vec<(f64, &Line)> =
            lines.iter().filter_map(|line| Some((self.height_of(end(line)?), line))).collect();
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut y = f64::NEG_INFINITY;
        for (at, line) in names {
            y = at.max(y + NAME_PITCH);
            let style = Style { colour: line.colour, ..SMALL };
            svg.text(self.x + self.width + 4.0, y + 3.0, style, &line.name);
        }
    }
}
