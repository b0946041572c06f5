//! [`Explored`]: locks and queues of which every operation is a step.

use std::collections::VecDeque;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::super::{self as sync, System, WaitError, Waiters, Waiting};
use super::world;

/// The system of a run.
#[derive(Debug)]
pub(crate) enum Explored {}

impl System for Explored {
    type Lock<T: Send> = Lock<T>;
    type Queue = Queue;
    type Deadline = Eventually;
    type Word = Word;
    type Task = usize;

    fn this() -> usize {
        world::me()
    }
}

/// A number of which every change is a step.
#[derive(Debug, Default)]
pub(crate) struct Word(AtomicU32);

impl sync::Word for Word {
    fn compare_exchange(&self, old: u32, new: u32, success: Ordering) -> Result<u32, u32> {
        world::step();
        self.0.compare_exchange(old, new, success, Ordering::Relaxed)
    }

    fn swap(&self, new: u32, order: Ordering) -> u32 {
        world::step();
        self.0.swap(new, order)
    }

    fn store(&self, new: u32, order: Ordering) {
        world::step();
        self.0.store(new, order);
    }
}

/// A deadline that comes at some time while the task sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Eventually;

/// A signal comes to a task, which has the number of its place in the play.
pub(crate) fn interrupt(task: usize) {
    world::step();
    world::interrupt(task);
}

/// Others may do something.
pub(crate) fn pause() {
    world::step();
}

/// A lock that lets others go on while it is held.
#[derive(Debug)]
pub(crate) struct Lock<T> {
    is_held: AtomicBool,
    value: Mutex<T>,
}

impl<T> Lock<T> {
    fn number(&self) -> usize {
        (&raw const self.is_held).addr()
    }
}

impl<T> sync::Lock<T> for Lock<T> {
    type Guard<'a>
        = Guard<'a, T>
    where
        Self: 'a;

    fn new(value: T) -> Self {
        Self { is_held: AtomicBool::new(false), value: Mutex::new(value) }
    }

    fn lock(&self) -> Guard<'_, T> {
        world::step();
        while self.is_held.swap(true, Ordering::SeqCst) && !thread::panicking() {
            world::wait_for_lock(self.number());
        }
        let value = self.value.lock().unwrap_or_else(PoisonError::into_inner);
        Guard { lock: self, value: Some(value) }
    }
}

/// Held.
#[derive(Debug)]
pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
    value: Option<MutexGuard<'a, T>>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("held until it is dropped")
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("held until it is dropped")
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        self.value = None;
        self.lock.is_held.store(false, Ordering::SeqCst);
        world::unlocked(self.lock.number());
    }
}

/// A task in a queue.
#[derive(Debug)]
struct Node {
    task: usize,
    is_queued: AtomicBool,
}

/// Tasks that wait, first come first.
#[derive(Debug)]
pub(crate) struct Queue {
    list: Lock<VecDeque<Arc<Node>>>,
    waiters: AtomicUsize,
}

impl Waiters for Queue {
    fn count(&self) -> usize {
        world::step();
        self.waiters.load(Ordering::SeqCst)
    }

    fn wake_first(&self) -> bool {
        sync::Queue::wake_choosing(self, |_| {})
    }
}

impl sync::Queue for Queue {
    type Deadline = Eventually;
    type Task = usize;

    fn new() -> Self {
        let list = <Lock<_> as sync::Lock<_>>::new(VecDeque::new());
        Self { list, waiters: AtomicUsize::new(0) }
    }

    fn wait<R>(&self, mut attempt: impl FnMut() -> Option<R>) -> R {
        if let Some(result) = attempt() {
            return result;
        }
        let mut wait = Wait::new(&[self], Hears::Nothing, None);
        sync::wait(&mut wait, attempt).expect("nothing else ends this wait")
    }

    fn wait_interruptible<R>(
        &self,
        deadline: Option<Eventually>,
        mut attempt: impl FnMut() -> Option<R>,
    ) -> Result<R, WaitError> {
        if let Some(result) = attempt() {
            return Ok(result);
        }
        sync::wait(&mut Wait::new(&[self], Hears::Signals, deadline), attempt)
    }

    fn wake(&self, count: usize) -> usize {
        sync::wake(self, count)
    }

    fn wake_choosing(&self, choose: impl FnOnce(usize)) -> bool {
        let mut list = sync::Lock::lock(&self.list);
        let Some(first) = list.pop_front() else { return false };
        first.is_queued.store(false, Ordering::SeqCst);
        choose(first.task);
        world::wake(first.task);
        true
    }
}

/// What ends a sleep besides what it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    Nothing,
    Signals,
}

/// A wait that has begun.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    queues: Vec<(&'a Queue, Arc<Node>)>,
    hears: Hears,
    deadline: Option<Eventually>,
}

impl<'a> Wait<'a> {
    pub(super) fn new(queues: &[&'a Queue], hears: Hears, deadline: Option<Eventually>) -> Self {
        let node = || Arc::new(Node { task: world::me(), is_queued: AtomicBool::new(false) });
        Self { queues: queues.iter().map(|queue| (*queue, node())).collect(), hears, deadline }
    }
}

impl Waiting for Wait<'_> {
    fn enlist(&mut self) {
        for (queue, _) in &self.queues {
            world::step();
            queue.waiters.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn announce(&mut self) {
        world::step();
        world::announce();
    }

    fn queue_up(&mut self) {
        for (queue, node) in &self.queues {
            let mut list = sync::Lock::lock(&queue.list);
            if !node.is_queued.swap(true, Ordering::SeqCst) {
                list.push_back(node.clone());
            }
        }
    }

    fn is_woken(&self) -> bool {
        world::step();
        self.queues.iter().any(|(_, node)| !node.is_queued.load(Ordering::SeqCst))
    }

    fn must_end(&mut self) -> Option<WaitError> {
        world::step();
        world::must_end(self.hears == Hears::Signals, self.deadline.is_some())
    }

    fn block(&mut self) {
        world::block();
    }

    fn leave(&mut self) -> bool {
        world::withdraw();
        let mut woken = false;
        for (queue, node) in &self.queues {
            let mut list = sync::Lock::lock(&queue.list);
            woken |= !node.is_queued.swap(false, Ordering::SeqCst);
            list.retain(|other| !Arc::ptr_eq(other, node));
            drop(list);
            queue.waiters.fetch_sub(1, Ordering::SeqCst);
        }
        woken
    }

    fn hand_on(&mut self) {
        for (queue, _) in &self.queues {
            sync::wake(*queue, 1);
        }
    }
}
