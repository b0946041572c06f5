//! Page faults of each kind, and mappings made, changed and taken away.

use guest_user::Result;
use guest_user::sys::file::File;
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::{file, process};
use linux_raw_sys::general::{PROT_READ, PROT_WRITE};

use crate::Row;
use crate::meter::{Meter, Watch};

pub(crate) const ROWS: &[Row] = &[
    ("zero-fill", "first write to an untouched page", zero_fill),
    ("zero-read", "first read of an untouched page", zero_read),
    ("zero-read-write", "first write to a page that was read", zero_read_write),
    ("cow-copy", "first write to a page after fork, while the child has it", cow_copy),
    ("cow-reuse", "first write to a page after fork, when the child has gone", cow_reuse),
    ("shared-fill", "first write to an untouched page of shared memory", shared_fill),
    ("munmap-per-page", "unmapping, for each page that is there", munmap_per_page),
    ("mmap-munmap", "mapping and unmapping a page that nobody touches", mmap_munmap),
    ("mmap-touch-munmap", "the same with one write to it", mmap_touch_munmap),
    ("mprotect", "changing the protection of one page amid others", mprotect),
];

/// Pages that are counted together.
const PAGES: usize = 128;
/// Mappings that are counted together.
const MAPPINGS: u64 = 16;

fn each_page(mut work: impl FnMut(usize)) -> u64 {
    (0..PAGES).for_each(|page| work(page * PAGE_SIZE_BYTES));
    PAGES as u64
}

fn fresh() -> Result<Mapping> {
    Mapping::private(PAGES * PAGE_SIZE_BYTES)
}

fn zero_fill(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| {
        let area = fresh()?;
        Ok(watch.run(|| each_page(|offset| area.write(offset, 1))))
    })
}

fn read_all(area: &Mapping) -> u64 {
    each_page(|offset| {
        area.read(offset);
    })
}

fn zero_read(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| {
        let area = fresh()?;
        Ok(watch.run(|| read_all(&area)))
    })
}

fn zero_read_write(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| {
        let area = fresh()?;
        read_all(&area);
        Ok(watch.run(|| each_page(|offset| area.write(offset, 1))))
    })
}

/// A child that waits, and ends when the pipe's other end is closed.
fn sharer(area: &Mapping) -> Result<(i32, File)> {
    let (reader, writer) = file::pipe()?;
    if let Some(child) = process::fork()? {
        return Ok((child, writer));
    }
    drop(writer);
    let mut byte = [0];
    let _ = reader.read(&mut byte);
    process::exit_at_once(area.read(0) as i32 - 1)
}

fn cow(watch: &mut Watch, has_gone: fn(i32, File) -> Result<Option<(i32, File)>>) -> Result<u64> {
    let area = fresh()?;
    each_page(|offset| area.write(offset, 1));
    let (child, writer) = sharer(&area)?;
    let left = has_gone(child, writer)?;
    let count = watch.run(|| each_page(|offset| area.write(offset, 2)));
    if let Some((child, writer)) = left {
        end(child, writer)?;
    }
    Ok(count)
}

fn end(child: i32, writer: File) -> Result<()> {
    drop(writer);
    process::wait(child, 0).map(drop)
}

fn cow_copy(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| cow(watch, |child, writer| Ok(Some((child, writer)))))
}

fn cow_reuse(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| cow(watch, |child, writer| end(child, writer).map(|()| None)))
}

fn shared_fill(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| {
        let area = Mapping::shared(PAGES * PAGE_SIZE_BYTES)?;
        Ok(watch.run(|| each_page(|offset| area.write(offset, 1))))
    })
}

fn munmap_per_page(meter: &mut Meter) -> Result<()> {
    meter.repeat(|watch| {
        let area = fresh()?;
        let count = each_page(|offset| area.write(offset, 1));
        watch.run(|| drop(area));
        Ok(count)
    })
}

/// Maps a page, uses it, and unmaps it, several times.
fn mappings(meter: &mut Meter, usage: fn(&Mapping)) -> Result<()> {
    meter.repeat(|watch| {
        watch.run(|| {
            (0..MAPPINGS)
                .try_for_each(|_| Mapping::private(PAGE_SIZE_BYTES).map(|page| usage(&page)))
        })?;
        Ok(MAPPINGS)
    })
}

fn mmap_munmap(meter: &mut Meter) -> Result<()> {
    mappings(meter, |_| ())
}

fn mmap_touch_munmap(meter: &mut Meter) -> Result<()> {
    mappings(meter, |page| page.write(0, 1))
}

fn mprotect(meter: &mut Meter) -> Result<()> {
    let area = fresh()?;
    each_page(|offset| area.write(offset, 1));
    let middle = PAGES / 2 * PAGE_SIZE_BYTES;
    meter.repeat(|watch| {
        watch.run(|| {
            (0..MAPPINGS / 2).try_for_each(|_| {
                area.protect(middle, PAGE_SIZE_BYTES, PROT_READ)?;
                area.protect(middle, PAGE_SIZE_BYTES, PROT_READ | PROT_WRITE)
            })
        })?;
        Ok(MAPPINGS)
    })
}
