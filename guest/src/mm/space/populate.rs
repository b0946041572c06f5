//! Faults ahead of time: MAP_POPULATE, mlock.

use super::tables::walk;
use super::{Access, Flags, Machine, PageRange, Prot, Sharing, Space, Trouble};

impl<M: Machine> Space<M> {
    /// Does for the pages of `range` what touching them would: private ones that may be written
    /// are, as if it were, others are read. Holes, and areas that allow nothing, are left out.
    /// What has been dealt with is taken from the range.
    ///
    /// # Errors
    /// The first [`Trouble`], which the first page of what is left has met.
    pub fn populate(&mut self, machine: &M, range: &mut PageRange) -> Result<(), Trouble> {
        let mut at = range.start;
        while let Some(area) = self.vmas.find_from(at) {
            let (pages, prot, sharing) = (area.pages, area.prot, area.sharing);
            at = pages.end;
            let Some(part) = pages.intersection(*range) else { break };
            let Some((access, right)) = first_access(prot, sharing) else { continue };
            for page in part.iter() {
                range.start = page;
                let entry = walk(machine, self.root, page).entry(machine, page);
                if !entry.is_valid() || !entry.flags().has(right) {
                    self.fault(machine, page.base(), access)?;
                }
            }
        }
        range.start = range.end;
        Ok(())
    }
}

/// The access that populating stands for, and the right that shows that it has happened.
fn first_access(prot: Prot, sharing: Sharing) -> Option<(Access, Flags)> {
    if prot.write && sharing == Sharing::Private {
        Some((Access::Store, Flags::W))
    } else if prot.readable() {
        Some((Access::Load, Flags::R))
    } else {
        prot.exec.then_some((Access::Fetch, Flags::X))
    }
}
