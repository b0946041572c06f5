//! The entropy device.

use std::io::Cursor;

use super::super::rng::Rng;
use super::driver::{BOTH, Guest, NEEDS_RESET, Part};
use crate::addr::Width;
use crate::device::virtio::register as reg;

/// A device whose source yields so many bytes, counting up.
fn rng(len: usize) -> Rng {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(len).collect();
    Rng::new(Box::new(Cursor::new(bytes)))
}

#[test]
fn fills_what_is_offered() {
    for layout in BOTH {
        let mut guest = Guest::started(layout, rng(5000), 0, 8);
        assert_eq!(guest.get(reg::DEVICE_ID), 4);
        assert_eq!(guest.machine.read(0x100, Width::Word), Ok(0xffff_ffff), "no configuration");
        assert_eq!(guest.request(0, &[Part::In(3), Part::In(2)]), (5, vec![0, 1, 2, 3, 4]));
        assert_eq!(guest.request(0, &[Part::Out(b"ignored"), Part::In(1)]), (1, vec![5]));
        let (used, bytes) = guest.request(0, &[Part::In(10_000)]);
        assert_eq!(
            (used, bytes[4095], bytes[4096]),
            (4096, 5, 0),
            "{layout:?}: as much as it likes"
        );
    }
}

#[test]
fn a_dry_source_keeps_the_guest_waiting() {
    let mut guest = Guest::started(BOTH[1], rng(8), 0, 8);
    assert_eq!(guest.request(0, &[Part::In(4)]).0, 4);
    guest.prepare(0, &[Part::In(16)]);
    guest.notify(0);
    guest.notify(0);
    guest.machine.poll();
    assert_eq!((guest.take_used(0), guest.get(reg::STATUS) & NEEDS_RESET), (vec![], 0));
}

#[test]
fn a_buffer_that_cannot_be_filled_breaks_the_device() {
    let mut guest = Guest::started(BOTH[1], rng(8), 0, 8);
    guest.prepare(0, &[Part::Out(b"a")]);
    guest.notify(0);
    assert_eq!((guest.take_used(0), guest.get(reg::STATUS) & NEEDS_RESET), (vec![], NEEDS_RESET));
}
