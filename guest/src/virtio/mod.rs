//! Virtio as a driver sees it, without its registers: the split [`queue`], and what a
//! [`console`] says of its ports.
//!
//! Source: OASIS, "Virtual I/O Device (VIRTIO) Version 1.2".

pub mod console;
pub mod queue;
