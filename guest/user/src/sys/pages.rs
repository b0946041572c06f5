//! Where the pages of all processes are: [`all`] goes through every pagemap.

use alloc::format;
use alloc::vec;
use alloc::vec::Vec;

use super::dir;
use super::file::{self, File};
use super::mapping::PAGE_SIZE_BYTES;
use crate::bytes::{self, Bytes};
use crate::errno::{Errno, Result};
use crate::proc::chart::Kind;
use crate::proc::maps;
use crate::proc::pagemap::{ENTRY_BYTES, Entry, Place};

/// Entries that are read together.
const CHUNK_ENTRIES: usize = 512;

/// The processes, in order.
pub fn processes() -> Result<Vec<u64>> {
    let entries = dir::entries(b"/proc")?;
    let mut pids: Vec<u64> =
        entries.iter().filter_map(|entry| bytes::decimal(&entry.name)).collect();
    pids.sort_unstable();
    Ok(pids)
}

/// Calls `visit` with each page of a process that is somewhere: its address, and where it is.
pub fn of(pid: u64, visit: &mut dyn FnMut(u64, Place)) -> Result<()> {
    let text = file::read_file(format!("/proc/{pid}/maps").as_bytes())?;
    let pagemap = File::open(format!("/proc/{pid}/pagemap").as_bytes())?;
    let page = PAGE_SIZE_BYTES as u64;
    let mut entries = vec![0; CHUNK_ENTRIES * ENTRY_BYTES];
    for area in maps::parse(&text) {
        let (mut at, end) = (area.start / page, area.end / page);
        while at < end {
            let count = CHUNK_ENTRIES.min((end - at) as usize) * ENTRY_BYTES;
            let read = pagemap.read_at(&mut entries[..count], at * ENTRY_BYTES as u64)?;
            let (words, _) = entries[..read].as_chunks();
            for (number, word) in (at..).zip(words) {
                match Entry(u64::from_le_bytes(*word)).place() {
                    Place::None => {}
                    place => visit(number * page, place),
                }
            }
            if words.is_empty() {
                break;
            }
            at += words.len() as u64;
        }
    }
    Ok(())
}

/// Calls `visit` with each page of each process that is somewhere. Processes that end meanwhile are
/// left out.
pub fn all(visit: &mut dyn FnMut(u64, Place)) -> Result<()> {
    for pid in processes()? {
        // It may have ended.
        let _ = of(pid, &mut |_, place| visit(pid, place));
    }
    Ok(())
}

/// How many page-table entries map a frame.
pub fn mappings(frame: u64) -> Result<u64> {
    let mut word = [0; size_of::<u64>()];
    let counts = File::open(b"/proc/kpagecount")?;
    let count = counts.read_at(&mut word, frame * size_of::<u64>() as u64)?;
    if count == word.len() { Ok(u64::from_le_bytes(word)) } else { Err(Errno::INVAL) }
}

/// How the pages of a process are drawn, the first one being 0.
pub fn kind_of_process(index: usize, pid: u64) -> Kind {
    const LETTERS: &[u8] = b"123456789abcdefghijklmnopqrstuvwxyz";
    /// Colours of the cube, far enough apart.
    const COLOURS: [u8; 8] = [39, 208, 76, 201, 226, 51, 160, 99];
    let name = file::read_file(format!("/proc/{pid}/comm").as_bytes()).unwrap_or_default();
    let letter = LETTERS[index % LETTERS.len()];
    let name = format!("{pid} {}", Bytes(name.trim_ascii_end()));
    Kind::new(char::from(letter), Some(COLOURS[index % COLOURS.len()]), &name)
}
