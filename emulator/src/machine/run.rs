//! The loop that runs the machine: harts in turn on one host thread, time, devices, sleep.
//!
//! Everything outside the machine is looked at between slices, never inside one, and unless the
//! host's clock was asked for, time is a function of what has been executed: the same input gives
//! the same run, with any number of harts.

use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use super::config::{ClockSource, OnTrapLoop};
use super::htif::Host;
use super::platform::Board;
use super::{Limits, Machine, Stop, StopRequest};
use crate::bus::{INSNS_PER_TICK, PowerRequest};
use crate::engine::Exit;
use crate::hart::Hart;

/// Instructions that the only hart runs at most before the machine looks at the world outside.
const SLICE_INSNS: u64 = 20_000;

/// The same where several harts take turns: one that waits for another spins for less long.
const SHARED_SLICE_INSNS: u64 = 5_000;

/// Repetitions of an exception, without a trap return between them, after which a hart is held
/// to be in a loop.
const TRAP_LOOP_TRAPS: u32 = 10_000;

/// A deadline as far as this is never: it comes after centuries, and time must not overflow.
const NEVER_INSNS: u64 = 1 << 63;

/// A hart at the full speed of the timebase retires one instruction in this time.
const INSN_NS: u64 = 1_000_000_000 / (super::memory_map::TIMEBASE_HZ * INSNS_PER_TICK);

/// The machine sleeps no longer than this before it looks whether it is to stop.
const MAX_SLEEP: Duration = Duration::from_millis(20);

/// What a hart is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Activity {
    /// It executes instructions.
    Running,
    /// It waits for an interrupt.
    Waiting,
    /// Firmware keeps it stopped until another hart starts it.
    Stopped,
}

/// One hart and what the loop knows of it.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) hart: Hart,
    pub(super) activity: Activity,
    /// A debugger keeps it where it is.
    pub(super) is_held: bool,
}

impl Runner {
    pub(super) fn may_run(&self) -> bool {
        self.activity == Activity::Running && !self.is_held
    }
}

/// A hart has come to what a debugger wants it to stop at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Halt {
    pub(super) hart: usize,
    pub(super) exit: Exit,
}

/// The machine's time in instructions: those executed by a hart that never waits.
#[derive(Debug)]
pub(super) struct Clock {
    now_insns: u64,
    /// When the host's clock stood at instruction 0, where that is what makes time pass.
    started: Option<Instant>,
}

impl Clock {
    pub(super) fn new(source: ClockSource) -> Self {
        let started = (source == ClockSource::Host).then(Instant::now);
        Self { now_insns: 0, started }
    }

    /// Takes over the host's time. A machine that was faster is not set back.
    fn catch_up(&mut self) {
        if let Some(started) = self.started {
            let host_insns = started.elapsed().as_nanos() as u64 / INSN_NS;
            self.now_insns = self.now_insns.max(host_insns);
        }
    }
}

impl Machine {
    /// Runs until something ends the run.
    pub fn run(&mut self, limits: &Limits) -> Stop {
        let started = Instant::now();
        let stop = loop {
            if let Some(stop) = self.advance(limits, started, u64::MAX) {
                break stop;
            }
        };
        self.conclude(stop)
    }

    /// What a run that `stop` has ended comes to.
    pub(super) fn conclude(&mut self, stop: Stop) -> Stop {
        self.console.flush();
        if self.console.has_failed() { Stop::OutputLost } else { stop }
    }

    /// One round of a run that has `started`: of at most a slice, and `max_insns` instructions.
    pub(super) fn advance(
        &mut self,
        limits: &Limits,
        started: Instant,
        max_insns: u64,
    ) -> Option<Stop> {
        if let Some(stop) = self.settle() {
            return Some(stop);
        }
        let insns_left = limits.max_insns.map(|max| max.saturating_sub(self.retired_insns));
        if insns_left == Some(0) {
            return Some(Stop::InsnLimit);
        }
        if limits.timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
            return Some(Stop::Timeout);
        }
        self.take_turn(insns_left.unwrap_or(u64::MAX).min(max_insns))
    }

    /// Lets every running hart run for a slice, of at most `max_insns` instructions, or sleeps.
    fn take_turn(&mut self, max_insns: u64) -> Option<Stop> {
        if self.runners.iter().any(Runner::may_run) {
            self.run_slice(max_insns)
        } else {
            self.sleep()
        }
    }

    /// Brings time, devices, the mailbox and interrupt lines up to date.
    fn settle(&mut self) -> Option<Stop> {
        self.clock.catch_up();
        let now_insns = self.clock.now_insns;
        self.bus.set_clock(now_insns, 0);
        if now_insns - self.flushed_at_insns >= SLICE_INSNS {
            self.flushed_at_insns = now_insns;
            self.console.flush();
            if self.console.has_failed() {
                return Some(Stop::OutputLost);
            }
        }
        self.serve_monitor();
        if let Some(request) = self.control.requested() {
            return Some(Stop::Request(request));
        }
        if let Some(code) = self.serve_mailbox() {
            return Some(Stop::Exit(code));
        }
        self.feed_port();
        self.bus.poll();
        self.bus.attention = false;
        match self.bus.power.take() {
            Some(PowerRequest::Off(code)) => return Some(Stop::Exit(code.into())),
            Some(PowerRequest::Reset) => return Some(Stop::Reset),
            None => {}
        }
        for Runner { hart, activity, .. } in &mut self.runners {
            hart.sample_lines(&self.bus);
            if *activity == Activity::Waiting && hart.csr.pending() != 0 {
                *activity = Activity::Running;
                if let Some(sbi) = &mut self.sbi {
                    sbi.woken(hart.id() as usize);
                }
            }
        }
        None
    }

    /// Answers the lines that somebody has typed for the monitor.
    fn serve_monitor(&mut self) {
        while let Some(line) = self.input.take_command() {
            let said = self.command(0, &line);
            if said.quits {
                self.control.request(StopRequest::Quit);
            }
            if let Some(screen) = &mut self.screen {
                // Who closes a screen does not look at it.
                let _closed = screen.write_all(said.text.as_bytes()).and_then(|()| screen.flush());
            }
        }
    }

    fn serve_mailbox(&mut self) -> Option<u64> {
        let htif = self.htif.as_mut()?;
        let (ram, console, input) = (&mut self.bus.ram, &self.console, &mut self.input);
        let code = htif.service(&mut Host { ram, console, input });
        // The engine stops at a store there, so that a command is seen at once.
        self.bus.ram.set_alarm(htif.tohost());
        self.spread_tracking();
        code
    }

    /// Takes from every hart's TLB what lets it store to newly tracked pages.
    fn spread_tracking(&mut self) {
        for page in self.bus.ram.take_newly_tracked() {
            self.runners.iter_mut().for_each(|runner| runner.hart.mmu.forbid_stores(page));
        }
    }

    fn feed_port(&mut self) {
        while let Some(byte) = self.held_back.take().or_else(|| self.input.take()) {
            match self.to_port.try_send(byte) {
                Ok(()) => {}
                Err(TrySendError::Full(byte) | TrySendError::Disconnected(byte)) => {
                    self.held_back = Some(byte);
                    return;
                }
            }
        }
    }

    /// The next time, later than now, at which something happens by itself, in instructions.
    fn deadline_insns(&self) -> Option<u64> {
        let timers = self.runners.iter().filter_map(|r| r.hart.csr.supervisor_deadline());
        let ticks = timers.filter(|ticks| *ticks > self.bus.mtime).chain(self.bus.deadline());
        ticks.min().map(|ticks| ticks.saturating_mul(INSNS_PER_TICK))
    }

    /// Runs each running hart in turn, up to the next deadline, or until one halts.
    fn run_slice(&mut self, max_insns: u64) -> Option<Stop> {
        let now_insns = self.clock.now_insns;
        let to_deadline = self.deadline_insns().map_or(u64::MAX, |at| at - now_insns);
        let slice = if self.runners.len() == 1 { SLICE_INSNS } else { SHARED_SLICE_INSNS };
        let budget = slice.min(to_deadline).min(max_insns);
        let mut longest = 0;
        let harts = self.runners.len();
        let first = self.first_turn;
        for index in (first..harts).chain(0..first) {
            let runner = &mut self.runners[index];
            if !runner.may_run() {
                continue;
            }
            let hart = &mut runner.hart;
            let before = hart.insns;
            self.bus.set_clock(now_insns, before);
            let exit = self.engine.run(hart, &mut self.bus, budget);
            let retired = hart.insns - before;
            self.retired_insns += retired;
            longest = longest.max(retired);
            match exit {
                Exit::Wait => runner.activity = Activity::Waiting,
                Exit::Firmware => self.serve_firmware(index),
                Exit::Budget | Exit::Attention => {}
                Exit::Breakpoint | Exit::Watchpoint { .. } | Exit::Step => {
                    self.halted = Some(Halt { hart: index, exit });
                }
            }
            let hart = &self.runners[index].hart;
            let is_looping = hart.trail.repeats() >= TRAP_LOOP_TRAPS;
            if is_looping && self.config.on_trap_loop == OnTrapLoop::Stop {
                return Some(Stop::TrapLoop { hart: index, pc: hart.pc });
            }
            self.end_turn(index);
            if self.halted.is_some() {
                // Whoever halts again and again must not keep the others from their turns.
                self.first_turn = (index + 1) % harts;
                break;
            }
            if self.bus.power.is_some() {
                break;
            }
        }
        self.clock.now_insns += longest;
        None
    }

    /// Serves the trap that has taken the hart with this index into the machine's own firmware.
    fn serve_firmware(&mut self, index: usize) {
        let Self { sbi, runners, bus, console, .. } = self;
        let sbi = sbi.as_mut().expect("a hart that traps into firmware was built for it");
        sbi.serve(&mut Board { runners, bus, console }, index);
    }

    /// The hart with this index hands over to the next one.
    fn end_turn(&mut self, index: usize) {
        if self.runners.len() > 1 {
            // Another hart may store to what this one has reserved; real harts lose reservations
            // as easily.
            self.runners[index].hart.reservation = None;
        }
        self.spread_tracking();
    }

    /// No hart runs: time passes, or jumps, to what they wait for.
    fn sleep(&mut self) -> Option<Stop> {
        let now_insns = self.clock.now_insns;
        let deadline = self.deadline_insns().filter(|at| *at < NEVER_INSNS);
        match deadline {
            None if !self.may_hear_input() => {
                return Some(Stop::Asleep { pc: self.runners[0].hart.pc });
            }
            Some(at) if self.config.clock == ClockSource::Warp => self.clock.now_insns = at,
            _ => {
                let left_ns = deadline.map_or(u64::MAX, |at| (at - now_insns) * INSN_NS);
                self.console.flush();
                let slept = self.input.wait(MAX_SLEEP.min(Duration::from_nanos(left_ns)));
                let slept_insns = (slept.as_nanos() as u64 / INSN_NS).max(1);
                let woken = now_insns.saturating_add(slept_insns);
                self.clock.now_insns = deadline.map_or(woken, |at| woken.min(at));
            }
        }
        None
    }

    /// Whether input may still come, and some hart would be woken by it.
    fn may_hear_input(&self) -> bool {
        let waits = |runner: &Runner| runner.activity == Activity::Waiting;
        self.input.is_live()
            && self.runners.iter().any(|r| waits(r) && r.hart.csr.listens_to_devices())
    }
}
