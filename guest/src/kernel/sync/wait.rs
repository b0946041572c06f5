//! [`WaitQueue`]: tasks that wait for something to change. A waiter is a node on its own stack, so
//! waiting needs no memory.
//!
//! A task that waits announces its sleep, then queues up, then looks whether it has to wait at all,
//! then sleeps. Who changes something wakes afterwards: it finds either nobody in the queue, and
//! then the waiter looks after the change, or the waiter, whose announcement it takes back. A
//! waiter is woken with the queue locked, and locks it before it goes, so nodes outlive their use.

use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering, fence};

use super::SpinLock;
use crate::arch::hart;
use crate::sched::{self, Alive, Sleep};
use crate::time::{self, Instant, Timer};

/// Why a wait ended without what it waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitError {
    /// A signal is to be handled.
    Interrupted,
    /// The deadline has come.
    TimedOut,
}

/// A task that waits in one queue.
struct Node {
    task: Alive,
    links: UnsafeCell<Links>,
}

/// Guarded by the lock of the queue.
struct Links {
    next: *const Node,
    previous: *const Node,
    queued: bool,
}

/// Nodes, first come first.
struct List {
    head: *const Node,
    tail: *const Node,
}

// SAFETY: the nodes in it are there until they are taken out, and touched under the lock alone.
unsafe impl Send for List {}

impl List {
    /// # Safety
    /// The node stays where it is until it is removed, and is in no list.
    unsafe fn push(&mut self, node: *const Node) {
        // SAFETY: by the contract, and because this list is locked.
        unsafe {
            *(*node).links.get() = Links { next: ptr::null(), previous: self.tail, queued: true };
            match self.tail.as_ref() {
                Some(tail) => (*tail.links.get()).next = node,
                None => self.head = node,
            }
        }
        self.tail = node;
    }

    /// Takes a node out; false where it is out already.
    ///
    /// # Safety
    /// The node is alive, and this is the list it was pushed to.
    unsafe fn remove(&mut self, node: *const Node) -> bool {
        // SAFETY: by the contract; its neighbours are in the list, so they are alive as well.
        unsafe {
            let links = &mut *(*node).links.get();
            if !links.queued {
                return false;
            }
            links.queued = false;
            match links.previous.as_ref() {
                Some(previous) => (*previous.links.get()).next = links.next,
                None => self.head = links.next,
            }
            match links.next.as_ref() {
                Some(next) => (*next.links.get()).previous = links.previous,
                None => self.tail = links.previous,
            }
        }
        true
    }

    /// Takes the first one out; its task stays alive while the list is locked.
    fn pop(&mut self) -> Option<Alive> {
        // SAFETY: what is in the list is alive.
        unsafe {
            let task = self.head.as_ref()?.task;
            self.remove(self.head);
            Some(task)
        }
    }
}

/// Tasks that wait for something to change.
pub(crate) struct WaitQueue {
    list: SpinLock<List>,
    /// How many are in the list, or about to be.
    waiters: AtomicUsize,
}

impl fmt::Debug for WaitQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitQueue").field("waiters", &self.waiters).finish_non_exhaustive()
    }
}

impl WaitQueue {
    /// Nobody waits.
    pub(crate) const fn new() -> Self {
        let list = List { head: ptr::null(), tail: ptr::null() };
        Self { list: SpinLock::new(list), waiters: AtomicUsize::new(0) }
    }

    /// Sleeps until `attempt` yields something; registers before every attempt, so that a wake-up
    /// between the attempt and the sleep is not lost. Signals do not end it.
    pub(crate) fn wait<R>(&self, attempt: impl FnMut() -> Option<R>) -> R {
        match wait_at(&[self], Sleep::Uninterruptible, None, attempt) {
            Ok(result) => result,
            Err(_) => unreachable!("nothing else ends this wait"),
        }
    }

    /// The same, ended by a signal or at the deadline.
    pub(crate) fn wait_interruptible<R>(
        &self,
        deadline: Option<Instant>,
        attempt: impl FnMut() -> Option<R>,
    ) -> Result<R, WaitError> {
        wait_at(&[self], Sleep::Interruptible, deadline, attempt)
    }

    /// Wakes up to `count` waiters, first come first; how many.
    #[inline(always)]
    pub(crate) fn wake(&self, count: usize) -> usize {
        // What was changed comes before the look at the waiters; they count themselves before they
        // look at what was changed.
        fence(Ordering::SeqCst);
        let waiters = self.waiters.load(Ordering::Relaxed);
        if waiters == 0 { 0 } else { self.wake_some(count.min(waiters)) }
    }

    /// Wakes all.
    #[inline(always)]
    pub(crate) fn wake_all(&self) {
        self.wake(usize::MAX);
    }

    /// `count` is no more than there are: one that has looked in vain, and queued up once more,
    /// must not keep this going for ever.
    #[inline(never)]
    fn wake_some(&self, count: usize) -> usize {
        let mut woken = 0;
        while woken < count && self.wake_first(|_| {}) {
            woken += 1;
        }
        woken
    }

    /// Wakes the first one, after `choose` was told who it is; false where nobody waits.
    pub(super) fn wake_first(&self, choose: impl FnOnce(Alive)) -> bool {
        let mut list = self.list.lock();
        match list.pop() {
            Some(task) => {
                choose(task);
                sched::wake(task);
                true
            }
            None => false,
        }
    }
}

/// As [`WaitQueue::wait_interruptible`], on several queues at once: poll.
pub(crate) fn wait_on_any<R>(
    queues: &[&WaitQueue],
    deadline: Option<Instant>,
    attempt: impl FnMut() -> Option<R>,
) -> Result<R, WaitError> {
    wait_at(queues, Sleep::Interruptible, deadline, attempt)
}

/// Nodes that need no memory but the stack.
const FEW: usize = 4;

fn wait_at<R>(
    queues: &[&WaitQueue],
    sleep: Sleep,
    deadline: Option<Instant>,
    mut attempt: impl FnMut() -> Option<R>,
) -> Result<R, WaitError> {
    if let Some(result) = attempt() {
        return Ok(result);
    }
    assert!(hart::may_sleep(), "a task waits with a spin lock held");
    let task = sched::this();
    let node = || Node {
        task,
        links: UnsafeCell::new(Links { next: ptr::null(), previous: ptr::null(), queued: false }),
    };
    let (few, many);
    let nodes: &[Node] = if queues.len() <= FEW {
        few = [node(), node(), node(), node()];
        &few[..queues.len()]
    } else {
        many = queues.iter().map(|_| node()).collect::<Vec<Node>>();
        &many
    };
    let wait = Wait { queues, nodes };
    for queue in queues {
        queue.waiters.fetch_add(1, Ordering::SeqCst);
    }
    let mut timer: Option<Timer> = None;
    let result = loop {
        sched::announce(sleep);
        wait.queue_up();
        fence(Ordering::SeqCst);
        if let Some(result) = attempt() {
            break Ok(result);
        }
        if sleep == Sleep::Interruptible && sched::interrupted() {
            break Err(WaitError::Interrupted);
        }
        if let Some(deadline) = deadline {
            if time::now() >= deadline {
                break Err(WaitError::TimedOut);
            }
            timer.get_or_insert_with(|| sched::wake_at(task, deadline));
        }
        sched::block();
        // Mostly it is there now, and there is no need to queue up for it once more.
        if let Some(result) = attempt() {
            break Ok(result);
        }
    };
    sched::withdraw();
    drop(timer);
    let woken = wait.leave();
    if result.is_err() && woken {
        // The wake-up was for somebody who can use it.
        queues.iter().for_each(|queue| {
            queue.wake(1);
        });
    }
    result
}

/// A wait that has begun: a node for each queue.
struct Wait<'a> {
    queues: &'a [&'a WaitQueue],
    nodes: &'a [Node],
}

impl Wait<'_> {
    /// Puts the nodes into their queues that are not in them.
    fn queue_up(&self) {
        for (queue, node) in self.queues.iter().zip(self.nodes) {
            let mut list = queue.list.lock();
            // SAFETY: the queue is locked; the node stays until `leave`.
            unsafe {
                if !(*node.links.get()).queued {
                    list.push(node);
                }
            }
        }
    }

    /// Takes them out; whether one was out already, because it was woken.
    fn leave(&self) -> bool {
        let mut woken = false;
        for (queue, node) in self.queues.iter().zip(self.nodes) {
            let mut list = queue.list.lock();
            // SAFETY: the node was pushed to this list, and nowhere else.
            woken |= !unsafe { list.remove(node) };
            drop(list);
            queue.waiters.fetch_sub(1, Ordering::Relaxed);
        }
        woken
    }
}
