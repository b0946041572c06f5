//! Stand-ins for the host's side of devices.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Mutex};

use super::super::block::Storage;

/// What happened to a [`Memory`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    Read(u64, usize),
    Write(u64, usize),
    Discard(u64, u64),
    Flush,
}

#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) bytes: Vec<u8>,
    pub(super) events: Vec<Event>,
    /// Transfers that reach this byte fail.
    pub(super) bad_byte: Option<u64>,
}

/// Storage in memory that remembers what is done to it; clones share the bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Memory {
    pub(super) cells: Arc<Mutex<Cells>>,
    pub(super) is_read_only: bool,
}

impl Memory {
    /// So many sectors, each byte telling where it is.
    pub(super) fn new(sectors: u64) -> Self {
        Self::of((0..sectors * 512).map(|at| (at / 512 * 7 + at % 251) as u8).collect())
    }

    /// So many sectors of zeroes, at no cost.
    pub(super) fn blank(sectors: u64) -> Self {
        Self::of(vec![0; (sectors * 512) as usize])
    }

    fn of(bytes: Vec<u8>) -> Self {
        let cells = Cells { bytes, ..Cells::default() };
        Self { cells: Arc::new(Mutex::new(cells)), is_read_only: false }
    }

    pub(super) fn bytes(&self, from: usize, len: usize) -> Vec<u8> {
        self.cells.lock().unwrap().bytes[from..from + len].to_vec()
    }

    pub(super) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut self.cells.lock().unwrap().events)
    }

    fn reach(&self, event: Event, offset: u64, len: usize) -> io::Result<()> {
        let mut cells = self.cells.lock().unwrap();
        cells.events.push(event);
        let end = offset + len as u64;
        if cells.bad_byte.is_some_and(|bad| (offset..end).contains(&bad)) {
            return Err(io::Error::other("a bad sector"));
        }
        let is_inside = end <= cells.bytes.len() as u64;
        is_inside.then_some(()).ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }
}

impl Storage for Memory {
    fn len_bytes(&self) -> u64 {
        self.cells.lock().unwrap().bytes.len() as u64
    }

    fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    fn read_at(&mut self, offset: u64, to: &mut [u8]) -> io::Result<()> {
        self.reach(Event::Read(offset, to.len()), offset, to.len())?;
        to.copy_from_slice(&self.bytes(offset as usize, to.len()));
        Ok(())
    }

    fn write_at(&mut self, offset: u64, from: &[u8]) -> io::Result<()> {
        self.reach(Event::Write(offset, from.len()), offset, from.len())?;
        let mut cells = self.cells.lock().unwrap();
        cells.bytes[offset as usize..offset as usize + from.len()].copy_from_slice(from);
        Ok(())
    }

    fn discard(&mut self, offset: u64, len_bytes: u64) -> io::Result<()> {
        self.reach(Event::Discard(offset, len_bytes), offset, len_bytes as usize)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.reach(Event::Flush, 0, 0)
    }
}

/// A sink that keeps what is written; clones share it.
#[derive(Clone, Default)]
pub(super) struct Screen {
    pub(super) text: Arc<Mutex<Vec<u8>>>,
    pub(super) is_broken: bool,
}

impl Screen {
    pub(super) fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.text.lock().unwrap())
    }
}

impl Write for Screen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_broken {
            return Err(ErrorKind::BrokenPipe.into());
        }
        self.text.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
