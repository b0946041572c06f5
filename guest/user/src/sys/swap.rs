//! Swap areas: switching disks on and off, and which disks have the header of one.

use alloc::vec::Vec;

use guest::mm::swap::header::{HEADER_BYTES, Header};
use linux_raw_sys::general as g;

use super::call::{args, call};
use super::dir;
use super::file::{self, File};
use crate::errno::{Errno, Result};

/// `SWAP_FLAG_PREFER` of `swapon`: the low bits are a priority.
const PREFER: u32 = 0x8000;
/// Highest priority that can be asked for.
pub const PRIORITY_MAX: u16 = 0x7fff;

/// Where disks are.
const DEVICES: &[u8] = b"/dev";

/// Uses a disk as a swap area; areas of higher priority are used first.
pub fn switch_on(path: &[u8], priority: Option<u16>) -> Result<()> {
    let flags = priority.map_or(0, |priority| PREFER | u32::from(priority.min(PRIORITY_MAX)));
    call(g::__NR_swapon, args![file::c_path(path)?.as_c_str(), flags]).map(drop)
}

/// Brings home what is in a swap area, and does not use it any more.
pub fn switch_off(path: &[u8]) -> Result<()> {
    call(g::__NR_swapoff, args![file::c_path(path)?.as_c_str()]).map(drop)
}

/// Whether a disk has the header of a swap area.
pub fn has_header(path: &[u8]) -> Result<bool> {
    let mut bytes = alloc::vec![0; HEADER_BYTES];
    let count = file::retry(|| File::open(path)?.read_at(&mut bytes, 0))?;
    let page = bytes.first_chunk().filter(|_| count == HEADER_BYTES);
    Ok(page.is_some_and(|page| Header::read(page).is_ok()))
}

/// The disks that have such a header, by their paths.
pub fn disks() -> Result<Vec<Vec<u8>>> {
    let entries = match dir::sorted_entries(DEVICES) {
        Err(Errno::NOENT) => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.iter().map(|entry| [DEVICES, b"/", &entry.name].concat());
    let is_disk = |path: &Vec<u8>| {
        let stat = file::stat(path);
        stat.is_ok_and(|stat| file::is_kind(stat.st_mode, g::S_IFBLK))
            && has_header(path).unwrap_or(false)
    };
    Ok(paths.filter(is_disk).collect())
}
