//! Directories: [`entries`] lists one.

use alloc::vec::Vec;

use linux_raw_sys::general::{__NR_getdents64, DT_DIR, O_DIRECTORY, O_RDONLY};

use super::call::{args, call};
use super::file::File;
use crate::errno::Result;

const BUFFER_BYTES: usize = 2048;
// Offsets in `struct linux_dirent64`.
const RECORD_LENGTH: usize = 16;
const TYPE: usize = 18;
const NAME: usize = 19;

/// A directory's entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The name, without its directory.
    pub name: Vec<u8>,
    /// `DT_*`.
    pub kind: u8,
}

impl Entry {
    /// Whether it is known to be a directory.
    pub fn is_directory(&self) -> bool {
        u32::from(self.kind) == DT_DIR
    }
}

/// The entries of a directory, `.` and `..` included, as the file system orders them.
pub fn entries(path: &[u8]) -> Result<Vec<Entry>> {
    let directory = File::open_with(path, O_RDONLY | O_DIRECTORY, 0)?;
    let mut found = Vec::new();
    let mut buffer = [0_u8; BUFFER_BYTES];
    loop {
        let count = call(__NR_getdents64, args![directory.fd(), &mut buffer[..]])?;
        if count == 0 {
            return Ok(found);
        }
        let mut records = &buffer[..count];
        while records.len() > NAME {
            let length =
                usize::from(records[RECORD_LENGTH]) | usize::from(records[RECORD_LENGTH + 1]) << 8;
            if length <= NAME || length > records.len() {
                break;
            }
            let (record, rest) = records.split_at(length);
            let name = record[NAME..].split(|byte| *byte == 0).next().unwrap_or_default();
            found.push(Entry { name: name.to_vec(), kind: record[TYPE] });
            records = rest;
        }
    }
}

/// As [`entries`], sorted by name.
pub fn sorted_entries(path: &[u8]) -> Result<Vec<Entry>> {
    let mut found = entries(path)?;
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}
