//! Stacks: areas that grow down when they are touched, and what they keep their distance from.

use super::{
    AtFork, Backing, Charge, Errno, Limits, Machine, PAGE_SIZE_BYTES, PageRange, Prot, Purpose,
    Sharing, Space, Vma, Vpn,
};
use crate::mm::addr::USER_END;

/// What is left free for the first stack at least, and at most, whatever its limit.
const STACK_ROOM_MIN_BYTES: u64 = 128 << 20;
const STACK_ROOM_MAX_BYTES: u64 = USER_END / 6 * 5;
const STACK_GAP_PAGES: u64 = Vma::<()>::STACK_GAP_PAGES;

/// Where mappings end that go anywhere: as far down as the first stack may grow, and its distance.
pub(super) fn mapping_top(limits: &Limits) -> Vpn {
    let room = limits.stack_bytes.clamp(STACK_ROOM_MIN_BYTES, STACK_ROOM_MAX_BYTES);
    Vpn(Vpn::USER_END.0 - room.div_ceil(PAGE_SIZE_BYTES) - STACK_GAP_PAGES)
}

impl<M: Machine> Space<M> {
    /// Makes `range` the first stack, which grows down to its limit.
    ///
    /// # Errors
    /// EEXIST where something is there, ENOMEM at a limit.
    pub fn set_stack(&mut self, machine: &M, range: PageRange) -> Result<(), Errno> {
        if self.vmas.overlapping(range).next().is_some() {
            return Err(Errno::EEXIST);
        }
        let vma = Vma {
            pages: range,
            prot: Prot::READ_WRITE,
            max_prot: Prot::ALL,
            sharing: Sharing::Private,
            backing: Backing::Anonymous,
            purpose: Purpose::Stack,
            charge: Charge::Charged,
            at_fork: AtFork::Keep,
        };
        let result = self.replace(machine, vma);
        self.settle(machine);
        result
    }

    /// Lets the stack above `page`, which is in no area, grow down to it: the index of its area,
    /// or `None` where there is no stack, or it may not.
    pub(super) fn grow_stack(&mut self, machine: &M, page: Vpn) -> Option<usize> {
        let index = self.vmas.index_from(page);
        let stack = self.vmas.at(index).filter(|area| area.purpose == Purpose::Stack)?;
        let pages = stack.pages.start.0 - page.0;
        let size_bytes = (stack.pages.end.0 - page.0) * PAGE_SIZE_BYTES;
        let allowed = size_bytes <= self.limits.stack_bytes
            && page.base() >= self.limits.min_address
            && self.may_grow(pages, stack)
            && self.keeps_distance(page);
        if !allowed {
            return None;
        }
        let charged = if stack.charge == Charge::Charged { pages } else { 0 };
        self.commit(machine, charged).ok()?;
        let index = self.vmas.grow_down(index, page);
        self.note_pages();
        Some(index)
    }

    /// Whether a stack that begins at `page` is far enough from what is below; from another stack,
    /// or from pages that cannot be touched, it need not be.
    fn keeps_distance(&self, page: Vpn) -> bool {
        self.vmas.find_below(page).is_none_or(|below| {
            below.purpose == Purpose::Stack
                || below.prot.is_none()
                || page.0 - below.pages.end.0 >= STACK_GAP_PAGES
        })
    }
}
