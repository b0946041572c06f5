//! The device's end of a split virtqueue: takes chains from the available ring, checks every
//! descriptor, and puts answered ones into the used ring.
//!
//! Where the parts lie is checked when the queue is put to use; after that the ring accesses
//! cannot leave RAM. Everything read from RAM is checked anew each time, because the guest may
//! change it at any moment.
//!
//! Source: "Split Virtqueues".

use super::chain::{Chain, Span};
use super::{Broken, feature};
use crate::addr::{PhysAddr, Width};
use crate::bus::{Ram, RamOffset};

/// Entries of the largest queue, and descriptors of the longest chain: `QueueNumMax`, as on QEMU.
pub const MAX_QUEUE_ENTRIES: u16 = 1024;

/// Size of a descriptor in bytes.
const DESCRIPTOR_BYTES: u64 = 16;
/// Descriptor flag: `next` holds the index of the chain's next descriptor.
const DESC_NEXT: u16 = 1 << 0;
/// Descriptor flag: the device writes this buffer.
const DESC_WRITE: u16 = 1 << 1;
/// Descriptor flag: the buffer is a table of descriptors.
const DESC_INDIRECT: u16 = 1 << 2;

/// Flag of the available ring: the driver wants no interrupts.
const AVAIL_NO_INTERRUPT: u64 = 1 << 0;

/// Distance of a ring's index from its start.
const RING_INDEX: u64 = 2;
/// Distance of a ring's first entry from its start.
const RING_ENTRIES: u64 = 4;
/// Size of an entry of the available ring: the head of a chain.
const AVAIL_ENTRY_BYTES: u64 = 2;
/// Size of an entry of the used ring: the head of a chain and the bytes written.
const USED_ENTRY_BYTES: u64 = 8;
/// Size of the event index behind the entries of either ring.
const EVENT_BYTES: u64 = 2;

/// Physical addresses of a queue's three parts, by the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) descriptors: u64,
    pub(super) available: u64,
    pub(super) used: u64,
}

impl Parts {
    /// Parts that follow each other from `start` on, the used ring at a multiple of `align`.
    ///
    /// Source: "Legacy Interfaces: A Note on Virtqueue Layout".
    pub(super) fn contiguous(start: u64, entries: u32, align: u32) -> Self {
        let available = start.saturating_add(DESCRIPTOR_BYTES * u64::from(entries));
        let behind = available.saturating_add(avail_bytes(entries.into()));
        let used = behind.checked_next_multiple_of(align.into()).unwrap_or(u64::MAX);
        Self { descriptors: start, available, used }
    }
}

fn avail_bytes(entries: u64) -> u64 {
    RING_ENTRIES + AVAIL_ENTRY_BYTES * entries + EVENT_BYTES
}

fn used_bytes(entries: u64) -> u64 {
    RING_ENTRIES + USED_ENTRY_BYTES * entries + EVENT_BYTES
}

/// A queue in use, and how far the device has come in it.
#[derive(Debug)]
pub(super) struct Queue {
    entries: u16,
    descriptors: RamOffset,
    available: RamOffset,
    used: RamOffset,
    /// Entries of the available ring that have been taken, wrapping.
    taken: u16,
    /// Entries that have been put into the used ring, wrapping.
    given: u16,
}

/// A table of descriptors that lies in RAM.
#[derive(Clone, Copy)]
struct Table {
    at: RamOffset,
    entries: u64,
}

struct Descriptor {
    address: PhysAddr,
    len_bytes: u64,
    flags: u16,
    next: u16,
}

impl Table {
    fn get(self, ram: &Ram, index: u16) -> Result<Descriptor, Broken> {
        if u64::from(index) >= self.entries {
            return Err(Broken("a descriptor index lies outside its table"));
        }
        let at = self.at.0 + DESCRIPTOR_BYTES * u64::from(index);
        let field = |offset, width| ram.load(RamOffset(at + offset), width);
        Ok(Descriptor {
            address: PhysAddr(field(0, Width::Double)),
            len_bytes: field(8, Width::Word),
            flags: field(12, Width::Half) as u16,
            next: field(14, Width::Half) as u16,
        })
    }

    /// The table that an indirect descriptor points to.
    fn indirect(ram: &Ram, descriptor: &Descriptor) -> Result<Self, Broken> {
        let Descriptor { address, len_bytes, flags, .. } = *descriptor;
        if flags & DESC_NEXT != 0 {
            return Err(Broken("an indirect descriptor has a successor"));
        }
        let entries = len_bytes / DESCRIPTOR_BYTES;
        let is_whole = len_bytes.is_multiple_of(DESCRIPTOR_BYTES);
        if !is_whole || !(1..=u64::from(MAX_QUEUE_ENTRIES)).contains(&entries) {
            return Err(Broken("an indirect table has an impossible length"));
        }
        let at = ram.offset_of(address, len_bytes);
        Ok(Self { at: at.ok_or(Broken("an indirect table lies outside RAM"))?, entries })
    }
}

impl Queue {
    /// A queue of `entries` entries at `parts`, with nothing taken from it.
    ///
    /// # Errors
    /// [`Broken`] where no queue can have that size or a part is not in RAM.
    pub(super) fn new(entries: u32, parts: Parts, ram: &Ram) -> Result<Self, Broken> {
        let entries = u16::try_from(entries).unwrap_or(0);
        if !entries.is_power_of_two() || entries > MAX_QUEUE_ENTRIES {
            return Err(Broken("a queue's size is no power of two from 1 to 1024"));
        }
        let count = u64::from(entries);
        let place = |address, len_bytes| {
            let offset = ram.offset_of(PhysAddr(address), len_bytes);
            offset.ok_or(Broken("a queue lies outside RAM"))
        };
        Ok(Self {
            entries,
            descriptors: place(parts.descriptors, DESCRIPTOR_BYTES * count)?,
            available: place(parts.available, avail_bytes(count))?,
            used: place(parts.used, used_bytes(count))?,
            taken: 0,
            given: 0,
        })
    }

    /// Takes the next available chain into `chain`; `false` where there is none.
    ///
    /// # Errors
    /// [`Broken`] where the ring or the chain is not what a driver may write.
    pub(super) fn take(&mut self, ram: &Ram, chain: &mut Chain) -> Result<bool, Broken> {
        let index = ram.load(RamOffset(self.available.0 + RING_INDEX), Width::Half) as u16;
        let waiting = index.wrapping_sub(self.taken);
        if waiting > self.entries {
            return Err(Broken("more chains are available than the queue has entries"));
        }
        if waiting == 0 {
            return Ok(false);
        }
        let slot = u64::from(self.taken % self.entries);
        let at = self.available.0 + RING_ENTRIES + AVAIL_ENTRY_BYTES * slot;
        let head = ram.load(RamOffset(at), Width::Half) as u16;
        self.walk(ram, head, chain)?;
        self.taken = self.taken.wrapping_add(1);
        Ok(true)
    }

    /// Gives the chain taken last back: it is the next to be taken again.
    pub(super) fn untake(&mut self) {
        self.taken = self.taken.wrapping_sub(1);
    }

    /// Collects the chain that starts at descriptor `head`.
    fn walk(&self, ram: &Ram, head: u16, chain: &mut Chain) -> Result<(), Broken> {
        let direct = Table { at: self.descriptors, entries: self.entries.into() };
        let (mut table, mut index, mut is_indirect) = (direct, head, false);
        chain.restart(head);
        // As many descriptors as a chain can have, and the one that leads to an indirect table.
        for _ in 0..=MAX_QUEUE_ENTRIES {
            let descriptor = table.get(ram, index)?;
            if descriptor.flags & DESC_INDIRECT != 0 {
                if is_indirect {
                    return Err(Broken("an indirect table holds an indirect descriptor"));
                }
                table = Table::indirect(ram, &descriptor)?;
                (index, is_indirect) = (0, true);
                continue;
            }
            add(ram, &descriptor, chain)?;
            if descriptor.flags & DESC_NEXT == 0 {
                return Ok(());
            }
            index = descriptor.next;
        }
        Err(Broken("a chain of descriptors does not end"))
    }

    /// Puts the chain with this head into the used ring.
    pub(super) fn give(&mut self, ram: &mut Ram, head: u16, written_bytes: u32) {
        let slot = u64::from(self.given % self.entries);
        let at = self.used.0 + RING_ENTRIES + USED_ENTRY_BYTES * slot;
        ram.store(RamOffset(at), Width::Word, head.into());
        ram.store(RamOffset(at + 4), Width::Word, written_bytes.into());
        self.given = self.given.wrapping_add(1);
        ram.store(RamOffset(self.used.0 + RING_INDEX), Width::Half, self.given.into());
    }

    /// Entries that have been put into the used ring, wrapping.
    pub(super) fn given(&self) -> u16 {
        self.given
    }

    /// Asks the driver to notify as soon as it makes one more chain available.
    ///
    /// Source: "Available Buffer Notification Suppression".
    pub(super) fn ask_for_notification(&self, ram: &mut Ram, features: u64) {
        if features & feature::EVENT_IDX != 0 {
            let at = self.used.0 + used_bytes(self.entries.into()) - EVENT_BYTES;
            ram.store(RamOffset(at), Width::Half, self.taken.into());
        }
    }

    /// Whether the driver wants an interrupt for the entries given since there were `before`.
    ///
    /// Source: "Used Buffer Notification Suppression".
    pub(super) fn wants_interrupt(&self, ram: &Ram, features: u64, before: u16) -> bool {
        if features & feature::EVENT_IDX == 0 {
            let flags = ram.load(self.available, Width::Half);
            return self.given != before && flags & AVAIL_NO_INTERRUPT == 0;
        }
        let at = self.available.0 + avail_bytes(self.entries.into()) - EVENT_BYTES;
        let event = ram.load(RamOffset(at), Width::Half) as u16;
        // The entry with index `event` is among the new ones.
        self.given.wrapping_sub(event).wrapping_sub(1) < self.given.wrapping_sub(before)
    }
}

fn add(ram: &Ram, descriptor: &Descriptor, chain: &mut Chain) -> Result<(), Broken> {
    let Descriptor { address, len_bytes, flags, .. } = *descriptor;
    if len_bytes == 0 {
        return Err(Broken("a buffer has no bytes"));
    }
    let at = ram.offset_of(address, len_bytes).ok_or(Broken("a buffer lies outside RAM"))?;
    let span = Span { at, len_bytes };
    if flags & DESC_WRITE != 0 {
        chain.writable.push(span);
    } else if chain.writable.is_empty() {
        chain.readable.push(span);
    } else {
        return Err(Broken("a buffer to read follows one to write"));
    }
    Ok(())
}
