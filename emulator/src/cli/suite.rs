//! `pagewalk test`: many programs, a machine each, on all cores of the host; one line for each
//! that fails, and a summary.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Serialize;

use super::args::TestArgs;
use super::{HostTrouble, exit};
use crate::engine::Interpreter;
use crate::machine::board::Devices;
use crate::machine::boot::{Boot, BootError, Payload, PayloadError};
use crate::machine::config::ClockSource;
use crate::machine::console::{Console, Input};
use crate::machine::elf::{ElfError, claims_riscv64_executable};
use crate::machine::{Config, Limits, Machine, Stop};

/// Limit of a test that gets no other one: each of riscv-tests needs less than a hundredth of it.
const DEFAULT_MAX_INSNS: u64 = 1_000_000_000;

/// Progress is shown when a run takes longer than this, and as often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(500);

/// What became of one test.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
enum Outcome {
    /// It ended with 0.
    Passed,
    /// It did not.
    Failed {
        /// Why, in one line.
        reason: String,
        /// The number of the test case that failed: what the program ended with.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u64>,
    },
    /// It is a program for an operating system, found in a directory.
    Skipped,
}

#[derive(Debug, Serialize)]
struct Verdict {
    path: String,
    #[serde(flatten)]
    outcome: Outcome,
    /// Instructions retired.
    insns: u64,
}

#[derive(Debug, Default, Serialize)]
struct Report {
    passed: usize,
    failed: usize,
    /// Files in the directories that are no riscv64 executables.
    skipped: usize,
    tests: Vec<Verdict>,
}

/// One file to be tested.
#[derive(Debug)]
struct Test {
    path: PathBuf,
    origin: Origin,
}

/// How a test was found; one that was named must be a test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    Named,
    Directory,
}

/// Runs the tests that `args` name; yields the exit code.
pub(super) fn run(args: &TestArgs) -> Result<u8> {
    let (tests, skipped) = collect(args)?;
    if tests.is_empty() {
        bail!("nothing to test: {skipped} files are no riscv64 executables or do not match");
    }
    let jobs = args.jobs.or_else(|| thread::available_parallelism().ok());
    let jobs = jobs.map_or(1, |jobs| jobs.get()).min(tests.len());
    let config = args.machine.config(ClockSource::Warp);
    let limits = args.limits.limits(Some(DEFAULT_MAX_INSNS));
    let next = AtomicUsize::new(0);
    let (sender, verdicts) = mpsc::channel();
    let report = thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next) = (sender.clone(), &next);
            let (tests, config, limits) = (&tests, &config, &limits);
            scope.spawn(move || {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(test) = tests.get(index) else { return };
                    if sender.send((index, judge(test, config, limits))).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        gather(verdicts, tests.len(), skipped, args)
    });
    let report = report.map_err(|source| HostTrouble { what: "standard output".into(), source })?;
    Ok(if report.failed == 0 { 0 } else { exit::TESTS_FAILED })
}

/// The tests in order, and how many files were passed over.
fn collect(args: &TestArgs) -> Result<(Vec<Test>, usize)> {
    let (mut tests, mut skipped) = (Vec::new(), 0);
    for path in &args.paths {
        let metadata =
            fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        if metadata.is_dir() {
            search(path, &mut tests, &mut skipped)?;
        } else {
            tests.push(Test { path: path.clone(), origin: Origin::Named });
        }
    }
    if let Some(filter) = &args.filter {
        let before = tests.len();
        tests.retain(|test| test.path.to_string_lossy().contains(filter));
        skipped += before - tests.len();
    }
    Ok((tests, skipped))
}

/// Adds the riscv64 executables in `directory` and below, in the order of their names. Links to
/// directories are not followed: they may form a circle.
fn search(directory: &Path, tests: &mut Vec<Test>, skipped: &mut usize) -> Result<()> {
    let failed = || format!("cannot read {}", directory.display());
    let entries = fs::read_dir(directory).with_context(failed)?;
    let mut entries = entries.collect::<io::Result<Vec<_>>>().with_context(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        if entry.file_type().with_context(failed)?.is_dir() {
            search(&path, tests, skipped)?;
        } else if is_executable(&path) {
            tests.push(Test { path, origin: Origin::Directory });
        } else {
            *skipped += 1;
        }
    }
    Ok(())
}

/// Whether `path` is a regular file that claims to be a riscv64 executable. One that cannot be
/// read claims nothing.
fn is_executable(path: &Path) -> bool {
    let start = || -> io::Result<Vec<u8>> {
        let mut start = Vec::new();
        File::open(path)?.take(64).read_to_end(&mut start)?;
        Ok(start)
    };
    let is_file = fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
    is_file && start().is_ok_and(|start| claims_riscv64_executable(&start))
}

/// Runs one test on a machine of its own.
fn judge(test: &Test, config: &Config, limits: &Limits) -> Verdict {
    let (outcome, insns) = match start(test, config) {
        Ok(mut machine) => {
            let stop = machine.run(limits);
            (outcome(stop, machine.retired_insns()), machine.retired_insns())
        }
        Err(outcome) => (outcome, 0),
    };
    Verdict { path: test.path.display().to_string(), outcome, insns }
}

/// A machine with the test loaded, or what becomes of a test that cannot be loaded.
fn start(test: &Test, config: &Config) -> Result<Machine, Outcome> {
    let failed = |reason: String| Outcome::Failed { reason, code: None };
    let plan = Payload::read(&test.path).and_then(|file| Boot::of(file).plan(config));
    let plan = plan.map_err(|error| match error {
        BootError::Load { source: PayloadError::Elf(ElfError::UserProgram { .. }), .. }
            if test.origin == Origin::Directory =>
        {
            Outcome::Skipped
        }
        // The report names the file already.
        BootError::Read { source, .. } => failed(source.to_string()),
        BootError::Load { source, .. } => failed(source.to_string()),
        error => failed(error.to_string()),
    })?;
    let engine = Box::new(Interpreter::new(config.extensions));
    let console = Console::new(io::sink());
    let (devices, input) = (Devices::default(), Input::none());
    let machine = Machine::new(config.clone(), plan, devices, engine, console, input);
    machine.map_err(|error| failed(error.to_string()))
}

fn outcome(stop: Stop, insns: u64) -> Outcome {
    let (reason, code) = match stop {
        Stop::Exit(0) => return Outcome::Passed,
        Stop::Exit(code) => (format!("test {code} failed"), Some(code)),
        Stop::Reset => ("it asked for a reset".to_owned(), None),
        Stop::InsnLimit => (format!("instruction limit reached after {insns}"), None),
        Stop::Timeout => (format!("time limit reached after {insns} instructions"), None),
        Stop::TrapLoop { pc, .. } => (format!("trap loop at pc {pc}"), None),
        Stop::OutputLost => unreachable!("a sink that takes everything never fails"),
        Stop::PowerCut => unreachable!("there are no disks"),
        Stop::Request(_) => unreachable!("nobody has a handle to ask with"),
        Stop::Asleep { pc } => (format!("asleep for ever before pc {pc}"), None),
    };
    Outcome::Failed { reason, code }
}

/// Takes in verdicts as they come, tells of failures in the order of the tests, and sums up. Where
/// that fails, whoever has more verdicts finds the channel closed and stops.
fn gather(
    verdicts: Receiver<(usize, Verdict)>,
    count: usize,
    skipped: usize,
    args: &TestArgs,
) -> io::Result<Report> {
    let mut report = Report { skipped, ..Report::default() };
    let mut early = BTreeMap::new();
    let mut progress = Progress::new(count);
    let mut done = 0;
    loop {
        match verdicts.recv_timeout(PROGRESS_INTERVAL) {
            Ok((index, verdict)) => early.insert(index, verdict),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        while let Some(verdict) = early.remove(&done) {
            done += 1;
            if !args.json && matches!(verdict.outcome, Outcome::Failed { .. }) {
                progress.clear();
                print_failure(&verdict)?;
            }
            report.add(verdict);
        }
        progress.show(done + early.len(), report.failed);
    }
    progress.clear();
    assert_eq!(done, count, "every test has a verdict");
    let mut out = io::stdout().lock();
    if args.json {
        serde_json::to_writer_pretty(&mut out, &report)?;
        writeln!(out)?;
    } else {
        writeln!(out, "{}", report.summary())?;
    }
    Ok(report)
}

fn print_failure(verdict: &Verdict) -> io::Result<()> {
    let Outcome::Failed { reason, .. } = &verdict.outcome else { return Ok(()) };
    writeln!(io::stdout().lock(), "FAILED {}: {reason}", verdict.path)
}

impl Report {
    fn add(&mut self, verdict: Verdict) {
        match verdict.outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed { .. } => self.failed += 1,
            Outcome::Skipped => {
                self.skipped += 1;
                return;
            }
        }
        self.tests.push(verdict);
    }

    fn summary(&self) -> String {
        let skipped = match self.skipped {
            0 => String::new(),
            count => format!(", {count} other files skipped"),
        };
        format!("{} passed, {} failed{skipped}", self.passed, self.failed)
    }
}

/// A line on a terminal that tells how far a long run has come.
struct Progress {
    count: usize,
    shown_at: Instant,
    is_terminal: bool,
    is_shown: bool,
}

impl Progress {
    fn new(count: usize) -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { count, shown_at: Instant::now(), is_terminal, is_shown: false }
    }

    fn show(&mut self, done: usize, failed: usize) {
        if !self.is_terminal || self.shown_at.elapsed() < PROGRESS_INTERVAL {
            return;
        }
        self.shown_at = Instant::now();
        self.is_shown = true;
        let count = self.count;
        // Progress is a courtesy: where it cannot be shown, nothing is lost.
        let _closed = write!(io::stderr().lock(), "\r{done} of {count} done, {failed} failed ");
    }

    fn clear(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            let _closed = write!(io::stderr().lock(), "\r\x1b[K");
        }
    }
}
