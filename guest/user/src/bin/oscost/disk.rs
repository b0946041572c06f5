//! A file on a disk: its pages come, are changed, and go back.

use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::{Errno, Result};
use linux_raw_sys::general as g;

use crate::Row;
use crate::meter::Meter;

/// Rows that are there where a disk is that has an ext2 file system.
pub(crate) const ROWS: &[Row] = &[
    ("disk-read-fault", "first read of a page of a mapped file that is on the disk only", cold),
    ("disk-write-fault", "first write to such a page that is in memory, as on the disk", changed),
    ("disk-fsync", "fsync of a file of which a page was written", sync),
];

/// Where the file system is mounted.
const PLACE: &[u8] = b"/tmp/oscost-disk";
const FILE: &[u8] = b"/tmp/oscost-disk/oscost";
/// Disks that it may be on.
const DISKS: [&[u8]; 3] = [b"/dev/vda", b"/dev/vdb", b"/dev/vdc"];
/// Pages of the file.
const PAGES: usize = 128;
const LENGTH_BYTES: usize = PAGES * PAGE_SIZE_BYTES;

/// The file system, mounted while this lives.
#[derive(Debug)]
pub(crate) struct Mounted;

impl Mounted {
    /// Mounts the first disk that will do; none where there is none.
    pub(crate) fn find() -> Option<Self> {
        // It may be there from the last time.
        let _ = file::make_directory(PLACE, 0o755);
        DISKS.iter().any(|disk| file::mount(disk, PLACE, b"ext2", 0).is_ok()).then_some(Self)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // The file system stays where it is busy, which is seen.
        let _ = file::unmount(PLACE);
    }
}

/// The file with all its pages, on the disk.
fn make() -> Result<File> {
    let file = File::open_with(FILE, g::O_RDWR | g::O_CREAT, 0o644)?;
    file.seek(0)?;
    (0..PAGES).try_for_each(|_| file.write_all(&[1; PAGE_SIZE_BYTES]))?;
    file.sync()?;
    Ok(file)
}

fn map(file: &File) -> Result<Mapping> {
    Mapping::of_file(file, LENGTH_BYTES, g::PROT_READ | g::PROT_WRITE, g::MAP_SHARED)
}

fn offsets() -> impl Iterator<Item = usize> {
    (0..LENGTH_BYTES).step_by(PAGE_SIZE_BYTES)
}

fn mounted() -> Result<Mounted> {
    Mounted::find().ok_or(Errno::NODEV)
}

fn cold(meter: &mut Meter) -> Result<()> {
    let first = mounted()?;
    drop(make()?);
    drop(first);
    meter.repeat(|watch| {
        // Nothing of it is in memory when the file system was away.
        let _mounted = mounted()?;
        let area = map(&File::open_with(FILE, g::O_RDWR, 0)?)?;
        watch.run(|| offsets().for_each(|offset| _ = area.read(offset)));
        drop(area);
        Ok(PAGES as u64)
    })
}

fn changed(meter: &mut Meter) -> Result<()> {
    let _mounted = mounted()?;
    let file = make()?;
    let area = map(&file)?;
    meter.repeat(|watch| {
        area.sync(0, LENGTH_BYTES)?;
        offsets().for_each(|offset| _ = area.read(offset));
        watch.run(|| offsets().for_each(|offset| area.write(offset, 2)));
        Ok(PAGES as u64)
    })
}

fn sync(meter: &mut Meter) -> Result<()> {
    let _mounted = mounted()?;
    let file = make()?;
    meter.repeat(|watch| {
        file.write_at(&[3; PAGE_SIZE_BYTES], 0)?;
        watch.run(|| file.sync())?;
        Ok(1)
    })
}
