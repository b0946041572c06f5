//! The board: which devices sit on the bus, and what they are connected to on the host. Where
//! they sit is `memory_map.rs`'s affair, what the guest is told of them `device_tree/`'s.

use std::io::Read;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::config::Config;
use super::console::Console;
use super::memory_map::{self, VIRTIO_LEN_BYTES, VIRTIO_SLOTS};
use crate::addr::PhysAddr;
use crate::bus::{Bus, Device, Ram};
use crate::device::virtio::block::{Block, Storage};
use crate::device::virtio::rng::Rng;
use crate::device::virtio::{self, Backend, Layout, Transport};
use crate::device::{
    Clint, Finisher, GoldfishRtc, Plic, TICK_NS, Uart16550, clint, finisher, goldfish_rtc, plic,
    uart16550,
};

const _: () = assert!(TICK_NS * memory_map::TIMEBASE_HZ == 1_000_000_000);

/// Bytes of input that wait for the port that reads it.
const INPUT_BYTES: usize = 64;

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
    },
    /// A source of random bytes.
    Random(Box<dyn Read + Send>),
    /// A console.
    Console {
        /// Where its output goes.
        console: Console,
        /// Input goes to it instead of the serial port.
        hears_input: bool,
    },
}

/// The devices that not every machine has.
#[derive(Default)]
pub struct Devices {
    /// By slot; more than there are slots are ignored.
    pub virtio: [Option<Virtio>; VIRTIO_SLOTS as usize],
    /// Layout of the virtio registers.
    pub layout: Layout,
}

/// Puts everything on a bus with `ram`; yields where input is to be sent.
pub(super) fn build(
    ram: Ram,
    config: &Config,
    devices: Devices,
    console: &Console,
) -> (Bus, SyncSender<u8>) {
    let (to_port, mut line_in) = sync_channel(INPUT_BYTES);
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
            Virtio::Disk { storage, serial } => Box::new(Block::new(storage, &serial)) as Box<_>,
            Virtio::Random(source) => Box::new(Rng::new(source)) as Box<_>,
            Virtio::Console { console, hears_input } => {
                // Whoever does not hear has a line that nobody sends on.
                let mut line = sync_channel(0).1;
                if hears_input {
                    std::mem::swap(&mut line, &mut line_in);
                }
                Box::new(virtio::console::Console::new(Box::new(console), line)) as Box<_>
            }
        });
        let (name, source) = (VIRTIO_NAMES[slot as usize], memory_map::virtio_source(slot));
        let transport = Transport::new(name, source, devices.layout, backend);
        map(memory_map::virtio(slot), VIRTIO_LEN_BYTES, Box::new(transport));
    }
    let uart = Uart16550::new(memory_map::UART_SOURCE, Box::new(console.clone()), line_in);
    map(memory_map::UART, uart16550::LEN_BYTES, Box::new(uart));
    // Last, because it reads the others' lines.
    map(memory_map::PLIC, plic::LEN_BYTES, Box::new(Plic::new(config.harts)));
    (bus, to_port)
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
            Self::Console { .. } => "Console",
        })
    }
}
