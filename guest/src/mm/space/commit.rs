//! What of a space counts as promised: charged in the machine's books before anything changes, so
//! that a refusal changes nothing; what turned out to be too much is given back at the end.

use super::tables::{Leaf, Visit, descend};
use super::{
    Absent, AtFork, Backing, Charge, Errno, Flags, Machine, PageRange, Ppn, Prot, Pte, Sharing,
    Space, Vma,
};

impl<M: Machine> Space<M> {
    /// Pages that are promised to it.
    pub fn committed_pages(&self) -> u64 {
        self.committed
    }

    /// Lets `pages` pages more be promised to it.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn commit(&mut self, machine: &M, pages: u64) -> Result<(), Errno> {
        if pages > 0 {
            machine.commit(pages, self.vmas.totals().pages)?;
            self.committed += pages;
        }
        Ok(())
    }

    /// As [`commit`](Self::commit), if pages of `area` count.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn commit_like(
        &mut self,
        machine: &M,
        pages: u64,
        area: &Vma<M::Object>,
    ) -> Result<(), Errno> {
        self.commit(machine, if area.charge == Charge::Charged { pages } else { 0 })
    }

    /// Lets what a copy of `parent` needs be promised to it, area by area.
    ///
    /// # Errors
    /// ENOMEM; what has been promised before remains until the end of the space.
    pub(super) fn commit_copy(&mut self, machine: &M, parent: &Self) -> Result<(), Errno> {
        let charged = parent.vmas.iter().filter(|area| area.charge == Charge::Charged);
        for area in charged.filter(|area| area.at_fork != AtFork::Leave) {
            machine.commit(area.pages.pages(), parent.vmas.totals().pages)?;
            self.committed += area.pages.pages();
        }
        Ok(())
    }

    /// Gives back what was promised, but is in no area.
    pub(super) fn settle(&mut self, machine: &M) {
        let needed = self.vmas.totals().committed;
        if needed != self.committed {
            machine.uncommit(self.committed - needed);
            self.committed = needed;
        }
    }

    /// How the part `part` of the area there counts with this protection, which it is about to get;
    /// that is promised then.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn recharge(
        &mut self,
        machine: &M,
        part: PageRange,
        prot: Prot,
    ) -> Result<Charge, Errno> {
        let area = self.vmas.find(part.start).expect("the caller has found it");
        let before = area.charge;
        let is_private = area.sharing == Sharing::Private;
        match before {
            // What nobody may have written can be promised again later.
            Charge::Charged if !prot.write && area.backing == Backing::Anonymous => {
                let is_touched = self.has_own_pages(machine, area.pages);
                Ok(if is_touched { Charge::Charged } else { Charge::Free })
            }
            Charge::Free if prot.write && is_private => {
                self.commit(machine, part.pages())?;
                Ok(Charge::Charged)
            }
            _ => Ok(before),
        }
    }

    /// Whether there is a page in `range`, of private anonymous memory, that only copies of this
    /// space have.
    fn has_own_pages(&self, machine: &M, range: PageRange) -> bool {
        descend(machine, self.root, range, None, &mut Own { machine, zero: None }).is_err()
    }
}

/// Ends at the first page that is a process's own.
struct Own<'a, M> {
    machine: &'a M,
    /// The page of zeros, once somebody has asked.
    zero: Option<Ppn>,
}

/// There is one.
struct Found;

impl<M: Machine> Own<'_, M> {
    /// Whether the entry, of private anonymous memory, names a page of the process's own.
    fn has(&mut self, word: Pte) -> bool {
        match Absent::decode(word) {
            // The page of zeros is nobody's to write.
            None if word.flags().has(Flags::W) => true,
            None => {
                let machine = self.machine;
                let zero = || machine.memory(|memory| memory.zero_frame());
                word.ppn() != *self.zero.get_or_insert_with(zero)
            }
            Some(absent) => matches!(absent, Absent::Cell(_)),
        }
    }
}

impl<M: Machine> Visit for Own<'_, M> {
    type Stop = Found;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Found> {
        let machine = self.machine;
        let mut words = leaf.indices().map(|index| machine.pte(leaf.table, index));
        let found = words.any(|word| word.0 != 0 && self.has(word));
        if found { Err(Found) } else { Ok(()) }
    }
}
