//! The console device with many ports: control messages, streams that open and close.

use std::sync::mpsc::{Sender, channel};

use super::super::Layout;
use super::super::console::{Console, Kind, Port, WindowSize};
use super::super::register as reg;
use super::driver::{BOTH, Guest, NEEDS_RESET, Part, Sent};
use super::fakes::Screen;

/// The feature of many ports.
const MULTIPORT: u64 = 1 << 1;

const CONTROL_RECEIVE: usize = 2;
const CONTROL_TRANSMIT: usize = 3;
/// Queues of the port with number 2.
const STREAM_RECEIVE: usize = 6;
const STREAM_TRANSMIT: usize = 7;

/// Events, by the standard's numbers.
const DEVICE_READY: u16 = 0;
const PORT_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const CONSOLE_PORT: u16 = 4;
const RESIZE: u16 = 5;
const PORT_OPEN: u16 = 6;
const PORT_NAME: u16 = 7;

/// A device with a console, port 0, and a stream called `in`, port 2, which hears a line.
struct Rig {
    guest: Guest,
    line: Option<Sender<u8>>,
    console: Screen,
    stream: Screen,
    size: WindowSize,
    /// The buffer that waits for a control message.
    waiting: Option<Sent>,
}

/// The device, with a driver that takes all features but `without`.
fn rig(layout: Layout, without: u64) -> Rig {
    let (line, line_in) = channel();
    let (console, stream, size) = (Screen::default(), Screen::default(), WindowSize::default());
    let port = Port::new(Kind::Console, None, Box::new(console.clone())).in_window(size.clone());
    let named = Port::new(Kind::Serial, Some("in".to_owned()), Box::new(stream.clone()));
    let device = Console::with_ports([(0, port), (2, named.hearing(line_in))]);
    let guest = Guest::started(layout, device, without, 64);
    Rig { guest, line: Some(line), console, stream, size, waiting: None }
}

/// A control message, with what follows some of them.
fn message(port: u32, event: u16, value: u16, rest: &[u8]) -> Vec<u8> {
    [&port.to_le_bytes(), event.to_le_bytes().as_slice(), &value.to_le_bytes(), rest].concat()
}

impl Rig {
    /// The driver says something, which the device reads at once.
    fn say(&mut self, port: u32, event: u16, value: u16) {
        let message = message(port, event, value, &[]);
        assert_eq!(self.guest.request(CONTROL_TRANSMIT, &[Part::Out(&message)]).0, 0);
    }

    /// What the device has to say now.
    fn hear(&mut self) -> Vec<Vec<u8>> {
        let mut heard = Vec::new();
        loop {
            let guest = &mut self.guest;
            let sent = self.waiting.take();
            let sent = sent.unwrap_or_else(|| guest.prepare(CONTROL_RECEIVE, &[Part::In(32)]));
            guest.machine.poll();
            guest.notify(CONTROL_RECEIVE);
            match guest.take_used(CONTROL_RECEIVE)[..] {
                [] => {
                    self.waiting = Some(sent);
                    return heard;
                }
                [(head, len)] => {
                    assert_eq!(head, u32::from(sent.head));
                    heard.push(guest.collect(&sent)[..len as usize].to_vec());
                }
                ref more => panic!("one buffer, one answer: {more:?}"),
            }
        }
    }

    fn send(&self, text: &[u8]) {
        let line = self.line.as_ref().expect("nobody has hung up");
        text.iter().for_each(|byte| line.send(*byte).unwrap());
    }

    /// As drivers begin.
    fn begin(&mut self) {
        self.say(0, DEVICE_READY, 1);
        self.say(0, PORT_READY, 1);
        self.say(2, PORT_READY, 1);
        assert_eq!(self.hear().len(), 6);
    }
}

#[test]
fn the_driver_is_told_what_there_is() {
    for layout in BOTH {
        let mut rig = rig(layout, 0);
        assert_eq!(rig.guest.config(12), [0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0], "{layout:?}");
        rig.size.set(80, 24);
        assert!(rig.hear().is_empty(), "the driver is not ready");
        rig.say(0, DEVICE_READY, 1);
        assert_eq!(rig.hear(), [message(0, PORT_ADD, 1, &[]), message(2, PORT_ADD, 1, &[])]);
        rig.say(2, PORT_READY, 1);
        let want = [message(2, PORT_NAME, 1, b"in"), message(2, PORT_OPEN, 1, &[])];
        assert_eq!(rig.hear(), want);
        rig.say(0, PORT_READY, 1);
        let size = message(0, RESIZE, 0, &[80, 0, 24, 0]);
        let want = [message(0, CONSOLE_PORT, 1, &[]), size, message(0, PORT_OPEN, 1, &[])];
        assert_eq!(rig.hear(), want);
        rig.size.set(0x102, 0x304);
        assert_eq!(rig.hear(), [message(0, RESIZE, 0, &[2, 1, 4, 3])]);
        assert!(rig.hear().is_empty());
    }
}

#[test]
fn bytes_wait_for_whoever_opens_the_port() {
    let mut rig = rig(Layout::Modern, 0);
    rig.begin();
    rig.send(b"early");
    let buffer = rig.guest.prepare(STREAM_RECEIVE, &[Part::In(8)]);
    rig.guest.notify(STREAM_RECEIVE);
    rig.guest.machine.poll();
    assert_eq!(rig.guest.take_used(STREAM_RECEIVE), [], "nobody has opened it");
    rig.say(2, PORT_OPEN, 1);
    rig.guest.machine.poll();
    assert_eq!(rig.guest.take_used(STREAM_RECEIVE), [(buffer.head.into(), 5)]);
    assert_eq!(rig.guest.collect(&buffer), b"early\0\0\0");
    rig.guest.request(STREAM_TRANSMIT, &[Part::Out(b"out")]);
    assert_eq!((rig.stream.take(), rig.console.take()), (b"out".to_vec(), vec![]));
    rig.say(2, PORT_OPEN, 0);
    rig.send(b"late");
    rig.guest.prepare(STREAM_RECEIVE, &[Part::In(8)]);
    rig.guest.notify(STREAM_RECEIVE);
    rig.guest.machine.poll();
    assert_eq!(rig.guest.take_used(STREAM_RECEIVE), [], "it is closed again");
}

#[test]
fn the_end_comes_after_the_last_byte() {
    let mut rig = rig(Layout::Modern, 0);
    rig.begin();
    rig.say(2, PORT_OPEN, 1);
    rig.send(b"to the end");
    rig.line = None;
    assert!(rig.hear().is_empty(), "bytes are still on the line");
    let request = [Part::In(6)];
    assert_eq!(rig.guest.request(STREAM_RECEIVE, &request), (6, b"to the".to_vec()));
    assert!(rig.hear().is_empty());
    assert_eq!(rig.guest.request(STREAM_RECEIVE, &request), (4, b" end\0\0".to_vec()));
    assert_eq!(rig.hear(), [message(2, PORT_OPEN, 0, &[])]);
    // Whoever comes later learns it, too.
    rig.guest.start(0, 8, 64);
    rig.waiting = None;
    assert!(rig.hear().is_empty(), "the driver is a new one");
    rig.say(2, PORT_READY, 1);
    let want = [message(2, PORT_NAME, 1, b"in"), message(2, PORT_OPEN, 0, &[])];
    assert_eq!(rig.hear(), want);
}

#[test]
fn a_driver_that_wants_one_port_gets_one() {
    for layout in BOTH {
        let mut rig = rig(layout, MULTIPORT);
        rig.send(b"unheard");
        rig.guest.request(1, &[Part::Out(b"hello")]);
        assert_eq!((rig.console.take(), rig.stream.take()), (b"hello".to_vec(), vec![]));
        rig.guest.prepare(0, &[Part::In(8)]);
        rig.guest.notify(0);
        rig.guest.machine.poll();
        assert_eq!(rig.guest.take_used(0), []);
        assert_eq!(rig.guest.get(reg::STATUS) & NEEDS_RESET, 0);
    }
}

#[test]
fn nonsense_is_ignored_or_breaks_the_device() {
    let mut rig = rig(Layout::Modern, 0);
    for (port, event, value) in [
        (1, PORT_READY, 1),
        (7, PORT_OPEN, 1),
        (u32::MAX, PORT_READY, 1),
        (0, 99, 1),
        (0, PORT_ADD, 1),
    ] {
        rig.say(port, event, value);
    }
    assert!(rig.hear().is_empty());
    // Said a hundred times, it is to be answered once.
    (0..100).for_each(|_| rig.say(0, DEVICE_READY, 1));
    assert_eq!(rig.hear().len(), 2);
    // Port 1 is not there: nothing comes from it, and what is sent to it is lost.
    rig.guest.request(5, &[Part::Out(b"lost")]);
    rig.guest.prepare(4, &[Part::In(8)]);
    rig.guest.notify(4);
    assert_eq!(rig.guest.take_used(4), []);
    for broken in [&[Part::Out(b"short".as_slice())], &[Part::In(8)]] {
        let mut rig = self::rig(Layout::Modern, 0);
        rig.guest.prepare(CONTROL_TRANSMIT, broken);
        rig.guest.notify(CONTROL_TRANSMIT);
        assert_eq!(rig.guest.get(reg::STATUS) & NEEDS_RESET, NEEDS_RESET);
    }
    let mut rig = self::rig(Layout::Modern, 0);
    rig.say(2, PORT_READY, 1);
    rig.guest.prepare(CONTROL_RECEIVE, &[Part::In(9)]);
    rig.guest.notify(CONTROL_RECEIVE);
    assert_eq!(rig.guest.get(reg::STATUS) & NEEDS_RESET, NEEDS_RESET);
}
