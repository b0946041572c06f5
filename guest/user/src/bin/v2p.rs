//! `v2p PID ADDRESS [PID ADDRESS]...`: where an address of a process is: page, frame, physical address,
//! and how many page-table entries map that frame. Of several addresses it also says whether one frame
//! is behind them all. With `-o`, also who else maps each frame, and where. Status 1: not in memory.
//! `v2p -r PID START LENGTH` says it of all pages of a range.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::proc::pagemap::{self, ENTRY_BYTES, Entry, PAGE_SHIFT, Place};
use guest_user::sys::file::{self, File};
use guest_user::sys::{args, io, pages};
use guest_user::{Result, complain, print, println};

guest_user::program!(main);

/// Exit status where no page is in memory.
const EXIT_ABSENT: i32 = 1;
/// Exit status of other trouble.
const EXIT_TROUBLE: i32 = 2;
/// Entries that are read at once.
const CHUNK_ENTRIES: u64 = 64;
const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"ro", b"", Order::Anywhere);
    let Some(options) = options else { return usage() };
    match (options.has(b'r'), &options.operands[..]) {
        (true, [pid, start, length]) => {
            match (bytes::address(start), bytes::size(length).filter(|length| *length > 0)) {
                (Some(start), Some(length)) => range(pid, start, length),
                _ => usage(),
            }
        }
        (false, operands) if !operands.is_empty() && operands.len().is_multiple_of(2) => {
            let owners = if options.has(b'o') { Owners::Shown } else { Owners::Hidden };
            single(operands.as_chunks().0, owners)
        }
        _ => usage(),
    }
}

fn usage() -> i32 {
    io::usage("v2p [-o] PID ADDRESS [PID ADDRESS]...  or  v2p -r PID START LENGTH");
    EXIT_TROUBLE
}

/// Opens the pagemap of a process and does this with it.
fn with_pagemap<T>(pid: &[u8], work: impl FnOnce(&File) -> Result<T>) -> Option<T> {
    let path = format!("/proc/{}/pagemap", Bytes(pid));
    match File::open(path.as_bytes()).and_then(|file| work(&file)) {
        Ok(value) => Some(value),
        Err(error) => {
            complain!("{path}: {error}");
            None
        }
    }
}

fn range(pid: &[u8], start: u64, length: u64) -> i32 {
    match with_pagemap(pid, |file| show(file, start, length)) {
        None => EXIT_TROUBLE,
        Some(0) => EXIT_ABSENT,
        Some(_) => 0,
    }
}

/// Whether it is said who maps a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owners {
    Shown,
    Hidden,
}

/// Prints a line for each address, and what is to be said of them together.
fn single(pairs: &[[&[u8]; 2]], owners: Owners) -> i32 {
    let mut frames = Vec::new();
    for [pid, address] in pairs {
        let Some(address) = bytes::address(address) else { return usage() };
        let entry = with_pagemap(pid, |file| {
            let mut bytes = [0; ENTRY_BYTES];
            let offset = (address >> PAGE_SHIFT) * ENTRY_BYTES as u64;
            // Where no user's address is any more, nothing is read, and nothing is there.
            file.read_at(&mut bytes, offset).map(|_| Entry(u64::from_le_bytes(bytes)))
        });
        let Some(entry) = entry else { return EXIT_TROUBLE };
        if pairs.len() > 1 {
            print!("{}: ", Bytes(pid));
        }
        let frame = match entry.place() {
            Place::Frame(frame) if frame != 0 => Some(frame),
            _ => None,
        };
        // Only this kernel and Linux's superuser can tell.
        match frame.map(pages::mappings) {
            Some(Ok(count)) => {
                println!("{} mapped {count}", pagemap::line(address, entry));
            }
            _ => println!("{}", pagemap::line(address, entry)),
        }
        frames.push((frame, matches!(entry.place(), Place::Frame(_))));
    }
    together(&frames, owners)
}

/// What is to be said of frames together; the exit status.
fn together(frames: &[(Option<u64>, bool)], owners: Owners) -> i32 {
    let mut different: Vec<u64> = frames.iter().filter_map(|(frame, _)| *frame).collect();
    different.sort_unstable();
    different.dedup();
    if frames.len() > 1 {
        match &different[..] {
            [frame] if frames.iter().all(|(own, _)| *own == Some(*frame)) => {
                println!("one frame behind {} addresses: {frame:#x}", frames.len());
            }
            _ => println!("{} frames behind {} addresses", different.len(), frames.len()),
        }
    }
    if owners == Owners::Shown {
        for frame in different {
            if let Err(error) = show_owners(frame) {
                complain!("{error}");
                return EXIT_TROUBLE;
            }
        }
    }
    if frames.iter().all(|(_, is_present)| *is_present) { 0 } else { EXIT_ABSENT }
}

/// Prints a line for each address that a frame is behind.
fn show_owners(frame: u64) -> Result<()> {
    for pid in pages::processes()? {
        let path = format!("/proc/{pid}/comm");
        let name = file::read_file(path.as_bytes()).unwrap_or_default();
        // It may have ended.
        let _ = pages::of(pid, &mut |address, place| {
            if place == Place::Frame(frame) {
                println!(
                    "frame {frame:#x}: {pid} {} at {address:#x}",
                    Bytes(name.trim_ascii_end())
                );
            }
        });
    }
    Ok(())
}

/// Prints a line a page, pages that are nowhere in one line together; how many are in memory.
fn show(pagemap: &File, start: u64, length: u64) -> Result<u64> {
    let last = start.saturating_add(length - 1) >> PAGE_SHIFT;
    let mut page = start >> PAGE_SHIFT;
    let mut present = 0;
    // Where the pages that are nowhere began.
    let mut absent = None;
    while page <= last {
        let mut buffer = [0; CHUNK_ENTRIES as usize * ENTRY_BYTES];
        let wanted = (last - page + 1).min(CHUNK_ENTRIES) as usize;
        let offset = page * ENTRY_BYTES as u64;
        let count = pagemap.read_at(&mut buffer[..wanted * ENTRY_BYTES], offset)? / ENTRY_BYTES;
        for bytes in buffer[..count * ENTRY_BYTES].as_chunks().0 {
            let entry = Entry(u64::from_le_bytes(*bytes));
            // The first page is shown by the very address that was asked for.
            let address = start.max(page << PAGE_SHIFT);
            if entry.place() == Place::None {
                absent.get_or_insert(address);
            } else {
                show_absent(absent.take(), page);
                println!("{}", pagemap::line(address, entry));
                present += u64::from(matches!(entry.place(), Place::Frame(_)));
            }
            page += 1;
        }
        if count < wanted {
            // No user's address is there any more.
            absent.get_or_insert(start.max(page << PAGE_SHIFT));
            page = last + 1;
        }
    }
    show_absent(absent, page);
    Ok(present)
}

/// Prints the line about the pages from an address up to a page.
fn show_absent(start: Option<u64>, end_page: u64) {
    let Some(start) = start else { return };
    let count = end_page - (start >> PAGE_SHIFT);
    let line = pagemap::line(start, Entry(0));
    if count == 1 {
        println!("{line}");
    } else {
        println!("{line}, {count} pages, {} KiB", count * PAGE_BYTES >> 10);
    }
}
