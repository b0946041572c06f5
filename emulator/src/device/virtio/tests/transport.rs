//! Registers, negotiation, queue set-up, interrupts and reset, without regard to the kind of
//! device. What an empty slot, wrong widths and odd places answer was taken from QEMU 7.2.

use super::super::register as reg;
use super::super::{Backend, Broken, Layout, Outcome, Request, SERVICE_BYTES, feature};
use super::driver::{
    ACKNOWLEDGE, BOTH, DRIVER, DRIVER_OK, FEATURES_OK, Guest, NEEDS_RESET, Part, RAM_BASE,
};
use crate::addr::Width::{Byte, Double, Half, Word};
use crate::bus::{BusFault, Device, Ram};

/// A device of three queues that claims that each chain costs `cost_bytes`.
struct Sink {
    cost_bytes: u64,
}

impl Backend for Sink {
    fn device_id(&self) -> u32 {
        0x55
    }

    fn queues(&self) -> usize {
        3
    }

    fn features(&self) -> u64 {
        0x8000_0001
    }

    fn config(&self) -> &[u8] {
        &[1, 2, 3, 4, 5, 6, 7, 8, 9]
    }

    fn serve(&mut self, request: &Request<'_>, _: &mut Ram) -> Result<Outcome, Broken> {
        let written_bytes = request.queue as u32;
        Ok(Outcome::Used { written_bytes, cost_bytes: self.cost_bytes })
    }
}

fn sink(layout: Layout) -> Guest {
    Guest::new(layout, Some(Box::new(Sink { cost_bytes: 0 })))
}

#[test]
fn identification() {
    for (layout, version) in [(Layout::Legacy, 1), (Layout::Modern, 2)] {
        let mut guest = sink(layout);
        for (register, value) in [
            (reg::MAGIC_VALUE, 0x7472_6976),
            (reg::VERSION, version),
            (reg::DEVICE_ID, 0x55),
            (reg::VENDOR_ID, 0x554d_4551),
            (reg::STATUS, 0),
            (reg::INTERRUPT_STATUS, 0),
            (reg::QUEUE_PFN, 0),
            (reg::QUEUE_READY, 0),
            (reg::CONFIG_GENERATION, 0),
            (reg::SHM_LEN_LOW, u32::MAX),
            (reg::SHM_LEN_HIGH, u32::MAX),
            (reg::QUEUE_NOTIFY, 0),
        ] {
            assert_eq!(guest.get(register), value, "{layout:?} {register:#x}");
        }
        for (queue, max) in [(0, 1024), (2, 1024), (3, 0), (u32::MAX, 0)] {
            guest.set(reg::QUEUE_SEL, queue);
            assert_eq!(guest.get(reg::QUEUE_NUM_MAX), max, "queue {queue}");
        }
    }
}

#[test]
fn an_empty_slot_is_no_device() {
    for (layout, version) in [(Layout::Legacy, 1), (Layout::Modern, 2)] {
        let mut guest = Guest::new(layout, None);
        (0..0x200).step_by(4).for_each(|register| guest.set(register, u32::MAX));
        let found = (0..0x200).step_by(4).map(|register| (register, guest.get(register)));
        let found: Vec<_> = found.filter(|(_, value)| *value != 0).collect();
        assert_eq!(found, [(0, 0x7472_6976), (4, version), (12, 0x554d_4551)]);
        assert_eq!((guest.interrupt(), guest.machine.device.deadline(0)), (0, None));
    }
}

#[test]
fn widths_and_places() {
    let mut guest = sink(Layout::Modern);
    for (offset, width, value) in [
        (0x000, Word, Ok(0x7472_6976)),
        (0x000, Half, Ok(0)),
        (0x000, Byte, Ok(0)),
        (0x000, Double, Ok(0x2_7472_6976)),
        (0x002, Word, Err(BusFault)),
        (0x004, Double, Err(BusFault)),
        (0x100, Byte, Ok(1)),
        (0x101, Byte, Ok(2)),
        (0x102, Half, Ok(0x0403)),
        (0x104, Word, Ok(0x0807_0605)),
        (0x100, Double, Ok(0x0807_0605_0403_0201)),
        (0x108, Double, Ok(0xffff_ffff_ffff_ff09)),
        (0x101, Half, Err(BusFault)),
        (0x1f8, Double, Ok(u64::MAX)),
        (0x200, Word, Err(BusFault)),
        (0x1000, Byte, Err(BusFault)),
    ] {
        assert_eq!(guest.machine.read(offset, width), value, "{width:?} at {offset:#x}");
        let written = guest.machine.write(offset, width, 0);
        assert_eq!(written, value.map(|_| ()), "{width:?} at {offset:#x}");
    }
    guest.machine.write(reg::STATUS, Byte, 1).unwrap();
    assert_eq!(guest.get(reg::STATUS), 0, "narrow writes reach no register");
    guest.machine.write(reg::STATUS, Double, 1).unwrap();
    assert_eq!(guest.get(reg::STATUS), 1);
}

#[test]
fn registers_have_names() {
    let guest = sink(Layout::Modern);
    for (offset, name) in [
        (0x000, Some("MagicValue")),
        (0x050, Some("QueueNotify")),
        (0x0fc, Some("ConfigGeneration")),
        (0x123, Some("Config")),
        (0x018, None),
    ] {
        assert_eq!(guest.machine.device.register_name(offset), name, "{offset:#x}");
    }
}

#[test]
fn features_by_layout() {
    let shared = 0x8000_0001 | feature::INDIRECT_DESC | feature::EVENT_IDX;
    for (layout, own) in
        [(Layout::Legacy, feature::ANY_LAYOUT), (Layout::Modern, feature::VERSION_1)]
    {
        let mut guest = sink(layout);
        assert_eq!(guest.offered(), shared | own, "{layout:?}");
        guest.set(reg::DEVICE_FEATURES_SEL, 2);
        assert_eq!(guest.get(reg::DEVICE_FEATURES), 0);
    }
}

#[test]
fn what_is_not_offered_is_refused() {
    for (features, agreed) in [
        (0, true),
        (1, true),
        (feature::VERSION_1, true),
        (0x8000_0001 | feature::VERSION_1, true),
        (2, false),
        (feature::VERSION_1 | 1 << 40, false),
    ] {
        let mut guest = sink(Layout::Modern);
        guest.set(reg::STATUS, ACKNOWLEDGE | DRIVER);
        guest.accept(features);
        guest.set(reg::STATUS, ACKNOWLEDGE | DRIVER | FEATURES_OK);
        let want = ACKNOWLEDGE | DRIVER | if agreed { FEATURES_OK } else { 0 };
        assert_eq!(guest.get(reg::STATUS), want, "{features:#x}");
        if agreed {
            // Too late to change anything.
            guest.accept(2);
            guest.set(reg::STATUS, want | DRIVER_OK);
            assert_eq!(guest.get(reg::STATUS), want | DRIVER_OK);
        }
    }
}

#[test]
fn chains_of_every_queue_come_back_in_order() {
    for layout in BOTH {
        let mut guest = Guest::started(layout, Sink { cost_bytes: 0 }, feature::EVENT_IDX, 8);
        for queue in [2, 0, 1] {
            // More than once around the rings.
            for round in 0..20 {
                let one = guest.prepare(queue, &[Part::Out(b"a"), Part::In(1)]);
                let two = guest.prepare_indirect(queue, &[Part::Out(b"b"), Part::In(1)]);
                guest.notify(queue);
                let want = [one, two].map(|sent| (sent.head.into(), queue as u32));
                assert_eq!(guest.take_used(queue), want, "{layout:?} queue {queue} round {round}");
                assert_eq!(guest.interrupt(), 1);
                guest.acknowledge();
            }
        }
    }
}

#[test]
fn rings_go_around_past_the_end_of_their_index() {
    let mut guest = Guest::started(Layout::Modern, Sink { cost_bytes: 0 }, 0, 4);
    let sent = guest.prepare(1, &[Part::Out(b"a")]);
    guest.notify(1);
    assert_eq!(guest.take_used(1).len(), 1);
    for _ in 0..70_000 {
        guest.offer(1, sent.head);
        guest.notify(1);
        assert_eq!(guest.take_used(1), [(sent.head.into(), 1)]);
    }
    assert_eq!(guest.get(reg::STATUS) & NEEDS_RESET, 0);
}

#[test]
fn interrupts_can_be_suppressed() {
    for layout in BOTH {
        let mut guest = Guest::started(layout, Sink { cost_bytes: 0 }, feature::EVENT_IDX, 8);
        let avail = guest.rings[0].avail;
        for (flags, interrupt) in [(1, 0), (0, 1), (0xfffe, 1), (0xffff, 0)] {
            guest.poke(avail, Half, flags);
            guest.request(0, &[Part::Out(b"a")]);
            assert_eq!(guest.interrupt(), interrupt, "{layout:?} flags {flags}");
            guest.acknowledge();
            guest.notify(0);
            assert_eq!(guest.interrupt(), 0, "nothing new, no interrupt");
        }
    }
}

#[test]
fn event_index_names_the_entry_to_tell_of() {
    for layout in BOTH {
        let mut guest = Guest::started(layout, Sink { cost_bytes: 0 }, 0, 8);
        let (used_event, avail_event) = {
            let ring = &guest.rings[0];
            (ring.avail + 4 + 2 * 8, ring.used + 4 + 8 * 8)
        };
        // Entry number `event` of the used ring is to be told of; `count` come at once.
        let mut total = 0;
        for (event, count, interrupt) in
            [(0, 1, 1), (3, 2, 0), (3, 1, 1), (3, 1, 0), (5, 3, 1), (100, 4, 0)]
        {
            guest.poke(used_event, Half, event);
            (0..count).for_each(|_| drop(guest.prepare(0, &[Part::Out(b"a")])));
            guest.notify(0);
            assert_eq!(guest.take_used(0).len(), count);
            total += count as u64;
            assert_eq!(guest.interrupt(), interrupt, "{layout:?} {event} after {total}");
            assert_eq!(guest.peek(avail_event, Half), total, "asks for the very next one");
            guest.acknowledge();
        }
    }
}

#[test]
fn only_a_legacy_device_works_before_driver_ok() {
    for (layout, early) in [(Layout::Legacy, 1), (Layout::Modern, 0)] {
        let mut guest = sink(layout);
        guest.set(reg::STATUS, ACKNOWLEDGE | DRIVER);
        guest.add_queue(0, 8);
        guest.prepare(0, &[Part::Out(b"a")]);
        guest.notify(0);
        assert_eq!(guest.take_used(0).len(), early, "{layout:?}");
        guest.set(reg::STATUS, ACKNOWLEDGE | DRIVER | DRIVER_OK);
        assert_eq!(guest.take_used(0).len(), 1 - early, "{layout:?}");
    }
}

#[test]
fn reset_forgets_the_driver() {
    for layout in BOTH {
        let mut guest = Guest::started(layout, Sink { cost_bytes: 0 }, feature::EVENT_IDX, 8);
        guest.request(0, &[Part::Out(b"a")]);
        assert_eq!(guest.interrupt(), 1);
        guest.set(reg::STATUS, 0);
        assert_eq!((guest.get(reg::STATUS), guest.interrupt()), (0, 0));
        guest.prepare(0, &[Part::Out(b"a")]);
        guest.notify(0);
        assert_eq!(guest.take_used(0), [], "{layout:?}: the queue is gone");
        guest.start(0, 3, 16);
        guest.request(2, &[Part::Out(b"a")]);
        guest.machine.device.reset();
        guest.machine.poll();
        assert_eq!((guest.get(reg::STATUS), guest.interrupt()), (0, 0));
        guest.start(feature::EVENT_IDX, 3, 4);
        guest.request(1, &[Part::Out(b"a")]);
        assert_eq!(guest.interrupt(), 1);
    }
}

#[test]
fn the_page_size_outlives_a_reset() {
    // Linux writes it once when it finds the transport, and resets the device afterwards.
    let mut guest = sink(Layout::Legacy);
    guest.set(reg::GUEST_PAGE_SIZE, 0x1000);
    guest.set(reg::STATUS, 0);
    guest.set(reg::QUEUE_NUM, 8);
    guest.set(reg::QUEUE_PFN, (RAM_BASE >> 12) as u32);
    guest.notify(0);
    assert_eq!(guest.get(reg::STATUS), 0, "a queue at the start of RAM");
    assert_eq!(guest.get(reg::QUEUE_PFN), 0x80000);
    guest.set(reg::QUEUE_PFN, 0);
    assert_eq!(guest.get(reg::QUEUE_PFN), 0);
}

#[test]
fn a_legacy_used_ring_is_aligned_as_told() {
    for (align, used) in [(None, 0x1000), (Some(0), 0x1000), (Some(4), 0x98), (Some(64), 0xc0)] {
        let mut guest = sink(Layout::Legacy);
        guest.set(reg::GUEST_PAGE_SIZE, 0x1000);
        guest.set(reg::QUEUE_NUM, 8);
        if let Some(align) = align {
            guest.set(reg::QUEUE_ALIGN, align);
        }
        let at = RAM_BASE + 0x1_0000;
        guest.set(reg::QUEUE_PFN, (at >> 12) as u32);
        guest.poke(at, Double, RAM_BASE);
        guest.poke(at + 8, Word, 1);
        guest.poke(at + 0x80 + 2, Half, 1);
        guest.notify(0);
        assert_eq!(guest.peek(at + used + 2, Half), 1, "{align:?}");
    }
}

#[test]
fn much_work_is_done_bit_by_bit() {
    for layout in BOTH {
        let sink = Sink { cost_bytes: SERVICE_BYTES / 2 };
        let mut guest = Guest::started(layout, sink, feature::EVENT_IDX, 8);
        (0..5).for_each(|_| drop(guest.prepare(1, &[Part::Out(b"a")])));
        guest.prepare(2, &[Part::Out(b"a")]);
        guest.notify(1);
        guest.machine.mtime = 70;
        let mut seen = Vec::new();
        while guest.machine.device.deadline(70) == Some(71) {
            seen.push(guest.take_used(1).len());
            assert_eq!(guest.interrupt(), 1);
            guest.acknowledge();
            guest.machine.poll();
        }
        seen.push(guest.take_used(1).len());
        assert_eq!(seen, [2, 2, 1], "{layout:?}");
        assert_eq!(guest.machine.device.deadline(70), None);
        assert_eq!(guest.take_used(2), [], "nobody has notified");
    }
}

#[test]
fn a_disabled_queue_is_left_alone() {
    let mut guest = Guest::started(Layout::Modern, Sink { cost_bytes: 0 }, 0, 8);
    guest.set(reg::QUEUE_SEL, 1);
    assert_eq!(guest.get(reg::QUEUE_READY), 1);
    guest.set(reg::QUEUE_READY, 0);
    assert_eq!(guest.get(reg::QUEUE_READY), 0);
    guest.prepare(1, &[Part::Out(b"a")]);
    for queue in [1, 3, 63, 64, u32::MAX] {
        guest.set(reg::QUEUE_NOTIFY, queue);
    }
    assert_eq!((guest.take_used(1), guest.get(reg::STATUS) & NEEDS_RESET), (vec![], 0));
}
