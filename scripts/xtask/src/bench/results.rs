//! [`Results`]: what a whole run found, as the JSON file, the table and the chart show it; and
//! [`Collected`], from which it is made: every figure of every round.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::catalogue;
use super::figures;
use super::goals::{self, Verdict};
use super::peers::{NATIVE, PAGEWALK};

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Results {
    pub(super) host: Host,
    pub(super) rounds: u32,
    /// In the order in which they are shown.
    pub(super) peers: Vec<PeerInfo>,
    /// In the order in which they are shown.
    pub(super) rows: Vec<Row>,
    /// Pagewalk's rows that may not depend on the size of RAM; the cells are sizes.
    pub(super) curves: Vec<Row>,
    /// Runs that failed, a line each.
    pub(super) troubles: Vec<String>,
}

/// Where it was measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Host {
    pub(super) cpu: String,
    pub(super) cpus: usize,
}

/// Who was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct PeerInfo {
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) command: String,
}

/// What the figures of a row are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Unit {
    /// Nanoseconds for an operation.
    #[serde(rename = "ns")]
    Nanoseconds,
    /// Milliseconds for a whole process.
    #[serde(rename = "ms")]
    Milliseconds,
    /// A million bytes.
    #[serde(rename = "MB")]
    Megabytes,
}

/// One thing that was measured, on everybody.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Row {
    pub(super) name: String,
    pub(super) unit: Unit,
    /// That Pagewalk retires for an operation, where they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) instructions: Option<f64>,
    /// By the peer's name.
    pub(super) cells: BTreeMap<String, Cell>,
    /// Why a peer has none, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) skips: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) goals: Vec<Verdict>,
}

/// What was measured on one peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Cell {
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// In the order of the rounds.
    pub(super) samples: Vec<f64>,
    /// Guest instructions a second, in millions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) mips: Option<f64>,
    /// What came out, where it is not what others have: the figures mean nothing then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) wrong: Option<String>,
}

/// One figure of one round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Reading {
    /// In the row's unit.
    pub(super) value: f64,
    /// For an operation.
    pub(super) instructions: Option<f64>,
    pub(super) checksum: Option<u64>,
}

/// All readings of a run.
#[derive(Debug, Default)]
pub(super) struct Collected {
    rows: Vec<Readings>,
    pub(super) troubles: Vec<String>,
}

#[derive(Debug)]
struct Readings {
    name: String,
    unit: Unit,
    by_peer: BTreeMap<String, Vec<Reading>>,
    skips: BTreeMap<String, String>,
}

impl Unit {
    /// A figure with the unit.
    pub(super) fn figure(self, value: f64) -> String {
        match self {
            Self::Nanoseconds => figures::duration(value),
            Self::Milliseconds => figures::duration(value * 1e6),
            Self::Megabytes => format!("{} MB", figures::three_digits(value)),
        }
    }
}

impl Row {
    /// The median of a peer that is not wrong.
    pub(super) fn figure(&self, peer: &str) -> Option<f64> {
        self.cells.get(peer).filter(|cell| cell.wrong.is_none()).map(|cell| cell.median)
    }

    /// How many times as long as Pagewalk the peer takes.
    pub(super) fn times_as_fast(&self, peer: &str) -> Option<f64> {
        Some(self.figure(peer)? / self.figure(PAGEWALK)?)
    }
}

impl Results {
    /// Whether every run succeeded and everybody agrees on the results.
    pub(super) fn are_sound(&self) -> bool {
        self.troubles.is_empty() && self.wrongs().is_empty()
    }

    /// Who computed something wrong, a line each.
    pub(super) fn wrongs(&self) -> Vec<String> {
        let all = self.rows.iter().chain(&self.curves);
        let cells = all.flat_map(|row| row.cells.iter().map(move |(peer, cell)| (row, peer, cell)));
        let line = |row: &Row, peer, wrong: &_| format!("WRONG: {} on {peer}: {wrong}", row.name);
        cells.filter_map(|(row, peer, cell)| Some(line(row, peer, cell.wrong.as_ref()?))).collect()
    }

    /// The file: a line for each peer, row and curve.
    ///
    /// # Errors
    /// Nothing here has a value that JSON has not.
    pub(super) fn to_json(&self) -> serde_json::Result<String> {
        let Self { host, rounds, peers, rows, curves, troubles } = self;
        Ok(format!(
            "{{\n\"host\": {},\n\"rounds\": {rounds},\n\"peers\": {},\n\"rows\": {},\n\
             \"curves\": {},\n\"troubles\": {}\n}}\n",
            serde_json::to_string(host)?,
            lines(peers)?,
            lines(rows)?,
            lines(curves)?,
            lines(troubles)?,
        ))
    }

    /// Holds every row against the goals of today.
    pub(super) fn judge(&mut self) {
        for row in &mut self.rows {
            row.goals = goals::judge(row);
        }
    }
}

/// An array in JSON, a line for each item.
pub(super) fn lines<T: Serialize>(items: &[T]) -> serde_json::Result<String> {
    let items = items.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(if items.is_empty() { "[]".to_owned() } else { format!("[\n{}\n]", items.join(",\n")) })
}

impl Collected {
    /// Takes a figure; the first one of a row decides its unit.
    pub(super) fn add(&mut self, row: &str, unit: Unit, peer: &str, reading: Reading) {
        let readings = &mut self.row(row, unit).by_peer;
        readings.entry(peer.to_owned()).or_default().push(reading);
    }

    /// Takes the reason why there is no figure.
    pub(super) fn skip(&mut self, row: &str, peer: &str, reason: &str) {
        let skips = &mut self.row(row, Unit::Nanoseconds).skips;
        skips.insert(peer.to_owned(), reason.to_owned());
    }

    fn row(&mut self, name: &str, unit: Unit) -> &mut Readings {
        let index = self.rows.iter().position(|row| row.name == name).unwrap_or_else(|| {
            let (by_peer, skips) = (BTreeMap::new(), BTreeMap::new());
            self.rows.push(Readings { name: name.to_owned(), unit, by_peer, skips });
            self.rows.len() - 1
        });
        &mut self.rows[index]
    }

    /// The rows, by group; those that differ in a number only are together.
    pub(super) fn rows(&self) -> Vec<Row> {
        let stem = |row: &Readings| catalogue::numbered(&row.name).map(|(stem, _)| stem.to_owned());
        let mut first_of = BTreeMap::new();
        let order = self.rows.iter().enumerate().map(|(index, row)| {
            let first = stem(row).map_or(index, |stem| *first_of.entry(stem).or_insert(index));
            (catalogue::place(&row.name).0, first)
        });
        let mut rows: Vec<_> = order.zip(self.rows.iter().map(Readings::summary)).collect();
        rows.sort_by_key(|(order, _)| *order);
        rows.into_iter().map(|(_, row)| row).collect()
    }
}

impl Readings {
    fn summary(&self) -> Row {
        let right = self.right_checksum();
        let per_operation = |reading: &Reading| reading.instructions;
        let own = self.by_peer.get(PAGEWALK).into_iter().flatten();
        let instructions = median(&own.filter_map(per_operation).collect::<Vec<_>>());
        let instructions = instructions.map(figures::rounded);
        let cell = |readings: &Vec<Reading>| {
            let samples = readings.iter().map(|reading| figures::rounded(reading.value));
            let samples: Vec<f64> = samples.collect();
            let median = median(&samples)?;
            let mips = match self.unit {
                Unit::Nanoseconds => {
                    instructions.map(|insns| figures::rounded(insns / median * 1e3))
                }
                Unit::Milliseconds | Unit::Megabytes => None,
            };
            let min = samples.iter().copied().fold(f64::INFINITY, f64::min);
            let max = samples.iter().copied().fold(0.0, f64::max);
            Some(Cell { median, min, max, samples, mips, wrong: wrong(readings, right) })
        };
        let cells = self.by_peer.iter();
        Row {
            name: self.name.clone(),
            unit: self.unit,
            instructions,
            cells: cells.filter_map(|(peer, all)| Some((peer.clone(), cell(all)?))).collect(),
            skips: self.skips.clone(),
            goals: Vec::new(),
        }
    }

    /// What the host itself computes; without it, what most peers compute in every round.
    fn right_checksum(&self) -> Option<u64> {
        let steady = |readings: &Vec<Reading>| {
            let first = readings.first()?.checksum?;
            readings.iter().all(|reading| reading.checksum == Some(first)).then_some(first)
        };
        if let Some(native) = self.by_peer.get(NATIVE).and_then(steady) {
            return Some(native);
        }
        let mut votes: BTreeMap<u64, usize> = BTreeMap::new();
        for checksum in self.by_peer.values().filter_map(steady) {
            *votes.entry(checksum).or_default() += 1;
        }
        let most = votes.values().copied().max()?;
        let mut winners = votes.into_iter().filter(|&(_, count)| count == most);
        winners.next().filter(|_| winners.next().is_none()).map(|(checksum, _)| checksum)
    }
}

/// What is wrong with a peer's checksums. Where nobody knows what is right, everybody is wrong.
fn wrong(readings: &[Reading], right: Option<u64>) -> Option<String> {
    let mut all: Vec<u64> = readings.iter().filter_map(|reading| reading.checksum).collect();
    if all.is_empty() || all.iter().all(|&checksum| Some(checksum) == right) {
        return None;
    }
    all.sort_unstable();
    all.dedup();
    let all: Vec<String> = all.iter().map(|checksum| format!("{checksum:#x}")).collect();
    let all = all.join(" and ");
    Some(match right {
        Some(right) => format!("checksum {all} instead of {right:#x}"),
        None => format!("checksum {all}, and there is no majority"),
    })
}

/// The middle one, or the mean of the two in the middle.
fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(value: f64, checksum: u64) -> Reading {
        Reading { value, instructions: Some(4.0), checksum: Some(checksum) }
    }

    fn summary(readings: &[(&str, f64, u64)]) -> Row {
        let mut collected = Collected::default();
        for &(peer, value, checksum) in readings {
            collected.add("smc", Unit::Nanoseconds, peer, reading(value, checksum));
        }
        collected.rows().remove(0)
    }

    #[test]
    fn medians_are_of_the_middle() {
        for (values, expect) in [
            (&[][..], None),
            (&[3.0], Some(3.0)),
            (&[9.0, 1.0], Some(5.0)),
            (&[9.0, 1.0, 2.0], Some(2.0)),
            (&[1.0, 9.0, 2.0, 4.0], Some(3.0)),
        ] {
            assert_eq!(median(values), expect, "{values:?}");
        }
    }

    #[test]
    fn a_row_has_spread_and_speed() {
        let row = summary(&[("pagewalk", 8.0, 1), ("pagewalk", 2.0, 1), ("pagewalk", 4.0, 1)]);
        let cell = &row.cells["pagewalk"];
        assert_eq!((cell.min, cell.median, cell.max), (2.0, 4.0, 8.0));
        assert_eq!(cell.samples, [8.0, 2.0, 4.0]);
        assert_eq!((row.instructions, cell.mips), (Some(4.0), Some(1000.0)));
    }

    #[test]
    fn who_disagrees_is_wrong_and_has_no_figure() {
        let wrongs = |readings: &[(&str, f64, u64)]| {
            let row = summary(readings);
            let wrong = row.cells.iter().filter(|(_, cell)| cell.wrong.is_some());
            wrong.map(|(peer, _)| peer.clone()).collect::<Vec<_>>().join(" ")
        };
        for (readings, expect) in [
            (&[("pagewalk", 1.0, 1), ("qemu", 1.0, 1)][..], ""),
            (&[("pagewalk", 1.0, 1), ("qemu", 1.0, 2)], "pagewalk qemu"),
            (&[("pagewalk", 1.0, 1), ("qemu", 1.0, 2), ("native", 1.0, 2)], "pagewalk"),
            (&[("native", 1.0, 1), ("qemu", 1.0, 2), ("spike", 1.0, 2)], "qemu spike"),
            (&[("pagewalk", 1.0, 1), ("qemu", 1.0, 2), ("spike", 1.0, 1)], "qemu"),
            // Not even with itself.
            (&[("pagewalk", 1.0, 1), ("qemu", 1.0, 2), ("qemu", 1.0, 1)], "qemu"),
            (&[("pagewalk", 1.0, 1), ("pagewalk", 1.0, 2)], "pagewalk"),
        ] {
            assert_eq!(wrongs(readings), expect, "{readings:?}");
        }
        let row = summary(&[("pagewalk", 1.0, 1), ("qemu", 2.0, 2), ("native", 4.0, 1)]);
        assert_eq!(row.figure("qemu"), None);
        assert_eq!(row.times_as_fast("qemu"), None);
        assert_eq!(row.times_as_fast("native"), Some(4.0));
        let wrong = row.cells["qemu"].wrong.as_deref();
        assert_eq!(wrong, Some("checksum 0x2 instead of 0x1"));
    }

    #[test]
    fn rows_of_a_kind_are_together() {
        let mut collected = Collected::default();
        for row in ["smc", "miss.r.4", "miss.w.4", "miss.r.16", "miss.w.16", "hit.a", "miss.r.8"] {
            collected.add(row, Unit::Nanoseconds, "qemu", reading(1.0, 1));
        }
        let rows = collected.rows();
        let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
        let expect = ["hit.a", "miss.r.4", "miss.r.16", "miss.r.8", "miss.w.4", "miss.w.16", "smc"];
        assert_eq!(names, expect);
    }

    #[test]
    fn whole_processes_have_no_checksum_and_no_speed() {
        let mut collected = Collected::default();
        let reading = Reading { value: 2.5, instructions: None, checksum: None };
        collected.add("startup.trivial", Unit::Milliseconds, "qemu", reading);
        collected.skip("smc", "qemu", "no");
        let rows = collected.rows();
        assert_eq!(rows[0].name, "smc", "in the order of the groups");
        assert_eq!(rows[0].skips["qemu"], "no");
        let cell = &rows[1].cells["qemu"];
        assert_eq!((cell.median, cell.mips, &cell.wrong), (2.5, None, &None));
        assert_eq!(rows[1].unit.figure(cell.median), "2.50 ms");
    }
}
