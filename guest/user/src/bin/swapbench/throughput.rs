//! Several processes that each need 0.3 of RAM all the time: how many pages they touch in a second
//! together, and the one that gets on least.
//!
//! Each works and pauses, as one does that waits for input: it touches pages of its own at random,
//! for about a millisecond where all are there, and sleeps for fourteen.

use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use core::time::Duration;

use guest_user::sys::mapping::Mapping;
use guest_user::sys::{process, time};
use guest_user::{Errno, Result};
use linux_raw_sys::general::SIGKILL;

use crate::world::{self, PAGE, Random, figure};

/// Pages of each process, of ten of RAM.
const TENTHS_OF_RAM: usize = 3;
/// Touches until it pauses.
const BURST: usize = 40_000;
const PAUSE: Duration = Duration::from_millis(14);
/// How often those look who wait for each other.
const POLL: Duration = Duration::from_millis(20);
/// Most processes that are counted.
const PROCESSES_MAX: usize = 64;

/// What is known of all, on a page that stays in RAM: how many are ready to fill their pages, how
/// many have filled them, and words that had another content than they must.
const READY: usize = 0;
const FILLED: usize = 8;
const WRONG: usize = 16;
/// Then a count of touches for each process.
const COUNTS: usize = 64;

const EVENTS: [&str; 4] = ["pswpin", "pswpout", "suspend", "resume"];

/// What is measured.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) processes: usize,
    /// Whether there is load control.
    pub(crate) control: bool,
    /// How long they run before they are counted, and how long they are.
    pub(crate) warm_ms: u64,
    pub(crate) window_ms: u64,
}

/// Measures.
pub(crate) fn run(plan: &Plan) -> Result<()> {
    if !(1..=PROCESSES_MAX).contains(&plan.processes) || plan.window_ms == 0 {
        return Err(Errno::INVAL);
    }
    world::prepare()?;
    world::set(b"/proc/sys/vm/load_control", if plan.control { b"1" } else { b"0" })?;
    process::lock_memory()?;
    let pages = world::meminfo("MemTotal")? * TENTHS_OF_RAM / 10;
    let board = Mapping::shared(PAGE)?;
    board.lock(0, PAGE)?;
    let mut children = Vec::new();
    for index in 0..plan.processes {
        match process::fork()? {
            Some(child) => children.push(child),
            None => work(index, plan.processes, pages, &board),
        }
    }
    let outcome = watch(plan, pages, &board);
    for child in children {
        process::kill(child, SIGKILL)?;
        process::wait(child, 0)?;
    }
    outcome.and_then(|()| world::audit())
}

/// Counts for a while.
fn watch(plan: &Plan, pages: usize, board: &Mapping) -> Result<()> {
    wait_for(board, FILLED, plan.processes);
    time::sleep(Duration::from_millis(plan.warm_ms))?;
    let counts = || (0..plan.processes).map(|index| board.read(COUNTS + 8 * index));
    let (from, before) = (time::monotonic(), counts().collect::<Vec<_>>());
    let events = world::vmstat(&EVENTS)?;
    time::sleep(Duration::from_millis(plan.window_ms))?;
    let (until, after) = (time::monotonic(), counts().collect::<Vec<_>>());
    world::growth(&EVENTS, &events)?;
    figure("pages", pages as u64);
    figure("window_us", (until - from).as_micros() as u64);
    for (before, after) in before.iter().zip(&after) {
        figure("touches", after - before);
    }
    match board.word(WRONG).load(Ordering::Relaxed) {
        0 => Ok(()),
        _ => Err(Errno::IO),
    }
}

/// Waits until a count on the board is that of all.
fn wait_for(board: &Mapping, count: usize, all: usize) {
    while (board.word(count).load(Ordering::SeqCst) as usize) < all {
        // Nobody sends signals that are caught.
        let _ = time::sleep(POLL);
    }
}

/// What a process does until it is killed.
fn work(index: usize, all: usize, pages: usize, board: &Mapping) -> ! {
    let Ok(memory) = Mapping::private(pages * PAGE) else { process::exit(1) };
    board.word(READY).fetch_add(1, Ordering::SeqCst);
    wait_for(board, READY, all);
    let content = |page: usize| (page * PROCESSES_MAX + index) as u64;
    for page in 0..pages {
        memory.write(page * PAGE, content(page));
        // All of them grow together.
        process::give_way();
    }
    board.word(FILLED).fetch_add(1, Ordering::SeqCst);
    wait_for(board, FILLED, all);
    let mut random = Random(88_172_645_463_325_252 + index as u64 * 7777);
    let mut count = 0;
    loop {
        for _ in 0..BURST {
            let page = random.below(pages);
            if memory.read(page * PAGE) != content(page) {
                board.word(WRONG).fetch_add(1, Ordering::Relaxed);
            }
            if random.0 & 3 == 0 {
                memory.write(page * PAGE + 8, count);
            }
            count += 1;
            board.write(COUNTS + 8 * index, count);
        }
        let _ = time::sleep(PAUSE);
    }
}
