//! The board: which devices sit on the bus, and what they are connected to on the host. Where
//! they sit is `memory_map.rs`'s affair, what the guest is told of them `device_tree/`'s.

use std::io::Read;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::config::Config;
use super::console::Console;
use super::memory_map::{self, VIRTIO_LEN_BYTES, VIRTIO_SLOTS};
use crate::addr::PhysAddr;
use crate::bus::{Bus, Device, Ram};
use crate::device::virtio::block::{Block, Latency, Mishaps, Storage};
use crate::device::virtio::console::{self, Demand};
use crate::device::virtio::rng::Rng;
use crate::device::virtio::{Backend, Layout, Transport};
use crate::device::{
    Clint, Finisher, GoldfishRtc, Plic, TICK_NS, Uart16550, clint, finisher, goldfish_rtc, plic,
    uart16550,
};

pub use crate::device::virtio::console::{Kind, MAX_PORTS, WindowSize};

const _: () = assert!(TICK_NS * memory_map::TIMEBASE_HZ == 1_000_000_000);

/// Bytes of input that wait for the serial port, where that reads it.
const SERIAL_INPUT_BYTES: usize = 64;
/// The same for a port of a virtio console, which reads faster.
const PORT_INPUT_BYTES: usize = 1 << 14;

/// Names of the virtio slots, for logs.
const VIRTIO_NAMES: [&str; VIRTIO_SLOTS as usize] =
    ["virtio0", "virtio1", "virtio2", "virtio3", "virtio4", "virtio5", "virtio6", "virtio7"];

/// A device for a virtio slot.
pub enum Virtio {
    /// A disk.
    Disk {
        /// Its content.
        storage: Box<dyn Storage>,
        /// What the guest reads as its serial number.
        serial: String,
        /// How long it takes.
        latency: Latency,
        /// What goes wrong with it.
        mishaps: Option<Box<dyn Mishaps>>,
    },
    /// A source of random bytes.
    Random(Box<dyn Read + Send>),
    /// A console with these ports.
    Console(Vec<Port>),
}

/// A port of a virtio console.
#[derive(Debug)]
pub struct Port {
    /// Its number in the device, below [`MAX_PORTS`].
    pub number: u32,
    /// What it is to the guest.
    pub kind: Kind,
    /// What the guest knows it by.
    pub name: Option<String>,
    /// Where its output goes.
    pub console: Console,
    /// Input goes to it instead of the serial port.
    pub hears_input: bool,
    /// The window that shows it.
    pub size: WindowSize,
}

/// The devices that not every machine has.
#[derive(Default)]
pub struct Devices {
    /// By slot; more than there are slots are ignored.
    pub virtio: [Option<Virtio>; VIRTIO_SLOTS as usize],
    /// Layout of the virtio registers.
    pub layout: Layout,
}

/// The machine's end of the line on which input goes to the port that hears it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) bytes: SyncSender<u8>,
    /// Says whether the guest listens; a serial port always does.
    demand: Option<Demand>,
}

impl Line {
    /// Whether the guest listens.
    pub(super) fn is_heard(&self) -> bool {
        self.demand.as_ref().is_none_or(Demand::exists)
    }
}

/// The other end, until a port has it.
struct FreeEnd {
    line_in: Option<Receiver<u8>>,
    demand: Option<Demand>,
}

/// Puts everything on a bus with `ram`; yields where input is to be sent.
pub(super) fn build(ram: Ram, config: &Config, devices: Devices, console: &Console) -> (Bus, Line) {
    let capacity = if devices.hear_input() { PORT_INPUT_BYTES } else { SERIAL_INPUT_BYTES };
    let (bytes, line_in) = sync_channel(capacity);
    let mut end = FreeEnd { line_in: Some(line_in), demand: None };
    let mut bus = Bus::new(ram);
    let mut map = |at: PhysAddr, len_bytes, device: Box<dyn Device>| {
        bus.map(at, len_bytes, device).expect("the memory map has no overlaps");
    };
    map(memory_map::FINISHER, finisher::LEN_BYTES, Box::new(Finisher));
    let rtc = GoldfishRtc::new(memory_map::RTC_SOURCE, config.rtc_base_ns);
    map(memory_map::RTC, goldfish_rtc::LEN_BYTES, Box::new(rtc));
    map(memory_map::CLINT, clint::LEN_BYTES, Box::new(Clint::new(config.harts)));
    for (slot, device) in (0..).zip(devices.virtio) {
        let backend: Option<Box<dyn Backend>> = device.map(|device| match device {
            Virtio::Disk { storage, serial, latency, mishaps } => {
                let disk = Block::new(storage, &serial).with_latency(latency);
                Box::new(match mishaps {
                    Some(mishaps) => disk.with_mishaps(mishaps),
                    None => disk,
                }) as Box<_>
            }
            Virtio::Random(source) => Box::new(Rng::new(source)) as Box<_>,
            Virtio::Console(ports) => Box::new(console_device(ports, &mut end)) as Box<_>,
        });
        let (name, source) = (VIRTIO_NAMES[slot as usize], memory_map::virtio_source(slot));
        let transport = Transport::new(name, source, devices.layout, backend);
        map(memory_map::virtio(slot), VIRTIO_LEN_BYTES, Box::new(transport));
    }
    // Without input it has a line that nobody sends on.
    let line_in = end.line_in.unwrap_or_else(|| sync_channel(0).1);
    let uart = Uart16550::new(memory_map::UART_SOURCE, Box::new(console.clone()), line_in);
    map(memory_map::UART, uart16550::LEN_BYTES, Box::new(uart));
    // Last, because it reads the others' lines.
    map(memory_map::PLIC, plic::LEN_BYTES, Box::new(Plic::new(config.harts)));
    (bus, Line { bytes, demand: end.demand })
}

/// The console with these ports, the first of which that hears input takes the line.
fn console_device(ports: Vec<Port>, end: &mut FreeEnd) -> console::Console {
    let device_port = |port: Port| {
        let Port { number, kind, name, console, hears_input, size } = port;
        let device_port = console::Port::new(kind, name, Box::new(console)).in_window(size);
        match end.line_in.take_if(|_| hears_input) {
            Some(line) => {
                end.demand = Some(device_port.demand());
                (number, device_port.hearing(line))
            }
            None => (number, device_port),
        }
    };
    console::Console::with_ports(ports.into_iter().map(device_port))
}

impl Devices {
    /// The ports of virtio consoles.
    fn ports(&self) -> impl Iterator<Item = &Port> {
        self.virtio.iter().flatten().flat_map(|device| match device {
            Virtio::Console(ports) => ports.as_slice(),
            Virtio::Disk { .. } | Virtio::Random(_) => &[],
        })
    }

    /// Whether input goes to one of them.
    fn hear_input(&self) -> bool {
        self.ports().any(|port| port.hears_input)
    }

    /// Where their output goes.
    pub(super) fn consoles(&self) -> Vec<Console> {
        self.ports().map(|port| port.console.clone()).collect()
    }
}

impl std::fmt::Debug for Devices {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let used = self.virtio.iter().filter(|device| device.is_some()).count();
        f.debug_struct("Devices").field("virtio", &used).field("layout", &self.layout).finish()
    }
}

impl std::fmt::Debug for Virtio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Disk { .. } => "Disk",
            Self::Random(_) => "Random",
            Self::Console(_) => "Console",
        })
    }
}
