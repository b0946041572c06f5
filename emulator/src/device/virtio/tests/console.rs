//! The console device.

use std::sync::mpsc::{Sender, channel};

use super::super::Layout;
use super::super::console::Console;
use super::super::register as reg;
use super::driver::{BOTH, Guest, NEEDS_RESET, Part};
use super::fakes::Screen;
use crate::addr::Width;

const RECEIVE: usize = 0;
const TRANSMIT: usize = 1;

fn console(layout: Layout) -> (Guest, Sender<u8>, Screen) {
    let (line, line_in) = channel();
    let screen = Screen::default();
    let console = Console::new(Box::new(screen.clone()), line_in);
    (Guest::started(layout, console, 0, 16), line, screen)
}

#[test]
fn transmits_in_order() {
    for layout in BOTH {
        let (mut guest, _line, screen) = console(layout);
        assert_eq!(guest.get(reg::DEVICE_ID), 3);
        let (used, _) = guest.request(TRANSMIT, &[Part::Out(b"hello, "), Part::Out(b"world")]);
        assert_eq!((used, screen.take()), (0, b"hello, world".to_vec()), "{layout:?}");
        (0..3).for_each(|_| drop(guest.prepare(TRANSMIT, &[Part::Out(b"ab")])));
        guest.notify(TRANSMIT);
        assert_eq!((guest.take_used(TRANSMIT).len(), screen.take()), (3, b"ababab".to_vec()));
    }
}

#[test]
fn receives_into_what_is_offered() {
    for layout in BOTH {
        let (mut guest, line, _screen) = console(layout);
        let first = guest.prepare(RECEIVE, &[Part::In(4)]);
        let second = guest.prepare(RECEIVE, &[Part::In(2), Part::In(2)]);
        guest.notify(RECEIVE);
        guest.machine.poll();
        assert_eq!((guest.take_used(RECEIVE), guest.interrupt()), (vec![], 0), "{layout:?}");
        b"typed in".iter().take(6).for_each(|byte| line.send(*byte).unwrap());
        guest.machine.poll();
        let want = [(first.head.into(), 4), (second.head.into(), 2)];
        assert_eq!((guest.take_used(RECEIVE), guest.interrupt()), (want.to_vec(), 1));
        assert_eq!(guest.collect(&first), b"type");
        assert_eq!(guest.collect(&second), b"d \0\0");
    }
}

#[test]
fn input_waits_for_buffers_and_outlives_a_reset() {
    for layout in BOTH {
        let (mut guest, line, _screen) = console(layout);
        b"early".iter().for_each(|byte| line.send(*byte).unwrap());
        drop(line);
        guest.machine.poll();
        assert_eq!(guest.request(RECEIVE, &[Part::In(1)]), (1, b"e".to_vec()), "{layout:?}");
        guest.machine.poll();
        guest.start(0, 2, 8);
        assert_eq!(guest.request(RECEIVE, &[Part::In(8)]), (4, b"arly\0\0\0\0".to_vec()));
        guest.prepare(RECEIVE, &[Part::In(8)]);
        guest.notify(RECEIVE);
        guest.machine.poll();
        assert_eq!((guest.take_used(RECEIVE), guest.machine.irq.sources & 1), (vec![], 0));
    }
}

#[test]
fn emergency_write_needs_no_queue() {
    let (_line, line_in) = channel();
    let screen = Screen::default();
    let console = Console::new(Box::new(screen.clone()), line_in);
    let mut guest = Guest::new(Layout::Modern, Some(Box::new(console)));
    for (width, value) in [(Width::Byte, 0x21), (Width::Word, 0x22), (Width::Double, 0x23)] {
        guest.machine.write(0x108, width, value).unwrap();
    }
    guest.machine.write(0x100, Width::Double, u64::MAX).unwrap();
    assert_eq!(screen.take(), [0x21, 0x22, 0x23]);
    assert_eq!(guest.config(16), [[0; 12].as_slice(), &[0xff; 4]].concat());
}

#[test]
fn a_broken_sink_loses_output_only() {
    let (line, line_in) = channel();
    let screen = Screen { is_broken: true, ..Screen::default() };
    let console = Console::new(Box::new(screen), line_in);
    let mut guest = Guest::started(Layout::Modern, console, 0, 16);
    guest.request(TRANSMIT, &[Part::Out(b"lost")]);
    guest.request(TRANSMIT, &[Part::Out(b"lost")]);
    line.send(b'x').unwrap();
    assert_eq!(guest.request(RECEIVE, &[Part::In(1)]), (1, b"x".to_vec()));
}

#[test]
fn buffers_of_the_wrong_kind_break_the_device() {
    let (mut guest, line, screen) = console(Layout::Modern);
    guest.prepare(TRANSMIT, &[Part::In(4)]);
    guest.notify(TRANSMIT);
    assert_eq!(guest.take_used(TRANSMIT), [(0, 0)], "nothing to say is no error");
    assert_eq!(screen.take(), b"");
    guest.prepare(RECEIVE, &[Part::Out(b"a")]);
    line.send(b'x').unwrap();
    guest.machine.poll();
    assert_eq!(guest.get(reg::STATUS) & NEEDS_RESET, NEEDS_RESET);
    guest.start(0, 2, 8);
    assert_eq!(guest.request(RECEIVE, &[Part::In(1)]), (1, b"x".to_vec()), "nothing is lost");
}
