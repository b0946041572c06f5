//! The whole machine: program files, the memory map, HTIF, and in [`Machine`] the loop that runs
//! harts, time and devices.
//!
//! Time is counted in instructions: `mtime` is a function of what has been executed (and of what
//! was slept through in `wfi`), never of the host's clock, so the same input gives the same run.

pub mod config;
pub mod console;
pub mod disk;
pub mod elf;
mod htif;
pub mod memory_map;
pub mod symbols;

use std::fmt;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::time::Instant;

use crate::addr::{PAGE_SIZE_BYTES, PhysAddr, Privilege, VirtAddr};
use crate::bus::{Bus, INSNS_PER_TICK, PowerRequest, Ram};
use crate::device::{Clint, Finisher, Uart16550, clint, finisher, uart16550};
use crate::engine::{Engine, Exit};
use crate::hart::Hart;
pub use config::{Config, Limits};
use console::{Console, Input};
use elf::{ElfError, ElfFile, Program, RamRange};
use htif::{Host, Htif};

/// Instructions that a hart runs at most before the machine looks at the world outside.
const SLICE_INSNS: u64 = 20_000;

/// Traps in a row, without one instruction retired, after which a hart is held to be in a loop.
const TRAP_LOOP_TRAPS: u64 = 10_000;

/// A deadline as far as this is never: it comes after centuries, and time must not overflow.
const NEVER_INSNS: u64 = 1 << 63;

/// Bytes of input that wait for the serial port.
const UART_INPUT_BYTES: usize = 64;

/// Why a run has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The program has ended with this code.
    Exit(u64),
    /// The program asks to be started again: [`Machine::reset`] does it.
    Reset,
    /// [`Limits::max_insns`] instructions have been retired.
    InsnLimit,
    /// [`Limits::timeout`] has passed.
    Timeout,
    /// Output of the console could not be written: [`Console::take_failure`] tells why.
    OutputLost,
    /// A hart raises an exception at its own trap handler, for ever.
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
    /// The program does not fit.
    #[error(transparent)]
    Program(#[from] ElfError),
}

/// One hart and what the loop knows of it.
struct Runner {
    hart: Hart,
    is_waiting: bool,
    /// Traps since an instruction has retired, as far as slices tell.
    idle_traps: u64,
}

/// Harts, bus, devices and a program.
pub struct Machine {
    config: Config,
    file: ElfFile,
    program: Program,
    runners: Vec<Runner>,
    bus: Bus,
    engine: Box<dyn Engine>,
    htif: Option<Htif>,
    console: Console,
    input: Input,
    to_uart: SyncSender<u8>,
    /// Input that found the serial port's queue full.
    held_back: Option<u8>,
    /// Time, in instructions: those executed and those slept through.
    now_insns: u64,
    /// When output was last handed on, in time as above.
    flushed_at_insns: u64,
    /// Instructions retired by all harts since the machine was built.
    retired_insns: u64,
}

impl Machine {
    /// A machine at reset with the program of `file` loaded, run by `engine`, on a console.
    ///
    /// # Errors
    /// [`BuildError`] where the host or the program does not allow it.
    pub fn new(
        config: Config,
        file: ElfFile,
        engine: Box<dyn Engine>,
        console: Console,
        input: Input,
    ) -> Result<Self, BuildError> {
        if !(1..=config::MAX_HARTS).contains(&config.harts) {
            return Err(BuildError::Harts(config.harts));
        }
        let ram = allocate_ram(config.ram_bytes)?;
        let program = file.place(RamRange::of(&ram))?;
        let (bus, to_uart) = build_bus(ram, config.harts, &console);
        let mut machine = Self {
            config,
            file,
            program,
            runners: Vec::new(),
            bus,
            engine,
            htif: None,
            console,
            input,
            to_uart,
            held_back: None,
            now_insns: 0,
            flushed_at_insns: 0,
            retired_insns: 0,
        };
        machine.start();
        Ok(machine)
    }

    /// Loads the program and puts every hart at its entry point, in M-mode.
    fn start(&mut self) {
        self.program.load_into(&self.file, &mut self.bus.ram);
        self.htif = self.program.mailbox.map(|mailbox| Htif::new(mailbox, &self.bus.ram));
        let (config, entry) = (&self.config, VirtAddr(self.program.entry.0));
        let harts = (0..config.harts).map(|id| Hart::new(config.hart(id as u64, entry)));
        self.runners = harts.map(Runner::at_start).collect();
    }

    /// Returns to the state after [`new`](Self::new), except for time and the instruction count,
    /// which go on, and for input already consumed.
    pub fn reset(&mut self) {
        self.engine.reset();
        // The old RAM goes before the new one comes: the host may not have room for both.
        self.bus.ram = Ram::new(memory_map::RAM, PAGE_SIZE_BYTES);
        let ram = Ram::new(memory_map::RAM, self.config.ram_bytes);
        (self.bus, self.to_uart) = build_bus(ram, self.config.harts, &self.console);
        self.start();
    }

    /// The program file.
    pub fn file(&self) -> &ElfFile {
        &self.file
    }

    /// The console that the machine was built with.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Instructions retired by all harts since the machine was built.
    pub fn retired_insns(&self) -> u64 {
        self.retired_insns
    }

    /// The hart with this id.
    pub fn hart(&self, id: usize) -> &Hart {
        &self.runners[id].hart
    }

    /// Runs until something ends the run.
    pub fn run(&mut self, limits: &Limits) -> Stop {
        let started = Instant::now();
        let stop = loop {
            if let Some(stop) = self.settle() {
                break stop;
            }
            let insns_left = limits.max_insns.map(|max| max.saturating_sub(self.retired_insns));
            if insns_left == Some(0) {
                break Stop::InsnLimit;
            }
            if limits.timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                break Stop::Timeout;
            }
            let stop = if self.runners.iter().all(|runner| runner.is_waiting) {
                self.sleep()
            } else {
                self.run_slice(insns_left.unwrap_or(u64::MAX))
            };
            if let Some(stop) = stop {
                break stop;
            }
        };
        self.console.flush();
        if self.console.has_failed() { Stop::OutputLost } else { stop }
    }

    /// Ends the last run for good: observers hand on what they hold back.
    ///
    /// # Errors
    /// The first failure of an observer to write.
    pub fn finish(mut self) -> std::io::Result<()> {
        self.engine.finish()
    }

    /// Brings time, devices, the mailbox and interrupt lines up to date.
    fn settle(&mut self) -> Option<Stop> {
        self.bus.set_clock(self.now_insns, 0);
        if self.now_insns - self.flushed_at_insns >= SLICE_INSNS {
            self.flushed_at_insns = self.now_insns;
            self.console.flush();
            if self.console.has_failed() {
                return Some(Stop::OutputLost);
            }
        }
        if let Some(code) = self.serve_mailbox() {
            return Some(Stop::Exit(code));
        }
        self.feed_uart();
        self.bus.poll();
        self.bus.attention = false;
        match self.bus.power.take() {
            Some(PowerRequest::Off(code)) => return Some(Stop::Exit(code.into())),
            Some(PowerRequest::Reset) => return Some(Stop::Reset),
            None => {}
        }
        for runner in &mut self.runners {
            runner.hart.sample_lines(&self.bus);
            runner.is_waiting &= runner.hart.csr.pending() == 0;
        }
        None
    }

    fn serve_mailbox(&mut self) -> Option<u64> {
        let htif = self.htif.as_mut()?;
        let (ram, console, input) = (&mut self.bus.ram, &self.console, &mut self.input);
        let code = htif.service(&mut Host { ram, console, input });
        // The engine stops at a store to a tracked granule, so that a command is seen at once, and
        // then lets go of the whole page.
        let tohost = htif.tohost();
        if !self.bus.ram.is_page_tracked(tohost) {
            self.runners.iter_mut().for_each(|runner| runner.hart.mmu.forbid_stores(tohost));
        }
        self.bus.ram.track(tohost, 8);
        code
    }

    fn feed_uart(&mut self) {
        while let Some(byte) = self.held_back.take().or_else(|| self.input.take()) {
            match self.to_uart.try_send(byte) {
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

    /// Runs each hart that is not waiting, up to the next deadline.
    fn run_slice(&mut self, max_insns: u64) -> Option<Stop> {
        let to_deadline = self.deadline_insns().map_or(u64::MAX, |at| at - self.now_insns);
        let budget = SLICE_INSNS.min(to_deadline).min(max_insns);
        let mut longest = 0;
        for (index, runner) in self.runners.iter_mut().enumerate() {
            if runner.is_waiting {
                continue;
            }
            let hart = &mut runner.hart;
            let before = hart.insns;
            self.bus.set_clock(self.now_insns, before);
            let exit = self.engine.run(hart, &mut self.bus, budget);
            let retired = hart.insns - before;
            runner.is_waiting = exit == Exit::Wait;
            runner.idle_traps = match exit {
                _ if retired > 0 => 0,
                Exit::Budget => runner.idle_traps + budget,
                // A hart that neither waits nor retires anything has trapped, at least once.
                Exit::Attention => runner.idle_traps + 1,
                Exit::Wait => 0,
            };
            if runner.idle_traps >= TRAP_LOOP_TRAPS {
                return Some(Stop::TrapLoop { hart: index, pc: runner.hart.pc });
            }
            self.retired_insns += retired;
            longest = longest.max(retired);
        }
        self.now_insns += longest;
        None
    }

    /// All harts wait: time jumps to what they wait for.
    fn sleep(&mut self) -> Option<Stop> {
        match self.deadline_insns() {
            Some(at) if at < NEVER_INSNS => self.now_insns = at,
            _ => return Some(Stop::Asleep { pc: self.runners[0].hart.pc }),
        }
        None
    }
}

impl Runner {
    fn at_start(mut hart: Hart) -> Self {
        // As firmware hands over: a0 the hart's id, a1 the device tree, of which there is none.
        hart.x[10] = hart.id();
        hart.x[11] = 0;
        assert_eq!(hart.privilege, Privilege::Machine);
        Self { hart, is_waiting: false, idle_traps: 0 }
    }
}

fn allocate_ram(len_bytes: u64) -> Result<Ram, BuildError> {
    Ram::try_new(memory_map::RAM, len_bytes).ok_or(BuildError::RamTooLarge(len_bytes))
}

fn build_bus(ram: Ram, harts: usize, console: &Console) -> (Bus, SyncSender<u8>) {
    let (to_uart, line_in) = sync_channel(UART_INPUT_BYTES);
    let uart = Uart16550::new(memory_map::UART_SOURCE, Box::new(console.clone()), line_in);
    let mut bus = Bus::new(ram);
    let mut map = |at: PhysAddr, len_bytes, device| {
        bus.map(at, len_bytes, device).expect("the memory map has no overlaps");
    };
    map(memory_map::FINISHER, finisher::LEN_BYTES, Box::new(Finisher));
    map(memory_map::CLINT, clint::LEN_BYTES, Box::new(Clint::new(harts)));
    map(memory_map::UART, uart16550::LEN_BYTES, Box::new(uart));
    (bus, to_uart)
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("config", &self.config)
            .field("bus", &self.bus)
            .field("now_insns", &self.now_insns)
            .field("retired_insns", &self.retired_insns)
            .finish_non_exhaustive()
    }
}
