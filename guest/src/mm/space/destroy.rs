//! The end of an address space.

use super::tables::{Way, walk};
use super::{Machine, PageRange, Reach, Space, Vpn};

impl<M: Machine> Space<M> {
    /// Unmaps everything and frees the tables, the root included; nobody runs in it any more, and
    /// no hart's `satp` names it.
    pub fn destroy(&mut self, machine: &M) {
        self.clear(machine);
        self.settle(machine);
        machine.memory(|memory| memory.frames.free(self.root));
    }

    /// Gives up all pages and all tables but the root.
    fn clear(&mut self, machine: &M) {
        // What a hart has cached of it would outlive the frames.
        machine.fence(Reach::Space);
        let areas = self.vmas.count();
        for index in 0..areas {
            let Some(area) = self.vmas.at(index) else { break };
            let range = area.pages;
            let next = self.vmas.at(index + 1).map_or(Vpn::USER_END, |next| next.pages.start);
            self.forget(machine, range, PageRange::new(Vpn(0), next));
        }
        self.vmas = super::VmaMap::default();
        debug_assert!(matches!(walk(machine, self.root, Vpn(0)), Way::Missing { level: 2, .. }));
        debug_assert_eq!((self.counters.tables, self.counters.mapped()), (1, 0));
    }
}
