//! What a pipe keeps under its lock: the ring, and how often each end is open; and one step of
//! reading or writing, which never faults.

use guest::Ppn;
use guest::errno::Errno;
use guest::ipc::Ring;
use guest::ipc::ring::{PIPE_BUF_BYTES, Span};
use guest::mm::{Class, Owner};

use super::super::buffer::Buffer;
use crate::mm::{memory, read_frame, write_frame};

/// The state of a pipe.
pub(super) struct State {
    pub(super) ring: Ring<Ppn>,
    pub(super) reading: Ends,
    pub(super) writing: Ends,
    /// Somebody is about to take the first bytes, and nobody else may until then.
    pub(super) is_held: bool,
}

/// How often one end is open, and how often it ever was.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Ends {
    pub(super) open: u32,
    pub(super) ever: u64,
}

impl Ends {
    pub(super) fn add(&mut self) {
        self.open += 1;
        self.ever += 1;
    }
}

/// What is to be done once the lock on the ring is free.
pub(super) enum Step {
    /// Everything.
    Begin,
    /// Nothing: all is done.
    Done,
    /// The buffer's next page is to be brought in.
    Fault,
    /// Somebody else must do something first.
    Wait,
}

pub(super) fn new_page() -> Result<Ppn, Errno> {
    let frame = memory(|memory| memory.alloc(Class::User, Owner::Kernel));
    frame.map_err(|_| Errno::ENOMEM)
}

pub(super) fn free_page(page: Ppn) {
    memory(|memory| memory.frames.free(page));
}

impl State {
    /// A new pipe's.
    pub(super) fn new() -> Result<Self, Errno> {
        let (reading, writing) = (Ends::default(), Ends::default());
        Ok(Self { ring: Ring::new()?, reading, writing, is_held: false })
    }

    /// The next bytes to be read, as far as they lie in one page.
    #[inline]
    pub(super) fn readable(&self) -> Option<Span<Ppn>> {
        if self.is_held { None } else { self.ring.readable() }
    }

    /// Whether a reader has to wait.
    #[inline]
    pub(super) fn has_to_come(&self) -> bool {
        self.is_held || self.ring.is_empty() && self.writing.open > 0
    }

    /// Copies what is to be read next, which stays; how many bytes.
    pub(super) fn look(&self, to: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(span) = self.ring.readable_behind(done).filter(|_| done < to.len()) {
            let count = span.count.min(to.len() - done);
            read_frame(span.page, span.offset, &mut to[done..done + count]);
            done += count;
        }
        done
    }

    /// Copies what can be read behind the first `skip` bytes to another pipe, as far as it lies in
    /// one page of each; how many bytes.
    pub(super) fn copy_some(
        &self,
        (skip, limit): (usize, usize),
        to: &mut State,
    ) -> Result<usize, Errno> {
        /// Bytes that are copied at once.
        const PART_BYTES: usize = 256;
        let Some(from) = self.ring.readable_behind(skip).filter(|_| limit > 0) else {
            return Ok(0);
        };
        let Some(into) = to.ring.writable(new_page)? else { return Ok(0) };
        let count = from.count.min(into.count).min(limit);
        let mut part = [0; PART_BYTES];
        for at in (0..count).step_by(PART_BYTES) {
            let part = &mut part[..PART_BYTES.min(count - at)];
            read_frame(from.page, from.offset + at, part);
            write_frame(into.page, into.offset + at, part);
        }
        to.ring.produce(count);
        Ok(count)
    }

    /// Reads what is there, as far as no fault is needed.
    pub(super) fn read(&mut self, to: &mut Buffer<'_>) -> Step {
        while let Some(span) = self.readable() {
            let count = span.count.min(to.remaining());
            let moved = to.try_put_frame(span.page, span.offset, count);
            self.ring.consume(moved);
            if moved < count {
                return Step::Fault;
            }
            if to.remaining() == 0 {
                return Step::Done;
            }
        }
        Step::Wait
    }

    /// Writes what there is room for, as far as no fault is needed.
    pub(super) fn write(&mut self, from: &mut Buffer<'_>) -> Result<Step, Errno> {
        while let Some(span) = self.ring.writable(new_page)? {
            let count = span.count.min(from.remaining());
            let moved = from.try_get_frame(span.page, span.offset, count);
            self.ring.produce(moved);
            if moved < count {
                return Ok(Step::Fault);
            }
            if from.remaining() == 0 {
                return Ok(Step::Done);
            }
        }
        Ok(Step::Wait)
    }

    /// Writes all or nothing.
    pub(super) fn write_whole(&mut self, from: &mut Buffer<'_>) -> Result<Step, Errno> {
        if self.ring.free() < from.remaining() {
            return Ok(Step::Wait);
        }
        let (length, saved) = (self.ring.len(), from.save());
        let step = self.write(from);
        if !matches!(step, Ok(Step::Done)) {
            // Nobody has seen what was written: the lock was held.
            self.ring.retract(self.ring.len() - length);
            from.restore(saved);
        }
        step
    }

    pub(super) fn has_room(&self, bytes: usize) -> bool {
        self.ring.free() >= bytes.clamp(1, PIPE_BUF_BYTES)
    }
}

/// Whether bytes of a write may be mixed with others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Together {
    Yes,
    No,
}
