//! A short run of `cargo xtask lockstep`: random programs of every kind, always the same ones, on
//! Pagewalk and on Spike. Where no Spike is found, all are reported as ignored, with the reason.

#![forbid(unsafe_code)]

use std::process::{Command, Output, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
/// Kinds of programs, and how many of each.
const KINDS: [(&str, u32); 5] =
    [("user", 4), ("fp", 4), ("atomics", 4), ("compressed", 4), ("supervisor", 12)];
/// Any will do: new ones are what the command itself is for.
const SEED: &str = "1";
/// `cargo xtask lockstep --which` found no Spike.
const EXIT_NO_SPIKE: i32 = 3;
/// Instructions of a program.
const INSNS: &str = "4000";

fn main() {
    let mut arguments = Arguments::from_args();
    // Each runs two programs at a time already.
    arguments.test_threads = arguments.test_threads.or(Some(1));
    let missing = missing_spike();
    if let Some(reason) = &missing {
        report(&format!("{} lockstep tests are skipped: {reason}", KINDS.len()));
    }
    let trials = KINDS.map(|(kind, count)| {
        Trial::test(kind, move || lockstep(kind, count)).with_ignored_flag(missing.is_some())
    });
    libtest_mimic::run(&arguments, trials.into()).exit();
}

/// Why nothing can be compared here, in a line.
fn missing_spike() -> Option<String> {
    let output = xtask(&["--which"]);
    let complaint = String::from_utf8_lossy(&output.stderr);
    let missing = output.status.code() == Some(EXIT_NO_SPIKE);
    assert!(missing || output.status.success(), "{complaint}");
    missing.then(|| complaint.lines().last().unwrap_or_default().to_owned())
}

fn lockstep(kind: &str, count: u32) -> Result<(), Failed> {
    let count = count.to_string();
    let pagewalk = env!("CARGO_BIN_EXE_pagewalk");
    let output = xtask(&[
        "--kind",
        kind,
        "--seed",
        SEED,
        "--count",
        &count,
        "--insns",
        INSNS,
        "--pagewalk",
        pagewalk,
    ]);
    if output.status.success() {
        return Ok(());
    }
    let [found, complaint] = [&output.stdout, &output.stderr].map(|t| String::from_utf8_lossy(t));
    Err(format!("{found}{complaint}").into())
}

fn xtask(arguments: &[&str]) -> Output {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let command = &mut Command::new(cargo);
    command.args(["xtask", "lockstep"]).args(arguments).current_dir(ROOT).stdin(Stdio::null());
    command.output().expect("cargo can be started")
}

#[expect(clippy::print_stderr, reason = "the harness has no other way to say why it skips")]
fn report(text: &str) {
    eprintln!("{text}");
}
