//! fork: the child shares every private page until one of both writes. What can be found again (an
//! object's pages, zeros) is not copied: the child faults for it.

use super::tables::{Leaf, NewTables, Visit, Way, descend, walk};
use super::{
    Absent, AtFork, Backing, Counters, Errno, Flags, Machine, Memory, PageRange, Ppn, Pte, Reach,
    Sharing, Space, VmaMap,
};

impl<M: Machine> Space<M> {
    /// A copy that shares every private page until one of both writes.
    ///
    /// # Errors
    /// ENOMEM; then nothing is shared that was not before.
    pub fn fork(&mut self, machine: &M) -> Result<Self, Errno> {
        let mut child = Self::new(machine, self.kernel_root, self.limits)?;
        child.heap = self.heap;
        child.mapping_top = self.mapping_top;
        let promised = child.commit_copy(machine, self);
        let mut share = Share {
            machine,
            child: child.root,
            counters: &mut child.counters,
            taken: Taken::Nothing,
        };
        let mut result =
            promised.and_then(|()| self.areas_of_child()).map(|vmas| child.vmas = vmas);
        let private = self.vmas.iter().filter(|area| area.sharing == Sharing::Private);
        for area in private.filter(|area| area.at_fork == AtFork::Keep) {
            if result.is_ok() {
                result = descend(machine, self.root, area.pages, None, &mut share);
            }
        }
        // Stores that hit an old entry after this would show in the child.
        if share.taken == Taken::Write {
            machine.fence(Reach::Space);
        }
        if let Err(error) = result {
            child.destroy(machine);
            return Err(error);
        }
        child.counters.note_resident();
        child.note_pages();
        Ok(child)
    }

    fn areas_of_child(&self) -> Result<VmaMap<M::Object>, Errno> {
        let mut areas = self.vmas.try_clone()?;
        for area in self.vmas.iter().filter(|area| area.at_fork == AtFork::Leave) {
            areas.remove(area.pages)?;
        }
        Ok(areas)
    }

    /// Says what becomes of the areas in `range` in a child, where that was to be `from`, if it is
    /// said.
    ///
    /// # Errors
    /// EINVAL where something is to be wiped that is not private anonymous memory; ENOMEM where
    /// there would be too many areas. What is below the first such place has changed.
    pub fn set_at_fork(
        &mut self,
        range: PageRange,
        from: Option<AtFork>,
        to: AtFork,
    ) -> Result<(), Errno> {
        let mut left = range;
        while !left.is_empty() {
            let Some(area) = self.vmas.overlapping(left).next() else { break };
            let part = area.pages.intersection(left).expect("they overlap");
            let is_plain = area.sharing == Sharing::Private && area.backing == Backing::Anonymous;
            let is_meant = from.is_none_or(|from| from == area.at_fork);
            if to == AtFork::Wipe && !is_plain {
                return Err(Errno::EINVAL);
            }
            if is_meant {
                self.vmas.set_at_fork(part, to, self.limits.areas)?;
            }
            left = PageRange::new(part.end, range.end);
        }
        Ok(())
    }
}

/// Whether the parent lost a right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    Nothing,
    Write,
}

/// Shares the cells in a leaf table with the child.
struct Share<'a, M> {
    machine: &'a M,
    /// The child's root.
    child: Ppn,
    /// The child's.
    counters: &'a mut Counters,
    taken: Taken,
}

impl<M: Machine> Share<'_, M> {
    /// The child's leaf table for the pages of one of the parent's, which is made where there is
    /// something to be put into it; `None` where there is not.
    fn table(&mut self, leaf: &Leaf) -> Result<Option<Ppn>, Errno> {
        let way = match walk(self.machine, self.child, leaf.pages.start) {
            Way::Leaf(table) => return Ok(Some(table)),
            way => way,
        };
        let look = |memory: &mut Memory, _, word: Pte| match is_shared(memory, word) {
            true => Err(NewTables::take(memory, way)),
            false => Ok(()),
        };
        match leaf.work_on(self.machine, look) {
            Ok(()) => Ok(None),
            Err(new) => Ok(Some(new?.link(self.machine, way, leaf.pages.start, self.counters))),
        }
    }
}

/// Whether the child gets an entry for this word: it could not find again what is there.
fn is_shared(memory: &Memory, word: Pte) -> bool {
    match Absent::decode(word) {
        None => memory.cell_in(word.ppn()).is_some(),
        Some(absent) => !matches!(absent, Absent::Empty | Absent::Leaving(_)),
    }
}

/// Counts an entry of the child for a word without V, if it gets one; whether it does.
#[cold]
fn share_absent(memory: &mut Memory, word: Pte) -> bool {
    if let Some(Absent::Cell(cell)) = Absent::decode(word) {
        memory.cells.hold(cell);
    }
    is_shared(memory, word)
}

impl<M: Machine> Visit for Share<'_, M> {
    type Stop = Errno;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Errno> {
        let Some(table) = self.table(&leaf)? else { return Ok(()) };
        let machine = self.machine;
        let (mut anon, mut taken) = (0, self.taken);
        leaf.work_on(machine, |memory, index, mut word| {
            if !word.is_valid() {
                if share_absent(memory, word) {
                    machine.swap_pte(table, index, word);
                }
            } else if memory.frames.map_cell(word.ppn()) {
                anon += 1;
                if word.flags().has(Flags::W) {
                    taken = Taken::Write;
                    word = machine.clear_pte(leaf.table, index, Flags::W);
                }
                machine.swap_pte(table, index, childs(word));
            }
            Ok::<(), Errno>(())
        })?;
        self.counters.resident_anon += anon;
        self.taken = taken;
        Ok(())
    }
}

/// The child's entry: without W, and without D, as the parent's tells that the page was written.
fn childs(pte: Pte) -> Pte {
    pte.with_flags(pte.flags().without(Flags::W.with(Flags::D)))
}
