//! [`Report`]: counts as a table for people and as JSON for programs. Each count has its section
//! and its name once, in [`HartCounts::rows`].

use std::fmt;

use serde_json::{Map, Value, json};

use super::HartCounts;
use crate::addr::{Access, Privilege};
use crate::bus::DeviceCount;
use crate::debug::causes;

/// Width of the column of names.
const NAME_WIDTH: usize = 32;
/// Width of a column of numbers.
const WIDTH: usize = 16;

/// Names of leaves by level. Contiguous ranges of Svnapot are 4K pages to a walk.
const LEAVES: [&str; 5] = ["4K leaf", "2M leaf", "1G leaf", "512G leaf", "256T leaf"];

/// What was counted in a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    pub(super) harts: Vec<HartCounts>,
    pub(super) devices: Vec<DeviceCount>,
}

/// One count.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    section: &'static str,
    name: String,
    count: u64,
    shown: Shown,
}

/// Whether a table has room for a zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Always,
    IfAny,
}

impl HartCounts {
    /// The counts, of every hart in the same order.
    fn rows(&self) -> Vec<Row> {
        let row = |section, name: &str, count, shown| Row {
            section,
            name: name.to_owned(),
            count,
            shown,
        };
        let mut rows = Vec::new();
        let mode = |mode: Privilege| self.insns[mode as usize];
        for (name, count) in [
            ("user", mode(Privilege::User)),
            ("supervisor", mode(Privilege::Supervisor)),
            ("machine", mode(Privilege::Machine)),
            ("all", self.insns.iter().sum()),
        ] {
            rows.push(row("instructions", name, count, Shown::Always));
        }
        for (section, counts) in [("tlb hits", &self.hits), ("tlb misses", &self.misses)] {
            for access in Access::ALL {
                let name = format!("{access:?}").to_lowercase();
                rows.push(row(section, &name, counts[access as usize], Shown::Always));
            }
        }
        for (level, count) in self.leaves.iter().enumerate() {
            rows.push(row(
                "walks",
                &format!("{} at level {level}", LEAVES[level]),
                *count,
                Shown::IfAny,
            ));
        }
        for (level, count) in self.denials.iter().enumerate() {
            rows.push(row("walks", &format!("denied at level {level}"), *count, Shown::IfAny));
        }
        for (name, count) in [
            ("address not canonical", self.not_canonical),
            ("A or D set by the hart", self.updates),
            ("refused by PMP", self.protection),
            ("misses without a walk", self.untranslated),
        ] {
            rows.push(row("walks", name, count, Shown::IfAny));
        }
        for (name, count) in causes::EXCEPTIONS.iter().zip(&self.exceptions) {
            rows.push(row("exceptions", name, *count, Shown::IfAny));
        }
        for (name, count) in causes::INTERRUPTS.iter().zip(&self.interrupts) {
            rows.push(row("interrupts", name, *count, Shown::IfAny));
        }
        self.push_fences(&mut rows);
        rows
    }

    /// Section and name of each count.
    #[cfg(test)]
    pub(super) fn names(&self) -> Vec<(&'static str, String)> {
        self.rows().into_iter().map(|row| (row.section, row.name)).collect()
    }

    fn push_fences(&self, rows: &mut Vec<Row>) {
        for (origin, counts) in ["sfence.vma", "sinval.vma", "remote"].iter().zip(&self.fences) {
            for (form, count) in ["all", "va", "asid", "va asid"].iter().zip(counts) {
                let (section, name) = ("fences", format!("{origin} {form}"));
                rows.push(Row { section, name, count: *count, shown: Shown::IfAny });
            }
        }
        let (name, count) = ("satp writes".to_owned(), self.satp_writes);
        rows.push(Row { section: "fences", name, count, shown: Shown::IfAny });
    }
}

impl Report {
    /// The rows of each hart and, where there are several, of all together.
    fn columns(&self) -> Vec<(String, Vec<Row>)> {
        let named = |(id, counts): (usize, &HartCounts)| (format!("hart {id}"), counts.rows());
        let mut columns: Vec<_> = self.harts.iter().enumerate().map(named).collect();
        if columns.len() != 1 {
            columns.push(("total".to_owned(), self.total()));
        }
        columns
    }

    fn total(&self) -> Vec<Row> {
        let mut total = HartCounts::default().rows();
        for hart in &self.harts {
            for (sum, row) in total.iter_mut().zip(hart.rows()) {
                sum.count += row.count;
            }
        }
        total
    }

    /// The counts as one JSON object: `harts`, an array by hart id, and `total` hold objects by
    /// section and name (blanks and dots become `_`), zeros included; `devices` is an array.
    pub fn to_json(&self) -> Value {
        let devices = self.devices.iter().map(
            |device| json!({ "name": device.name, "reads": device.reads, "writes": device.writes }),
        );
        json!({
            "harts": self.harts.iter().map(|hart| object(&hart.rows())).collect::<Value>(),
            "total": object(&self.total()),
            "devices": devices.collect::<Value>(),
        })
    }
}

fn object(rows: &[Row]) -> Value {
    let key = |name: &str| name.replace([' ', '.'], "_");
    let mut sections = Map::new();
    for row in rows {
        let section = sections.entry(key(row.section)).or_insert_with(|| json!({}));
        section[key(&row.name)] = row.count.into();
    }
    sections.into()
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns();
        write!(f, "{:<NAME_WIDTH$}", "statistics")?;
        columns.iter().try_for_each(|(title, _)| write!(f, "{title:>WIDTH$}"))?;
        let total = self.total();
        let mut section = "";
        for (index, row) in total.iter().enumerate() {
            if row.section != section {
                section = row.section;
                let is_empty = |row: &Row| row.shown == Shown::IfAny && row.count == 0;
                let none = total.iter().filter(|row| row.section == section).all(is_empty);
                write!(f, "\n{section}{}", if none { ": none" } else { "" })?;
            }
            if row.shown == Shown::Always || row.count != 0 {
                write!(f, "\n  {:<width$}", row.name, width = NAME_WIDTH - 2)?;
                let counts = columns.iter().map(|(_, rows)| rows[index].count);
                counts.into_iter().try_for_each(|count| write!(f, "{count:>WIDTH$}"))?;
            }
        }
        let used = || self.devices.iter().filter(|device| device.reads + device.writes != 0);
        if used().next().is_none() {
            return writeln!(f, "\ndevice requests: none");
        }
        writeln!(f, "\n{:<NAME_WIDTH$}{:>WIDTH$}{:>WIDTH$}", "device requests", "reads", "writes")?;
        used().try_for_each(|DeviceCount { name, reads, writes }| {
            writeln!(f, "  {name:<width$}{reads:>WIDTH$}{writes:>WIDTH$}", width = NAME_WIDTH - 2)
        })
    }
}
