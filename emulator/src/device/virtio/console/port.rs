//! One port of a console: a byte sink, a line on which bytes come in, and what driver and device
//! have told each other of it.

use std::fmt;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

use super::control::{Event, Message};

/// What a port is to the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A console of the operating system's: it is used without being opened.
    Console,
    /// A stream of bytes that programs open.
    Serial,
}

/// Size of the window in which somebody looks at a console, in characters. Clones are the same
/// size.
#[derive(Clone, Debug, Default)]
pub struct WindowSize(Arc<AtomicU32>);

impl WindowSize {
    /// The size is this now.
    pub fn set(&self, columns: u16, rows: u16) {
        self.0.store(u32::from(columns) | u32::from(rows) << u16::BITS, Ordering::Relaxed);
    }

    /// Columns in the lower half, rows in the upper; 0 while nobody knows.
    fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Whether somebody in the guest listens to a port. Clones are the same demand.
#[derive(Clone, Debug, Default)]
pub struct Demand(Arc<AtomicBool>);

impl Demand {
    /// Whether there is any.
    pub fn exists(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, exists: bool) {
        self.0.store(exists, Ordering::Relaxed);
    }
}

/// What the device has to tell of a port, in the order in which it does.
const NEWS: [Event; 5] =
    [Event::PortAdd, Event::ConsolePort, Event::PortName, Event::Resize, Event::PortOpen];

/// A port.
pub struct Port {
    kind: Kind,
    name: Option<String>,
    sink: Box<dyn Write + Send>,
    has_failed: bool,
    /// Bytes on their way in; `None` where nobody sends any, or any more.
    line_in: Option<Receiver<u8>>,
    /// The byte that has been taken off the line to see whether there is one.
    first: Option<u8>,
    /// The host's end is open: more may come.
    is_host_open: bool,
    size: WindowSize,
    /// What the driver has been told of the size.
    told_size: u32,
    /// The driver has set the port up.
    is_set_up: bool,
    /// The guest listens: programs have it open, or it is a console.
    demand: Demand,
    /// What is still to be told: a bit for each of [`NEWS`].
    news: u8,
}

/// What a look at the host's side has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Look {
    /// Bytes wait for a buffer.
    pub(super) has_input: bool,
    /// There is something to tell the driver.
    pub(super) has_news: bool,
}

impl Port {
    /// A port that transmits into `sink`, which its owner flushes, and on which nothing comes in.
    pub fn new(kind: Kind, name: Option<String>, sink: Box<dyn Write + Send>) -> Self {
        let demand = Demand::default();
        demand.set(kind == Kind::Console);
        Self {
            kind,
            name,
            sink,
            has_failed: false,
            line_in: None,
            first: None,
            is_host_open: true,
            size: WindowSize::default(),
            told_size: 0,
            is_set_up: false,
            demand,
            news: 0,
        }
    }

    /// The port, with bytes coming in on `line_in`. When nobody sends any more, the host's end
    /// closes.
    #[must_use]
    pub fn hearing(mut self, line_in: Receiver<u8>) -> Self {
        self.line_in = Some(line_in);
        self
    }

    /// The port, in a window of this size.
    #[must_use]
    pub fn in_window(mut self, size: WindowSize) -> Self {
        self.size = size;
        self
    }

    /// What tells whether the guest listens to this port.
    pub fn demand(&self) -> Demand {
        self.demand.clone()
    }

    /// Whether it needs no control messages.
    pub(super) fn is_plain(&self) -> bool {
        self.kind == Kind::Console && self.name.is_none()
    }

    fn next(&mut self) -> Option<u8> {
        let byte = self.first.take();
        byte.or_else(|| match self.line_in.as_ref()?.try_recv() {
            Ok(byte) => Some(byte),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.line_in = None;
                self.is_host_open = false;
                if self.is_set_up {
                    self.add_news(Event::PortOpen);
                }
                None
            }
        })
    }

    /// Up to `room` bytes that have come in. What a program reads waits until one has opened the
    /// port.
    pub(super) fn receive(&mut self, room: usize) -> Vec<u8> {
        if !self.demand.exists() {
            return Vec::new();
        }
        std::iter::from_fn(|| self.next()).take(room).collect()
    }

    /// The guest never sees a failure of the host's side; what follows the first one is lost.
    pub(super) fn send(&mut self, bytes: &[u8]) {
        if self.has_failed {
            return;
        }
        if let Err(error) = self.sink.write_all(bytes) {
            log::warn!("virtio console: output is lost: {error}");
            self.has_failed = true;
        }
    }

    /// Looks at the host's side.
    pub(super) fn look(&mut self) -> Look {
        self.first = self.next();
        if self.is_set_up && self.size.get() != self.told_size {
            self.add_news(Event::Resize);
        }
        let has_input = self.first.is_some() && self.demand.exists();
        Look { has_input, has_news: self.news != 0 }
    }

    fn add_news(&mut self, event: Event) {
        let index = NEWS.iter().position(|other| *other == event);
        self.news |= 1 << index.expect("only what is in the list is told");
    }

    /// The driver is to be told that there is this port.
    pub(super) fn introduce(&mut self) {
        self.add_news(Event::PortAdd);
    }

    /// The driver has set the port up, and is to be told all about it.
    pub(super) fn describe(&mut self) {
        self.is_set_up = true;
        if self.kind == Kind::Console {
            self.add_news(Event::ConsolePort);
        }
        if self.name.is_some() {
            self.add_news(Event::PortName);
        }
        self.add_news(Event::PortOpen);
    }

    /// The driver says whether programs have opened the port.
    pub(super) fn set_guest_open(&mut self, is_open: bool) {
        self.demand.set(is_open || self.kind == Kind::Console);
    }

    /// The next thing to tell the driver of this port, number `id`.
    pub(super) fn tell(&mut self, id: u32) -> Option<Vec<u8>> {
        let index = (self.news != 0).then(|| self.news.trailing_zeros())?;
        self.news &= self.news - 1;
        let event = NEWS[index as usize];
        let message = |value| Message::new(id, event, value);
        Some(match event {
            Event::Resize => {
                self.told_size = self.size.get();
                message(0).to_bytes(&self.told_size.to_le_bytes())
            }
            Event::PortName => message(1).to_bytes(self.name.as_deref().unwrap_or("").as_bytes()),
            Event::PortOpen => message(self.is_host_open.into()).to_bytes(&[]),
            _ => message(1).to_bytes(&[]),
        })
    }

    /// Forgets what the driver knows; the host's side stays as it is.
    pub(super) fn forget_driver(&mut self) {
        self.set_guest_open(false);
        (self.is_set_up, self.told_size, self.news) = (false, 0, 0);
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port")
            .field("kind", &self.kind)
            .field("name", &self.name)
            .field("first", &self.first)
            .field("has_failed", &self.has_failed)
            .field("is_host_open", &self.is_host_open)
            .field("demand", &self.demand)
            .field("news", &self.news)
            .finish_non_exhaustive()
    }
}
