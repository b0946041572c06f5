//! The kernel's tests of itself (`selftest` on the command line of a kernel with that feature):
//! what only harts can show. Threads of the kernel race each other over queues, locks and timers; the
//! exit code is the number of checks that failed.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use guest::PAGE_SIZE_BYTES;
use guest::mm::space::{Place, Request};
use guest::mm::vma::Purpose;
use guest::mm::{Backing, Prot, Sharing};

use crate::arch::hart::HartMask;
use crate::arch::{cpu, hart, uaccess};
use crate::debug::{Level, klog};
use crate::mm::AddressSpace;
use crate::sched::{self, Task};
use crate::sync::{Mutex, SpinLock, WaitError, WaitQueue, wait_on_any};
use crate::time::{self, Instant};

static FAILED: AtomicUsize = AtomicUsize::new(0);

const MS_NS: u64 = 1_000_000;

fn check(holds: bool, what: core::fmt::Arguments<'_>) {
    if !holds {
        FAILED.fetch_add(1, Ordering::Relaxed);
        klog!(Level::Error, "FAILED {what}");
    }
}

/// Runs the tests; how many checks failed.
pub(crate) fn run(which: &[u8]) -> u16 {
    match which {
        b"overflow" => {
            overflow(0);
        }
        b"panic" => panic!("as was asked for"),
        b"fault" => fault(),
        _ => {}
    }
    let tests: [(&str, fn()); 13] = [
        ("copies", copies),
        ("forgiven faults", forgiven_faults),
        ("exact faults", exact_faults),
        ("threads", threads),
        ("wake-ups", wake_ups),
        ("mutexes", mutexes),
        ("fairness", fairness),
        ("timers", timers),
        ("sleeps", sleeps),
        ("interrupts", interrupted_sleeps),
        ("several queues", several_queues),
        ("stealing", stealing),
        ("memory stalls", memory_stalls),
    ];
    for (name, test) in tests {
        let (before, failed) = (time::now().0, FAILED.load(Ordering::Relaxed));
        test();
        let ok = FAILED.load(Ordering::Relaxed) == failed;
        let (word, took) = (if ok { "ok" } else { "FAILED" }, (time::now().0 - before) / 1000);
        klog!(Level::Info, "{name}: {word}, {took} us");
    }
    FAILED.load(Ordering::Relaxed) as u16
}

/// Runs out of stack.
#[inline(never)]
fn overflow(depth: u64) -> u64 {
    let room = core::hint::black_box([depth; 32]);
    if depth == u64::MAX { 0 } else { overflow(depth + 1) + room[7] }
}

/// Loads from an address where nothing is.
fn fault() {
    // The finisher's registers are reached by this, too; behind the kernel nothing is mapped.
    let nowhere = guest::board::Span { start: 1 << 36, size_bytes: 4096 };
    crate::dev::Registers::new(nowhere).read_u32(0);
}

/// Threads of one test, and how many of them are done.
struct Crew {
    done: AtomicUsize,
    queue: WaitQueue,
}

static CREW: Crew = Crew { done: AtomicUsize::new(0), queue: WaitQueue::new() };

impl Crew {
    /// Runs `f(0)` to `f(count - 1)`, a thread each, and waits for all.
    fn run(&self, count: usize, f: fn(usize)) {
        static WORK: SpinLock<Option<fn(usize)>> = SpinLock::new(None);
        fn member(index: usize) {
            let work = *WORK.lock();
            work.expect("set before the threads start")(index);
            CREW.done.fetch_add(1, Ordering::SeqCst);
            CREW.queue.wake_all();
        }
        *WORK.lock() = Some(f);
        self.done.store(0, Ordering::SeqCst);
        for index in 0..count {
            sched::spawn_kernel("crew", member, index);
        }
        self.queue.wait(|| (self.done.load(Ordering::SeqCst) == count).then_some(()));
    }
}

/// The assembly behind `copy_from_slice` and `fill`, for every alignment and many lengths.
fn copies() {
    const ROOM: usize = 400;
    let from: Vec<u8> = (0..ROOM).map(|index| (index * 7 % 251) as u8).collect();
    for length in (0..40).chain(60..70).chain(120..140).chain([255, 256, 300]) {
        for (source, target) in (0..8).flat_map(|source| (0..8).map(move |t| (source, t))) {
            let mut to = alloc::vec![0xee_u8; ROOM];
            to[target..target + length].copy_from_slice(&from[source..source + length]);
            let same = (0..ROOM).all(|at| {
                let inside = (target..target + length).contains(&at);
                to[at] == if inside { from[at - target + source] } else { 0xee }
            });
            check(same, format_args!("copy of {length} from {source} to {target}"));
            to[target..target + length].fill(0x5a);
            let filled = (0..ROOM).all(|at| {
                let inside = (target..target + length).contains(&at);
                to[at] == if inside { 0x5a } else { 0xee }
            });
            check(filled, format_args!("fill of {length} at {target}"));
        }
    }
}

/// Copies from addresses where nothing is, without taking the fault.
fn forgiven_faults() {
    let mut bytes = [0; 100];
    for at in [0, 8, 0x1_0001, guest::mm::addr::USER_END - 4, guest::mm::addr::USER_END, u64::MAX] {
        check(uaccess::try_copy_in(&mut bytes, at) == 0, format_args!("load from {at:#x}"));
        check(uaccess::try_copy_out(at, &bytes) == 0, format_args!("store to {at:#x}"));
        check(uaccess::try_load_u32(at).is_none(), format_args!("load of a word from {at:#x}"));
    }
}

/// Copies across the end of what is there, without taking the fault: they come to the very byte.
fn exact_faults() {
    const START: u64 = 0x10_0000;
    const LENGTH: usize = 600;
    let space = AddressSpace::new().expect("memory for a space");
    let request = Request {
        place: Place::Fixed(START),
        length_bytes: 2 * PAGE_SIZE_BYTES,
        prot: Prot { read: true, write: true, exec: false },
        max_prot: Prot::ALL,
        sharing: Sharing::Private,
        backing: Backing::Anonymous,
        purpose: Purpose::Mapping,
        no_reserve: false,
    };
    space.lock().map(space.machine(), request).expect("an area in an empty space");
    let page: Vec<u8> = (0..PAGE_SIZE_BYTES).map(|index| (index * 7 % 251) as u8).collect();
    space.write(START, &page).expect("memory for a page");
    sched::replace_space(Some(space));
    for there in (0..80).chain(120..136).chain(250..330).chain([511, 512, 513, 599]) {
        let at = START + PAGE_SIZE_BYTES - there as u64;
        for target in 0..8 {
            let mut bytes = [0xee; LENGTH + 8];
            let count = uaccess::try_copy_in(&mut bytes[target..target + LENGTH], at);
            let same = bytes[target..target + count] == page[page.len() - count..];
            check(count == there && same, format_args!("{count} of {there} in, to {target}"));
            let from = &page[target..target + LENGTH];
            let count = uaccess::try_copy_out(at, from);
            let mut back = [0; LENGTH];
            uaccess::try_copy_in(&mut back[..count], at);
            let same = back[..count] == from[..count];
            check(count == there && same, format_args!("{count} of {there} out, from {target}"));
            uaccess::try_copy_out(START, &page);
        }
    }
    sched::replace_space(None);
}

fn threads() {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    for _ in 0..20 {
        CREW.run(16, |_| {
            for _ in 0..10 {
                COUNT.fetch_add(1, Ordering::Relaxed);
                sched::yield_now();
            }
        });
    }
    check(COUNT.load(Ordering::Relaxed) == 3200, format_args!("threads count"));
}

/// Pairs of threads that wait for each other, thousands of times; a lost wake-up hangs.
fn wake_ups() {
    const PAIRS: usize = 6;
    const ROUNDS: u64 = 2000;
    static TURNS: [AtomicU64; PAIRS] = [const { AtomicU64::new(0) }; PAIRS];
    static QUEUES: [WaitQueue; PAIRS] = [const { WaitQueue::new() }; PAIRS];
    CREW.run(2 * PAIRS, |index| {
        let (pair, side) = (index / 2, index as u64 % 2);
        let (turn, queue) = (&TURNS[pair], &QUEUES[pair]);
        for round in 0..ROUNDS {
            let wanted = 2 * round + side;
            queue.wait(|| (turn.load(Ordering::SeqCst) == wanted).then_some(()));
            turn.store(wanted + 1, Ordering::SeqCst);
            queue.wake_all();
        }
    });
    let done = TURNS.iter().all(|turn| turn.load(Ordering::SeqCst) == 2 * ROUNDS);
    check(done, format_args!("every turn was taken"));
}

fn mutexes() {
    static TOTAL: Mutex<u64> = Mutex::new(0);
    CREW.run(8, |index| {
        for round in 0..1000 {
            let mut total = TOTAL.lock();
            let before = *total;
            if (round + index) % 64 == 0 {
                // Others queue up meanwhile.
                sched::yield_now();
            }
            *total = before + 1;
        }
    });
    let total = *TOTAL.lock();
    check(total == 8000, format_args!("a mutex excludes: {total}"));
}

/// One thread lets go of a mutex only to take it again; others get their turn all the same, or
/// this never ends.
fn fairness() {
    static LOCK: Mutex<()> = Mutex::new(());
    static STOP: AtomicBool = AtomicBool::new(false);
    static GREEDY: AtomicU64 = AtomicU64::new(0);
    CREW.run(4, |index| {
        if index == 0 {
            while !STOP.load(Ordering::Relaxed) {
                let guard = LOCK.lock();
                (0..200).for_each(|_| core::hint::spin_loop());
                drop(guard);
                GREEDY.fetch_add(1, Ordering::Relaxed);
                if hart::online() == 1 {
                    sched::yield_now();
                }
            }
        } else {
            for _ in 0..50 {
                drop(LOCK.lock());
                sched::yield_now();
            }
            if index == 1 {
                STOP.store(true, Ordering::Relaxed);
            }
        }
    });
    klog!(Level::Info, "the greedy one had it {} times", GREEDY.load(Ordering::Relaxed));
}

fn timers() {
    static RANG: AtomicU64 = AtomicU64::new(0);
    static EARLY: AtomicUsize = AtomicUsize::new(0);
    fn ring(bit: usize) {
        if cpu::interrupts_are_on() {
            EARLY.fetch_add(1, Ordering::Relaxed);
        }
        RANG.fetch_or(1 << bit, Ordering::SeqCst);
    }
    let start = time::now();
    let kept: Vec<_> = (0..16)
        .map(|bit| time::call_at(start.after((16 - bit as u64) * MS_NS / 4), ring, bit))
        .collect();
    let taken_back = time::call_at(start.after(1000 * MS_NS), ring, 20);
    drop(taken_back);
    let far = time::call_at(Instant(u64::MAX), ring, 21);
    while time::now() < start.after(MS_NS) {
        core::hint::spin_loop();
    }
    let half = RANG.load(Ordering::SeqCst);
    if time::now() < start.after(4 * MS_NS) {
        check(half & 1 == 0, format_args!("the last timer has not rung: {half:#x}"));
    }
    check(half >> 15 & 1 == 1, format_args!("the first timer has rung: {half:#x}"));
    check(sched::sleep_until(start.after(5 * MS_NS)).is_ok(), format_args!("a sleep ends well"));
    let all = RANG.load(Ordering::SeqCst);
    check(all == 0xffff, format_args!("all timers but those taken back have rung: {all:#x}"));
    check(EARLY.load(Ordering::Relaxed) == 0, format_args!("timers ring with interrupts off"));
    drop((kept, far));
}

fn sleeps() {
    static LATE: AtomicU64 = AtomicU64::new(0);
    CREW.run(12, |index| {
        for round in 0..5 {
            let when = time::now().after((1 + (index as u64 * 7 + round) % 5) * MS_NS);
            check(sched::sleep_until(when).is_ok(), format_args!("nobody interrupts"));
            check(time::now() >= when, format_args!("slept long enough"));
            LATE.fetch_max(time::now().0 - when.0, Ordering::Relaxed);
        }
    });
    klog!(Level::Info, "latest wake-up: {} us", LATE.load(Ordering::Relaxed) / 1000);
}

fn interrupted_sleeps() {
    static SLEEPER: SpinLock<Option<Arc<Task>>> = SpinLock::new(None);
    static READY: WaitQueue = WaitQueue::new();
    CREW.run(2, |index| {
        let never = WaitQueue::new();
        for _ in 0..200 {
            if index == 0 {
                *SLEEPER.lock() = Some(sched::current().clone());
                READY.wake_all();
                let end = never.wait_interruptible(None, || None::<()>);
                check(end == Err(WaitError::Interrupted), format_args!("{end:?}"));
                sched::clear_interrupted();
                READY.wait(|| SLEEPER.lock().is_none().then_some(()));
            } else {
                let sleeper = READY.wait(|| SLEEPER.lock().clone());
                sleeper.interrupt();
                *SLEEPER.lock() = None;
                READY.wake_all();
            }
        }
    });
    let queue = WaitQueue::new();
    let start = time::now();
    let end = queue.wait_interruptible(Some(start.after(MS_NS)), || None::<()>);
    check(end == Err(WaitError::TimedOut), format_args!("{end:?}"));
    check(time::now() >= start.after(MS_NS), format_args!("not before the deadline"));
}

fn several_queues() {
    static QUEUES: [WaitQueue; 7] = [const { WaitQueue::new() }; 7];
    static POSTED: AtomicU64 = AtomicU64::new(0);
    CREW.run(2, |index| {
        let all: Vec<&WaitQueue> = QUEUES.iter().collect();
        for round in 0..500_u64 {
            let wanted = 2 * round + index as u64;
            let ready = || (POSTED.load(Ordering::SeqCst) == wanted).then_some(());
            let end = wait_on_any(&all, None, ready);
            check(end == Ok(()), format_args!("{end:?}"));
            POSTED.store(wanted + 1, Ordering::SeqCst);
            QUEUES[round as usize % QUEUES.len()].wake_all();
        }
    });
}

/// Threads that compute spread over the harts.
fn stealing() {
    static SEEN: AtomicU64 = AtomicU64::new(0);
    CREW.run(8, |_| {
        let (start, all) = (time::now(), HartMask::online().0);
        while SEEN.load(Ordering::Relaxed) != all && time::now() < start.after(1000 * MS_NS) {
            SEEN.fetch_or(1 << cpu::without_interrupts(hart::index), Ordering::Relaxed);
        }
    });
    let harts = SEEN.load(Ordering::Relaxed).count_ones() as usize;
    check(harts == hart::online(), format_args!("{harts} harts of {} worked", hart::online()));
}

/// Some stall is not everybody's while somebody gets on.
fn memory_stalls() {
    static STEP: AtomicUsize = AtomicUsize::new(0);
    static STEPPED: WaitQueue = WaitQueue::new();
    fn measure(f: impl FnOnce()) -> (u64, u64) {
        let before = sched::memory_stalls();
        sched::memory_stall(|| sched::memory_stall(f));
        let after = sched::memory_stalls();
        (after.some_ns - before.some_ns, after.full_ns - before.full_ns)
    }
    let start = time::now();
    let (some, full) = measure(|| {
        let end = sched::sleep_until(start.after(20 * MS_NS));
        check(end.is_ok(), format_args!("nobody interrupts"));
    });
    let took = time::now().0 - start.0;
    check(some >= 19 * MS_NS && some <= took, format_args!("{some} ns stalled of {took}"));
    check(full > 0 && full <= some, format_args!("{full} ns of {some} were everybody's"));
    let (some, _) = measure(|| {});
    check(some < MS_NS, format_args!("a stall of {some} ns where nothing was waited for"));
    CREW.run(2, |index| {
        let step = |at| (STEP.load(Ordering::SeqCst) >= at).then_some(());
        if index == 0 {
            STEPPED.wait(|| step(1));
            let (some, full) = measure(|| STEPPED.wait(|| step(2)));
            check(full < some / 2, format_args!("{full} ns of {some} were everybody's"));
        } else {
            let end = time::now().after(20 * MS_NS);
            for at in [1, 2] {
                STEP.store(at, Ordering::SeqCst);
                STEPPED.wake_all();
                while at == 1 && time::now() < end {
                    sched::yield_now();
                }
            }
        }
    });
    CREW.run(8, |_| {
        for _ in 0..100 {
            sched::memory_stall(sched::yield_now);
            sched::yield_now();
        }
    });
    let (before, start) = (sched::memory_stalls(), time::now());
    check(sched::sleep_until(start.after(MS_NS)).is_ok(), format_args!("nobody interrupts"));
    check(sched::memory_stalls() == before, format_args!("nobody is stalled any more"));
}
