//! [`draw`]: curves for what may not grow: the cost of fences and switches against the size of RAM
//! and against the number of address spaces.

use super::super::campaign::MEMORIES;
use super::super::figures;
use super::super::peers::PAGEWALK;
use super::super::results::{Results, Row};
use super::svg::{Anchor, Style, Svg};
use super::{GROUP, MARGIN, SMALL, WIDTH};

const PLOT_HEIGHT: f64 = 150.0;
/// Room for the labels of the vertical axis.
const AXIS_WIDTH: f64 = 60.0;
/// Room for the names of the curves.
const NAMES_WIDTH: f64 = 110.0;
const NAME_PITCH: f64 = 13.0;
/// Of curves of one plot.
const COLOURS: [&str; 6] = ["#e8702a", "#4a84cc", "#3d9a62", "#9270c4", "#c08a1e", "#2a9d9d"];
/// Numbers of address spaces.
const SPACES: [&str; 3] = ["2", "8", "32"];

/// A curve: its name and its values in nanoseconds.
type Curve = (String, Vec<f64>);

/// Draws the plots for which there are figures from `y` on; where the next thing goes.
pub(super) fn draw(svg: &mut Svg, results: &Results, y: f64) -> f64 {
    let by_memory: Vec<Curve> = results
        .curves
        .iter()
        .filter_map(|row| Some((row.name.clone(), over_memory(row)?)))
        .collect();
    let by_spaces = over_spaces(&results.rows);
    let half = (WIDTH - 2.0 * MARGIN) / 2.0;
    let mut plots = Vec::new();
    if !by_memory.is_empty() {
        plots.push(("Pagewalk: a fence, a switch, by the size of RAM", &MEMORIES, by_memory));
    }
    if !by_spaces.is_empty() {
        plots.push(("Pagewalk: a switch, by the number of address spaces", &SPACES, by_spaces));
    }
    let bottom = if plots.is_empty() { y } else { y + PLOT_HEIGHT + 60.0 };
    for (index, (title, ticks, curves)) in plots.iter().enumerate() {
        let x = MARGIN + half * index as f64;
        svg.text(x, y + 20.0, GROUP, title);
        let plot = Plot::new(x + AXIS_WIDTH, y + 36.0, half - AXIS_WIDTH - NAMES_WIDTH, curves);
        plot.draw(svg, ticks.as_slice(), curves);
    }
    bottom
}

fn over_memory(row: &Row) -> Option<Vec<f64>> {
    all_positive(MEMORIES.map(|memory| row.figure(memory)))
}

/// The values, if a logarithmic scale has a place for all.
fn all_positive<const N: usize>(values: [Option<f64>; N]) -> Option<Vec<f64>> {
    let has_place = |value: &f64| value.is_finite() && *value > 0.0;
    values.into_iter().map(|value| value.filter(has_place)).collect()
}

/// `switch.asid` and `switch.fence` over their last parts.
fn over_spaces(rows: &[Row]) -> Vec<Curve> {
    let figure = |name: &str| rows.iter().find(|row| row.name == name)?.figure(PAGEWALK);
    let curve = |name: &str| {
        let values = SPACES.map(|spaces| figure(&format!("{name}.{spaces}")));
        Some((name.to_owned(), all_positive(values)?))
    };
    ["switch.asid", "switch.fence"].into_iter().filter_map(curve).collect()
}

/// A box with a logarithmic vertical axis over whole decades.
#[derive(Clone, Copy, Debug)]
struct Plot {
    x: f64,
    y: f64,
    width: f64,
    low: i32,
    high: i32,
}

impl Plot {
    fn new(x: f64, y: f64, width: f64, curves: &[Curve]) -> Self {
        let values = || curves.iter().flat_map(|(_, values)| values).map(|value| value.log10());
        let low = values().fold(f64::INFINITY, f64::min).floor() as i32;
        let high = values().fold(f64::NEG_INFINITY, f64::max).ceil() as i32;
        Self { x, y, width, low, high: high.max(low.saturating_add(1)) }
    }

    fn height_of(self, ns: f64) -> f64 {
        let part = (ns.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        self.y + PLOT_HEIGHT * (1.0 - part.clamp(0.0, 1.0))
    }

    fn draw(self, svg: &mut Svg, ticks: &[&str], curves: &[Curve]) {
        for decade in self.low..=self.high {
            let y = self.height_of(10f64.powi(decade));
            svg.rule((self.x, y), (self.x + self.width, y), 0.25);
            let style = Style { anchor: Anchor::End, ..SMALL };
            svg.text(self.x - 6.0, y + 3.0, style, &figures::decade(decade));
        }
        let step = self.width / ticks.len() as f64;
        let across = |index: usize| self.x + step * (index as f64 + 0.5);
        for (index, tick) in ticks.iter().enumerate() {
            let style = Style { anchor: Anchor::Middle, ..SMALL };
            svg.text(across(index), self.y + PLOT_HEIGHT + 14.0, style, tick);
        }
        let mut names = Vec::new();
        for (index, (name, values)) in curves.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let dashes = if index < COLOURS.len() { "" } else { "5 3" };
            let points = values.iter().enumerate();
            let points: Vec<_> = points.map(|(at, &ns)| (across(at), self.height_of(ns))).collect();
            svg.curve(&points, colour, dashes);
            names.push((points.last().map_or(self.y, |point| point.1), name, colour));
        }
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut y = self.y - NAME_PITCH;
        for (at, name, colour) in names {
            y = at.max(y + NAME_PITCH);
            svg.text(self.x + self.width + 4.0, y + 3.0, Style { colour, ..SMALL }, name);
        }
        svg.rule((self.x, self.y), (self.x, self.y + PLOT_HEIGHT), 0.6);
    }
}
