//! What gdb can do with the machine: [`Debuggee`] answers the stub's questions about registers,
//! memory and threads, each hart being a thread, numbered from 1; keeps breakpoints; and resumes.
//! How the machine then runs and comes to a stop is in `resume.rs`.

use std::collections::BTreeSet;
use std::convert::Infallible;

use gdbstub::common::{Signal, Tid};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadRangeStepping, MultiThreadRangeSteppingOps, MultiThreadResume,
    MultiThreadResumeOps, MultiThreadSchedulerLocking, MultiThreadSchedulerLockingOps,
    MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::single_register_access::{
    SingleRegisterAccess, SingleRegisterAccessOps,
};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps,
    SwBreakpoint, SwBreakpointOps, WatchKind as StubWatchKind,
};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps, output};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{Target, TargetError, TargetResult};
use gdbstub_arch::riscv::Riscv64;
use gdbstub_arch::riscv::reg::RiscvCoreRegs;

use super::registers::{self, Register};
use super::resume::{Action, tid_of};
use super::{Bounds, memory};
use crate::addr::{Privilege, VirtAddr};
use crate::debug::view::Space;
use crate::engine::{Place, Stops, WatchKind, Watchpoint};
use crate::machine::Machine;
use crate::machine::run::{Activity, Runner};

/// Breakpoints that can be set, of each kind.
const MAX_BREAKPOINTS: usize = 4096;
/// Watchpoints that can be set: each is looked at with each access.
const MAX_WATCHPOINTS: usize = 64;

/// The machine, as the stub sees it during one session.
pub(super) struct Debuggee<'m> {
    pub(super) machine: &'m mut Machine,
    pub(super) bounds: &'m Bounds<'m>,
    pub(super) software: BTreeSet<VirtAddr>,
    hardware: BTreeSet<VirtAddr>,
    watchpoints: Vec<Watchpoint>,
    /// What each hart does when the machine is resumed.
    pub(super) actions: Vec<Action>,
    /// Where each hart stood when it was; empty after a reset.
    pub(super) set_out: Vec<Place>,
    /// The hart whose step has led into the machine's own firmware.
    pub(super) in_firmware: Option<usize>,
    /// What addresses of memory are addresses of.
    pub(super) space: Space,
    /// Index of the hart that the user looks at.
    pub(super) current: usize,
    description: String,
    /// The user wants the machine to end.
    pub(super) quits: bool,
}

type Answer<T> = TargetResult<T, Debuggee<'static>>;

impl<'m> Debuggee<'m> {
    pub(super) fn new(machine: &'m mut Machine, bounds: &'m Bounds<'m>) -> Self {
        let description = registers::description(machine.hart(0), &machine.bus);
        Self {
            machine,
            bounds,
            software: BTreeSet::new(),
            hardware: BTreeSet::new(),
            watchpoints: Vec::new(),
            actions: Vec::new(),
            set_out: Vec::new(),
            in_firmware: None,
            space: Space::Virtual,
            current: 0,
            description,
            quits: false,
        }
    }

    /// The session is over: every hart may run, and none stops.
    pub(super) fn release(&mut self) {
        self.machine.runners.iter_mut().for_each(|runner| runner.is_held = false);
        self.machine.engine.set_stops(Stops::default());
    }

    fn runner(&mut self, tid: Tid) -> Answer<&mut Runner> {
        self.machine.runners.get_mut(tid.get() - 1).ok_or(TargetError::NonFatal)
    }

    /// Tells the engine what harts are to stop at from here on.
    pub(super) fn arm(&mut self) {
        let harts = self.machine.runners.iter().map(|runner| &runner.hart);
        let stepping = harts.zip(&self.actions).filter(|(_, action)| action.is_step());
        let stops = Stops {
            breakpoints: self.software.union(&self.hardware).copied().collect(),
            watchpoints: self.watchpoints.clone(),
            stepping: stepping.map(|(hart, _)| hart.id()).collect(),
            leaving: self.set_out.clone(),
        };
        self.machine.engine.set_stops(stops);
    }

    fn set_action(&mut self, tid: Tid, action: Action) {
        if let Some(slot) = self.actions.get_mut(tid.get() - 1) {
            *slot = action;
        }
    }
}

impl Target for Debuggee<'_> {
    type Arch = Riscv64;
    type Error = Infallible;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Self::Error> {
        BaseOps::MultiThread(self)
    }

    // The connection is between two programs on one machine, mostly: runs are not worth encoding.
    fn use_rle(&self) -> bool {
        false
    }

    fn use_fork_stop_reason(&self) -> bool {
        false
    }

    fn use_vfork_stop_reason(&self) -> bool {
        false
    }

    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    fn support_target_description_xml_override(
        &mut self,
    ) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadBase for Debuggee<'_> {
    fn read_registers(&mut self, regs: &mut RiscvCoreRegs<u64>, tid: Tid) -> Answer<()> {
        let hart = &self.runner(tid)?.hart;
        regs.x.copy_from_slice(&hart.x[..32]);
        regs.pc = hart.pc.0;
        self.current = tid.get() - 1;
        Ok(())
    }

    fn write_registers(&mut self, regs: &RiscvCoreRegs<u64>, tid: Tid) -> Answer<()> {
        for (number, value) in (0..).zip(regs.x) {
            self.write_register(tid, Register::Gpr(number), &value.to_le_bytes())?;
        }
        self.write_register(tid, Register::Pc, &regs.pc.to_le_bytes())
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> Answer<usize> {
        self.runner(tid)?;
        memory::read(self.machine, (tid.get() - 1, self.space), start, data)
            .map_err(|memory::NotThere| TargetError::Errno(EFAULT))?;
        Ok(data.len())
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> Answer<()> {
        self.runner(tid)?;
        memory::write(self.machine, (tid.get() - 1, self.space), start, data)
            .map_err(|memory::NotThere| TargetError::Errno(EFAULT))
    }

    fn list_active_threads(&mut self, tell: &mut dyn FnMut(Tid)) -> Result<(), Infallible> {
        (0..self.machine.runners.len()).for_each(|index| tell(tid_of(index)));
        Ok(())
    }

    fn is_thread_alive(&mut self, tid: Tid) -> Result<bool, Infallible> {
        Ok(self.runner(tid).is_ok())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

/// The number that gdb knows by the name `EFAULT`.
const EFAULT: u8 = 14;

impl SingleRegisterAccess<Tid> for Debuggee<'_> {
    fn read_register(&mut self, tid: Tid, register: Register, data: &mut [u8]) -> Answer<usize> {
        self.runner(tid)?;
        let (hart, bus) = (self.machine.hart(tid.get() - 1), &self.machine.bus);
        let value = registers::read(hart, bus, register).ok_or(TargetError::NonFatal)?;
        let size_bytes = registers::size_bytes(register);
        data[..size_bytes].copy_from_slice(&value.to_le_bytes()[..size_bytes]);
        Ok(size_bytes)
    }

    fn write_register(&mut self, tid: Tid, register: Register, value: &[u8]) -> Answer<()> {
        self.runner(tid)?;
        if value.len() != registers::size_bytes(register) {
            return Err(TargetError::NonFatal);
        }
        let mut bytes = [0; 8];
        bytes[..value.len()].copy_from_slice(value);
        let Machine { runners, bus, .. } = self.machine;
        let Runner { hart, activity, .. } = &mut runners[tid.get() - 1];
        registers::write(hart, bus, register, u64::from_le_bytes(bytes))
            .map_err(|registers::Refused| TargetError::NonFatal)?;
        if matches!(register, Register::Pc) && *activity == Activity::Waiting {
            // Sent elsewhere, it waits no longer.
            *activity = Activity::Running;
        }
        Ok(())
    }
}

impl MultiThreadResume for Debuggee<'_> {
    fn clear_resume_actions(&mut self) -> Result<(), Infallible> {
        self.actions = vec![Action::Default; self.machine.runners.len()];
        Ok(())
    }

    // There are no signals that a hart could be continued with.
    fn set_resume_action_continue(
        &mut self,
        tid: Tid,
        _: Option<Signal>,
    ) -> Result<(), Infallible> {
        self.set_action(tid, Action::Continue);
        Ok(())
    }

    fn resume(&mut self) -> Result<(), Infallible> {
        let places = self.machine.runners.iter().map(|runner| Place::of(&runner.hart));
        self.set_out = places.collect();
        self.in_firmware = None;
        self.hold();
        self.arm();
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_range_step(&mut self) -> Option<MultiThreadRangeSteppingOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl MultiThreadSingleStep for Debuggee<'_> {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Infallible> {
        self.set_action(tid, Action::Step);
        Ok(())
    }
}

impl MultiThreadRangeStepping for Debuggee<'_> {
    fn set_resume_action_range_step(
        &mut self,
        tid: Tid,
        start: u64,
        end: u64,
    ) -> Result<(), Infallible> {
        self.set_action(tid, Action::StepOutOf { start, end });
        Ok(())
    }
}

impl MultiThreadSchedulerLocking for Debuggee<'_> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Infallible> {
        for action in &mut self.actions {
            if *action == Action::Default {
                *action = Action::Hold;
            }
        }
        Ok(())
    }
}

impl ThreadExtraInfo for Debuggee<'_> {
    fn thread_extra_info(&self, tid: Tid, out: &mut [u8]) -> Result<usize, Infallible> {
        let Some(runner) = self.machine.runners.get(tid.get() - 1) else { return Ok(0) };
        let mode = match runner.hart.privilege {
            Privilege::User => 'U',
            Privilege::Supervisor => 'S',
            Privilege::Machine => 'M',
        };
        let activity = match runner.activity {
            Activity::Running => "running",
            Activity::Waiting => "waiting for an interrupt",
            Activity::Stopped => "stopped",
        };
        let text = format!("hart {}, {mode}-mode, {activity}", runner.hart.id());
        let len = text.len().min(out.len());
        out[..len].copy_from_slice(&text.as_bytes()[..len]);
        Ok(len)
    }
}

impl Breakpoints for Debuggee<'_> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

/// Whether there was room for it.
fn add(set: &mut BTreeSet<VirtAddr>, at: u64) -> bool {
    let at = VirtAddr(at);
    (set.len() < MAX_BREAKPOINTS || set.contains(&at)) && {
        set.insert(at);
        true
    }
}

impl SwBreakpoint for Debuggee<'_> {
    fn add_sw_breakpoint(&mut self, at: u64, _kind: usize) -> Answer<bool> {
        Ok(add(&mut self.software, at))
    }

    fn remove_sw_breakpoint(&mut self, at: u64, _kind: usize) -> Answer<bool> {
        Ok(self.software.remove(&VirtAddr(at)))
    }
}

impl HwBreakpoint for Debuggee<'_> {
    fn add_hw_breakpoint(&mut self, at: u64, _kind: usize) -> Answer<bool> {
        Ok(add(&mut self.hardware, at))
    }

    fn remove_hw_breakpoint(&mut self, at: u64, _kind: usize) -> Answer<bool> {
        Ok(self.hardware.remove(&VirtAddr(at)))
    }
}

fn watchpoint(at: u64, len_bytes: u64, kind: StubWatchKind) -> Watchpoint {
    let kind = match kind {
        StubWatchKind::Read => WatchKind::Read,
        StubWatchKind::Write => WatchKind::Write,
        StubWatchKind::ReadWrite => WatchKind::Access,
    };
    Watchpoint { start: VirtAddr(at), len_bytes, kind }
}

impl HwWatchpoint for Debuggee<'_> {
    fn add_hw_watchpoint(&mut self, at: u64, len: u64, kind: StubWatchKind) -> Answer<bool> {
        let watchpoint = watchpoint(at, len, kind);
        if self.watchpoints.contains(&watchpoint) {
            return Ok(true);
        }
        let has_room = self.watchpoints.len() < MAX_WATCHPOINTS;
        self.watchpoints.extend(has_room.then_some(watchpoint));
        Ok(has_room)
    }

    fn remove_hw_watchpoint(&mut self, at: u64, len: u64, kind: StubWatchKind) -> Answer<bool> {
        let watchpoint = watchpoint(at, len, kind);
        let count = self.watchpoints.len();
        self.watchpoints.retain(|set| *set != watchpoint);
        Ok(self.watchpoints.len() < count)
    }
}

impl MonitorCmd for Debuggee<'_> {
    fn handle_monitor_cmd(
        &mut self,
        line: &[u8],
        mut out: ConsoleOutput<'_>,
    ) -> Result<(), Infallible> {
        let said = self.machine.command(self.current, &String::from_utf8_lossy(line));
        self.quits |= said.quits;
        output!(out, "{}", said.text);
        Ok(())
    }
}

impl TargetDescriptionXmlOverride for Debuggee<'_> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        out: &mut [u8],
    ) -> Answer<usize> {
        if annex != b"target.xml" {
            return Err(TargetError::NonFatal);
        }
        let whole = self.description.as_bytes();
        let start = usize::try_from(offset).map_or(whole.len(), |offset| offset.min(whole.len()));
        let rest = &whole[start..];
        let len = rest.len().min(length).min(out.len());
        out[..len].copy_from_slice(&rest[..len]);
        Ok(len)
    }
}
