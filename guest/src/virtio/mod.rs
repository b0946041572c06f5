//! Virtio as a driver sees it, without its registers: the split [`queue`], what a
//! [`console`] says of its ports, and requests of a [`block`] device.
//!
//! Source: OASIS, "Virtual I/O Device (VIRTIO) Version 1.2".

pub mod block;
pub mod console;
pub mod queue;
