//! Workloads under a policy of replacement, and what they touch.

use guest_user::{Errno, Result};

use crate::workload::{Pages, Recorder, WORKLOADS, Workload};
use crate::world::{self, figure};

const EVENTS: [&str; 2] = ["pswpin", "pswpout"];

fn find(name: &[u8]) -> Result<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.0 == name).ok_or(Errno::INVAL)
}

/// Runs a workload under a policy; tells how many pages had to come back.
pub(crate) fn run(workload: &[u8], policy: &[u8]) -> Result<()> {
    let (_, percent, work) = find(workload)?;
    world::prepare()?;
    world::set(b"/proc/sys/vm/replacement", policy)?;
    // Each page that comes in is one that was wanted.
    world::set(b"/proc/sys/vm/page-cluster", b"0")?;
    let frames = world::meminfo("MemFree")?;
    let pages = frames * percent / 100;
    let mut memory = Pages::new(pages, None)?;
    let before = world::vmstat(&EVENTS)?;
    work(&mut memory);
    world::growth(&EVENTS, &before)?;
    figure("frames", frames as u64);
    figure("pages", pages as u64);
    memory.finish();
    world::audit()
}

/// Tells which of so many pages a workload touches.
pub(crate) fn record(workload: &[u8], pages: usize) -> Result<()> {
    let (.., work) = find(workload)?;
    let mut memory = Pages::new(pages, Some(Recorder::default()))?;
    work(&mut memory);
    memory.finish();
    Ok(())
}
