//! [`Ledger`]: how much memory has been promised to processes, and whether more may be promised:
//! Linux's overcommit (Documentation/mm/overcommit-accounting). Which areas count is
//! [`Charge`](super::vma::Charge)'s; `space/commit.rs` charges before it changes anything.

use core::sync::atomic::{AtomicU64, Ordering};

use super::OutOfMemory;

/// Of all the memory that a process has, so many parts stay free beside what it asks for.
const USER_RESERVE_PARTS: u64 = 32;

/// When a promise is refused: vm.overcommit_memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overcommit {
    /// One that could never be kept is.
    Guess,
    /// None is.
    Always,
    /// All are that might not be kept.
    Never,
}

/// What decides about promises, in pages.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// When they are refused.
    pub overcommit: Overcommit,
    /// RAM.
    pub ram_pages: u64,
    /// What may be promised where nothing is overcommitted: CommitLimit.
    pub limit_pages: u64,
    /// How much of that is only for who is privileged: vm.admin_reserve_kbytes.
    pub admin_reserve_pages: u64,
    /// How much of it one process leaves to the others at most: vm.user_reserve_kbytes.
    pub user_reserve_pages: u64,
}

/// Who asks for a promise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Asker {
    /// All pages that it has areas for.
    pub pages: u64,
    /// What is reserved for the administrator is for it.
    pub is_privileged: bool,
}

/// Pages promised to all processes.
#[derive(Debug, Default)]
pub struct Ledger {
    pages: AtomicU64,
}

impl Ledger {
    /// Nothing is promised.
    pub const fn new() -> Self {
        Self { pages: AtomicU64::new(0) }
    }

    /// Pages promised: Committed_AS.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Promises `pages` pages more.
    ///
    /// # Errors
    /// [`OutOfMemory`]: the policy forbids it; nothing is promised then.
    pub fn commit(&self, pages: u64, policy: &Policy, asker: Asker) -> Result<(), OutOfMemory> {
        // Whoever comes at the same time sees this one, so both cannot get the last page.
        let all = self.pages.fetch_add(pages, Ordering::Relaxed).saturating_add(pages);
        let is_granted = match policy.overcommit {
            Overcommit::Guess => pages <= policy.ram_pages,
            Overcommit::Always => true,
            Overcommit::Never => {
                let admin = if asker.is_privileged { 0 } else { policy.admin_reserve_pages };
                let user = policy.user_reserve_pages.min(asker.pages / USER_RESERVE_PARTS);
                all < policy.limit_pages.saturating_sub(admin).saturating_sub(user)
            }
        };
        if is_granted {
            return Ok(());
        }
        self.uncommit(pages);
        Err(OutOfMemory)
    }

    /// `pages` pages that were promised are no longer.
    pub fn uncommit(&self, pages: u64) {
        let before = self.pages.fetch_sub(pages, Ordering::Relaxed);
        debug_assert!(before >= pages, "{pages} of {before} promised pages are taken back");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        overcommit: Overcommit::Never,
        ram_pages: 1000,
        limit_pages: 500,
        admin_reserve_pages: 20,
        user_reserve_pages: 50,
    };

    #[test]
    fn policies_refuse_what_linux_refuses() {
        let (guess, always) = (Overcommit::Guess, Overcommit::Always);
        let with = |overcommit| Policy { overcommit, ..POLICY };
        let asker = |pages, is_privileged| Asker { pages, is_privileged };
        for (policy, before, pages, asker, granted) in [
            (with(guess), 5000, 1000, asker(0, false), true),
            (with(guess), 0, 1001, asker(0, true), false),
            (with(always), 5000, 5000, asker(0, false), true),
            // The limit itself is not reached.
            (POLICY, 0, 499, asker(0, true), true),
            (POLICY, 0, 500, asker(0, true), false),
            (POLICY, 0, 479, asker(0, false), true),
            (POLICY, 0, 480, asker(0, false), false),
            (POLICY, 400, 99, asker(31, true), true),
            (POLICY, 400, 99, asker(32, true), false),
            (POLICY, 400, 98, asker(32, true), true),
            (POLICY, 400, 49, asker(u64::MAX, true), true),
            (POLICY, 400, 50, asker(u64::MAX, true), false),
            (POLICY, 600, 0, asker(0, true), false),
            (Policy { limit_pages: 10, ..POLICY }, 0, 1, asker(0, false), false),
        ] {
            let ledger = Ledger { pages: AtomicU64::new(before) };
            let result = ledger.commit(pages, &policy, asker);
            assert_eq!(result.is_ok(), granted, "{before} + {pages} {asker:?} {policy:?}");
            assert_eq!(ledger.pages(), if granted { before + pages } else { before });
        }
    }

    #[test]
    fn what_is_taken_back_can_be_promised_again() {
        let ledger = Ledger::new();
        let asker = Asker { pages: 0, is_privileged: true };
        ledger.commit(499, &POLICY, asker).expect("room");
        assert_eq!(ledger.commit(1, &POLICY, asker), Err(OutOfMemory));
        ledger.uncommit(1);
        assert_eq!(ledger.commit(1, &POLICY, asker), Ok(()));
        assert_eq!(ledger.pages(), 499);
    }
}
