//! [`Tlb`]: the translation cache in the sense of the manual. An entry lives until it is evicted or
//! fenced; privilege changes, SUM and MXR flips and `satp` writes leave it alone, because each
//! translation context has a bank of its own (`bank.rs`) and selecting one is swapping a pointer.
//! A hit proves the permission too: there is a table for each kind of access.
//!
//! Fences cost what they name. They act at once on the selected banks; the others catch up when
//! they are selected again, from epochs and a short log, so that neither fences nor switches grow
//! with the number of address spaces. Only `mmu/mod.rs` fills it; it knows RAM pages, never devices.

use super::Context;
use super::bank::{Bank, CodeEntry, Entry, Mapping, Page};
use super::direct::{HostEntry, tag_wanted};
use super::key::{Key, TlbContext};
use crate::addr::{Access, Asid, VirtAddr, Width};
use crate::bus::{Ram, RamHome, RamOffset, RamPage};

/// Contexts kept beside the selected one, per kind of bank.
const PARKED_MAX: usize = 63;

/// Events that a bank which is not selected can catch up with; more, and it starts empty.
const LOG_EVENTS: usize = 64;

/// Epochs of address spaces; those that share one are fenced together.
const ASID_EPOCHS: usize = 256;

/// One base page that the TLB knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlbEntry {
    /// What may be done there without a walk.
    pub access: Access,
    /// The context that the entry belongs to.
    pub context: TlbContext,
    /// First byte of the page.
    pub va: VirtAddr,
    /// Where in RAM the page lies.
    pub page: RamOffset,
    /// log2 of the size in bytes of the superpage, NAPOT range or base page that it is part of.
    pub size_shift: u8,
    /// The mapping belongs to every address space.
    pub global: bool,
}

/// Something that a bank has to drop entries for.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// A fence for an address, in one address space or in all.
    Fence(VirtAddr, Option<Asid>),
    /// Stores to a page of RAM must not pass by the write tracker any more.
    ForbidStores(RamOffset),
}

/// How far a bank has caught up with [`Events`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stamp {
    all: u64,
    space: u64,
    seen: u64,
}

/// What has happened, for banks that were not selected when it did.
#[derive(Debug)]
struct Events {
    /// Fences over everything.
    all: u64,
    /// Fences over address spaces, by ASID.
    spaces: Box<[u64; ASID_EPOCHS]>,
    log: [Event; LOG_EVENTS],
    /// Events logged so far.
    count: u64,
    /// The RAM that all of the banks' entries belong to.
    home: RamHome,
}

impl Events {
    fn new() -> Self {
        let nothing = Event::ForbidStores(RamOffset(u64::MAX));
        let (spaces, log) = (Box::new([0; ASID_EPOCHS]), [nothing; LOG_EVENTS]);
        Self { all: 0, spaces, log, count: 0, home: RamHome::NOWHERE }
    }

    fn stamp(&self, asid: Asid) -> Stamp {
        Stamp { all: self.all, space: self.spaces[Self::slot(asid)], seen: self.count }
    }

    fn slot(asid: Asid) -> usize {
        // Small numbers are told apart, and so are those with nothing but high bits.
        usize::from(asid.0 ^ asid.0 >> 8) % ASID_EPOCHS
    }

    fn add(&mut self, event: Event) {
        self.log[self.count as usize % LOG_EVENTS] = event;
        self.count += 1;
    }

    /// Those after the first `seen`, if they are still known.
    fn since(&self, seen: u64) -> Option<impl Iterator<Item = &Event>> {
        let known = self.count - seen <= LOG_EVENTS as u64;
        known.then(|| (seen..self.count).map(|index| &self.log[index as usize % LOG_EVENTS]))
    }
}

/// The banks of one kind: for fetches (one table), or for loads and stores (two).
#[derive(Clone, Debug)]
struct Banks<E, const TABLES: usize> {
    active: Box<Bank<E, TABLES>>,
    key: Key,
    stamp: Stamp,
    parked: Vec<(Key, Stamp, Box<Bank<E, TABLES>>)>,
    /// Where the bank selected before is parked: traps and their returns swap the same two.
    last: usize,
    /// The parked bank that makes room next.
    victim: usize,
}

impl<E: Entry, const TABLES: usize> Banks<E, TABLES> {
    fn new(key: Key) -> Self {
        let (active, stamp) = (Box::new(Bank::new()), Stamp::default());
        Self { active, key, stamp, parked: Vec::new(), last: 0, victim: 0 }
    }

    #[inline]
    fn select(&mut self, key: Key, events: &Events) {
        if self.key != key {
            self.swap_in(key, events);
            self.catch_up(events);
        }
    }

    fn swap_in(&mut self, key: Key, events: &Events) {
        let is_wanted = |(known, ..): &(Key, Stamp, _)| *known == key;
        if !self.parked.get(self.last).is_some_and(is_wanted) {
            self.last =
                self.parked.iter().position(is_wanted).unwrap_or_else(|| self.park(key, events));
        }
        let (parked_key, stamp, bank) = &mut self.parked[self.last];
        std::mem::swap(&mut self.active, bank);
        std::mem::swap(&mut self.key, parked_key);
        std::mem::swap(&mut self.stamp, stamp);
    }

    /// Makes an empty bank for `key` among the parked ones; yields where.
    fn park(&mut self, key: Key, events: &Events) -> usize {
        let stamp = events.stamp(key.asid());
        if self.parked.len() < PARKED_MAX {
            self.parked.push((key, stamp, Box::new(Bank::new())));
            return self.parked.len() - 1;
        }
        self.victim = (self.victim + 1) % PARKED_MAX;
        let slot = &mut self.parked[self.victim];
        slot.2.clear();
        (slot.0, slot.1) = (key, stamp);
        self.victim
    }

    /// Makes the active bank forget what was fenced since it last looked.
    fn catch_up(&mut self, events: &Events) {
        let asid = self.key.asid();
        let now = events.stamp(asid);
        if self.stamp == now {
            return;
        }
        match events.since(self.stamp.seen) {
            Some(missed) if self.stamp.all == now.all => {
                if self.stamp.space != now.space {
                    self.active.clear_space();
                }
                missed.for_each(|event| self.apply(*event, events.home));
            }
            _ => self.active.clear(),
        }
        self.stamp = now;
    }

    /// Every bank as it is when it is selected next.
    fn settled(&self, events: &Events) -> Vec<(TlbContext, Box<Bank<E, TABLES>>)> {
        let active = (self.key.context(), self.active.clone());
        let parked = self.parked.iter().map(|(key, stamp, bank)| {
            let (key, stamp, active) = (*key, *stamp, bank.clone());
            let mut alone = Self { active, key, stamp, parked: Vec::new(), last: 0, victim: 0 };
            alone.catch_up(events);
            (key.context(), alone.active)
        });
        std::iter::once(active).chain(parked).collect()
    }

    fn apply(&mut self, event: Event, home: RamHome) {
        match event {
            Event::Fence(va, asid) if asid.is_none_or(|asid| asid == self.key.asid()) => {
                self.active.drop_address(va);
            }
            Event::Fence(..) => {}
            Event::ForbidStores(page) => self.active.forbid_stores(page, home),
        }
    }
}

/// Translation cache of one hart.
#[derive(Debug)]
pub(super) struct Tlb {
    /// Loads and stores.
    data: Banks<HostEntry, 2>,
    fetch: Banks<CodeEntry, 1>,
    events: Events,
}

/// Indices of the tables of a data bank; a fetch bank has only the first.
const LOADS: usize = 0;
pub(super) const STORES: usize = 1;

impl Tlb {
    /// An empty TLB, with untranslated M-mode selected.
    pub(super) fn new() -> Self {
        let key = Key::of_data(&Context::RESET);
        Self { data: Banks::new(key), fetch: Banks::new(key), events: Events::new() }
    }

    /// Makes `ram` the one that entries belong to; drops all.
    #[cold]
    #[inline(never)]
    pub(super) fn attach(&mut self, ram: &Ram) {
        self.clear();
        self.events.home = ram.home();
    }

    /// Whether entries belong to `ram`.
    #[inline(always)]
    pub(super) fn is_attached(&self, ram: &Ram) -> bool {
        ram.is_at(self.events.home)
    }

    /// Offset in RAM of the byte at `va`, if an entry of the selected context allows `access`.
    #[inline(always)]
    pub(super) fn lookup(&self, va: VirtAddr, access: Access) -> Option<RamOffset> {
        match access {
            Access::Fetch => self.place(self.fetch.active.entry(0, va), va),
            Access::Load => self.place(self.data.active.entry(LOADS, va), va),
            Access::Store => self.place(self.data.active.entry(STORES, va), va),
        }
    }

    #[inline(always)]
    fn place(&self, entry: &impl Entry, va: VirtAddr) -> Option<RamOffset> {
        let is_it = entry.tag() == tag_wanted(va, Width::Byte);
        is_it.then(|| entry.place(va, self.events.home))
    }

    /// Loads from `ram`, if an entry of the selected context allows it and `va` is a multiple of
    /// `width`.
    #[inline(always)]
    pub(super) fn load(&self, ram: &Ram, va: VirtAddr, width: Width) -> Option<u64> {
        debug_assert!(self.is_attached(ram), "who runs a hart attaches its MMU to the RAM");
        self.data.active.entry(LOADS, va).load(ram, va, width)
    }

    /// Stores to `ram`, where [`load`](Self::load) would load from.
    #[inline(always)]
    pub(super) fn store(
        &mut self,
        ram: &mut Ram,
        va: VirtAddr,
        width: Width,
        value: u64,
    ) -> Option<()> {
        debug_assert!(self.is_attached(ram), "who runs a hart attaches its MMU to the RAM");
        self.data.active.entry(STORES, va).store(ram, va, width, value)
    }

    /// The selected context.
    #[inline(always)]
    pub(super) fn key(&self, access: Access) -> Key {
        if access == Access::Fetch { self.fetch.key } else { self.data.key }
    }

    /// Makes these the contexts of lookups and fills from now on. Drops nothing.
    #[inline]
    pub(super) fn select(&mut self, fetch: &Context, data: &Context) {
        self.fetch.select(Key::of_fetches(fetch), &self.events);
        self.data.select(Key::of_data(data), &self.events);
    }

    /// Enters that the page of `va` is `page`, of the RAM attached, and may be reached by `access`
    /// in the selected context.
    #[inline(always)]
    pub(super) fn insert(&mut self, va: VirtAddr, access: Access, page: RamPage, mapping: Mapping) {
        match access {
            Access::Fetch => self.fetch.active.insert(0, va, page, mapping),
            Access::Load => self.data.active.insert(LOADS, va, page, mapping),
            Access::Store => self.data.active.insert(STORES, va, page, mapping),
        }
    }

    /// Drops the translations that a fence for `va` (all, if `None`) and `asid` (all, if `None`)
    /// names, and more: an address drops every page of superpages and NAPOT ranges around it, and
    /// global ones of any space.
    ///
    /// Source: Privileged ISA, "Supervisor Memory-Management Fence Instruction".
    pub(super) fn fence(&mut self, va: Option<VirtAddr>, asid: Option<Asid>) {
        match (va, asid) {
            (Some(va), asid) => self.events.add(Event::Fence(va, asid)),
            (None, Some(asid)) => self.events.spaces[Events::slot(asid)] += 1,
            (None, None) => self.events.all += 1,
        }
        self.catch_up();
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.fence(None, None);
    }

    /// Drops the entries through which `page` could be stored to.
    pub(super) fn forbid_stores(&mut self, page: RamOffset) {
        self.events.add(Event::ForbidStores(page));
        self.catch_up();
    }

    /// What is cached, in no particular order.
    pub(super) fn entries(&self) -> impl Iterator<Item = TlbEntry> {
        let home = self.events.home;
        let data = self.data.settled(&self.events).into_iter().flat_map(move |(context, bank)| {
            let of =
                |access, table| bank.entries(table, home).map(move |e| e.entry(access, context));
            let loads: Vec<_> = of(Access::Load, LOADS).collect();
            loads.into_iter().chain(of(Access::Store, STORES)).collect::<Vec<_>>()
        });
        let fetch =
            self.fetch.settled(&self.events).into_iter().flat_map(move |(context, bank)| {
                bank.entries(0, home).map(|e| e.entry(Access::Fetch, context)).collect::<Vec<_>>()
            });
        fetch.chain(data)
    }

    fn catch_up(&mut self) {
        self.data.catch_up(&self.events);
        self.fetch.catch_up(&self.events);
    }
}

impl Page {
    fn entry(self, access: Access, context: TlbContext) -> TlbEntry {
        let Self { va, page, mapping: Mapping { size_shift, global } } = self;
        TlbEntry { access, context, va, page, size_shift, global }
    }
}
