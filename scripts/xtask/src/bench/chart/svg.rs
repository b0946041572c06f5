//! [`Svg`]: a drawing in the making, of lines, boxes and text.

use std::fmt::Write as _;

/// Text and lines that can be read on a light and on a dark page.
pub(super) const GREY: &str = "#7d8590";

/// A drawing; lengths in pixels, from the left upper corner.
#[derive(Debug, Default)]
pub(super) struct Svg {
    body: String,
}

/// How a text is set.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) size: f64,
    pub(super) weight: Weight,
    pub(super) anchor: Anchor,
    pub(super) colour: &'static str,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Weight {
    Normal,
    Bold,
}

/// Which end of a text is at its place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

impl Style {
    /// Grey, from its start on.
    pub(super) const fn new(size: f64, weight: Weight) -> Self {
        Self { size, weight, anchor: Anchor::Start, colour: GREY }
    }
}

impl Svg {
    /// A text whose base line is at `y`.
    pub(super) fn text(&mut self, x: f64, y: f64, style: Style, text: &str) {
        let weight = match style.weight {
            Weight::Normal => "",
            Weight::Bold => " font-weight=\"600\"",
        };
        let anchor = match style.anchor {
            Anchor::Start => "",
            Anchor::Middle => " text-anchor=\"middle\"",
            Anchor::End => " text-anchor=\"end\"",
        };
        let (size, colour, text) = (style.size, style.colour, escaped(text));
        self.element(&format!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" fill=\"{colour}\"{weight}{anchor}>\
             {text}</text>"
        ));
    }

    /// A filled box with a hint that shows under the pointer.
    pub(super) fn bar(&mut self, x: f64, y: f64, size: (f64, f64), colour: &str, hint: &str) {
        let ((width, height), hint) = (size, escaped(hint));
        self.element(&format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"1.5\" \
             fill=\"{colour}\"><title>{hint}</title></rect>"
        ));
    }

    /// A thin line.
    pub(super) fn rule(&mut self, from: (f64, f64), to: (f64, f64), opacity: f64) {
        self.element(&format!(
            "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" stroke=\"{GREY}\" \
             stroke-opacity=\"{opacity}\"/>",
            from.0, from.1, to.0, to.1
        ));
    }

    /// A line through points, with a dot on each and a hint that shows under the pointer.
    pub(super) fn curve(&mut self, points: &[(f64, f64)], colour: &str, hint: &str) {
        let list: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let (list, hint) = (list.join(" "), escaped(hint));
        self.element(&format!("<g fill=\"{colour}\"><title>{hint}</title>"));
        self.element(&format!(
            "<polyline points=\"{list}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.6\"/>"
        ));
        for (x, y) in points {
            self.element(&format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.6\"/>"));
        }
        self.element("</g>");
    }

    fn element(&mut self, element: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.body, "{element}");
    }

    /// The file.
    pub(super) fn finish(self, width: f64, height: f64, title: &str) -> String {
        let (title, body) = (escaped(title), self.body);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {height:.0}\" \
             width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\" \
             font-family=\"system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif\">\n\
             <title>{title}</title>\n{body}</svg>\n"
        )
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::new();
    for char in text.chars() {
        match char {
            '&' => out += "&amp;",
            '<' => out += "&lt;",
            '>' => out += "&gt;",
            '"' => out += "&quot;",
            // XML has no way to say them.
            _ if char.is_control() => {}
            _ => out.push(char),
        }
    }
    out
}
