//! What is in a space: single pages, ranges of them (smaps, pagemap), and the tables themselves.

use core::convert::Infallible;
use core::ops::ControlFlow;

use super::tables::{Leaf, Visit, descend, walk};
use super::{
    Absent, CellId, Machine, Memory, Owner, PageRange, PageState, Ppn, Pte, Space,
    USER_ROOT_ENTRIES, Vpn,
};
use crate::{ENTRIES, LEVELS, leaf_size_bytes};

/// What the books say of an entry.
fn state(memory: &Memory, word: Pte) -> PageState {
    let (frame, owner) = match Absent::decode(word) {
        None => (word.ppn(), memory.frames.owner(word.ppn())),
        Some(Absent::Cell(cell)) => match (memory.cells.frame(cell), memory.cells.slot(cell)) {
            (Some(frame), _) => (frame, Owner::Anon(cell)),
            (None, Some(slot)) => return PageState::Swapped { slot },
            (None, None) => return PageState::Absent,
        },
        Some(_) => return PageState::Absent,
    };
    let (exclusive, object) = match owner {
        Owner::Anon(cell) => (memory.refs(cell) == 1, false),
        Owner::Object(_) => (memory.frames.mapped(frame) == 1, true),
        _ => (false, false),
    };
    PageState::Present { frame, pte: word, exclusive, object }
}

impl<M: Machine> Space<M> {
    /// What is in a page.
    pub fn page(&self, machine: &M, page: Vpn) -> PageState {
        if page >= Vpn::USER_END {
            return PageState::Absent;
        }
        let word = walk(machine, self.root, page).entry(machine, page);
        if word.0 == 0 {
            return PageState::Absent;
        }
        machine.memory(|memory| state(memory, word))
    }

    /// All pages of `range` that hold something, upwards; what smaps and pagemap count.
    pub fn pages(&self, machine: &M, range: PageRange, visit: &mut dyn FnMut(Vpn, PageState)) {
        let mut look = Look { machine, visit };
        if let Some(range) = range.intersection(PageRange::new(Vpn(0), Vpn::USER_END)) {
            let Ok(()) = descend(machine, self.root, range, None, &mut look);
        }
    }

    /// Calls `visit` with each page from `from` on that is not mapped but has a cell, upwards, until
    /// it says that this was enough.
    pub fn hidden_cells(
        &self,
        machine: &M,
        from: Vpn,
        visit: &mut dyn FnMut(Vpn, CellId) -> ControlFlow<()>,
    ) {
        let mut hidden = Hidden { machine, visit };
        let range = PageRange::new(from.min(Vpn::USER_END), Vpn::USER_END);
        // Where it ended the visitor knows.
        let _ = descend(machine, self.root, range, None, &mut hidden);
    }

    /// Calls `visit` with (level, table, index, first address, entry) for each valid entry, upwards:
    /// a pointer comes before what it points to.
    pub fn entries(&self, machine: &M, visit: &mut dyn FnMut(usize, Ppn, usize, u64, Pte)) {
        visit_table(machine, At { table: self.root, level: LEVELS - 1, base: 0 }, visit);
    }
}

/// A table and what it maps.
#[derive(Clone, Copy, Debug)]
struct At {
    table: Ppn,
    level: usize,
    base: u64,
}

fn visit_table<M: Machine>(
    machine: &M,
    at: At,
    visit: &mut dyn FnMut(usize, Ppn, usize, u64, Pte),
) {
    let count = if at.level == LEVELS - 1 { USER_ROOT_ENTRIES } else { ENTRIES };
    for index in 0..count {
        let pte = machine.pte(at.table, index);
        if !pte.is_valid() {
            continue;
        }
        let base = at.base + index as u64 * leaf_size_bytes(at.level);
        visit(at.level, at.table, index, base, pte);
        if at.level > 0 && !pte.is_leaf() {
            visit_table(machine, At { table: pte.ppn(), level: at.level - 1, base }, visit);
        }
    }
}

/// Looks for entries that name a cell.
struct Hidden<'a, M> {
    machine: &'a M,
    visit: &'a mut dyn FnMut(Vpn, CellId) -> ControlFlow<()>,
}

impl<M: Machine> Visit for Hidden<'_, M> {
    type Stop = ();

    fn leaf(&mut self, leaf: Leaf) -> Result<(), ()> {
        for index in leaf.indices() {
            let word = self.machine.pte(leaf.table, index);
            if let Some(Absent::Cell(cell)) = Absent::decode(word)
                && (self.visit)(leaf.page(index), cell).is_break()
            {
                return Err(());
            }
        }
        Ok(())
    }
}

/// Looks at the entries of leaf tables.
struct Look<'a, M> {
    machine: &'a M,
    visit: &'a mut dyn FnMut(Vpn, PageState),
}

impl<M: Machine> Visit for Look<'_, M> {
    type Stop = Infallible;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Infallible> {
        let base = leaf.pages.start.0 & !(ENTRIES as u64 - 1);
        for index in leaf.indices() {
            let word = self.machine.pte(leaf.table, index);
            if word.0 == 0 {
                continue;
            }
            let state = self.machine.memory(|memory| state(memory, word));
            if state != PageState::Absent {
                (self.visit)(Vpn(base + index as u64), state);
            }
        }
        Ok(())
    }
}
