//! Device registers by address, for the programs that test devices.

use crate::board::RAM;

/// From the finisher to the UART. Virtio devices, which read and write RAM by themselves, come after.
const DEVICES: core::ops::Range<u64> = 0x10_0000..0x1000_1000;
const _: () = assert!(DEVICES.end <= RAM);

/// Reads a 32-bit register.
pub fn read_word(at: u64) -> u32 {
    check(at, 4);
    // SAFETY: a device register, as just checked; aliases no Rust object.
    unsafe { (at as *const u32).read_volatile() }
}

/// Writes a 32-bit register.
pub fn write_word(at: u64, value: u32) {
    check(at, 4);
    // SAFETY: as above; the devices there do not touch RAM.
    unsafe { (at as *mut u32).write_volatile(value) };
}

/// Reads an 8-bit register.
pub fn read_byte(at: u64) -> u8 {
    check(at, 1);
    // SAFETY: as above.
    unsafe { (at as *const u8).read_volatile() }
}

/// Writes an 8-bit register.
pub fn write_byte(at: u64, value: u8) {
    check(at, 1);
    // SAFETY: as above.
    unsafe { (at as *mut u8).write_volatile(value) };
}

fn check(at: u64, bytes: u64) {
    assert!(DEVICES.contains(&at) && at.is_multiple_of(bytes), "{at:#x} is no register");
}
