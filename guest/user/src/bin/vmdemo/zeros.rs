//! Zero-fill on demand, and arrays of which little is used.

use alloc::format;

use guest_user::proc::pagetable;
use guest_user::status::Status;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
use linux_raw_sys::general as g;

use crate::look;
use crate::partner::Partner;
use crate::stage::{Played, Scene, Stage};

pub(crate) const ZERO: Scene = Scene {
    name: "zero",
    title: "new memory is zero, and costs nothing to read",
    text: "\
A frame that another process used must not show its old data to the next one:
anonymous memory is filled with zeros on demand. The first read of a page maps
one frame of zeros that everybody shares, read-only; only the first write makes
the kernel clear a frame for this page alone. A child leaves a pattern in its
frames here before it ends, and the parent searches its new memory for it.",
    play: zero,
};

const PAGES: usize = 64;
const PATTERN: u64 = 0xdead_beef_dead_beef;

/// Words of the area that are not zero.
fn words_not_zero(area: &Mapping) -> u64 {
    (0..area.len()).step_by(8).filter(|offset| area.read(*offset) != 0).count() as u64
}

fn write_each(area: &Mapping, value: u64) {
    (0..area.len()).step_by(PAGE_SIZE_BYTES).for_each(|offset| area.write(offset, value));
}

/// The frames that a process left behind that filled them with a pattern.
fn dirty_frames(stage: &mut Stage) -> look::Read<alloc::vec::Vec<Option<u64>>> {
    let child = Partner::start(|parent| {
        let area = Mapping::private(PAGES * PAGE_SIZE_BYTES)?;
        (0..area.len()).step_by(8).for_each(|offset| area.write(offset, PATTERN));
        parent.tell(area.start() as u64)?;
        parent.hear().map(drop)
    })?;
    let start = child.hear()?;
    let frames = look::frames_of(child.pid(), start as usize, PAGES)?;
    child.tell(0)?;
    stage.check(child.end()? == Status::Exited(0), "the child failed");
    Ok(frames)
}

fn zero(stage: &mut Stage) -> Played {
    let dirty = dirty_frames(stage)?;
    stage.show("frames that the child filled with a pattern", look::present(&dirty), "frames");
    let area = Mapping::private(PAGES * PAGE_SIZE_BYTES)?;
    let counters = (look::counter("zero_mapped")?, look::counter("zero_filled")?);
    let not_zero = words_not_zero(&area);
    let read = look::frames(&area)?;
    stage.show("pages read", look::present(&read), "pages");
    stage.show("frames behind them", look::distinct(&read), "frame");
    stage.show("words that were not zero", not_zero, "words");
    stage.check(look::present(&read) == PAGES as u64, "a page that was read is not mapped");
    stage.check(look::distinct(&read) == 1, "pages that were only read have frames of their own");
    stage.check(not_zero == 0, "old data was seen");
    write_each(&area, PATTERN);
    let written = look::frames(&area)?;
    let not_zero = words_not_zero(&area) - PAGES as u64;
    let reused = written.iter().filter(|frame| dirty.contains(frame)).count();
    stage.pause();
    stage.show("pages written", PAGES, "pages");
    stage.show("frames behind them now", look::distinct(&written), "frames");
    stage.show("of these, frames that were the child's", reused, "frames");
    stage.show("other words that are not zero", not_zero, "words");
    stage.check(look::distinct(&written) == PAGES as u64, "two written pages share a frame");
    stage.check(!written.contains(&read[0]), "the frame of zeros was written");
    stage.check(not_zero == 0, "old data was seen in a written page");
    let mapped = look::since("zero_mapped", counters.0)?;
    let filled = look::since("zero_filled", counters.1)?;
    stage.show_if_told("times that the frame of zeros was mapped", mapped, "times");
    stage.show_if_told("times that a frame was cleared", filled, "times");
    let at_least = |count: Option<u64>| count.is_none_or(|count| count >= PAGES as u64);
    stage.check(at_least(mapped) && at_least(filled), "the kernel counted fewer pages");
    Ok(())
}

pub(crate) const SPARSE: Scene = Scene {
    name: "sparse",
    title: "a gibibyte of which three pages are used",
    text: "\
Large arrays are seldom used in full. Since pages come on demand, an array may be
larger than RAM as long as what is touched of it fits: the holes have no frames,
and even page tables exist only where something is mapped.",
    play: sparse,
};

const ARRAY_BYTES: usize = 1 << 30;

fn sparse(stage: &mut Stage) -> Played {
    let pid = process::id();
    let before = look::pages(pid)?.size;
    let flags = g::MAP_PRIVATE | g::MAP_ANONYMOUS | g::MAP_NORESERVE;
    let array = Mapping::new(ARRAY_BYTES, g::PROT_READ | g::PROT_WRITE, flags, None)?;
    let size = look::pages(pid)?.size - before;
    let places = [0, ARRAY_BYTES / 2, ARRAY_BYTES - PAGE_SIZE_BYTES];
    places.iter().for_each(|offset| array.write(*offset, *offset as u64 + 1));
    let (shared, private) = look::shared_and_private(pid, array.start())?;
    stage.show("RAM of this machine", look::memory_pages("MemTotal")?, "pages");
    stage.show("size of the array", size, "pages");
    stage.show("pages written", places.len(), "pages");
    stage.show("pages of it in memory", shared + private, "pages");
    stage.check(size == (ARRAY_BYTES / PAGE_SIZE_BYTES) as u64, "the array has another size");
    stage.check(shared + private == places.len() as u64, "other pages than these are in memory");
    if let Ok(text) = look::text("/proc/self/pagetable") {
        let range = array.start() as u64..(array.start() + array.len()) as u64;
        let records = pagetable::parse(&text);
        let tables = records.iter().filter(|record| {
            !record.is_leaf() && record.va < range.end && record.va + record.size() > range.start
        });
        let tables = tables.count() as u64;
        stage.show("page tables that lead to them", tables, "tables");
        stage.check(tables <= 3 * places.len() as u64, "holes have page tables");
    }
    let right = places.iter().all(|offset| array.read(*offset) == *offset as u64 + 1);
    stage.show("first word of the last page", format!("{:#x}", array.read(places[2])), "");
    stage.check(right, "a word is not what was written");
    Ok(())
}
