//! The table of `vmtop`: what memory each process has and needs.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::stat::ProcessStat;
use super::table::Table;
use crate::bytes::{self, Bytes};

const PAGE_KIB: u64 = 4;

/// A process at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pid: u64,
    state: char,
    /// In KiB.
    resident: u64,
    /// In KiB.
    swapped: u64,
    /// In KiB; none where the kernel does not tell.
    working_set: Option<u64>,
    minor_faults: u64,
    major_faults: u64,
    ticks: u64,
    name: Vec<u8>,
}

impl Row {
    /// Reads `/proc/PID/stat`, `status` and, where there is such a file, `ws`: pages first.
    pub fn parse(stat: &[u8], status: &[u8], ws: Option<&[u8]>) -> Option<Self> {
        let stat = ProcessStat::parse(stat)?;
        let pages = ws.and_then(|text| bytes::fields(text).find_map(bytes::decimal));
        Some(Self {
            pid: stat.pid,
            state: char::from(stat.state),
            resident: stat.resident_pages * PAGE_KIB,
            swapped: Table(status).number("VmSwap"),
            working_set: pages.map(|pages| pages * PAGE_KIB),
            minor_faults: stat.minor_faults,
            major_faults: stat.major_faults,
            ticks: stat.ticks,
            name: stat.name.to_vec(),
        })
    }

    /// What it did since it was `before`, which is none where nobody looked.
    fn since(&self, before: Option<&Self>) -> (u64, u64, u64) {
        let then = before.map_or((0, 0, 0), |row| (row.minor_faults, row.major_faults, row.ticks));
        (
            self.minor_faults.saturating_sub(then.0),
            self.major_faults.saturating_sub(then.1),
            self.ticks.saturating_sub(then.2),
        )
    }
}

/// The headings.
pub const HEADINGS: &str = "    PID S      RSS     SWAP       WS   MINFLT   MAJFLT  %CPU COMMAND\n";

/// The table of these processes, those with most memory first, and a line of totals. Faults and
/// time are those since `before`, which was this long ago.
pub fn table(now: &[Row], before: &[Row], hundredths: u64) -> String {
    let mut rows: Vec<&Row> = now.iter().collect();
    rows.sort_by_key(|row| (core::cmp::Reverse(row.resident + row.swapped), row.pid));
    let mut text = String::from(HEADINGS);
    let (mut sums, mut working_set) = ([0; 5], None);
    for row in rows {
        let earlier = before.iter().find(|earlier| earlier.pid == row.pid);
        let (minor, major, ticks) = row.since(earlier);
        let Row { pid, state, resident, swapped, .. } = *row;
        let ws = row.working_set.map_or_else(|| "-".into(), |kib| format!("{kib}"));
        text += &format!("{pid:7} {state} {resident:8} {swapped:8} {ws:>8} {minor:8} {major:8} ");
        text += &format!("{:>5} {}\n", percent(ticks, hundredths), Bytes(&row.name));
        for (sum, value) in sums.iter_mut().zip([resident, swapped, minor, major, ticks]) {
            *sum += value;
        }
        working_set = row.working_set.map(|kib| kib + working_set.unwrap_or(0)).or(working_set);
    }
    let [resident, swapped, minor, major, ticks] = sums;
    let ws = working_set.map_or_else(|| "-".into(), |kib| format!("{kib}"));
    text += &format!("{:>7}   {resident:8} {swapped:8} {ws:>8} {minor:8} {major:8} ", "total");
    text += &format!("{:>5} {} processes\n", percent(ticks, hundredths), now.len());
    text
}

/// Percent, with one more digit.
fn percent(ticks: u64, hundredths: u64) -> String {
    let thousandths = ticks * 1000 / hundredths.max(1);
    format!("{}.{}", thousandths / 10, thousandths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pid: u64, faults: [u64; 2], ticks: u64, pages: u64) -> Row {
        let [minor, major] = faults;
        let stat = format!(
            "{pid} (cat) S 1 1 1 0 -1 0 {minor} 0 {major} 0 {ticks} 0 0 0 20 0 1 0 0 8192 {pages} 0"
        );
        let ws: Option<&[u8]> = (pid == 3).then_some(b"5 pages\n");
        Row::parse(stat.as_bytes(), b"VmSwap:\t      12 kB\n", ws).expect("well-formed")
    }

    #[test]
    fn the_largest_comes_first_and_all_are_added_up() {
        let before = [row(3, [10, 1], 50, 2)];
        let now = [row(2, [7, 0], 10, 1), row(3, [15, 3], 75, 2)];
        let text = table(&now, &before, 100);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "      3 S        8       12       20        5        2  25.0 cat");
        assert_eq!(lines[2], "      2 S        4       12        -        7        0  10.0 cat");
        assert_eq!(
            lines[3],
            "  total         12       24       20       12        2  35.0 2 processes"
        );
        let columns = |line: &str| line.find("%CPU").or(line.find("35.0")).map(|at| at + 4);
        assert_eq!(columns(lines[0]), columns(lines[3]));
    }
}
