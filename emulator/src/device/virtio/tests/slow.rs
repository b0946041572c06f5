//! Disks that take their time, and disks on which things go wrong: when requests are answered, in
//! which order, and what a driver may do meanwhile.

use std::collections::VecDeque;
use std::ops::Range;

use super::super::block::{Block, Latency, Mishap, Mishaps, Seek, Transfer};
use super::super::register as reg;
use super::driver::{BOTH, Guest, NEEDS_RESET, Part, Sent};
use super::fakes::{Event, Memory};
use crate::addr::Width;
use crate::bus::{Device, PowerRequest};

const IN: u32 = 0;
const OUT: u32 = 1;
const FLUSH: u32 = 4;
const GET_ID: u32 = 8;
const DISCARD: u32 = 11;

const OK: u8 = 0;
const IOERR: u8 = 1;

/// A millisecond and a microsecond for each 4 KiB: in ticks, 10,000 and 10.
const SLOW: Latency = Latency { request_ns: 1_000_000, page_ns: 1_000, seek: Seek::Always };
const SECTORS: u64 = 64;

fn header(kind: u32, sector: u64) -> Vec<u8> {
    [kind.to_le_bytes(), [0; 4]].into_iter().flatten().chain(sector.to_le_bytes()).collect()
}

fn slow(memory: &Memory, latency: Latency) -> Block {
    Block::new(Box::new(memory.clone()), "").with_latency(latency)
}

/// Makes a request to read a page available.
fn prepare_read(guest: &mut Guest, sector: u64) -> Sent {
    guest.prepare(0, &[Part::Out(&header(IN, sector)), Part::In(4096), Part::In(1)])
}

/// Makes a request to write a sector available.
fn prepare_write(guest: &mut Guest, sector: u64, byte: u8) -> Sent {
    guest.prepare(0, &[Part::Out(&header(OUT, sector)), Part::Out(&[byte; 512]), Part::In(1)])
}

/// The time at which the device wants to be looked at.
fn due(guest: &Guest) -> Option<u64> {
    guest.machine.device.deadline(guest.machine.mtime)
}

/// Lets time pass until nothing is due any more: when each request was answered, by its head.
fn wait(guest: &mut Guest) -> Vec<(u64, u32)> {
    let mut answered = Vec::new();
    while let Some(at) = due(guest) {
        assert!(at > guest.machine.mtime, "time goes on");
        guest.machine.mtime = at - 1;
        guest.machine.poll();
        assert_eq!((guest.take_used(0), due(guest)), (vec![], Some(at)), "not a tick too early");
        guest.machine.mtime = at;
        guest.machine.poll();
        answered.extend(guest.take_used(0).into_iter().map(|(head, _)| (at, head)));
    }
    answered
}

#[test]
fn requests_are_answered_in_order_and_in_time() {
    let elsewhere = Latency { seek: Seek::Elsewhere, ..SLOW };
    for (latency, times) in [
        (SLOW, [10_110, 20_120, 30_130, 40_140]),
        // Sectors 8, 16, 0 and 8: the second and the fourth go on where the one before has ended.
        (elsewhere, [10_110, 10_120, 20_130, 20_140]),
        (Latency { request_ns: 0, ..SLOW }, [110, 120, 130, 140]),
    ] {
        for layout in BOTH {
            let memory = Memory::new(SECTORS);
            let mut guest = Guest::started(layout, slow(&memory, latency), 0, 32);
            guest.machine.mtime = 100;
            let sectors = [8, 16, 0, 8];
            let sent = sectors.map(|sector| prepare_read(&mut guest, sector));
            guest.notify(0);
            assert_eq!((guest.interrupt(), memory.take_events()), (0, vec![]), "nothing yet");
            let answered = wait(&mut guest);
            let expect: Vec<_> =
                times.into_iter().zip(&sent).map(|(at, sent)| (at, sent.head.into())).collect();
            assert_eq!(answered, expect, "{layout:?} {latency:?}");
            assert_eq!(guest.interrupt(), 1);
            for (sector, sent) in sectors.into_iter().zip(&sent) {
                let want = [memory.bytes(sector as usize * 512, 4096), vec![OK]].concat();
                assert!(guest.collect(sent) == want, "sector {sector}");
            }
        }
    }
}

#[test]
fn a_disk_without_latency_is_never_waited_for() {
    for latency in [Latency::NONE, Latency { seek: Seek::Elsewhere, ..Latency::NONE }] {
        let memory = Memory::new(SECTORS);
        let mut guest = Guest::started(BOTH[1], slow(&memory, latency), 0, 32);
        prepare_read(&mut guest, 0);
        prepare_read(&mut guest, 8);
        guest.notify(0);
        assert_eq!((guest.take_used(0).len(), due(&guest)), (2, None));
    }
}

#[test]
fn what_touches_no_sector_takes_no_time_of_its_own() {
    let memory = Memory::new(SECTORS);
    let mut guest = Guest::started(BOTH[1], slow(&memory, SLOW), 0, 32);
    for kind in [FLUSH, GET_ID, 99] {
        guest.request(0, &[Part::Out(&header(kind, 0)), Part::In(1)]);
    }
    assert_eq!(due(&guest), None);
    // What is refused takes the time of a request.
    let range = [8_u64.to_le_bytes(), [1, 0, 0, 0, 0, 0, 0, 0]].concat();
    for (kind, sector, data) in
        [(OUT, SECTORS, vec![0; 512]), (OUT, u64::MAX, vec![0; 512]), (DISCARD, 0, range)]
    {
        let now = guest.machine.mtime;
        guest.prepare(0, &[Part::Out(&header(kind, sector)), Part::Out(&data), Part::In(1)]);
        guest.notify(0);
        assert_eq!(wait(&mut guest).len(), 1);
        assert_eq!(guest.machine.mtime, now + 10_000, "{kind} at {sector}");
    }
}

#[test]
fn a_flush_waits_for_the_writes_before_it() {
    let memory = Memory::new(SECTORS);
    let mut guest = Guest::started(BOTH[1], slow(&memory, SLOW), 0, 32);
    prepare_write(&mut guest, 1, 1);
    guest.prepare(0, &[Part::Out(&header(FLUSH, 0)), Part::In(1)]);
    prepare_write(&mut guest, 2, 2);
    guest.notify(0);
    let times: Vec<_> = wait(&mut guest).into_iter().map(|(at, _)| at).collect();
    assert_eq!(times, [10_002, 10_002, 20_004]);
    let events = [Event::Write(512, 512), Event::Flush, Event::Write(1024, 512)];
    assert_eq!(memory.take_events(), events);
}

#[test]
fn requests_that_come_meanwhile_wait_for_their_turn() {
    let memory = Memory::new(SECTORS);
    let mut guest = Guest::started(BOTH[1], slow(&memory, SLOW), 0, 32);
    prepare_read(&mut guest, 0);
    guest.notify(0);
    guest.machine.mtime = 9_000;
    let second = prepare_read(&mut guest, 8);
    guest.notify(0);
    assert_eq!((guest.take_used(0), due(&guest)), (vec![], Some(10_010)), "nobody pushes in");
    let answered = wait(&mut guest);
    assert_eq!(answered[1], (20_020, second.head.into()));
}

#[test]
fn a_poll_that_comes_late_is_no_harm() {
    let mut guest = Guest::started(BOTH[1], slow(&Memory::new(SECTORS), SLOW), 0, 32);
    prepare_read(&mut guest, 0);
    prepare_read(&mut guest, 8);
    guest.notify(0);
    guest.machine.mtime = 50_000;
    assert_eq!(due(&guest), Some(50_001), "what is overdue is due at once");
    guest.machine.poll();
    assert_eq!((guest.take_used(0).len(), due(&guest)), (1, Some(60_010)));
}

#[test]
fn a_reset_forgets_what_was_not_answered() {
    for layout in BOTH {
        let memory = Memory::new(SECTORS);
        let before = memory.bytes(0, 8 * 512);
        let mut guest = Guest::started(layout, slow(&memory, SLOW), 0, 32);
        prepare_write(&mut guest, 1, 1);
        prepare_write(&mut guest, 2, 2);
        guest.notify(0);
        guest.machine.mtime = 5_000;
        guest.set(reg::STATUS, 0);
        assert_eq!(due(&guest), None, "{layout:?}");
        guest.machine.mtime = 90_000;
        guest.machine.poll();
        assert_eq!((memory.take_events(), guest.interrupt()), (vec![], 0));
        assert_eq!(memory.bytes(0, 8 * 512), before, "they have not been done");
        guest.start(0, 1, 32);
        let sent = prepare_read(&mut guest, 0);
        guest.notify(0);
        assert_eq!(wait(&mut guest), [(100_010, sent.head.into())], "and time begins anew");
        guest.machine.device.reset();
        assert_eq!(due(&guest), None);
    }
}

#[test]
fn what_the_driver_does_to_a_request_meanwhile_is_checked() {
    // The descriptor of the data, and what it is made to be while the request waits.
    let change = |address: Option<u64>, len: Option<u64>| {
        let memory = Memory::new(SECTORS);
        let mut guest = Guest::started(BOTH[1], slow(&memory, SLOW), 0, 32);
        let sent = prepare_read(&mut guest, 0);
        guest.notify(0);
        let descriptor = guest.rings[0].desc + 16 * (u64::from(sent.head) + 1);
        address.into_iter().for_each(|at| guest.poke(descriptor, Width::Double, at));
        len.into_iter().for_each(|len| guest.poke(descriptor + 8, Width::Word, len));
        let answered = wait(&mut guest).len();
        let is_broken = guest.get(reg::STATUS) & NEEDS_RESET != 0;
        (answered, is_broken, guest.collect(&sent).pop(), memory.take_events().len())
    };
    assert_eq!(change(None, None), (1, false, Some(OK), 1));
    assert_eq!(change(Some(0), None), (0, true, Some(0), 0), "outside RAM");
    assert_eq!(change(None, Some(u32::MAX.into())), (0, true, Some(0), 0));
    assert_eq!(change(None, Some(0)), (0, true, Some(0), 0));
    assert_eq!(change(None, Some(100)), (1, false, Some(IOERR), 0), "no whole sector");
}

#[test]
fn a_queue_that_is_taken_away_is_not_waited_for() {
    let mut guest = Guest::started(BOTH[1], slow(&Memory::new(SECTORS), SLOW), 0, 32);
    prepare_read(&mut guest, 0);
    guest.notify(0);
    guest.set(reg::QUEUE_SEL, 0);
    guest.set(reg::QUEUE_READY, 0);
    assert_eq!((wait(&mut guest), due(&guest)), (vec![], None));
    // Nor is one whose request has broken the device.
    let mut guest = Guest::started(BOTH[1], slow(&Memory::new(SECTORS), SLOW), 0, 32);
    prepare_read(&mut guest, 0);
    guest.notify(0);
    guest.poke(guest.rings[0].avail + 2, Width::Half, 1000);
    guest.notify(0);
    assert_eq!(guest.get(reg::STATUS) & NEEDS_RESET, NEEDS_RESET);
    assert_eq!(due(&guest), None);
}

/// Mishaps in the order in which they happen, and what they are told.
struct Script(VecDeque<(Transfer, Range<u64>, Option<Mishap>)>);

impl Mishaps for Script {
    fn befall(&mut self, transfer: Transfer, sectors: Range<u64>) -> Option<Mishap> {
        let (kind, range, mishap) = self.0.pop_front().expect("a request that was foreseen");
        assert_eq!((transfer, sectors), (kind, range));
        mishap
    }
}

#[test]
fn mishaps_befall_what_could_be_done() {
    use Transfer::{Read, Write};
    let script = [
        (Read, 0..8, Some(Mishap::IoError)),
        (Read, 8..16, None),
        (Write, 1..2, Some(Mishap::IoError)),
        (Write, 1..2, None),
        (Write, 8..9, Some(Mishap::IoError)),
    ];
    let memory = Memory::new(SECTORS);
    let block = slow(&memory, Latency::NONE).with_mishaps(Box::new(Script(script.into())));
    let mut guest = Guest::started(BOTH[1], block, 0, 32);
    let range = [8_u64.to_le_bytes(), [1, 0, 0, 0, 0, 0, 0, 0]].concat();
    for (kind, sector, data, status) in [
        (IN, 0, vec![], IOERR),
        (IN, 8, vec![], OK),
        (IN, SECTORS, vec![], IOERR),
        (OUT, 1, vec![1; 512], IOERR),
        (OUT, 1, vec![2; 512], OK),
        (OUT, 1, vec![2; 511], IOERR),
        (FLUSH, 0, vec![], OK),
        (DISCARD, 0, range, IOERR),
    ] {
        let header = header(kind, sector);
        let (_, written) = match kind {
            IN => guest.request(0, &[Part::Out(&header), Part::In(4096), Part::In(1)]),
            FLUSH => guest.request(0, &[Part::Out(&header), Part::In(1)]),
            _ => guest.request(0, &[Part::Out(&header), Part::Out(&data), Part::In(1)]),
        };
        assert_eq!(written.last(), Some(&status), "{kind} at {sector}");
    }
    let events = [Event::Read(8 * 512, 4096), Event::Write(512, 512), Event::Flush];
    assert_eq!(memory.take_events(), events);
}

#[test]
fn without_power_nothing_is_written_any_more() {
    let script = [
        (Transfer::Write, 1..2, None),
        (Transfer::Write, 2..3, Some(Mishap::PowerCut)),
        (Transfer::Write, 2..3, Some(Mishap::PowerCut)),
    ];
    for latency in [Latency::NONE, SLOW] {
        let memory = Memory::new(SECTORS);
        let block = slow(&memory, latency).with_mishaps(Box::new(Script(script.clone().into())));
        let mut guest = Guest::started(BOTH[1], block, 0, 32);
        (1..4).for_each(|sector| drop(prepare_write(&mut guest, sector, sector as u8)));
        guest.notify(0);
        let mut answered = guest.take_used(0).len();
        while guest.machine.power.is_none() {
            guest.machine.mtime = due(&guest).expect("more is to come");
            guest.machine.poll();
            answered += guest.take_used(0).len();
        }
        assert_eq!((answered, guest.machine.power), (1, Some(PowerRequest::Cut)), "{latency:?}");
        // Somebody tries again before the machine stops.
        guest.notify(0);
        wait(&mut guest);
        assert_eq!(memory.take_events(), [Event::Write(512, 512)]);
    }
}
