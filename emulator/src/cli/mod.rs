//! The `pagewalk` command: options in `args.rs` and `qemu.rs`, their values in `values.rs`,
//! `devices.rs`, `disks.rs` and `streams.rs`, one file per verb, the terminal in `stdio.rs` and `terminal.rs`,
//! and here what they share: exit codes, diagnostics, the way from the command line to a verb.
//!
//! Standard output belongs to the guest's console, or to the report that a verb is asked for;
//! everything else goes to standard error through `diagnose`.

mod args;
mod build;
mod bundle;
mod devices;
mod disasm;
mod disks;
mod dts;
mod escapes;
mod listing;
mod program;
mod props;
mod qemu;
mod run;
mod signals;
mod stdio;
mod streams;
mod suite;
mod terminal;
mod values;
mod watch;

use std::ffi::OsString;
use std::fmt;
use std::io::Write;
use std::process::ExitCode;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Verb};

/// Exit codes that do not come from the guest. The help text lists them.
mod exit {
    /// The user has quit.
    pub(super) const QUIT: u8 = 0;
    /// `pagewalk test`: some test has failed.
    pub(super) const TESTS_FAILED: u8 = 1;
    /// Wrong usage, or an input that cannot be used.
    pub(super) const BAD_INPUT: u8 = 2;
    /// The limit of instructions was reached.
    pub(super) const INSN_LIMIT: u8 = 120;
    /// A hart faults in its own trap handler, for ever.
    pub(super) const TRAP_LOOP: u8 = 121;
    /// All harts wait for interrupts that cannot come.
    pub(super) const ASLEEP: u8 = 122;
    /// A disk has cut the power, as the user wanted.
    pub(super) const POWER_CUT: u8 = 123;
    /// The time limit was reached.
    pub(super) const TIMEOUT: u8 = 124;
    /// The host let the emulator down: a full disk, a closed pipe.
    pub(super) const HOST: u8 = 125;

    /// A signal of the host has ended the run: as shells report it.
    pub(super) fn signal(number: i32) -> u8 {
        const SIGNAL: i32 = 128;
        u8::try_from(SIGNAL + number).unwrap_or(HOST)
    }
}

/// The whole program: reads the command line, does what it says, yields the exit code.
pub fn main() -> ExitCode {
    init_log();
    let words: Vec<_> = std::env::args_os().collect();
    if let Some(text) = listing::asked_for(&words) {
        // Who closes standard output does not read it.
        let _closed = std::io::stdout().lock().write_all(text.as_bytes());
        return ExitCode::SUCCESS;
    }
    let cli = match parse(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version come this way too; clap sends them to standard output with 0.
            let _closed = error.print();
            return ExitCode::from(error.exit_code() as u8);
        }
    };
    let done = match cli.verb {
        Verb::Run(args) => run::run(&args),
        Verb::Test(args) => suite::run(&args),
        Verb::Disasm(args) => disasm::run(&args),
        Verb::Dts(args) => dts::run(&args),
    };
    match done {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            diagnose(format_args!("{error:#}"));
            let is_host = error.downcast_ref::<HostTrouble>().is_some();
            ExitCode::from(if is_host { exit::HOST } else { exit::BAD_INPUT })
        }
    }
}

/// The command line as clap knows it, for those who make documentation of it.
pub fn command() -> clap::Command {
    Cli::command()
}

/// What the command line says.
fn parse(words: Vec<OsString>) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    command.build();
    let words = qemu::modernise(words, &mut command)?;
    let matches = command.try_get_matches_from_mut(words).map_err(|mut error| {
        if error.kind() == ErrorKind::UnknownArgument {
            // Advice to put `--` before the misspelt option helps nobody.
            error.remove(ContextKind::Suggested);
        }
        error
    })?;
    Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

/// Writing a result failed for the reason that is its source; unlike bad input this is nobody's mistake.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {what}")]
struct HostTrouble {
    what: String,
    source: std::io::Error,
}

/// Tells the user something that is not a result.
fn diagnose(text: fmt::Arguments<'_>) {
    // Nobody is left to be told of a failure here.
    let _closed = writeln!(std::io::stderr().lock(), "pagewalk: {text}");
}

fn init_log() {
    let variable = ["PAGEWALK_LOG", "RUST_LOG"].into_iter().find(|v| std::env::var_os(v).is_some());
    let env = env_logger::Env::new().filter_or(variable.unwrap_or("PAGEWALK_LOG"), "error");
    env_logger::Builder::from_env(env).init();
}
