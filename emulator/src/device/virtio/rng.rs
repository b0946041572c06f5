//! The entropy device: fills buffers with bytes from a source that its owner chooses, so that a
//! run can be repeated.
//!
//! Source: "Entropy Device".

use std::fmt;
use std::io::Read;

use super::{Backend, Broken, Outcome, Request};
use crate::bus::Ram;

const DEVICE_ID: u32 = 4;

/// Bytes that go into one buffer at most; the device may use less than it is offered.
const REQUEST_BYTES: usize = 4096;

/// A source of random bytes.
pub struct Rng {
    source: Box<dyn Read + Send>,
    has_failed: bool,
}

impl Rng {
    /// A device that hands on what `source` yields.
    pub fn new(source: Box<dyn Read + Send>) -> Self {
        Self { source, has_failed: false }
    }
}

impl Backend for Rng {
    fn device_id(&self) -> u32 {
        DEVICE_ID
    }

    fn queues(&self) -> usize {
        1
    }

    fn serve(&mut self, request: &Request<'_>, ram: &mut Ram) -> Result<Outcome, Broken> {
        let mut bytes = [0; REQUEST_BYTES];
        let room = request.chain.writable.len_bytes().min(REQUEST_BYTES as u64) as usize;
        if room == 0 {
            return Err(Broken("an entropy buffer cannot be written"));
        }
        if self.has_failed {
            return Ok(Outcome::Later);
        }
        if let Err(error) = self.source.read_exact(&mut bytes[..room]) {
            // The guest waits, as for entropy that has not come yet.
            log::warn!("virtio entropy: the source has failed: {error}");
            self.has_failed = true;
            return Ok(Outcome::Later);
        }
        request.chain.writable.write(ram, 0, &bytes[..room]);
        Ok(Outcome::Used { written_bytes: room as u32, cost_bytes: room as u64 })
    }
}

impl fmt::Debug for Rng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rng").field("has_failed", &self.has_failed).finish_non_exhaustive()
    }
}
