//! A file in memory: reading it, opening it, asking what it is.

use alloc::format;
use alloc::string::String;

use guest_user::sys::file::{self, File};
use guest_user::sys::process;
use guest_user::{Errno, Result};

use crate::Row;
use crate::meter::Meter;

pub(crate) const ROWS: &[Row] = &[
    ("read-4k", "reading 4 KiB of a file in memory", read),
    ("open-close", "opening that file and closing it", open_close),
    ("stat", "what that file is, by its path", stat),
];

const CHUNK_BYTES: usize = 4096;
const CHUNKS: usize = 16;
/// Operations that are counted together.
const ROUNDS: u64 = 32;

/// A file that is there while this lives.
struct Scratch(String);

impl Scratch {
    fn new() -> Result<Self> {
        let scratch = Self(format!("/tmp/oscost-{}", process::id()));
        let file = File::create(scratch.path())?;
        (0..CHUNKS).try_for_each(|_| file.write_all(&[1; CHUNK_BYTES]))?;
        Ok(scratch)
    }

    fn path(&self) -> &[u8] {
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
    let scratch = Scratch::new()?;
    let file = File::open(scratch.path())?;
    let mut buffer = alloc::vec![0; CHUNK_BYTES];
    meter.repeat(|watch| {
        watch.run(|| {
            (0..CHUNKS).try_for_each(|chunk| {
                let count = file.read_at(&mut buffer, (chunk * CHUNK_BYTES) as u64)?;
                if count == CHUNK_BYTES { Ok(()) } else { Err(Errno::IO) }
            })
        })?;
        Ok(CHUNKS as u64)
    })
}

fn open_close(meter: &mut Meter) -> Result<()> {
    let scratch = Scratch::new()?;
    meter.repeat(|watch| {
        watch.run(|| (0..ROUNDS).try_for_each(|_| File::open(scratch.path()).map(drop)))?;
        Ok(ROUNDS)
    })
}

fn stat(meter: &mut Meter) -> Result<()> {
    let scratch = Scratch::new()?;
    meter.repeat(|watch| {
        watch.run(|| (0..ROUNDS).try_for_each(|_| file::stat(scratch.path()).map(drop)))?;
        Ok(ROUNDS)
    })
}
