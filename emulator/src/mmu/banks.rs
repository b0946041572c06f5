//! [`Banks`]: the banks of many contexts, one of them selected, and [`Events`], by which the others
//! catch up when they are. What has happened since a bank was last selected it learns from epochs
//! and a short log. Neighbour: `tlb.rs` has one set of banks for fetches and one for data.

use super::bank::{Bank, Entry};
use super::key::{Key, TlbContext};
use crate::addr::{Asid, VirtAddr};
use crate::bus::{RamHome, RamOffset};

/// Contexts that have banks, per kind of bank.
const BANKS_MAX: usize = 64;

/// Slots of the table that finds the bank of a context.
const HINTS: usize = 256;

/// Events that a bank which is not selected can catch up with; more, and it starts empty.
const LOG_EVENTS: usize = 64;

/// Epochs of address spaces; those that share one are fenced together.
const ASID_EPOCHS: usize = 256;

/// Something that a bank has to drop entries for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// A fence for an address, in one address space or in all.
    Fence(VirtAddr, Option<Asid>),
    /// Stores to a page of RAM must not pass by the write tracker any more.
    ForbidStores(RamOffset),
}

/// What has happened, for banks that were not selected when it did. Times count events.
#[derive(Debug)]
pub(super) struct Events {
    /// The time.
    now: u64,
    /// When everything was fenced last.
    all: u64,
    /// The RAM that all of the banks' entries belong to.
    pub(super) home: RamHome,
    /// When address spaces were fenced last, by ASID.
    spaces: Box<[u64; ASID_EPOCHS]>,
    /// Other events, and when they happened.
    log: [(u64, Event); LOG_EVENTS],
    /// Where the next one goes.
    next: usize,
}

impl Events {
    pub(super) fn new() -> Self {
        let nothing = Event::ForbidStores(RamOffset(u64::MAX));
        let (spaces, log) = (Box::new([0; ASID_EPOCHS]), [(0, nothing); LOG_EVENTS]);
        Self { now: 0, all: 0, home: RamHome::NOWHERE, spaces, log, next: 0 }
    }

    /// Notes a fence over everything.
    #[inline]
    pub(super) fn fence_all(&mut self) {
        self.now += 1;
        self.all = self.now;
    }

    /// Notes a fence over an address space.
    #[inline]
    pub(super) fn fence_space(&mut self, asid: Asid) {
        self.now += 1;
        self.spaces[Self::slot(asid)] = self.now;
    }

    /// Notes another event. The same one again takes no more room: code that changes itself may
    /// forbid stores to a page over and over.
    #[inline]
    pub(super) fn log(&mut self, event: Event) {
        self.now += 1;
        let last = &mut self.log[(self.next + LOG_EVENTS - 1) % LOG_EVENTS];
        if last.1 == event {
            last.0 = self.now;
        } else {
            self.log[self.next] = (self.now, event);
            self.next = (self.next + 1) % LOG_EVENTS;
        }
    }

    #[inline]
    fn slot(asid: Asid) -> usize {
        // Small numbers are told apart, and so are those with nothing but high bits.
        usize::from(asid.0 ^ asid.0 >> 8) % ASID_EPOCHS
    }

    /// The logged events after `time`, the last ones first; of too many only some.
    fn since(&self, time: u64) -> impl Iterator<Item = Event> {
        let (later, earlier) = self.log.split_at(self.next);
        let latest_first = later.iter().rev().chain(earlier.iter().rev());
        latest_first.take_while(move |(at, _)| *at > time).map(|(_, event)| *event)
    }

    /// Whether the log still has all events after `time`.
    fn knows_since(&self, time: u64) -> bool {
        self.log[self.next].0 <= time
    }
}

/// A context that has a bank.
#[derive(Clone, Debug)]
struct Owner<E, const TABLES: usize> {
    key: Key,
    /// Up to when the bank is up to date.
    time: u64,
    /// While the context is selected, a stand-in.
    bank: Box<Bank<E, TABLES>>,
}

/// The banks of one kind: for fetches (one table), or for loads and stores (two).
#[derive(Clone, Debug)]
pub(super) struct Banks<E, const TABLES: usize> {
    /// The bank of the selected context. It is always up to date.
    pub(super) active: Box<Bank<E, TABLES>>,
    /// The selected context.
    pub(super) key: Key,
    /// Which of `owners` that is.
    selected: usize,
    owners: Vec<Owner<E, TABLES>>,
    /// Where in `owners` contexts may be, by a hash of their keys.
    hints: [u8; HINTS],
    /// The owner that makes room next.
    victim: usize,
}

impl<E: Entry, const TABLES: usize> Banks<E, TABLES> {
    /// One empty bank, for `key`, which is selected.
    pub(super) fn new(key: Key) -> Self {
        let empty = || Box::new(Bank::new());
        let owners = vec![Owner { key, time: 0, bank: empty() }];
        Self { active: empty(), key, selected: 0, owners, hints: [0; HINTS], victim: 0 }
    }

    /// Selects the context `key`.
    #[inline(always)]
    pub(super) fn select(&mut self, key: Key, events: &Events) {
        if self.key != key {
            self.swap_in(key, events);
        }
    }

    #[inline(never)]
    fn swap_in(&mut self, key: Key, events: &Events) {
        let hint = usize::from(self.hints[key.hash() as usize % HINTS]);
        let is_there = self.owners.get(hint).is_some_and(|owner| owner.key == key);
        let found = if is_there { hint } else { self.find(key, events) };
        // The stand-in goes from the one to the other.
        let left = &mut self.owners[self.selected];
        left.time = events.now;
        std::mem::swap(&mut left.bank, &mut self.active);
        let entered = &mut self.owners[found];
        std::mem::swap(&mut entered.bank, &mut self.active);
        (self.selected, self.key) = (found, key);
        let time = entered.time;
        if time != events.now {
            self.catch_up(time, events);
        }
    }

    /// Where in `owners` the context `key`, which is not selected, is from now on.
    #[cold]
    fn find(&mut self, key: Key, events: &Events) -> usize {
        let known = self.owners.iter().position(|owner| owner.key == key);
        let found = known.unwrap_or_else(|| self.make_room(key, events));
        self.hints[key.hash() as usize % HINTS] = found as u8;
        found
    }

    /// Gives `key` an empty bank; yields where in `owners`.
    fn make_room(&mut self, key: Key, events: &Events) -> usize {
        let time = events.now;
        if self.owners.len() < BANKS_MAX {
            self.owners.push(Owner { key, time, bank: Box::new(Bank::new()) });
            return self.owners.len() - 1;
        }
        let next = |owner| (owner + 1) % BANKS_MAX;
        self.victim = next(self.victim);
        if self.victim == self.selected {
            self.victim = next(self.victim);
        }
        let owner = &mut self.owners[self.victim];
        (owner.key, owner.time) = (key, time);
        owner.bank.clear();
        self.victim
    }

    /// Makes the active bank, up to date at `time`, forget what was fenced since.
    #[inline(never)]
    fn catch_up(&mut self, time: u64, events: &Events) {
        if events.all > time || !events.knows_since(time) {
            return self.active.clear();
        }
        if events.spaces[Events::slot(self.key.asid())] > time {
            self.active.clear_space();
        }
        events.since(time).for_each(|event| self.apply(event, events));
    }

    /// Drops from the active bank what `event` is about.
    #[inline]
    pub(super) fn apply(&mut self, event: Event, events: &Events) {
        match event {
            Event::Fence(va, asid) if asid.is_none_or(|asid| asid == self.key.asid()) => {
                self.active.drop_address(va);
            }
            Event::Fence(..) => {}
            Event::ForbidStores(page) => self.active.forbid_stores(page, events.home),
        }
    }

    /// Drops from the active bank what a fence over `asid` is about.
    pub(super) fn clear_space(&mut self, asid: Asid) {
        if Events::slot(asid) == Events::slot(self.key.asid()) {
            self.active.clear_space();
        }
    }

    /// Every bank as it is when it is selected next.
    pub(super) fn settled(&self, events: &Events) -> Vec<(TlbContext, Box<Bank<E, TABLES>>)> {
        let mut all = self.clone();
        let keys: Vec<Key> = all.owners.iter().map(|owner| owner.key).collect();
        let settle = |key: Key| {
            all.select(key, events);
            (key.context(), all.active.clone())
        };
        keys.into_iter().map(settle).collect()
    }
}
