//! [`render`]: the results as a drawing: bars for single rows (`bars.rs`), plots for rows that
//! differ in a number only (`plots.rs`). Its scales are logarithmic. `crowd.rs` is a chart of its
//! own: what a crowd of processes gets done.

mod bars;
pub(super) mod crowd;
mod plots;
mod svg;
#[cfg(test)]
mod tests;

use svg::{Style, Svg, Weight};

use super::figures;
use super::peers::{NATIVE, PAGEWALK, QEMU, SPIKE};
use super::results::{Results, Row, Unit};

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 20.0;

const HEADING: Style = Style::new(19.0, Weight::Bold);
const GROUP: Style = Style::new(13.0, Weight::Bold);
const TEXT: Style = Style::new(12.0, Weight::Normal);
const SMALL: Style = Style::new(10.0, Weight::Normal);
const SMALL_BOLD: Style = Style::new(10.0, Weight::Bold);
/// What a letter takes in a legend.
const LETTER_WIDTH: f64 = 7.0;

const RED: &str = "#d1434b";
/// Colours of peers that have none of their own.
const SPARE: [&str; 4] = ["#3d9a62", "#c08a1e", "#2a9d9d", "#b8568f"];

/// A row with the words for it.
type Labelled<'a> = (&'a Row, &'a str);

/// Which rows are drawn, with words for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Selection<'a> {
    /// As bars.
    pub(super) rows: &'a [(&'a str, &'a str)],
    /// As plots: the names without the number.
    pub(super) families: &'a [(&'a str, &'a str)],
}

/// Draws what is selected; without a selection, all.
pub(super) fn render(results: &Results, selection: Option<Selection<'_>>) -> String {
    let peers: Vec<&str> = results.peers.iter().map(|peer| peer.name.as_str()).collect();
    let is_time = |(row, _): &Labelled<'_>| row.unit != Unit::Megabytes;
    let mut svg = Svg::default();
    let y = head(&mut svg, results, &peers);
    let y = match selection {
        Some(Selection { rows, families }) => {
            let row = |name: &str| results.rows.iter().find(|row| row.name == name);
            let rows = rows.iter().filter_map(|&(name, label)| Some((row(name)?, label)));
            let rows: Vec<Labelled<'_>> = rows.filter(is_time).collect();
            let families = plots::selected(&results.rows, families);
            let y = bars::draw(&mut svg, &rows, &peers, y);
            plots::draw_grid(&mut svg, &families, &peers, None, y)
        }
        None => {
            let families = plots::families(&results.rows);
            let singles = results.rows.iter().map(|row| (row, row.name.as_str()));
            let singles = singles.filter(is_time);
            let singles = singles.filter(|(row, _)| !families.iter().any(|family| family.has(row)));
            let y = bars::draw(&mut svg, &singles.collect::<Vec<_>>(), &peers, y);
            plots::draw_groups(&mut svg, &families, &peers, y)
        }
    };
    let y = plots::draw_memory(&mut svg, results, y);
    svg.finish(WIDTH, y + MARGIN, "Pagewalk and its peers")
}

/// Colour of a peer.
fn colour(peers: &[&str], name: &str) -> &'static str {
    match name {
        PAGEWALK => "#e8702a",
        QEMU => "#4a84cc",
        SPIKE => "#9270c4",
        NATIVE => "#8d96a0",
        _ => {
            let index = peers.iter().position(|peer| *peer == name).unwrap_or_default();
            SPARE[index % SPARE.len()]
        }
    }
}

/// Title and legend.
fn head(svg: &mut Svg, results: &Results, peers: &[&str]) -> f64 {
    svg.text(MARGIN, 38.0, HEADING, "Pagewalk and its peers");
    let about = format!(
        "Time for an operation; less is better, scales are logarithmic. {}, {}.",
        results.host.cpu,
        figures::medians(results.rounds)
    );
    svg.text(MARGIN, 58.0, TEXT, &about);
    let mut x = MARGIN;
    for peer in &results.peers {
        let version = peer.version.as_deref().filter(|_| peer.name != NATIVE);
        let name = [Some(peer.name.as_str()), version].into_iter().flatten();
        let name = name.collect::<Vec<_>>().join(" ");
        svg.bar(x, 72.0, (12.0, 12.0), colour(peers, &peer.name), &peer.command);
        svg.text(x + 18.0, 82.0, TEXT, &name);
        x += 42.0 + LETTER_WIDTH * name.chars().count() as f64;
    }
    104.0
}
