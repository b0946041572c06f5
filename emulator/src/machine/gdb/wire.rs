//! gdb's packets on a connection: [`Wire`] takes them in whole and checked, answers what is
//! garbled, and sends what the stub writes. Nothing the other side sends is trusted: packets are
//! bounded, and no call waits for long.
//!
//! Source: GDB manual, "GDB Remote Serial Protocol", "Overview" and "Packet Acknowledgment".

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use gdbstub::conn;

/// Payload of a packet at most.
pub(super) const PACKET_MAX_BYTES: usize = 0x4000;

/// How long [`Wire::receive`] waits where it may wait.
const RECEIVE_WAIT: Duration = Duration::from_millis(20);
/// How long the other side may leave what is sent to it unread.
const SEND_WAIT: Duration = Duration::from_secs(5);
/// How long the other side may take to hang up when all is said.
const CLOSE_WAIT: Duration = Duration::from_millis(500);

const INTERRUPT: u8 = 3;

/// The connection is of no use any more.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("it has hung up")]
    Closed,
    #[error("its packet is longer than {PACKET_MAX_BYTES} bytes")]
    TooLong,
    #[error("its packet is garbled, and it takes no acknowledgements")]
    Garbled,
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// What the other side has sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// A packet with this payload; its checksum was right.
    Packet(Vec<u8>),
    /// The user has pressed Ctrl-C.
    Interrupt,
}

/// Whether to wait for something to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// No.
    None,
    /// A little.
    Some,
}

/// What becomes of a byte.
#[derive(Debug, PartialEq, Eq)]
enum Parsed {
    More,
    Frame(Frame),
    /// The last packet did not arrive.
    Resend,
    Garbled,
    TooLong,
}

#[derive(Debug)]
enum State {
    Between,
    Payload,
    /// Behind the `#`, with the first of two digits where it has come.
    Checksum(Option<u8>),
}

#[derive(Debug)]
struct Parser {
    state: State,
    payload: Vec<u8>,
}

impl Parser {
    fn push(&mut self, byte: u8) -> Parsed {
        match self.state {
            State::Between => match byte {
                b'$' => {
                    self.payload.clear();
                    self.state = State::Payload;
                    Parsed::More
                }
                b'-' => Parsed::Resend,
                INTERRUPT => Parsed::Frame(Frame::Interrupt),
                // `+`, or what is left of something garbled.
                _ => Parsed::More,
            },
            State::Payload if byte == b'#' => {
                self.state = State::Checksum(None);
                Parsed::More
            }
            State::Payload if self.payload.len() == PACKET_MAX_BYTES => Parsed::TooLong,
            State::Payload => {
                self.payload.push(byte);
                Parsed::More
            }
            State::Checksum(None) => {
                self.state = State::Checksum(Some(byte));
                Parsed::More
            }
            State::Checksum(Some(high)) => {
                self.state = State::Between;
                let digit = |byte: u8| char::from(byte).to_digit(16);
                let sent = digit(high).zip(digit(byte)).map(|(high, low)| high << 4 | low);
                if sent == Some(checksum(&self.payload).into()) {
                    Parsed::Frame(Frame::Packet(std::mem::take(&mut self.payload)))
                } else {
                    Parsed::Garbled
                }
            }
        }
    }
}

fn checksum(payload: &[u8]) -> u8 {
    payload.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// `payload` as it goes over the line.
pub(super) fn packet(payload: &[u8]) -> Vec<u8> {
    let sum = format!("#{:02x}", checksum(payload));
    [b"$", payload, sum.as_bytes()].concat()
}

/// A connection that speaks packets.
#[derive(Debug)]
pub(super) struct Wire {
    stream: TcpStream,
    parser: Parser,
    received: VecDeque<u8>,
    to_send: Vec<u8>,
    /// What was sent last, in case it must be sent again.
    sent: Vec<u8>,
    /// Packets are acknowledged.
    acks: bool,
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(false)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(RECEIVE_WAIT))?;
        stream.set_write_timeout(Some(SEND_WAIT))?;
        let parser = Parser { state: State::Between, payload: Vec::new() };
        let (received, to_send, sent) = (VecDeque::new(), Vec::new(), Vec::new());
        Ok(Self { stream, parser, received, to_send, sent, acks: true })
    }

    /// The next thing that the other side has sent, if it is there.
    ///
    /// # Errors
    /// [`WireError`] where nothing more can come.
    pub(super) fn receive(&mut self, patience: Patience) -> Result<Option<Frame>, WireError> {
        if let Some(frame) = self.parse()? {
            return Ok(Some(frame));
        }
        // One read and no more: somebody who never stops sending noise must not keep the machine.
        self.read(patience)?;
        self.parse()
    }

    fn read(&mut self, patience: Patience) -> Result<(), WireError> {
        let mut buffer = [0; 4096];
        let outcome = match patience {
            Patience::Some => self.stream.read(&mut buffer),
            Patience::None => {
                self.stream.set_nonblocking(true)?;
                let outcome = self.stream.read(&mut buffer);
                self.stream.set_nonblocking(false)?;
                outcome
            }
        };
        match outcome {
            Ok(0) => Err(WireError::Closed),
            Ok(len) => {
                self.received.extend(&buffer[..len]);
                Ok(())
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted => Ok(()),
                _ => Err(error.into()),
            },
        }
    }

    fn parse(&mut self) -> Result<Option<Frame>, WireError> {
        while let Some(byte) = self.received.pop_front() {
            match self.parser.push(byte) {
                Parsed::More => {}
                Parsed::Frame(frame) => return Ok(Some(frame)),
                Parsed::Resend => self.stream.write_all(&self.sent)?,
                Parsed::Garbled if self.acks => self.stream.write_all(b"-")?,
                Parsed::Garbled => return Err(WireError::Garbled),
                Parsed::TooLong => return Err(WireError::TooLong),
            }
        }
        Ok(None)
    }

    /// From now on, packets are not acknowledged.
    pub(super) fn drop_acks(&mut self) {
        self.acks = false;
    }

    /// Answers the packet just received, in the place of the stub.
    pub(super) fn answer(&mut self, payload: &[u8]) -> Result<(), WireError> {
        if self.acks {
            self.to_send.push(b'+');
        }
        self.send(payload)
    }

    /// Shows the user `text`.
    pub(super) fn console(&mut self, text: &str) -> Result<(), WireError> {
        let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(format!("O{hex}").as_bytes())
    }

    fn send(&mut self, payload: &[u8]) -> Result<(), WireError> {
        self.to_send.extend(packet(payload));
        self.send_all()
    }

    fn send_all(&mut self) -> Result<(), WireError> {
        if !self.to_send.is_empty() {
            self.stream.write_all(&self.to_send)?;
            self.sent = std::mem::take(&mut self.to_send);
        }
        Ok(())
    }

    /// Hangs up when the other side has got everything: a connection that is dropped with
    /// something unread in it takes what was sent with it.
    pub(super) fn close(&mut self) {
        let started = Instant::now();
        if self.send_all().is_err() || self.stream.shutdown(Shutdown::Write).is_err() {
            return;
        }
        while started.elapsed() < CLOSE_WAIT {
            if self.read(Patience::Some).is_err() {
                return;
            }
            self.received.clear();
        }
    }
}

impl conn::Connection for Wire {
    type Error = WireError;

    fn write(&mut self, byte: u8) -> Result<(), WireError> {
        self.to_send.push(byte);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), WireError> {
        self.send_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_frames() {
        let frame = |payload: &[u8]| Parsed::Frame(Frame::Packet(payload.to_vec()));
        let long = [&b"$"[..], &[b'a'; PACKET_MAX_BYTES + 1]].concat();
        for (bytes, found) in [
            (&b"$g#67"[..], vec![frame(b"g")]),
            (b"$#00", vec![frame(b"")]),
            (b"+$g#67\x03$OK#9a", vec![frame(b"g"), Parsed::Frame(Frame::Interrupt), frame(b"OK")]),
            (b"$OK#9A", vec![frame(b"OK")]),
            (b"$X\x03$#7a", vec![Parsed::Garbled]),
            (b"$X\x03$#7f", vec![frame(b"X\x03$")]),
            (b"$g#68$g#67", vec![Parsed::Garbled, frame(b"g")]),
            (b"$g#zz", vec![Parsed::Garbled]),
            (b"$g##67", vec![Parsed::Garbled]),
            (b"-", vec![Parsed::Resend]),
            (b"\xff\x00#67", vec![]),
            (&long, vec![Parsed::TooLong]),
            (&long[..=PACKET_MAX_BYTES], vec![]),
        ] {
            let mut parser = Parser { state: State::Between, payload: Vec::new() };
            let parsed = bytes.iter().map(|byte| parser.push(*byte));
            let parsed: Vec<_> = parsed.filter(|parsed| *parsed != Parsed::More).collect();
            assert_eq!(
                parsed,
                found,
                "{:?}",
                String::from_utf8_lossy(&bytes[..bytes.len().min(20)])
            );
        }
        assert_eq!(packet(b"OK"), b"$OK#9a");
    }
}
