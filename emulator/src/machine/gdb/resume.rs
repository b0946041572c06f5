//! The machine between two stops of a session: harts that continue, step or are held, and what
//! gdb is told when one of them halts or the run ends.

use gdbstub::common::{Signal, Tid};
use gdbstub::stub::{BaseStopReason, MultiThreadStopReason};
use gdbstub::target::ext::breakpoints::WatchKind as StubWatchKind;

use super::OnReset;
use super::target::Debuggee;
use crate::addr::VirtAddr;
use crate::debug::post_mortem::{self, Why};
use crate::engine::{Exit, Place, WatchKind};
use crate::machine::run::{Activity, Halt, Runner};
use crate::machine::{Stop, StopRequest};

/// What a hart does when the machine is resumed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// What all do of whom nothing was said: continue.
    Default,
    /// It runs.
    Continue,
    /// It stops after one instruction or trap.
    Step,
    /// It steps for as long as its pc is between these.
    StepOutOf {
        /// The first address of the range.
        start: u64,
        /// The first behind it.
        end: u64,
    },
    /// It stays where it is.
    Hold,
}

impl Action {
    pub(super) fn is_step(self) -> bool {
        matches!(self, Self::Step | Self::StepOutOf { .. })
    }
}

/// Why the machine does not run any more.
pub(super) struct Pause {
    /// What gdb's user should know of it.
    pub(super) why: Option<Why>,
    /// What gdb is told.
    pub(super) reason: MultiThreadStopReason<u64>,
    /// The run is over, and with it the session.
    pub(super) end: Option<Stop>,
}

/// The thread that the hart with this index is.
pub(super) fn tid_of(index: usize) -> Tid {
    Tid::MIN.saturating_add(index)
}

impl Debuggee<'_> {
    /// Keeps those harts from running that are to be held.
    pub(super) fn hold(&mut self) {
        for (runner, action) in self.machine.runners.iter_mut().zip(&self.actions) {
            runner.is_held = *action == Action::Hold;
        }
    }

    /// Runs the machine for a while. What there is to tell if it has come to a stop.
    pub(super) fn advance(&mut self) -> Option<Pause> {
        // Where one hart steps, the others do not run away in the meantime.
        let steps = self.actions.iter().any(|action| action.is_step());
        let max_insns = if steps { 1 } else { u64::MAX };
        let stop = self.machine.advance(self.bounds.limits, self.bounds.started, max_insns);
        let halt = self.machine.halted.take();
        let pause = match stop {
            Some(Stop::Reset) if self.bounds.on_reset == OnReset::Restart => {
                self.machine.reset();
                // Nobody has set out from where harts now are: a breakpoint there is met.
                self.set_out.clear();
                self.hold();
                self.arm();
                return None;
            }
            Some(stop) => Some(pause(stop)),
            None => self.halted(halt),
        };
        if pause.is_some() {
            self.machine.console.flush();
        }
        pause
    }

    fn halted(&mut self, halt: Option<Halt>) -> Option<Pause> {
        let stepped = match halt {
            None => self.in_firmware.take().or_else(|| self.slept()),
            Some(Halt { hart, exit: Exit::Step }) => Some(hart),
            Some(Halt { hart, exit }) => return Some(self.met(hart, exit)),
        }?;
        if self.machine.hart(stepped).is_in_host_firmware() {
            // The step ends where the firmware, which is not the guest's to see, leads back to.
            self.in_firmware = Some(stepped);
            return None;
        }
        let pc = self.machine.hart(stepped).pc.0;
        if let Action::StepOutOf { start, end } = self.actions[stepped]
            && (start..end).contains(&pc)
        {
            return None;
        }
        Some(Pause::signal(stepped, Signal::SIGTRAP))
    }

    /// The hart whose step was a `wfi` that now waits.
    fn slept(&self) -> Option<usize> {
        let runners = self.machine.runners.iter().zip(&self.actions).zip(&self.set_out);
        let slept = |((runner, action), set_out): ((&Runner, &Action), &Place)| {
            let waits = runner.activity == Activity::Waiting;
            waits && action.is_step() && Place::of(&runner.hart) != *set_out
        };
        runners.into_iter().position(slept)
    }

    /// What there is to tell of a hart that has come to a breakpoint or touched what is watched.
    fn met(&self, hart: usize, exit: Exit) -> Pause {
        let tid = tid_of(hart);
        let pc = self.machine.hart(hart).pc;
        let reason = match exit {
            Exit::Watchpoint { at: VirtAddr(addr), kind } => {
                let kind = match kind {
                    WatchKind::Read => StubWatchKind::Read,
                    WatchKind::Write => StubWatchKind::Write,
                    WatchKind::Access => StubWatchKind::ReadWrite,
                };
                MultiThreadStopReason::Watch { tid, kind, addr }
            }
            _ if self.software.contains(&pc) => MultiThreadStopReason::SwBreak(tid),
            _ => MultiThreadStopReason::HwBreak(tid),
        };
        Pause { why: None, reason, end: None }
    }

    /// What there is to tell when the user wants to interrupt the machine.
    pub(super) fn interrupted(&self) -> Pause {
        let running = self.machine.runners.iter().position(Runner::may_run);
        Pause::signal(running.unwrap_or(0), Signal::SIGINT)
    }

    /// The user looks at this thread now, if there is one.
    pub(super) fn look_at(&mut self, tid: Option<Tid>) {
        let index = tid.map(|tid| tid.get() - 1);
        let hart = index.filter(|index| *index < self.machine.runners.len());
        self.current = hart.unwrap_or(self.current);
    }

    /// What the user should read of `why`.
    pub(super) fn explain(&self, why: Why) -> String {
        self.machine.inspect(self.current, |view| post_mortem::screen(view, why))
    }

    /// What ends the run while nothing runs.
    pub(super) fn ended(&self) -> Option<Stop> {
        if self.quits {
            return Some(Stop::Request(StopRequest::Quit));
        }
        self.bounds.ended(self.machine)
    }
}

impl Pause {
    /// The thread that it is about.
    pub(super) fn tid(&self) -> Option<Tid> {
        match self.reason {
            BaseStopReason::SignalWithThread { tid, .. }
            | BaseStopReason::SwBreak(tid)
            | BaseStopReason::HwBreak(tid)
            | BaseStopReason::Watch { tid, .. } => Some(tid),
            _ => None,
        }
    }

    fn signal(hart: usize, signal: Signal) -> Self {
        let reason = MultiThreadStopReason::SignalWithThread { tid: tid_of(hart), signal };
        Self { why: None, reason, end: None }
    }

    fn end(stop: Stop, reason: MultiThreadStopReason<u64>) -> Self {
        Self { why: None, reason, end: Some(stop) }
    }
}

/// What there is to tell of the end of a run. What is an accident of the guest's does not end the
/// session: the user wants to look around.
fn pause(stop: Stop) -> Pause {
    use BaseStopReason::{Exited, Terminated};
    match stop {
        Stop::Exit(code) => Pause::end(stop, Exited(u8::try_from(code).unwrap_or(u8::MAX))),
        Stop::Reset | Stop::Request(StopRequest::Quit) => Pause::end(stop, Exited(0)),
        Stop::Request(StopRequest::Signal(number)) => {
            let number = u8::try_from(number).unwrap_or(Signal::SIGTERM.0);
            Pause::end(stop, Terminated(Signal(number)))
        }
        Stop::PowerCut => Pause::end(stop, Terminated(Signal::SIGPWR)),
        Stop::InsnLimit => Pause::end(stop, Terminated(Signal::SIGXCPU)),
        Stop::Timeout => Pause::end(stop, Terminated(Signal::SIGALRM)),
        Stop::OutputLost => Pause::end(stop, Terminated(Signal::SIGPIPE)),
        Stop::TrapLoop { hart, .. } => {
            Pause { why: Some(Why::TrapLoop { hart }), ..Pause::signal(hart, Signal::SIGSEGV) }
        }
        Stop::Asleep { .. } => {
            Pause { why: Some(Why::Asleep), ..Pause::signal(0, Signal::SIGTRAP) }
        }
    }
}
