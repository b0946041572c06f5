//! Random address spaces: page tables with every level, permission, and defect, and the rules for
//! changing them. Whatever the tables say, loads and stores only reach [`DATA`] and fetches only
//! reach [`STUBS`], or nothing.
//!
//! A space is bound to its ASID for the whole program, and a change is followed by a fence that
//! covers it: an implementation may keep translations that no fence has named.

use std::collections::BTreeMap;

use super::elf::Segment;
use super::program::{AREA_BYTES, CODE, DATA, ROOTS, STUBS, TABLES};
use super::random::Random;

/// Where the code is for S-mode in every space.
pub(super) const SUPERVISOR_CODE: u64 = 16 << 21;
/// Where the code is for U-mode in every space.
pub(super) const USER_CODE: u64 = 18 << 21;

const PAGE_BYTES: u64 = 4096;
const PTE_BYTES: u64 = 8;
/// Pages of each use that are used more than the others.
const FAVOURITES: usize = 4;
/// PTEs that hold one NAPOT translation of 64 KiB.
const NAPOT_PTES: u64 = 16;

const V: u64 = 1;
const R: u64 = 1 << 1;
const W: u64 = 1 << 2;
const X: u64 = 1 << 3;
const U: u64 = 1 << 4;
const G: u64 = 1 << 5;
const A: u64 = 1 << 6;
const D: u64 = 1 << 7;
const PBMT_SHIFT: u32 = 61;
const N: u64 = 1 << 63;
/// First of the seven reserved bits.
const RESERVED_SHIFT: u32 = 54;

/// What an address is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// Loads and stores.
    Data,
    /// Fetches; loads, and stores of what is there.
    Fetch,
}

impl Use {
    fn area(self) -> u64 {
        match self {
            Self::Data => DATA,
            Self::Fetch => STUBS,
        }
    }
}

/// A PTE of a space, and what it may become.
#[derive(Clone, Copy, Debug)]
struct Entry {
    pte: u64,
    level: u32,
    role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Leads to the table at this address, unless it is spoilt.
    Pointer(u64),
    Leaf(Use),
}

/// A virtual address space.
#[derive(Debug)]
pub(super) struct Space {
    pub(super) satp: u64,
    pub(super) asid: u64,
    data: Vec<u64>,
    fetch: Vec<u64>,
    entries: BTreeMap<u64, Entry>,
    levels: u32,
    root: u64,
}

/// A change of one PTE.
#[derive(Clone, Copy, Debug)]
pub(super) struct Change {
    /// Physical address of the PTE.
    pub(super) at: u64,
    pub(super) pte: u64,
    /// A page that it translates.
    pub(super) va: u64,
    /// Whether it translates others.
    pub(super) extent: Extent,
    /// Whether the translation may be global before or after.
    pub(super) global: Global,
}

/// How many pages a PTE translates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    Page,
    /// Several, or one by an address that no fence names.
    More,
}

/// Whether a fence for one ASID leaves a translation alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    Never,
    Perhaps,
}

/// All address spaces of a program.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) spaces: Vec<Space>,
    next_table: u64,
    global: Global,
}

const fn pointer(table: u64) -> u64 {
    table >> 2 | V
}

const fn index(va: u64, level: u32) -> u64 {
    va >> (12 + 9 * level) & 0x1ff
}

impl Tables {
    /// Random spaces.
    pub(super) fn new(random: &mut Random) -> Self {
        let count = 1 + random.below(3);
        let global = if count == 1 { Global::Perhaps } else { Global::Never };
        let mut tables = Self { spaces: Vec::new(), next_table: TABLES, global };
        let first_asid = random.bits();
        for number in 0..count {
            // The roots follow the three tables that all spaces share.
            let root = ROOTS + (3 + number) * PAGE_BYTES;
            let asid = (first_asid + number * (1 + random.below(0x4000))) & 0xffff;
            let asid = if tables.spaces.iter().any(|s| s.asid == asid) { number } else { asid };
            let space = tables.space(random, root, asid);
            tables.spaces.push(space);
        }
        tables
    }

    fn space(&mut self, random: &mut Random, root: u64, asid: u64) -> Space {
        let mode = random.pick(&[8, 8, 9, 10]);
        let levels = mode as u32 - 5;
        let satp = mode << 60 | asid << 44 | root >> 12;
        let mut space = Space {
            satp,
            asid,
            data: Vec::new(),
            fetch: Vec::new(),
            entries: BTreeMap::new(),
            levels,
            root,
        };
        let shared = ROOTS + u64::from(levels - 3) * PAGE_BYTES;
        space.entries.insert(root, Entry::pointer(shared, levels - 1));
        let tops: Vec<u64> = (0..3).map(|_| random.pick(&[1, 2, 2, 255, 256, 511])).collect();
        for _ in 0..20 {
            let va = random_address(random, &tops, levels, 2 << 21);
            space.data.push(va);
            self.map(random, &mut space, va, Use::Data);
        }
        for _ in 0..5 {
            // Pairs, since an instruction may straddle both; the next page is never mapped.
            let va = random_address(random, &tops, levels, 3 << 21) & !(3 * PAGE_BYTES);
            for va in [va, va + PAGE_BYTES] {
                space.fetch.push(va);
                self.map(random, &mut space, va, Use::Fetch);
            }
        }
        space
    }

    /// Makes the tables for `va`, as far as it is not decided yet.
    fn map(&mut self, random: &mut Random, space: &mut Space, va: u64, usage: Use) {
        let mut table = space.root;
        for level in (0..space.levels).rev() {
            let at = table + PTE_BYTES * index(va, level);
            // Superpages above 1 GiB mostly lead nowhere.
            let odds = if level > 2 { 24 } else { 5 };
            let entry = match space.entries.get(&at) {
                Some(&entry) => entry,
                None if level > 0
                    && !random.once_in(odds)
                    && self.next_table < TABLES + AREA_BYTES =>
                {
                    let entry = Entry::pointer(self.next_table, level);
                    self.next_table += PAGE_BYTES;
                    space.entries.insert(at, entry);
                    entry
                }
                None if level == 0 && random.once_in(4) && space.is_free(at) => {
                    return napot(random, space, at, usage);
                }
                None => {
                    let pte = self.leaf(random, level, usage);
                    space.entries.insert(at, Entry { pte, level, role: Role::Leaf(usage) });
                    return;
                }
            };
            let Role::Pointer(next) = entry.role else { return };
            table = next;
        }
    }

    /// A random leaf.
    fn leaf(&self, random: &mut Random, level: u32, usage: Use) -> u64 {
        let ppn = match level {
            0 => usage.area() >> 12 | random.below(512),
            1 => usage.area() >> 12,
            2 => CODE >> 12,
            // Identity: what is in RAM is where it is.
            _ => 0,
        };
        let likely = if usage == Use::Data { R | W } else { X };
        let rights = match random.below(6) {
            0..3 => likely,
            3 | 4 => R | W | X,
            _ => random.pick(&[R, R | X, X, R | W]),
        };
        let mut pte = ppn << 10 | rights | V | A | D;
        pte |= random.pick(&[0, U, U]) | random.below(4) << 8;
        if self.global == Global::Perhaps {
            pte |= random.pick(&[0, 0, G]);
        }
        match random.below(12) {
            0 => pte &= !A,
            1 | 2 => pte &= !D,
            3 => pte &= !(A | D),
            _ => {}
        }
        if random.once_in(10) { harmless(spoil(random, pte), level) } else { pte }
    }

    /// A random change of some PTE that `space` uses.
    pub(super) fn change(&mut self, random: &mut Random, space_number: usize) -> Option<Change> {
        let space = &self.spaces[space_number];
        let usage = random.pick(&[Use::Data, Use::Data, Use::Fetch]);
        let va = space.address(random, usage);
        let path = space.path(va);
        let spoilt = path.iter().copied().find(|at| space.entries[at].is_spoilt());
        let at = match spoilt {
            Some(at) if !random.once_in(3) => at,
            _ if random.once_in(8) => random.pick(&path),
            _ => *path.last()?,
        };
        let old = space.entries[&at];
        if old.pte & N != 0 || at == space.root {
            return None;
        }
        let pte = match old.role {
            Role::Leaf(_) if random.once_in(4) => {
                harmless(old.pte ^ random.pick(&[V, R, W, X, U, A, D, A | D]), old.level)
            }
            Role::Leaf(usage) => self.leaf(random, old.level, usage),
            Role::Pointer(table) if old.pte == pointer(table) => spoil_pointer(random, old.pte),
            Role::Pointer(table) => pointer(table),
        };
        let lone = old.level == 0 && matches!(old.role, Role::Leaf(_)) && space.is_canonical(va);
        let entry = Entry { pte, ..old };
        self.spaces[space_number].entries.insert(at, entry);
        let extent = if lone { Extent::Page } else { Extent::More };
        Some(Change { at, pte, va, extent, global: self.global })
    }

    /// The tables as they are at the start.
    pub(super) fn segments(&self) -> Vec<Segment> {
        let mut image = BTreeMap::new();
        // Code for every space: a table of the lowest 1 GiB, and those that lead to it.
        let code = CODE >> 2 | V | A | D | R | X;
        image.insert(ROOTS + PTE_BYTES * (SUPERVISOR_CODE >> 21), code);
        image.insert(ROOTS + PTE_BYTES * (USER_CODE >> 21), code | U);
        image.insert(ROOTS + PAGE_BYTES, pointer(ROOTS));
        image.insert(ROOTS + 2 * PAGE_BYTES, pointer(ROOTS + PAGE_BYTES));
        for space in &self.spaces {
            image.extend(space.entries.iter().map(|(&at, entry)| (at, entry.pte)));
        }
        let area = |start: u64, end: u64| {
            let mut bytes = vec![0; (end - start) as usize];
            for (at, pte) in image.range(start..end) {
                let offset = (at - start) as usize;
                bytes[offset..offset + 8].copy_from_slice(&pte.to_le_bytes());
            }
            Segment { address: start, bytes }
        };
        vec![area(ROOTS, ROOTS + 16 * PAGE_BYTES), area(TABLES, self.next_table.max(TABLES + 8))]
    }
}

impl Space {
    /// Some page of this space, a favourite as a rule, so that it is met before and after a change.
    pub(super) fn address(&self, random: &mut Random, usage: Use) -> u64 {
        let pages = if usage == Use::Data { &self.data } else { &self.fetch };
        if random.once_in(3) { random.pick(pages) } else { random.pick(&pages[..FAVOURITES]) }
    }

    /// Some physical page that translations of this space depend on: a table or what is mapped.
    pub(super) fn physical_page(&self, random: &mut Random) -> u64 {
        let usage = random.pick(&[Use::Data, Use::Fetch]);
        let path = self.path(self.address(random, usage));
        let leaf = path.last().map(|at| self.entries[at]).filter(|leaf| leaf.level == 0);
        let table = random.pick(&path) & !(PAGE_BYTES - 1);
        match leaf.map(|leaf| (leaf.pte & PPN_MASK) << 2) {
            Some(page) if random.once_in(2) && (DATA..STUBS + AREA_BYTES).contains(&page) => page,
            _ if table >= TABLES => table,
            // The root is in the code area, which stays open.
            _ => DATA,
        }
    }

    /// Addresses of the PTEs that translate `va`, from the root on.
    pub(super) fn path(&self, va: u64) -> Vec<u64> {
        let (mut path, mut table) = (Vec::new(), self.root);
        for level in (0..self.levels).rev() {
            let at = table + PTE_BYTES * index(va, level);
            let Some(entry) = self.entries.get(&at) else { break };
            path.push(at);
            let Role::Pointer(next) = entry.role else { break };
            table = next;
        }
        path
    }

    /// Whether nothing is mapped in the 64 KiB around the PTE at `at`.
    fn is_free(&self, at: u64) -> bool {
        !napot_group(at).any(|at| self.entries.contains_key(&at))
    }

    fn is_canonical(&self, va: u64) -> bool {
        let unused = 64 - (12 + 9 * self.levels);
        ((va << unused) as i64 >> unused) as u64 == va
    }
}

impl Entry {
    fn pointer(table: u64, level: u32) -> Self {
        Self { pte: pointer(table), level, role: Role::Pointer(table) }
    }

    /// Whether a pointer does not lead to its table.
    fn is_spoilt(&self) -> bool {
        matches!(self.role, Role::Pointer(table) if self.pte != pointer(table))
    }
}

/// PTEs of the 64 KiB to which the one at `at` belongs.
fn napot_group(at: u64) -> impl Iterator<Item = u64> {
    let first = at & !(NAPOT_PTES * PTE_BYTES - 1);
    (0..NAPOT_PTES).map(move |i| first + PTE_BYTES * i)
}

/// Maps the 64 KiB around `at` by one translation. Accessed and dirty bits are set: which of the
/// sixteen hardware sets is its own affair.
fn napot(random: &mut Random, space: &mut Space, at: u64, usage: Use) {
    let flags = random.pick(&[R, R | W, R | W | X, X, R | X]) | random.pick(&[0, U]);
    let ppn = (usage.area() >> 12 | random.below(512)) & !15 | 8;
    let pte = N | ppn << 10 | flags | V | A | D;
    for at in napot_group(at) {
        space.entries.insert(at, Entry { pte, level: 0, role: Role::Leaf(usage) });
    }
}

/// A page whose low 30 bits are in the two megabytes at `low`, canonical as a rule.
fn random_address(random: &mut Random, tops: &[u64], levels: u32, low: u64) -> u64 {
    let page = random.pick(&[0, 8, 16, 480, 496]) + random.below(16);
    let mut va = low + page % 512 * PAGE_BYTES;
    for level in 2..levels - 1 {
        va |= random.pick(&[2, 2, 2, 0, 511]) << (12 + 9 * level);
    }
    let top = 12 + 9 * (levels - 1);
    va |= random.pick(tops) << top;
    let unused = 64 - (top + 9);
    let extended = ((va << unused) as i64 >> unused) as u64;
    if random.once_in(24) { extended ^ 1 << random.pick(&[63, 60, top + 9]) } else { extended }
}

/// Where neither memory nor a device is.
const NOWHERE_PPN: u64 = 0x400_0000;
const PPN_MASK: u64 = 0x3f_ffff_ffff_fc00;

/// Makes a PTE one that faults, as a rule.
fn spoil(random: &mut Random, pte: u64) -> u64 {
    match random.below(8) {
        0 => pte & !V,
        1 => pte & !(R | X) | W,
        2 => pte & !R | W | X,
        3 => pte | 1 << (RESERVED_SHIFT + random.below(7) as u32),
        4 => pte | N,
        5 => pte | (random.below(3) + 1) << PBMT_SHIFT,
        6 => pte & !PPN_MASK | NOWHERE_PPN << 10,
        // Of a superpage, this is misaligned.
        _ => pte ^ 1 << (10 + random.below(9)),
    }
}

/// Makes a pointer one that faults, or that leads nowhere.
fn spoil_pointer(random: &mut Random, pte: u64) -> u64 {
    match random.below(6) {
        0 => pte & !V,
        1 => pte | random.pick(&[A, D, U]),
        2 => pte | 1 << (RESERVED_SHIFT + random.below(7) as u32),
        3 => pte | N,
        4 => pte | (random.below(3) + 1) << PBMT_SHIFT,
        _ => pte & !PPN_MASK | NOWHERE_PPN << 10,
    }
}

/// `pte` for a leaf, unless it would be a pointer, whose table anybody could write, or a second
/// translation for addresses that others translate.
fn harmless(pte: u64, level: u32) -> u64 {
    let pointer = pte & (R | W | X) == 0 && level > 0;
    let napot = pte & N != 0 && pte >> 10 & 15 == 8;
    if pointer || napot { pte & !(V | N) } else { pte }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_reach_only_their_area_or_nothing() {
        for seed in 0..200 {
            let tables = Tables::new(&mut Random::new(seed));
            for (space, va, usage) in tables.spaces.iter().flat_map(|space| {
                let data = space.data.iter().map(move |&va| (space, va, Use::Data));
                data.chain(space.fetch.iter().map(move |&va| (space, va, Use::Fetch)))
            }) {
                let path = space.path(va);
                let Some(entry) = path.last().map(|at| space.entries[at]) else { continue };
                if entry.role != Role::Leaf(usage) || entry.pte & (V | N) != V {
                    continue;
                }
                let mask = (PAGE_BYTES << (9 * entry.level)) - 1;
                let base = (entry.pte & PPN_MASK) << 2;
                let pa = base & !mask | va & mask;
                let ram = CODE..CODE + 4 * AREA_BYTES;
                let area = usage.area()..usage.area() + AREA_BYTES;
                let faults = base & mask != 0 || !ram.contains(&pa);
                assert!(faults || area.contains(&pa), "seed {seed}: {va:#x} -> {pa:#x}");
            }
        }
    }

    #[test]
    fn asids_are_not_shared() {
        for seed in 0..200 {
            let tables = Tables::new(&mut Random::new(seed));
            for (i, a) in tables.spaces.iter().enumerate() {
                assert!(tables.spaces[..i].iter().all(|b| a.asid != b.asid), "seed {seed}");
            }
        }
    }
}
