//! How known kernels talk to a disk, register by register, where their order or choice is not
//! what the specification's example suggests.

use super::super::Layout;
use super::super::block::Block;
use super::super::register as reg;
use super::driver::{Guest, Part, Ring};
use super::fakes::Memory;
use crate::addr::Width;

fn disk(layout: Layout) -> (Guest, Memory) {
    let memory = Memory::new(64);
    (Guest::new(layout, Some(Box::new(Block::new(Box::new(memory.clone()), "")))), memory)
}

/// xv6 reads a block of two sectors and looks for it in the used ring.
fn xv6_reads(guest: &mut Guest, memory: &Memory) {
    for block in [1, 0, 31] {
        let mut header = vec![0; 16];
        header[8] = 2 * block as u8;
        let sent = guest.prepare(0, &[Part::Out(&header), Part::In(1024), Part::In(1)]);
        guest.notify(0);
        let status = guest.get(reg::INTERRUPT_STATUS);
        assert_eq!(status, 1);
        guest.set(reg::INTERRUPT_ACK, status & 3);
        assert_eq!(guest.interrupt(), 0);
        assert_eq!(guest.take_used(0), [(sent.head.into(), 1025)]);
        let want = [memory.bytes(1024 * block, 1024), vec![0]].concat();
        assert_eq!(guest.collect(&sent), want, "block {block}");
    }
}

/// xv6-riscv today: version 2, but no features above the first 32, so no VERSION_1.
#[test]
fn xv6() {
    let (mut guest, memory) = disk(Layout::Modern);
    let found = [reg::MAGIC_VALUE, reg::VERSION, reg::DEVICE_ID, reg::VENDOR_ID]
        .map(|register| guest.get(register));
    assert_eq!(found, [0x7472_6976, 2, 2, 0x554d_4551]);
    [0, 1, 3].into_iter().for_each(|status| guest.set(reg::STATUS, status));
    // Not read-only, SCSI, CONFIG_WCE, MQ, ANY_LAYOUT, EVENT_IDX or INDIRECT_DESC.
    let unwanted = 1 << 5 | 1 << 7 | 1 << 11 | 1 << 12 | 1 << 27 | 1 << 29 | 1 << 28;
    let features = guest.get(reg::DEVICE_FEATURES) & !unwanted;
    guest.set(reg::DRIVER_FEATURES, features);
    guest.set(reg::STATUS, 0xb);
    assert_eq!(guest.get(reg::STATUS), 0xb);
    guest.add_queue(0, 8);
    guest.set(reg::STATUS, 0xf);
    xv6_reads(&mut guest, &memory);
}

/// xv6-riscv of 2019: version 1, ready before the page size is known and the queue is there, and
/// no `QueueAlign`.
#[test]
fn early_xv6() {
    let (mut guest, memory) = disk(Layout::Legacy);
    [0, 1, 3].into_iter().for_each(|status| guest.set(reg::STATUS, status));
    let features = guest.get(reg::DEVICE_FEATURES) & !(1 << 28 | 1 << 29);
    guest.set(reg::DRIVER_FEATURES, features);
    [0xb, 0xf].into_iter().for_each(|status| guest.set(reg::STATUS, status));
    guest.set(reg::GUEST_PAGE_SIZE, 4096);
    guest.set(reg::QUEUE_SEL, 0);
    assert!(guest.get(reg::QUEUE_NUM_MAX) >= 8);
    guest.set(reg::QUEUE_NUM, 8);
    let desc = guest.allocate(2 * 4096);
    guest.rings.push(Ring::new(8, desc, desc + 8 * 16, desc + 4096));
    guest.set(reg::QUEUE_PFN, (desc >> 12) as u32);
    xv6_reads(&mut guest, &memory);
}

/// Linux with `virtio_mmio` and a version 1 transport: the page size comes before everything, and
/// a queue as large as it can be.
#[test]
fn linux_legacy() {
    let (mut guest, _) = disk(Layout::Legacy);
    guest.set(reg::GUEST_PAGE_SIZE, 4096);
    [0, 1, 3].into_iter().for_each(|status| guest.set(reg::STATUS, status));
    let features = guest.offered();
    guest.accept(features);
    let byte = |at| guest.machine.read(reg::CONFIG + at, Width::Byte).expect("configuration");
    let capacity = (0..8).rev().map(byte).fold(0, |value, byte| value << 8 | byte);
    assert_eq!(capacity, 64, "read byte by byte");
    guest.set(reg::QUEUE_SEL, 0);
    assert_eq!(guest.get(reg::QUEUE_PFN), 0);
    let entries = guest.get(reg::QUEUE_NUM_MAX);
    let n = u64::from(entries);
    let desc = guest.allocate(16 * n + 0x1000 + 6 + 8 * n);
    let used = (desc + 18 * n + 6).next_multiple_of(4096);
    guest.rings.push(Ring::new(entries as u16, desc, desc + 16 * n, used));
    guest.set(reg::QUEUE_NUM, entries);
    guest.set(reg::QUEUE_ALIGN, 4096);
    guest.set(reg::QUEUE_PFN, (desc >> 12) as u32);
    guest.set(reg::STATUS, 7);
    // The identification, as for /sys/block/vda/serial, in an indirect table.
    let mut header = [0; 16];
    header[0] = 8;
    let sent = guest.prepare_indirect(0, &[Part::Out(&header), Part::In(20), Part::In(1)]);
    guest.notify(0);
    assert_eq!(guest.interrupt(), 1, "event index 0 asks for the first");
    assert_eq!((guest.take_used(0), guest.collect(&sent)), (vec![(0, 21)], vec![0; 21]));
    // Giving the queue up.
    guest.set(reg::QUEUE_PFN, 0);
    assert_eq!(guest.get(reg::QUEUE_PFN), 0);
}
