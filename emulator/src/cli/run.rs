//! `pagewalk run`: one program on one machine, with its console on standard output and input.

use std::io::{self, ErrorKind, IsTerminal};
use std::path::Path;

use anyhow::{Context, Error, Result};
use signal_hook::consts::SIGPIPE;

use super::args::{GdbSpec, ProgramSpec, RunArgs};
use super::build::Job;
use super::stdio::Stdio;
use super::streams::Owner;
use super::watch::{self, Watch};
use super::{build, diagnose, exit, signals};
use crate::debug::post_mortem::{self, Why};
use crate::debug::trace::TraceItems;
use crate::machine::board::WindowSize;
use crate::machine::gdb::{OnReset, Options, Server, StartMode};
use crate::machine::{Limits, Machine, Stop, StopRequest};

/// How often the guest's shell is told that its input has ended, which ends it: once for it, once
/// for each program that it has begun and that reads until then.
const TYPED_ENDS: u32 = 16;

/// Runs the program that `args` name; yields the exit code.
pub(super) fn run(args: &RunArgs) -> Result<u8> {
    if watch::items(&args.debug).has(TraceItems::HELP) {
        diagnose(format_args!("{}", TraceItems::help().trim_end()));
        return Ok(exit::QUIT);
    }
    let boot = args.boot.spec().map_err(Error::msg)?;
    // What is wrong with options is said before any file is read.
    args.devices.spec(Owner::Consoles).map_err(Error::msg)?;
    let gdb = args.debug.gdb().map_err(Error::msg)?;
    let path = boot.name().to_owned();
    let is_shell = boot.program == ProgramSpec::Guest;
    let Job { boot, owner } = build::job(boot, args)?;
    let devices = args.devices.spec(owner).map_err(Error::msg)?;
    let mut config = build::config(args, owner)?;
    if is_shell && !io::stdin().is_terminal() {
        config.typed_ends = TYPED_ENDS;
    }
    let plan = boot.plan(&config)?;
    let watch = Watch::new(&args.debug, &plan.symbols)?;
    let (engine, closing) = watch.engine(config.extensions, gdb.is_some());
    let (stdio, ends) = Stdio::new(&devices.streams);
    let console = build::console(&devices.streams.serial)?;
    let window = WindowSize::default();
    let devices = build::devices(devices, args.devices.seed, &window)?;
    let mut machine = Machine::new(config, plan, devices, engine, console, ends.input)
        .with_context(|| format!("cannot run {}", path.display()))?;
    machine.show_monitor(ends.screen);
    signals::watch(machine.control().clone(), window).context("cannot watch for signals")?;
    let server =
        gdb.as_ref().map(|gdb| Server::bind(&gdb.address.host, gdb.address.port)).transpose()?;
    let raw_mode = stdio.start(machine.control()).context("cannot use the terminal")?;
    let stop = match (server, gdb) {
        (Some(server), Some(gdb)) => serve_gdb(&server, &gdb, &mut machine, args)?,
        _ => run_to_the_end(&mut machine, args),
    };
    drop(raw_mode);
    let code = report(&machine, &path, owner, stop);
    closing.finish(machine)?;
    Ok(code)
}

/// Runs under the rule of whoever connects.
fn serve_gdb(
    server: &Server,
    gdb: &GdbSpec,
    machine: &mut Machine,
    args: &RunArgs,
) -> Result<Stop> {
    let start = if gdb.is_stopped { StartMode::Stopped } else { StartMode::Running };
    let on_reset = if args.no_reboot { OnReset::End } else { OnReset::Restart };
    if gdb.is_stopped {
        diagnose(format_args!("waiting for gdb at {}", server.address()));
    }
    Ok(server.serve(machine, &Options { start, on_reset, limits: args.limits.limits(None) })?)
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
fn report(machine: &Machine, path: &Path, owner: Owner, stop: Stop) -> u8 {
    let name = path.display();
    let insns = machine.retired_insns();
    let explain = |what: &str, why: Why| {
        let screen = machine.inspect(0, |view| post_mortem::screen(view, why));
        diagnose(format_args!("{name}: {what} after {insns} instructions\n{}", screen.trim_end()));
    };
    let brief = |what: &str| {
        let pc = machine.hart(0).pc;
        let label = machine.inspect(0, |view| view.label(pc.0));
        diagnose(format_args!("{name}: {what} after {insns} instructions, at pc {pc}{label}"));
    };
    match stop {
        Stop::Exit(code) => status(code),
        // Only with -no-reboot: every other one is answered where the machine runs.
        Stop::Reset => exit::QUIT,
        Stop::PowerCut => {
            brief("the power was cut");
            exit::POWER_CUT
        }
        Stop::InsnLimit => {
            brief("instruction limit reached");
            exit::INSN_LIMIT
        }
        Stop::Timeout => {
            brief("time limit reached");
            exit::TIMEOUT
        }
        Stop::Request(StopRequest::Quit) => exit::QUIT,
        Stop::Request(StopRequest::Signal(number)) => exit::signal(number),
        Stop::OutputLost => {
            let failure = machine.take_output_failure();
            // Whoever closes a pipe (`pagewalk FILE | head`) knows.
            match failure.filter(|error| error.kind() != ErrorKind::BrokenPipe) {
                None if owner != Owner::Consoles => return exit::signal(SIGPIPE),
                None => {}
                Some(error) => diagnose(format_args!("{name}: cannot write the output: {error}")),
            }
            exit::HOST
        }
        Stop::TrapLoop { hart, .. } => {
            explain("trap loop", Why::TrapLoop { hart });
            exit::TRAP_LOOP
        }
        Stop::Asleep { .. } => {
            explain("asleep", Why::Asleep);
            exit::ASLEEP
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
