//! `pagewalk run`: one program on one machine, with its console on standard output and input.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;

use anyhow::{Context, Error, Result, bail};

use super::args::RunArgs;
use super::stdio::Stdio;
use super::{HostTrouble, build, diagnose, exit, signals};
use crate::addr::VirtAddr;
use crate::debug::{CommitLog, Observers};
use crate::engine::{Engine, Interpreter};
use crate::isa::Extensions;
use crate::machine::{Limits, Machine, Stop, StopRequest};

/// Runs the program that `args` name; yields the exit code.
pub(super) fn run(args: &RunArgs) -> Result<u8> {
    let boot = args.boot.spec().map_err(Error::msg)?;
    let devices = args.devices.spec().map_err(Error::msg)?;
    refuse_what_is_missing(args)?;
    let path = boot.name().to_owned();
    if let Some(first) = args.boot.args.first() {
        // Checked before anything runs: an option behind FILE is easily a slip.
        bail!(
            "{}: a program without an operating system takes no arguments, but `{first}` is given \
             (options go before FILE)",
            path.display()
        );
    }
    let config = build::config(args)?;
    let plan = build::boot(boot)?.plan(&config)?;
    let engine = engine(config.extensions, observers(args.debug.log_commits.as_deref())?);
    let (stdio, ends) = Stdio::new(&devices.streams);
    let console = build::console(&devices.streams.serial)?;
    let devices = build::devices(devices, args.devices.seed)?;
    let mut machine = Machine::new(config, plan, devices, engine, console, ends.input)
        .with_context(|| format!("cannot run {}", path.display()))?;
    signals::watch(machine.control().clone()).context("cannot watch for signals")?;
    let raw_mode = stdio.start(machine.control()).context("cannot use the terminal")?;
    let stop = run_to_the_end(&mut machine, args);
    drop(raw_mode);
    let code = report(&machine, &path, stop);
    machine.finish().map_err(|source| {
        // Nothing but a commit log holds anything back.
        let log = args.debug.log_commits.as_deref().unwrap_or(&path);
        HostTrouble { what: log.display().to_string(), source }
    })?;
    Ok(code)
}

/// Options that are understood, but that nothing answers to.
fn refuse_what_is_missing(args: &RunArgs) -> Result<()> {
    let debug = &args.debug;
    for (what, is_asked) in [
        ("gdb", debug.gdb().map_err(Error::msg)?.is_some()),
        ("-d", !debug.log_items.is_empty() || debug.log_file.is_some()),
        ("a filter", !debug.trace_mode.is_empty() || !debug.trace_symbol.is_empty()),
        ("--stats", debug.stats),
    ] {
        if is_asked {
            bail!("{what} is not possible yet");
        }
    }
    Ok(())
}

/// Runs, and starts again as often as the program asks.
fn run_to_the_end(machine: &mut Machine, args: &RunArgs) -> Stop {
    let limits = args.limits.limits(None);
    let started = std::time::Instant::now();
    loop {
        let timeout = limits.timeout.map(|limit| limit.saturating_sub(started.elapsed()));
        match machine.run(&Limits { timeout, ..limits.clone() }) {
            Stop::Reset if !args.no_reboot => machine.reset(),
            stop => return stop,
        }
    }
}

/// Says why a run that did not end by itself has ended; yields the exit code.
fn report(machine: &Machine, path: &Path, stop: Stop) -> u8 {
    let name = path.display();
    let at = |pc: VirtAddr| Place { machine, pc }.to_string();
    let insns = machine.retired_insns();
    match stop {
        Stop::Exit(code) => status(code),
        // Only with -no-reboot: every other one is answered where the machine runs.
        Stop::Reset => exit::QUIT,
        Stop::InsnLimit => {
            let pc = at(machine.hart(0).pc);
            diagnose(format_args!("{name}: instruction limit reached after {insns}, at {pc}"));
            exit::INSN_LIMIT
        }
        Stop::Timeout => {
            let pc = at(machine.hart(0).pc);
            diagnose(format_args!(
                "{name}: time limit reached after {insns} instructions, at {pc}"
            ));
            exit::TIMEOUT
        }
        Stop::Request(StopRequest::Quit) => exit::QUIT,
        Stop::Request(StopRequest::Signal(number)) => exit::signal(number),
        Stop::OutputLost => {
            let failure = machine.console().take_failure();
            // Whoever closes a pipe (`pagewalk FILE | head`) knows.
            if let Some(error) = failure.filter(|error| error.kind() != ErrorKind::BrokenPipe) {
                diagnose(format_args!("{name}: cannot write the console's output: {error}"));
            }
            exit::HOST
        }
        Stop::TrapLoop { hart, pc } => {
            diagnose(format_args!(
                "{name}: trap loop after {insns} instructions: hart {hart} raises an exception at \
                 its own trap handler, at {}",
                at(pc)
            ));
            exit::TRAP_LOOP
        }
        Stop::Asleep { pc } => {
            diagnose(format_args!(
                "{name}: asleep after {insns} instructions: wfi before {} waits for an interrupt, \
                 and none that is enabled can come",
                at(pc)
            ));
            exit::ASLEEP
        }
    }
}

/// An address, with the symbol that it belongs to where one is known.
struct Place<'a> {
    machine: &'a Machine,
    pc: VirtAddr,
}

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pc {}", self.pc)?;
        match self.machine.symbols().nearest(self.pc.0) {
            Some((symbol, 0)) => write!(f, " <{}>", symbol.name),
            Some((symbol, offset)) => write!(f, " <{}+{offset:#x}>", symbol.name),
            None => Ok(()),
        }
    }
}

/// The exit status for a guest's exit code. Only the low byte of a status survives on the host:
/// a code that this would turn into success becomes 255.
pub(super) fn status(code: u64) -> u8 {
    match code as u8 {
        0 if code != 0 => u8::MAX,
        low => low,
    }
}

/// Those who were asked to watch.
fn observers(log_commits: Option<&Path>) -> Result<Observers> {
    let create = |path: &Path| {
        File::create(path).with_context(|| format!("cannot write {}", path.display()))
    };
    let commit_log = match log_commits {
        Some(path) => Some(CommitLog::new(Box::new(create(path)?) as _, 0)),
        None => None,
    };
    Ok(Observers { commit_log, ..Observers::default() })
}

/// The engine for harts with `extensions`, watched by `observers`.
fn engine(extensions: Extensions, observers: Observers) -> Box<dyn Engine> {
    match observers.is_empty() {
        true => Box::new(Interpreter::new(extensions)),
        false => Box::new(Interpreter::with_observer(extensions, observers)),
    }
}
