//! [`render`]: the results as a drawing: a bar for each peer and row, on a logarithmic scale.

mod curves;
mod svg;
#[cfg(test)]
mod tests;

use svg::{Anchor, Style, Svg, Weight};

use super::catalogue;
use super::figures;
use super::peers::{NATIVE, PAGEWALK, QEMU, SPIKE};
use super::results::{Results, Row, Unit};

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 20.0;
/// Where the bars begin and may end.
const BARS: (f64, f64) = (250.0, 800.0);
const BAR_HEIGHT: f64 = 9.0;
const BAR_PITCH: f64 = 11.0;
const ROW_GAP: f64 = 8.0;
const GROUP_HEAD: f64 = 30.0;

const HEADING: Style = Style::new(19.0, Weight::Bold);
const GROUP: Style = Style::new(13.0, Weight::Bold);
const TEXT: Style = Style::new(12.0, Weight::Normal);
const SMALL: Style = Style::new(10.0, Weight::Normal);
const SMALL_BOLD: Style = Style::new(10.0, Weight::Bold);

const RED: &str = "#d1434b";
/// Colours of peers that have none of their own.
const SPARE: [&str; 4] = ["#3d9a62", "#c08a1e", "#2a9d9d", "#b8568f"];

/// A row with the words for it.
type Labelled<'a> = (&'a Row, &'a str);

/// Draws the rows with these names and labels; all rows where none are named.
pub(super) fn render(results: &Results, selection: Option<&[(&str, &str)]>) -> String {
    let rows: Vec<Labelled<'_>> = match selection {
        Some(selection) => {
            let row = |name: &str| results.rows.iter().find(|row| row.name == name);
            selection.iter().filter_map(|&(name, label)| Some((row(name)?, label))).collect()
        }
        None => results.rows.iter().map(|row| (row, row.name.as_str())).collect(),
    };
    let rows: Vec<Labelled<'_>> =
        rows.into_iter().filter(|(row, _)| row.unit != Unit::Megabytes).collect();
    let peers: Vec<&str> = results.peers.iter().map(|peer| peer.name.as_str()).collect();
    let Some(scale) = Scale::over(&rows) else {
        return Svg::default().finish(WIDTH, MARGIN, "Nothing was measured");
    };
    let mut chart = Chart { svg: Svg::default(), peers, scale, y: MARGIN };
    chart.head(results);
    chart.rows(&rows);
    chart.y = curves::draw(&mut chart.svg, results, chart.y);
    chart.svg.finish(WIDTH, chart.y + MARGIN, "Pagewalk and its peers")
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

/// A figure in nanoseconds.
fn nanoseconds(row: &Row, figure: f64) -> f64 {
    if row.unit == Unit::Milliseconds { figure * 1e6 } else { figure }
}

/// Whole decades of nanoseconds that hold all figures.
#[derive(Clone, Copy, Debug)]
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
        let decades = f64::from(self.high - self.low);
        let part = (ns.log10() - f64::from(self.low)) / decades;
        let part = if part.is_nan() { 0.0 } else { part.clamp(0.0, 1.0) };
        BARS.0 + (BARS.1 - BARS.0) * part
    }
}

/// A chart in the making.
#[derive(Debug)]
struct Chart<'a> {
    svg: Svg,
    peers: Vec<&'a str>,
    scale: Scale,
    /// Where the next thing goes.
    y: f64,
}

impl Chart<'_> {
    fn head(&mut self, results: &Results) {
        self.y += 18.0;
        self.svg.text(MARGIN, self.y, HEADING, "Pagewalk and its peers");
        self.y += 20.0;
        let host = &results.host.cpu;
        let about = format!(
            "Time for an operation, logarithmic; shorter is faster. {host}, medians of {} rounds",
            results.rounds
        );
        self.svg.text(MARGIN, self.y, TEXT, &about);
        self.y += 24.0;
        let mut x = MARGIN;
        for (index, peer) in results.peers.iter().enumerate() {
            let colour = colour(&self.peers, self.peers[index]);
            let version = peer.version.as_deref().filter(|_| peer.name != NATIVE);
            let name = match version {
                Some(version) => format!("{} {version}", peer.name),
                None => peer.name.clone(),
            };
            self.svg.bar(x, self.y - 10.0, (12.0, 12.0), colour, &peer.command);
            self.svg.text(x + 18.0, self.y, TEXT, &name);
            x += 18.0 + 7.0 * name.chars().count() as f64 + 24.0;
        }
        self.y += 14.0;
    }

    fn rows(&mut self, rows: &[Labelled<'_>]) {
        let top = self.y + 16.0;
        self.axis(self.y + 10.0);
        self.y = top;
        let mut title = "";
        for (row, label) in rows {
            let own = catalogue::place(&row.name).1;
            if own != title {
                title = own;
                self.y += GROUP_HEAD;
                self.svg.text(MARGIN, self.y - 10.0, GROUP, title);
            }
            self.row(row, label);
        }
        let bottom = self.y;
        // Behind the bars would be nicer, but a thin line on them does no harm.
        for decade in self.scale.low..=self.scale.high {
            let x = self.scale.x(10f64.powi(decade));
            self.svg.rule((x, top), (x, bottom), 0.25);
        }
        self.axis(bottom + 14.0);
        self.y += 26.0;
    }

    /// The decades in words.
    fn axis(&mut self, y: f64) {
        let style = Style { anchor: Anchor::Middle, ..SMALL };
        for decade in self.scale.low..=self.scale.high {
            let x = self.scale.x(10f64.powi(decade));
            self.svg.text(x, y, style, &figures::decade(decade));
        }
    }

    fn row(&mut self, row: &Row, label: &str) {
        let present: Vec<&str> =
            self.peers.iter().copied().filter(|peer| row.cells.contains_key(*peer)).collect();
        let middle = self.y + BAR_PITCH * present.len() as f64 / 2.0;
        self.svg.text(MARGIN + 10.0, middle + 3.0, TEXT, label);
        for peer in present {
            let Some(cell) = row.cells.get(peer) else { continue };
            let base = self.y + BAR_HEIGHT - 1.0;
            if let Some(wrong) = &cell.wrong {
                let text = format!("{peer}: wrong result");
                self.svg.text(BARS.0 + 4.0, base, Style { colour: RED, ..SMALL_BOLD }, &text);
                self.svg.bar(BARS.0 - 2.0, self.y, (3.0, BAR_HEIGHT), RED, wrong);
            } else {
                let end = self.scale.x(nanoseconds(row, cell.median));
                let figure = row.unit.figure(cell.median);
                let range = [cell.min, cell.max].map(|value| row.unit.figure(value)).join(" to ");
                let hint = format!("{} on {peer}: {figure} ({range})", row.name);
                let size = ((end - BARS.0).max(1.5), BAR_HEIGHT);
                self.svg.bar(BARS.0, self.y, size, colour(&self.peers, peer), &hint);
                let style = if peer == PAGEWALK { SMALL_BOLD } else { SMALL };
                self.svg.text(BARS.0 + size.0 + 5.0, base, style, &figure);
            }
            self.y += BAR_PITCH;
        }
        self.y += ROW_GAP;
    }
}
