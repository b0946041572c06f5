//! The whole machine: program files, the memory map, HTIF, and [`Machine`], which owns harts, bus
//! and engine. The loop that runs them is in `run.rs`.

pub mod config;
pub mod console;
pub mod disk;
pub mod elf;
mod firmware;
mod htif;
pub mod memory_map;
mod platform;
mod run;

use std::fmt;
use std::sync::mpsc::{SyncSender, sync_channel};

use crate::addr::{PAGE_SIZE_BYTES, PhysAddr, VirtAddr};
use crate::bus::{Bus, Ram};
use crate::device::{
    Clint, Finisher, GoldfishRtc, Plic, Uart16550, clint, finisher, goldfish_rtc, plic, uart16550,
};
use crate::engine::Engine;
use crate::hart::Hart;
pub use config::{Config, Limits};
pub use console::StopRequest;
use console::{Console, Control, Input};
use elf::{ElfError, ElfFile, Program, RamRange};
use firmware::Sbi;
use htif::Htif;
use run::{Clock, Runner};

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
    /// Somebody outside the machine wants it to end.
    Request(StopRequest),
    /// Output of the console could not be written: [`Console::take_failure`] tells why.
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
    /// The program does not fit.
    #[error(transparent)]
    Program(#[from] ElfError),
}

/// Harts, bus, devices and a program.
pub struct Machine {
    config: Config,
    file: ElfFile,
    program: Program,
    runners: Vec<Runner>,
    bus: Bus,
    engine: Box<dyn Engine>,
    /// The machine's own firmware, where that is what M-mode is.
    sbi: Option<Sbi>,
    htif: Option<Htif>,
    console: Console,
    input: Input,
    to_uart: SyncSender<u8>,
    /// Input that found the serial port's queue full.
    held_back: Option<u8>,
    control: Control,
    clock: Clock,
    /// When output was last handed on, in the time of `clock`.
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
        let (bus, to_uart) = build_bus(ram, &config, &console);
        let clock = Clock::new(config.clock);
        let mut machine = Self {
            config,
            file,
            program,
            runners: Vec::new(),
            bus,
            engine,
            sbi: None,
            htif: None,
            console,
            input,
            to_uart,
            held_back: None,
            control: Control::default(),
            clock,
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
        let harts = (0..config.harts).map(|id| {
            let mut hart = Hart::new(config.hart(id as u64, entry));
            // As firmware hands over: a0 the hart's id, a1 the device tree, of which there is none.
            hart.x[10] = hart.id();
            Runner::new(hart)
        });
        self.runners = harts.collect();
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

    /// The program file.
    pub fn file(&self) -> &ElfFile {
        &self.file
    }

    /// The console that the machine was built with.
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// The handle by which others ask this machine to stop.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Instructions retired by all harts since the machine was built.
    pub fn retired_insns(&self) -> u64 {
        self.retired_insns
    }

    /// The hart with this id.
    pub fn hart(&self, id: usize) -> &Hart {
        &self.runners[id].hart
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

fn build_bus(ram: Ram, config: &Config, console: &Console) -> (Bus, SyncSender<u8>) {
    let (to_uart, line_in) = sync_channel(UART_INPUT_BYTES);
    let uart = Uart16550::new(memory_map::UART_SOURCE, Box::new(console.clone()), line_in);
    let mut bus = Bus::new(ram);
    let mut map = |at: PhysAddr, len_bytes, device| {
        bus.map(at, len_bytes, device).expect("the memory map has no overlaps");
    };
    map(memory_map::FINISHER, finisher::LEN_BYTES, Box::new(Finisher));
    map(memory_map::CLINT, clint::LEN_BYTES, Box::new(Clint::new(config.harts)));
    map(memory_map::UART, uart16550::LEN_BYTES, Box::new(uart));
    let rtc = GoldfishRtc::new(memory_map::RTC_SOURCE, config.rtc_base_ns);
    map(memory_map::RTC, goldfish_rtc::LEN_BYTES, Box::new(rtc));
    // Last, because it reads the others' lines.
    map(memory_map::PLIC, plic::LEN_BYTES, Box::new(Plic::new(config.harts)));
    (bus, to_uart)
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
