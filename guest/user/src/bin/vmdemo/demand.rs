//! Demand paging: of memory that a process asked for, and of the program that it runs.

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::proc::faults::Record;
use guest_user::proc::maps;
use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::{args, io, process, start};
use linux_raw_sys::auxvec::AT_ENTRY;

use crate::look;
use crate::others;
use crate::stage::{Played, Scene, Stage, Trouble};

pub(crate) const DEMAND: Scene = Scene {
    name: "demand",
    title: "a page comes when it is touched, not before",
    text: "\
mmap only promises memory: it notes a range of addresses and gives no frame. The
first access to a page has no valid page-table entry and raises a page fault; the
kernel finds a frame, enters it in the table and lets the instruction run again.
So resident memory grows by exactly the pages that are touched.",
    play: demand,
};

/// Pages that are asked for.
const PAGES: usize = 64;
/// How many of them are touched, one after the other.
const STEPS: [usize; 4] = [0, 1, 8, 32];

fn demand(stage: &mut Stage) -> Played {
    let pid = process::id();
    // Buffers and this code get their own pages before anything counts.
    for _ in 0..2 {
        let area = Mapping::private(PAGE_SIZE_BYTES)?;
        look::frames(&area)?;
        (look::pages(pid)?, look::own_faults()?, look::counter("pgfault")?);
    }
    let size = look::pages(pid)?.size;
    let area = Mapping::private(PAGES * PAGE_SIZE_BYTES)?;
    let start = look::pages(pid)?;
    stage.show("pages promised", start.size - size, "pages");
    let (faults, all_faults) = (look::own_faults()?, look::counter("pgfault")?);
    let mut touched = 0;
    for step in STEPS {
        // Every second page: neighbours get nothing.
        (touched..step).for_each(|page| area.write(2 * page * PAGE_SIZE_BYTES, 1));
        touched = step;
        let grown = look::pages(pid)?.resident.wrapping_sub(start.resident);
        let present = look::present(&look::frames(&area)?);
        stage.show(format_args!("resident growth after {step} touched"), grown, "pages");
        stage.show(format_args!("pages with a frame after {step} touched"), present, "pages");
        stage.check(present == step as u64, "a page has a frame and was not touched, or lacks one");
    }
    let faults = look::own_faults()? - faults;
    let all_faults = look::since("pgfault", all_faults)?;
    stage.show("page faults of this process", faults, "faults");
    stage.show_if_told("page faults of all processes", all_faults, "faults");
    stage.check(faults >= touched as u64, "there were fewer faults than pages");
    stage.check(all_faults.is_none_or(|all| all >= touched as u64), "faults are not counted");
    Ok(())
}

pub(crate) const PROGRAM: Scene = Scene {
    name: "program",
    title: "a program is loaded by running it",
    text: "\
exec reads no program into memory: it maps the file and jumps to its first
instruction. With pure demand paging even that one faults, and from there on each
page of the file comes when it is first needed; code for rare errors never does.
Here a program is started that does nothing but wait, and is looked at meanwhile.",
    play: program,
};

/// The argument that makes this program wait for the end of its input, and end.
pub(crate) const LINGER: &[u8] = b"--linger";

/// What it does then: says that it is there, and waits.
pub(crate) fn linger() -> i32 {
    let mut byte = [0];
    let told = file::write(io::STDOUT, &byte);
    i32::from(told.is_err() || file::read(io::STDIN, &mut byte) != Ok(0))
}

/// Switch of the pages that are mapped around one that is touched.
const FAULT_AROUND: &str = "/proc/sys/vm/fault_around_bytes";

fn program(stage: &mut Stage) -> Played {
    let around = look::text(FAULT_AROUND).ok();
    if around.is_some() {
        look::switch(FAULT_AROUND, "0")?;
    }
    let played = run_program(stage);
    if let Some(before) = around {
        look::switch(FAULT_AROUND, core::str::from_utf8(&before).unwrap_or("0").trim())?;
    }
    played
}

/// A program that waits.
pub(crate) struct Lingering {
    pid: i32,
    input: File,
}

/// Starts this program so that it waits; `prepare` is done before.
pub(crate) fn start_lingering(prepare: impl FnOnce()) -> guest_user::Result<Lingering> {
    let path = file::read_link(b"/proc/self/exe").unwrap_or_else(|_| args::name().to_vec());
    let (child_input, input) = file::pipe()?;
    let (output, child_output) = file::pipe()?;
    let words = [&path[..], LINGER];
    let pid = others::start(&words, Some(&child_input), Some(&child_output), prepare)?;
    drop(child_output);
    let mut byte = [0];
    if output.read(&mut byte)? != 1 {
        return Err(guest_user::Errno::CHILD);
    }
    Ok(Lingering { pid, input })
}

impl Lingering {
    /// Its number.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Lets it end, and waits for that.
    pub(crate) fn end(self) -> guest_user::Result<Status> {
        drop(self.input);
        others::end(self.pid)
    }
}

fn run_program(stage: &mut Stage) -> Played {
    // Without it, faults are not listed; that is seen, too.
    let prepare = || _ = look::switch("/proc/self/faults", "1");
    let child = start_lingering(prepare)?;
    let path = format!("/proc/{}/smaps", child.pid);
    let text = look::text(&path)?;
    let areas = maps::parse(&text);
    let name = areas.first().map_or(&b""[..], |area| area.name);
    let (mut size, mut resident) = (0, Vec::new());
    for area in areas.iter().filter(|area| area.name == name) {
        let pages = (area.end - area.start) as usize / PAGE_SIZE_BYTES;
        let frames = look::frames_of(child.pid, area.start as usize, pages)?;
        let first = area.start / PAGE_SIZE_BYTES as u64;
        let present = (first..).zip(&frames).filter(|(_, frame)| frame.is_some());
        resident.extend(present.map(|(page, _)| (page, area.permissions.contains(&b'w'))));
        size += pages;
    }
    stage.show("pages of the program", size, "pages");
    stage.show("pages in memory while it waits", resident.len(), "pages");
    stage.check(!resident.is_empty(), "none of the program is in memory");
    stage.check(resident.len() < size, "all of the program is in memory");
    let records = look::text(&format!("/proc/{}/faults", child.pid));
    stage.check(child.end()? == Status::Exited(0), "the program failed");
    match records {
        Ok(text) => show_faults(stage, &text, &resident),
        Err(Trouble::Skipped(_)) => stage.show_if_told("page faults so far", None, ""),
        Err(trouble) => return Err(trouble),
    }
    Ok(())
}

/// Holds what faulted against the pages in memory, each with whether it may be written.
fn show_faults(stage: &mut Stage, text: &[u8], resident: &[(u64, bool)]) {
    let entry = start::auxiliary(AT_ENTRY).unwrap_or(0) as u64;
    let records = bytes::lines(text).filter_map(Record::parse);
    // What comes before the first instruction happened to the former program.
    let records: Vec<Record<'_>> = records.skip_while(|record| record.address != entry).collect();
    let faulted =
        |page: u64| records.iter().any(|record| record.address / PAGE_SIZE_BYTES as u64 == page);
    let by_fault = resident.iter().filter(|(page, _)| faulted(*page)).count();
    let prepared = resident.iter().filter(|(page, _)| !faulted(*page));
    stage.show("first instruction of the program", format!("{entry:#x}"), "");
    if let Some(first) = records.first() {
        stage.show("address of the first fault", format!("{:#x}", first.address), "");
        stage.check(first.access == b"exec", "the first fault was not a fetch");
    }
    stage.show("page faults so far", records.len(), "faults");
    stage.show("pages of the program that came by a fault", by_fault, "pages");
    stage.show("pages of data that exec had to clear in part", prepared.clone().count(), "pages");
    stage.check(!records.is_empty(), "the first instruction did not fault");
    let is_data = prepared.clone().all(|(_, is_writable)| *is_writable);
    stage.check(is_data && prepared.count() <= 1, "a page came without a fault");
}
