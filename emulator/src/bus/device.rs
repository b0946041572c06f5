//! The trait every device implements and what a device may reach: RAM, interrupt lines, time.
//! A device knows only its own offsets; it never sees the bus, the hart or another device.

use super::ram::Ram;
use crate::addr::Width;

/// The physical access found nothing that would answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusFault;

/// Interrupt lines as the devices drive them, level-sensitive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IrqLines {
    /// CLINT software interrupt per hart (bit = hart id).
    pub msip: u64,
    /// CLINT timer interrupt per hart (bit = hart id).
    pub mtip: u64,
    /// PLIC interrupt for M-mode per hart (bit = hart id).
    pub meip: u64,
    /// PLIC interrupt for S-mode per hart (bit = hart id).
    pub seip: u64,
    /// Platform interrupt sources (bit = PLIC source number).
    pub sources: u64,
}

/// A request to stop the machine, made by a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Power off with this exit code.
    Off(u32),
    /// Start again from reset.
    Reset,
    /// The power is cut, where a test of the guest wants that.
    Cut,
}

/// What a device may touch while it handles an access.
#[derive(Debug)]
pub struct DeviceCx<'a> {
    /// Guest RAM, for DMA.
    pub ram: &'a mut Ram,
    /// Interrupt lines.
    pub irq: &'a mut IrqLines,
    /// Time in ticks of the timebase.
    pub mtime: u64,
    /// Set by a device that wants the machine to stop.
    pub power: &'a mut Option<PowerRequest>,
}

/// A memory-mapped device.
pub trait Device: Send {
    /// Instance name for logs, such as `uart0`.
    fn name(&self) -> &'static str;

    /// Reads the register at `offset` bytes from the device's base.
    ///
    /// # Errors
    /// [`BusFault`] where the device has nothing there or not at this width.
    fn read(&mut self, offset: u64, width: Width, cx: &mut DeviceCx<'_>) -> Result<u64, BusFault>;

    /// Writes the register at `offset` bytes from the device's base.
    ///
    /// # Errors
    /// [`BusFault`] where the device has nothing there or not at this width.
    fn write(
        &mut self,
        offset: u64,
        width: Width,
        value: u64,
        cx: &mut DeviceCx<'_>,
    ) -> Result<(), BusFault>;

    /// Looks at the world outside: host input, completed transfers, timers.
    fn poll(&mut self, _cx: &mut DeviceCx<'_>) {}

    /// The time in timebase ticks, later than `mtime`, at which a poll will next change
    /// something without anything happening before.
    fn deadline(&self, _mtime: u64) -> Option<u64> {
        None
    }

    /// Returns to the state after power-on.
    fn reset(&mut self);

    /// Data-sheet name of the register at `offset`, for logs.
    fn register_name(&self, _offset: u64) -> Option<&'static str> {
        None
    }
}
