//! Control messages of a console with many ports: what the device tells of them, and what the
//! driver answers.
//!
//! Source: "Console Device", "Multiport Device Operation".

/// Device id of a console.
pub const DEVICE_ID: u32 = 3;
/// Feature: there are many ports, and queues for control messages.
pub const MULTIPORT: u64 = 1 << 1;
/// Offset of `max_nr_ports` in the configuration space.
pub const MAX_NR_PORTS: u64 = 4;

/// Queue of control messages from the device.
pub const CONTROL_RECEIVE: u32 = 2;
/// Queue of control messages to the device.
pub const CONTROL_TRANSMIT: u32 = 3;

/// Bytes of a message before what follows some of them.
const HEADER_BYTES: usize = 8;
/// Bytes that hold every message of the device: the longest has a name.
pub const MESSAGE_BYTES: usize = 256;

/// Numbers of events.
mod event {
    pub(super) const DEVICE_READY: u16 = 0;
    pub(super) const PORT_ADD: u16 = 1;
    pub(super) const PORT_REMOVE: u16 = 2;
    pub(super) const PORT_READY: u16 = 3;
    pub(super) const CONSOLE_PORT: u16 = 4;
    pub(super) const RESIZE: u16 = 5;
    pub(super) const PORT_OPEN: u16 = 6;
    pub(super) const PORT_NAME: u16 = 7;
}

/// The queue that brings what comes in on a port.
pub const fn receive_queue(port: u32) -> u32 {
    if port == 0 { 0 } else { 2 * port + 2 }
}

/// The queue that takes what goes out on a port.
pub const fn transmit_queue(port: u32) -> u32 {
    receive_queue(port) + 1
}

/// What the device tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told<'a> {
    /// There is a port with this number.
    Added(u32),
    /// There is none any more.
    Removed(u32),
    /// The port is for a console.
    Console(u32),
    /// The port has this name.
    Named(u32, &'a [u8]),
    /// The host's end of the port is open; or it is not.
    Open(u32, bool),
    /// The port's window has so many columns and rows.
    Size(u32, [u16; 2]),
}

impl<'a> Told<'a> {
    /// What a message of the device says, if it is known.
    pub fn parse(message: &'a [u8]) -> Option<Self> {
        let (header, rest) = message.split_at_checked(HEADER_BYTES)?;
        let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let port = u32::from(half(0)) | u32::from(half(2)) << 16;
        let value = half(6);
        match half(4) {
            event::PORT_ADD => Some(Self::Added(port)),
            event::PORT_REMOVE => Some(Self::Removed(port)),
            event::CONSOLE_PORT if value != 0 => Some(Self::Console(port)),
            event::PORT_OPEN => Some(Self::Open(port, value != 0)),
            event::PORT_NAME => {
                // Some devices end it with a zero, which does not belong to it.
                Some(Self::Named(port, rest.strip_suffix(&[0]).unwrap_or(rest)))
            }
            event::RESIZE => {
                let [a, b, c, d] = *rest.first_chunk()?;
                let size = [u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])];
                Some(Self::Size(port, size))
            }
            _ => None,
        }
    }
}

/// What the driver tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tell {
    /// It is ready for messages.
    DeviceReady,
    /// It has set the port up.
    PortReady(u32),
    /// Somebody listens to the port; or nobody does.
    Open(u32, bool),
}

impl Tell {
    /// The message that says so.
    pub fn to_bytes(self) -> [u8; HEADER_BYTES] {
        let (port, event, value) = match self {
            Self::DeviceReady => (0, event::DEVICE_READY, true),
            Self::PortReady(port) => (port, event::PORT_READY, true),
            Self::Open(port, is_open) => (port, event::PORT_OPEN, is_open),
        };
        let [a, b, c, d] = port.to_le_bytes();
        let [e, f] = event.to_le_bytes();
        [a, b, c, d, e, f, value.into(), 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_the_device() {
        for (message, told) in [
            (&[2, 0, 0, 0, 1, 0, 1, 0][..], Some(Told::Added(2))),
            (&[2, 1, 0, 0, 2, 0, 1, 0], Some(Told::Removed(0x102))),
            (&[0, 0, 0, 0, 4, 0, 1, 0], Some(Told::Console(0))),
            (&[0, 0, 0, 0, 4, 0, 0, 0], None),
            (&[1, 0, 0, 0, 6, 0, 1, 0], Some(Told::Open(1, true))),
            (&[1, 0, 0, 0, 6, 0, 0, 0], Some(Told::Open(1, false))),
            (b"\x03\0\0\0\x07\0\x01\0stdin", Some(Told::Named(3, b"stdin"))),
            (b"\x03\0\0\0\x07\0\x01\0stdin\0", Some(Told::Named(3, b"stdin"))),
            (b"\x03\0\0\0\x07\0\x01\0", Some(Told::Named(3, b""))),
            (&[0, 0, 0, 0, 5, 0, 0, 0, 80, 0, 24, 1], Some(Told::Size(0, [80, 280]))),
            (&[0, 0, 0, 0, 5, 0, 0, 0, 80, 0, 24], None),
            (&[0, 0, 0, 0, 99, 0, 1, 0], None),
            (&[0, 0, 0, 0, 1, 0, 1], None),
            (&[], None),
        ] {
            assert_eq!(Told::parse(message), told, "{message:?}");
        }
    }

    #[test]
    fn messages_of_the_driver() {
        assert_eq!(Tell::DeviceReady.to_bytes(), [0, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(Tell::PortReady(0x203).to_bytes(), [3, 2, 0, 0, 3, 0, 1, 0]);
        assert_eq!(Tell::Open(1, true).to_bytes(), [1, 0, 0, 0, 6, 0, 1, 0]);
        assert_eq!(Tell::Open(1, false).to_bytes(), [1, 0, 0, 0, 6, 0, 0, 0]);
    }

    #[test]
    fn queues_of_ports() {
        for (port, receive, transmit) in [(0, 0, 1), (1, 4, 5), (2, 6, 7), (30, 62, 63)] {
            assert_eq!((receive_queue(port), transmit_queue(port)), (receive, transmit));
        }
    }
}
