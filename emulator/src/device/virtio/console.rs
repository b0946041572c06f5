//! The console with one port: what the driver sends goes to a byte sink, what arrives on the line
//! fills the buffers that the driver has offered. Bytes wait on the line while there is none, so
//! that nothing is lost.
//!
//! Source: "Console Device".

use std::fmt;
use std::io::Write;
use std::sync::mpsc::{Receiver, TryRecvError};

use super::{Backend, Broken, Outcome, Request};
use crate::bus::Ram;

const DEVICE_ID: u32 = 3;

/// Queue of buffers that the device fills.
const RECEIVE: usize = 0;
/// Queue of buffers that the device sends.
const TRANSMIT: usize = 1;

/// Feature: a byte can be sent through the configuration space, without any queue.
const FEATURE_EMERG_WRITE: u64 = 1 << 2;

/// `cols`, `rows`, `max_nr_ports`: without their features they mean nothing; `emerg_wr`.
const CONFIG: [u8; 12] = [0; 12];
/// Offset of `emerg_wr`.
const EMERG_WR: u64 = 8;

/// Bytes that go into one buffer at most.
const RECEIVE_BYTES: usize = 4096;

/// Both ends of the line.
pub struct Console {
    sink: Box<dyn Write + Send>,
    /// Bytes on their way in; `None` once the other end has hung up.
    line_in: Option<Receiver<u8>>,
    /// The byte that has been taken off the line to see whether there is one.
    first: Option<u8>,
    has_failed: bool,
}

impl Console {
    /// A console that transmits into `sink`, which its owner flushes, and receives from `line_in`.
    pub fn new(sink: Box<dyn Write + Send>, line_in: Receiver<u8>) -> Self {
        Self { sink, line_in: Some(line_in), first: None, has_failed: false }
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.first.take();
        byte.or_else(|| match self.line_in.as_ref()?.try_recv() {
            Ok(byte) => Some(byte),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.line_in = None;
                None
            }
        })
    }

    /// The guest never sees a failure of the host's side; what follows the first one is lost.
    fn send(&mut self, bytes: &[u8]) {
        if self.has_failed {
            return;
        }
        if let Err(error) = self.sink.write_all(bytes) {
            log::warn!("virtio console: output is lost: {error}");
            self.has_failed = true;
        }
    }

    fn receive(&mut self, request: &Request<'_>, ram: &mut Ram) -> Result<Outcome, Broken> {
        let room = request.chain.writable.len_bytes().min(RECEIVE_BYTES as u64) as usize;
        if room == 0 {
            return Err(Broken("a console buffer to fill cannot be written"));
        }
        let bytes: Vec<u8> = std::iter::from_fn(|| self.next()).take(room).collect();
        if bytes.is_empty() {
            return Ok(Outcome::Later);
        }
        request.chain.writable.write(ram, 0, &bytes);
        let len = bytes.len() as u32;
        Ok(Outcome::Used { written_bytes: len, cost_bytes: len.into() })
    }

    fn transmit(&mut self, request: &Request<'_>, ram: &Ram) -> Result<Outcome, Broken> {
        let len_bytes = request.chain.readable.len_bytes();
        if len_bytes > ram.len_bytes() {
            return Err(Broken("a console message is longer than RAM"));
        }
        for piece in request.chain.readable.pieces(0..len_bytes) {
            self.send(ram.slice(piece.at, piece.len_bytes));
        }
        Ok(Outcome::Used { written_bytes: 0, cost_bytes: len_bytes })
    }
}

impl Backend for Console {
    fn device_id(&self) -> u32 {
        DEVICE_ID
    }

    fn queues(&self) -> usize {
        2
    }

    fn features(&self) -> u64 {
        FEATURE_EMERG_WRITE
    }

    fn config(&self) -> &[u8] {
        &CONFIG
    }

    fn write_config(&mut self, offset: u64, value: u8) {
        if offset == EMERG_WR {
            self.send(&[value]);
        }
    }

    fn ready(&mut self) -> u64 {
        self.first = self.next();
        u64::from(self.first.is_some()) << RECEIVE
    }

    fn serve(&mut self, request: &Request<'_>, ram: &mut Ram) -> Result<Outcome, Broken> {
        match request.queue {
            RECEIVE => self.receive(request, ram),
            TRANSMIT => self.transmit(request, ram),
            other => unreachable!("queue {other} of a console"),
        }
    }
}

impl fmt::Debug for Console {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Console")
            .field("first", &self.first)
            .field("has_failed", &self.has_failed)
            .finish_non_exhaustive()
    }
}
