//! The real-time clock of the Goldfish platform: nanoseconds since 1970.

use guest::board::Device;

use super::Registers;

/// Low word; reading it keeps the high one.
const TIME_LOW: u64 = 0;
const TIME_HIGH: u64 = 4;

/// Nanoseconds since 1970.
pub(super) fn read_ns(device: Device) -> u64 {
    let registers = Registers::new(device.registers);
    let low = registers.read_u32(TIME_LOW);
    u64::from(registers.read_u32(TIME_HIGH)) << 32 | u64::from(low)
}
