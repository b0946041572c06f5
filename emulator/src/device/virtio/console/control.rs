//! Control messages of a console with many ports: who says what of which port.
//!
//! Source: "Console Device", "Multiport Device Operation".

/// Bytes of a message before what follows some of them.
pub(super) const HEADER_BYTES: usize = 8;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $number:literal;)*) => {
        /// What a message is about.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Event {
            $($(#[$doc])* $name = $number,)*
        }

        impl Event {
            /// The event with this number.
            pub(super) fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

events! {
    /// By the driver: it can take messages.
    DeviceReady = 0;
    /// By the device: there is this port.
    PortAdd = 1;
    /// By the driver: the port is set up.
    PortReady = 3;
    /// By the device: the port is for a console of the operating system's.
    ConsolePort = 4;
    /// By the device: the size of the console's window, which follows as columns and rows.
    Resize = 5;
    /// By either side: the port is open there, or not.
    PortOpen = 6;
    /// By the device: the port's name, which follows.
    PortName = 7;
}

/// A message, without what follows some of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) port: u32,
    pub(super) event: u16,
    pub(super) value: u16,
}

impl Message {
    pub(super) fn new(port: u32, event: Event, value: u16) -> Self {
        Self { port, event: event as u16, value }
    }

    pub(super) fn parse(bytes: [u8; HEADER_BYTES]) -> Self {
        let [a, b, c, d, e, f, g, h] = bytes;
        Self {
            port: u32::from_le_bytes([a, b, c, d]),
            event: u16::from_le_bytes([e, f]),
            value: u16::from_le_bytes([g, h]),
        }
    }

    /// The message with what follows it.
    pub(super) fn to_bytes(self, rest: &[u8]) -> Vec<u8> {
        let Self { port, event, value } = self;
        [&port.to_le_bytes(), event.to_le_bytes().as_slice(), &value.to_le_bytes(), rest].concat()
    }
}
