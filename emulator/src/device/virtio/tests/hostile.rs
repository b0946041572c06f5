//! Rings and chains that no driver would write: each ends in a device that needs a reset, and
//! works again after one.

use super::super::Layout;
use super::super::block::Block;
use super::super::register as reg;
use super::driver::{
    BOTH, Desc, Guest, INDIRECT, NEEDS_RESET, NEXT, Part, RAM_BASE, RAM_BYTES, WRITE,
};
use super::fakes::Memory;
use crate::addr::Width;
use crate::bus::Device;

const ENTRIES: u16 = 8;
/// Buffers that are always there.
const BUFFER: u64 = RAM_BASE + RAM_BYTES - 0x1000;
/// A table for indirect descriptors.
const TABLE: u64 = RAM_BASE + RAM_BYTES - 0x8000;
const RAM_END: u64 = RAM_BASE + RAM_BYTES;

fn disk(layout: Layout) -> Guest {
    Guest::started(layout, Block::new(Box::new(Memory::new(8)), ""), 0, ENTRIES)
}

fn desc(address: u64, len: u32, flags: u16, next: u16) -> Desc {
    Desc { address, len, flags, next }
}

/// The device has stopped, says so, ignores its queues, and works after a reset.
fn expect_broken(mut guest: Guest, what: &str) {
    let layout = guest.layout;
    assert_eq!(guest.get(reg::STATUS) & NEEDS_RESET, NEEDS_RESET, "{layout:?}: {what}");
    assert_eq!(guest.interrupt() & 2, 2, "{layout:?}: {what}");
    assert_eq!(guest.take_used(0), [], "{layout:?}: {what}");
    guest.acknowledge();
    // Nothing but a reset helps.
    guest.set(reg::STATUS, 0xf);
    assert_eq!(guest.get(reg::STATUS), 0xf | NEEDS_RESET);
    guest.notify(0);
    guest.machine.poll();
    assert_eq!((guest.take_used(0), guest.interrupt()), (vec![], 0), "{layout:?}: {what}");
    assert_eq!(guest.machine.device.deadline(0), None);
    guest.start(0, 1, ENTRIES);
    let (_, data) = guest.request(0, &[Part::Out(&[0; 16]), Part::In(512), Part::In(1)]);
    assert_eq!(data.last(), Some(&0), "{layout:?}: {what}");
}

#[test]
fn chains_that_cannot_be() {
    let good = [desc(BUFFER, 16, NEXT, 1), desc(BUFFER + 16, 512, NEXT | WRITE, 2)];
    let cases: &[(&str, &[Desc])] = &[
        ("a loop of one", &[desc(BUFFER, 16, NEXT, 0)]),
        ("a loop of two", &[desc(BUFFER, 16, NEXT, 1), desc(BUFFER, 16, NEXT, 0)]),
        ("a loop of writable ones", &[good[0], desc(BUFFER, 1, NEXT | WRITE, 1)]),
        ("a successor outside the table", &[desc(BUFFER, 16, NEXT, ENTRIES)]),
        ("a successor far outside", &[desc(BUFFER, 16, NEXT, u16::MAX)]),
        ("no bytes to read", &[desc(BUFFER, 0, NEXT, 1), good[1], desc(BUFFER, 1, WRITE, 0)]),
        ("no bytes to write", &[good[0], desc(BUFFER, 0, WRITE, 0)]),
        ("before RAM", &[desc(RAM_BASE - 1, 16, NEXT, 1), desc(BUFFER, 1, WRITE, 0)]),
        ("at zero", &[desc(0, 16, NEXT, 1), desc(BUFFER, 1, WRITE, 0)]),
        ("past RAM", &[desc(RAM_END, 16, NEXT, 1), desc(BUFFER, 1, WRITE, 0)]),
        ("across the end", &[good[0], desc(RAM_END - 511, 512, WRITE, 0)]),
        ("at a device", &[good[0], desc(0x1000_1000, 512, WRITE, 0)]),
        ("wrapping", &[good[0], desc(u64::MAX - 3, 512, WRITE, 0)]),
        ("the longest", &[good[0], desc(RAM_BASE, u32::MAX, WRITE, 0)]),
        ("to write, then to read", &[desc(BUFFER, 512, NEXT | WRITE, 1), desc(BUFFER, 16, 0, 0)]),
        ("no header", &[desc(BUFFER, 513, WRITE, 0)]),
        ("half a header", &[desc(BUFFER, 15, NEXT, 1), desc(BUFFER, 513, WRITE, 0)]),
        ("no place for a status", &[desc(BUFFER, 528, 0, 0)]),
        ("an empty table", &[desc(TABLE, 0, INDIRECT, 0)]),
        ("an odd table", &[desc(TABLE, 17, INDIRECT, 0)]),
        ("a large table", &[desc(TABLE, 1025 * 16, INDIRECT, 0)]),
        ("the largest table", &[desc(RAM_BASE, 0xffff_fff0, INDIRECT, 0)]),
        ("a table outside RAM", &[desc(RAM_END - 16, 32, INDIRECT, 0)]),
        ("a table with a successor", &[desc(TABLE, 32, INDIRECT | NEXT, 1), good[0]]),
    ];
    for layout in BOTH {
        for (what, descriptors) in cases {
            let mut guest = disk(layout);
            let table = guest.rings[0].desc;
            for (index, desc) in descriptors.iter().enumerate() {
                guest.describe(table, index as u16, *desc);
            }
            guest.offer(0, 0);
            guest.notify(0);
            expect_broken(guest, what);
        }
    }
}

#[test]
fn indirect_tables_that_cannot_be() {
    let cases: &[(&str, &[Desc])] = &[
        ("indirect inside indirect", &[desc(TABLE, 32, INDIRECT, 0)]),
        ("indirect further inside", &[desc(BUFFER, 16, NEXT, 1), desc(TABLE, 32, INDIRECT, 0)]),
        ("a loop", &[desc(BUFFER, 16, NEXT, 0)]),
        ("a successor outside the table", &[desc(BUFFER, 16, NEXT, 2)]),
        ("no bytes", &[desc(BUFFER, 16, NEXT, 1), desc(BUFFER, 0, WRITE, 0)]),
    ];
    for layout in BOTH {
        for (what, descriptors) in cases {
            let mut guest = disk(layout);
            let table = guest.rings[0].desc;
            guest.describe(table, 0, desc(TABLE, 32, INDIRECT, 0));
            for (index, desc) in descriptors.iter().enumerate() {
                guest.describe(TABLE, index as u16, *desc);
            }
            guest.offer(0, 0);
            guest.notify(0);
            expect_broken(guest, what);
        }
    }
}

#[test]
fn rings_that_cannot_be() {
    for layout in BOTH {
        for (what, index, head) in [
            ("more available than entries", ENTRIES + 1, 0),
            ("the index runs backwards", u16::MAX, 0),
            ("a head outside the table", 1, ENTRIES),
            ("a head far outside", 1, u16::MAX),
        ] {
            let mut guest = disk(layout);
            let avail = guest.rings[0].avail;
            guest.poke(avail + 4, Width::Half, head.into());
            guest.poke(avail + 2, Width::Half, index.into());
            guest.notify(0);
            expect_broken(guest, what);
        }
    }
}

#[test]
fn good_chains_before_a_bad_one_are_answered() {
    for layout in BOTH {
        let mut guest = disk(layout);
        let sent = guest.prepare(0, &[Part::Out(&[0; 16]), Part::In(512), Part::In(1)]);
        guest.offer(0, ENTRIES);
        guest.notify(0);
        assert_eq!(guest.take_used(0), [(sent.head.into(), 513)], "{layout:?}");
        assert_eq!(guest.interrupt(), 3, "both are told");
        assert_eq!(guest.get(reg::STATUS) & NEEDS_RESET, NEEDS_RESET);
    }
}

#[test]
fn queues_that_cannot_be() {
    let far = RAM_END - 0x1000;
    for layout in BOTH {
        for (what, entries, start) in [
            ("no entries", 0, RAM_BASE),
            ("no power of two", 3, RAM_BASE),
            ("too many entries", 2048, RAM_BASE),
            ("a wrapping number of entries", 0x1_0008, RAM_BASE),
            ("the most entries", u32::MAX, RAM_BASE),
            ("nowhere", 8, 0x1000),
            ("across the end of RAM", 1024, far),
            ("past the end of RAM", 8, RAM_END),
            ("far outside", 8, 0xffff_f000_0000),
        ] {
            let mut guest = disk(layout);
            guest.set(reg::STATUS, 0);
            guest.set(reg::STATUS, 0x3);
            if layout == Layout::Modern {
                guest.accept(1 << 32);
                guest.set(reg::STATUS, 0xb);
            }
            guest.set(reg::STATUS, 0xf);
            guest.rings[0].entries = ENTRIES;
            guest.set(reg::QUEUE_NUM, entries);
            match layout {
                Layout::Legacy => guest.set(reg::QUEUE_PFN, (start >> 12) as u32),
                Layout::Modern => {
                    for (low, at) in [(0x80, start), (0x90, start), (0xa0, start)] {
                        guest.set(low, at as u32);
                        guest.set(low + 4, (at >> 32) as u32);
                    }
                    guest.set(reg::QUEUE_READY, 1);
                }
            }
            expect_broken(guest, what);
        }
    }
}

#[test]
fn each_part_of_a_modern_queue_is_checked() {
    for (part, last) in [(0x80, 16 * 8), (0x90, 6 + 2 * 8), (0xa0, 6 + 8 * 8)] {
        for (short, status) in [(0, 0), (1, NEEDS_RESET)] {
            let mut guest = disk(Layout::Modern);
            guest.set(reg::STATUS, 0);
            guest.set(reg::QUEUE_NUM, 8);
            for low in [0x80, 0x90, 0xa0] {
                let at = if low == part { RAM_END - last + short } else { RAM_BASE };
                guest.set(low, at as u32);
                guest.set(low + 4, (at >> 32) as u32);
            }
            guest.set(reg::QUEUE_READY, 1);
            assert_eq!(guest.get(reg::STATUS), status, "{part:#x} {short}");
            assert_eq!(guest.interrupt(), 0, "no driver to tell yet");
        }
    }
}
