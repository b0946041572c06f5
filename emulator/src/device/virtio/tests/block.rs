//! The block device. The configuration space's shape and the status of refused requests were
//! compared with QEMU 7.2.

use super::super::Layout;
use super::super::block::{Block, SECTOR_BYTES};
use super::super::register as reg;
use super::driver::{BOTH, Guest, NEEDS_RESET, Part, RAM_BYTES};
use super::fakes::{Event, Memory};
use crate::addr::Width;

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;
const WRITE_ZEROES: u32 = 13;

const OK: u8 = 0;
const IOERR: u8 = 1;
const UNSUPP: u8 = 2;

const FEATURE_FLUSH: u64 = 1 << 9;
const SECTORS: u64 = 64;

fn header(kind: u32, sector: u64) -> Vec<u8> {
    [kind.to_le_bytes(), [0; 4]].into_iter().flatten().chain(sector.to_le_bytes()).collect()
}

fn range(sector: u64, count: u32, flags: u32) -> Vec<u8> {
    let tail = [count.to_le_bytes(), flags.to_le_bytes()].concat();
    sector.to_le_bytes().into_iter().chain(tail).collect()
}

fn disk(layout: Layout, memory: &Memory) -> Guest {
    Guest::started(layout, Block::new(Box::new(memory.clone()), "serial"), 0, 32)
}

/// A request without data for the device to write: its status.
fn command(guest: &mut Guest, kind: u32, sector: u64, data: &[u8]) -> u8 {
    let header = header(kind, sector);
    let parts = [Part::Out(&header), Part::Out(data), Part::In(1)];
    let parts = if data.is_empty() { vec![Part::Out(&header), Part::In(1)] } else { parts.into() };
    let (used, status) = guest.request(0, &parts);
    assert_eq!(used, 1, "the status is all that is written");
    status[0]
}

/// Reads `len` bytes: status, bytes used, data.
fn read(guest: &mut Guest, sector: u64, len: u32) -> (u8, u32, Vec<u8>) {
    let (used, mut data) =
        guest.request(0, &[Part::Out(&header(IN, sector)), Part::In(len), Part::In(1)]);
    let status = data.pop().expect("a status");
    (status, used, data)
}

#[test]
fn configuration_space() {
    for layout in BOTH {
        let mut guest = disk(layout, &Memory::new(SECTORS));
        assert_eq!(guest.get(reg::DEVICE_ID), 2);
        for (offset, width, value) in [
            (0, Width::Double, SECTORS),
            (0, Width::Word, SECTORS),
            (4, Width::Word, 0),
            (12, Width::Word, 254),
            (20, Width::Word, 512),
            (34, Width::Half, 1),
            (36, Width::Word, 1 << 15),
            (40, Width::Word, 1),
            (44, Width::Word, 1),
            (48, Width::Word, 1 << 15),
            (52, Width::Word, 1),
            (60, Width::Word, 0xffff_ffff),
        ] {
            assert_eq!(guest.machine.read(0x100 + offset, width), Ok(value), "at {offset}");
        }
        let shared = 1 << 2 | 1 << 6 | 1 << 9 | 1 << 28 | 1 << 29;
        let own = if layout == Layout::Legacy { 1 << 27 } else { 1 << 32 };
        assert_eq!(guest.offered(), shared | 1 << 13 | 1 << 14 | own);
        let memory = Memory { is_read_only: true, ..Memory::new(SECTORS) };
        assert_eq!(disk(layout, &memory).offered(), shared | 1 << 5 | own);
    }
}

#[test]
fn reads_and_writes() {
    for layout in BOTH {
        let memory = Memory::new(SECTORS);
        let mut guest = disk(layout, &memory);
        let (status, used, data) = read(&mut guest, 3, 1024);
        assert_eq!((status, used), (OK, 1025), "{layout:?}");
        assert_eq!(data, memory.bytes(3 * 512, 1024));
        let text: Vec<u8> = (0..512).map(|i| (i % 13) as u8).collect();
        assert_eq!(command(&mut guest, OUT, SECTORS - 1, &text), OK);
        assert_eq!(memory.bytes(63 * 512, 512), text);
        assert_eq!(read(&mut guest, SECTORS - 1, 512), (OK, 513, text));
        assert_eq!(guest.interrupt(), 1);
    }
}

#[test]
fn the_cut_of_buffers_does_not_matter() {
    for layout in BOTH {
        let memory = Memory::new(SECTORS);
        let mut guest = disk(layout, &memory);
        let text: Vec<u8> = (0..1024).map(|i| (i % 17) as u8).collect();
        let whole = [header(OUT, 5), text.clone()].concat();
        let (a, b) = whole.split_at(7);
        let (b, c) = b.split_at(100);
        let (_, out) = guest.request(0, &[Part::Out(a), Part::Out(b), Part::Out(c), Part::In(1)]);
        assert_eq!((out, memory.bytes(5 * 512, 1024)), (vec![OK], text.clone()), "{layout:?}");
        let header = header(IN, 5);
        let parts =
            [Part::Out(&header[..1]), Part::Out(&header[1..]), Part::In(1000), Part::In(25)];
        let (used, mut data) = guest.request(0, &parts);
        assert_eq!((used, data.pop(), data), (1025, Some(OK), text));
    }
}

#[test]
fn many_requests_in_flight() {
    for layout in BOTH {
        let memory = Memory::new(SECTORS);
        let mut guest = disk(layout, &memory);
        let heads: Vec<_> = (0..8)
            .map(|sector| {
                let header = header(IN, sector * 7);
                let parts = [Part::Out(&header), Part::In(512), Part::In(1)];
                let through =
                    if sector % 2 == 0 { Guest::prepare } else { Guest::prepare_indirect };
                through(&mut guest, 0, &parts)
            })
            .collect();
        guest.notify(0);
        let used: Vec<_> = heads.iter().map(|sent| (sent.head.into(), 513)).collect();
        assert_eq!(guest.take_used(0), used, "{layout:?}");
        for (sector, sent) in heads.iter().enumerate() {
            let want = [memory.bytes(sector * 7 * 512, 512), vec![OK]].concat();
            assert_eq!(guest.collect(sent), want, "sector {sector}");
        }
    }
}

#[test]
fn what_cannot_be_done_is_refused() {
    let sector = vec![1; 512];
    let ranges = [range(0, 1, 0), range(8, 1, 0)].concat();
    let cases: &[(u32, u64, Vec<u8>, u8)] = &[
        (OUT, SECTORS, sector.clone(), IOERR),
        (OUT, SECTORS - 1, vec![1; 1024], IOERR),
        (OUT, u64::MAX, sector.clone(), IOERR),
        (OUT, u64::MAX / 512 + 1, sector.clone(), IOERR),
        (OUT, 0, vec![1; 511], IOERR),
        (OUT, SECTORS, vec![], OK),
        (2, 0, sector.clone(), UNSUPP),
        (u32::MAX, 0, vec![], UNSUPP),
        (DISCARD, 0, vec![], IOERR),
        (DISCARD, 0, range(0, 1, 0)[..15].to_vec(), IOERR),
        (DISCARD, 0, ranges.clone(), UNSUPP),
        (DISCARD, 0, range(0, 1, 1), UNSUPP),
        (DISCARD, 0, range(SECTORS, 1, 0), IOERR),
        (DISCARD, 0, range(u64::MAX, 2, 0), IOERR),
        (DISCARD, 0, range(0, u32::MAX, 0), IOERR),
        (WRITE_ZEROES, 0, ranges, UNSUPP),
        (WRITE_ZEROES, 0, range(0, 1, 2), UNSUPP),
        (WRITE_ZEROES, 0, range(1, SECTORS as u32, 1), IOERR),
    ];
    for layout in BOTH {
        let memory = Memory::new(SECTORS);
        let before = memory.bytes(0, SECTORS as usize * 512);
        let mut guest = disk(layout, &memory);
        for (kind, sector, data, status) in cases {
            let got = command(&mut guest, *kind, *sector, data);
            assert_eq!(got, *status, "{layout:?} type {kind} at {sector}, {} bytes", data.len());
        }
        assert_eq!(memory.bytes(0, SECTORS as usize * 512), before);
        for (sector, len, want) in [
            (SECTORS, 512, (IOERR, 0)),
            (SECTORS - 1, 1024, (IOERR, 0)),
            (u64::MAX, 512, (IOERR, 0)),
            (0, 100, (IOERR, 0)),
        ] {
            let (status, used, data) = read(&mut guest, sector, len);
            assert_eq!((status, used), want, "{layout:?} {len} bytes at {sector}");
            assert!(data.iter().all(|byte| *byte == 0), "nothing is read");
        }
    }
}

#[test]
fn discarding_and_clearing() {
    for layout in BOTH {
        let memory = Memory::new(SECTORS);
        let mut guest = disk(layout, &memory);
        assert_eq!(command(&mut guest, DISCARD, 0, &range(4, 8, 0)), OK);
        assert_eq!(memory.take_events(), [Event::Discard(4 * 512, 8 * 512)]);
        for flags in [0, 1] {
            assert_eq!(command(&mut guest, OUT, 10, &[7; 512]), OK);
            assert_eq!(command(&mut guest, WRITE_ZEROES, 0, &range(10, 3, flags)), OK);
            assert_eq!(memory.bytes(10 * 512, 3 * 512), vec![0; 3 * 512]);
        }
        assert_ne!(memory.bytes(9 * 512, 512), vec![0; 512]);
        assert_ne!(memory.bytes(13 * 512, 512), vec![0; 512]);
    }
}

#[test]
fn writes_are_stable_when_the_driver_thinks_so() {
    for layout in BOTH {
        for (without, events) in [(0, vec![]), (FEATURE_FLUSH, vec![Event::Flush])] {
            let memory = Memory::new(SECTORS);
            let block = Block::new(Box::new(memory.clone()), "");
            let mut guest = Guest::started(layout, block, without, 8);
            assert_eq!(command(&mut guest, OUT, 1, &[1; 512]), OK);
            let mut want = vec![Event::Write(512, 512)];
            want.extend(events);
            assert_eq!(memory.take_events(), want, "{layout:?} without {without:#x}");
            assert_eq!(command(&mut guest, FLUSH, 0, &[]), OK);
            assert_eq!(memory.take_events(), [Event::Flush]);
        }
    }
}

#[test]
fn identification() {
    for (serial, len, want) in [
        ("serial", 20, b"serial\0\0\0\0\0\0\0\0\0\0\0\0\0\0".as_slice()),
        ("", 20, &[0; 20]),
        ("more than twenty bytes", 20, b"more than twenty byt"),
        ("serial", 3, b"ser"),
    ] {
        let block = Block::new(Box::new(Memory::new(1)), serial);
        let mut guest = Guest::started(Layout::Modern, block, 0, 8);
        let (used, id) =
            guest.request(0, &[Part::Out(&header(GET_ID, 0)), Part::In(len), Part::In(1)]);
        assert_eq!((used, id), (len + 1, [want, &[OK]].concat()), "{serial}");
    }
}

#[test]
fn a_read_only_disk_stays_as_it_is() {
    for layout in BOTH {
        let memory = Memory { is_read_only: true, ..Memory::new(SECTORS) };
        let mut guest = disk(layout, &memory);
        assert_eq!(read(&mut guest, 0, 512).0, OK);
        memory.take_events();
        for (kind, data) in
            [(OUT, vec![1; 512]), (DISCARD, range(0, 1, 0)), (WRITE_ZEROES, range(0, 1, 0))]
        {
            assert_eq!(command(&mut guest, kind, 0, &data), IOERR, "{layout:?} type {kind}");
        }
        assert_eq!(memory.take_events(), []);
        assert_eq!(command(&mut guest, FLUSH, 0, &[]), OK);
    }
}

#[test]
fn trouble_of_the_host_is_an_io_error() {
    let memory = Memory::new(SECTORS);
    memory.cells.lock().unwrap().bad_byte = Some(20 * 512);
    let mut guest = disk(Layout::Modern, &memory);
    assert_eq!(read(&mut guest, 19, 1024).0, IOERR);
    assert_eq!(command(&mut guest, OUT, 20, &[1; 512]), IOERR);
    assert_eq!(command(&mut guest, DISCARD, 0, &range(20, 1, 0)), IOERR);
    assert_eq!(command(&mut guest, WRITE_ZEROES, 0, &range(16, 16, 0)), IOERR);
    assert_eq!(read(&mut guest, 19, 512).0, OK);
    assert_eq!(guest.get(reg::STATUS) & NEEDS_RESET, 0);
}

#[test]
fn large_transfers_are_cut_for_the_storage_only() {
    let memory = Memory::new(3000);
    let mut guest = disk(Layout::Modern, &memory);
    let len = 1_000_448;
    let (status, used, data) = read(&mut guest, 7, len);
    assert_eq!((status, used), (OK, len + 1));
    assert!(data == memory.bytes(7 * 512, len as usize));
    assert_eq!(memory.take_events().len(), (len as usize).div_ceil(64 << 10));
}

#[test]
fn overlapping_buffers_do_not_multiply_work() {
    // One page of RAM, offered more often than there is RAM.
    let memory = Memory::new(RAM_BYTES / SECTOR_BYTES + 2048);
    let mut guest =
        Guest::started(Layout::Modern, Block::new(Box::new(memory.clone()), ""), 0, 1024);
    let request = guest.prepare(0, &[Part::Out(&header(IN, 0)), Part::In(1)]);
    let (status_at, _) = request.writable[0];
    let table = guest.rings[0].desc;
    let page = guest.allocate(8192);
    let buffer = |next, len| super::driver::Desc { address: page, len, flags: 3, next };
    let count = (RAM_BYTES / 8192) as u16 + 1;
    (10..10 + count).for_each(|index| guest.describe(table, index, buffer(index + 1, 8192)));
    let status = super::driver::Desc { address: status_at, len: 1, flags: 2, next: 0 };
    guest.describe(table, 10 + count, status);
    let at = table + 14;
    guest.poke(at, Width::Half, 10);
    guest.notify(0);
    assert_eq!(guest.take_used(0), [(request.head.into(), 0)]);
    assert_eq!((guest.collect(&request), memory.take_events()), (vec![IOERR], vec![]));
}
