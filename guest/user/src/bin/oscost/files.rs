//! A file in memory: reading it, opening it, asking what it is, mapping it.

use alloc::format;
use alloc::string::String;

use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::{Mapping, PAGE_SIZE_BYTES};
use guest_user::sys::process;
use guest_user::{Errno, Result};
use linux_raw_sys::general as g;

use crate::Row;
use crate::meter::Meter;

pub(crate) const ROWS: &[Row] = &[
    ("read-4k", "reading 4 KiB of a file in memory", read),
    ("splice-64k", "64 KiB of it spliced into a pipe, and from there into another file", splice),
    ("open-close", "opening that file and closing it", open_close),
    ("stat", "what that file is, by its path", stat),
    ("file-fault", "first read of a page of that file where it is mapped", fault),
    ("file-copy", "first write to a page of it where it is mapped private", copy),
];

/// Pages of the file.
const PAGES: usize = 128;
/// Operations that are counted together.
const ROUNDS: u64 = 32;

/// A file that is there while this lives.
pub(crate) struct Scratch(String);

impl Scratch {
    /// With [`PAGES`] pages.
    pub(crate) fn new(name: &str) -> Result<Self> {
        let scratch = Self(format!("/tmp/oscost-{}-{name}", process::id()));
        let file = File::create(scratch.path())?;
        (0..PAGES).try_for_each(|_| file.write_all(&[1; PAGE_SIZE_BYTES]))?;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // It stays where the file system has turned read-only, in which nothing can be done here.
        let _ = file::unlink(self.path());
    }
}

fn read(meter: &mut Meter) -> Result<()> {
    let scratch = Scratch::new("file")?;
    let file = File::open(scratch.path())?;
    let mut buffer = alloc::vec![0; PAGE_SIZE_BYTES];
    meter.repeat(|watch| {
        watch.run(|| {
            (0..PAGES).try_for_each(|page| {
                let count = file.read_at(&mut buffer, (page * PAGE_SIZE_BYTES) as u64)?;
                if count == PAGE_SIZE_BYTES { Ok(()) } else { Err(Errno::IO) }
            })
        })?;
        Ok(PAGES as u64)
    })
}

fn splice(meter: &mut Meter) -> Result<()> {
    /// What a pipe has room for.
    const LENGTH_BYTES: usize = 64 << 10;
    let (source, target) = (Scratch::new("source")?, Scratch::new("target")?);
    let (from, to) = (File::open(source.path())?, File::open_with(target.path(), g::O_WRONLY, 0)?);
    let (reader, writer) = file::pipe()?;
    meter.repeat(|watch| {
        from.seek(0)?;
        to.seek(0)?;
        watch.run(|| {
            let sent = file::splice(&from, &writer, LENGTH_BYTES)?;
            let kept = file::splice(&reader, &to, LENGTH_BYTES)?;
            if [sent, kept] == [LENGTH_BYTES; 2] { Ok(()) } else { Err(Errno::IO) }
        })?;
        Ok(1)
    })
}

fn open_close(meter: &mut Meter) -> Result<()> {
    let scratch = Scratch::new("file")?;
    meter.repeat(|watch| {
        watch.run(|| (0..ROUNDS).try_for_each(|_| File::open(scratch.path()).map(drop)))?;
        Ok(ROUNDS)
    })
}

fn stat(meter: &mut Meter) -> Result<()> {
    let scratch = Scratch::new("file")?;
    meter.repeat(|watch| {
        watch.run(|| (0..ROUNDS).try_for_each(|_| file::stat(scratch.path()).map(drop)))?;
        Ok(ROUNDS)
    })
}

/// Maps the file and touches each page.
fn touch(
    meter: &mut Meter,
    protection: u32,
    flags: u32,
    each: impl Fn(&Mapping, usize),
) -> Result<()> {
    let scratch = Scratch::new("file")?;
    let file = File::open(scratch.path())?;
    meter.repeat(|watch| {
        let area = Mapping::of_file(&file, PAGES * PAGE_SIZE_BYTES, protection, flags)?;
        watch.run(|| (0..PAGES).for_each(|page| each(&area, page * PAGE_SIZE_BYTES)));
        Ok(PAGES as u64)
    })
}

fn fault(meter: &mut Meter) -> Result<()> {
    touch(meter, g::PROT_READ, g::MAP_SHARED, |area, offset| _ = area.read(offset))
}

fn copy(meter: &mut Meter) -> Result<()> {
    let protection = g::PROT_READ | g::PROT_WRITE;
    touch(meter, protection, g::MAP_PRIVATE, |area, offset| area.write(offset, 2))
}
