//! The walk over the tables of a space for the audit. It shares no code with `space/`, which made
//! them.

use super::super::frames::Kind;
use super::super::{Machine, Space, Vpn};
use super::{Audit, SpaceId, Violation};
use crate::pte::{Ppn, Pte};
use crate::{ENTRIES, LEVELS, leaf_size_bytes};

/// Entries of a root that belong to user space.
const USER_ROOT_ENTRIES: usize = ENTRIES / 2;
/// What the addresses of the kernel's half have set above those that a root's indices give.
const KERNEL_BASE: u64 = u64::MAX << 39;

/// A table and what it maps.
#[derive(Clone, Copy)]
struct Table {
    frame: Ppn,
    level: usize,
    base: u64,
}

impl Table {
    const fn root(frame: Ppn) -> Self {
        Self { frame, level: LEVELS - 1, base: 0 }
    }

    /// First address behind an entry.
    const fn address(self, index: usize) -> u64 {
        self.base + index as u64 * leaf_size_bytes(self.level)
    }

    fn below(self, pte: Pte, index: usize) -> Self {
        Self { frame: pte.ppn(), level: self.level - 1, base: self.address(index) }
    }
}

/// What a walk counts.
#[derive(Default)]
struct Found {
    anon: u64,
    object: u64,
    tables: u64,
}

impl Audit {
    /// Sees all entries of a space, and compares what the space says of itself. Its owner's lock
    /// is held: no entry is on its way out.
    pub fn space<M: Machine>(&mut self, machine: &M, id: SpaceId, space: &Space<M>) {
        let mut found = Found { tables: 1, ..Found::default() };
        self.table(space.root());
        let root = Table::root(space.root());
        for index in 0..USER_ROOT_ENTRIES {
            self.visit(machine, id, (root, index), &mut found);
        }
        let counters = space.counters();
        for (what, counted, found) in [
            ("anonymous pages", counters.resident_anon, found.anon),
            ("objects' pages", counters.resident_object, found.object),
            ("tables", counters.tables, found.tables),
        ] {
            if counted != found {
                self.report(Violation::Miscounted { space: id, what, counted, found });
            }
        }
    }

    /// Sees that a space has the kernel's half of `kernel_root`.
    pub fn kernel_half<M: Machine>(&mut self, machine: &M, id: SpaceId, root: Ppn, kernel: Ppn) {
        for index in USER_ROOT_ENTRIES..ENTRIES {
            let (pte, want) = (machine.pte(root, index), machine.pte(kernel, index));
            if pte != want {
                let page = Vpn::of(KERNEL_BASE | Table::root(root).address(index));
                self.report(Violation::KernelHalf { space: id, page, pte, want });
            }
        }
    }

    /// Sees all entries of the kernel's half and the tables behind it, the root's frame included,
    /// as far as they are on the books.
    pub fn kernel<M: Machine>(&mut self, machine: &M, id: SpaceId, root: Ppn) {
        self.kernels_table(machine, root);
        let root = Table::root(root);
        for index in USER_ROOT_ENTRIES..ENTRIES {
            self.visit_kernels(machine, id, (root, index));
        }
    }

    fn visit<M: Machine>(
        &mut self,
        machine: &M,
        id: SpaceId,
        at: (Table, usize),
        found: &mut Found,
    ) {
        let (table, index) = at;
        let pte = machine.pte(table.frame, index);
        if pte.0 == 0 {
            return;
        }
        let page = Vpn::of(table.address(index));
        // Only small pages are mapped for users, and only leaf tables name cells.
        let is_lowest = table.level == 0;
        let fits = if pte.is_valid() { pte.is_leaf() == is_lowest } else { is_lowest };
        if !fits {
            self.report(Violation::Reserved { space: id, page, pte });
            return;
        }
        self.entry(id, page, pte);
        if !pte.is_valid() {
            return;
        }
        if !pte.is_leaf() {
            found.tables += 1;
            // A pointer that leads elsewhere has been reported; what is there are no entries.
            if machine.memory(|memory| memory.frames.owner(pte.ppn()).kind()) == Kind::Table {
                for below in 0..ENTRIES {
                    self.visit(machine, id, (table.below(pte, index), below), found);
                }
            }
            return;
        }
        match machine.memory(|memory| memory.frames.owner(pte.ppn()).kind()) {
            Kind::Anon => found.anon += 1,
            Kind::Object => found.object += 1,
            _ => {}
        }
    }

    fn visit_kernels<M: Machine>(&mut self, machine: &M, id: SpaceId, at: (Table, usize)) {
        let (table, index) = at;
        let pte = machine.pte(table.frame, index);
        if !pte.is_valid() {
            return;
        }
        let page = Vpn::of(KERNEL_BASE | table.address(index));
        self.entry(id, page, pte);
        if !pte.is_leaf() && table.level > 0 {
            self.kernels_table(machine, pte.ppn());
            for below in 0..ENTRIES {
                self.visit_kernels(machine, id, (table.below(pte, index), below));
            }
        }
    }

    /// A table of the kernel's, which is in its image where it was made before the books were.
    fn kernels_table<M: Machine>(&mut self, machine: &M, frame: Ppn) {
        match machine.memory(|memory| memory.frames.owner(frame).kind()) {
            Kind::Reserved | Kind::Kernel => {}
            _ => self.table(frame),
        }
    }
}
