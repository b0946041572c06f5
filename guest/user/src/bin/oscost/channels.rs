//! Pipes, with and without names.

use alloc::format;
use alloc::string::String;

use guest_user::sys::file::{self, File};
use guest_user::sys::process;
use guest_user::{Errno, Result};
use linux_raw_sys::general::{O_RDONLY, O_WRONLY};

use crate::Row;
use crate::meter::Meter;

pub(crate) const ROWS: &[Row] = &[
    ("pipe-byte", "writing a byte to a pipe and reading it back", byte),
    ("pipe-64k", "writing 64 KiB to a pipe and reading them back, 4 KiB at a time", bytes),
    ("pipe-round-trip", "a byte to another process and one back", round_trip),
    ("fifo-round-trip", "the same through two named pipes", named_round_trip),
];

/// Operations that are counted together.
const ROUNDS: u64 = 32;
/// What any pipe takes without waiting for a reader.
const CHUNK_BYTES: usize = 4096;
const CHUNKS: usize = (64 << 10) / CHUNK_BYTES;

/// Fails unless all of it was read.
fn whole(count: usize, wanted: usize) -> Result<()> {
    if count == wanted { Ok(()) } else { Err(Errno::IO) }
}

fn byte(meter: &mut Meter) -> Result<()> {
    let (reader, writer) = file::pipe()?;
    let mut byte = [0];
    meter.repeat(|watch| {
        watch.run(|| {
            (0..ROUNDS).try_for_each(|_| {
                writer.write_all(&[1])?;
                whole(reader.read(&mut byte)?, 1)
            })
        })?;
        Ok(ROUNDS)
    })
}

fn bytes(meter: &mut Meter) -> Result<()> {
    let (reader, writer) = file::pipe()?;
    let from = alloc::vec![1; CHUNK_BYTES];
    let mut to = alloc::vec![0; CHUNK_BYTES];
    meter.repeat(|watch| {
        watch.run(|| {
            (0..CHUNKS).try_for_each(|_| {
                writer.write_all(&from)?;
                whole(reader.read(&mut to)?, CHUNK_BYTES)
            })
        })?;
        Ok(1)
    })
}

fn round_trip(meter: &mut Meter) -> Result<()> {
    let ((there_out, there_in), (back_out, back_in)) = (file::pipe()?, file::pipe()?);
    let Some(child) = process::fork()? else {
        drop((there_in, back_out));
        echo(&there_out, &back_in)
    };
    drop((there_out, back_in));
    converse(meter, child, there_in, &back_out)
}

/// A pipe with a name that is there while this lives.
struct Named(String);

impl Named {
    fn new(what: &str) -> Result<Self> {
        let named = Self(format!("/tmp/oscost-{}-{what}", process::id()));
        file::make_fifo(named.0.as_bytes(), 0o600)?;
        Ok(named)
    }

    /// Waits until somebody opens the other end.
    fn open(&self, flags: u32) -> Result<File> {
        File::open_with(self.0.as_bytes(), flags, 0)
    }
}

impl Drop for Named {
    fn drop(&mut self) {
        // It stays where the file system has turned read-only, in which nothing can be done here.
        let _ = file::unlink(self.0.as_bytes());
    }
}

fn named_round_trip(meter: &mut Meter) -> Result<()> {
    let (there, back) = (Named::new("there")?, Named::new("back")?);
    let Some(child) = process::fork()? else {
        let (from, to) = (there.open(O_RDONLY), back.open(O_WRONLY));
        match (from, to) {
            (Ok(from), Ok(to)) => echo(&from, &to),
            _ => process::exit_at_once(1),
        }
    };
    let (there, back) = (there.open(O_WRONLY)?, back.open(O_RDONLY)?);
    converse(meter, child, there, &back)
}

/// Sends every byte back, and ends with those who send.
fn echo(from: &File, to: &File) -> ! {
    let mut byte = [0];
    while from.read(&mut byte) == Ok(1) && to.write_all(&byte).is_ok() {}
    process::exit_at_once(0)
}

/// Sends bytes to a child that sends them back.
fn converse(meter: &mut Meter, child: i32, to: File, from: &File) -> Result<()> {
    let mut byte = [0];
    let counted = meter.repeat(|watch| {
        watch.run(|| {
            (0..ROUNDS).try_for_each(|_| {
                to.write_all(&[1])?;
                whole(from.read(&mut byte)?, 1)
            })
        })?;
        Ok(ROUNDS)
    });
    drop(to);
    process::wait(child, 0)?;
    counted
}
