//! Reference strings: what `swapbench record` wrote, and how many pages have to come back on it
//! under each policy, simulated, and under OPT.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use guest::mm::policy::Kind;
use guest::mm::policy::lab::{Lab, Reference, exact};

/// Pages that a round of the simulated hand trims; the kernel's pager cleans as many at a time.
const BATCH_PAGES: u32 = 32;
/// In a run's first word: its pages were written to.
const WRITTEN: u32 = 1 << 31;

/// The touches that were recorded. Each run is its first page, whose top bit says that they were
/// written to, and their count, both little-endian.
///
/// # Errors
/// It is cut off, or names a page that is not among the `pages`.
pub(super) fn parse(bytes: &[u8], pages: u64) -> Result<Vec<Reference>> {
    let (runs, rest) = bytes.as_chunks::<8>();
    ensure!(!runs.is_empty() && rest.is_empty(), "a recording of {} bytes", bytes.len());
    let mut string = Vec::new();
    for run in runs {
        let run = u64::from_le_bytes(*run);
        let (first, count) = (run as u32 & !WRITTEN, (run >> 32) as u32);
        let write = run as u32 & WRITTEN != 0;
        let end = u64::from(first) + u64::from(count);
        ensure!(end <= pages, "a recording of page {end}, and there are {pages}");
        string.extend((first..first + count).map(|page| Reference { page, process: 0, write }));
    }
    Ok(string)
}

/// Pages that come back: faults but for the first one of each page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Distinct pages.
    pub(super) distinct: u64,
    pub(super) opt: u64,
    pub(super) lru: u64,
    /// In the order of [`Kind::ALL`].
    pub(super) simulated: Vec<u64>,
}

/// Counts them with so many frames.
pub(super) fn count(string: &[Reference], frames: u32) -> Counts {
    let distinct = string.iter().map(|reference| reference.page).collect::<BTreeSet<_>>().len();
    let distinct = distinct as u64;
    let simulated = Kind::ALL.iter().map(|kind| {
        let lab = Lab { kind: *kind, frames, batch: BATCH_PAGES.min(frames) };
        lab.run(string).faults - distinct
    });
    Counts {
        distinct,
        opt: exact::opt(frames as usize, string) - distinct,
        lru: exact::lru(frames as usize, string) - distinct,
        simulated: simulated.collect(),
    }
}
