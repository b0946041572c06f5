//! `cargo xtask bench`: runs the benchmark programs of `benches/guest/` on Pagewalk and on every
//! peer that is found, and compares.
//!
//! `campaign.rs` runs them, with `peers.rs` and `process.rs`; `output.rs` reads what they print;
//! `results.rs` has medians and checksums; `goals.rs` what is wanted; `table.rs`, `chart/` and
//! `readme.rs` show it. With `--guest` the guest operating system is measured instead: `guest/`.

mod campaign;
mod catalogue;
mod chart;
mod figures;
mod goals;
mod guest;
mod output;
mod peers;
mod process;
mod readme;
mod results;
mod table;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use crate::lockstep::simulator;
use crate::{complain, root, say};
use campaign::{Built, Campaign};
use catalogue::{GROUPS, PROGRAMS, STARTUP};
use peers::{NATIVE, PAGEWALK, Peer, QEMU, SPIKE};
use results::{Host, Results};

const ROUNDS: u32 = 5;
/// With which a run takes about a minute.
const QUICK_ROUNDS: u32 = 2;
const QUICK_CURVE_ROUNDS: u32 = 1;
const TIMEOUT_SECONDS: u64 = 120;

/// Measure Pagewalk and its peers on the same programs; a table, JSON and a chart
///
/// Builds Pagewalk and the benchmark programs, runs every program on every peer in turn, round
/// after round, and shows medians, how many times as fast as each peer Pagewalk is, and which of
/// its goals are met. Writes target/bench/results.json with every figure and
/// target/bench/chart.svg.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Args {
    /// A minute's look: two rounds instead of five; of the guest only the main figures
    #[arg(long)]
    quick: bool,
    /// Measure how the guest operating system swaps instead; its figures are the same on any host
    #[arg(long, conflicts_with_all = ["rounds", "only", "peers", "peer", "list"])]
    guest: bool,
    /// Number of rounds
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    rounds: Option<u32>,
    /// Only rows whose name contains TEXT; programs that cannot have any are not run
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// Only these peers (of those that are found, and those of --peer), with commas between
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    peers: Vec<String>,
    /// One more peer, or another command for one of them; {} stands for the program. May be
    /// repeated
    #[arg(long, value_name = "NAME=COMMAND")]
    peer: Vec<String>,
    /// Seconds after which a run is stopped [default: 120; with --guest: 900]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// Where to write all figures [default: target/bench/results.json; with --guest: guest.json]
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Where to write the chart [default: target/bench/chart.svg; with --guest: guest.svg]
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Also rewrite the table in README.md, and the chart and the figures that it names
    #[arg(long)]
    readme: bool,
    /// Measure nothing: show the figures of a former run
    #[arg(long, value_name = "FILE", conflicts_with_all = ["quick", "rounds", "only"])]
    from: Option<PathBuf>,
    /// Only list peers, programs, groups of rows and goals
    #[arg(long)]
    list: bool,
}

const HELP: &str = "\
Peers:
  pagewalk  this workspace's release build, with --clock host
  qemu      qemu-system-riscv64 along PATH; scripts/setup --peers installs it
  spike     the Python package's, or spike along PATH; likewise
  native    no emulator: the programs that can be built for the host
  Every machine has 1 GiB of RAM. A command of --peer gets an ELF file that starts in M-mode
  at 0x80000000, prints on the 16550 at 0x10000000 and ends by HTIF (tohost) or else the finisher
  at 0x100000, as on QEMU's virt board: --peer 'rvvm=rvvm -m 1G -nonet {}'

Rows:
  A row is the time for an operation; \"x qemu\" is how many times as long QEMU takes for it.
  Programs time themselves. Their checksums must be the same everywhere; a peer that has
  another one is WRONG, and its figures do not count. The startup rows are whole processes:
  time, and the memory that they held at most.

With --guest:
  Pages that processes touch while more and more of them share RAM, with load control and without;
  pages that have to come back, by policy of replacement, beside OPT on the same reference string;
  and instructions for a page that leaves and comes back, on the guest and on the Linux that
  scripts/linux has fetched. It takes about four minutes, on two processors, --quick one.

Exit code:
  0  all ran and agree, whether goals are met or not
  1  a run failed, or a result is wrong; the table says which";

/// Runs what `args` ask for.
///
/// # Errors
/// A build that fails, a peer that cannot be started, a file that cannot be written.
pub(crate) fn run(args: &Args) -> Result<ExitCode> {
    if args.guest {
        return guest::run(args);
    }
    if args.list {
        list(args)?;
        return Ok(ExitCode::SUCCESS);
    }
    let results = match &args.from {
        Some(file) => read(file)?,
        None => measure(args)?,
    };
    say(table::render(&results).trim_end());
    let chart = chart::render(&results, None);
    let json = results.to_json().context("the results as JSON")?;
    let folder = folder();
    if args.from.is_none() || args.json.is_some() {
        write(args.json.clone().unwrap_or_else(|| folder.join("results.json")), &json)?;
    }
    write(args.svg.clone().unwrap_or_else(|| folder.join("chart.svg")), &chart)?;
    if args.readme {
        let path = root().join("README.md");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        write(path, &readme::rewritten(&text, &results)?)?;
        write(root().join(readme::CHART), &readme::chart(&results))?;
        write(root().join(readme::JSON), &json)?;
    }
    Ok(if results.are_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where results go.
fn folder() -> PathBuf {
    root().join("target/bench")
}

fn write(path: impl AsRef<Path>, text: &str) -> Result<()> {
    let path = path.as_ref();
    let folder = path.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))?;
    complain(format_args!("wrote {}", path.display()));
    Ok(())
}

/// The figures of a former run.
fn read(file: &Path) -> Result<Results> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    let results: serde_json::Result<Results> = serde_json::from_str(&text);
    let mut results = results.with_context(|| format!("{name} is not a file of results"))?;
    results.judge();
    Ok(results)
}

/// Builds, and runs every round.
fn measure(args: &Args) -> Result<Results> {
    let peers = peers(args, simulator::build_pagewalk)?;
    ensure!(!peers.is_empty(), "there is no peer to measure");
    let folder = folder();
    let trivial = folder.join("trivial.elf");
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&trivial, peers::trivial_program()))
        .with_context(|| format!("cannot write {}", trivial.display()))?;
    let (rounds, curve_rounds) = match (args.rounds, args.quick) {
        (Some(rounds), _) => (rounds, rounds),
        (None, true) => (QUICK_ROUNDS, QUICK_CURVE_ROUNDS),
        (None, false) => (ROUNDS, ROUNDS),
    };
    let campaign = Campaign {
        programs: build(&peers, args.only.as_deref())?,
        peers,
        trivial: Some(trivial),
        rounds,
        curve_rounds,
        limit: Duration::from_secs(args.timeout.unwrap_or(TIMEOUT_SECONDS)),
        only: args.only.clone(),
    };
    results(&campaign, host(), |line| complain(format_args!("{line}")))
}

/// Runs a campaign and puts together what it found.
fn results(campaign: &Campaign, host: Host, progress: impl Fn(&str)) -> Result<Results> {
    let found = campaign.run(progress)?;
    let mut results = Results {
        host,
        rounds: campaign.rounds,
        peers: campaign.peers.iter().map(Peer::info).collect(),
        rows: found.rows.rows(),
        curves: found.curves.rows(),
        troubles: [found.rows.troubles, found.curves.troubles].concat(),
    };
    results.judge();
    if results.rows.is_empty() && results.are_sound() {
        bail!(
            "no row was measured{}",
            campaign
                .only
                .as_ref()
                .map_or(String::new(), |only| { format!(": none has {only:?} in its name") })
        );
    }
    Ok(results)
}

/// Everybody who is to be measured; says who is missing.
fn peers(args: &Args, pagewalk: impl FnOnce() -> Result<PathBuf>) -> Result<Vec<Peer>> {
    let given = args.peer.iter().map(|definition| Peer::parse(definition));
    let given = given.collect::<Result<Vec<Peer>>>()?;
    let wanted = |name: &str| args.peers.is_empty() || args.peers.iter().any(|peer| peer == name);
    let found = |name: &str| wanted(name) && !given.iter().any(|peer| peer.name == name);
    let mut peers = Vec::new();
    if found(PAGEWALK) {
        peers.push(Peer::pagewalk(&pagewalk()?)?);
    }
    let missing = |name| {
        complain(format_args!(
            "{name} is not installed and left out; scripts/setup --peers gets it"
        ));
    };
    if found(QEMU) {
        Peer::qemu().map_or_else(|| missing(QEMU), |peer| peers.push(peer));
    }
    if found(SPIKE) {
        Peer::spike()?.map_or_else(|| missing(SPIKE), |peer| peers.push(peer));
    }
    if found(NATIVE) {
        peers.push(Peer::native());
    }
    let known = [PAGEWALK, QEMU, SPIKE, NATIVE];
    let nobody = args.peers.iter().find(|name| {
        !known.contains(&name.as_str()) && !given.iter().any(|peer| peer.name == **name)
    });
    if let Some(nobody) = nobody {
        bail!("there is no peer {nobody}; --peer {nobody}=COMMAND makes one");
    }
    peers.extend(given.into_iter().filter(|peer| wanted(&peer.name)));
    Ok(peers)
}

/// Builds the programs that may have rows of that name.
fn build(peers: &[Peer], only: Option<&str>) -> Result<Vec<Built>> {
    let wanted: Vec<_> =
        PROGRAMS.iter().filter(|program| catalogue::may_print(program.name, only)).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let guests = crate::guest::executables()?;
    let is_native = peers.iter().any(|peer| peer.name == NATIVE);
    let portable = || wanted.iter().filter(|program| program.portable).map(|program| program.name);
    let natives = match is_native && portable().next().is_some() {
        true => build_native(portable())?,
        false => Vec::new(),
    };
    let built = |name: &str| {
        let is_portable = portable().any(|portable| portable == name);
        let native = (is_native && is_portable).then(|| peers::find(&natives, name));
        let guest = peers::find(&guests, name)?;
        Ok(Built { name: name.to_owned(), guest, native: native.transpose()? })
    };
    wanted.iter().map(|program| built(program.name)).collect()
}

/// Builds programs for the host; their paths.
fn build_native<'a>(names: impl Iterator<Item = &'a str>) -> Result<Vec<PathBuf>> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--release", "--package", "guest"]);
    cargo.arg("--message-format=json-render-diagnostics");
    for name in names {
        cargo.args(["--bin", name]);
    }
    let output = cargo.current_dir(root()).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
    let output = output.context("cannot start cargo")?;
    if !output.status.success() {
        bail!("building the benchmark programs for the host failed ({})", output.status);
    }
    crate::guest::programs(
        &String::from_utf8(output.stdout).context("cargo's messages are not UTF-8")?,
    )
}

/// This machine.
fn host() -> Host {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu_model(&cpuinfo).unwrap_or(std::env::consts::ARCH).to_owned();
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    Host { cpu, cpus }
}

fn cpu_model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    line.split_once(':').map(|(_, model)| model.trim())
}

fn list(args: &Args) -> Result<()> {
    say("peers:");
    for peer in peers(args, || Ok(root().join("target/release/pagewalk")))? {
        let info = peer.info();
        say(format_args!("  {:10} {}", info.name, info.command));
    }
    say("programs:");
    for program in &PROGRAMS {
        let native = if program.portable { ", also for the host" } else { "" };
        say(format_args!("  {}{native}", program.name));
    }
    say("rows, by the first part of their name:");
    for group in &GROUPS {
        let by = match group.programs {
            [] => format!("whole processes ({STARTUP})"),
            programs => programs.join(", "),
        };
        say(format_args!("  {:26} {:28} {by}", group.title, group.heads.join(" ")));
    }
    say("goals:");
    for line in goals::list() {
        say(format_args!("  {line}"));
    }
    Ok(())
}
