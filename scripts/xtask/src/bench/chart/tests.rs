//! Charts of made-up results: well-formed, with everything in them.

use super::*;
use crate::bench::results::{Cell, Host, PeerInfo};

/// Checks that elements nest and that text is escaped; yields the texts and the elements' names.
pub(super) fn parse(svg: &str) -> (Vec<String>, Vec<String>) {
    let (mut open, mut texts, mut names) = (Vec::new(), Vec::new(), Vec::new());
    let mut rest = svg;
    while let Some(start) = rest.find('<') {
        let text = &rest[..start];
        assert!(!text.contains('>'), "{text}");
        for entity in text.split('&').skip(1) {
            let known = ["amp;", "lt;", "gt;", "quot;"].iter().any(|name| entity.starts_with(name));
            assert!(known, "{text}");
        }
        if !text.trim().is_empty() {
            texts.push(text.to_owned());
        }
        let (tag, after) = rest[start + 1..].split_once('>').expect("a tag ends");
        rest = after;
        assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name));
            continue;
        }
        let name = tag.split([' ', '/']).next().expect("a name").to_owned();
        assert!(!tag.contains("NaN") && !tag.contains("inf"), "{tag}");
        names.push(name.clone());
        if !tag.ends_with('/') {
            open.push(name);
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    (texts, names)
}

pub(super) fn cell(median: f64, wrong: Option<&str>) -> Cell {
    let (min, max, samples) = (median / 2.0, median * 2.0, vec![median]);
    Cell { median, min, max, samples, mips: None, wrong: wrong.map(str::to_owned) }
}

pub(super) fn row(name: &str, unit: Unit, cells: &[(&str, Cell)]) -> Row {
    let cells = cells.iter().map(|(peer, cell)| ((*peer).to_owned(), cell.clone())).collect();
    let (name, skips) = (name.to_owned(), Default::default());
    Row { name, unit, instructions: None, cells, skips, goals: Vec::new() }
}

fn results() -> Results {
    let peer = |name: &str| PeerInfo {
        name: name.to_owned(),
        version: Some("1 & <2>".to_owned()),
        command: "\"run\" {}".to_owned(),
    };
    let ns = Unit::Nanoseconds;
    let two = |own, qemu| [(PAGEWALK, cell(own, None)), (QEMU, cell(qemu, None))];
    let wrong = [(PAGEWALK, cell(5.0, None)), ("mine", cell(3.0, Some("checksum <1>")))];
    let sizes = ["512M", "1G", "4G"].map(|size| (size, cell(20.0, None)));
    Results {
        host: Host { cpu: "Processor <& co>".to_owned(), cpus: 2 },
        rounds: 5,
        peers: [PAGEWALK, QEMU, "mine"].map(peer).to_vec(),
        rows: vec![
            row("hit.latency", ns, &two(3.0, 2.5)),
            row("switch.asid.2", ns, &two(30.0, 1500.0)),
            row("switch.asid.8", ns, &two(31.0, 1500.0)),
            row("switch.asid.32", ns, &two(32.0, 1500.0)),
            row("smc", ns, &wrong),
            row("startup.trivial", Unit::Milliseconds, &two(2.0, 45.0)),
            row("startup.memory", Unit::Megabytes, &two(2.0, 45.0)),
        ],
        curves: vec![row("fence.all.0", ns, &sizes)],
        troubles: Vec::new(),
    }
}

#[test]
fn every_row_peer_and_curve_is_drawn() {
    let (texts, names) = parse(&render(&results(), None));
    for text in [
        "Pagewalk and its peers",
        "pagewalk 1 &amp; &lt;2&gt;",
        "hit.latency",
        "2.50 ns",
        "10 µs",
        "45.0 ms",
        "mine: wrong result",
        "1 ns",
        "100 ms",
        "TLB hits",
        "Start and exit",
        "fence.all.0",
        "switch.asid",
        "4G",
        "32",
    ] {
        assert!(texts.iter().any(|found| found == text), "{text}: {texts:?}");
    }
    assert!(!texts.iter().any(|text| text == "startup.memory"), "it is no time");
    assert!(!texts.iter().any(|text| text == "switch.asid.8"), "it is a point of a curve");
    let count = |name: &str| names.iter().filter(|found| *found == name).count();
    // Three peers in the legend; three rows with two bars each.
    assert_eq!(count("rect"), 3 + 3 * 2);
    // Two peers' switches, and a row over sizes of RAM.
    assert_eq!((count("polyline"), count("circle")), (3, 9));
}

#[test]
fn a_selection_has_its_own_labels_and_order() {
    let rows = [("smc", "code & data"), ("nowhere", "-"), ("hit.latency", "a hit")];
    let families = [("nowhere", "-"), ("switch.asid", "a switch")];
    let selection = Selection { rows: &rows, families: &families };
    let (texts, _) = parse(&render(&results(), Some(selection)));
    let place = |text: &str| texts.iter().position(|found| found == text);
    assert!(place("code &amp; data").unwrap() < place("a hit").unwrap(), "{texts:?}");
    assert!(place("a switch, by address spaces").is_some(), "{texts:?}");
    assert_eq!(place("startup.trivial"), None);
}

#[test]
fn nothing_and_nonsense_are_drawn_too() {
    let mut nothing = results();
    nothing.rows.clear();
    nothing.curves.clear();
    parse(&render(&nothing, None));
    let mut nonsense = results();
    for (row, value) in nonsense.rows.iter_mut().zip([0.0, f64::NAN, f64::INFINITY, -1.0]) {
        row.cells.values_mut().for_each(|cell| cell.median = value);
    }
    parse(&render(&nonsense, None));
}
