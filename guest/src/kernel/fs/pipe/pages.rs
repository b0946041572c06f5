//! [`Frames`]: the pages of pipes, and the copies between them and user memory or each other.

use guest::Ppn;
use guest::errno::Errno;
use guest::ipc::pipe::{Pages, Sink, Source, State, Together};
use guest::mm::{Class, Owner};

use super::super::buffer::{Buffer, Saved};
use crate::mm::{memory, read_frame, reclaim, write_frame};

/// Frames of memory.
#[derive(Debug)]
pub(crate) enum Frames {}

impl Pages for Frames {
    type Page = Ppn;

    fn get() -> Result<Ppn, Errno> {
        let frame = memory(|memory| memory.alloc(Class::User, Owner::Kernel));
        frame.map_err(|_| Errno::ENOMEM)
    }

    fn put(page: Ppn) {
        memory(|memory| memory.frames.free(page));
    }

    fn wait() -> Result<(), Errno> {
        reclaim::throttle()
    }
}

impl Sink<Ppn> for Buffer<'_> {
    #[inline]
    fn remaining(&self) -> usize {
        self.remaining()
    }

    #[inline]
    fn try_put(&mut self, page: Ppn, offset: usize, count: usize) -> usize {
        self.try_put_frame(page, offset, count)
    }

    fn touch(&self) -> Result<(), Errno> {
        self.touch_to_put()
    }
}

impl<'a> Source<Ppn> for Buffer<'a> {
    type Saved = Saved<'a>;

    #[inline]
    fn remaining(&self) -> usize {
        self.remaining()
    }

    #[inline]
    fn try_get(&mut self, page: Ppn, offset: usize, count: usize) -> usize {
        self.try_get_frame(page, offset, count)
    }

    fn save(&self) -> Saved<'a> {
        self.save()
    }

    fn restore(&mut self, saved: Saved<'a>) {
        self.restore(saved);
    }

    fn touch(&self, together: Together) -> Result<(), Errno> {
        match together {
            Together::Yes => self.touch_all_to_get(),
            Together::No => self.touch_to_get(),
        }
    }
}

/// Copies what is to be read next, which stays; how many bytes.
pub(super) fn look(from: &State<Ppn>, to: &mut [u8]) -> usize {
    let mut done = 0;
    while let Some(span) = from.ring.readable_behind(done).filter(|_| done < to.len()) {
        let count = span.count.min(to.len() - done);
        read_frame(span.page, span.offset, &mut to[done..done + count]);
        done += count;
    }
    done
}

/// Copies what can be read behind the first `skip` bytes to another pipe, as far as it lies in one
/// page of each; how many bytes.
pub(super) fn copy_some(
    from: &State<Ppn>,
    (skip, limit): (usize, usize),
    to: &mut State<Ppn>,
) -> Result<usize, Errno> {
    /// Bytes that are copied at once.
    const PART_BYTES: usize = 256;
    let Some(from) = from.ring.readable_behind(skip).filter(|_| limit > 0) else {
        return Ok(0);
    };
    let Some(into) = to.ring.writable(Frames::get)? else { return Ok(0) };
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
