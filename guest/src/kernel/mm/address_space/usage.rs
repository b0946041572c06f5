//! What an address space has that could be won, and its end before that of its processes: for those
//! who are to free memory.

use core::sync::atomic::Ordering;

use guest::mm::addr::USER_END;
use guest::mm::space::PageState;
use guest::mm::{PageRange, Vpn};

use super::AddressSpace;

/// Pages that a space has, for choosing who has to end.
#[derive(Clone, Copy, Debug)]
pub(in crate::mm) struct Usage {
    pub(in crate::mm) resident: u64,
    pub(in crate::mm) swapped: u64,
    pub(in crate::mm) tables: u64,
}

impl AddressSpace {
    /// What it has; `None` where somebody works on it.
    pub(in crate::mm) fn usage(&self) -> Option<Usage> {
        let space = self.space.try_lock()?;
        let counters = space.counters();
        let mut usage =
            Usage { resident: counters.resident(), swapped: 0, tables: counters.tables };
        space.pages(&self.machine, PageRange::new(Vpn(0), Vpn::USER_END), &mut |_, state| {
            match state {
                PageState::Swapped { .. } => usage.swapped += 1,
                // The pager has unmapped it, but it is still there.
                PageState::Present { pte, .. } if !pte.is_valid() => usage.resident += 1,
                PageState::Present { .. } | PageState::Absent => {}
            }
        });
        Some(usage)
    }

    /// Frees its pages under its processes, all of which end.
    pub(in crate::mm) fn reap(&self) {
        let mut space = self.space.lock();
        self.is_reaped.store(true, Ordering::Release);
        // Holes are no trouble.
        let _ = space.discard(&self.machine, 0, USER_END);
    }

    /// Whether its pages were freed under its processes.
    #[inline]
    pub(crate) fn is_reaped(&self) -> bool {
        self.is_reaped.load(Ordering::Acquire)
    }
}
