//! [`Tlb`]: the translation cache in the sense of the manual. An entry lives until it is evicted or
//! fenced; privilege changes, SUM and MXR flips and `satp` writes leave it alone, because each
//! translation context has a bank of its own (`bank.rs`) and selecting one is swapping a pointer.
//! A hit proves the permission too: there is a table for each kind of access.
//!
//! Fences cost what they name. They act at once on the selected banks; the others catch up when
//! they are selected again (`banks.rs`), so that neither fences nor switches grow with the number of
//! address spaces. Only `refill.rs` fills it; it knows RAM pages, never devices.

use super::Context;
use super::bank::{CodeEntry, Entry, Mapping, Page};
use super::banks::{Banks, Event, Events};
use super::direct::{HostEntry, tag_wanted};
use super::key::{Key, TlbContext};
use crate::addr::{Access, Asid, VirtAddr, Width};
use crate::bus::{Ram, RamOffset, RamPage};

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
        let (key, events) = (Key::of_data(&Context::RESET), Events::new());
        Self { data: Banks::new(key), fetch: Banks::new(key), events }
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
            (Some(va), asid) => self.note(Event::Fence(va, asid)),
            (None, Some(asid)) => {
                self.events.fence_space(asid);
                self.data.clear_space(asid);
                self.fetch.clear_space(asid);
            }
            (None, None) => {
                self.events.fence_all();
                self.data.active.clear();
                self.fetch.active.clear();
            }
        }
    }

    /// Drops everything.
    pub(super) fn clear(&mut self) {
        self.fence(None, None);
    }

    /// Drops the entries through which `page` could be stored to.
    pub(super) fn forbid_stores(&mut self, page: RamOffset) {
        self.note(Event::ForbidStores(page));
    }

    fn note(&mut self, event: Event) {
        self.events.log(event);
        self.data.apply(event, &self.events);
        self.fetch.apply(event, &self.events);
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
}

impl Page {
    fn entry(self, access: Access, context: TlbContext) -> TlbEntry {
        let Self { va, page, mapping: Mapping { size_shift, global } } = self;
        TlbEntry { access, context, va, page, size_shift, global }
    }
}
