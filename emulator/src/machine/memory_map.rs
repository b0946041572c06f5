//! Where things are: the addresses of QEMU's `virt` machine, its interrupt sources and its
//! timebase, so that kernels written for it run unmodified.

use crate::addr::PhysAddr;

/// The SiFive test finisher.
pub const FINISHER: PhysAddr = PhysAddr(0x10_0000);
/// The real-time clock.
pub const RTC: PhysAddr = PhysAddr(0x10_1000);
/// Interrupt source of the real-time clock.
pub const RTC_SOURCE: u32 = 11;
/// The core-local interruptor.
pub const CLINT: PhysAddr = PhysAddr(0x200_0000);
/// The platform-level interrupt controller.
pub const PLIC: PhysAddr = PhysAddr(0xc00_0000);
/// The serial port.
pub const UART: PhysAddr = PhysAddr(0x1000_0000);
/// Interrupt source of the serial port.
pub const UART_SOURCE: u32 = 10;
/// Slots for virtio devices.
pub const VIRTIO_SLOTS: u32 = 8;
/// Size of a virtio slot's window in bytes.
pub const VIRTIO_LEN_BYTES: u64 = 0x1000;
/// First byte of RAM.
pub const RAM: PhysAddr = PhysAddr(0x8000_0000);

/// Ticks of `mtime` in a second of guest time.
pub const TIMEBASE_HZ: u64 = 10_000_000;

/// The window of the virtio slot with this number, counted from 0.
pub const fn virtio(slot: u32) -> PhysAddr {
    PhysAddr(0x1000_1000 + VIRTIO_LEN_BYTES * slot as u64)
}

/// Interrupt source of the virtio slot with this number.
pub const fn virtio_source(slot: u32) -> u32 {
    1 + slot
}
