//! The registers that every virtio device has, in both their versions: what a driver does with
//! them until its queues work, and afterwards.
//!
//! Source: "Virtio Over MMIO" and "Device Initialization".

use core::fmt;
use core::sync::atomic::{Ordering, fence};

use guest::PAGE_SIZE_BYTES;
use guest::board::Device;
use guest::virtio::queue::{ALIGN_BYTES, Queue, Rings};

use crate::dev::Registers;
use crate::mm::direct;

/// Offsets of registers.
mod register {
    pub(super) const MAGIC_VALUE: u64 = 0x000;
    pub(super) const VERSION: u64 = 0x004;
    pub(super) const DEVICE_ID: u64 = 0x008;
    pub(super) const DEVICE_FEATURES: u64 = 0x010;
    pub(super) const DEVICE_FEATURES_SEL: u64 = 0x014;
    pub(super) const DRIVER_FEATURES: u64 = 0x020;
    pub(super) const DRIVER_FEATURES_SEL: u64 = 0x024;
    pub(super) const GUEST_PAGE_SIZE: u64 = 0x028;
    pub(super) const QUEUE_SEL: u64 = 0x030;
    pub(super) const QUEUE_NUM_MAX: u64 = 0x034;
    pub(super) const QUEUE_NUM: u64 = 0x038;
    pub(super) const QUEUE_ALIGN: u64 = 0x03c;
    pub(super) const QUEUE_PFN: u64 = 0x040;
    pub(super) const QUEUE_READY: u64 = 0x044;
    pub(super) const QUEUE_NOTIFY: u64 = 0x050;
    pub(super) const INTERRUPT_STATUS: u64 = 0x060;
    pub(super) const INTERRUPT_ACK: u64 = 0x064;
    pub(super) const STATUS: u64 = 0x070;
    /// Addresses of a queue's parts, each as two words.
    pub(super) const QUEUE_PARTS: [u64; 3] = [0x080, 0x090, 0x0a0];
    pub(super) const CONFIG: u64 = 0x100;
}

/// `MagicValue`: "virt", little-endian.
const MAGIC: u32 = 0x7472_6976;
/// `Version` of the registers from before virtio 1.0.
const LEGACY: u32 = 1;
const MODERN: u32 = 2;

/// Device status bits.
const ACKNOWLEDGE: u32 = 1;
const DRIVER: u32 = 2;
const DRIVER_OK: u32 = 4;
const FEATURES_OK: u32 = 8;
const FAILED: u32 = 128;

/// Feature: the device is no legacy device.
const VERSION_1: u64 = 1 << 32;

/// A device that cannot be driven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It refuses features that it has offered.
    Features,
    /// It lacks a queue, or has one that is too small.
    Queue(u32),
    /// It does not do what its driver needs.
    Unfit(&'static str),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Features => f.write_str("it refuses what it has offered"),
            Self::Queue(index) => write!(f, "its queue {index} is not there, or too small"),
            Self::Unfit(why) => f.write_str(why),
        }
    }
}

/// A slot with a device in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Transport {
    registers: Registers,
    is_legacy: bool,
}

impl Transport {
    /// What is in a slot, if anything is.
    pub(super) fn find(slot: Device) -> Option<Self> {
        let registers = Registers::new(slot.registers);
        let version = registers.read_u32(register::VERSION);
        let is_known = registers.read_u32(register::MAGIC_VALUE) == MAGIC
            && [LEGACY, MODERN].contains(&version)
            && registers.read_u32(register::DEVICE_ID) != 0;
        is_known.then_some(Self { registers, is_legacy: version == LEGACY })
    }

    /// Its device id.
    pub(super) fn kind(self) -> u32 {
        self.registers.read_u32(register::DEVICE_ID)
    }

    /// Resets the device and agrees on features: what it offers of `wanted`.
    pub(super) fn begin(self, wanted: u64) -> Result<u64, Trouble> {
        let Self { registers, is_legacy } = self;
        registers.write_u32(register::STATUS, 0);
        registers.write_u32(register::STATUS, ACKNOWLEDGE | DRIVER);
        if is_legacy {
            registers.write_u32(register::GUEST_PAGE_SIZE, PAGE_SIZE_BYTES as u32);
        }
        let wanted = if is_legacy { wanted } else { wanted | VERSION_1 };
        let mut agreed = 0;
        for (half, shift) in [(0, 0), (1, 32)] {
            registers.write_u32(register::DEVICE_FEATURES_SEL, half);
            let offered = registers.read_u32(register::DEVICE_FEATURES);
            let features = offered & (wanted >> shift) as u32;
            registers.write_u32(register::DRIVER_FEATURES_SEL, half);
            registers.write_u32(register::DRIVER_FEATURES, features);
            agreed |= u64::from(features) << shift;
        }
        if !is_legacy {
            registers.write_u32(register::STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
            if registers.read_u32(register::STATUS) & FEATURES_OK == 0 {
                registers.write_u32(register::STATUS, FAILED);
                return Err(Trouble::Features);
            }
        }
        Ok(agreed)
    }

    /// Makes a queue work, with nothing in it.
    pub(super) fn set_up<const N: usize>(self, index: u32) -> Result<Queue<N>, Trouble> {
        let Self { registers, is_legacy } = self;
        registers.write_u32(register::QUEUE_SEL, index);
        if (registers.read_u32(register::QUEUE_NUM_MAX) as usize) < N {
            return Err(Trouble::Queue(index));
        }
        registers.write_u32(register::QUEUE_NUM, N as u32);
        let queue = Queue::<N>::new();
        let frame = direct::frame_at(&raw const *queue.rings() as u64);
        if is_legacy {
            registers.write_u32(register::QUEUE_ALIGN, ALIGN_BYTES);
            registers.write_u32(register::QUEUE_PFN, frame.0 as u32);
        } else {
            let parts = register::QUEUE_PARTS.iter().zip(Rings::<N>::OFFSETS_BYTES);
            for (register, offset) in parts {
                let address = frame.base() + offset;
                registers.write_u32(*register, address as u32);
                registers.write_u32(register + 4, (address >> 32) as u32);
            }
            registers.write_u32(register::QUEUE_READY, 1);
        }
        Ok(queue)
    }

    /// The driver is ready.
    pub(super) fn finish(self) {
        let features = if self.is_legacy { 0 } else { FEATURES_OK };
        let status = ACKNOWLEDGE | DRIVER | DRIVER_OK | features;
        self.registers.write_u32(register::STATUS, status);
    }

    /// Tells the device that a queue has something new.
    pub(super) fn notify(self, index: u32) {
        // What is in memory comes before the notification.
        fence(Ordering::SeqCst);
        self.registers.write_u32(register::QUEUE_NOTIFY, index);
    }

    /// Takes the interrupt back.
    pub(super) fn acknowledge(self) {
        let reasons = self.registers.read_u32(register::INTERRUPT_STATUS);
        self.registers.write_u32(register::INTERRUPT_ACK, reasons);
    }

    /// A word of the configuration space.
    pub(super) fn config_u32(self, offset: u64) -> u32 {
        self.registers.read_u32(register::CONFIG + offset)
    }
}
