//! Addresses of QEMU's `virt` board.

/// The SiFive test finisher: power off with an exit code.
pub const FINISHER: u64 = 0x10_0000;
/// The core-local interruptor: software and timer interrupts.
pub const CLINT: u64 = 0x200_0000;
/// `msip` of hart 0.
pub const CLINT_MSIP: u64 = CLINT;
/// `mtimecmp` of hart 0.
pub const CLINT_MTIMECMP: u64 = CLINT + 0x4000;
/// `mtime`.
pub const CLINT_MTIME: u64 = CLINT + 0xbff8;
/// The real-time clock.
pub const RTC: u64 = 0x10_1000;
/// The platform-level interrupt controller.
pub const PLIC: u64 = 0xc00_0000;
/// The UART 16550.
pub const UART: u64 = 0x1000_0000;
/// Interrupt source of the UART at the PLIC.
pub const UART_SOURCE: u32 = 10;
/// Interrupt source of the real-time clock at the PLIC.
pub const RTC_SOURCE: u32 = 11;
/// First byte of RAM.
pub const RAM: u64 = 0x8000_0000;

/// Ticks of `mtime` in a second.
pub const TIMEBASE_HZ: u64 = 10_000_000;

/// Registers of the CLINT.
pub mod clint {
    use core::arch::asm;

    use super::{CLINT_MSIP, CLINT_MTIME, CLINT_MTIMECMP};
    use crate::harts::MAX_HARTS;

    /// `mtime`.
    pub fn mtime() -> u64 {
        // SAFETY: a device register; aliases no Rust object.
        unsafe { (CLINT_MTIME as *const u64).read_volatile() }
    }

    /// Sets `mtimecmp` of hart 0: its timer interrupt is pending from then on.
    pub fn set_mtimecmp(at: u64) {
        set_mtimecmp_of(0, at);
    }

    /// Raises or, with 0, clears the software interrupt of hart 0.
    pub fn set_msip(value: u32) {
        set_msip_of(0, value);
    }

    /// Sets `mtimecmp` of a hart.
    pub fn set_mtimecmp_of(hart: usize, at: u64) {
        assert!(hart < MAX_HARTS);
        // SAFETY: as above.
        unsafe { (CLINT_MTIMECMP as *mut u64).add(hart).write_volatile(at) };
    }

    /// Raises or, with 0, clears the software interrupt of a hart. That hart then sees what this
    /// one has stored before, and this one sees what was stored before it was raised.
    pub fn set_msip_of(hart: usize, value: u32) {
        assert!(hart < MAX_HARTS);
        // SAFETY: as above; a fence changes nothing in memory.
        unsafe {
            asm!("fence iorw, iorw");
            (CLINT_MSIP as *mut u32).add(hart).write_volatile(value);
            asm!("fence iorw, iorw");
        }
    }
}
