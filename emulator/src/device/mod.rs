//! The machine's devices, each a state machine that knows only its own offsets and reaches the
//! rest of the machine through [`crate::bus::DeviceCx`]. Where they sit is `machine::memory_map`'s
//! affair.

pub mod clint;
pub mod finisher;
pub mod uart16550;
pub mod virtio;

#[cfg(test)]
mod driver;

pub use clint::Clint;
pub use finisher::Finisher;
pub use uart16550::Uart16550;
