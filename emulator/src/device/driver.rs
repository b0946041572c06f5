//! The driver's side of a device for tests: a device alone with RAM, interrupt lines and time.

use crate::addr::{PhysAddr, Width};
use crate::bus::{BusFault, Device, DeviceCx, IrqLines, PowerRequest, Ram};

/// A device and everything that it may touch.
pub(super) struct Driver<D> {
    pub(super) device: D,
    pub(super) irq: IrqLines,
    pub(super) mtime: u64,
    pub(super) power: Option<PowerRequest>,
    pub(super) ram: Ram,
}

impl<D: Device> Driver<D> {
    pub(super) fn new(device: D) -> Self {
        Self::with_ram(device, 0x1000)
    }

    pub(super) fn with_ram(device: D, ram_bytes: u64) -> Self {
        let ram = Ram::new(PhysAddr(0x8000_0000), ram_bytes);
        Self { device, irq: IrqLines::default(), mtime: 0, power: None, ram }
    }

    fn with<T>(&mut self, f: impl FnOnce(&mut D, &mut DeviceCx<'_>) -> T) -> T {
        let Self { device, irq, mtime, power, ram } = self;
        f(device, &mut DeviceCx { ram, irq, mtime: *mtime, power })
    }

    pub(super) fn read(&mut self, offset: u64, width: Width) -> Result<u64, BusFault> {
        self.with(|device, cx| device.read(offset, width, cx))
    }

    pub(super) fn write(&mut self, offset: u64, width: Width, value: u64) -> Result<(), BusFault> {
        self.with(|device, cx| device.write(offset, width, value, cx))
    }

    pub(super) fn poll(&mut self) {
        self.with(|device, cx| device.poll(cx));
    }
}
