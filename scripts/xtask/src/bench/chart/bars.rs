//! Bars of rows: one for each peer, from the left, on one logarithmic scale for all.

use super::super::catalogue;
use super::super::figures;
use super::super::peers::PAGEWALK;
use super::super::results::{Row, Unit};
use super::svg::{Anchor, Style, Svg};
use super::{GROUP, Labelled, MARGIN, RED, SMALL, SMALL_BOLD, TEXT, colour};

/// Where the bars begin and may end.
const BARS: (f64, f64) = (270.0, 815.0);
const BAR_HEIGHT: f64 = 9.0;
const BAR_PITCH: f64 = 11.0;
const ROW_GAP: f64 = 8.0;
const GROUP_HEAD: f64 = 28.0;

/// Draws the rows from `y` on; where the next thing goes.
pub(super) fn draw(svg: &mut Svg, rows: &[Labelled<'_>], peers: &[&str], y: f64) -> f64 {
    let Some(scale) = Scale::over(rows) else { return y };
    // The grid lies behind the bars, so its height has to be known first.
    let bottom = rows.chunk_by(|(a, _), (b, _)| title(a) == title(b)).fold(y + 10.0, |y, group| {
        let heights = group.iter().map(|(row, _)| height(row, peers));
        y + GROUP_HEAD + heights.sum::<f64>()
    });
    scale.draw(svg, y, bottom);
    let mut y = y + 10.0;
    for group in rows.chunk_by(|(a, _), (b, _)| title(a) == title(b)) {
        y += GROUP_HEAD;
        svg.text(MARGIN, y - 8.0, GROUP, title(group[0].0));
        for (row, label) in group {
            let middle = y + (height(row, peers) - ROW_GAP) / 2.0;
            svg.text(MARGIN + 10.0, middle + 3.0, TEXT, label);
            draw_row(svg, row, peers, scale, y);
            y += height(row, peers);
        }
    }
    bottom + 26.0
}

fn title(row: &Row) -> &'static str {
    catalogue::place(&row.name).1
}

/// Peers that have measured the row.
fn present<'a>(row: &Row, peers: &[&'a str]) -> Vec<&'a str> {
    peers.iter().copied().filter(|peer| row.cells.contains_key(*peer)).collect()
}

fn height(row: &Row, peers: &[&str]) -> f64 {
    BAR_PITCH * present(row, peers).len().max(1) as f64 + ROW_GAP
}

fn draw_row(svg: &mut Svg, row: &Row, peers: &[&str], scale: Scale, mut y: f64) {
    for peer in present(row, peers) {
        let Some(cell) = row.cells.get(peer) else { continue };
        let base = y + BAR_HEIGHT - 0.8;
        if let Some(wrong) = &cell.wrong {
            svg.bar(BARS.0, y, (3.0, BAR_HEIGHT), RED, wrong);
            let text = format!("{peer}: wrong result");
            svg.text(BARS.0 + 8.0, base, Style { colour: RED, ..SMALL_BOLD }, &text);
        } else {
            let width = (scale.x(nanoseconds(row, cell.median)) - BARS.0).max(1.5);
            let figure = row.unit.figure(cell.median);
            let range = [cell.min, cell.max].map(|value| row.unit.figure(value)).join(" to ");
            let hint = format!("{} on {peer}: {figure} ({range})", row.name);
            svg.bar(BARS.0, y, (width, BAR_HEIGHT), colour(peers, peer), &hint);
            let style = if peer == PAGEWALK { SMALL_BOLD } else { SMALL };
            svg.text(BARS.0 + width + 5.0, base, style, &figure);
        }
        y += BAR_PITCH;
    }
}

/// A figure in nanoseconds.
fn nanoseconds(row: &Row, figure: f64) -> f64 {
    if row.unit == Unit::Milliseconds { figure * 1e6 } else { figure }
}

/// Whole decades of nanoseconds that hold all figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Scale {
    low: i32,
    high: i32,
}

impl Scale {
    fn over(rows: &[Labelled<'_>]) -> Option<Self> {
        let cells =
            rows.iter().flat_map(|(row, _)| row.cells.values().map(move |cell| (row, cell)));
        let figures = cells.map(|(row, cell)| nanoseconds(row, cell.median).log10());
        let figures: Vec<f64> = figures.filter(|figure| figure.is_finite()).collect();
        let low = figures.iter().copied().reduce(f64::min)?.floor() as i32;
        let high = figures.iter().copied().reduce(f64::max)?.ceil() as i32;
        Some(Self { low, high: high.max(low + 1) })
    }

    fn x(self, ns: f64) -> f64 {
        let part = (ns.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
        BARS.0 + (BARS.1 - BARS.0) * part
    }

    /// A line for each decade, with its name at both ends.
    fn draw(self, svg: &mut Svg, top: f64, bottom: f64) {
        let style = Style { anchor: Anchor::Middle, ..SMALL };
        for decade in self.low..=self.high {
            let (x, name) = (self.x(10f64.powi(decade)), figures::decade(decade));
            svg.text(x, top + 4.0, style, &name);
            svg.rule((x, top + 10.0), (x, bottom), 0.25);
            svg.text(x, bottom + 14.0, style, &name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{cell, row};
    use super::*;

    #[test]
    fn scales_hold_whole_decades() {
        for (values, low, high) in [
            (&[3.0, 2500.0][..], 0, 4),
            (&[0.3, 0.9], -1, 0),
            (&[5.0], 0, 1),
            (&[10.0], 1, 2),
            (&[0.0, f64::NAN, 5.0], 0, 1),
        ] {
            let rows: Vec<Row> = values
                .iter()
                .map(|&value| row("smc", Unit::Nanoseconds, &[(PAGEWALK, cell(value, None))]))
                .collect();
            let rows: Vec<Labelled<'_>> = rows.iter().map(|row| (row, "")).collect();
            let scale = Scale::over(&rows).unwrap();
            assert_eq!(scale, Scale { low, high }, "{values:?}");
            assert_eq!(scale.x(0.0), BARS.0);
            assert_eq!(scale.x(f64::NAN), BARS.0);
            assert_eq!(scale.x(f64::INFINITY), BARS.1);
        }
        assert!(Scale::over(&[]).is_none());
    }
}
