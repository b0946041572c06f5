//! What splice, tee and vmsplice do to pipes: they wait for bytes or room like any reader or
//! writer, but take only what there is then. Bytes are copied; what a file has not taken stays.

use guest::Ppn;
use guest::errno::Errno;
use guest::ipc::pipe::{State, Step, Together};

use super::super::OpenFile;
use super::super::buffer::{Buffer, moved_or};
use super::super::inode::Flags;
use super::Pipe;
use super::pages::{copy_some, look};
use crate::mm::reclaim;

/// What becomes of bytes that go from one pipe to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transit {
    /// They are moved: splice.
    Move,
    /// They stay in the first one, too: tee.
    Copy,
}

impl Pipe {
    /// The pipe that a file is, with or without a name.
    pub(crate) fn of(file: &OpenFile) -> Option<&Pipe> {
        file.file().ok()?.as_any()?.downcast_ref()
    }

    /// Waits until there is something to read, or nobody left who might write it.
    fn await_bytes(&self, flags: Flags) -> Result<(), Errno> {
        if !self.state.lock().has_to_come() {
            return Ok(());
        }
        if flags.nonblocking() { Err(Errno::EAGAIN) } else { self.wait_for_bytes() }
    }

    /// Waits until there is room; EPIPE, with its signal, where nobody reads.
    fn await_room(&self, flags: Flags) -> Result<(), Errno> {
        let look = || {
            let state = self.state.lock();
            match (state.reading.open, state.ring.free()) {
                (0, _) => Some(Err(Errno::EPIPE)),
                (_, 0) => None,
                _ => Some(Ok(())),
            }
        };
        let waited = match look() {
            Some(found) => found,
            None if flags.nonblocking() => return Err(Errno::EAGAIN),
            None => {
                let waited = self.writers.wait_interruptible(None, look);
                waited.unwrap_or(Err(Errno::EINTR))
            }
        };
        waited.map_err(|errno| self.give_up(errno))
    }

    /// Bytes that there is room for, at least one, which is waited for. Others may be faster.
    pub(crate) fn room(&self, flags: Flags) -> Result<usize, Errno> {
        self.await_room(flags)?;
        Ok(self.state.lock().ring.free())
    }

    /// Nothing is written, though there is [`room`](Self::room): whoever waits behind goes on.
    pub(crate) fn leave_room(&self) {
        self.writers.wake(1);
    }

    /// Waits until there is room, and writes as much as there is room for then; how many bytes.
    ///
    /// # Errors
    /// EPIPE, with its signal; EAGAIN, EINTR, EFAULT.
    pub(crate) fn fill(&self, from: &mut Buffer<'_>, flags: Flags) -> Result<usize, Errno> {
        let wanted = from.remaining();
        self.await_room(flags)?;
        loop {
            let outcome = match self.write_once(from, Together::No) {
                Ok(Step::Done) => return Ok(wanted),
                Ok(Step::Wait) if from.remaining() < wanted => {
                    return Ok(wanted - from.remaining());
                }
                // Somebody else was faster.
                Ok(Step::Wait) => {
                    self.await_room(flags)?;
                    Ok(())
                }
                Ok(Step::Begin) => Ok(()),
                Ok(Step::Fault) => from.touch_to_get(),
                Err(Errno::ENOMEM) => reclaim::throttle(),
                Err(errno) => Err(errno),
            };
            if let Err(errno) = outcome {
                return moved_or(wanted - from.remaining(), self.give_up(errno));
            }
        }
    }

    /// Waits until there is something to read, and gives it to `take`, through `part`, piece by
    /// piece: up to `count` bytes, or what there is, or until `take` says that it has taken less
    /// than it was given. How many bytes were taken; nobody else reads between.
    ///
    /// # Errors
    /// EAGAIN, EINTR; those of `take`.
    pub(crate) fn drain(
        &self,
        count: usize,
        flags: Flags,
        part: &mut [u8],
        mut take: impl FnMut(&[u8]) -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let mut done = 0;
        while done < count {
            if done == 0 {
                self.await_bytes(flags)?;
            }
            let wanted = part.len().min(count - done);
            let held = match self.hold(|state| look(state, &mut part[..wanted])) {
                Some(0) => break,
                Some(held) => held,
                // It was there, but somebody else was faster.
                None if done == 0 => continue,
                None => break,
            };
            let taken = take(&part[..held]);
            self.let_go(*taken.as_ref().unwrap_or(&0));
            match taken {
                Ok(taken) => done += taken,
                Err(errno) => return moved_or(done, errno),
            }
            if taken != Ok(held) {
                break;
            }
        }
        Ok(done)
    }

    /// Moves or copies up to `count` bytes to another pipe, as many as there are, and there is room
    /// for; waits until there are some.
    ///
    /// # Errors
    /// EAGAIN, EINTR, EPIPE with its signal, ENOMEM.
    pub(crate) fn pass(
        &self,
        to: &Pipe,
        count: usize,
        flags: Flags,
        transit: Transit,
    ) -> Result<usize, Errno> {
        loop {
            self.await_bytes(flags)?;
            if let Err(errno) = to.await_room(flags) {
                self.readers.wake(1);
                return Err(errno);
            }
            let step = self.pass_now(to, count, transit);
            match step {
                Err(Errno::ENOMEM) => reclaim::throttle()?,
                Err(errno) => return Err(to.give_up(errno)),
                Ok(Some(count)) => return Ok(count),
                // Somebody else was faster.
                Ok(None) if flags.nonblocking() => return Ok(0),
                Ok(None) => {}
            }
        }
    }

    /// The same of what there is at once; `None` where there may be something later.
    fn pass_now(&self, to: &Pipe, count: usize, transit: Transit) -> Result<Option<usize>, Errno> {
        // The lower address first, so that nobody waits in a circle.
        let self_first = core::ptr::from_ref(self) < core::ptr::from_ref(to);
        let (mut source, mut target);
        if self_first {
            source = self.state.lock();
            target = to.state.lock();
        } else {
            target = to.state.lock();
            source = self.state.lock();
        }
        if target.reading.open == 0 {
            return Err(Errno::EPIPE);
        }
        if source.has_to_come() {
            return Ok(None);
        }
        let (free, before) = (source.ring.free(), target.ring.len());
        let passed = pass_all(&mut source, &mut target, count, transit);
        let (left, room) = (source.ring.len(), target.ring.free());
        let has_ended = left == 0;
        drop((source, target));
        let passed = passed?;
        self.wake_after_reading(left, free);
        if passed > 0 {
            to.wake_after_writing(before, room);
        } else {
            to.leave_room();
        }
        Ok(if passed > 0 || has_ended { Some(passed) } else { None })
    }
}

/// Moves or copies between two pipes; how many bytes. An error comes only before the first one.
fn pass_all(
    source: &mut State<Ppn>,
    target: &mut State<Ppn>,
    count: usize,
    transit: Transit,
) -> Result<usize, Errno> {
    let mut done = 0;
    loop {
        let skip = if transit == Transit::Copy { done } else { 0 };
        match copy_some(source, (skip, count - done), target) {
            Ok(0) => return Ok(done),
            Ok(moved) => {
                done += moved;
                if transit == Transit::Move {
                    source.ring.consume(moved);
                }
            }
            Err(errno) => return moved_or(done, errno),
        }
    }
}
