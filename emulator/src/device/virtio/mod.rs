//! Virtio devices as QEMU's `virt` has them: a register window ([`Transport`]) in front of a
//! device of one kind ([`Backend`]): [`block`], [`console`], [`rng`].
//!
//! The transport owns everything that all kinds share: registers, negotiation, the split queues
//! and the interrupt. A backend sees only a [`Request`], that is a chain of buffers in RAM that
//! the queue has already checked, and answers with what it has written. Rings lie in memory that
//! the guest writes at will: whatever is wrong with one ends in [`Broken`], upon which the device
//! asks for a reset, and work is bounded by [`SERVICE_BYTES`] between two looks at the machine.
//!
//! Source: OASIS, "Virtual I/O Device (VIRTIO) Version 1.2"; section titles are cited where a
//! fact comes from. What that leaves open is as QEMU's `virt` does it.

pub mod block;
mod chain;
pub mod console;
mod queue;
mod register;
pub mod rng;
mod transport;

use crate::bus::Ram;
pub use chain::{Chain, Span, Spans};
pub use queue::MAX_QUEUE_ENTRIES;
pub use register::LEN_BYTES;
pub use transport::Transport;

/// Work that a device does at most before it lets go of the machine, not counting the last
/// request, in bytes moved; the rest of its queues is served at later polls.
pub const SERVICE_BYTES: u64 = 16 << 20;

/// Which of its two register layouts a transport shows.
///
/// Source: "Virtio Over MMIO".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Layout {
    /// Version 1, QEMU's default: a queue is one block of memory, given by page number.
    #[default]
    Legacy,
    /// Version 2: the three parts of a queue lie where the driver likes.
    Modern,
}

/// Feature bits that belong to queues and transport, not to one kind of device.
///
/// Source: "Reserved Feature Bits", and "Legacy Interface: Reserved Feature Bits".
mod feature {
    /// Buffers may be cut in any way; legacy only, later a matter of course.
    pub(super) const ANY_LAYOUT: u64 = 1 << 27;
    /// Descriptors may point to tables of descriptors.
    pub(super) const INDIRECT_DESC: u64 = 1 << 28;
    /// Each side says at which index it wants to be told.
    pub(super) const EVENT_IDX: u64 = 1 << 29;
    /// The device is no legacy device.
    pub(super) const VERSION_1: u64 = 1 << 32;
}

/// The guest broke the rules in a way that leaves no request to answer, with the reason for logs;
/// the device stops until it is reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken(pub &'static str);

/// One chain of buffers for a backend to act on.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Number of the queue it came through.
    pub queue: usize,
    /// Its buffers.
    pub chain: &'a Chain,
    /// Feature bits that driver and device have agreed on.
    pub features: u64,
    /// The time in ticks of the timebase.
    pub mtime: u64,
}

/// What came of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Used {
        /// Bytes written, from the first writable one on without a gap.
        written_bytes: u32,
        /// Bytes that have been moved or cleared, and what else took time in terms of them, for
        /// [`SERVICE_BYTES`].
        cost_bytes: u64,
    },
    /// Nothing to answer with yet; the chain is offered again when [`Backend::ready`] says so or
    /// the driver notifies.
    Later,
    /// Nothing was done, and nothing will be: the machine has lost its power.
    PowerCut,
}

/// A device of one kind, without registers and queues.
pub trait Backend: Send {
    /// Virtio device id.
    ///
    /// Source: "Device Types".
    fn device_id(&self) -> u32;

    /// Number of queues, at most 64.
    fn queues(&self) -> usize;

    /// Feature bits of this kind of device that are offered.
    fn features(&self) -> u64 {
        0
    }

    /// The configuration space as it reads; it never changes by itself.
    fn config(&self) -> &[u8] {
        &[]
    }

    /// The driver writes one byte of the configuration space.
    fn write_config(&mut self, _offset: u64, _value: u8) {}

    /// Looks at the world outside and at the time, in ticks: the queues (bit = number) whose chains
    /// can be answered now without the driver having notified.
    fn ready(&mut self, _mtime: u64) -> u64 {
        0
    }

    /// The time in ticks at which [`ready`](Self::ready) will have something to say, if time alone
    /// decides that.
    fn deadline(&self) -> Option<u64> {
        None
    }

    /// Acts on one chain.
    ///
    /// # Errors
    /// [`Broken`] where the chain is so malformed that there is no place for an answer.
    fn serve(&mut self, request: &Request<'_>, ram: &mut Ram) -> Result<Outcome, Broken>;

    /// Forgets the driver; what is connected on the host's side stays.
    fn reset(&mut self) {}
}

#[cfg(test)]
mod tests;
