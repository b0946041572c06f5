//! What a pipe keeps under its lock: the ring, and how often each end is open; and one step of
//! reading or writing, which never faults.

use super::{Access, Sink, Source, Step};
use crate::errno::Errno;
use crate::ipc::Ring;
use crate::ipc::ring::{PIPE_BUF_BYTES, Span};

/// The state of a pipe.
#[derive(Debug)]
pub struct State<P: Copy> {
    /// The bytes.
    pub ring: Ring<P>,
    /// Its end for reading.
    pub reading: Ends,
    /// Its end for writing.
    pub writing: Ends,
    /// Somebody is about to take the first bytes, and nobody else may until then.
    pub(super) is_held: bool,
}

/// How often one end is open, and how often it ever was.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ends {
    /// Now.
    pub open: u32,
    /// Until now.
    pub ever: u64,
}

impl Ends {
    fn add(&mut self) {
        self.open += 1;
        self.ever += 1;
    }
}

/// Whether bytes of a write may be mixed with others'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Together {
    /// They may not.
    Yes,
    /// They may.
    No,
}

impl Together {
    /// For a write of so many.
    pub const fn of(bytes: usize) -> Self {
        if bytes <= PIPE_BUF_BYTES { Self::Yes } else { Self::No }
    }
}

impl<P: Copy> State<P> {
    /// A new pipe's.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn new() -> Result<Self, Errno> {
        let (reading, writing) = (Ends::default(), Ends::default());
        Ok(Self { ring: Ring::new()?, reading, writing, is_held: false })
    }

    pub(super) fn add(&mut self, access: Access) {
        if access.reads {
            self.reading.add();
        }
        if access.writes {
            self.writing.add();
        }
    }

    /// The next bytes to be read, as far as they lie in one page.
    #[inline]
    pub fn readable(&self) -> Option<Span<P>> {
        if self.is_held { None } else { self.ring.readable() }
    }

    /// Whether a reader has to wait.
    #[inline]
    pub fn has_to_come(&self) -> bool {
        self.is_held || self.ring.is_empty() && self.writing.open > 0
    }

    /// Whether a write of so many bytes has not to wait, or that of some of them.
    pub fn has_room(&self, bytes: usize) -> bool {
        self.ring.free() >= bytes.clamp(1, PIPE_BUF_BYTES)
    }

    /// Reads what is there, as far as no fault is needed.
    pub(super) fn read(&mut self, to: &mut impl Sink<P>) -> Step {
        while let Some(span) = self.readable() {
            let count = span.count.min(to.remaining());
            let moved = to.try_put(span.page, span.offset, count);
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
    pub(super) fn write(
        &mut self,
        from: &mut impl Source<P>,
        page: impl Fn() -> Result<P, Errno>,
    ) -> Result<Step, Errno> {
        while let Some(span) = self.ring.writable(&page)? {
            let count = span.count.min(from.remaining());
            let moved = from.try_get(span.page, span.offset, count);
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
    pub(super) fn write_whole(
        &mut self,
        from: &mut impl Source<P>,
        page: impl Fn() -> Result<P, Errno>,
    ) -> Result<Step, Errno> {
        if self.ring.free() < from.remaining() {
            return Ok(Step::Wait);
        }
        let (length, saved) = (self.ring.len(), from.save());
        let step = self.write(from, page);
        if !matches!(step, Ok(Step::Done)) {
            // Nobody has seen what was written: the lock was held.
            self.ring.retract(self.ring.len() - length);
            from.restore(saved);
        }
        step
    }
}
