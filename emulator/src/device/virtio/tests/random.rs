//! Random garbage in registers and rings: nothing panics, nothing takes for ever, and after a
//! reset the device serves its driver as if nothing had been.

use std::sync::mpsc::channel;

use proptest::prelude::*;

use super::super::block::{Block, Latency, Seek};
use super::super::console::Console;
use super::super::rng::Rng;
use super::super::{Backend, Layout, SERVICE_BYTES};
use super::driver::{Desc, Guest, Part, RAM_BASE, RAM_BYTES};
use super::fakes::{Event, Memory, Screen};
use crate::addr::Width;
use crate::bus::Device;

/// Where the fuzzed queues and buffers lie: few places, so that accesses meet.
const PLACES: u64 = 0x8000;
/// Sectors of the disk.
const SECTORS: u64 = 0x1_0000;

#[derive(Clone, Debug)]
enum Act {
    Write { offset: u64, width: Width, value: u64 },
    Read { offset: u64, width: Width },
    Poke { at: u64, width: Width, value: u64 },
    Describe { table: u64, index: u16, desc: [u64; 4] },
    Poll,
}

fn width() -> impl Strategy<Value = Width> {
    use Width::{Byte, Double, Half, Word};
    prop_oneof![6 => Just(Word), 1 => Just(Byte), 1 => Just(Half), 1 => Just(Double)]
}

/// Numbers that mean something somewhere, and others.
fn value() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => 0..16_u64,
        2 => (0..PLACES / 16).prop_map(|at| RAM_BASE + 16 * at),
        1 => (0..8_u64).prop_map(|page| (RAM_BASE >> 12) + page),
        1 => (0..32_u32).prop_map(|bit| 1 << bit),
        1 => Just(RAM_BASE + RAM_BYTES - 8),
        1 => any::<u64>(),
    ]
}

fn act() -> impl Strategy<Value = Act> {
    let register = prop_oneof![8 => (0..0x40_u64).prop_map(|r| 4 * r), 1 => 0..0x210_u64];
    let place = (0..PLACES / 2).prop_map(|at| RAM_BASE + 2 * at);
    let table = (0..PLACES / 0x400).prop_map(|at| RAM_BASE + 0x400 * at);
    let small = prop_oneof![0..4_u64, 0..0x2000_u64, any::<u64>()];
    let desc = (value(), small, 0..8_u64, 0..12_u64).prop_map(|(a, b, c, d)| [a, b, c, d]);
    prop_oneof![
        8 => (register.clone(), width(), value())
            .prop_map(|(offset, width, value)| Act::Write { offset, width, value }),
        1 => (register, width()).prop_map(|(offset, width)| Act::Read { offset, width }),
        4 => (place, width(), value())
            .prop_map(|(at, width, value)| Act::Poke { at, width, value }),
        6 => (table, 0..12_u16, desc)
            .prop_map(|(table, index, desc)| Act::Describe { table, index, desc }),
        1 => Just(Act::Poll),
    ]
}

fn perform(guest: &mut Guest, act: &Act) {
    match *act {
        Act::Write { offset, width, value } => {
            let _ = guest.machine.write(offset, width, value & width.mask());
        }
        Act::Read { offset, width } => {
            if let Ok(value) = guest.machine.read(offset, width) {
                assert_eq!(value & !width.mask(), 0);
            }
        }
        Act::Poke { at, width, value } => guest.poke(at, width, value),
        Act::Describe { table, index, desc: [address, len, flags, next] } => {
            let (len, flags, next) = (len as u32, flags as u16, next as u16);
            guest.describe(table, index, Desc { address, len, flags, next });
        }
        Act::Poll => guest.machine.poll(),
    }
}

/// Bytes moved between RAM and storage.
fn moved(memory: &Memory) -> u64 {
    let size = |event| match event {
        Event::Read(_, len) | Event::Write(_, len) => len as u64,
        Event::Discard(..) | Event::Flush => 0,
    };
    memory.take_events().into_iter().map(size).sum()
}

fn disk(memory: &Memory) -> Box<dyn Backend> {
    Box::new(Block::new(Box::new(memory.clone()), "disk"))
}

fn check_disk(guest: &mut Guest) {
    guest.start(0, 1, 8);
    let (used, data) = guest.request(0, &[Part::Out(&[0; 16]), Part::In(512), Part::In(1)]);
    assert_eq!((used, data.last()), (513, Some(&0)));
}

/// A device that a driver has set up, or one that none has.
fn guest(layout: Layout, is_started: u8, entries: u16, backend: Box<dyn Backend>) -> Guest {
    let queues = backend.queues();
    let mut guest = Guest::new(layout, Some(backend));
    if is_started > 0 {
        guest.start(0, queues, entries);
    }
    guest
}

fn layouts() -> impl Strategy<Value = Layout> {
    prop_oneof![Just(Layout::Legacy), Just(Layout::Modern)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn a_disk_survives(
        layout in layouts(),
        started in 0..4_u8,
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let memory = Memory::blank(SECTORS);
        let mut guest = guest(layout, started, 8, disk(&memory));
        for act in &acts {
            perform(&mut guest, act);
            prop_assert!(moved(&memory) <= SERVICE_BYTES + RAM_BYTES, "{act:?}");
        }
        check_disk(&mut guest);
    }

    /// Whatever the driver does while requests wait, the disk is due later than now or not at all,
    /// and works after a reset.
    #[test]
    fn a_slow_disk_survives(
        layout in layouts(),
        started in 0..4_u8,
        acts in prop::collection::vec((act(), 0..20_u64), 1..120),
    ) {
        let memory = Memory::blank(SECTORS);
        let latency = Latency { request_ns: 1000, page_ns: 100, seek: Seek::Elsewhere };
        let block = Block::new(Box::new(memory.clone()), "disk").with_latency(latency);
        let mut guest = guest(layout, started, 8, Box::new(block));
        for (act, ticks) in &acts {
            perform(&mut guest, act);
            prop_assert!(moved(&memory) <= SERVICE_BYTES + RAM_BYTES, "{act:?}");
            guest.machine.mtime += ticks;
            let (now, device) = (guest.machine.mtime, &guest.machine.device);
            prop_assert!(device.deadline(now).is_none_or(|due| due > now), "{act:?}");
        }
        guest.start(0, 1, 8);
        let sent = guest.prepare(0, &[Part::Out(&[0; 16]), Part::In(512), Part::In(1)]);
        guest.notify(0);
        guest.machine.mtime += 1000;
        guest.machine.poll();
        prop_assert_eq!(guest.take_used(0), [(sent.head.into(), 513)]);
    }

    /// Chains of a legal shape, for the most part, through a legal ring.
    #[test]
    fn requests_of_any_kind_are_answered_or_break_the_device(
        layout in layouts(),
        kind in 0..16_u32,
        sector in prop_oneof![0..SECTORS + 8, any::<u64>()],
        descs in prop::collection::vec((0..0x60_u64, 1..0x3000_u32, 0..9_u16), 1..8),
    ) {
        let memory = Memory::blank(SECTORS);
        let mut guest = guest(layout, 1, 8, disk(&memory));
        let header_at = RAM_BASE + 0x10_0000;
        guest.poke(header_at, Width::Word, kind.into());
        guest.poke(header_at + 8, Width::Double, sector);
        let table = guest.rings[0].desc;
        let last = descs.len() as u16;
        guest.describe(table, 0, Desc { address: header_at, len: 16, flags: 1, next: 1 });
        for (index, (page, len, shape)) in (1..).zip(&descs) {
            // Mostly readable ones first, and mostly what they seem.
            let is_writable = u16::from(*shape == 8 || index > last / 2);
            let flags = u16::from(index < last) | is_writable << 1 | u16::from(*shape == 7) << 2;
            let address = RAM_BASE + 0x20_0000 + 0x1000 * page;
            let desc = Desc { address, len: *len, flags, next: index + 1 };
            guest.describe(table, index % 8, desc);
        }
        guest.offer(0, 0);
        guest.notify(0);
        let used = guest.take_used(0);
        let is_broken = guest.get(0x70) & 64 != 0;
        prop_assert_eq!(used.len(), usize::from(!is_broken));
        if let Some((_, written)) = used.first() {
            let writable: u64 = descs.iter().map(|desc| u64::from(desc.1)).sum();
            prop_assert!(u64::from(*written) <= writable);
        }
        check_disk(&mut guest);
    }

    #[test]
    fn a_console_survives(
        layout in layouts(),
        started in 0..4_u8,
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let (line, line_in) = channel();
        let screen = Screen::default();
        let console = Console::new(Box::new(screen.clone()), line_in);
        let mut guest = guest(layout, started, 8, Box::new(console));
        for act in &acts {
            line.send(b'x').unwrap();
            perform(&mut guest, act);
            prop_assert!(screen.take().len() as u64 <= SERVICE_BYTES + RAM_BYTES, "{act:?}");
        }
        guest.start(0, 2, 8);
        guest.request(1, &[Part::Out(b"alive")]);
        prop_assert_eq!(screen.take(), b"alive");
        line.send(b'y').unwrap();
        prop_assert_ne!(guest.request(0, &[Part::In(200)]).0, 0);
    }

    #[test]
    fn entropy_survives(
        layout in layouts(),
        started in 0..4_u8,
        acts in prop::collection::vec(act(), 1..120),
    ) {
        let mut guest = guest(layout, started, 8, Box::new(Rng::new(Box::new(std::io::repeat(7)))));
        acts.iter().for_each(|act| perform(&mut guest, act));
        guest.start(0, 1, 8);
        prop_assert_eq!(guest.request(0, &[Part::In(3)]), (3, vec![7; 3]));
    }
}
