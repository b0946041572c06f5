//! `/proc/PID/pagetable`: the valid entries of the tables of an address space, shown as a tree in
//! which runs of similar leaves are one line.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use crate::bytes::{self, Bytes};

/// Of a run whose frames lie scattered, so many are shown each on a line of its own.
const SCATTERED_MAX: usize = 4;

/// A record: an entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// 2 is the root, for Sv39.
    pub level: u32,
    /// Physical address of the table.
    pub table: u64,
    /// Which of its entries.
    pub index: u64,
    /// The first address that it translates.
    pub va: u64,
    /// The entry.
    pub pte: u64,
    /// Its flags, `DAGUXWRV`.
    pub flags: &'a [u8],
}

impl Record<'_> {
    /// Reads `LEVEL TABLE INDEX VA PTE FLAGS`.
    pub fn parse(line: &[u8]) -> Option<Record<'_>> {
        let mut fields = bytes::fields(line);
        Some(Record {
            level: u32::try_from(bytes::decimal(fields.next()?)?)
                .ok()
                .filter(|level| *level < 5)?,
            table: bytes::address(fields.next()?)?,
            index: bytes::decimal(fields.next()?)?,
            va: bytes::address(fields.next()?)?,
            pte: bytes::address(fields.next()?)?,
            flags: fields.next()?,
        })
    }

    /// Physical address of the page or the table that it leads to.
    ///
    /// Source: Privileged ISA, "Sv39: Page-Based 39-bit Virtual-Memory System", the PTE's format.
    pub fn target(&self) -> u64 {
        (self.pte >> 10 & ((1 << 44) - 1)) << 12
    }

    /// Whether it maps a page.
    pub fn is_leaf(&self) -> bool {
        self.flags.iter().any(|flag| b"RWX".contains(flag))
    }

    /// Bytes that it translates.
    pub fn size(&self) -> u64 {
        1 << (12 + 9 * self.level)
    }

    /// Whether `next` goes on with the same kind of leaf.
    fn is_like(&self, next: &Self) -> bool {
        self.is_leaf()
            && next.is_leaf()
            && self.level == next.level
            && self.table == next.table
            && self.flags == next.flags
            && self.va + self.size() == next.va
    }
}

/// Whether all leaves of a run are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Runs of similar leaves are one line.
    Folded,
    /// A line a leaf.
    All,
}

/// Reads the file.
pub fn parse(text: &[u8]) -> Vec<Record<'_>> {
    bytes::lines(text).filter_map(Record::parse).collect()
}

/// The tree.
pub fn tree(records: &[Record<'_>], detail: Detail) -> String {
    let Some(first) = records.first() else { return String::new() };
    let root = first.level;
    let mut text = format!("root table {:#x} (level {root})\n", first.table);
    let mut at = 0;
    while at < records.len() {
        let like = records[at..].windows(2).take_while(|pair| pair[0].is_like(&pair[1])).count();
        let length = if detail == Detail::All { 1 } else { like + 1 };
        show_run(&records[at..at + length], root, &mut text);
        at += length;
    }
    let tables = records.iter().filter(|record| !record.is_leaf()).count() + 1;
    let leaves = records.iter().filter(|record| record.is_leaf());
    let mapped: u64 = leaves.clone().map(Record::size).sum();
    text += &format!("{tables} tables, {} leaves, {} KiB mapped\n", leaves.count(), mapped >> 10);
    text
}

/// Where the frames of a run are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Frames {
    /// One behind the other.
    Adjacent,
    /// All the same.
    Same,
    /// Anywhere.
    Scattered,
}

fn frames(run: &[Record<'_>]) -> Frames {
    let all = |distance: &dyn Fn(&Record<'_>) -> u64| {
        run.windows(2).all(|pair| pair[0].target() + distance(&pair[0]) == pair[1].target())
    };
    if all(&|record| record.size()) {
        Frames::Adjacent
    } else if all(&|_| 0) {
        Frames::Same
    } else {
        Frames::Scattered
    }
}

fn show_run(run: &[Record<'_>], root: u32, text: &mut String) {
    if frames(run) != Frames::Scattered {
        return text.push_str(&line(run, root));
    }
    let shown = if run.len() <= SCATTERED_MAX + 1 { run.len() } else { SCATTERED_MAX };
    run[..shown].chunks(1).for_each(|one| text.push_str(&line(one, root)));
    if shown < run.len() {
        text.push_str(&line(&run[shown..], root));
    }
}

/// The indentation and the addresses of a run.
fn start(run: &[Record<'_>], root: u32) -> (String, String) {
    let (first, last) = (&run[0], &run[run.len() - 1]);
    let indent = "  ".repeat((root - first.level.min(root)) as usize + 1);
    let range = Range { start: first.va, end: last.va + (last.size() - 1) };
    (indent, format!("{:#012x}-{:#012x}", range.start, range.end))
}

/// A line about one entry or a run of leaves.
fn line(run: &[Record<'_>], root: u32) -> String {
    let (first, last) = (&run[0], &run[run.len() - 1]);
    let (indent, range) = start(run, root);
    let index = match run.len() {
        1 => format!("[{}]", first.index),
        _ => format!("[{}..{}]", first.index, last.index),
    };
    let flags = Bytes(first.flags);
    let (target, count) = (first.target(), run.len());
    let goal = match (frames(run), count) {
        _ if !first.is_leaf() => format!("table {target:#x}"),
        (_, 1) => {
            let kind = match first.level {
                0 => "",
                1 => " megapage",
                _ => " gigapage",
            };
            format!("{target:#x}{kind}")
        }
        (Frames::Adjacent, _) => {
            format!("{target:#x}-{:#x}, {count} pages", last.target() + (last.size() - 1))
        }
        (Frames::Same, _) => format!("{target:#x}, one frame for {count} pages"),
        (Frames::Scattered, _) => format!("{count} scattered frames"),
    };
    format!("{indent}{index} {range} {flags} -> {goal}\n")
}

/// The walk of one address: a line an entry, down to the page. The physical address; none where
/// the walk ends before a page.
pub fn walk(records: &[Record<'_>], va: u64) -> (String, Option<u64>) {
    let mut text = format!("{va:#x}: ");
    if let Some(first) = records.first() {
        let indices: Vec<String> = (0..=first.level)
            .rev()
            .map(|level| format!("VPN[{level}] {}", va >> (12 + 9 * level) & 0x1ff))
            .collect();
        text += &format!("{}, offset {:#x}\n", indices.join(", "), va & 0xfff);
    }
    let mut covering: Vec<&Record<'_>> =
        records.iter().filter(|record| record.va <= va && va - record.va < record.size()).collect();
    covering.sort_unstable_by_key(|record| core::cmp::Reverse(record.level));
    for record in &covering {
        let Record { level, table, index, pte, flags, .. } = record;
        let goal = if record.is_leaf() { "page" } else { "table" };
        text += &format!(
            "  level {level}: table {table:#x} entry {index}: {pte:#018x} {} -> {goal} {:#x}\n",
            Bytes(flags),
            record.target()
        );
    }
    match covering.last().filter(|record| record.is_leaf()) {
        Some(leaf) => {
            let physical = leaf.target() + (va - leaf.va);
            text += &format!("  physical address {physical:#x}\n");
            (text, Some(physical))
        }
        None => {
            text += "  no page: the entry is not valid\n";
            (text, None)
        }
    }
}

#[cfg(test)]
#[path = "pagetable/tests.rs"]
mod tests;
