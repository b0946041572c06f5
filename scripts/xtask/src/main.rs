//! `cargo xtask`: chores of the workspace that need more than a shell line. Each command has a
//! file of its own.

#![forbid(unsafe_code)]

#[cfg(feature = "emulator")]
mod bench;
mod guest;
#[cfg(feature = "emulator")]
mod lockstep;
#[cfg(feature = "emulator")]
mod man;
mod toolchain;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

/// Chores of the Pagewalk workspace.
#[derive(Debug, Parser)]
#[command(bin_name = "cargo xtask", max_term_width = 100)]
enum Command {
    /// Measure Pagewalk and its peers on the same programs; a table, JSON and a chart.
    #[cfg(feature = "emulator")]
    Bench(bench::Args),
    /// Cross-compile what runs on the emulator; print the path of each, a line each.
    Guest(guest::Options),
    /// Compare commit logs of random programs with Spike's.
    #[cfg(feature = "emulator")]
    Lockstep(lockstep::Args),
    /// Write the manual pages.
    #[cfg(feature = "emulator")]
    Man(man::Options),
}

fn main() -> ExitCode {
    let result = match Command::parse() {
        #[cfg(feature = "emulator")]
        Command::Bench(args) => bench::run(&args),
        Command::Guest(options) => guest::build(&options),
        #[cfg(feature = "emulator")]
        Command::Lockstep(args) => lockstep::run(&args),
        #[cfg(feature = "emulator")]
        Command::Man(options) => man::write(&options),
    };
    result.unwrap_or_else(|error| {
        complain(format_args!("error: {error:#}"));
        ExitCode::FAILURE
    })
}

/// The workspace's root.
fn root() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("scripts/xtask is two levels deep").to_path_buf()
}

#[expect(clippy::print_stderr, reason = "diagnostics go to standard error")]
fn complain(text: std::fmt::Arguments<'_>) {
    eprintln!("{text}");
}

#[expect(clippy::print_stdout, reason = "the result of a command goes to standard output")]
fn say(text: impl std::fmt::Display) {
    println!("{text}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Command::command().debug_assert();
    }

    #[test]
    fn the_root_is_the_workspace() {
        assert!(root().join("rust-toolchain.toml").is_file());
    }
}
