//! A driver for tests: finds a device, negotiates, lays queues out in RAM, makes requests and
//! collects what has been used, as a kernel would, in either register layout.

use super::super::register as reg;
use super::super::{Backend, LEN_BYTES, Layout, Transport};
use crate::addr::{PhysAddr, Width};
use crate::bus::RamOffset;
use crate::device::driver::Driver;

/// Bit of the tested device's interrupt line.
pub(super) const SOURCE: u32 = 3;
/// RAM of the tested machine: small, so that nearly every address is outside.
pub(super) const RAM_BYTES: u64 = 4 << 20;
/// First byte of RAM.
pub(super) const RAM_BASE: u64 = 0x8000_0000;

pub(super) const BOTH: [Layout; 2] = [Layout::Legacy, Layout::Modern];

/// Device status bits as drivers write them.
pub(super) const ACKNOWLEDGE: u32 = 1;
pub(super) const DRIVER: u32 = 2;
pub(super) const DRIVER_OK: u32 = 4;
pub(super) const FEATURES_OK: u32 = 8;
pub(super) const NEEDS_RESET: u32 = 64;

pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

/// One buffer of a request.
pub(super) enum Part<'a> {
    /// The device reads these bytes.
    Out(&'a [u8]),
    /// The device writes so many bytes.
    In(u32),
}

/// A descriptor as it lies in RAM.
#[derive(Clone, Copy, Debug)]
pub(super) struct Desc {
    pub(super) address: u64,
    pub(super) len: u32,
    pub(super) flags: u16,
    pub(super) next: u16,
}

/// Where the driver has put a queue, as physical addresses.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    pub(super) entries: u16,
    pub(super) desc: u64,
    pub(super) avail: u64,
    pub(super) used: u64,
    free_desc: u16,
    seen: u16,
}

impl Ring {
    pub(super) fn new(entries: u16, desc: u64, avail: u64, used: u64) -> Self {
        Self { entries, desc, avail, used, free_desc: 0, seen: 0 }
    }
}

/// A request on its way: head of its chain and where the device writes.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) head: u16,
    pub(super) writable: Vec<(u64, u32)>,
}

pub(super) struct Guest {
    pub(super) machine: Driver<Transport>,
    pub(super) layout: Layout,
    pub(super) rings: Vec<Ring>,
    /// Next byte of RAM that nothing uses.
    free: u64,
}

impl Guest {
    pub(super) fn new(layout: Layout, backend: Option<Box<dyn Backend>>) -> Self {
        let transport = Transport::new("virtio0", SOURCE, layout, backend);
        let machine = Driver::with_ram(transport, RAM_BYTES);
        Self { machine, layout, rings: Vec::new(), free: RAM_BASE + 0x1000 }
    }

    /// A device that has been set up with all features it offers but these, and with queues of
    /// `entries` entries.
    pub(super) fn started(
        layout: Layout,
        backend: impl Backend + 'static,
        without: u64,
        entries: u16,
    ) -> Self {
        let queues = backend.queues();
        let mut guest = Self::new(layout, Some(Box::new(backend)));
        guest.start(without, queues, entries);
        guest
    }

    /// Device initialization, step by step.
    pub(super) fn start(&mut self, without: u64, queues: usize, entries: u16) {
        self.rings.clear();
        self.set(reg::STATUS, 0);
        self.set(reg::STATUS, ACKNOWLEDGE);
        self.set(reg::STATUS, ACKNOWLEDGE | DRIVER);
        let offered = self.offered();
        self.accept(offered & !without);
        let mut status = ACKNOWLEDGE | DRIVER;
        if self.layout == Layout::Modern {
            status |= FEATURES_OK;
            self.set(reg::STATUS, status);
            assert_eq!(self.get(reg::STATUS), status, "features are agreed on");
        }
        (0..queues).for_each(|index| self.add_queue(index as u32, entries));
        self.set(reg::STATUS, status | DRIVER_OK);
        assert_eq!(self.get(reg::STATUS), status | DRIVER_OK);
    }

    pub(super) fn get(&mut self, register: u64) -> u32 {
        self.machine.read(register, Width::Word).expect("a register") as u32
    }

    pub(super) fn set(&mut self, register: u64, value: u32) {
        self.machine.write(register, Width::Word, value.into()).expect("a register");
    }

    pub(super) fn offered(&mut self) -> u64 {
        let half = |guest: &mut Self, sel| {
            guest.set(reg::DEVICE_FEATURES_SEL, sel);
            u64::from(guest.get(reg::DEVICE_FEATURES))
        };
        half(self, 0) | half(self, 1) << 32
    }

    pub(super) fn accept(&mut self, features: u64) {
        for sel in [0, 1] {
            self.set(reg::DRIVER_FEATURES_SEL, sel);
            self.set(reg::DRIVER_FEATURES, (features >> (32 * sel)) as u32);
        }
    }

    /// `len` zeroed bytes of RAM, page-aligned.
    pub(super) fn allocate(&mut self, len: u64) -> u64 {
        let at = self.free;
        self.free = (at + len).next_multiple_of(0x1000);
        assert!(self.free <= RAM_BASE + RAM_BYTES, "the test's RAM is full");
        let offset = self.offset(at);
        self.machine.ram.zero(offset, len);
        at
    }

    /// Sets queue `index` up with `entries` entries.
    pub(super) fn add_queue(&mut self, index: u32, entries: u16) {
        let n = u64::from(entries);
        let (desc, avail, used);
        match self.layout {
            Layout::Legacy => {
                desc = self.allocate(16 * n + 6 + 2 * n + 0x1000 + 6 + 8 * n);
                avail = desc + 16 * n;
                used = (avail + 6 + 2 * n).next_multiple_of(0x1000);
            }
            Layout::Modern => {
                desc = self.allocate(16 * n);
                avail = self.allocate(6 + 2 * n);
                used = self.allocate(6 + 8 * n);
            }
        }
        self.rings.push(Ring::new(entries, desc, avail, used));
        self.announce(index);
    }

    /// Writes the place of queue `index` into the registers and enables it.
    pub(super) fn announce(&mut self, index: u32) {
        let ring = self.rings[index as usize].clone();
        self.set(reg::QUEUE_SEL, index);
        assert!(self.get(reg::QUEUE_NUM_MAX) >= ring.entries.into());
        self.set(reg::QUEUE_NUM, ring.entries.into());
        match self.layout {
            Layout::Legacy => {
                assert_eq!(self.get(reg::QUEUE_PFN), 0, "not in use yet");
                self.set(reg::GUEST_PAGE_SIZE, 0x1000);
                self.set(reg::QUEUE_ALIGN, 0x1000);
                self.set(reg::QUEUE_PFN, (ring.desc >> 12) as u32);
            }
            Layout::Modern => {
                assert_eq!(self.get(reg::QUEUE_READY), 0, "not in use yet");
                for (low, address) in [
                    (reg::QUEUE_DESC_LOW, ring.desc),
                    (reg::QUEUE_DRIVER_LOW, ring.avail),
                    (reg::QUEUE_DEVICE_LOW, ring.used),
                ] {
                    self.set(low, address as u32);
                    self.set(low + 4, (address >> 32) as u32);
                }
                self.set(reg::QUEUE_READY, 1);
            }
        }
    }

    pub(super) fn offset(&self, at: u64) -> RamOffset {
        self.machine.ram.offset_of(PhysAddr(at), 1).expect("RAM")
    }

    pub(super) fn peek(&self, at: u64, width: Width) -> u64 {
        self.machine.ram.load(self.offset(at), width)
    }

    pub(super) fn poke(&mut self, at: u64, width: Width, value: u64) {
        let offset = self.offset(at);
        self.machine.ram.store(offset, width, value);
    }

    pub(super) fn bytes(&self, at: u64, len: u32) -> Vec<u8> {
        self.machine.ram.slice(self.offset(at), len.into()).to_vec()
    }

    /// Writes a descriptor into a table.
    pub(super) fn describe(&mut self, table: u64, index: u16, desc: Desc) {
        let at = table + 16 * u64::from(index);
        self.poke(at, Width::Double, desc.address);
        self.poke(at + 8, Width::Word, desc.len.into());
        self.poke(at + 12, Width::Half, desc.flags.into());
        self.poke(at + 14, Width::Half, desc.next.into());
    }

    /// Puts buffers into RAM and describes them in `table` from `first` on.
    pub(super) fn lay_out(
        &mut self,
        table: u64,
        first: u16,
        parts: &[Part<'_>],
    ) -> Vec<(u64, u32)> {
        let mut writable = Vec::new();
        for (index, part) in parts.iter().enumerate() {
            let (len, mut flags) = match part {
                Part::Out(bytes) => (bytes.len() as u32, 0),
                Part::In(len) => (*len, WRITE),
            };
            let address = self.allocate(len.into());
            match part {
                Part::Out(bytes) => {
                    let offset = self.offset(address);
                    self.machine.ram.write(offset, bytes);
                }
                Part::In(_) => writable.push((address, len)),
            }
            flags |= if index + 1 < parts.len() { NEXT } else { 0 };
            let index = first + index as u16;
            self.describe(table, index, Desc { address, len, flags, next: index + 1 });
        }
        writable
    }

    /// Makes a request available without telling the device.
    pub(super) fn prepare(&mut self, queue: usize, parts: &[Part<'_>]) -> Sent {
        let (table, head) = (self.rings[queue].desc, self.rings[queue].free_desc);
        self.rings[queue].free_desc += parts.len() as u16;
        assert!(self.rings[queue].free_desc <= self.rings[queue].entries, "no descriptors left");
        let writable = self.lay_out(table, head, parts);
        self.offer(queue, head);
        Sent { head, writable }
    }

    /// As [`prepare`](Self::prepare), through an indirect table.
    pub(super) fn prepare_indirect(&mut self, queue: usize, parts: &[Part<'_>]) -> Sent {
        let len = 16 * parts.len() as u32;
        let table = self.allocate(len.into());
        let writable = self.lay_out(table, 0, parts);
        let (desc, head) = (self.rings[queue].desc, self.rings[queue].free_desc);
        self.rings[queue].free_desc += 1;
        self.describe(desc, head, Desc { address: table, len, flags: INDIRECT, next: 0 });
        self.offer(queue, head);
        Sent { head, writable }
    }

    /// Puts a head into the available ring.
    pub(super) fn offer(&mut self, queue: usize, head: u16) {
        let Ring { avail, entries, .. } = self.rings[queue];
        let index = self.peek(avail + 2, Width::Half) as u16;
        let slot = u64::from(index % entries);
        self.poke(avail + 4 + 2 * slot, Width::Half, head.into());
        self.poke(avail + 2, Width::Half, index.wrapping_add(1).into());
    }

    pub(super) fn notify(&mut self, queue: usize) {
        self.set(reg::QUEUE_NOTIFY, queue as u32);
    }

    /// The entries of the used ring that are new.
    pub(super) fn take_used(&mut self, queue: usize) -> Vec<(u32, u32)> {
        let Ring { used, entries, seen, .. } = self.rings[queue];
        let index = self.peek(used + 2, Width::Half) as u16;
        let count = index.wrapping_sub(seen);
        self.rings[queue].seen = index;
        let entry = |i: u16| {
            let at = used + 4 + 8 * u64::from(seen.wrapping_add(i) % entries);
            (self.peek(at, Width::Word) as u32, self.peek(at + 4, Width::Word) as u32)
        };
        let taken = (0..count).map(entry).collect();
        if self.rings[queue].free_desc + 8 > entries {
            self.rings[queue].free_desc = 0;
        }
        taken
    }

    /// Makes one request and waits for it: bytes used, and what the device has written.
    pub(super) fn request(&mut self, queue: usize, parts: &[Part<'_>]) -> (u32, Vec<u8>) {
        let sent = self.prepare(queue, parts);
        self.notify(queue);
        let used = self.take_used(queue);
        assert_eq!(used.len(), 1, "one request, one answer");
        assert_eq!(used[0].0, u32::from(sent.head));
        (used[0].1, self.collect(&sent))
    }

    /// What the device has written for a request.
    pub(super) fn collect(&self, sent: &Sent) -> Vec<u8> {
        sent.writable.iter().flat_map(|(at, len)| self.bytes(*at, *len)).collect()
    }

    /// Level of the interrupt line, which must agree with the register.
    pub(super) fn interrupt(&mut self) -> u32 {
        let status = self.get(reg::INTERRUPT_STATUS);
        let line = u64::from(status != 0) << SOURCE;
        assert_eq!(self.machine.irq.sources, line, "the line follows InterruptStatus");
        status
    }

    pub(super) fn acknowledge(&mut self) {
        let status = self.get(reg::INTERRUPT_STATUS);
        self.set(reg::INTERRUPT_ACK, status);
        assert_eq!(self.interrupt(), 0);
    }

    pub(super) fn config(&mut self, len: u64) -> Vec<u8> {
        assert!(reg::CONFIG + len <= LEN_BYTES);
        let byte = |at| self.machine.read(reg::CONFIG + at, Width::Byte).expect("a byte") as u8;
        (0..len).map(byte).collect()
    }
}
