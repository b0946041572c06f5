//! [`Pending`]: signals that have come and were not delivered yet, of a thread or of a process.

use alloc::vec::Vec;

use super::info::SI_USER;
use super::{FIRST_REALTIME, Number, SigInfo, SigSet};

/// Most that queue; a signal beyond keeps its number only, or is refused.
pub const QUEUE_MAX_SIGNALS: usize = 256;

/// What became of a signal that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It waits, with its info.
    Queued,
    /// It waits already, and does not queue.
    Merged,
    /// It waits, but there was no room for its info.
    WithoutInfo,
}

/// Signals that wait.
#[derive(Debug, Default)]
pub struct Pending {
    set: SigSet,
    /// In the order in which they came. A standard signal is in it once, or, where there was no
    /// room, only in `set`.
    queue: Vec<SigInfo>,
}

impl Pending {
    /// Nothing.
    pub const fn new() -> Self {
        Self { set: SigSet::EMPTY, queue: Vec::new() }
    }

    /// Which ones.
    pub const fn set(&self) -> SigSet {
        self.set
    }

    /// Adds one.
    pub fn add(&mut self, info: SigInfo) -> Added {
        // A timer counts what was missed of its own signal, and has one on the way at most.
        let is_timer = info.timer_id().is_some();
        if info.number() < FIRST_REALTIME && self.set.contains(info.number()) && !is_timer {
            return Added::Merged;
        }
        self.set.insert(info.number());
        if self.queue.len() >= QUEUE_MAX_SIGNALS && !is_timer || self.queue.try_reserve(1).is_err()
        {
            return Added::WithoutInfo;
        }
        self.queue.push(info);
        Added::Queued
    }

    /// Whether the signal of a timer waits.
    pub fn holds_timer(&self, id: u32) -> bool {
        self.queue.iter().any(|info| info.timer_id() == Some(id))
    }

    /// Whether another info would find room.
    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUE_MAX_SIGNALS
    }

    /// The next one outside `blocked`: what instructions caused first, then by number, equal ones
    /// in the order in which they came.
    #[inline(always)]
    pub fn take(&mut self, blocked: SigSet) -> Option<SigInfo> {
        let set = self.set.without(blocked);
        if set.is_empty() {
            return None;
        }
        let number = set.and(SigSet::SYNCHRONOUS).lowest().or(set.lowest())?;
        Some(self.take_number(number))
    }

    #[inline(always)]
    fn take_number(&mut self, number: Number) -> SigInfo {
        let found = self.queue.iter().position(|info| info.number() == number);
        let info = match found {
            Some(index) => self.queue.remove(index),
            None => SigInfo::from_process(number, SI_USER, 0, 0),
        };
        if !self.queue.iter().any(|info| info.number() == number) {
            self.set.remove(number);
        }
        info
    }

    /// Forgets all of `which`.
    pub fn discard(&mut self, which: SigSet) {
        if !self.set.and(which).is_empty() {
            self.set = self.set.without(which);
            self.queue.retain(|info| !which.contains(info.number()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{SIGHUP, SIGINT, SIGSEGV, SIGTERM};
    use super::*;

    fn info(number: Number, value: u64) -> SigInfo {
        SigInfo::fault(number, -1, value)
    }

    #[test]
    fn standard_signals_merge_and_real_time_ones_queue() {
        let mut pending = Pending::new();
        for (number, value, want) in [
            (SIGTERM, 1, Added::Queued),
            (SIGTERM, 2, Added::Merged),
            (40, 3, Added::Queued),
            (34, 4, Added::Queued),
            (40, 5, Added::Queued),
            (SIGSEGV, 6, Added::Queued),
            (SIGHUP, 7, Added::Queued),
        ] {
            assert_eq!(pending.add(info(number, value)), want);
        }
        let blocked = SigSet::of(&[SIGHUP]);
        let mut order = Vec::new();
        while let Some(info) = pending.take(blocked) {
            order.push((info.number(), info.detail()));
        }
        assert_eq!(order, [(SIGSEGV, 6), (SIGTERM, 1), (34, 4), (40, 3), (40, 5)]);
        assert_eq!(pending.set(), blocked);
        assert_eq!(pending.take(SigSet::EMPTY).unwrap().detail(), 7);
        assert!(pending.set().is_empty());
    }

    #[test]
    fn a_full_queue_keeps_the_number() {
        let mut pending = Pending::new();
        for value in 0..QUEUE_MAX_SIGNALS as u64 {
            assert_eq!(pending.add(info(40, value)), Added::Queued);
        }
        assert!(!pending.has_room());
        assert_eq!(pending.add(info(40, 999)), Added::WithoutInfo);
        assert_eq!(pending.add(info(SIGINT, 1)), Added::WithoutInfo);
        let first = pending.take(SigSet::EMPTY).unwrap();
        assert_eq!((first.number(), first.code()), (SIGINT, SI_USER));
        for value in 0..QUEUE_MAX_SIGNALS as u64 {
            assert_eq!(pending.take(SigSet::EMPTY).unwrap().detail(), value);
        }
        assert_eq!(pending.take(SigSet::EMPTY), None);
    }

    #[test]
    fn timers_queue_beside_all_others() {
        let mut pending = Pending::new();
        assert_eq!(pending.add(info(SIGTERM, 1)), Added::Queued);
        for id in [4, 5] {
            assert_eq!(pending.add(SigInfo::timer(SIGTERM, id, 0, 0)), Added::Queued);
        }
        assert_eq!([3, 4, 5].map(|id| pending.holds_timer(id)), [false, true, true]);
        let mut order = Vec::new();
        while let Some(info) = pending.take(SigSet::EMPTY) {
            order.push(info.timer_id());
        }
        assert_eq!(order, [None, Some(4), Some(5)]);
    }

    #[test]
    fn discarding() {
        let mut pending = Pending::new();
        for number in [SIGINT, 40, SIGTERM, 40] {
            pending.add(info(number, 0));
        }
        pending.discard(SigSet::of(&[40, SIGHUP, SIGINT]));
        assert_eq!(pending.set(), SigSet::of(&[SIGTERM]));
        assert_eq!(pending.take(SigSet::EMPTY).map(|info| info.number()), Some(SIGTERM));
        assert_eq!(pending.take(SigSet::EMPTY), None);
    }
}
