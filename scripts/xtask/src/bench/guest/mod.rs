//! `cargo xtask bench --guest`: what swapping costs the guest operating system, and what its load
//! control and its policies of replacement bring, measured with the guest's program `swapbench`.
//! All figures are counted instructions, pages, or time that is counted instructions, so they are
//! the same on every host.
//!
//! `machine.rs` runs the program, `measure.rs` says with what and collects; `strings.rs` has the
//! reference strings that are recorded; `results.rs` the figures and goals, `show.rs` their tables.

mod machine;
mod measure;
mod results;
mod show;
mod strings;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::{Args, folder, peers, readme, write};
use crate::lockstep::simulator;
use crate::{complain, guest, root, say};
use machine::Machine;
use results::Results;

/// Where the README finds the chart, from the root of the workspace, and all results.
const CHART: &str = "benches/guest.svg";
const JSON: &str = "benches/guest.json";
/// Of a run, which takes a minute at most where nobody else computes.
const TIMEOUT_SECONDS: u64 = 900;

/// Runs what `args` ask for.
///
/// # Errors
/// A build that fails, a file that cannot be read or written.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let results = match &args.from {
        Some(file) => read(file)?,
        None => {
            let extent = if args.quick { measure::QUICK } else { measure::FULL };
            measure::measure(&machine(args)?, extent, |line| complain(format_args!("{line}")))
        }
    };
    say(show::table(&results).trim_end());
    let (chart, json) = (show::chart(&results), results.to_json().context("results as JSON")?);
    if args.from.is_none() || args.json.is_some() {
        write(args.json.clone().unwrap_or_else(|| folder().join("guest.json")), &json)?;
    }
    write(args.svg.clone().unwrap_or_else(|| folder().join("guest.svg")), &chart)?;
    if args.readme {
        let path = root().join("README.md");
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        write(path, &readme::replaced(&text, show::MARKS, &show::section(&results))?)?;
        write(root().join(CHART), &chart)?;
        write(root().join(JSON), &json)?;
    }
    Ok(if results.are_sound() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Builds the emulator and the guest.
fn machine(args: &Args) -> Result<Machine> {
    let built = guest::build_operating_system()?;
    let folder = folder();
    let target = folder.parent().unwrap_or(Path::new("")).to_owned();
    Ok(Machine {
        pagewalk: simulator::build_pagewalk()?,
        bundle: built.bundle,
        program: peers::find(&built.programs, "swapbench")?,
        folder: folder.join("guest"),
        linux: target.join("linux"),
        timeout_seconds: args.timeout.unwrap_or(TIMEOUT_SECONDS),
    })
}

/// The figures of a former run.
fn read(file: &Path) -> Result<Results> {
    let name = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {name}"))?;
    serde_json::from_str(&text).with_context(|| format!("{name} is not a file of results"))
}
