//! [`WaitQueue`]: tasks that wait for something to change. A waiter is a node on its own stack, so
//! waiting needs no memory.
//!
//! In which order waiting and waking is done is `guest::sync`'s; what is done is here. A waiter is
//! woken with the queue locked, and locks it before it goes, so nodes outlive their use.

use alloc::vec::Vec;
use core::cell::UnsafeCell;
use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

use guest::sync::{self, Queue, WaitError, Waiters, Waiting};

use super::SpinLock;
use crate::arch::hart;
use crate::sched::{self, Alive, Sleep};
use crate::time::{self, Instant, Timer};

/// A task that waits in one queue.
struct Node {
    task: Alive,
    links: UnsafeCell<Links>,
    /// Changes with the queue locked; who is woken may look without.
    is_queued: AtomicBool,
}

/// Guarded by the lock of the queue.
struct Links {
    next: *const Node,
    previous: *const Node,
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
            *(*node).links.get() = Links { next: ptr::null(), previous: self.tail };
            (*node).is_queued.store(true, Ordering::Relaxed);
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
            if !(*node).is_queued.load(Ordering::Relaxed) {
                return false;
            }
            (*node).is_queued.store(false, Ordering::Relaxed);
            let links = &mut *(*node).links.get();
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

    /// Sleeps until `attempt` yields something. Signals do not end it.
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
        sync::wake(self, count)
    }

    /// Wakes all.
    #[inline(always)]
    pub(crate) fn wake_all(&self) {
        self.wake(usize::MAX);
    }
}

impl Waiters for WaitQueue {
    #[inline(always)]
    fn count(&self) -> usize {
        // What was changed comes before the look at the waiters; they count themselves before they
        // look at what was changed.
        fence(Ordering::SeqCst);
        self.waiters.load(Ordering::Relaxed)
    }

    fn wake_first(&self) -> bool {
        self.wake_choosing(|_| {})
    }
}

impl Queue for WaitQueue {
    type Deadline = Instant;
    type Task = Alive;

    fn new() -> Self {
        Self::new()
    }

    #[inline]
    fn wait<R>(&self, attempt: impl FnMut() -> Option<R>) -> R {
        self.wait(attempt)
    }

    #[inline]
    fn wait_interruptible<R>(
        &self,
        deadline: Option<Instant>,
        attempt: impl FnMut() -> Option<R>,
    ) -> Result<R, WaitError> {
        self.wait_interruptible(deadline, attempt)
    }

    #[inline(always)]
    fn wake(&self, count: usize) -> usize {
        self.wake(count)
    }

    /// Its task stays alive as long as the queue is locked.
    fn wake_choosing(&self, choose: impl FnOnce(Alive)) -> bool {
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
        links: UnsafeCell::new(Links { next: ptr::null(), previous: ptr::null() }),
        is_queued: AtomicBool::new(false),
    };
    let (few, many);
    let nodes: &[Node] = if queues.len() <= FEW {
        few = [node(), node(), node(), node()];
        &few[..queues.len()]
    } else {
        many = queues.iter().map(|_| node()).collect::<Vec<Node>>();
        &many
    };
    let mut wait = Wait { task, queues, nodes, sleep, deadline, timer: None };
    sync::wait(&mut wait, attempt)
}

/// A wait that has begun: a node for each queue.
struct Wait<'a> {
    task: Alive,
    queues: &'a [&'a WaitQueue],
    nodes: &'a [Node],
    sleep: Sleep,
    deadline: Option<Instant>,
    timer: Option<Timer>,
}

impl Waiting for Wait<'_> {
    #[inline(always)]
    fn enlist(&mut self) {
        for queue in self.queues {
            queue.waiters.fetch_add(1, Ordering::SeqCst);
        }
    }

    #[inline(always)]
    fn announce(&mut self) {
        sched::announce(self.sleep);
    }

    #[inline(always)]
    fn queue_up(&mut self) {
        for (queue, node) in self.queues.iter().zip(self.nodes) {
            let mut list = queue.list.lock();
            if !node.is_queued.load(Ordering::Relaxed) {
                // SAFETY: it is in no list, and stays until `leave`.
                unsafe { list.push(node) };
            }
        }
        fence(Ordering::SeqCst);
    }

    #[inline(always)]
    fn is_woken(&self) -> bool {
        self.nodes.iter().any(|node| !node.is_queued.load(Ordering::Relaxed))
    }

    #[inline(always)]
    fn must_end(&mut self) -> Option<WaitError> {
        if self.sleep == Sleep::Interruptible && sched::interrupted() {
            return Some(WaitError::Interrupted);
        }
        let deadline = self.deadline?;
        if time::now() >= deadline {
            return Some(WaitError::TimedOut);
        }
        let task = self.task;
        self.timer.get_or_insert_with(|| sched::wake_at(task, deadline));
        None
    }

    #[inline(always)]
    fn block(&mut self) {
        sched::block();
    }

    #[inline(always)]
    fn leave(&mut self) -> bool {
        sched::withdraw();
        self.timer = None;
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

    #[inline(always)]
    fn hand_on(&mut self) {
        self.queues.iter().for_each(|queue| {
            queue.wake(1);
        });
    }
}
