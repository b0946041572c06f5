//! What /proc tells about memory, read into numbers.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use guest_user::proc::maps::{self, Area, Figures};
use guest_user::proc::pagemap::{ENTRY_BYTES, Entry, Place};
use guest_user::proc::table::Table;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
use guest_user::{Errno, bytes};

use crate::stage::Trouble;

/// What a reading gives.
pub(crate) type Read<T> = Result<T, Trouble>;

fn lacking(path: &str) -> Trouble {
    Trouble::Skipped(format!("this kernel has no {path}"))
}

fn trouble(path: &str, error: Errno) -> Trouble {
    match error {
        Errno::NOENT => lacking(path),
        error => Trouble::Failed(format!("{path}: {error}")),
    }
}

/// A file.
pub(crate) fn text(path: &str) -> Read<Vec<u8>> {
    file::read_file(path.as_bytes()).map_err(|error| trouble(path, error))
}

/// Writes to a file that is a switch.
pub(crate) fn switch(path: &str, value: &str) -> Read<()> {
    let flags = linux_raw_sys::general::O_WRONLY;
    let file = File::open_with(path.as_bytes(), flags, 0);
    file.and_then(|file| file.write_all(value.as_bytes())).map_err(|error| trouble(path, error))
}

/// What pagemap says of the pages from an address on, of this process or another.
fn entries_of(pid: i32, start: usize, pages: usize) -> Read<Vec<Entry>> {
    let path = format!("/proc/{pid}/pagemap");
    let map = File::open(path.as_bytes()).map_err(|error| trouble(&path, error))?;
    let mut entries = alloc::vec![0; pages * ENTRY_BYTES];
    let offset = (start / PAGE_SIZE_BYTES * ENTRY_BYTES) as u64;
    let count = map.read_at(&mut entries, offset)?;
    if count != entries.len() {
        return Err(Trouble::Failed(format!("{path} ends early")));
    }
    let entries = entries.as_chunks().0.iter().map(|bytes| Entry(u64::from_le_bytes(*bytes)));
    let entries: Vec<Entry> = entries.collect();
    if entries.iter().any(|entry| entry.place() == Place::Frame(0)) {
        return Err(Trouble::Skipped("frame numbers are shown to the superuser only".into()));
    }
    Ok(entries)
}

/// The frame that an entry names.
fn frame_in(entry: Entry) -> Option<u64> {
    match entry.place() {
        Place::Frame(frame) => Some(frame),
        Place::Swap { .. } | Place::None => None,
    }
}

/// The frames behind the pages from an address on, of this process or another; none where a page
/// has no frame.
pub(crate) fn frames_of(pid: i32, start: usize, pages: usize) -> Read<Vec<Option<u64>>> {
    Ok(entries_of(pid, start, pages)?.into_iter().map(frame_in).collect())
}

/// The same, but none, too, where the process has a copy of a page of a file.
pub(crate) fn file_frames_of(pid: i32, start: usize, pages: usize) -> Read<Vec<Option<u64>>> {
    let frame = |entry: Entry| frame_in(entry).filter(|_| entry.is_of_object());
    Ok(entries_of(pid, start, pages)?.into_iter().map(frame).collect())
}

/// The frames behind a mapping of this process.
pub(crate) fn frames(area: &Mapping) -> Read<Vec<Option<u64>>> {
    frames_of(process::id(), area.start(), area.len() / PAGE_SIZE_BYTES)
}

/// The frame behind a page that has one.
pub(crate) fn frame_of(pid: i32, at: usize) -> Read<u64> {
    let frame = frames_of(pid, at, 1)?[0];
    frame.ok_or_else(|| Trouble::Failed(format!("{at:#x} of process {pid} is in no frame")))
}

/// How many of them are there.
pub(crate) fn present(frames: &[Option<u64>]) -> u64 {
    frames.iter().flatten().count() as u64
}

/// How many different ones are there.
pub(crate) fn distinct(frames: &[Option<u64>]) -> u64 {
    let mut sorted: Vec<u64> = frames.iter().flatten().copied().collect();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.len() as u64
}

/// Sizes of an address space, in pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages {
    pub(crate) size: u64,
    pub(crate) resident: u64,
}

/// `/proc/PID/statm`.
pub(crate) fn pages(pid: i32) -> Read<Pages> {
    let path = format!("/proc/{pid}/statm");
    let text = text(&path)?;
    let mut fields = bytes::fields(&text).filter_map(bytes::decimal);
    match (fields.next(), fields.next()) {
        (Some(size), Some(resident)) => Ok(Pages { size, resident }),
        _ => Err(Trouble::Failed(format!("{path} cannot be read"))),
    }
}

/// Page faults of this process so far: `minflt` and `majflt` of `/proc/self/stat`.
pub(crate) fn own_faults() -> Read<u64> {
    let text = text("/proc/self/stat")?;
    // The manual's tenth and twelfth field; the name before the third may have blanks.
    let behind = text.iter().rposition(|byte| *byte == b')').map_or(0, |at| at + 1);
    let field = |number: usize| bytes::fields(&text[behind..]).nth(number - 3);
    let faults = [10, 12].map(|number| field(number).and_then(bytes::decimal).unwrap_or(0));
    Ok(faults.iter().sum())
}

/// Pages of a process that are in a swap area only.
pub(crate) fn swapped_pages(pid: i32) -> Read<u64> {
    let kib = Table(&text(&format!("/proc/{pid}/status"))?).number("VmSwap");
    Ok((kib << 10) / PAGE_SIZE_BYTES as u64)
}

/// Pages of the area at an address that are in a swap area only.
pub(crate) fn swapped_of(pid: i32, at: usize) -> Read<u64> {
    with_area(pid, at, |area| (area.figures.swapped << 10) / PAGE_SIZE_BYTES as u64)
}

/// A counter of `/proc/vmstat`; none where this kernel has none of that name.
pub(crate) fn counter(name: &str) -> Read<Option<u64>> {
    Ok(Table(&text("/proc/vmstat")?).get(name))
}

/// How much a counter grew since it was `before`.
pub(crate) fn since(name: &str, before: Option<u64>) -> Read<Option<u64>> {
    let now = counter(name)?;
    Ok(now.zip(before).map(|(now, before)| now.saturating_sub(before)))
}

/// A figure of `/proc/meminfo`, in pages.
pub(crate) fn memory_pages(name: &str) -> Read<u64> {
    let kib = Table(&text("/proc/meminfo")?).get(name);
    let kib = kib.ok_or_else(|| Trouble::Failed(format!("/proc/meminfo does not tell {name}")))?;
    Ok((kib << 10) / PAGE_SIZE_BYTES as u64)
}

/// A file system of a disk.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// Where it is mounted, without a slash at the end.
    pub(crate) at: String,
    pub(crate) kind: String,
    pub(crate) is_writable: bool,
}

/// The file systems of disks, the one with the shortest path first.
pub(crate) fn disks() -> Read<Vec<Disk>> {
    let text = text("/proc/mounts")?;
    let mut disks: Vec<Disk> = Vec::new();
    for line in bytes::lines(&text) {
        let fields = bytes::fields(line).filter_map(|field| core::str::from_utf8(field).ok());
        let fields: Vec<&str> = fields.collect();
        let [_, at, kind, options, ..] = fields[..] else { continue };
        if kind.starts_with("ext") {
            let is_writable = options.split(',').any(|option| option == "rw");
            let at = at.trim_end_matches('/').into();
            disks.push(Disk { at, kind: kind.into(), is_writable });
        }
    }
    disks.sort_by_key(|disk| disk.at.len());
    Ok(disks)
}

/// Does this with the area of a process that an address is in.
pub(crate) fn with_area<T>(pid: i32, at: usize, work: impl FnOnce(&Area<'_>) -> T) -> Read<T> {
    let path = format!("/proc/{pid}/smaps");
    let text = text(&path)?;
    let areas = maps::parse(&text);
    let area = areas.iter().find(|area| (area.start..area.end).contains(&(at as u64)));
    area.map(work).ok_or_else(|| Trouble::Failed(format!("{path} does not list {at:#x}")))
}

/// Pages of the area at an address: mapped by others, too, and by this process only.
pub(crate) fn shared_and_private(pid: i32, at: usize) -> Read<(u64, u64)> {
    let pages = |kib: u64| (kib << 10) / PAGE_SIZE_BYTES as u64;
    with_area(pid, at, |area| {
        let Figures { shared, private, .. } = area.figures;
        (pages(shared), pages(private))
    })
}
