//! Overcommit on this machine: the one [`Ledger`], and what /proc/sys says of it.

use guest::PAGE_SIZE_BYTES;
use guest::mm::OutOfMemory;
use guest::mm::commit::{Asker, Ledger, Overcommit, Policy};

use super::books::total_frames;
use super::{swap, tunables};
use crate::sched;

static LEDGER: Ledger = Ledger::new();

/// Pages promised to all processes.
pub(crate) fn committed_pages() -> u64 {
    LEDGER.pages()
}

/// Pages that may be promised where nothing is overcommitted.
pub(crate) fn limit_pages() -> u64 {
    let ram = match tunables::overcommit_kbytes() {
        0 => total_frames() * tunables::overcommit_ratio() / 100,
        kbytes => pages_of(kbytes),
    };
    ram + swap::total_pages()
}

fn pages_of(kbytes: u64) -> u64 {
    kbytes / (PAGE_SIZE_BYTES / 1024)
}

/// Promises `pages` pages more to the current process, which has areas for `own_pages` pages.
///
/// # Errors
/// [`OutOfMemory`]: nothing is promised then.
#[inline]
pub(crate) fn commit(pages: u64, own_pages: u64) -> Result<(), OutOfMemory> {
    let policy = match tunables::overcommit_memory() {
        0 => loose(Overcommit::Guess),
        1 => loose(Overcommit::Always),
        _ => return commit_within_limit(pages, own_pages),
    };
    LEDGER.commit(pages, &policy, Asker::default())
}

/// `pages` pages that were promised are no longer.
#[inline]
pub(crate) fn uncommit(pages: u64) {
    LEDGER.uncommit(pages);
}

/// A policy that looks at no limit.
fn loose(overcommit: Overcommit) -> Policy {
    Policy {
        overcommit,
        ram_pages: total_frames() + swap::total_pages(),
        limit_pages: 0,
        admin_reserve_pages: 0,
        user_reserve_pages: 0,
    }
}

#[cold]
fn commit_within_limit(pages: u64, own_pages: u64) -> Result<(), OutOfMemory> {
    let (admin, user) = tunables::reserves_kbytes();
    let policy = Policy {
        limit_pages: limit_pages(),
        admin_reserve_pages: pages_of(admin),
        user_reserve_pages: pages_of(user),
        ..loose(Overcommit::Never)
    };
    let thread = sched::current_thread_or_none();
    let is_privileged = thread.is_none_or(|thread| thread.process.credentials().is_root());
    LEDGER.commit(pages, &policy, Asker { pages: own_pages, is_privileged })
}
