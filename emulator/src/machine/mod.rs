//! The whole machine: [`Machine`] owns harts, bus and engine. What it is built from is in
//! `config.rs`, `board.rs` and `memory_map.rs`, what is loaded into it in `boot/` and `elf.rs`, and
//! the loop that runs it in `run.rs`; `firmware/` and `htif.rs` serve the guest from outside.

pub mod board;
pub mod boot;
pub mod config;
pub mod console;
pub(crate) mod cpio;
pub mod device_tree;
pub mod disk;
pub mod elf;
mod firmware;
pub mod gdb;
mod htif;
pub mod memory_map;
mod monitor;
mod platform;
pub mod random;
mod run;

use std::fmt;
use std::io::Write;

use crate::addr::{PAGE_SIZE_BYTES, Privilege, VirtAddr};
use crate::bus::{Bus, DeviceCount, Ram};
use crate::debug::View;
use crate::debug::symbols::Symbols;
use crate::engine::Engine;
use crate::hart::{Hart, HartConfig};
use board::{Devices, Line};
use boot::{Harts, Plan};
pub use config::{Config, Limits};
pub use console::StopRequest;
use console::{Console, Control, Input};
use firmware::Sbi;
use htif::Htif;
use platform::Board;
use run::{Activity, Clock, Halt, Runner};

/// Why a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program has ended with this code.
    Exit(u64),
    /// The program asks to be started again: [`Machine::reset`] does it.
    Reset,
    /// A disk was to cut the power at this write.
    PowerCut,
    /// [`Limits::max_insns`] instructions have been retired.
    InsnLimit,
    /// [`Limits::timeout`] has passed.
    Timeout,
    /// Somebody outside the machine wants it to end.
    Request(StopRequest),
    /// Output of a console could not be written: [`Machine::take_output_failure`] tells why.
    OutputLost,
    /// A hart raises the same exception over and over, in its own trap handler.
    TrapLoop {
        /// The hart.
        hart: usize,
        /// Address of its next instruction.
        pc: VirtAddr,
    },
    /// All harts wait for interrupts and none can come any more.
    Asleep {
        /// Address after the `wfi` of the first hart.
        pc: VirtAddr,
    },
}

/// The machine cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The host has not that much memory.
    #[error("the host has no {0} bytes for RAM")]
    RamTooLarge(u64),
    /// More harts than there can be.
    #[error("{0} harts: between 1 and {max} are possible", max = config::MAX_HARTS)]
    Harts(usize),
}

/// Harts, bus, devices and a program.
pub struct Machine {
    config: Config,
    plan: Plan,
    runners: Vec<Runner>,
    bus: Bus,
    engine: Box<dyn Engine>,
    /// The machine's own firmware, where that is what M-mode is.
    sbi: Option<Sbi>,
    htif: Option<Htif>,
    console: Console,
    /// Other consoles, whose output must not get lost either.
    ports: Vec<Console>,
    input: Input,
    /// `None` once no input comes any more, and all has been sent.
    line: Option<Line>,
    /// Input that found the port's queue full.
    held_back: Option<u8>,
    /// What is left of [`Config::typed_ends`].
    typed_ends: u32,
    control: Control,
    /// Where answers to lines for the monitor go, if anybody types any.
    screen: Option<Box<dyn Write + Send>>,
    clock: Clock,
    /// The hart whose turn comes first in a round.
    first_turn: usize,
    /// The hart that has ended a round early, until taken.
    halted: Option<Halt>,
    /// When output was last handed on, in the time of `clock`.
    flushed_at_insns: u64,
    /// Instructions retired by all harts since the machine was built.
    retired_insns: u64,
}

impl Machine {
    /// A machine at reset, with what `plan`, which was made for `config`, puts into RAM.
    ///
    /// # Errors
    /// [`BuildError`] where the host does not allow it.
    pub fn new(
        config: Config,
        plan: Plan,
        devices: Devices,
        engine: Box<dyn Engine>,
        console: Console,
        input: Input,
    ) -> Result<Self, BuildError> {
        if !(1..=config::MAX_HARTS).contains(&config.harts) {
            return Err(BuildError::Harts(config.harts));
        }
        let ram = allocate_ram(config.ram_bytes)?;
        let ports = devices.consoles();
        let (mut bus, line) = board::build(ram, &config, devices, &console);
        let clock = Clock::new(config.clock);
        if config.clock == config::ClockSource::Host {
            bus.use_host_clock();
        }
        let has_firmware = plan.start.mode == Privilege::Supervisor;
        let sbi = has_firmware.then(|| Sbi::new(config.harts, config.hart(0).csr));
        let typed_ends = config.typed_ends;
        let mut machine = Self {
            config,
            plan,
            runners: Vec::new(),
            bus,
            engine,
            sbi,
            htif: None,
            console,
            ports,
            input,
            line: Some(line),
            held_back: None,
            typed_ends,
            control: Control::default(),
            screen: None,
            clock,
            first_turn: 0,
            halted: None,
            flushed_at_insns: 0,
            retired_insns: 0,
        };
        machine.start();
        Ok(machine)
    }

    /// Loads the program and puts every hart where it starts.
    fn start(&mut self) {
        let Self { config, plan, bus, console, .. } = self;
        plan.load_into(&mut bus.ram);
        self.htif = plan.mailbox.map(|mailbox| Htif::new(mailbox, &bus.ram));
        let harts = (0..config.harts).map(|id| {
            let mut hart = Hart::new(HartConfig {
                reset_pc: VirtAddr(plan.start.pc.0),
                host_firmware: self.sbi.is_some(),
                ..config.hart(id as u64)
            });
            (hart.x[10], hart.x[11], hart.x[12]) = (hart.id(), plan.a1, plan.a2);
            let is_running = plan.start.harts == Harts::All || id == 0;
            let activity = if is_running { Activity::Running } else { Activity::Stopped };
            Runner { hart, activity, is_held: false }
        });
        self.runners = harts.collect();
        (self.first_turn, self.halted) = (0, None);
        if let Some(sbi) = &mut self.sbi {
            let board = &mut Board { runners: &mut self.runners, bus, console };
            sbi.boot(board, 0, plan.start.pc, plan.a1);
        }
    }

    /// Returns to the state after [`new`](Self::new), except for time and the instruction count,
    /// which go on, and for input already consumed.
    pub fn reset(&mut self) {
        self.engine.reset();
        // The old RAM goes before the new one comes: the host may not have room for both.
        self.bus.ram = Ram::new(memory_map::RAM, PAGE_SIZE_BYTES);
        self.bus.ram = Ram::new(memory_map::RAM, self.config.ram_bytes);
        self.bus.reset();
        self.start();
    }

    /// The symbols of the program.
    pub fn symbols(&self) -> &Symbols {
        &self.plan.symbols
    }

    /// Why output was lost, if any was. It goes on after this.
    pub fn take_output_failure(&self) -> Option<std::io::Error> {
        self.consoles().find_map(Console::take_failure)
    }

    /// Whoever may lose output.
    fn consoles(&self) -> impl Iterator<Item = &Console> {
        std::iter::once(&self.console).chain(&self.ports)
    }

    /// Answers to lines for the monitor, which come by the console's input, go to `screen` from
    /// now on; each answer ends with a flush.
    pub fn show_monitor(&mut self, screen: impl Write + Send + 'static) {
        self.screen = Some(Box::new(screen));
    }

    /// The handle by which others ask this machine to stop.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Instructions retired by all harts since the machine was built.
    pub fn retired_insns(&self) -> u64 {
        self.retired_insns
    }

    /// How often each device was accessed since the machine was built.
    pub fn device_counts(&self) -> Vec<DeviceCount> {
        self.bus.device_counts()
    }

    /// The hart with this id.
    pub fn hart(&self, id: usize) -> &Hart {
        &self.runners[id].hart
    }

    /// What debugging texts make of the machine, with hart number `current` as the one asked about.
    pub fn inspect<T>(&self, current: usize, text: impl FnOnce(&View<'_>) -> T) -> T {
        let harts: Vec<_> = self.runners.iter().map(|runner| &runner.hart).collect();
        text(&View { harts: &harts, bus: &self.bus, symbols: self.symbols(), current })
    }

    /// Ends the last run for good: observers hand on what they hold back.
    ///
    /// # Errors
    /// The first failure of an observer to write.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.engine.finish()
    }
}

fn allocate_ram(len_bytes: u64) -> Result<Ram, BuildError> {
    Ram::try_new(memory_map::RAM, len_bytes).ok_or(BuildError::RamTooLarge(len_bytes))
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("config", &self.config)
            .field("bus", &self.bus)
            .field("clock", &self.clock)
            .field("retired_insns", &self.retired_insns)
            .finish_non_exhaustive()
    }
}
