//! What a hart may still believe of the page tables: [`Beliefs`] keeps each value that an entry
//! has had, and the fences of one hart, and says through which values a walk may go.
//!
//! Source: Privileged ISA, "Supervisor Memory-Management Fence Instruction": a fence orders
//! implicit reads of the page tables after the writes before it. Without an address it names
//! every level of the tables, with one only the leaves that map it; with an address space it names
//! none of the others, and no global mapping.

use std::collections::BTreeMap;

use super::super::super::pte::NAPOT_PAGES_SHIFT;
use super::*;

/// The values that page-table entries have had, by their physical address.
#[derive(Debug, Default)]
pub(super) struct Memory {
    now: BTreeMap<u64, u64>,
    /// Former values, and when each was replaced.
    past: BTreeMap<u64, Vec<(u64, u64)>>,
    /// Number of events so far.
    pub(super) time: u64,
}

impl Memory {
    /// The entry at `at` has become `value`.
    pub(super) fn note(&mut self, at: u64, value: u64) {
        self.time += 1;
        match self.now.insert(at, value) {
            Some(old) if old != value => self.past.entry(at).or_default().push((old, self.time)),
            _ => {}
        }
    }

    /// Every entry that was ever written, and its value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (u64, u64)> {
        self.now.iter().map(|(at, value)| (*at, *value))
    }

    /// The value of the entry at `at`; no page under test has entries that were never written.
    pub(super) fn value(&self, at: u64) -> u64 {
        self.now.get(&at).copied().unwrap_or(0)
    }
}

#[derive(Clone, Copy, Debug)]
struct Fence {
    time: u64,
    va: Option<u64>,
    asid: Option<u16>,
}

/// What the fences of a hart have left.
#[derive(Debug, Default)]
pub(super) struct Beliefs {
    /// When everything was fenced last.
    since: u64,
    /// What was fenced since then.
    fences: Vec<Fence>,
    /// Values of PBMTE since then: it takes such a fence, too.
    pub(super) pbmte: Vec<bool>,
}

/// One entry that a walk may find.
#[derive(Clone, Copy, Debug)]
struct Found {
    value: u64,
    is_current: bool,
    /// It was fenced, but not for global mappings.
    for_globals: bool,
}

/// The entries on a way from the root to a leaf, or to where the walk ends otherwise.
#[derive(Clone, Debug, Default)]
pub(super) struct Path {
    pub(super) entries: Vec<(u64, u64)>,
    /// The last of the entries is what it is now.
    pub(super) ends_fresh: bool,
    /// Only a global mapping may be reached on it.
    pub(super) for_globals: bool,
}

impl Beliefs {
    /// Of a hart that has fenced everything at the beginning.
    pub(super) fn new(pbmte: bool) -> Self {
        Self { since: 0, fences: Vec::new(), pbmte: vec![pbmte] }
    }

    pub(super) fn fence(&mut self, time: u64, va: Option<u64>, asid: Option<u16>, pbmte: bool) {
        if va.is_none() && asid.is_none() {
            *self = Self { since: time, ..Self::new(pbmte) };
        } else {
            self.fences.push(Fence { time, va, asid });
        }
    }

    /// Whether the hart may still go by a former value for `va`, at `level`, that was replaced at
    /// the time `until`: `None` where it may not.
    fn remains(&self, old: u64, until: u64, level: u32, (va, asid): (u64, Asid)) -> Option<Found> {
        if until <= self.since {
            return None;
        }
        let mut for_globals = false;
        let names_space = |fence: &&Fence| fence.asid.is_none_or(|named| named == asid.0);
        for fence in self.fences.iter().filter(|fence| fence.time > until).filter(names_space) {
            match (fence.va, fence.asid) {
                (Some(named), _) if !is_mapped_by(old, level, va, named) => {}
                (_, Some(_)) => for_globals = true,
                (_, None) => return None,
            }
        }
        Some(Found { value: old, is_current: false, for_globals })
    }

    /// Whether one of the ways that a walk for `va` may take through `memory` is as `is_it` says.
    pub(super) fn some_path(
        &self,
        memory: &Memory,
        satp: Satp,
        va: u64,
        is_it: impl Fn(&Path) -> bool,
    ) -> bool {
        // Without anything old there is one way, which is nearly always the right one.
        let fresh = Self { since: u64::MAX, ..Self::default() };
        let start = (Path::default(), satp.root_ppn << PAGE_SHIFT);
        let top = satp.mode.levels() - 1;
        [&fresh, self].into_iter().any(|beliefs| {
            let mut paths = Vec::new();
            beliefs.descend(memory, start.clone(), top, (va, satp.asid), &mut paths);
            paths.iter().any(&is_it)
        })
    }

    fn descend(
        &self,
        memory: &Memory,
        (path, table): (Path, u64),
        level: u32,
        of: (u64, Asid),
        paths: &mut Vec<Path>,
    ) {
        let at = world::entry_at(table, of.0, level);
        let current = Found { value: memory.value(at), is_current: true, for_globals: false };
        let past = memory.past.get(&at).into_iter().flatten();
        let past = past.filter_map(|&(old, until)| self.remains(old, until, level, of));
        for found in std::iter::once(current).chain(past) {
            let mut path = path.clone();
            path.entries.push((at, found.value));
            path.ends_fresh = found.is_current;
            path.for_globals |= found.for_globals;
            let pte = Pte(found.value);
            if level > 0 && is_pointer(pte) {
                self.descend(memory, (path, pte.page().0), level - 1, of, paths);
            } else {
                paths.push(path);
            }
        }
    }
}

fn is_pointer(pte: Pte) -> bool {
    pte.has(Pte::V) && !pte.has_any(Pte::R | Pte::W | Pte::X)
}

/// Whether `value`, an entry at `level` for `va`, maps `named` as well, as a leaf.
fn is_mapped_by(value: u64, level: u32, va: u64, named: u64) -> bool {
    let pte = Pte(value);
    let napot = if pte.has(Pte::N) { NAPOT_PAGES_SHIFT } else { 0 };
    let is_leaf = level == 0 || !is_pointer(pte);
    is_leaf && (va ^ named) >> (PAGE_SHIFT + VPN_BITS * level + napot) == 0
}

/// A path as memory: the entries in the order in which a walk reads them, with the rights of PMP.
pub(super) struct OnPath<'a> {
    pub(super) path: &'a Path,
    pub(super) pmp: &'a Pmp,
}

impl OnPath<'_> {
    fn allows(&self, at: PhysAddr, access: Access) -> bool {
        self.pmp.allows(at, PTE_SIZE_BYTES, access, Privilege::Supervisor)
    }
}

impl PteMemory for OnPath<'_> {
    fn read_pte(&mut self, at: PhysAddr) -> Option<u64> {
        let found = self.path.entries.iter().find(|(known, _)| *known == at.0);
        let (_, value) = found.expect("the walk goes along the path");
        self.allows(at, Access::Load).then_some(*value)
    }

    fn update_pte(&mut self, at: PhysAddr, _old: u64, _new: u64) -> Option<bool> {
        self.allows(at, Access::Store).then_some(true)
    }
}
