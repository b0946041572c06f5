//! `cargo xtask lockstep`: runs random programs on Pagewalk and on Spike, an independent
//! implementation, and compares their commit logs line by line while both run.
//!
//! `user.rs` and `supervisor.rs` write the programs, on the frame of `program.rs` and with the
//! assembler of `asm.rs`; `simulator.rs` runs them, `compare.rs` compares.

mod asm;
mod compare;
mod compressed;
mod csrs;
pub(crate) mod elf;
mod fp;
mod program;
mod random;
pub(crate) mod simulator;
mod supervisor;
mod tables;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;

use compare::Outcome;
use program::Program;
use random::Random;
use simulator::Simulators;

/// Exit code of `--which` where no Spike is found.
const EXIT_NO_SPIKE: u8 = 3;
/// Programs that run at a time unless asked otherwise.
const DEFAULT_JOBS: usize = 2;

/// Random programs on Pagewalk and on Spike: do the commit logs agree?
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Seed of the first program; the next ones have the next seeds. Default: the time of day
    #[arg(long)]
    seed: Option<u64>,
    /// Number of programs
    #[arg(long, default_value_t = 100)]
    count: u64,
    /// Length of a program: about so many random instructions
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    insns: u64,
    /// What the programs are made of
    #[arg(long, value_enum, default_value_t = Kind::All)]
    kind: Kind,
    /// Programs that run at a time
    #[arg(long, default_value_t = DEFAULT_JOBS)]
    jobs: usize,
    /// Spike's executable; default: the one of the Python package `spike`, else `spike` in PATH
    #[arg(long, env = "SPIKE")]
    spike: Option<PathBuf>,
    /// Pagewalk's executable; default: the release build, built now
    #[arg(long)]
    pagewalk: Option<PathBuf>,
    /// Differences after which no more programs are run
    #[arg(long, default_value_t = 1)]
    max_differences: u64,
    /// Folder for the programs that differ
    #[arg(long, default_value = "target/lockstep")]
    keep: PathBuf,
    /// Only say which Spike would be used; exit code 3 if there is none
    #[arg(long)]
    which: bool,
}

/// What a program is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Integer instructions and memory
    User,
    /// Floating point
    Fp,
    /// Atomics
    Atomics,
    /// 16-bit instructions
    Compressed,
    /// Page tables, protection, privilege modes, CSRs
    Supervisor,
    /// One after the other
    All,
}

impl Kind {
    /// The kind of the program with this seed.
    fn of(self, seed: u64) -> Self {
        const MIX: [Kind; 8] = [
            Kind::User,
            Kind::Supervisor,
            Kind::Fp,
            Kind::Supervisor,
            Kind::Atomics,
            Kind::Supervisor,
            Kind::Compressed,
            Kind::Supervisor,
        ];
        if self == Kind::All { MIX[(seed % 8) as usize] } else { self }
    }

    fn program(self, seed: u64, insns: u64) -> Program {
        match self {
            Kind::User => user::program(seed, insns, user::Mix::Integer),
            Kind::Fp => user::program(seed, insns, user::Mix::Float),
            Kind::Atomics => user::program(seed, insns, user::Mix::Atomic),
            Kind::Compressed => user::program(seed, insns, user::Mix::Compressed),
            Kind::Supervisor | Kind::All => supervisor::program(seed, insns),
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// Counts of a whole run, shared by the jobs.
#[derive(Debug, Default)]
struct Totals {
    next: AtomicU64,
    programs: AtomicU64,
    insns: AtomicU64,
    traps: AtomicU64,
    differences: AtomicU64,
    /// Enough differences, or something else that makes the rest pointless.
    stop: AtomicBool,
}

/// Runs the programs that `args` ask for.
///
/// # Errors
/// A difference, or a simulator that cannot be run.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    let spike = simulator::find_spike(args.spike.as_deref());
    if args.which {
        return Ok(match spike {
            Ok(path) => {
                crate::say(path.display());
                ExitCode::SUCCESS
            }
            Err(error) => {
                crate::complain(format_args!("{error:#}"));
                ExitCode::from(EXIT_NO_SPIKE)
            }
        });
    }
    let simulators = Simulators::new(spike?, args.pagewalk.as_deref())?;
    compare_all(args, &simulators)?;
    Ok(ExitCode::SUCCESS)
}

fn compare_all(args: &Args, simulators: &Simulators) -> Result<()> {
    let seed = args.seed.unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Random::new(now.as_nanos() as u64).below(1 << 32)
    });
    crate::say(format_args!(
        "lockstep: {} programs of kind {} from seed {seed}, {} instructions each, against {}",
        args.count,
        args.kind.name(),
        args.insns,
        simulators.spike.display(),
    ));
    let started = Instant::now();
    let totals = Totals::default();
    let failure = Mutex::new(None);
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                if let Err(error) = work(args, seed, simulators, &totals) {
                    totals.stop.store(true, Ordering::Relaxed);
                    failure.lock().unwrap_or_else(|e| e.into_inner()).get_or_insert(error);
                }
            });
        }
    });
    if let Some(error) = failure.into_inner().unwrap_or_else(|e| e.into_inner()) {
        return Err(error);
    }
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let differences = get(&totals.differences);
    crate::say(format_args!(
        "lockstep: {} programs, {} instructions, {} traps, {differences} differences, {:.1} s",
        get(&totals.programs),
        get(&totals.insns),
        get(&totals.traps),
        started.elapsed().as_secs_f64(),
    ));
    if differences != 0 {
        bail!("{differences} programs differ");
    }
    Ok(())
}

/// Runs programs until none is left.
fn work(args: &Args, seed: u64, simulators: &Simulators, totals: &Totals) -> Result<()> {
    while !totals.stop.load(Ordering::Relaxed) {
        let index = totals.next.fetch_add(1, Ordering::Relaxed);
        if index >= args.count {
            break;
        }
        let seed = seed.wrapping_add(index);
        let kind = args.kind.of(seed);
        let program = kind.program(seed, args.insns);
        let name = format!("{}-{seed}-{}.elf", kind.name(), args.insns);
        let path = args.keep.join(&name);
        std::fs::create_dir_all(&args.keep)
            .with_context(|| format!("cannot create {}", args.keep.display()))?;
        std::fs::write(&path, &program.elf)
            .with_context(|| format!("cannot write {}", path.display()))?;
        let report = compare::run(simulators, &path, program.end)
            .with_context(|| format!("{}, kept as {}", name, path.display()))?;
        totals.programs.fetch_add(1, Ordering::Relaxed);
        totals.insns.fetch_add(report.insns, Ordering::Relaxed);
        totals.traps.fetch_add(report.traps, Ordering::Relaxed);
        match report.outcome {
            Outcome::Same => {
                std::fs::remove_file(&path)
                    .with_context(|| format!("cannot remove {}", path.display()))?;
            }
            Outcome::Different(text) => {
                let before = totals.differences.fetch_add(1, Ordering::Relaxed);
                if before + 1 >= args.max_differences {
                    totals.stop.store(true, Ordering::Relaxed);
                }
                crate::say(format_args!(
                    "{text}program: {}\nagain:   cargo xtask lockstep --kind {} --seed {seed} \
                     --count 1 --insns {}\n",
                    path.display(),
                    kind.name(),
                    args.insns
                ));
            }
        }
    }
    Ok(())
}
