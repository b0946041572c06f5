//! Out of memory: how bad a process is, which one has to go, and the report that says why.
//!
//! Badness is what would be won, in pages: what is resident, in swap, and page tables; the process's
//! `oom_score_adj` adds so many thousandths of all memory. Who is exempt has no badness at all.
//!
//! Source: Linux, "The /proc Filesystem" (Documentation/filesystems/proc.rst), "/proc/PID/oom_adj &
//! /proc/PID/oom_score_adj".

use core::fmt;
use core::ops::RangeInclusive;

use crate::PAGE_SIZE_BYTES;

#[cfg(test)]
mod tests;

/// The process that is never killed for memory.
const INIT_PID: u32 = 1;
/// What `oom_score_adj` may be.
pub const ADJ_RANGE: RangeInclusive<i16> = ADJ_NEVER..=1000;
/// The `oom_score_adj` of who is never killed.
pub const ADJ_NEVER: i16 = -1000;

/// How far a process is on its way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes on.
    Lives,
    /// It was killed, or ends, and still has memory that will be free soon.
    Dies,
    /// What it had is free as far as that is possible: no use to wait for it.
    Reaped,
}

/// What is known of a process; memory in pages.
#[derive(Clone, Copy, Debug)]
pub struct Process<'a> {
    /// Its number.
    pub pid: u32,
    /// What it is called.
    pub name: &'a [u8],
    /// In frames.
    pub resident: u64,
    /// In swap.
    pub swapped: u64,
    /// Page tables.
    pub tables: u64,
    /// `oom_score_adj`.
    pub adj: i16,
    /// How far it is.
    pub fate: Fate,
}

impl Process<'_> {
    /// How bad it is, in pages of all `total` that RAM and swap have; `None` if it is exempt. A low
    /// `oom_score_adj` makes it less than nothing.
    pub fn badness(&self, total: u64) -> Option<i64> {
        if self.pid == INIT_PID || self.adj == ADJ_NEVER {
            return None;
        }
        let used = self.resident.saturating_add(self.swapped).saturating_add(self.tables);
        let used = i64::try_from(used).unwrap_or(i64::MAX);
        Some(used.saturating_add(i64::from(self.adj).saturating_mul(total as i64 / 1000)))
    }

    /// What /proc/PID/oom_score shows: 0 if it is exempt, else from 0 to 2000, where 666 stands for
    /// next to nothing and each 2 for 3/1000 of all memory.
    pub fn score(&self, total: u64) -> u64 {
        let badness = self.badness(total).map(i128::from);
        badness.map_or(0, |badness| {
            let permille = badness * 1000 / i128::from(total.max(1));
            ((1000 + permille) * 2 / 3).max(0) as u64
        })
    }
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one has to go.
    Kill(u32),
    /// This one is on its way: wait for its memory.
    Wait(u32),
    /// There is nobody.
    Nobody,
}

/// Who has to go: the worst of those who are not exempt; among equals the younger one, which has
/// the greater number. Nobody while another one still goes.
pub fn choose<'a>(processes: impl Iterator<Item = Process<'a>>, total: u64) -> Choice {
    let mut worst: Option<(i64, u32)> = None;
    for process in processes {
        match process.fate {
            Fate::Dies => return Choice::Wait(process.pid),
            Fate::Reaped => {}
            Fate::Lives => {
                let rank = process.badness(total).map(|badness| (badness, process.pid));
                worst = worst.max(rank);
            }
        }
    }
    worst.map_or(Choice::Nobody, |(_, pid)| Choice::Kill(pid))
}

/// Why somebody has to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Free frames stay below this watermark, whatever the pager does.
    Watermark {
        /// What it is called.
        name: &'static str,
        /// Frames.
        frames: u64,
    },
    /// The pager frees working sets only to see them come back.
    Thrashing,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Watermark { name, frames } => {
                write!(f, "free frames stay below the watermark {name} ({frames})")
            }
            Self::Thrashing => f.write_str("what is paged out is needed at once"),
        }
    }
}

/// The state of memory when it was short; in pages.
#[derive(Clone, Copy, Debug)]
pub struct Shortage {
    /// Why somebody has to go.
    pub reason: Reason,
    /// All frames, and free ones.
    pub ram: u64,
    /// See [`ram`](Self::ram).
    pub free: u64,
    /// All swap, and what is free of it.
    pub swap: u64,
    /// See [`swap`](Self::swap).
    pub swap_free: u64,
}

impl Shortage {
    /// All pages that RAM and swap have.
    pub const fn total(&self) -> u64 {
        self.ram.saturating_add(self.swap)
    }

    /// The head of the table.
    pub const COLUMNS: &str = "    pid        rss       swap   tables    adj  score  name";

    /// The first line: what has happened.
    pub fn title(&self) -> impl fmt::Display {
        let reason = self.reason;
        fmt::from_fn(move |f| write!(f, "Out of memory: {reason}"))
    }

    /// The second line, before the table: what there is.
    pub fn state(&self) -> impl fmt::Display {
        let Self { ram, free, swap, swap_free, .. } = *self;
        fmt::from_fn(move |f| {
            write!(f, "{free} of {ram} frames and {swap_free} of {swap} pages of swap are free")
        })
    }

    /// A line of the table; the one of the victim is marked.
    pub fn row<'a>(&self, process: &'a Process<'a>, victim: Choice) -> impl fmt::Display + 'a {
        let total = self.total();
        let mark = if victim == Choice::Kill(process.pid) { '>' } else { ' ' };
        fmt::from_fn(move |f| {
            let Process { pid, resident, swapped, tables, adj, .. } = *process;
            write!(f, "{mark} {pid:>5} {resident:>10} {swapped:>10} {tables:>8} {adj:>6} ")?;
            match process.badness(total) {
                Some(_) => write!(f, "{:>6}", process.score(total))?,
                None => f.write_str("exempt")?,
            }
            write!(f, "  {}", process.name.escape_ascii())?;
            f.write_str(match process.fate {
                Fate::Lives => "",
                Fate::Dies => " (dies)",
                Fate::Reaped => " (reaped)",
            })
        })
    }

    /// The last line: who was killed, and what he had.
    pub fn verdict<'a>(&self, victim: &'a Process<'a>) -> impl fmt::Display + 'a {
        fmt::from_fn(move |f| {
            let Process { pid, resident, swapped, tables, adj, .. } = *victim;
            let kib = |pages: u64| pages.saturating_mul(PAGE_SIZE_BYTES) / 1024;
            write!(f, "Killed process {pid} ({}): ", victim.name.escape_ascii())?;
            write!(f, "rss {} kB, swap {} kB, ", kib(resident), kib(swapped))?;
            write!(f, "tables {} kB, oom_score_adj {adj}", kib(tables))
        })
    }
}
