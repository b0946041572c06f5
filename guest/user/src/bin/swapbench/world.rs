//! What the measurements share: figures of the kernel, settings, figures for whoever reads them.

use alloc::vec::Vec;
use core::time::Duration;

use guest_user::proc::table::Table;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::PAGE_SIZE_BYTES;
use guest_user::sys::{swap, time};
use guest_user::{Errno, Result, println};
use linux_raw_sys::general::O_WRONLY;

/// Size of a page.
pub(crate) const PAGE: usize = PAGE_SIZE_BYTES;

/// The swap area.
const DISK: &[u8] = b"/dev/vda";

const AUDIT_ATTEMPTS: usize = 20;
const AUDIT_PAUSE: Duration = Duration::from_millis(50);

/// Tells a figure.
pub(crate) fn figure(name: &str, value: u64) {
    println!("figure {name} {value}");
}

/// Swaps to the disk, and promises more memory than there is.
pub(crate) fn prepare() -> Result<()> {
    set(b"/proc/sys/vm/overcommit_memory", b"1")?;
    swap::switch_on(DISK, None)
}

/// Writes a setting of the kernel.
pub(crate) fn set(path: &[u8], value: &[u8]) -> Result<()> {
    File::open_with(path, O_WRONLY, 0)?.write_all(value)
}

/// A figure of /proc/meminfo, in pages.
pub(crate) fn meminfo(name: &str) -> Result<usize> {
    let text = file::read_file(b"/proc/meminfo")?;
    Ok(Table(&text).get(name).ok_or(Errno::NOENT)? as usize / (PAGE / 1024))
}

/// Tells a figure of /proc/vmstat for each name: by how much it has grown since `before`.
pub(crate) fn growth(names: &[&str], before: &[u64]) -> Result<()> {
    let now = vmstat(names)?;
    for ((name, now), before) in names.iter().zip(now).zip(before) {
        figure(name, now.wrapping_sub(*before));
    }
    Ok(())
}

/// Figures of /proc/vmstat.
pub(crate) fn vmstat(names: &[&str]) -> Result<Vec<u64>> {
    let text = file::read_file(b"/proc/vmstat")?;
    Ok(names.iter().map(|name| Table(&text).number(name)).collect())
}

/// Has the kernel look for mistakes in its own books, if it is one that can. Right after a shortage
/// it may lack the memory for that.
///
/// # Errors
/// `EIO`: it found some.
pub(crate) fn audit() -> Result<()> {
    let mut attempts = AUDIT_ATTEMPTS;
    loop {
        match file::read_file(b"/proc/sys/vm/audit") {
            Err(Errno::NOENT) => return Ok(()),
            Err(Errno::NOMEM) if attempts > 1 => time::sleep(AUDIT_PAUSE)?,
            Ok(report) if !report.starts_with(b"ok") => return Err(Errno::IO),
            report => return report.map(drop),
        }
        attempts -= 1;
    }
}

/// Numbers that look random, the same in each run.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    /// The next one, below `end`.
    #[inline(always)]
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // The high half of the product: without a division, and as even.
        ((u128::from(self.0) * end as u128) >> 64) as usize
    }
}
