//! [`TimerHeap`]: deadlines in order, each of which can be taken back. The kernel has one per
//! hart, behind a lock.

use alloc::vec::Vec;

/// Names a timer; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerId {
    slot: u32,
    generation: u32,
}

/// Deadlines with something that is due then. All operations are O(log n).
#[derive(Debug)]
pub struct TimerHeap<T> {
    /// Slots by deadline, as a binary heap; the earliest comes first.
    order: Vec<u32>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    /// Counts timers, so that those of one deadline come in the order they were set.
    sequence: u64,
}

#[derive(Debug)]
struct Slot<T> {
    /// Deadline and sequence number.
    key: (u64, u64),
    generation: u32,
    /// Where it is in the order.
    position: u32,
    value: Option<T>,
}

impl<T> TimerHeap<T> {
    /// Without timers, and without memory for any.
    pub const fn new() -> Self {
        Self { order: Vec::new(), slots: Vec::new(), free: Vec::new(), sequence: 0 }
    }

    /// Sets a timer.
    pub fn insert(&mut self, when: u64, value: T) -> TimerId {
        let slot = self.free.pop().unwrap_or_else(|| {
            let fresh = Slot { key: (0, 0), generation: 0, position: 0, value: None };
            self.slots.push(fresh);
            self.slots.len() as u32 - 1
        });
        self.sequence += 1;
        let position = self.order.len();
        let entry = &mut self.slots[slot as usize];
        entry.key = (when, self.sequence);
        entry.value = Some(value);
        let generation = entry.generation;
        self.order.push(slot);
        self.rise(position);
        TimerId { slot, generation }
    }

    /// Takes a timer back; `None` where it was popped already.
    pub fn remove(&mut self, id: TimerId) -> Option<T> {
        let entry = self.slots.get(id.slot as usize)?;
        if entry.generation != id.generation || entry.value.is_none() {
            return None;
        }
        let position = entry.position as usize;
        Some(self.take(position).1)
    }

    /// The earliest deadline.
    pub fn next(&self) -> Option<u64> {
        self.order.first().map(|slot| self.slots[*slot as usize].key.0)
    }

    /// The earliest timer, if it is due at `now`.
    pub fn pop_due(&mut self, now: u64) -> Option<(TimerId, T)> {
        (self.next()? <= now).then(|| self.take(0))
    }

    fn take(&mut self, position: usize) -> (TimerId, T) {
        let slot = self.order.swap_remove(position);
        if position < self.order.len() {
            self.sink(position);
            self.rise(position);
        }
        let entry = &mut self.slots[slot as usize];
        let id = TimerId { slot, generation: entry.generation };
        entry.generation = entry.generation.wrapping_add(1);
        let value = entry.value.take().expect("what is in the order has a value");
        self.free.push(slot);
        (id, value)
    }

    fn key(&self, position: usize) -> (u64, u64) {
        self.slots[self.order[position] as usize].key
    }

    fn note(&mut self, position: usize) {
        self.slots[self.order[position] as usize].position = position as u32;
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.order.swap(one, other);
        self.note(one);
        self.note(other);
    }

    fn rise(&mut self, mut position: usize) {
        while position > 0 {
            let parent = (position - 1) / 2;
            if self.key(parent) <= self.key(position) {
                break;
            }
            self.swap(parent, position);
            position = parent;
        }
        self.note(position);
    }

    fn sink(&mut self, mut position: usize) {
        loop {
            let children = 2 * position + 1..(2 * position + 3).min(self.order.len());
            let Some(child) = children.min_by_key(|child| self.key(*child)) else { break };
            if self.key(position) <= self.key(child) {
                break;
            }
            self.swap(position, child);
            position = child;
        }
        self.note(position);
    }
}

impl<T> Default for TimerHeap<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn timers_come_in_order_and_can_be_taken_back() {
        let mut heap = TimerHeap::new();
        let ids: Vec<TimerId> =
            [(30, 'c'), (10, 'a'), (10, 'b'), (40, 'd')].map(|(at, v)| heap.insert(at, v)).into();
        assert_eq!(heap.next(), Some(10));
        assert_eq!(heap.pop_due(9), None);
        assert_eq!(heap.pop_due(35).map(|(id, v)| (id == ids[1], v)), Some((true, 'a')));
        assert_eq!(heap.remove(ids[1]), None);
        assert_eq!(heap.remove(ids[0]), Some('c'));
        let again = heap.insert(5, 'e');
        assert_ne!(again, ids[0]);
        assert_eq!(heap.remove(ids[0]), None);
        let rest: Vec<char> = core::iter::from_fn(|| heap.pop_due(99)).map(|(_, v)| v).collect();
        assert_eq!(rest, ['e', 'b', 'd']);
    }

    proptest! {
        #[test]
        fn a_heap_is_a_sorted_list(steps in prop::collection::vec((0_u64..20, 0_u8..4), 0..200)) {
            let (mut heap, mut model, mut ids) = (TimerHeap::new(), Vec::new(), Vec::new());
            for (number, (value, action)) in steps.into_iter().enumerate() {
                match action {
                    0 | 1 => {
                        ids.push((heap.insert(value, number), number));
                        model.push((value, number));
                        model.sort_unstable();
                    }
                    2 if !ids.is_empty() => {
                        let (id, number) = ids[value as usize % ids.len()];
                        let at = model.iter().position(|(_, found)| *found == number);
                        let want = at.map(|at| model.remove(at).1);
                        prop_assert_eq!(heap.remove(id), want);
                    }
                    _ => {
                        let due = model.first().is_some_and(|(when, _)| *when <= value);
                        let want = due.then(|| model.remove(0).1);
                        prop_assert_eq!(heap.pop_due(value).map(|(_, number)| number), want);
                    }
                }
                prop_assert_eq!(heap.next(), model.first().map(|(when, _)| *when));
            }
        }
    }
}
