//! [`Tlb`]: the translation cache in the sense of the manual. An entry lives until it is evicted or
//! fenced; privilege changes, SUM and MXR flips and `satp` writes leave it alone, because each
//! entry belongs to the translation context that made it and only matches there again.
//!
//! Three direct-mapped arrays, one per access kind, so that a hit proves the permission too. Only
//! `mmu/mod.rs` fills it; it knows RAM pages, never devices.

use super::{Context, Satp};
use crate::addr::{Access, Asid, PAGE_OFFSET_MASK, PAGE_SHIFT, Privilege, VirtAddr};
use crate::bus::RamOffset;

/// Entries per access kind.
const ENTRIES: usize = 512;

/// Translation contexts told apart at one time. A context number lives in the offset bits of a tag.
const CONTEXTS: usize = 128;
const _: () = assert!(CONTEXTS as u64 <= PAGE_OFFSET_MASK);

/// What can decide about a translation besides address and access kind. Settings without
/// influence are normalised away, so that contexts that translate alike share their entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlbContext {
    /// No translation; PMP tells M-mode from the others.
    Physical {
        /// M-mode.
        machine: bool,
    },
    /// Translation through `satp`. Its root is part of the key: software that reuses an ASID must
    /// fence before it relies on the new tables, and until then old entries are merely unused.
    Virtual {
        /// Scheme, address space and root.
        satp: Satp,
        /// U-mode rather than S-mode.
        user: bool,
        /// `mstatus.SUM`, where it counts.
        sum: bool,
        /// `mstatus.MXR`, where it counts.
        mxr: bool,
    },
}

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

impl TlbContext {
    fn new(cx: &Context, access: Access) -> Self {
        if !cx.translates() {
            return Self::Physical { machine: cx.privilege == Privilege::Machine };
        }
        let (user, data) = (cx.privilege == Privilege::User, access != Access::Fetch);
        Self::Virtual { satp: cx.satp, user, sum: cx.sum && data && !user, mxr: cx.mxr && data }
    }
}

/// The range that one walk mapped, and what fences ask about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mapping {
    /// log2 of the size in bytes of the superpage, NAPOT range or base page.
    pub(super) size_shift: u8,
    /// The mapping belongs to every address space.
    pub(super) global: bool,
}

/// One base page. An empty entry has tag 0: no context has number 0.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Virtual page address, with the context number in the offset bits.
    tag: u64,
    /// What to add to a virtual address to get the offset in RAM, modulo 2^64.
    to_ram: u64,
}

const EMPTY: Entry = Entry { tag: 0, to_ram: 0 };

type Array<T> = [T; ENTRIES];

/// Translation cache of one hart.
#[derive(Debug)]
pub(super) struct Tlb {
    /// Per access kind.
    entries: Box<[Array<Entry>; 3]>,
    /// What fences ask about each entry; kept apart, so that hits touch few cache lines.
    mappings: Box<[Array<Mapping>; 3]>,
    /// Number of the selected context, per access kind.
    selected: [u64; 3],
    /// The selected keys, per access kind.
    keys: [TlbContext; 3],
    /// All contexts that entries may belong to; the number of a context is its index plus one.
    contexts: Vec<TlbContext>,
}

impl Tlb {
    /// An empty TLB, with untranslated M-mode selected.
    pub(super) fn new() -> Self {
        let nothing = Mapping { size_shift: PAGE_SHIFT as u8, global: false };
        let machine = TlbContext::Physical { machine: true };
        Self {
            entries: Box::new([[EMPTY; ENTRIES]; 3]),
            mappings: Box::new([[nothing; ENTRIES]; 3]),
            selected: [1; 3],
            keys: [machine; 3],
            contexts: vec![machine],
        }
    }

    /// Offset in RAM of the byte at `va`, if an entry of the selected context allows `access`.
    #[inline(always)]
    pub(super) fn lookup(&self, va: VirtAddr, access: Access) -> Option<RamOffset> {
        let entry = &self.entries[access as usize][index(va)];
        (entry.tag == va.page_base().0 | self.selected[access as usize])
            .then(|| RamOffset(va.0.wrapping_add(entry.to_ram)))
    }

    /// Everything that is held, in no particular order.
    pub(super) fn entries(&self) -> impl Iterator<Item = TlbEntry> {
        Access::ALL.into_iter().flat_map(move |access| {
            let entries = &self.entries[access as usize];
            let entries = entries.iter().zip(&self.mappings[access as usize]);
            entries.filter_map(move |(entry, mapping)| self.describe(access, entry, *mapping))
        })
    }

    fn describe(&self, access: Access, entry: &Entry, mapping: Mapping) -> Option<TlbEntry> {
        let number = (entry.tag & PAGE_OFFSET_MASK) as usize;
        let va = VirtAddr(entry.tag).page_base();
        Some(TlbEntry {
            access,
            context: *self.contexts.get(number.checked_sub(1)?)?,
            va,
            page: RamOffset(va.0.wrapping_add(entry.to_ram)),
            size_shift: mapping.size_shift,
            global: mapping.global,
        })
    }

    /// Makes these the contexts of lookups and fills from now on. Drops nothing.
    pub(super) fn select(&mut self, fetch: &Context, data: &Context) {
        for access in Access::ALL {
            let key = TlbContext::new(if access == Access::Fetch { fetch } else { data }, access);
            if self.keys[access as usize] != key {
                self.keys[access as usize] = key;
                self.selected[access as usize] = self.number(key);
            }
        }
    }

    /// Number of the context with `key`, which may be new.
    fn number(&mut self, key: TlbContext) -> u64 {
        if let Some(found) = self.contexts.iter().position(|known| *known == key) {
            return found as u64 + 1;
        }
        if self.contexts.len() == CONTEXTS {
            // Numbers would come to mean another context: forget all of them. The selected keys
            // number themselves anew, `key` among them.
            self.clear();
            return self.number(key);
        }
        self.contexts.push(key);
        self.contexts.len() as u64
    }

    /// Enters that the page of `va` lies at `page` in RAM and may be reached by `access` in the
    /// selected context.
    pub(super) fn insert(
        &mut self,
        va: VirtAddr,
        access: Access,
        page: RamOffset,
        mapping: Mapping,
    ) {
        debug_assert!(page.0 & PAGE_OFFSET_MASK == 0, "entries map whole pages");
        let tag = va.page_base().0 | self.selected[access as usize];
        let to_ram = page.0.wrapping_sub(va.page_base().0);
        self.entries[access as usize][index(va)] = Entry { tag, to_ram };
        self.mappings[access as usize][index(va)] = mapping;
    }

    /// Drops the translations that a fence for `va` (all, if `None`) and `asid` (all, if `None`)
    /// names; with an ASID, global ones stay. An address drops every page of the superpage or
    /// NAPOT range that it lies in.
    ///
    /// Source: Privileged ISA, "Supervisor Memory-Management Fence Instruction".
    pub(super) fn fence(&mut self, va: Option<VirtAddr>, asid: Option<Asid>) {
        if (va, asid) == (None, None) {
            return self.clear();
        }
        let contexts = &self.contexts;
        let named = |entry: &Entry, mapping: &Mapping| {
            let context = (entry.tag & PAGE_OFFSET_MASK) as usize;
            let Some(&TlbContext::Virtual { satp, .. }) = contexts.get(context.wrapping_sub(1))
            else {
                return false;
            };
            asid.is_none_or(|asid| satp.asid == asid && !mapping.global)
                && va.is_none_or(|va| (va.0 ^ entry.tag) >> mapping.size_shift == 0)
        };
        for (entries, mappings) in self.entries.iter_mut().zip(self.mappings.iter()) {
            for (entry, mapping) in entries.iter_mut().zip(mappings) {
                if named(entry, mapping) {
                    *entry = EMPTY;
                }
            }
        }
    }

    /// Drops everything, and the contexts that are not selected.
    pub(super) fn clear(&mut self) {
        self.entries.as_flattened_mut().fill(EMPTY);
        self.contexts.clear();
        for access in Access::ALL {
            self.selected[access as usize] = self.number(self.keys[access as usize]);
        }
    }

    /// Drops the entries through which `page` could be stored to.
    pub(super) fn forbid_stores(&mut self, page: RamOffset) {
        for entry in &mut self.entries[Access::Store as usize] {
            let va_page = entry.tag & !PAGE_OFFSET_MASK;
            if va_page.wrapping_add(entry.to_ram) == page.0 & !PAGE_OFFSET_MASK {
                *entry = EMPTY;
            }
        }
    }
}

/// Where the page of `va` is kept.
#[inline(always)]
fn index(va: VirtAddr) -> usize {
    va.page_number() as usize % ENTRIES
}
