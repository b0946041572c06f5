//! Timers that send signals: interval timers on the time that a process runs, and those of
//! `timer_create`.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::time::Duration;

use guest_user::errno::{Errno, Result};
use guest_user::status::Status;
use guest_user::sys::{process, time};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{call, handle, load, load_word, outcome, spawn};

pub(crate) const CASES: &[Case] = &[
    ("timer-virtual", virtual_time),
    ("timer-profiling", profiling),
    ("timer-once", once),
    ("timer-overrun", overrun),
    ("timer-short-period", short_period),
    ("timer-thread", to_thread),
    ("timer-cpu", cpu_time),
    ("timer-errors", errors),
    ("timer-ends-with-program", inherited),
];

const MILLISECOND_NS: u64 = 1_000_000;

static COUNT: AtomicU64 = AtomicU64::new(0);
static SIGNAL: AtomicU64 = AtomicU64::new(0);
/// Code, number of the timer, overrun, value, and the thread of the last signal.
static SEEN: [AtomicU64; 5] = [const { AtomicU64::new(0) }; 5];

extern "C" fn note(number: i32, info: usize, _: usize) {
    SIGNAL.store(number as u64, Relaxed);
    let thread = call(g::__NR_gettid, &[]).expect("gettid") as u64;
    let words = [8, 16, 20].map(|offset| u64::from(load_word(info + offset)));
    let all = [words[0], words[1], words[2], load(info + 24), thread];
    SEEN.iter().zip(all).for_each(|(place, value)| place.store(value, Relaxed));
    COUNT.fetch_add(1, Relaxed);
}

fn seen() -> [u64; 5] {
    [0, 1, 2, 3, 4].map(|index: usize| SEEN[index].load(Relaxed))
}

/// What a clock shows, in nanoseconds.
fn clock(number: u32) -> u64 {
    let mut now = [0_u64; 2];
    let at = now.as_mut_ptr() as usize;
    call(g::__NR_clock_gettime, &[number as usize, at]).expect("clock_gettime");
    now[0] * 1_000_000_000 + now[1]
}

fn set_interval(which: u32, micros: u64, period: u64) {
    let value = [0, period, 0, micros];
    let at = value.as_ptr() as usize;
    call(g::__NR_setitimer, &[which as usize, at, 0]).expect("setitimer");
}

/// Computes until so many signals have come; not for ever.
fn compute_until(count: u64) {
    let start = clock(g::CLOCK_MONOTONIC);
    while COUNT.load(Relaxed) < count {
        core::hint::black_box((0..1000_u64).sum::<u64>());
        assert!(clock(g::CLOCK_MONOTONIC) - start < 20_000 * MILLISECOND_NS, "no signal comes");
    }
}

/// Computes for so long.
fn compute_for(ns: u64) {
    let start = clock(g::CLOCK_MONOTONIC);
    while clock(g::CLOCK_MONOTONIC) - start < ns {}
}

/// ITIMER_VIRTUAL counts what runs in user mode, not what sleeps.
fn virtual_time() {
    handle(g::SIGVTALRM, note, 0);
    set_interval(g::ITIMER_VIRTUAL, 10_000, 0);
    time::sleep(Duration::from_millis(60)).expect("sleep");
    assert_eq!(COUNT.load(Relaxed), 0, "it has slept");
    let mut left = [0_u64; 4];
    let at = left.as_mut_ptr() as usize;
    call(g::__NR_getitimer, &[g::ITIMER_VIRTUAL as usize, at]).expect("getitimer");
    assert_eq!(left[2], 0);
    // Linux adds a tick.
    assert!((1..=20_000).contains(&left[3]), "{left:?}");
    let start = process::times().expect("getrusage").0;
    compute_until(1);
    let used = process::times().expect("getrusage").0 - start;
    assert!(used >= Duration::from_micros(left[3] - left[3] / 4), "{used:?} of {left:?}");
    assert_eq!(SIGNAL.load(Relaxed), u64::from(g::SIGVTALRM));
}

/// ITIMER_PROF counts the kernel's part, too, again and again, of all threads.
fn profiling() {
    extern "C" fn work(_: usize) {
        compute_until(3);
    }
    handle(g::SIGPROF, note, 0);
    set_interval(g::ITIMER_PROF, 5000, 5000);
    let start = clock(g::CLOCK_PROCESS_CPUTIME_ID);
    let other = spawn(work, 0);
    compute_until(3);
    set_interval(g::ITIMER_PROF, 0, 0);
    other.join();
    let used = clock(g::CLOCK_PROCESS_CPUTIME_ID) - start;
    assert!(used >= 14 * MILLISECOND_NS, "{used}");
    assert_eq!(SIGNAL.load(Relaxed), u64::from(g::SIGPROF));
}

/// `timer_create`: the timer's number.
fn create(clock: u32, signal: u32, notify: u32, thread: u64) -> Result<u32> {
    let event = [0x1234_5678_9abc, u64::from(signal) | u64::from(notify) << 32, thread];
    let mut id = u32::MAX;
    let (event, at) = (event.as_ptr() as usize, core::ptr::from_mut(&mut id) as usize);
    call(g::__NR_timer_create, &[clock as usize, event, at])?;
    Ok(id)
}

/// `timer_settime`, in nanoseconds: what was left, and the period.
fn set(id: u32, flags: u32, ns: u64, period_ns: u64) -> Result<[u64; 2]> {
    let new = [0, period_ns, ns / 1_000_000_000, ns % 1_000_000_000];
    let mut old = [0_u64; 4];
    let (new, at) = (new.as_ptr() as usize, old.as_mut_ptr() as usize);
    call(g::__NR_timer_settime, &[id as usize, flags as usize, new, at])?;
    Ok([old[2] * 1_000_000_000 + old[3], old[1]])
}

fn get(id: u32) -> Result<[u64; 2]> {
    let mut now = [0_u64; 4];
    call(g::__NR_timer_gettime, &[id as usize, now.as_mut_ptr() as usize])?;
    Ok([now[2] * 1_000_000_000 + now[3], now[1]])
}

fn delete(id: u32) -> Result<usize> {
    call(g::__NR_timer_delete, &[id as usize])
}

fn overrun_of(id: u32) -> Result<usize> {
    call(g::__NR_timer_getoverrun, &[id as usize])
}

fn once() {
    const SI_TIMER: u64 = -2_i32 as u32 as u64;
    handle(g::SIGUSR1, note, 0);
    let id = create(g::CLOCK_MONOTONIC, g::SIGUSR1, g::SIGEV_SIGNAL, 0).expect("timer_create");
    assert_eq!(get(id), Ok([0, 0]), "not set");
    assert_eq!(set(id, 0, 50 * MILLISECOND_NS, 7), Ok([0, 0]));
    let [left, period] = get(id).expect("timer_gettime");
    assert!((1..=50 * MILLISECOND_NS).contains(&left) && period == 7);
    let [left, period] = set(id, 0, 5 * MILLISECOND_NS, 0).expect("timer_settime");
    assert!((1..=50 * MILLISECOND_NS).contains(&left) && period == 7);
    let start = clock(g::CLOCK_MONOTONIC);
    compute_until(1);
    assert!(clock(g::CLOCK_MONOTONIC) - start < 5000 * MILLISECOND_NS);
    assert_eq!(seen()[..4], [SI_TIMER, u64::from(id), 0, 0x1234_5678_9abc]);
    assert_eq!(get(id), Ok([0, 0]), "it is over");
    // Of the past, and of the time of day.
    let past = clock(g::CLOCK_MONOTONIC) - 1;
    set(id, g::TIMER_ABSTIME, past, 0).expect("timer_settime");
    compute_until(2);
    let day = create(g::CLOCK_REALTIME, g::SIGUSR1, g::SIGEV_SIGNAL, 0).expect("timer_create");
    let soon = clock(g::CLOCK_REALTIME) + 3 * MILLISECOND_NS;
    set(day, g::TIMER_ABSTIME, soon, 0).expect("timer_settime");
    compute_until(3);
    assert!(clock(g::CLOCK_REALTIME) >= soon && seen()[1] == u64::from(day));
    assert_eq!((delete(id), delete(id)), (Ok(0), Err(Errno::INVAL)));
}

fn block(how: u32, signal: u32) {
    let set = 1_u64 << (signal - 1);
    let at = core::ptr::from_ref(&set) as usize;
    call(g::__NR_rt_sigprocmask, &[how as usize, at, 0, 8]).expect("sigprocmask");
}

/// While its signal waits, a periodic timer counts what it would have sent.
fn overrun() {
    handle(g::SIGUSR1, note, 0);
    block(g::SIG_BLOCK, g::SIGUSR1);
    let id = create(g::CLOCK_MONOTONIC, g::SIGUSR1, g::SIGEV_SIGNAL, 0).expect("timer_create");
    let period = 2 * MILLISECOND_NS;
    set(id, 0, period, period).expect("timer_settime");
    assert_eq!(overrun_of(id), Ok(0));
    time::sleep(Duration::from_millis(31)).expect("sleep");
    block(g::SIG_UNBLOCK, g::SIGUSR1);
    let (count, overrun) = (COUNT.load(Relaxed), seen()[2]);
    assert!(count >= 1 && overrun_of(id).is_ok());
    set(id, 0, 0, 0).expect("timer_settime");
    if count == 1 {
        assert!(overrun >= 14, "{overrun}");
    }
    let silent = create(g::CLOCK_MONOTONIC, 0, g::SIGEV_NONE, 0).expect("timer_create");
    set(silent, 0, period, period).expect("timer_settime");
    time::sleep(Duration::from_millis(5)).expect("sleep");
    let [left, told] = get(silent).expect("timer_gettime");
    assert!((1..=period).contains(&left) && told == period);
}

/// A period shorter than what a signal takes does not stop the process, heard or ignored.
fn short_period() {
    for handler in [true, false] {
        let status = outcome(|| {
            if handler {
                handle(g::SIGUSR1, note, 0);
            } else {
                let ignore = [1_u64, 0, 0];
                let at = ignore.as_ptr() as usize;
                call(g::__NR_rt_sigaction, &[g::SIGUSR1 as usize, at, 0, 8]).expect("sigaction");
            }
            let id = create(g::CLOCK_MONOTONIC, g::SIGUSR1, g::SIGEV_SIGNAL, 0).expect("a timer");
            block(g::SIG_BLOCK, g::SIGUSR1);
            set(id, 0, 1, 1).expect("timer_settime");
            compute_for(2 * MILLISECOND_NS);
            block(g::SIG_UNBLOCK, g::SIGUSR1);
            set(id, 0, 0, 0).expect("timer_settime");
            assert_eq!(COUNT.load(Relaxed) > 0, handler);
            if handler {
                handle(g::SIGALRM, note, 0);
                set_interval(g::ITIMER_REAL, 1, 1);
                compute_for(2 * MILLISECOND_NS);
            }
        });
        assert_eq!(status, Status::Exited(0), "handler: {handler}");
    }
}

/// SIGEV_THREAD_ID reaches the thread that is meant.
fn to_thread() {
    static TID: AtomicU64 = AtomicU64::new(0);
    extern "C" fn wait(_: usize) {
        TID.store(call(g::__NR_gettid, &[]).expect("gettid") as u64, Relaxed);
        compute_until(3);
    }
    handle(g::SIGUSR1, note, 0);
    let other = spawn(wait, 0);
    while TID.load(Relaxed) == 0 {
        process::give_way();
    }
    let tid = TID.load(Relaxed);
    let id = create(g::CLOCK_MONOTONIC, g::SIGUSR1, g::SIGEV_THREAD_ID, tid).expect("a timer");
    set(id, 0, MILLISECOND_NS, MILLISECOND_NS).expect("timer_settime");
    compute_until(3);
    set(id, 0, 0, 0).expect("timer_settime");
    other.join();
    assert_eq!(seen()[4], tid);
}

/// A timer on the time that the process runs.
fn cpu_time() {
    handle(g::SIGUSR1, note, 0);
    for number in [g::CLOCK_PROCESS_CPUTIME_ID, g::CLOCK_THREAD_CPUTIME_ID] {
        COUNT.store(0, Relaxed);
        let id = create(number, g::SIGUSR1, g::SIGEV_SIGNAL, 0).expect("timer_create");
        let start = clock(number);
        set(id, 0, 10 * MILLISECOND_NS, 0).expect("timer_settime");
        time::sleep(Duration::from_millis(40)).expect("sleep");
        assert_eq!(COUNT.load(Relaxed), 0, "it has slept");
        compute_until(1);
        assert!(clock(number) - start >= 10 * MILLISECOND_NS, "clock {number}");
    }
}

fn errors() {
    let new = |clock, signal, notify, thread| create(clock, signal, notify, thread).err();
    let (monotonic, usr1) = (g::CLOCK_MONOTONIC, g::SIGUSR1);
    for (found, wanted) in [
        (new(99, usr1, g::SIGEV_SIGNAL, 0), Errno::INVAL),
        (new(g::CLOCK_MONOTONIC_RAW, usr1, g::SIGEV_SIGNAL, 0), Errno::OPNOTSUPP),
        (new(monotonic, 0, g::SIGEV_SIGNAL, 0), Errno::INVAL),
        (new(monotonic, 65, g::SIGEV_SIGNAL, 0), Errno::INVAL),
        (new(monotonic, usr1, 9, 0), Errno::INVAL),
        (new(monotonic, usr1, g::SIGEV_THREAD_ID, 1), Errno::INVAL),
        (set(7, 0, 1, 0).err(), Errno::INVAL),
        (get(7).err(), Errno::INVAL),
        (overrun_of(7).err(), Errno::INVAL),
        (delete(7).err(), Errno::INVAL),
        (call(g::__NR_timer_create, &[monotonic as usize, 0, 0]).err(), Errno::FAULT),
        (call(g::__NR_timer_create, &[monotonic as usize, 8, 0]).err(), Errno::FAULT),
        (call(g::__NR_getitimer, &[3, 0]).err(), Errno::INVAL),
        (call(g::__NR_setitimer, &[3, 0, 0]).err(), Errno::INVAL),
    ]
    .map(|(found, wanted): (Option<Errno>, Errno)| (found, Some(wanted)))
    {
        assert_eq!(found, wanted);
    }
    let id = create(monotonic, usr1, g::SIGEV_SIGNAL, 0).expect("timer_create");
    assert_eq!(set(id, 0, 0, 1_000_000_000).err(), Some(Errno::INVAL), "nanoseconds");
    assert_eq!(call(g::__NR_timer_settime, &[id as usize, 0, 0, 0]), Err(Errno::INVAL));
}

/// A child has none of its parent's timers.
fn inherited() {
    let id = create(g::CLOCK_MONOTONIC, g::SIGKILL, g::SIGEV_SIGNAL, 0).expect("timer_create");
    set(id, 0, 3600 * 1000 * MILLISECOND_NS, 0).expect("timer_settime");
    set_interval(g::ITIMER_PROF, 500_000, 0);
    let status = outcome(|| {
        assert_eq!(get(id), Err(Errno::INVAL));
        let mut left = [1_u64; 4];
        let at = left.as_mut_ptr() as usize;
        call(g::__NR_getitimer, &[g::ITIMER_PROF as usize, at]).expect("getitimer");
        assert_eq!(left, [0; 4]);
    });
    assert_eq!(status, Status::Exited(0));
}
