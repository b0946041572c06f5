//! The loop that runs the machine: harts in turn on one host thread, time, devices, sleep.
//!
//! Everything outside the machine is looked at between slices, never inside one, and unless the
//! host's clock was asked for, time is a function of what has been executed: the same input gives
//! the same run, with any number of harts.

use std::sync::mpsc::TrySendError;
use std::time::{Duration, Instant};

use super::board::Line;
use super::config::{ClockSource, OnTrapLoop};
use super::console::Console;
use super::htif::Host;
use super::memory_map::TIMEBASE_HZ;
use super::platform::Board;
use super::{Limits, Machine, Stop, StopRequest};
use crate::bus::{INSN_NS, INSNS_PER_TICK, PowerRequest};
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

const _: () = assert!(
    TIMEBASE_HZ * INSNS_PER_TICK * INSN_NS == 1_000_000_000,
    "the harts are told how long a tick is"
);

/// By the host's clock, what a hart is supposed to take for an instruction at most.
const INSN_MAX_NS: u64 = 4 * INSN_NS;

/// What a terminal sends for the end of input: EOT, Ctrl-D.
const END_OF_TRANSMISSION: u8 = 4;

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
    source: ClockSource,
}

impl Clock {
    pub(super) fn new(source: ClockSource) -> Self {
        Self { now_insns: 0, source }
    }

    /// Time has come to `now_insns` by what was executed, or waited for. The host's clock needs not
    /// be told.
    fn pass_to(&mut self, now_insns: u64) {
        if self.source != ClockSource::Host {
            self.now_insns = now_insns;
        }
    }

    /// A time, in ticks, to which a turn of `budget_insns` that begins now, at `mtime`, surely does
    /// not come.
    fn turn_end(&self, mtime: u64, budget_insns: u64) -> u64 {
        let turn_ticks = match self.source {
            ClockSource::Host => TIMEBASE_HZ,
            _ => budget_insns / INSNS_PER_TICK + 1,
        };
        mtime.saturating_add(turn_ticks)
    }

    /// What a hart may execute before time has come to `at_insns`, which is later than now.
    fn insns_until(&self, at_insns: u64) -> u64 {
        let left = at_insns - self.now_insns;
        // By the host's clock harts take as long as they do: so they come near by several slices.
        if self.source == ClockSource::Host { left / INSN_MAX_NS + 1 } else { left }
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
        if self.flush() { stop } else { Stop::OutputLost }
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
        self.bus.set_clock(self.clock.now_insns, 0);
        let now_insns = self.bus.now_insns();
        self.clock.now_insns = now_insns;
        if now_insns - self.flushed_at_insns >= SLICE_INSNS {
            self.flushed_at_insns = now_insns;
            if !self.flush() {
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
            Some(PowerRequest::Cut) => return Some(Stop::PowerCut),
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

    /// Hands on the output of all consoles; yields whether none was lost.
    fn flush(&self) -> bool {
        self.consoles().for_each(Console::flush);
        !self.consoles().any(Console::has_failed)
    }

    fn feed_port(&mut self) {
        let Some(line) = self.line.as_ref().filter(|line| line.is_heard()) else { return };
        while let Some(byte) = self.held_back.take().or_else(|| self.input.take()) {
            match line.bytes.try_send(byte) {
                Ok(()) => {}
                Err(TrySendError::Full(byte) | TrySendError::Disconnected(byte)) => {
                    self.held_back = Some(byte);
                    return;
                }
            }
        }
        if self.input.has_ended() && self.typed_ends == 0 {
            self.line = None;
        }
    }

    /// The next time, later than now, at which something happens by itself, in instructions.
    fn deadline_insns(&self) -> Option<u64> {
        let timers = self.runners.iter().filter_map(|r| r.hart.csr.supervisor_deadline());
        let ticks = timers.filter(|ticks| *ticks > self.bus.mtime()).chain(self.bus.deadline());
        ticks.min().map(|ticks| ticks.saturating_mul(INSNS_PER_TICK))
    }

    /// Runs each running hart in turn, up to the next deadline, or until one halts.
    fn run_slice(&mut self, max_insns: u64) -> Option<Stop> {
        let now_insns = self.clock.now_insns;
        let to_deadline = self.deadline_insns().map_or(u64::MAX, |at| self.clock.insns_until(at));
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
            self.bus.turn_end = self.clock.turn_end(self.bus.mtime(), budget);
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
        self.clock.pass_to(now_insns + longest);
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
            None if self.may_hear_end() => {
                self.typed_ends -= 1;
                self.held_back = Some(END_OF_TRANSMISSION);
            }
            None if !self.may_hear_input() => {
                return Some(Stop::Asleep { pc: self.runners[0].hart.pc });
            }
            Some(at) if self.config.clock == ClockSource::Warp => self.clock.pass_to(at),
            _ => {
                let left_ns = deadline.map_or(u64::MAX, |at| (at - now_insns) * INSN_NS);
                self.flush();
                let slept = self.wait(MAX_SLEEP.min(Duration::from_nanos(left_ns)));
                let slept_insns = (slept.as_nanos() as u64 / INSN_NS).max(1);
                let woken = now_insns.saturating_add(slept_insns);
                self.clock.pass_to(deadline.map_or(woken, |at| woken.min(at)));
            }
        }
        None
    }

    /// Sleeps until there is input to send, at most for `limit`; yields the time slept.
    fn wait(&mut self, limit: Duration) -> Duration {
        if self.held_back.is_none() && self.is_heard() {
            return self.input.wait(limit);
        }
        // Input is of no use before the guest listens, and has taken what there is.
        let started = Instant::now();
        std::thread::sleep(limit);
        started.elapsed()
    }

    /// Whether the guest listens to input.
    fn is_heard(&self) -> bool {
        self.line.as_ref().is_some_and(Line::is_heard)
    }

    /// Whether input may still come, and some hart would be woken by it.
    fn may_hear_input(&self) -> bool {
        self.input.is_live() && self.would_wake()
    }

    /// Whether input has ended, and some hart would be woken by being told so.
    fn may_hear_end(&self) -> bool {
        let is_due = self.typed_ends > 0 && self.input.has_ended() && self.held_back.is_none();
        is_due && self.would_wake()
    }

    /// Whether input would wake some hart.
    fn would_wake(&self) -> bool {
        let waits = |runner: &Runner| runner.activity == Activity::Waiting;
        self.is_heard() && self.runners.iter().any(|r| waits(r) && r.hart.csr.listens_to_devices())
    }
}
