//! Virtio devices as their drivers see them: conversations in both register layouts, and what a
//! hostile guest can do.

mod block;
mod console;
mod driver;
mod fakes;
mod hostile;
mod kernels;
mod ports;
mod random;
mod rng;
mod slow;
mod transport;
