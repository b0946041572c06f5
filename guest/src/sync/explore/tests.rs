//! The explorer itself: it finds what is wrong, says how to come there again, and takes the steps of
//! [`wait`](sync::wait) in every order.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::super::{self as sync, Lock as _, Queue as _, Waiting as _};
use super::system::{Hears, Wait};
use super::*;

/// A number, and those who wait for it to change.
struct Cell {
    value: Lock<u32>,
    queue: Queue,
}

impl Cell {
    fn new() -> Arc<Self> {
        Arc::new(Self { value: Lock::new(0), queue: Queue::new() })
    }

    /// Takes one away, if it is there.
    fn take(&self) -> Option<()> {
        let mut value = self.value.lock();
        let less = value.checked_sub(1)?;
        *value = less;
        Some(())
    }

    fn put(&self) {
        *self.value.lock() += 1;
        self.queue.wake(1);
    }

    /// As it must not be done: what comes after the look and before the queue is not seen.
    fn look_then_queue_up(&self) {
        let mut wait = Wait::new(&[&self.queue], Hears::Nothing, None);
        wait.enlist();
        while self.take().is_none() {
            wait.announce();
            wait.queue_up();
            wait.block();
        }
        wait.leave();
    }

    /// As it must not be done: whoever has found what it wants keeps the wake-up of another one.
    fn keep_wake_ups(&self) {
        if self.take().is_some() {
            return;
        }
        let mut wait = Wait::new(&[&self.queue], Hears::Nothing, None);
        wait.enlist();
        loop {
            wait.announce();
            wait.queue_up();
            if self.take().is_some() {
                break;
            }
            wait.block();
        }
        wait.leave();
    }
}

/// So many who put one, and so many who take one in this way.
fn putting_and_taking(takers: usize, take: fn(&Cell)) -> Play {
    let cell = Cell::new();
    let mut play = Play::new();
    for _ in 0..takers {
        let (putter, taker) = (cell.clone(), cell.clone());
        play = play.task(move || take(&taker)).task(move || putter.put());
    }
    play
}

fn wait(cell: &Cell) {
    cell.queue.wait(|| cell.take());
}

#[test]
fn no_wake_up_is_lost() {
    let runs = all(2, usize::MAX, || putting_and_taking(1, wait)).expect("nothing is lost");
    assert!(runs > 30, "{runs}");
    all(2, 1500, || putting_and_taking(2, wait)).expect("nothing is lost");
    seeds(500, || putting_and_taking(3, wait)).expect("nothing is lost");
}

#[test]
fn what_is_wrong_is_found_and_found_again() {
    for (takers, take) in [(1, Cell::look_then_queue_up as fn(&Cell)), (2, Cell::keep_wake_ups)] {
        let found = [
            all(2, usize::MAX, || putting_and_taking(takers, take)).map(|_| ()),
            seeds(20_000, || putting_and_taking(takers, take)),
        ];
        for failure in found.map(|found| found.expect_err("a wake-up is lost")) {
            for _ in 0..3 {
                let again = run(failure.schedule.clone(), putting_and_taking(takers, take));
                assert_eq!(again.map(|_| ()), Err(failure.clone()));
            }
            assert!(failure.what.contains("was not woken"), "{failure:?}");
        }
    }
}

#[test]
fn a_seed_is_a_run() {
    let choices = |seed| run(Schedule::Seed(seed), putting_and_taking(3, wait)).expect("all end");
    for seed in 0..20 {
        assert_eq!(choices(seed), choices(seed));
    }
    assert_ne!(choices(1), choices(2));
}

/// Two tasks of two steps can follow each other in six orders.
#[test]
fn all_orders_are_tried() {
    let (seen, wanted) = (Arc::new(std::sync::Mutex::new(Vec::new())), 6);
    let runs = all(usize::MAX, usize::MAX, || {
        let trace = Arc::new(std::sync::Mutex::new(Vec::new()));
        let mut play = Play::new();
        for task in 0..2 {
            let trace = trace.clone();
            play = play.task(move || {
                trace.lock().unwrap().push(task);
                pause();
                trace.lock().unwrap().push(task);
            });
        }
        let seen = seen.clone();
        play.judged(move |_| {
            seen.lock().unwrap().push(trace.lock().unwrap().clone());
            Ok(())
        })
    });
    let mut seen = seen.lock().unwrap().clone();
    assert_eq!(runs, Ok(seen.len()));
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), wanted, "{seen:?}");
}

#[test]
fn deadlines_and_signals_end_waits() {
    let (late, interrupted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let play = || {
        let (late, interrupted) = (late.clone(), interrupted.clone());
        let (first, second) = (Cell::new(), Cell::new());
        Play::new()
            .task(move || {
                let waited = first.queue.wait_interruptible(Some(Eventually), || first.take());
                assert_eq!(waited, Err(sync::WaitError::TimedOut));
                late.fetch_add(1, Ordering::Relaxed);
            })
            .task(move || {
                let waited = second.queue.wait_interruptible(None, || second.take());
                assert_eq!(waited, Err(sync::WaitError::Interrupted));
                interrupted.fetch_add(1, Ordering::Relaxed);
            })
            .task(|| interrupt(1))
    };
    let runs = all(1, usize::MAX, play).expect("both waits end");
    assert_eq!((late.load(Ordering::Relaxed), interrupted.load(Ordering::Relaxed)), (runs, runs));
}

#[test]
fn those_who_block_each_other_are_found() {
    let play = || {
        let locks = Arc::new([Lock::new(0), Lock::new(0)]);
        let other = locks.clone();
        Play::new()
            .task(move || {
                let _first = locks[0].lock();
                *locks[1].lock() += 1;
            })
            .task(move || {
                let _first = other[1].lock();
                *other[0].lock() += 1;
            })
    };
    let failure = all(1, usize::MAX, play).expect_err("they block each other");
    assert!(failure.what.contains("never let go of"), "{failure:?}");
    // A task that fails is a run that fails.
    let failure = run(Schedule::Seed(1), Play::new().task(|| panic!("as it should")));
    assert_eq!(failure.unwrap_err().what, "task 0: as it should");
}
