//! `mkswap [-L LABEL] DEVICE`: writes the header of a swap area onto a disk.

#![no_std]
#![no_main]

extern crate alloc;

use alloc::string::String;
use alloc::vec;
use core::fmt::Write as _;

use guest::mm::swap::header::{self, HEADER_BYTES, LABEL_BYTES, UUID_BYTES};
use guest_user::bytes::Bytes;
use guest_user::options::{Options, Order};
use guest_user::proc::swaps;
use guest_user::sys::file::File;
use guest_user::sys::mapping::PAGE_SIZE_BYTES;
use guest_user::sys::{args, file, io, system};
use guest_user::{Errno, Result, complain, println};
use linux_raw_sys::general::{O_EXCL, O_RDWR};

guest_user::program!(main);

const PAGE: u64 = PAGE_SIZE_BYTES as u64;
/// Less is not worth the trouble.
const PAGES_MIN: u64 = 10;

fn main() -> i32 {
    let options = Options::parse(args::args(), b"", b"L", Order::Anywhere);
    let Some(options) = options else { return usage() };
    let [path] = options.operands[..] else { return usage() };
    let active = file::read_file(b"/proc/swaps").unwrap_or_default();
    if swaps::parse(&active).iter().any(|area| area.path == path) {
        complain!("error: {} is in use; will not make swapspace", Bytes(path));
        return 1;
    }
    let label = options.value(b'L').unwrap_or_default();
    if label.len() > LABEL_BYTES {
        complain!("Label was truncated.");
    }
    let label = &label[..label.len().min(LABEL_BYTES)];
    match make(path, label) {
        Ok(None) => {
            complain!("error: swap area needs to be at least {} KiB", PAGES_MIN * PAGE / 1024);
            1
        }
        Ok(Some(made)) => {
            let kib = made.bytes >> 10;
            println!("Setting up swapspace version 1, size = {kib} KiB ({} bytes)", made.bytes);
            match label {
                b"" => println!("no label, UUID={}", made.uuid),
                label => println!("LABEL={}, UUID={}", Bytes(label), made.uuid),
            }
            0
        }
        Err(error) => {
            complain!("{}: {error}", Bytes(path));
            1
        }
    }
}

fn usage() -> i32 {
    io::usage("mkswap [-L LABEL] DEVICE")
}

/// What was made.
struct Made {
    /// Size without the header.
    bytes: u64,
    uuid: String,
}

/// Writes the header; none: the disk is too small for one.
fn make(path: &[u8], label: &[u8]) -> Result<Option<Made>> {
    let disk = File::open_with(path, O_RDWR | O_EXCL, 0)?;
    let pages = disk.length()? / PAGE;
    if pages < PAGES_MIN {
        return Ok(None);
    }
    let last_page = u32::try_from(pages - 1).unwrap_or(u32::MAX);
    let mut uuid = [0; UUID_BYTES];
    system::random(&mut uuid)?;
    // A random one is version 4, of the usual variant.
    uuid[6] = uuid[6] & 0x0f | 0x40;
    uuid[8] = uuid[8] & 0x3f | 0x80;
    let mut page = vec![0; HEADER_BYTES];
    if file::retry(|| disk.read_at(&mut page, 0))? != HEADER_BYTES {
        return Err(Errno::IO);
    }
    let header = page.first_chunk_mut().ok_or(Errno::IO)?;
    header::write(header, last_page, uuid, label);
    disk.seek(0)?;
    disk.write_all(&page)?;
    disk.sync()?;
    Ok(Some(Made { bytes: u64::from(last_page) * PAGE, uuid: text_of(&uuid) }))
}

/// An identifier as people write it.
fn text_of(uuid: &[u8; UUID_BYTES]) -> String {
    let mut text = String::new();
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}
