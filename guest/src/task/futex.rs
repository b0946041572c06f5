//! [`Command`], [`WakeOp`] and [`Queue`]: `futex(2)` apart from sleeping. A key names the word that
//! is waited on; the kernel's are an address space and an address, or an object and an offset.

use alloc::vec::Vec;

use linux_raw_sys::general as linux;

use crate::errno::Errno;

/// Wakes any waiter: the bits of `FUTEX_WAIT` and `FUTEX_WAKE`.
pub const ANY_BITS: u32 = u32::MAX;
/// In the word of a robust mutex: its owner has died.
pub const OWNER_DIED: u32 = linux::FUTEX_OWNER_DIED;
/// Likewise: there are waiters.
pub const WAITERS: u32 = linux::FUTEX_WAITERS;
/// Likewise: number of the thread that holds it.
pub const TID_MASK: u32 = linux::FUTEX_TID_MASK;

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sleep while the word is what it should be, for these bits.
    Wait(u32),
    /// Wake waiters with any of these bits.
    Wake(u32),
    /// Wake some, let others wait for another word.
    Requeue,
    /// The same, if the word is what it should be.
    CompareRequeue,
    /// Change another word, wake waiters of both.
    WakeOp,
}

/// How a timeout is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeout {
    /// From now on, by the monotonic clock.
    Relative,
    /// A time of the monotonic clock.
    Monotonic,
    /// A time of day.
    Realtime,
}

/// The second argument of `futex`, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What is asked for.
    pub command: Command,
    /// Whether no other address space is concerned.
    pub is_private: bool,
    /// How a timeout is meant.
    pub timeout: Timeout,
}

impl Operation {
    /// Takes it apart; `bits` is the last argument of the call.
    ///
    /// # Errors
    /// ENOSYS for what there is not, EINVAL for no bits.
    pub const fn decode(raw: u32, bits: u32) -> Result<Self, Errno> {
        let is_real = raw & linux::FUTEX_CLOCK_REALTIME != 0;
        let command = match raw & !(linux::FUTEX_PRIVATE_FLAG | linux::FUTEX_CLOCK_REALTIME) {
            linux::FUTEX_WAIT if !is_real => Command::Wait(ANY_BITS),
            linux::FUTEX_WAIT_BITSET => Command::Wait(bits),
            linux::FUTEX_WAKE if !is_real => Command::Wake(ANY_BITS),
            linux::FUTEX_WAKE_BITSET if !is_real => Command::Wake(bits),
            linux::FUTEX_REQUEUE if !is_real => Command::Requeue,
            linux::FUTEX_CMP_REQUEUE if !is_real => Command::CompareRequeue,
            linux::FUTEX_WAKE_OP if !is_real => Command::WakeOp,
            _ => return Err(Errno::ENOSYS),
        };
        if matches!(command, Command::Wait(0) | Command::Wake(0)) {
            return Err(Errno::EINVAL);
        }
        let is_absolute = raw & !(linux::FUTEX_PRIVATE_FLAG | linux::FUTEX_CLOCK_REALTIME)
            == linux::FUTEX_WAIT_BITSET;
        let timeout = match (is_absolute, is_real) {
            (false, _) => Timeout::Relative,
            (true, false) => Timeout::Monotonic,
            (true, true) => Timeout::Realtime,
        };
        Ok(Self { command, is_private: raw & linux::FUTEX_PRIVATE_FLAG != 0, timeout })
    }
}

/// What `FUTEX_WAKE_OP` does to the second word: an operation, and a comparison of what was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeOp {
    operation: u32,
    operand: u32,
    comparison: u32,
    against: i32,
}

impl WakeOp {
    /// Takes the last argument of the call apart.
    ///
    /// # Errors
    /// ENOSYS.
    pub const fn decode(raw: u32) -> Result<Self, Errno> {
        let (operation, comparison) = (raw >> 28 & 7, raw >> 24 & 15);
        if operation > linux::FUTEX_OP_XOR || comparison > linux::FUTEX_OP_CMP_GE {
            return Err(Errno::ENOSYS);
        }
        let operand = sign_extend_12(raw >> 12) as u32;
        let is_shift = raw >> 28 & linux::FUTEX_OP_OPARG_SHIFT != 0;
        let operand = if is_shift { 1 << (operand & 31) } else { operand };
        Ok(Self { operation, operand, comparison, against: sign_extend_12(raw) })
    }

    /// The word afterwards.
    pub const fn apply(self, old: u32) -> u32 {
        match self.operation {
            linux::FUTEX_OP_SET => self.operand,
            linux::FUTEX_OP_ADD => old.wrapping_add(self.operand),
            linux::FUTEX_OP_OR => old | self.operand,
            linux::FUTEX_OP_ANDN => old & !self.operand,
            _ => old ^ self.operand,
        }
    }

    /// Whether waiters of the second word are woken.
    pub const fn holds(self, old: u32) -> bool {
        let old = old as i32;
        match self.comparison {
            linux::FUTEX_OP_CMP_EQ => old == self.against,
            linux::FUTEX_OP_CMP_NE => old != self.against,
            linux::FUTEX_OP_CMP_LT => old < self.against,
            linux::FUTEX_OP_CMP_LE => old <= self.against,
            linux::FUTEX_OP_CMP_GT => old > self.against,
            _ => old >= self.against,
        }
    }
}

const fn sign_extend_12(raw: u32) -> i32 {
    (raw << 20) as i32 >> 20
}

/// Those who wait, first come first, for several keys.
#[derive(Debug)]
pub struct Queue<K, W> {
    waiters: Vec<(K, u32, W)>,
}

impl<K, W> Default for Queue<K, W> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, W> Queue<K, W> {
    /// Without waiters.
    pub const fn new() -> Self {
        Self { waiters: Vec::new() }
    }
}

impl<K: PartialEq + Clone, W> Queue<K, W> {
    /// Adds one who waits for `key`, for these bits.
    pub fn push(&mut self, key: K, bits: u32, waiter: W) {
        self.waiters.push((key, bits, waiter));
    }

    /// Takes up to `count` out who wait for `key` with any of `bits`, and hands them to `wake`; how
    /// many.
    pub fn wake(&mut self, key: &K, bits: u32, count: usize, mut wake: impl FnMut(W)) -> usize {
        let mut woken = 0;
        let mut index = 0;
        while woken < count && index < self.waiters.len() {
            let (its_key, its_bits, _) = &self.waiters[index];
            if its_key == key && its_bits & bits != 0 {
                let (key, _, waiter) = self.waiters.remove(index);
                // As long as it waits its key is known elsewhere, too: nothing ends with this one.
                drop(key);
                wake(waiter);
                woken += 1;
            } else {
                index += 1;
            }
        }
        woken
    }

    /// Lets up to `count` who wait for `from` wait for `to` in this queue; how many. `moved` is told
    /// of each.
    pub fn change_key(
        &mut self,
        from: &K,
        to: &K,
        count: usize,
        mut moved: impl FnMut(&W),
    ) -> usize {
        let mine = self.waiters.iter_mut().filter(|waiter| waiter.0 == *from).take(count);
        let change = |waiter: &mut (K, u32, W)| {
            moved(&waiter.2);
            waiter.0 = to.clone();
        };
        mine.map(change).count()
    }

    /// The same, into another queue.
    pub fn move_to(
        &mut self,
        other: &mut Self,
        from: &K,
        to: &K,
        count: usize,
        mut moved: impl FnMut(&W),
    ) -> usize {
        self.wake(from, ANY_BITS, count, |waiter| {
            moved(&waiter);
            other.push(to.clone(), ANY_BITS, waiter);
        })
    }

    /// Takes one out who does not wait any longer; whether it was there.
    pub fn remove(&mut self, is_it: impl Fn(&W) -> bool) -> bool {
        let found = self.waiters.iter().position(|waiter| is_it(&waiter.2));
        found.map(|index| self.waiters.remove(index)).is_some()
    }
}

/// What a word of a robust mutex becomes when the thread `tid` dies; `None` where the thread did
/// not hold it.
pub const fn after_death(word: u32, tid: u32) -> Option<u32> {
    if word & TID_MASK == tid { Some(word & WAITERS | OWNER_DIED) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations() {
        let decode = |raw| Operation::decode(raw, 6);
        let of = |command, is_private, timeout| Ok(Operation { command, is_private, timeout });
        for (raw, want) in [
            (0, of(Command::Wait(ANY_BITS), false, Timeout::Relative)),
            (128, of(Command::Wait(ANY_BITS), true, Timeout::Relative)),
            (129, of(Command::Wake(ANY_BITS), true, Timeout::Relative)),
            (9, of(Command::Wait(6), false, Timeout::Monotonic)),
            (9 | 256, of(Command::Wait(6), false, Timeout::Realtime)),
            (10, of(Command::Wake(6), false, Timeout::Relative)),
            (256, Err(Errno::ENOSYS)),
            (1 | 256, Err(Errno::ENOSYS)),
            (3, of(Command::Requeue, false, Timeout::Relative)),
            (4, of(Command::CompareRequeue, false, Timeout::Relative)),
            (5 | 128, of(Command::WakeOp, true, Timeout::Relative)),
            (6, Err(Errno::ENOSYS)),
            (99, Err(Errno::ENOSYS)),
        ] {
            assert_eq!(decode(raw), want, "{raw}");
        }
        assert_eq!(Operation::decode(9, 0), Err(Errno::EINVAL));
    }

    #[test]
    fn wake_operations() {
        let raw = |op: u32, cmp: u32, oparg: u32, cmparg: u32| {
            op << 28 | cmp << 24 | (oparg & 0xfff) << 12 | cmparg & 0xfff
        };
        for (op, oparg, old, new) in [
            (0, 5, 9, 5),
            (1, 5, 9, 14),
            (1, -1i32 as u32, 9, 8),
            (2, 5, 8, 13),
            (3, 8, 9, 1),
            (4, 1, 9, 8),
            (8 | 2, 4, 0, 16),
        ] {
            assert_eq!(WakeOp::decode(raw(op, 0, oparg, 0)).unwrap().apply(old), new, "{op}");
        }
        for (cmp, against, holds) in [
            (0, 7, [false, true, false]),
            (1, 7, [true, false, true]),
            (2, 7, [true, false, false]),
            (3, 7, [true, true, false]),
            (4, 7, [false, false, true]),
            (5, 7, [false, true, true]),
        ] {
            let op = WakeOp::decode(raw(0, cmp, 0, against)).unwrap();
            assert_eq!([6, 7, 8].map(|old| op.holds(old)), holds, "{cmp}");
        }
        assert!(WakeOp::decode(raw(0, 4, 0, -1i32 as u32)).unwrap().holds(0));
        assert_eq!(WakeOp::decode(raw(5, 0, 0, 0)), Err(Errno::ENOSYS));
        assert_eq!(WakeOp::decode(raw(0, 6, 0, 0)), Err(Errno::ENOSYS));
    }

    #[test]
    fn waiters_come_in_order() {
        let mut queue = Queue::new();
        for (key, bits, waiter) in [(1, 1, 'a'), (2, 1, 'b'), (1, 2, 'c'), (1, 3, 'd')] {
            queue.push(key, bits, waiter);
        }
        let mut woken = Vec::new();
        assert_eq!(queue.wake(&1, 2, 1, |waiter| woken.push(waiter)), 1);
        assert_eq!(queue.wake(&3, ANY_BITS, 9, |waiter| woken.push(waiter)), 0);
        assert_eq!(queue.wake(&1, ANY_BITS, 9, |waiter| woken.push(waiter)), 2);
        assert_eq!(woken, ['c', 'a', 'd']);
        assert!(queue.remove(|waiter| *waiter == 'b') && !queue.remove(|waiter| *waiter == 'b'));
    }

    #[test]
    fn waiters_move() {
        let mut queue = Queue::new();
        let mut other = Queue::new();
        for waiter in 0..5 {
            queue.push(1, ANY_BITS, waiter);
        }
        let mut moved = Vec::new();
        assert_eq!(queue.change_key(&1, &2, 2, |waiter| moved.push(*waiter)), 2);
        assert_eq!(queue.move_to(&mut other, &1, &3, 2, |waiter| moved.push(*waiter)), 2);
        assert_eq!(moved, [0, 1, 2, 3]);
        assert_eq!(other.wake(&3, ANY_BITS, 9, |_| ()), 2);
        assert_eq!(queue.wake(&2, ANY_BITS, 9, |_| ()), 2);
        assert_eq!(queue.wake(&1, ANY_BITS, 9, |_| ()), 1);
    }

    #[test]
    fn the_dead_let_go() {
        for (word, want) in
            [(7, Some(OWNER_DIED)), (7 | WAITERS, Some(WAITERS | OWNER_DIED)), (8, None), (0, None)]
        {
            assert_eq!(after_death(word, 7), want);
        }
    }
}
