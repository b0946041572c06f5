//! [`render`]: what more and more processes get done, a line for each way to let them; the scale is
//! logarithmic.

use super::svg::{Anchor, Style, Svg};
use super::{HEADING, LETTER_WIDTH, MARGIN, SMALL, SMALL_BOLD, TEXT, WIDTH};

const COLOURS: [&str; 2] = ["#4a84cc", "#e8702a"];
/// Left upper corner and size of the plot.
const LEFT: f64 = 96.0;
const TOP: f64 = 134.0;
const SIZE: (f64, f64) = (WIDTH - LEFT - MARGIN, 270.0);

/// What is drawn.
#[derive(Debug)]
pub(in super::super) struct Crowd<'a> {
    pub(in super::super) title: &'a str,
    pub(in super::super) about: &'a str,
    /// What the values are, above them, and what is counted, below the numbers.
    pub(in super::super) values: &'a str,
    pub(in super::super) counts: &'a str,
    /// The lines: a name, and a value for each number of processes; two at most.
    pub(in super::super) lines: &'a [(&'a str, Vec<(u64, f64)>)],
    /// A value in words, and a power of ten.
    pub(in super::super) words: fn(f64) -> String,
    pub(in super::super) decade: fn(i32) -> String,
}

/// Draws it.
pub(in super::super) fn render(crowd: &Crowd<'_>) -> String {
    let mut svg = Svg::default();
    svg.text(MARGIN, 38.0, HEADING, crowd.title);
    svg.text(MARGIN, 58.0, TEXT, crowd.about);
    let mut x = MARGIN;
    for ((name, _), colour) in crowd.lines.iter().zip(COLOURS) {
        svg.bar(x, 76.0, (12.0, 12.0), colour, name);
        svg.text(x + 18.0, 86.0, TEXT, name);
        x += 42.0 + LETTER_WIDTH * name.chars().count() as f64;
    }
    if let Some(scale) = Scale::over(crowd) {
        svg.text(MARGIN, TOP - 18.0, SMALL, crowd.values);
        scale.draw(&mut svg, crowd);
        for (index, ((name, points), colour)) in crowd.lines.iter().zip(COLOURS).enumerate() {
            let points = points.iter().filter(|(_, value)| *value > 0.0);
            let points = points.map(|(count, value)| (scale.x(*count), scale.y(*value), *value));
            let points: Vec<_> = points.collect();
            let places: Vec<_> = points.iter().map(|(x, y, _)| (*x, *y)).collect();
            svg.curve(&places, colour, name);
            for (x, y, value) in points {
                // The words of the first line below it, those of the second above.
                let beside = if index == 0 { 16.0 } else { -8.0 };
                let style = Style { anchor: Anchor::Middle, colour, ..SMALL_BOLD };
                svg.text(x, y + beside, style, &(crowd.words)(value));
            }
        }
    }
    let bottom = TOP + SIZE.1;
    let style = Style { anchor: Anchor::Middle, ..TEXT };
    svg.text(LEFT + SIZE.0 / 2.0, bottom + 36.0, style, crowd.counts);
    svg.finish(WIDTH, bottom + 36.0 + MARGIN, crowd.title)
}

/// Numbers of processes, and whole decades that hold all values.
#[derive(Debug, PartialEq)]
struct Scale {
    counts: Vec<u64>,
    low: i32,
    high: i32,
}

impl Scale {
    fn over(crowd: &Crowd<'_>) -> Option<Self> {
        let points = || crowd.lines.iter().flat_map(|(_, points)| points);
        let mut counts: Vec<u64> = points().map(|(count, _)| *count).collect();
        counts.sort_unstable();
        counts.dedup();
        let values = || points().map(|(_, value)| value.log10()).filter(|value| value.is_finite());
        let low = values().reduce(f64::min)?.floor() as i32;
        let high = values().reduce(f64::max)?.ceil() as i32;
        Some(Self { counts, low, high: high.max(low + 1) })
    }

    fn x(&self, count: u64) -> f64 {
        let index = self.counts.iter().position(|other| *other == count).unwrap_or_default();
        LEFT + SIZE.0 / self.counts.len() as f64 * (index as f64 + 0.5)
    }

    fn y(&self, value: f64) -> f64 {
        let part = (value.log10() - f64::from(self.low)) / f64::from(self.high - self.low);
        TOP + SIZE.1 * (1.0 - part)
    }

    fn draw(&self, svg: &mut Svg, crowd: &Crowd<'_>) {
        for decade in self.low..=self.high {
            let y = self.y(10f64.powi(decade));
            svg.rule((LEFT, y), (LEFT + SIZE.0, y), 0.25);
            let style = Style { anchor: Anchor::End, ..SMALL };
            svg.text(LEFT - 8.0, y + 3.0, style, &(crowd.decade)(decade));
        }
        for count in &self.counts {
            let style = Style { anchor: Anchor::Middle, ..TEXT };
            svg.text(self.x(*count), TOP + SIZE.1 + 16.0, style, &count.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    fn crowd<'a>(lines: &'a [(&'a str, Vec<(u64, f64)>)]) -> Crowd<'a> {
        let words = |value: f64| format!("{value:.0}");
        let decade = |exponent: i32| format!("1e{exponent}");
        let (values, counts) = ("a second", "processes");
        Crowd { title: "T & t", about: "about", values, counts, lines, words, decade }
    }

    #[test]
    fn the_scale_holds_all_values() {
        for (values, low, high) in
            [(&[3.0, 2500.0][..], 0, 4), (&[5.0], 0, 1), (&[0.0, 20.0, 100.0], 1, 2)]
        {
            let points: Vec<_> = (1..).zip(values.iter().copied()).collect();
            let counts = points.iter().map(|(count, _)| *count).collect();
            let lines = [("one", points)];
            let scale = Scale::over(&crowd(&lines)).unwrap();
            assert_eq!(scale, Scale { counts, low, high }, "{values:?}");
        }
        assert_eq!(Scale::over(&crowd(&[])), None);
    }

    #[test]
    fn everything_is_drawn() {
        let lines = [("off", vec![(1, 9e6), (2, 20.0)]), ("on", vec![(1, 9e6), (2, 0.0)])];
        let (texts, names) = parse(&render(&crowd(&lines)));
        for text in ["T &amp; t", "about", "off", "on", "1", "2", "processes", "9000000", "20"]
            .into_iter()
            .chain(["a second", "1e1", "1e7"])
        {
            assert!(texts.iter().any(|other| other == text), "{text}: {texts:?}");
        }
        assert_eq!(names.iter().filter(|name| *name == "circle").count(), 3, "no place for 0");
        parse(&render(&crowd(&[])));
    }
}
