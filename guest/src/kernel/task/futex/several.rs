//! `futex_waitv`: waiting for several words at once. Each has a waiter of its own in its bucket; all
//! of them wake the thread where it sleeps.

use alloc::sync::Arc;
use alloc::vec::Vec;

use guest::errno::Errno;
use guest::task::futex::ANY_BITS;

use super::{Key, Scope, Waiter, load_locked, withdraw};
use crate::sync::{WaitError, WaitQueue};
use crate::time::Instant;

/// A word, and what it is expected to be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Word {
    pub(crate) at: u64,
    pub(crate) scope: Scope,
    pub(crate) expected: u32,
}

/// Sleeps while all words are what they are expected to be, until somebody wakes one who waits for
/// any of them: the number of that one, the last where there are several.
///
/// # Errors
/// EAGAIN where one is something else, ETIMEDOUT, EINTR, EFAULT, EINVAL, ENOMEM.
pub(crate) fn wait_for_any(words: &[Word], deadline: Option<Instant>) -> Result<usize, Errno> {
    let mut keys = Vec::new();
    let mut waiters = Vec::new();
    keys.try_reserve_exact(words.len()).map_err(|_| Errno::ENOMEM)?;
    waiters.try_reserve_exact(words.len()).map_err(|_| Errno::ENOMEM)?;
    for word in words {
        keys.push(Key::of(word.at, word.scope)?);
    }
    let common = Arc::new(WaitQueue::new());
    let mut outcome = Ok(());
    for (word, key) in words.iter().zip(&keys) {
        outcome = begin(word, key, &common, &mut waiters);
        if outcome.is_err() {
            break;
        }
    }
    if outcome.is_ok() {
        let is_woken = || waiters.iter().any(|waiter| waiter.is_woken()).then_some(());
        let waited = common.wait_interruptible(deadline, is_woken);
        outcome = waited.map_err(|error| match error {
            WaitError::TimedOut => Errno::ETIMEDOUT,
            WaitError::Interrupted => Errno::EINTR,
        });
    }
    // Whoever was woken was counted, whatever else has come to pass.
    let mut woken = None;
    for (number, waiter) in waiters.iter().enumerate() {
        if !withdraw(waiter) {
            woken = Some(number);
        }
        waiter.forget_move();
    }
    match (woken, outcome) {
        (Some(number), _) => Ok(number),
        (None, Err(errno)) => Err(errno),
        (None, Ok(())) => unreachable!("a thread goes on for a reason"),
    }
}

/// Queues a waiter for a word, if that is as it is expected to be.
fn begin(
    word: &Word,
    key: &Key,
    common: &Arc<WaitQueue>,
    waiters: &mut Vec<Arc<Waiter>>,
) -> Result<(), Errno> {
    let bucket = key.bucket();
    let waiter = Waiter::new(bucket, Some(common.clone()));
    let (now, mut queue) = load_locked(word.at, bucket)?;
    if now != word.expected {
        return Err(Errno::EAGAIN);
    }
    queue.push(key.clone(), ANY_BITS, waiter.clone());
    drop(queue);
    waiters.push(waiter);
    Ok(())
}
