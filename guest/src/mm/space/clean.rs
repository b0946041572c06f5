//! Finding out which pages of a file were written through mappings: their entries lose D, and the
//! pages are the file's to write.

use core::convert::Infallible;

use super::sweep::fence_pages;
use super::tables::{Leaf, Visit, descend};
use super::{Flags, Machine, PageRange, Space, Vpn};

/// Entries that share a fence: as many as a word has bits.
const WINDOW_ENTRIES: u64 = u64::BITS as u64;

impl<M: Machine> Space<M> {
    /// Takes D from all entries that map pages of `object`; those pages are
    /// [spoiled](super::Memory::spoil).
    pub fn clean_object(&mut self, machine: &M, object: &M::Object) {
        let mut at = Vpn(0);
        while let Some(area) = self.vmas.find_from(at) {
            at = area.pages.end;
            let is_it = area.object_at(area.pages.start).is_some_and(|(found, _)| found == object);
            if is_it {
                let pages = area.pages;
                let Ok(()) = descend(machine, self.root, pages, None, &mut Clean { machine });
            }
        }
    }
}

/// The pass over one area.
struct Clean<'a, M> {
    machine: &'a M,
}

impl<M: Machine> Visit for Clean<'_, M> {
    type Stop = Infallible;

    fn leaf(&mut self, leaf: Leaf) -> Result<(), Infallible> {
        let mut at = leaf.pages.start;
        while at < leaf.pages.end {
            let end = at.add(WINDOW_ENTRIES).min(leaf.pages.end);
            self.window(Leaf { table: leaf.table, pages: PageRange::new(at, end) });
            at = end;
        }
        Ok(())
    }
}

impl<M: Machine> Clean<'_, M> {
    fn window(&self, window: Leaf) {
        let machine = self.machine;
        let first = window.indices().start;
        let mut dirty = 0_u64;
        let Ok(()) = window.work_on(machine, |memory, index, word| {
            if word.is_valid() && word.flags().has(Flags::D) {
                let cell = memory.frames.owner(word.ppn()).cell();
                if cell.is_some_and(|cell| memory.cells.is_file(cell)) {
                    machine.clear_pte(window.table, index, Flags::D);
                    dirty |= 1 << (index - first);
                }
            }
            Ok::<(), Infallible>(())
        });
        if dirty == 0 {
            return;
        }
        fence_pages(machine, window.pages);
        // The entries are as they were, as the space is locked, but harts may have set D again.
        let Ok(()) = window.work_on(machine, |memory, index, word| {
            if dirty & 1 << (index - first) != 0
                && let Some(cell) = memory.frames.owner(word.ppn()).cell()
            {
                memory.spoil(cell);
            }
            Ok::<(), Infallible>(())
        });
    }
}
