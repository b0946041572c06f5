//! Readers and writers of a pipe, in every order. Bytes are kept in pages of the host.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::*;
use crate::PAGE_SIZE_BYTES;
use crate::sync::explore::{self, Explored, Play, interrupt};

const PAGE: usize = PAGE_SIZE_BYTES as usize;
const READS: Access = Access { reads: true, writes: false };
const WRITES: Access = Access { reads: false, writes: true };

/// Pages of the host.
#[derive(Debug)]
enum Host {}

/// Contents of all pages of a run; tasks of a run are threads, one of which goes on.
static PAGES: Mutex<Vec<Option<Box<[u8; PAGE]>>>> = Mutex::new(Vec::new());

impl Pages for Host {
    type Page = usize;

    fn get() -> Result<usize, Errno> {
        let mut pages = PAGES.lock().unwrap();
        let free = pages.iter().position(Option::is_none).unwrap_or(pages.len());
        let page = Some(Box::new([0; PAGE]));
        if free < pages.len() {
            pages[free] = page
        } else {
            pages.push(page)
        }
        Ok(free)
    }

    fn put(page: usize) {
        PAGES.lock().unwrap()[page] = None;
    }

    fn wait() -> Result<(), Errno> {
        Ok(())
    }
}

fn with_page<R>(page: usize, work: impl FnOnce(&mut [u8; PAGE]) -> R) -> R {
    work(PAGES.lock().unwrap()[page].as_mut().expect("it is in use"))
}

/// A buffer of which a part is to be brought in first, or can never be.
struct Memory {
    bytes: RefCell<Vec<u8>>,
    at: usize,
    /// Where what is there ends.
    present: Cell<usize>,
    is_good: bool,
}

impl Memory {
    fn new(bytes: Vec<u8>, present: usize) -> Self {
        let present = Cell::new(present);
        Self { bytes: RefCell::new(bytes), at: 0, present, is_good: true }
    }

    fn left(&self) -> usize {
        self.bytes.borrow().len() - self.at
    }

    fn there(&self, count: usize) -> usize {
        count.min(self.left()).min(self.present.get().saturating_sub(self.at))
    }

    fn bring_in(&self) -> Result<(), Errno> {
        self.present.set(self.bytes.borrow().len());
        if self.is_good { Ok(()) } else { Err(Errno::EFAULT) }
    }
}

impl Sink<usize> for Memory {
    fn remaining(&self) -> usize {
        self.left()
    }

    fn try_put(&mut self, page: usize, offset: usize, count: usize) -> usize {
        let count = self.there(count);
        let to = &mut self.bytes.borrow_mut()[self.at..self.at + count];
        with_page(page, |page| to.copy_from_slice(&page[offset..offset + count]));
        self.at += count;
        count
    }

    fn touch(&self) -> Result<(), Errno> {
        self.bring_in()
    }
}

impl Source<usize> for Memory {
    type Saved = usize;

    fn remaining(&self) -> usize {
        self.left()
    }

    fn try_get(&mut self, page: usize, offset: usize, count: usize) -> usize {
        let count = self.there(count);
        let from = &self.bytes.borrow()[self.at..self.at + count];
        with_page(page, |page| page[offset..offset + count].copy_from_slice(from));
        self.at += count;
        count
    }

    fn save(&self) -> usize {
        self.at
    }

    fn restore(&mut self, saved: usize) {
        self.at = saved;
    }

    fn touch(&self, _: Together) -> Result<(), Errno> {
        self.bring_in()
    }
}

/// A pipe, which ends as the kernel's do: when nobody has it any more.
type Pipe = Arc<Channel<Explored, Host>>;

/// One that so many read, and so many write, with room for so many pages.
fn pipe(readers: usize, writers: usize, pages: usize) -> Pipe {
    let pipe = Pipe::new(Channel::new().unwrap());
    pipe.resize(pages * PAGE).unwrap();
    (0..readers).for_each(|_| pipe.add(READS));
    (0..writers).for_each(|_| pipe.add(WRITES));
    pipe
}

/// Reads as the kernel does: the short way, or the long one.
fn read(pipe: &Pipe, count: usize, patience: Patience) -> Result<Vec<u8>, Errno> {
    let mut memory = Memory::new(vec![0; count], count);
    loop {
        let mut asked = 0;
        let short = pipe.read_short(count, |span, count| {
            asked = count;
            memory.try_put(span.page, span.offset, count)
        });
        let step = match short {
            Ok(moved) => (if moved == asked { Step::Done } else { Step::Fault }, moved),
            Err(Step::Wait) if patience == Patience::Endless => {
                pipe.wait_for_bytes()?;
                continue;
            }
            Err(_) => (Step::Begin, 0),
        };
        let done = match step {
            (Step::Done, moved) => moved,
            step => pipe.read_on(&mut memory, patience, step)?,
        };
        let mut bytes = memory.bytes.take();
        bytes.truncate(done);
        return Ok(bytes);
    }
}

/// Reads the long way, into memory that is not there; or that never is.
fn read_slowly(pipe: &Pipe, count: usize, is_good: bool) -> Result<Vec<u8>, Errno> {
    let mut memory = Memory { is_good, ..Memory::new(vec![0; count], 0) };
    let done = pipe.read_on(&mut memory, Patience::Endless, (Step::Begin, 0))?;
    let mut bytes = memory.bytes.take();
    bytes.truncate(done);
    Ok(bytes)
}

/// Writes as the kernel does; how many bytes.
fn write(pipe: &Pipe, bytes: Vec<u8>, patience: Patience) -> Result<usize, Errno> {
    let wanted = bytes.len();
    let mut memory = Memory::new(bytes, wanted);
    let is_written = pipe.write_short(wanted, |span| {
        let moved = memory.try_get(span.page, span.offset, wanted);
        memory.restore(0);
        Some(moved)
    });
    if is_written {
        return Ok(wanted);
    }
    let written = pipe.write_on(&mut memory, patience);
    let done = wanted - memory.left();
    written.map(|()| wanted).or_else(|errno| if done > 0 { Ok(done) } else { Err(errno) })
}

/// Reads until the last writer has gone.
fn read_all(pipe: &Pipe, at_once: usize) -> Vec<u8> {
    let mut all = Vec::new();
    loop {
        let part = read(pipe, at_once, Patience::Endless).unwrap();
        if part.is_empty() {
            return all;
        }
        all.extend(part);
    }
}

mod ends;
mod transfers;
