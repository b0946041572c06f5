//! Futexes: sleeping until a word in user memory changes. The queues are hashed by key; a waiter
//! sleeps on a wait queue of its own, so that only those are woken that are meant.

use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::errno::Errno;
use guest::mm::addr::USER_END;
use guest::mm::{Backing, Sharing, Vpn};
use guest::task::futex::{ANY_BITS, Queue, WakeOp, after_death};

use super::Thread;
use crate::arch::uaccess;
use crate::mm::{AddressSpace, Object, user};
use crate::sched;
use crate::sync::{SpinGuard, SpinLock, WaitError, WaitQueue};
use crate::time::Instant;

mod several;

pub(crate) use several::{Word, wait_for_any};

/// Queues that waiters are spread over; a power of two.
const BUCKETS: usize = 32;
/// Bytes of the word.
const WORD_BYTES: u64 = 4;
/// Most robust mutexes that are looked at when a thread dies.
const ROBUST_MAX: usize = 2048;

/// What a futex is known by.
#[derive(Clone, Debug)]
enum Key {
    /// An address of an address space, which is there as long as anyone waits in it.
    Private { space: usize, at: u64 },
    /// A place in an object.
    Shared { object: Object, at: u64 },
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Private { space, at }, Self::Private { space: other, at: place }) => {
                space == other && at == place
            }
            (Self::Shared { object, at }, Self::Shared { object: other, at: place }) => {
                at == place && object == other
            }
            _ => false,
        }
    }
}

impl Key {
    /// That of the word at `at`. One that others may wait for must be there.
    fn of(at: u64, scope: Scope) -> Result<Self, Errno> {
        if !at.is_multiple_of(WORD_BYTES) {
            return Err(Errno::EINVAL);
        }
        if at >= USER_END {
            return Err(Errno::EFAULT);
        }
        if scope == Scope::Shared && uaccess::try_load_u32(at).is_none() {
            user::read::<u32>(at)?;
        }
        let space = sched::current_thread().process.space().ok_or(Errno::EFAULT)?;
        let private = Self::Private { space: Arc::as_ptr(&space) as usize, at };
        if scope == Scope::Private {
            return Ok(private);
        }
        Ok(Self::of_object(&space, at)?.unwrap_or(private))
    }

    /// Where the word is in a shared object, if it is in one. What nobody can ever change is
    /// refused, as by Linux: private memory of no file that is only to be read.
    fn of_object(space: &AddressSpace, at: u64) -> Result<Option<Self>, Errno> {
        let page = Vpn::of(at);
        let space = space.lock();
        let Some(area) = space.vmas().find(page) else { return Ok(None) };
        let Backing::Object { object, first } = &area.backing else {
            return if area.prot.write { Ok(None) } else { Err(Errno::EFAULT) };
        };
        if area.sharing == Sharing::Private {
            return Ok(None);
        }
        let index = first + (page.0 - area.pages.start.0);
        let at = index * PAGE_SIZE_BYTES + at % PAGE_SIZE_BYTES;
        Ok(Some(Self::Shared { object: object.clone(), at }))
    }

    fn bucket(&self) -> usize {
        let (what, at) = match self {
            Self::Private { space, at } => (*space, *at),
            Self::Shared { object, at } => (Arc::as_ptr(&object.0).cast::<()>() as usize, *at),
        };
        let mixed = (what as u64 >> 4).wrapping_add(at >> 2).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (mixed >> 32) as usize % BUCKETS
    }
}

/// Who may wait for a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Threads of one address space.
    Private,
    /// Whoever maps it.
    Shared,
}

/// A thread that waits.
#[derive(Debug)]
struct Waiter {
    queue: WaitQueue,
    /// Where it sleeps instead, for one of several words that a thread waits for.
    common: Option<Arc<WaitQueue>>,
    is_woken: AtomicBool,
    /// Where it is queued; changes when it is requeued, under the lock of both buckets.
    bucket: AtomicUsize,
    /// What it was requeued to last, and whether it was. An object may end with a key, but not under
    /// the lock of a bucket: each is known to its waiter as well, until that goes on.
    moved_to: SpinLock<Option<Key>>,
    is_moved: AtomicBool,
}

impl Waiter {
    fn new(bucket: usize, common: Option<Arc<WaitQueue>>) -> Arc<Self> {
        Arc::new(Self {
            queue: WaitQueue::new(),
            common,
            is_woken: AtomicBool::new(false),
            bucket: AtomicUsize::new(bucket),
            moved_to: SpinLock::new(None),
            is_moved: AtomicBool::new(false),
        })
    }

    fn is_woken(&self) -> bool {
        self.is_woken.load(Ordering::Acquire)
    }

    /// It goes on: the key that it was requeued to may end, with no lock held.
    fn forget_move(&self) {
        if self.is_moved.load(Ordering::Relaxed) {
            let key = self.moved_to.lock().take();
            drop(key);
        }
    }
}

type Bucket = Queue<Key, Arc<Waiter>>;

static WAITERS: [SpinLock<Bucket>; BUCKETS] = [const { SpinLock::new(Bucket::new()) }; BUCKETS];

fn wake_waiter(waiter: &Waiter) {
    waiter.is_woken.store(true, Ordering::Release);
    waiter.common.as_deref().unwrap_or(&waiter.queue).wake_all();
}

/// The word at `at`, with the bucket locked; its page is brought in first if it takes that.
fn load_locked(at: u64, bucket: usize) -> Result<(u32, SpinGuard<'static, Bucket>), Errno> {
    loop {
        let guard = WAITERS[bucket].lock();
        if let Some(word) = uaccess::try_load_u32(at) {
            return Ok((word, guard));
        }
        drop(guard);
        user::read::<u32>(at)?;
    }
}

/// Sleeps while the word at `at` is `expected`, until somebody wakes one of `bits`.
///
/// # Errors
/// EAGAIN where it is something else, ETIMEDOUT, EINTR, EFAULT, EINVAL.
pub(crate) fn wait(
    at: u64,
    scope: Scope,
    expected: u32,
    bits: u32,
    deadline: Option<Instant>,
) -> Result<(), Errno> {
    let key = Key::of(at, scope)?;
    let bucket = key.bucket();
    let (word, mut waiters) = load_locked(at, bucket)?;
    if word != expected {
        return Err(Errno::EAGAIN);
    }
    let waiter = Waiter::new(bucket, None);
    waiters.push(key.clone(), bits, waiter.clone());
    drop(waiters);
    let is_woken = || waiter.is_woken().then_some(());
    let waited = match waiter.queue.wait_interruptible(deadline, is_woken) {
        Ok(()) => Ok(()),
        // Woken after all: it was counted.
        Err(_) if !withdraw(&waiter) => Ok(()),
        Err(WaitError::TimedOut) => Err(Errno::ETIMEDOUT),
        Err(WaitError::Interrupted) => Err(Errno::EINTR),
    };
    waiter.forget_move();
    waited
}

/// Takes a waiter out; false where it was woken before.
fn withdraw(waiter: &Arc<Waiter>) -> bool {
    loop {
        let bucket = waiter.bucket.load(Ordering::Acquire);
        let mut waiters = WAITERS[bucket].lock();
        if waiter.bucket.load(Ordering::Relaxed) == bucket {
            return waiters.remove(|other| Arc::ptr_eq(other, waiter));
        }
    }
}

/// Wakes up to `count` who wait for the word at `at` with any of `bits`; how many.
///
/// # Errors
/// EINVAL, EFAULT.
pub(crate) fn wake(at: u64, scope: Scope, bits: u32, count: usize) -> Result<usize, Errno> {
    let key = Key::of(at, scope)?;
    let mut waiters = WAITERS[key.bucket()].lock();
    Ok(waiters.wake(&key, bits, count, |waiter| wake_waiter(&waiter)))
}

/// For the end of a thread: who joins it waits there.
pub(super) fn wake_one_shared(at: u64) {
    // A word that cannot be waited for has no waiters.
    let _ = wake(at, Scope::Shared, ANY_BITS, 1);
}

/// Two words of a call that concerns both.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pair {
    pub(crate) first: u64,
    pub(crate) second: u64,
    pub(crate) scope: Scope,
}

/// Both buckets locked; one of them if they are the same.
struct Both {
    first: SpinGuard<'static, Bucket>,
    second: Option<SpinGuard<'static, Bucket>>,
}

fn lock_both(first: usize, second: usize) -> Both {
    // The lower one first, so that nobody waits in a circle.
    match first.cmp(&second) {
        core::cmp::Ordering::Equal => Both { first: WAITERS[first].lock(), second: None },
        core::cmp::Ordering::Less => {
            let guard = WAITERS[first].lock();
            Both { first: guard, second: Some(WAITERS[second].lock()) }
        }
        core::cmp::Ordering::Greater => {
            let guard = WAITERS[second].lock();
            Both { first: WAITERS[first].lock(), second: Some(guard) }
        }
    }
}

/// Wakes up to `wake` waiters of the first word and lets up to `requeue` more wait for the second,
/// if the first is `expected`, where that is asked for; (woken, moved).
///
/// # Errors
/// EAGAIN where it is something else, EINVAL, EFAULT.
pub(crate) fn requeue(
    pair: Pair,
    expected: Option<u32>,
    wake: usize,
    requeue: usize,
) -> Result<(usize, usize), Errno> {
    let from = Key::of(pair.first, pair.scope)?;
    let to = Key::of(pair.second, pair.scope)?;
    let (source, target) = (from.bucket(), to.bucket());
    let mut both = loop {
        let both = lock_both(source, target);
        let Some(expected) = expected else { break both };
        match uaccess::try_load_u32(pair.first) {
            Some(word) if word == expected => break both,
            Some(_) => return Err(Errno::EAGAIN),
            None => {}
        }
        drop(both);
        user::read::<u32>(pair.first)?;
    };
    let woken = both.first.wake(&from, ANY_BITS, wake, |waiter| wake_waiter(&waiter));
    let is_moving = |waiter: &Arc<Waiter>| {
        // What it was requeued to before, if it was, is `from`.
        *waiter.moved_to.lock() = Some(to.clone());
        waiter.is_moved.store(true, Ordering::Relaxed);
        waiter.bucket.store(target, Ordering::Release);
    };
    let moved = match &mut both.second {
        None => both.first.change_key(&from, &to, requeue, is_moving),
        Some(second) => both.first.move_to(second, &from, &to, requeue, is_moving),
    };
    Ok((woken, moved))
}

/// Changes the second word, wakes up to `wake` waiters of the first, and, if the second was as
/// `operation` says, up to `wake_second` of the second.
///
/// # Errors
/// EINVAL, EFAULT.
pub(crate) fn wake_op(
    pair: Pair,
    operation: WakeOp,
    wake: usize,
    wake_second: usize,
) -> Result<usize, Errno> {
    let first = Key::of(pair.first, pair.scope)?;
    let second = Key::of(pair.second, pair.scope)?;
    let mut old = user::read::<u32>(pair.second)?;
    // A waiter looks at its word with its bucket locked, and wakers come after the change: it sees
    // the change, or is in the queue.
    loop {
        let new = operation.apply(old);
        let found = uaccess::compare_exchange_u32(pair.second, old, new);
        match found.map_err(|_| Errno::EFAULT)? {
            found if found == old => break,
            found => old = found,
        }
    }
    let mut both = lock_both(first.bucket(), second.bucket());
    let mut woken = both.first.wake(&first, ANY_BITS, wake, |waiter| wake_waiter(&waiter));
    if operation.holds(old) {
        let bucket = both.second.as_deref_mut().unwrap_or(&mut both.first);
        woken += bucket.wake(&second, ANY_BITS, wake_second, |waiter| wake_waiter(&waiter));
    }
    Ok(woken)
}

/// A thread dies, or executes a program: mutexes of its robust list are marked, and one waiter each
/// woken (`set_robust_list(2)`). The list is the program's, and may be anything.
pub(super) fn release_robust(thread: &Thread) {
    let head = thread.robust_list.swap(0, Ordering::Relaxed);
    if head == 0 {
        return;
    }
    let Ok([first, offset, pending]) = user::read::<[u64; 3]>(head) else { return };
    let mut entry = first;
    for _ in 0..ROBUST_MAX {
        // Bit 0 marks mutexes that inherit priorities, which there are not here.
        let at = entry & !1;
        if at == head {
            break;
        }
        let Ok(next) = user::read::<u64>(at) else { return };
        if at != pending & !1 && release_one(at.wrapping_add(offset), thread.tid).is_err() {
            return;
        }
        entry = next;
    }
    if pending != 0 {
        // The thread died while it took or let go of this one.
        let _ = release_one((pending & !1).wrapping_add(offset), thread.tid);
    }
}

fn release_one(at: u64, tid: u32) -> Result<(), Errno> {
    let mut word = user::read::<u32>(at)?;
    if !at.is_multiple_of(WORD_BYTES) {
        return Err(Errno::EINVAL);
    }
    while let Some(new) = after_death(word, tid) {
        let found = uaccess::compare_exchange_u32(at, word, new);
        match found.map_err(|_| Errno::EFAULT)? {
            found if found == word => {
                wake(at, Scope::Shared, ANY_BITS, 1)?;
                return Ok(());
            }
            found => word = found,
        }
    }
    Ok(())
}
