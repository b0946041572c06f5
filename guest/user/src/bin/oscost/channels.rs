//! Pipes.

use guest_user::sys::{file, process};
use guest_user::{Errno, Result};

use crate::Row;
use crate::meter::Meter;

pub(crate) const ROWS: &[Row] = &[
    ("pipe-byte", "writing a byte to a pipe and reading it back", byte),
    ("pipe-64k", "writing 64 KiB to a pipe and reading them back, 4 KiB at a time", bytes),
    ("pipe-round-trip", "a byte to another process and one back", round_trip),
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
    let (there_out, there_in) = file::pipe()?;
    let (back_out, back_in) = file::pipe()?;
    let Some(child) = process::fork()? else {
        drop((there_in, back_out));
        let mut byte = [0];
        while there_out.read(&mut byte) == Ok(1) && back_in.write_all(&byte).is_ok() {}
        process::exit_at_once(0)
    };
    drop((there_out, back_in));
    let mut byte = [0];
    let counted = meter.repeat(|watch| {
        watch.run(|| {
            (0..ROUNDS).try_for_each(|_| {
                there_in.write_all(&[1])?;
                whole(back_out.read(&mut byte)?, 1)
            })
        })?;
        Ok(ROUNDS)
    });
    drop(there_in);
    process::wait(child, 0)?;
    counted
}
