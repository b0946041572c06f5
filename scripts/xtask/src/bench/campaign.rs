//! [`Campaign`]: who runs what, round by round, so that whatever else the host does meets all
//! alike.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::catalogue::STARTUP;
use super::output::{self, Output};
use super::peers::{self, NATIVE, PAGEWALK, Peer};
use super::process::{End, Finished};
use super::results::{Collected, Reading, Unit};

/// Sizes of RAM that the curves go over.
pub(super) const MEMORIES: [&str; 3] = ["512M", "1G", "4G"];
/// More RAM than a program could touch: a start must not cost more for it.
const LARGE_MEMORY: &str = "8G";
/// Beginnings of the names of rows that may not depend on the size of RAM.
const CURVES: [&str; 2] = ["fence.all.0", "switch."];
/// The program that prints them.
const CURVES_PROGRAM: &str = "bench-mmu";
/// A start takes so little time that one a round tells little.
const STARTS_PER_ROUND: u32 = 3;

/// A program and where it was built.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) name: String,
    pub(super) guest: PathBuf,
    /// For the host.
    pub(super) native: Option<PathBuf>,
}

/// What is to be measured.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) peers: Vec<Peer>,
    pub(super) programs: Vec<Built>,
    /// A program that ends at once, where starts are measured.
    pub(super) trivial: Option<PathBuf>,
    pub(super) rounds: u32,
    /// Rounds with other sizes of RAM.
    pub(super) curve_rounds: u32,
    /// Of a run.
    pub(super) limit: Duration,
    /// Only rows whose name contains it.
    pub(super) only: Option<String>,
}

/// What a campaign found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) rows: Collected,
    pub(super) curves: Collected,
}

impl Campaign {
    /// Runs everything; `progress` is told what happens, a line each.
    ///
    /// # Errors
    /// A peer that cannot be started. A run that fails is one of the troubles instead.
    pub(super) fn run(&self, progress: impl Fn(&str)) -> Result<Found> {
        let mut found = Found::default();
        let mut failed = BTreeSet::new();
        for round in 1..=self.rounds {
            let started = Instant::now();
            self.starts(&mut found.rows, &mut failed)?;
            self.programs_of_a_round(&mut found.rows, &mut failed)?;
            if round <= self.curve_rounds {
                self.curves(&mut found.curves, &mut failed)?;
            }
            let seconds = started.elapsed().as_secs_f64();
            progress(&format!("round {round} of {}: {seconds:.0} s", self.rounds));
        }
        Ok(found)
    }

    fn programs_of_a_round(&self, rows: &mut Collected, failed: &mut Failed) -> Result<()> {
        for program in &self.programs {
            for peer in &self.peers {
                let executable = match (peer.name == NATIVE, &program.native) {
                    (false, _) => &program.guest,
                    (true, Some(native)) => native,
                    (true, None) => continue,
                };
                let run = Run { peer, label: &peer.name, program: &program.name, executable };
                if let Some(output) = self.once(&run, rows, failed)? {
                    self.add(output, &run, rows);
                }
            }
        }
        Ok(())
    }

    /// Pagewalk with other sizes of RAM.
    fn curves(&self, rows: &mut Collected, failed: &mut Failed) -> Result<()> {
        let program = self.programs.iter().find(|program| program.name == CURVES_PROGRAM);
        let pagewalk = self.peers.iter().find(|peer| peer.name == PAGEWALK);
        let (Some(program), Some(pagewalk)) = (program, pagewalk) else { return Ok(()) };
        for memory in MEMORIES {
            let peer = &pagewalk.with_memory(memory);
            let (label, executable) = (memory, &program.guest);
            let run = Run { peer, label, program: &program.name, executable };
            if let Some(mut output) = self.once(&run, rows, failed)? {
                let wanted = |name: &str| CURVES.iter().any(|curve| name.starts_with(curve));
                output.samples.retain(|sample| wanted(&sample.name));
                output.skips.clear();
                self.add(output, &run, rows);
            }
        }
        Ok(())
    }

    /// Runs a program, unless it has failed there before.
    fn once(
        &self,
        run: &Run<'_>,
        rows: &mut Collected,
        failed: &mut Failed,
    ) -> Result<Option<Output>> {
        if failed.contains(&run.key()) {
            return Ok(None);
        }
        let finished = run.peer.run(run.executable, self.limit)?;
        let output = output::parse(&finished.stdout);
        // What was printed before the time was over is good.
        let is_late = finished.end == End::TimeLimit;
        let (output, trouble) = match (peers::check(&finished, self.limit), output) {
            (Ok(()), Ok(output)) => (Some(output), None),
            (Ok(()), Err(error)) => (None, Some(error)),
            (Err(error), output) => (output.ok().filter(|_| is_late), Some(error)),
        };
        if let Some(trouble) = trouble {
            failed.insert(run.key());
            rows.troubles.push(format!("{} on {}: {trouble:#}", run.program, run.label));
        }
        Ok(output)
    }

    fn add(&self, output: Output, run: &Run<'_>, rows: &mut Collected) {
        for sample in output.samples.iter().filter(|sample| self.wants(&sample.name)) {
            let operations = sample.operations as f64;
            let reading = Reading {
                value: sample.nanoseconds as f64 / operations,
                instructions: (sample.instructions > 0)
                    .then_some(sample.instructions as f64 / operations),
                checksum: Some(sample.checksum),
            };
            rows.add(&sample.name, Unit::Nanoseconds, run.label, reading);
        }
        for skip in output.skips.iter().filter(|skip| self.wants(&skip.name)) {
            rows.skip(&skip.name, run.label, &skip.reason);
        }
    }

    fn wants(&self, row: &str) -> bool {
        self.only.as_ref().is_none_or(|only| row.contains(only.as_str()))
    }

    /// Starts and ends every machine.
    fn starts(&self, rows: &mut Collected, failed: &mut Failed) -> Result<()> {
        let Some(trivial) = &self.trivial else { return Ok(()) };
        for _ in 0..STARTS_PER_ROUND {
            for peer in self.peers.iter().filter(|peer| peer.name != NATIVE) {
                self.start(peer, trivial, "", rows, failed)?;
                if peer.name == PAGEWALK {
                    let large = &peer.with_memory(LARGE_MEMORY);
                    self.start(large, trivial, LARGE_MEMORY, rows, failed)?;
                }
            }
        }
        Ok(())
    }

    fn start(
        &self,
        peer: &Peer,
        trivial: &Path,
        memory: &str,
        rows: &mut Collected,
        failed: &mut Failed,
    ) -> Result<()> {
        let suffix =
            if memory.is_empty() { String::new() } else { format!(".{}", memory.to_lowercase()) };
        let names = ["trivial", "memory"].map(|what| format!("{STARTUP}.{what}{suffix}"));
        let run = Run { peer, label: &peer.name, program: &names[0], executable: trivial };
        if !names.iter().any(|name| self.wants(name)) || failed.contains(&run.key()) {
            return Ok(());
        }
        let finished = peer.run(trivial, self.limit)?;
        if let Err(error) = peers::check(&finished, self.limit) {
            failed.insert(run.key());
            rows.troubles.push(format!("{} on {}: {error:#}", names[0], peer.name));
            return Ok(());
        }
        let Finished { wall, peak_bytes, .. } = finished;
        let values = [wall.as_secs_f64() * 1e3, peak_bytes as f64 / 1e6];
        let units = [Unit::Milliseconds, Unit::Megabytes];
        for ((name, value), unit) in names.iter().zip(values).zip(units) {
            if self.wants(name) {
                let reading = Reading { value, instructions: None, checksum: None };
                rows.add(name, unit, &peer.name, reading);
            }
        }
        Ok(())
    }
}

/// What has failed: program and peer.
type Failed = BTreeSet<(String, String)>;

/// A program on a peer.
#[derive(Debug)]
struct Run<'a> {
    peer: &'a Peer,
    /// Under which name its figures are kept.
    label: &'a str,
    program: &'a str,
    executable: &'a Path,
}

impl Run<'_> {
    fn key(&self) -> (String, String) {
        (self.program.to_owned(), self.label.to_owned())
    }
}
