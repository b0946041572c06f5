//! The console device: ports, each with a queue in either direction. What the driver sends goes to
//! the port's byte sink, what arrives on the port's line fills the buffers that the driver has
//! offered. Bytes wait on the line while there is none, so that nothing is lost.
//!
//! A device with nothing but one console without a name has no more than the two queues of that
//! port. Any other one has many ports: then a pair of queues for control messages tells the driver
//! which there are. [`port`] is a port without queues, [`control`] the messages.
//!
//! Source: "Console Device".

mod control;
mod port;

use std::io::Write;
use std::sync::mpsc::Receiver;

use super::{Backend, Broken, Outcome, Request};
use crate::bus::Ram;
use control::{Event, Message};
pub use port::{Demand, Kind, Port, WindowSize};

const DEVICE_ID: u32 = 3;

/// Ports of a device at most: what has a bit for each of its queues.
pub const MAX_PORTS: u32 = 31;

/// Feature: there are many ports, and queues for control messages.
const FEATURE_MULTIPORT: u64 = 1 << 1;
/// Feature: a byte can be sent through the configuration space, without any queue.
const FEATURE_EMERG_WRITE: u64 = 1 << 2;

/// `cols`, `rows`, `max_nr_ports`, `emerg_wr`. The first two mean nothing without their feature.
const CONFIG_BYTES: usize = 12;
/// Offset of `max_nr_ports`.
const MAX_NR_PORTS: usize = 4;
/// Offset of `emerg_wr`.
const EMERG_WR: u64 = 8;

/// Bytes that go into one buffer at most.
const RECEIVE_BYTES: usize = 4096;

/// What a queue is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Buffers that the port with this number fills.
    Receive(usize),
    /// Buffers that the port with this number sends.
    Transmit(usize),
    /// Control messages to the driver.
    ControlReceive,
    /// Control messages from the driver.
    ControlTransmit,
}

impl Role {
    /// The role of a queue; the queues of port 0 come first, then those for control messages.
    fn of(queue: usize) -> Self {
        match queue {
            0 => Self::Receive(0),
            1 => Self::Transmit(0),
            2 => Self::ControlReceive,
            3 => Self::ControlTransmit,
            _ if queue.is_multiple_of(2) => Self::Receive(queue / 2 - 1),
            _ => Self::Transmit(queue / 2 - 1),
        }
    }

    /// The queue that a port fills.
    fn receive_queue(port: usize) -> usize {
        if port == 0 { 0 } else { 2 * port + 2 }
    }
}

/// Queue of control messages to the driver.
const CONTROL_RECEIVE: usize = 2;

/// The device.
#[derive(Debug)]
pub struct Console {
    /// By number.
    ports: Vec<Option<Port>>,
    config: [u8; CONFIG_BYTES],
    has_control: bool,
}

impl Console {
    /// A console that transmits into `sink`, which its owner flushes, and receives from `line_in`.
    pub fn new(sink: Box<dyn Write + Send>, line_in: Receiver<u8>) -> Self {
        Self::with_ports([(0, Port::new(Kind::Console, None, sink).hearing(line_in))])
    }

    /// A device with these ports, by number.
    ///
    /// # Panics
    /// Where a number is not below [`MAX_PORTS`], or given twice.
    pub fn with_ports(given: impl IntoIterator<Item = (u32, Port)>) -> Self {
        let mut ports: Vec<Option<Port>> = Vec::new();
        for (number, port) in given {
            assert!(number < MAX_PORTS, "port {number} of a console");
            let index = number as usize;
            ports.resize_with(ports.len().max(index + 1), || None);
            assert!(ports[index].replace(port).is_none(), "two ports have number {number}");
        }
        let is_plain = matches!(ports.as_slice(), [Some(port)] if port.is_plain());
        let mut config = [0; CONFIG_BYTES];
        if !is_plain {
            let count = ports.len() as u32;
            config[MAX_NR_PORTS..MAX_NR_PORTS + 4].copy_from_slice(&count.to_le_bytes());
        }
        Self { ports, config, has_control: !is_plain }
    }

    fn port(&mut self, number: usize) -> Option<&mut Port> {
        self.ports.get_mut(number)?.as_mut()
    }

    fn receive(
        &mut self,
        number: usize,
        request: &Request<'_>,
        ram: &mut Ram,
    ) -> Result<Outcome, Broken> {
        let room = request.chain.writable.len_bytes().min(RECEIVE_BYTES as u64) as usize;
        if room == 0 {
            return Err(Broken("a console buffer to fill cannot be written"));
        }
        let Some(port) = self.port(number) else { return Ok(Outcome::Later) };
        let bytes = port.receive(room);
        if bytes.is_empty() {
            return Ok(Outcome::Later);
        }
        request.chain.writable.write(ram, 0, &bytes);
        let len = bytes.len() as u32;
        Ok(Outcome::Used { written_bytes: len, cost_bytes: len.into() })
    }

    fn transmit(
        &mut self,
        number: usize,
        request: &Request<'_>,
        ram: &Ram,
    ) -> Result<Outcome, Broken> {
        let len_bytes = request.chain.readable.len_bytes();
        if len_bytes > ram.len_bytes() {
            return Err(Broken("a console message is longer than RAM"));
        }
        if let Some(port) = self.port(number) {
            for piece in request.chain.readable.pieces(0..len_bytes) {
                port.send(ram.slice(piece.at, piece.len_bytes));
            }
        }
        Ok(Outcome::Used { written_bytes: 0, cost_bytes: len_bytes })
    }

    /// Tells the driver what it does not know yet, a message a buffer.
    fn tell(&mut self, request: &Request<'_>, ram: &mut Ram) -> Result<Outcome, Broken> {
        let next = (0..).zip(&mut self.ports).find_map(|(id, port)| port.as_mut()?.tell(id));
        let Some(bytes) = next else { return Ok(Outcome::Later) };
        if request.chain.writable.len_bytes() < bytes.len() as u64 {
            return Err(Broken("a buffer is too small for a console's control message"));
        }
        request.chain.writable.write(ram, 0, &bytes);
        let len = bytes.len() as u32;
        Ok(Outcome::Used { written_bytes: len, cost_bytes: len.into() })
    }

    /// Does as the driver says.
    fn obey(&mut self, request: &Request<'_>, ram: &Ram) -> Result<Outcome, Broken> {
        let message = request.chain.readable.read(ram, 0).map(Message::parse);
        let Message { port, event, value } =
            message.ok_or(Broken("a control message for a console is too short"))?;
        let (is_yes, number) = (value != 0, port as usize);
        match Event::from_number(event) {
            Some(Event::DeviceReady) if is_yes => {
                self.ports.iter_mut().flatten().for_each(Port::introduce);
            }
            Some(Event::PortReady) if is_yes => {
                self.port(number).into_iter().for_each(Port::describe);
            }
            Some(Event::PortOpen) => {
                self.port(number).into_iter().for_each(|port| port.set_guest_open(is_yes));
            }
            _ => log::warn!("virtio console: the driver says {event} ({value}) of port {port}"),
        }
        Ok(Outcome::Used { written_bytes: 0, cost_bytes: control::HEADER_BYTES as u64 })
    }
}

impl Backend for Console {
    fn device_id(&self) -> u32 {
        DEVICE_ID
    }

    fn queues(&self) -> usize {
        if self.has_control { 2 * self.ports.len() + 2 } else { 2 }
    }

    fn features(&self) -> u64 {
        if self.has_control { FEATURE_EMERG_WRITE | FEATURE_MULTIPORT } else { FEATURE_EMERG_WRITE }
    }

    fn config(&self) -> &[u8] {
        &self.config
    }

    fn write_config(&mut self, offset: u64, value: u8) {
        if offset == EMERG_WR {
            self.port(0).into_iter().for_each(|port| port.send(&[value]));
        }
    }

    fn ready(&mut self, _: u64) -> u64 {
        let mut queues = 0;
        for (number, port) in self.ports.iter_mut().enumerate() {
            let Some(port) = port else { continue };
            let look = port.look();
            queues |= u64::from(look.has_input) << Role::receive_queue(number);
            queues |= u64::from(look.has_news && self.has_control) << CONTROL_RECEIVE;
        }
        queues
    }

    fn serve(&mut self, request: &Request<'_>, ram: &mut Ram) -> Result<Outcome, Broken> {
        match Role::of(request.queue) {
            Role::Receive(number) => self.receive(number, request, ram),
            Role::Transmit(number) => self.transmit(number, request, ram),
            Role::ControlReceive => self.tell(request, ram),
            Role::ControlTransmit => self.obey(request, ram),
        }
    }

    fn reset(&mut self) {
        self.ports.iter_mut().flatten().for_each(Port::forget_driver);
    }
}
