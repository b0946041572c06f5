//! Threads of one process: they share memory and faults, and wait for each other by futex.

use guest_user::errno::Errno;
use guest_user::status::Status;
use guest_user::sys::process;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{
    PAGE, add, call, dies_of, futex_wait, futex_wake, load, load_word, map, outcome, protect,
    spawn, store, unmap, wait_for,
};

pub(crate) const CASES: &[Case] = &[
    ("threads-count", count),
    ("threads-same-fault", same_fault),
    ("threads-futex", futex),
    ("threads-futex-errors", futex_errors),
    ("threads-unmap", unmapping),
    ("threads-protect", protecting),
    ("threads-fork", forking),
    ("threads-exit-group", exit_group),
    ("threads-fault-kills-all", fault_kills_all),
];

const THREADS: usize = 4;

/// Four threads add to one word.
fn count() {
    extern "C" fn work(word: usize) {
        (0..5000).for_each(|_| {
            add(word, 1);
        });
    }
    let word = map(PAGE);
    let threads = [(); THREADS].map(|()| spawn(work, word));
    threads.into_iter().for_each(crate::world::Thread::join);
    assert_eq!(load(word), 5000 * THREADS as u64);
}

/// Four threads touch the same fresh pages at the same time: each page gets one frame, and no
/// write is lost.
fn same_fault() {
    const PAGES: usize = 128;
    extern "C" fn work(area: usize) {
        (0..PAGES).for_each(|page| {
            add(area + page * PAGE, 1);
        });
    }
    for _ in 0..8 {
        let area = map(PAGES * PAGE);
        [(); THREADS].map(|()| spawn(work, area)).into_iter().for_each(crate::world::Thread::join);
        for page in 0..PAGES {
            assert_eq!(load(area + page * PAGE), THREADS as u64, "page {page}");
        }
        unmap(area, PAGES * PAGE);
    }
}

/// Two threads hand a word to each other, a thousand times.
fn futex() {
    const TURNS: u32 = 1000;
    extern "C" fn answer(word: usize) {
        for turn in 0..TURNS {
            take(word, 2 * turn + 1);
        }
    }
    /// Waits until the word is `value`, makes it one more and wakes the other.
    fn take(word: usize, value: u32) {
        while load_word(word) != value {
            let now = load_word(word);
            if now != value {
                let _ = futex_wait(word, now);
            }
        }
        add(word, 1);
        futex_wake(word, 1);
    }
    let word = map(PAGE);
    store(word, 0);
    let other = spawn(answer, word);
    for turn in 0..TURNS {
        take(word, 2 * turn);
    }
    other.join();
    assert_eq!(load_word(word), 2 * TURNS);
}

fn futex_errors() {
    let word = map(PAGE);
    store(word, 5);
    assert_eq!(futex_wait(word, 4), Err(Errno::AGAIN), "another value");
    assert_eq!(futex_wait(word + 1, 5), Err(Errno::INVAL), "not aligned");
    assert_eq!(futex_wake(word, 10), 0, "nobody waits");
    let soon = [0_u64, 2_000_000];
    let wait = [word, g::FUTEX_WAIT as usize, 5, soon.as_ptr() as usize];
    assert_eq!(call(g::__NR_futex, &wait), Err(Errno::TIMEDOUT));
    let never = [0_u64, 1_000_000_000];
    let wait = [word, g::FUTEX_WAIT as usize, 5, never.as_ptr() as usize];
    assert_eq!(call(g::__NR_futex, &wait), Err(Errno::INVAL), "nanoseconds");
    assert_eq!(call(g::__NR_futex, &[word, 99, 5, 0]), Err(Errno::NOSYS), "no such operation");
}

/// One thread unmaps what another reads: the process dies of it, and nobody reads a freed frame.
fn unmapping() {
    extern "C" fn read(area: usize) {
        // Another's data would be anything but what this process has written.
        loop {
            let word = load(area);
            if word != 1 {
                process::exit_at_once(5);
            }
        }
    }
    for _ in 0..5 {
        dies_of(g::SIGSEGV, "a read of what another thread has unmapped", || {
            let area = map(PAGE);
            store(area, 1);
            let reader = spawn(read, area);
            for _ in 0..20 {
                process::give_way();
            }
            unmap(area, PAGE);
            reader.join();
        });
    }
}

/// A page made read-only is so for every thread, at once.
fn protecting() {
    extern "C" fn write(area: usize) {
        loop {
            add(area, 1);
        }
    }
    dies_of(g::SIGSEGV, "a write to what another thread has protected", || {
        let area = map(PAGE);
        store(area, 1);
        let writer = spawn(write, area);
        for _ in 0..20 {
            process::give_way();
        }
        protect(area, PAGE, g::PROT_READ).expect("mprotect");
        let seen = load(area);
        for _ in 0..1000 {
            assert_eq!(load(area), seen, "nobody writes any more");
        }
        writer.join();
    });
}

/// Fork while other threads write: the child has a copy that stands still.
fn forking() {
    extern "C" fn write(area: usize) {
        while load(area + 8) == 0 {
            (0..32).for_each(|page| {
                add(area + page * PAGE, 1);
            });
        }
    }
    let area = map(32 * PAGE);
    store(area + 8, 0);
    let writers = [(); 3].map(|()| spawn(write, area));
    for _ in 0..20 {
        let status = outcome(|| {
            let seen: [u64; 32] = core::array::from_fn(|page| load(area + page * PAGE));
            for _ in 0..200 {
                (0..32).for_each(|page| assert_eq!(load(area + page * PAGE), seen[page]));
            }
        });
        assert_eq!(status, Status::Exited(0));
    }
    store(area + 8, 1);
    writers.into_iter().for_each(crate::world::Thread::join);
}

/// exit_group of one ends all; exit of the first thread leaves the others.
fn exit_group() {
    extern "C" fn end_all(_: usize) {
        process::exit_at_once(7);
    }
    extern "C" fn spin(_: usize) {
        loop {
            core::hint::spin_loop();
        }
    }
    let status = outcome(|| {
        spawn(spin, 0);
        spawn(spin, 0);
        spawn(end_all, 0);
        loop {
            process::give_way();
        }
    });
    assert_eq!(status, Status::Exited(7));
    let status = outcome(|| {
        spawn(end_all, 0);
        call(g::__NR_exit, &[3]).expect("it does not come back");
    });
    assert_eq!(status, Status::Exited(7));
}

/// A fault of one thread ends the process with all its threads.
fn fault_kills_all() {
    extern "C" fn fault(_: usize) {
        store(0, 1);
    }
    let child = crate::world::start(|| {
        spawn(fault, 0);
        loop {
            process::give_way();
        }
    });
    assert_eq!(wait_for(child), Status::Killed(g::SIGSEGV));
}
