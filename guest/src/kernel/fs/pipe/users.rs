//! How much memory pipes may have: one, and all of a user, by /proc/sys/fs/pipe-*.

use alloc::vec::Vec;

use guest::errno::Errno;
use guest::ipc::ring::MAX_CAPACITY_BYTES;
use guest::proc_text::tunable::{self, Tunable};

use super::super::names::who;
use crate::sync::SpinLock;

const PAGE_BYTES: u64 = guest::PAGE_SIZE_BYTES;

/// Bytes that a pipe of others than the superuser may have.
pub(crate) static MAX_BYTES: Tunable =
    Tunable::new("fs/pipe-max-size", 1 << 20, PAGE_BYTES..=MAX_CAPACITY_BYTES as u64);
/// Pages of all pipes of a user, beyond which new ones are small; 0: no limit.
pub(crate) static SOFT_PAGES: Tunable =
    Tunable::new("fs/pipe-user-pages-soft", 16384, 0..=u64::MAX);
/// The same, beyond which there are no new ones.
pub(crate) static HARD_PAGES: Tunable = Tunable::new("fs/pipe-user-pages-hard", 0, 0..=u64::MAX);

/// Pages that a pipe has for a user who has too many.
const LEAST_PAGES: u64 = 2;

/// Who has pipes, and how many pages in all: few have any at a time.
static USERS: SpinLock<Vec<(u32, u64)>> = SpinLock::new(Vec::new());

/// Pages that count as a user's, until this is dropped.
#[derive(Debug)]
pub(super) struct Share {
    uid: u32,
    pages: u64,
}

/// What the user who asks may have beyond what there is.
enum Excess {
    /// As much as was asked for.
    None,
    /// What is least.
    Soft,
    /// Nothing.
    Hard,
}

impl Share {
    /// For a new pipe of so many pages, or fewer: see [`pages`](Self::pages).
    ///
    /// # Errors
    /// ENFILE, ENOMEM.
    pub(super) fn new(pages: u64) -> Result<Self, Errno> {
        let who = who();
        let mut share = Self { uid: who.uid, pages: 0 };
        let most = if who.is_root() { u64::MAX } else { MAX_BYTES.get() / PAGE_BYTES };
        share.change(pages.min(most))?;
        if let Excess::Soft = share.excess() {
            share.change(LEAST_PAGES)?;
        }
        if let Excess::Hard = share.excess() {
            return Err(Errno::ENFILE);
        }
        Ok(share)
    }

    /// How many.
    pub(super) fn pages(&self) -> u64 {
        self.pages
    }

    /// Makes it another size.
    ///
    /// # Errors
    /// EPERM where a user who is not the superuser wants more than may be; ENOMEM.
    pub(super) fn resize(&mut self, pages: u64) -> Result<(), Errno> {
        let before = self.pages;
        if pages > before && pages * PAGE_BYTES > MAX_BYTES.get() && !who().is_root() {
            return Err(Errno::EPERM);
        }
        self.change(pages)?;
        if pages > before && !matches!(self.excess(), Excess::None) {
            // There was room for that.
            let _ = self.change(before);
            return Err(Errno::EPERM);
        }
        Ok(())
    }

    fn change(&mut self, pages: u64) -> Result<(), Errno> {
        let mut users = USERS.lock();
        let at = match users.iter().position(|(uid, _)| *uid == self.uid) {
            Some(at) => at,
            None => {
                users.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
                users.push((self.uid, 0));
                users.len() - 1
            }
        };
        users[at].1 = users[at].1 - self.pages + pages;
        if users[at].1 == 0 {
            users.swap_remove(at);
        }
        self.pages = pages;
        Ok(())
    }

    fn excess(&self) -> Excess {
        if who().is_root() {
            return Excess::None;
        }
        let users = USERS.lock();
        let all = users.iter().find(|(uid, _)| *uid == self.uid).map_or(0, |(_, all)| *all);
        let is_beyond = |limit: u64| limit > 0 && all > limit;
        match (is_beyond(HARD_PAGES.get()), is_beyond(SOFT_PAGES.get())) {
            (true, _) => Excess::Hard,
            (false, true) => Excess::Soft,
            (false, false) => Excess::None,
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // A user who has some is known.
        let _ = self.change(0);
    }
}

/// Writes the size that a pipe may have: a power of two, at least a page.
///
/// # Errors
/// EINVAL.
pub(crate) fn store_max_bytes(text: &str) -> Result<(), Errno> {
    let bytes = tunable::number(text);
    let bytes = bytes.filter(|bytes| *bytes <= MAX_CAPACITY_BYTES as u64).ok_or(Errno::EINVAL)?;
    MAX_BYTES.set(bytes.next_power_of_two().max(PAGE_BYTES));
    Ok(())
}
