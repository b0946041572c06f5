//! `v2p PID ADDRESS`: where an address of a process is: page, frame, physical address. Status 1: not
//! in memory. `v2p -r PID START LENGTH` says it of all pages of a range.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;

use guest_user::bytes::{self, Bytes};
use guest_user::options::{Options, Order};
use guest_user::proc::pagemap::{self, ENTRY_BYTES, Entry, PAGE_SHIFT, Place};
use guest_user::sys::file::File;
use guest_user::sys::{args, io};
use guest_user::{Result, complain, println};

guest_user::program!(main);

/// Exit status where no page is in memory.
const EXIT_ABSENT: i32 = 1;
/// Exit status of other trouble.
const EXIT_TROUBLE: i32 = 2;
/// Entries that are read at once.
const CHUNK_ENTRIES: u64 = 64;
const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"r", b"", Order::Anywhere);
    let Some(options) = options else { return usage() };
    let (pid, start, length) = match (options.has(b'r'), &options.operands[..]) {
        (false, [pid, address]) => (pid, bytes::address(address), Some(1)),
        (true, [pid, start, length]) => (pid, bytes::address(start), bytes::size(length)),
        _ => return usage(),
    };
    let (Some(start), Some(length)) = (start, length.filter(|length| *length > 0)) else {
        return usage();
    };
    let path = format!("/proc/{}/pagemap", Bytes(pid));
    match File::open(path.as_bytes()).and_then(|file| show(&file, start, length)) {
        Ok(0) => EXIT_ABSENT,
        Ok(_) => 0,
        Err(error) => {
            complain!("{path}: {error}");
            EXIT_TROUBLE
        }
    }
}

fn usage() -> i32 {
    io::usage("v2p PID ADDRESS  or  v2p -r PID START LENGTH");
    EXIT_TROUBLE
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
