//! The machine's devices, each a state machine that knows only its own offsets and reaches the
//! rest of the machine through [`crate::bus::DeviceCx`]. Where they sit is `machine::memory_map`'s
//! affair.

pub mod clint;
pub mod finisher;
pub mod goldfish_rtc;
pub mod plic;
pub mod uart16550;
pub mod virtio;

#[cfg(test)]
mod driver;

use crate::addr::Width;
use crate::bus::BusFault;

pub use clint::Clint;
pub use finisher::Finisher;
pub use goldfish_rtc::GoldfishRtc;
pub use plic::Plic;
pub use uart16550::Uart16550;

/// Nanoseconds in a tick of the 10 MHz timebase, for devices that know times of their own.
pub const TICK_NS: u64 = 100;

/// For devices that answer only aligned accesses of 32 bits: whether this is one.
fn only_words(offset: u64, width: Width) -> Result<(), BusFault> {
    let is_legal = width == Width::Word && offset.is_multiple_of(width.bytes());
    if is_legal { Ok(()) } else { Err(BusFault) }
}
