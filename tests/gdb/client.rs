//! A client that speaks gdb's remote protocol, as little of it as the tests need: packets with
//! checksums and acknowledgements. It owes nothing to the server's side.

use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer takes.
const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Client {
    stream: BufReader<TcpStream>,
    /// Packets are acknowledged.
    acks: bool,
    /// What the user would have been shown while waiting for the last stop.
    pub(crate) shown: String,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream: BufReader::new(stream), acks: true, shown: String::new() }
    }

    /// Sends bytes that need not be a packet.
    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        // The server may have hung up, and does so where it must.
        let _ = self.stream.get_mut().write_all(bytes);
    }

    fn byte(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(0) => None,
            Ok(_) => Some(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("no answer: {error}"),
        }
    }

    /// The payload of the next packet; `None` where the server has hung up.
    pub(crate) fn receive(&mut self) -> Option<String> {
        loop {
            match self.byte()? {
                b'$' => break,
                b'+' if self.acks => {}
                b'-' => return Some("-".to_owned()),
                other => panic!("{:?} between packets", char::from(other)),
            }
        }
        let mut payload = Vec::new();
        loop {
            match self.byte()? {
                b'#' => break,
                byte => payload.push(byte),
            }
        }
        let sum = payload.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        let sent = [self.byte()?, self.byte()?];
        assert_eq!(String::from_utf8_lossy(&sent), format!("{sum:02x}"));
        if self.acks {
            self.send_raw(b"+");
        }
        Some(unescape(&payload))
    }

    pub(crate) fn send(&mut self, payload: &str) {
        self.send_raw(&packet(payload.as_bytes()));
    }

    /// Sends a packet; yields the answer, nothing where the server hangs up.
    pub(crate) fn ask(&mut self, payload: &str) -> String {
        self.send(payload);
        self.receive().unwrap_or_default()
    }

    /// The answer to a packet that makes the machine run: why it stopped.
    pub(crate) fn resume(&mut self, payload: &str) -> String {
        self.send(payload);
        self.stopped()
    }

    /// Why the machine has stopped.
    pub(crate) fn stopped(&mut self) -> String {
        self.shown.clear();
        loop {
            let answer = self.receive().expect("a stop is told before the server hangs up");
            match answer.strip_prefix('O') {
                Some(shown) if shown != "K" => self.shown.push_str(&text(shown)),
                _ => return answer,
            }
        }
    }

    pub(crate) fn interrupt(&mut self) {
        self.send_raw(&[3]);
    }

    pub(crate) fn drop_acks(&mut self) {
        assert_eq!(self.ask("QStartNoAckMode"), "OK");
        self.acks = false;
    }

    /// What the user's `monitor` command says.
    pub(crate) fn monitor(&mut self, line: &str) -> String {
        self.send(&format!("qRcmd,{}", hex(line.as_bytes())));
        let end = self.stopped();
        assert_eq!(end, "OK", "{line}");
        std::mem::take(&mut self.shown)
    }

    pub(crate) fn register(&mut self, number: usize) -> u64 {
        let answer = self.ask(&format!("p{number:x}"));
        let mut value = bytes(&answer).unwrap_or_else(|| panic!("register {number}: {answer}"));
        value.resize(8, 0);
        u64::from_le_bytes(value.try_into().unwrap())
    }

    pub(crate) fn set_register(&mut self, number: usize, value: u64) -> String {
        self.ask(&format!("P{number:x}={}", hex(&value.to_le_bytes())))
    }

    pub(crate) fn pc(&mut self) -> u64 {
        self.register(32)
    }

    pub(crate) fn set_pc(&mut self, pc: u64) {
        assert_eq!(self.set_register(32, pc), "OK");
    }

    /// `None` where there is no such memory.
    pub(crate) fn read(&mut self, at: u64, len: usize) -> Option<Vec<u8>> {
        let answer = self.ask(&format!("m{at:x},{len:x}"));
        let is_error = answer.len() == 3 && answer.starts_with('E');
        (!is_error).then(|| bytes(&answer).unwrap())
    }

    pub(crate) fn write(&mut self, at: u64, data: &[u8]) -> String {
        self.ask(&format!("M{at:x},{:x}:{}", data.len(), hex(data)))
    }
}

pub(crate) fn packet(payload: &[u8]) -> Vec<u8> {
    let sum = payload.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    [b"$", payload, format!("#{sum:02x}").as_bytes()].concat()
}

fn unescape(payload: &[u8]) -> String {
    let mut text = Vec::new();
    let mut escaped = false;
    for byte in payload {
        match (escaped, byte) {
            (false, b'}') => escaped = true,
            (false, byte) => text.push(*byte),
            (true, byte) => {
                text.push(byte ^ 0x20);
                escaped = false;
            }
        }
    }
    String::from_utf8(text).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn text(hex: &str) -> String {
    String::from_utf8(bytes(hex).unwrap()).unwrap()
}
