//! What a page costs that leaves and comes back: instructions of all that the hart does meanwhile.

use alloc::format;

use guest_user::status::Status;
use guest_user::sys::counter::Counter;
use guest_user::sys::mapping::Mapping;
use guest_user::sys::{probe, process};
use guest_user::{Errno, Result};

use crate::world::{self, PAGE, Random, figure};

/// Memory that is used, in multiples of RAM.
const TIMES_RAM: usize = 2;

const EVENTS: [&str; 2] = ["pswpin", "pswpout"];

/// Measures.
pub(crate) fn run() -> Result<()> {
    world::prepare()?;
    process::set_harts(1)?;
    let report = probe::report(|| {
        Counter::Instructions.read();
    })?;
    if report.status != Status::Exited(0) {
        return Err(Errno::NOSYS);
    }
    let ram = world::meminfo("MemTotal")?;
    let pages = TIMES_RAM * ram;
    let memory = Mapping::private(pages * PAGE)?;
    figure("ram", ram as u64);
    figure("pages", pages as u64);
    let write = |page: usize| memory.write(page * PAGE, page as u64);
    // RAM is full when the counting begins.
    (0..ram).for_each(write);
    step("write", pages - ram, || (ram..pages).for_each(write))?;
    let mut wrong = 0;
    step("reread", pages, || {
        wrong += (0..pages).filter(|page| memory.read(page * PAGE) != *page as u64).count();
    })?;
    let mut random = Random(42);
    step("random", pages, || {
        (0..pages).for_each(|_| memory.write(random.below(pages) * PAGE + 8, 1));
    })?;
    wrong += (0..pages).filter(|page| memory.read(page * PAGE) != *page as u64).count();
    if wrong != 0 {
        return Err(Errno::IO);
    }
    drop(memory);
    world::audit()
}

/// Does so many accesses; tells what each has cost, and how many pages have come back and left.
fn step(name: &str, accesses: usize, work: impl FnOnce()) -> Result<()> {
    let before = world::vmstat(&EVENTS)?;
    let from = Counter::Instructions.read();
    work();
    let insns = Counter::Instructions.read().wrapping_sub(from);
    let after = world::vmstat(&EVENTS)?;
    figure(name, (insns + accesses as u64 / 2) / accesses as u64);
    for (direction, (before, after)) in ["in", "out"].iter().zip(before.iter().zip(after)) {
        figure(&format!("{name}.{direction}"), after.wrapping_sub(*before));
    }
    Ok(())
}
