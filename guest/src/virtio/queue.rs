//! A split queue: [`Rings`] is what driver and device share, [`Queue`] the driver's side of it.
//! Nothing that the device writes is trusted.
//!
//! Source: "Split Virtqueues".

use alloc::boxed::Box;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// Descriptor flag: `next` holds the index of the chain's next descriptor.
const NEXT: u16 = 1 << 0;
/// Descriptor flag: the device writes this buffer.
const WRITE: u16 = 1 << 1;
/// Flag of the used ring: the device needs no notification.
const NO_NOTIFY: u16 = 1 << 0;

/// What the used ring is aligned to, in bytes, behind the others: more than is demanded of it.
pub const ALIGN_BYTES: u32 = align_of::<Used<1>>() as u32;

#[derive(Debug, Default)]
#[repr(C)]
struct Descriptor {
    address: AtomicU64,
    length: AtomicU32,
    flags: AtomicU16,
    next: AtomicU16,
}

#[derive(Debug)]
#[repr(C)]
struct Available<const N: usize> {
    flags: AtomicU16,
    index: AtomicU16,
    heads: [AtomicU16; N],
    used_event: AtomicU16,
}

#[derive(Debug, Default)]
#[repr(C)]
struct UsedEntry {
    head: AtomicU32,
    length: AtomicU32,
}

#[derive(Debug)]
#[repr(C, align(64))]
struct Used<const N: usize> {
    flags: AtomicU16,
    index: AtomicU16,
    entries: [UsedEntry; N],
    available_event: AtomicU16,
}

/// The memory of a queue of `N` entries, a power of two up to 128. It begins on a page of its own,
/// as the registers of old demand.
#[derive(Debug)]
#[repr(C, align(4096))]
pub struct Rings<const N: usize> {
    descriptors: [Descriptor; N],
    available: Available<N>,
    used: Used<N>,
}

impl<const N: usize> Rings<N> {
    /// Where its three parts begin, in bytes from its beginning: the descriptors, the available
    /// ring, the used ring.
    pub const OFFSETS_BYTES: [u64; 3] = {
        assert!(N.is_power_of_two() && N <= 128 && size_of::<Self>() == 4096);
        [
            offset_of!(Self, descriptors) as u64,
            offset_of!(Self, available) as u64,
            offset_of!(Self, used) as u64,
        ]
    };

    fn new() -> Self {
        const fn zeros<const N: usize>() -> [AtomicU16; N] {
            [const { AtomicU16::new(0) }; N]
        }
        let [flags, index, used_event] = zeros();
        let available = Available { flags, index, heads: zeros(), used_event };
        let [flags, index, available_event] = zeros();
        let entries = core::array::from_fn(|_| UsedEntry::default());
        let used = Used { flags, index, entries, available_event };
        Self { descriptors: core::array::from_fn(|_| Descriptor::default()), available, used }
    }
}

/// Who writes a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The device reads it.
    ToDevice,
    /// The device writes it.
    FromDevice,
}

/// A piece of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Its physical address.
    pub address: u64,
    /// Bytes in it, at least one.
    pub length_bytes: u32,
    /// Who writes it.
    pub direction: Direction,
}

/// A chain that the device has done with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Done {
    /// What [`Queue::add`] called it.
    pub head: u16,
    /// Bytes that the device says it has written.
    pub written_bytes: u32,
}

/// The driver's side of a queue of `N` entries. It trusts what it keeps here, and not the rings.
#[derive(Debug)]
pub struct Queue<const N: usize> {
    rings: Box<Rings<N>>,
    /// Of each descriptor the next one, in its chain or in the list of free ones; `N` ends both.
    next: [u16; N],
    first_free: u16,
    free: u16,
    /// Chains on their way: a bit for each head.
    pending: u128,
    added: u16,
    seen: u16,
}

impl<const N: usize> Default for Queue<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> Queue<N> {
    /// A queue with nothing in it.
    pub fn new() -> Self {
        Self {
            rings: Box::new(Rings::new()),
            next: core::array::from_fn(|index| index as u16 + 1),
            first_free: 0,
            free: N as u16,
            pending: 0,
            added: 0,
            seen: 0,
        }
    }

    /// What it shares with the device, which must be told its physical address.
    pub fn rings(&self) -> &Rings<N> {
        &self.rings
    }

    /// Gives the device buffers as one chain: those that it reads come first. Yields the chain's
    /// name; nothing where there is no room. The device may have to be notified.
    ///
    /// # Panics
    /// Where there are no buffers.
    pub fn add(&mut self, buffers: &[Buffer]) -> Option<u16> {
        assert!(!buffers.is_empty(), "a chain has at least one buffer");
        if buffers.len() > usize::from(self.free) {
            return None;
        }
        let head = self.first_free;
        let mut index = head;
        for (position, buffer) in buffers.iter().enumerate() {
            let is_last = position + 1 == buffers.len();
            let next = self.next[usize::from(index)];
            let flags = if buffer.direction == Direction::FromDevice { WRITE } else { 0 };
            let descriptor = &self.rings.descriptors[usize::from(index)];
            descriptor.address.store(buffer.address, Ordering::Relaxed);
            descriptor.length.store(buffer.length_bytes, Ordering::Relaxed);
            let flags = if is_last { flags } else { flags | NEXT };
            descriptor.flags.store(flags, Ordering::Relaxed);
            descriptor.next.store(if is_last { 0 } else { next }, Ordering::Relaxed);
            if is_last {
                self.next[usize::from(index)] = N as u16;
            }
            (index, self.first_free) = (next, next);
        }
        self.free -= buffers.len() as u16;
        self.pending |= 1 << head;
        let available = &self.rings.available;
        available.heads[usize::from(self.added) % N].store(head, Ordering::Relaxed);
        self.added = self.added.wrapping_add(1);
        available.index.store(self.added, Ordering::Release);
        Some(head)
    }

    /// Whether the device wants to be notified of what was added.
    pub fn wants_notification(&self) -> bool {
        // What was added is seen before the flag is looked at.
        fence(Ordering::SeqCst);
        self.rings.used.flags.load(Ordering::Relaxed) & NO_NOTIFY == 0
    }

    /// The next chain that the device has done with. One that is not on its way is passed over.
    pub fn take(&mut self) -> Option<Done> {
        while self.rings.used.index.load(Ordering::Acquire) != self.seen {
            let entry = &self.rings.used.entries[usize::from(self.seen) % N];
            let head = entry.head.load(Ordering::Relaxed);
            let written_bytes = entry.length.load(Ordering::Relaxed);
            self.seen = self.seen.wrapping_add(1);
            if (head as usize) < N && self.pending & 1 << head != 0 {
                let head = head as u16;
                self.pending &= !(1 << head);
                self.release(head);
                return Some(Done { head, written_bytes });
            }
        }
        None
    }

    /// Makes the descriptors of a chain free again.
    fn release(&mut self, head: u16) {
        let (mut last, mut count) = (head, 1);
        while usize::from(self.next[usize::from(last)]) < N {
            last = self.next[usize::from(last)];
            count += 1;
        }
        self.next[usize::from(last)] = self.first_free;
        self.first_free = head;
        self.free += count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The device's side, as far as the tests need it.
    struct Device {
        taken: u16,
    }

    impl Device {
        /// Takes the next chain: its head and its buffers.
        fn take<const N: usize>(&mut self, rings: &Rings<N>) -> Option<(u16, Vec<Buffer>)> {
            if rings.available.index.load(Ordering::Acquire) == self.taken {
                return None;
            }
            let head = rings.available.heads[usize::from(self.taken) % N].load(Ordering::Relaxed);
            self.taken = self.taken.wrapping_add(1);
            let (mut index, mut buffers) = (head, Vec::new());
            loop {
                let descriptor = &rings.descriptors[usize::from(index)];
                let flags = descriptor.flags.load(Ordering::Relaxed);
                let is_written = flags & WRITE != 0;
                buffers.push(Buffer {
                    address: descriptor.address.load(Ordering::Relaxed),
                    length_bytes: descriptor.length.load(Ordering::Relaxed),
                    direction: if is_written { Direction::FromDevice } else { Direction::ToDevice },
                });
                assert!(buffers.len() <= N, "a chain ends");
                if flags & NEXT == 0 {
                    return Some((head, buffers));
                }
                index = descriptor.next.load(Ordering::Relaxed);
            }
        }

        fn give<const N: usize>(&self, rings: &Rings<N>, head: u32, length: u32) {
            let index = rings.used.index.load(Ordering::Relaxed);
            let entry = &rings.used.entries[usize::from(index) % N];
            entry.head.store(head, Ordering::Relaxed);
            entry.length.store(length, Ordering::Relaxed);
            rings.used.index.store(index.wrapping_add(1), Ordering::Release);
        }
    }

    fn buffers(count: u16, from: u64) -> Vec<Buffer> {
        let buffer = |index: u16| Buffer {
            address: from + u64::from(index),
            length_bytes: 1 + u32::from(index),
            direction: if index == 0 { Direction::ToDevice } else { Direction::FromDevice },
        };
        (0..count).map(buffer).collect()
    }

    #[test]
    fn the_rings_lie_as_the_standard_says() {
        assert_eq!(Rings::<16>::OFFSETS_BYTES, [0, 256, 320]);
        assert_eq!(Rings::<128>::OFFSETS_BYTES, [0, 2048, 2048 + 320]);
        assert_eq!(offset_of!(Available<16>, heads), 4);
        assert_eq!(offset_of!(Available<16>, used_event), 4 + 2 * 16);
        assert_eq!(offset_of!(Used<16>, entries), 4);
        assert_eq!(offset_of!(Used<16>, available_event), 4 + 8 * 16);
        assert_eq!(size_of::<Descriptor>(), 16);
    }

    #[test]
    fn chains_go_around_and_come_back_in_any_order() {
        let mut queue = Queue::<8>::new();
        let mut device = Device { taken: 0 };
        let mut out = Vec::new();
        // More than 65536 chains, so that every index wraps.
        for round in 0..40_000_u64 {
            let count = 1 + (round % 3) as u16;
            while usize::from(queue.free) < usize::from(count) || out.len() > 3 {
                let at = round as usize % out.len();
                let (head, _): (u16, Vec<Buffer>) = out.remove(at);
                device.give(queue.rings(), head.into(), round as u32);
                assert_eq!(queue.take(), Some(Done { head, written_bytes: round as u32 }));
            }
            for half in [2 * round, 2 * round + 1] {
                let given = buffers(count, half << 8);
                let Some(head) = queue.add(&given) else { continue };
                assert_eq!(device.take(queue.rings()), Some((head, given.clone())));
                out.push((head, given));
            }
        }
        for (head, _) in out {
            device.give(queue.rings(), head.into(), 0);
            assert!(queue.take().is_some());
        }
        assert_eq!((queue.free, queue.pending, queue.take()), (8, 0, None));
    }

    #[test]
    fn a_full_queue_takes_nothing() {
        let mut queue = Queue::<4>::new();
        assert_eq!(queue.add(&buffers(3, 0)), Some(0));
        assert_eq!(queue.add(&buffers(2, 0)), None);
        assert_eq!(queue.add(&buffers(1, 0)), Some(3));
        assert_eq!(queue.add(&buffers(1, 0)), None);
    }

    #[test]
    fn a_device_that_lies_is_not_believed() {
        let mut queue = Queue::<4>::new();
        let device = Device { taken: 0 };
        let head = queue.add(&buffers(2, 0)).unwrap();
        for head in [1, 3, 4, 77, u32::MAX] {
            device.give(queue.rings(), head, 1);
        }
        // What it writes into descriptors does not matter either.
        queue.rings.descriptors[0].next.store(3, Ordering::Relaxed);
        device.give(queue.rings(), head.into(), 5);
        device.give(queue.rings(), head.into(), 5);
        assert_eq!(queue.take(), Some(Done { head, written_bytes: 5 }));
        assert_eq!((queue.take(), queue.free), (None, 4));
        assert!(queue.wants_notification());
        queue.rings.used.flags.store(NO_NOTIFY, Ordering::Relaxed);
        assert!(!queue.wants_notification());
    }
}
