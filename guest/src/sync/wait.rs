//! [`wait`] and [`wake`]: the order in which a task that waits and one that wakes do what they do,
//! so that no wake-up is lost.
//!
//! A task that waits announces its sleep, then queues up, then looks whether it has to wait at all,
//! then sleeps. Who changes something wakes afterwards: it finds either nobody in the queue, and
//! then the waiter looks after the change, or the waiter, whose announcement it takes back.
//!
//! A wake-up may reach one that does not need it: it has found what it wants without, or gives up.
//! That one hands it on, because others may wait behind it.

/// Why a wait ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitError {
    /// A signal is to be handled.
    Interrupted,
    /// The deadline has come.
    TimedOut,
}

/// A task that waits, in one queue or in several.
pub trait Waiting {
    /// Counts itself as somebody who may wait, in each queue: wakers look for it from now on.
    fn enlist(&mut self);

    /// Is about to sleep: who wakes it from now on keeps it awake.
    fn announce(&mut self);

    /// Queues up wherever it is not queued.
    fn queue_up(&mut self);

    /// Whether a queue has let it go since: it was woken.
    fn is_woken(&self) -> bool;

    /// Why it does not sleep (any longer); if that is for a deadline to come, it is woken then.
    fn must_end(&mut self) -> Option<WaitError>;

    /// Sleeps, unless it was woken since it announced that.
    fn block(&mut self);

    /// Does not wait any longer, in any queue; whether one had let it go.
    fn leave(&mut self) -> bool;

    /// Wakes the next one of each queue.
    fn hand_on(&mut self);
}

/// Sleeps until `attempt` yields something, a signal comes or the deadline. The caller has
/// attempted it in vain once.
///
/// # Errors
/// What has ended it.
#[inline(always)]
pub fn wait<R>(
    waiting: &mut impl Waiting,
    mut attempt: impl FnMut() -> Option<R>,
) -> Result<R, WaitError> {
    waiting.enlist();
    let (result, has_used) = loop {
        waiting.announce();
        waiting.queue_up();
        if let Some(result) = attempt() {
            break (Ok(result), false);
        }
        if let Some(error) = waiting.must_end() {
            break (Err(error), false);
        }
        waiting.block();
        // Mostly it is there now, and there is no need to queue up for it once more.
        let is_woken = waiting.is_woken();
        if let Some(result) = attempt() {
            break (Ok(result), is_woken);
        }
    };
    let woken = waiting.leave();
    if woken && !has_used {
        waiting.hand_on();
    }
    result
}

/// Those who wait in a queue.
pub trait Waiters {
    /// How many have enlisted, as seen after whatever the caller has changed.
    fn count(&self) -> usize;

    /// Wakes the first one; false where nobody is queued.
    fn wake_first(&self) -> bool;
}

/// Wakes up to `count`, first come first; how many.
#[inline(always)]
pub fn wake(queue: &impl Waiters, count: usize) -> usize {
    let waiters = queue.count();
    if waiters == 0 { 0 } else { wake_some(queue, count.min(waiters)) }
}

/// `count` is no more than there are: one that has looked in vain, and queued up once more, must
/// not keep this going for ever.
#[inline(never)]
fn wake_some(queue: &impl Waiters, count: usize) -> usize {
    let mut woken = 0;
    while woken < count && queue.wake_first() {
        woken += 1;
    }
    woken
}
