//! The cheapest system call, processes from start to end, and changing from one to another.

use alloc::ffi::CString;
use alloc::vec::Vec;
use core::sync::atomic::Ordering::Relaxed;

use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::{args, futex, process, spawn};
use guest_user::{Errno, Result};
use linux_raw_sys::general as g;

use crate::files::Scratch;
use crate::meter::{Meter, Watch};
use crate::{END_AT_ONCE, Row};

pub(crate) const ROWS: &[Row] = &[
    ("getppid", "getppid, the smallest system call", getppid),
    ("fork-exit-wait", "fork of this small process, its exit, wait", fork_exit_wait),
    ("fork-per-page", "more of that for each private page that is mapped", fork_per_page),
    (
        "fork-per-area",
        "more of that for each area of a file that is mapped, with one page",
        fork_per_area,
    ),
    (
        "fork-per-shared",
        "more of that for each page of shared memory that is mapped",
        fork_per_shared,
    ),
    ("fork-exec-exit", "fork, exec of this program, its exit, wait", fork_exec_exit),
    ("vfork-exec-exit", "the same with vfork", vfork_exec_exit),
    ("switch", "one switch between two processes that call sched_yield", switch),
    ("futex-round-trip", "two processes wake each other once and wait", futex_round_trip),
];

/// System calls that are counted together.
const CALLS: u64 = 64;
/// Pages that fork shares beyond those of the program.
const PAGES: usize = 256;
/// Areas that fork copies beyond those of the program.
const AREAS: usize = 64;
/// Round trips that are counted together.
const ROUNDS: u32 = 64;

fn getppid(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| {
        watch.run(|| {
            for _ in 0..CALLS {
                process::parent_id();
            }
        });
        Ok(CALLS)
    })
}

/// Fails where a child did not end well.
fn ended(child: i32) -> Result<()> {
    match process::wait(child, 0)? {
        Some((_, Status::Exited(0))) => Ok(()),
        _ => Err(Errno::CHILD),
    }
}

/// The whole life of a child.
fn live() -> Result<()> {
    match process::fork()? {
        Some(child) => ended(child),
        None => process::exit_at_once(0),
    }
}

fn fork_exit_wait(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| watch.run(live).map(|()| 1))
}

/// What the life of a child costs more with what `prepare` gives, for each of so many; `each_time` is
/// done before it.
fn fork_with<T>(
    meter: &mut Meter,
    count: usize,
    prepare: impl FnOnce() -> Result<T>,
    each_time: impl Fn(&T),
) -> Result<()> {
    let mut least = u64::MAX;
    meter.repeat(|watch| {
        watch.run(live)?;
        least = least.min(watch.steps());
        Ok(1)
    })?;
    let prepared = prepare()?;
    meter.repeat(|watch| {
        each_time(&prepared);
        watch.run(live)?;
        watch.take_away(least);
        Ok(count as u64)
    })
}

/// Pages that the parent writes each time are its own, as those of a busy program.
fn fork_per_page(meter: &mut Meter) -> Result<()> {
    let area = || Mapping::private(PAGES * PAGE_SIZE_BYTES);
    fork_with(meter, PAGES, area, write_each)
}

fn fork_per_shared(meter: &mut Meter) -> Result<()> {
    let area = || Mapping::shared(PAGES * PAGE_SIZE_BYTES);
    fork_with(meter, PAGES, area, write_each)
}

fn write_each(area: &Mapping) {
    (0..area.len()).step_by(PAGE_SIZE_BYTES).for_each(|offset| area.write(offset, 1));
}

/// Areas do not become one, since each has the same page of the file.
fn fork_per_area(meter: &mut Meter) -> Result<()> {
    let scratch = Scratch::new("areas")?;
    let file = File::open(scratch.path())?;
    let area = || Mapping::of_file(&file, PAGE_SIZE_BYTES, g::PROT_READ, g::MAP_SHARED);
    let areas = || (0..AREAS).map(|_| area()).collect::<Result<Vec<Mapping>>>();
    fork_with(meter, AREAS, areas, |areas| areas.iter().for_each(|area| _ = area.read(0)))
}

/// The path of this program, and the arguments that make it end at once.
fn program() -> Result<(CString, Vec<CString>)> {
    let path = file::read_link(b"/proc/self/exe").unwrap_or_else(|_| args::name().to_vec());
    let path = file::c_path(&path)?;
    let arguments = Vec::from([path.clone(), file::c_path(END_AT_ONCE)?]);
    Ok((path, arguments))
}

fn fork_exec_exit(meter: &mut Meter) -> Result<()> {
    let (path, arguments) = program()?;
    meter.repeat(|watch| {
        watch.run(|| match process::fork()? {
            Some(child) => ended(child),
            None => {
                let arguments = arguments.iter().map(CString::as_c_str);
                process::exec(&path, arguments, core::iter::empty());
                process::exit_at_once(spawn::EXIT_NOT_STARTED)
            }
        })?;
        Ok(1)
    })
}

fn vfork_exec_exit(meter: &mut Meter) -> Result<()> {
    let (path, arguments) = program()?;
    meter.repeat(|watch| {
        watch.run(|| {
            let arguments = arguments.iter().map(CString::as_c_str);
            ended(spawn::spawn(&path, arguments, core::iter::empty())?)
        })?;
        Ok(1)
    })
}

/// Runs `work` while a child does `other` again and again.
fn beside(
    other: impl Fn(),
    meter: &mut Meter,
    work: impl FnMut(&mut Watch) -> Result<u64>,
) -> Result<()> {
    let Some(child) = process::fork()? else {
        loop {
            other();
        }
    };
    let counted = meter.repeat(work);
    process::kill(child, g::SIGKILL)?;
    process::wait(child, 0)?;
    counted
}

/// How often the other one came to run is what it counts itself: a scheduler may let the same one
/// go on.
fn switch(meter: &mut Meter) -> Result<()> {
    let page = Mapping::shared(PAGE_SIZE_BYTES)?;
    let turns = page.word(0);
    let other = || {
        turns.fetch_add(1, Relaxed);
        process::give_way();
    };
    beside(other, meter, |watch| {
        let before = turns.load(Relaxed);
        watch.run(|| (0..ROUNDS).for_each(|_| process::give_way()));
        Ok(2 * u64::from(turns.load(Relaxed).wrapping_sub(before)))
    })
}

/// Waits until the word is not `value` any more.
fn wait_while(page: &Mapping, offset: usize, value: u32) -> u32 {
    let word = page.word(offset);
    loop {
        let now = word.load(Relaxed);
        if now != value {
            return now;
        }
        // It may have changed meanwhile; then it is looked at again.
        let _ = futex::wait(word, value);
    }
}

/// Adds to a word and wakes who waits for that.
fn advance(page: &Mapping, offset: usize) {
    page.word(offset).fetch_add(1, Relaxed);
    // There are always waiters, or they will see the new value.
    let _ = futex::wake(page.word(offset), 1);
}

fn futex_round_trip(meter: &mut Meter) -> Result<()> {
    /// Where the question's and the answer's number are.
    const ASKED: usize = 0;
    const ANSWERED: usize = 64;
    let page = Mapping::shared(PAGE_SIZE_BYTES)?;
    let answer = || {
        wait_while(&page, ASKED, page.word(ANSWERED).load(Relaxed));
        advance(&page, ANSWERED);
    };
    beside(answer, meter, |watch| {
        watch.run(|| {
            for _ in 0..ROUNDS {
                let before = page.word(ANSWERED).load(Relaxed);
                advance(&page, ASKED);
                wait_while(&page, ANSWERED, before);
            }
        });
        Ok(ROUNDS.into())
    })
}
