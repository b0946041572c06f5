//! [`Buffer`]: where a read puts and a write takes its bytes: user memory, or the kernel's own for
//! exec, sendfile and the like. The `try_` copies never fault and may be used under locks.

use guest::errno::Errno;
use guest::walk::Access;
use guest::{PAGE_SIZE_BYTES, Ppn};

use crate::mm::user::UserBuffer;
use crate::mm::{read_frame, write_frame};

/// Where bytes go to or come from; consumed from its front.
#[derive(Debug)]
pub(crate) enum Buffer<'a> {
    /// User memory, for both.
    User(UserBuffer),
    /// The kernel's, to be filled.
    Into(&'a mut [u8]),
    /// The kernel's, to be taken from.
    From(&'a [u8]),
}

/// Where a buffer stood.
pub(crate) enum Saved<'a> {
    /// Address and length of the one range that was left.
    Range((u64, usize)),
    /// Several.
    Ranges(UserBuffer),
    /// Of the kernel's memory.
    Bytes(&'a [u8]),
}

impl<'a> Buffer<'a> {
    /// Bytes left.
    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        match self {
            Self::User(user) => user.remaining(),
            Self::Into(to) => to.len(),
            Self::From(from) => from.len(),
        }
    }

    /// Forgets all but the first `bytes`.
    #[cold]
    pub(crate) fn shorten(&mut self, bytes: usize) {
        let bytes = bytes.min(self.remaining());
        match self {
            Self::User(user) => user.shorten(bytes),
            Self::Into(to) => *to = &mut core::mem::take(to)[..bytes],
            Self::From(from) => *from = &from[..bytes],
        }
    }

    /// Makes sure that bytes can be put before they are taken from where they are; how many at
    /// once.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn prepare_to_put(&self) -> Result<usize, Errno> {
        self.touch_to_put()?;
        Ok(match self {
            Self::User(user) => user.in_first_page(),
            Self::Into(_) | Self::From(_) => self.remaining(),
        })
    }

    /// Puts bytes, taking faults; not more than there is room.
    ///
    /// # Errors
    /// EFAULT; some may have been put.
    pub(crate) fn put(&mut self, from: &[u8]) -> Result<usize, Errno> {
        let count = from.len().min(self.remaining());
        match self {
            Self::User(user) => user.put(&from[..count])?,
            Self::Into(_) | Self::From(_) => {
                self.try_put(from);
            }
        }
        Ok(count)
    }

    /// Takes bytes, taking faults, as far as there are any.
    ///
    /// # Errors
    /// EFAULT; then none is taken that the caller could use.
    pub(crate) fn get(&mut self, to: &mut [u8]) -> Result<usize, Errno> {
        let count = to.len().min(self.remaining());
        match self {
            Self::User(user) => user.get(&mut to[..count])?,
            Self::Into(_) | Self::From(_) => {
                self.try_get(to);
            }
        }
        Ok(count)
    }

    /// Puts bytes as far as no fault is needed; how many.
    pub(crate) fn try_put(&mut self, from: &[u8]) -> usize {
        match self {
            Self::User(user) => user.try_put(from),
            Self::Into(to) => {
                let count = from.len().min(to.len());
                let (head, tail) = core::mem::take(to).split_at_mut(count);
                head.copy_from_slice(&from[..count]);
                *to = tail;
                count
            }
            Self::From(_) => 0,
        }
    }

    /// Takes bytes as far as no fault is needed; how many.
    pub(crate) fn try_get(&mut self, to: &mut [u8]) -> usize {
        match self {
            Self::User(user) => user.try_get(to),
            Self::From(from) => {
                let (head, tail) = from.split_at(to.len().min(from.len()));
                to[..head.len()].copy_from_slice(head);
                *from = tail;
                head.len()
            }
            Self::Into(_) => 0,
        }
    }

    /// Puts part of a frame, as far as no fault is needed; how many bytes.
    #[inline(always)]
    pub(crate) fn try_put_frame(&mut self, frame: Ppn, offset: usize, count: usize) -> usize {
        match self {
            Self::User(user) => user.try_put_frame(frame, offset, count),
            Self::Into(to) => fill(to, frame, offset, count),
            Self::From(_) => 0,
        }
    }

    /// Takes bytes into part of a frame, as far as no fault is needed; how many.
    #[inline(always)]
    pub(crate) fn try_get_frame(&mut self, frame: Ppn, offset: usize, count: usize) -> usize {
        match self {
            Self::User(user) => user.try_get_frame(frame, offset, count),
            Self::From(from) => drain(from, frame, offset, count),
            Self::Into(_) => 0,
        }
    }

    /// The one range of user memory that is left, if it is one.
    #[inline]
    pub(crate) fn only_range(&self) -> Option<(u64, usize)> {
        match self {
            Self::User(user) => user.only_range(),
            Self::Into(_) | Self::From(_) => None,
        }
    }

    /// Where it stands, to go back there.
    pub(crate) fn save(&self) -> Saved<'a> {
        match self {
            Self::User(user) => match user.only_range() {
                Some(range) => Saved::Range(range),
                None => Saved::Ranges(user.clone()),
            },
            Self::From(from) => Saved::Bytes(from),
            Self::Into(_) => Saved::Bytes(&[]),
        }
    }

    /// Goes back to where it stood when this was [saved](Self::save). Not for one to be filled.
    #[cold]
    pub(crate) fn restore(&mut self, saved: Saved<'a>) {
        match (self, saved) {
            (Self::User(user), Saved::Range(range)) => user.restore(range),
            (Self::User(user), Saved::Ranges(ranges)) => *user = ranges,
            (Self::From(from), Saved::Bytes(bytes)) => *from = bytes,
            _ => unreachable!("this was saved from another kind of buffer"),
        }
    }

    /// Puts zeros, as far as no fault is needed; how many.
    pub(crate) fn try_put_zeros(&mut self, count: usize) -> usize {
        static ZEROS: [u8; PAGE_SIZE_BYTES as usize / 8] = [0; PAGE_SIZE_BYTES as usize / 8];
        let mut done = 0;
        while done < count {
            let part = (count - done).min(ZEROS.len());
            let put = self.try_put(&ZEROS[..part]);
            done += put;
            if put < part {
                break;
            }
        }
        done
    }

    /// Brings in the page at which putting has stopped.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn touch_to_put(&self) -> Result<(), Errno> {
        match self {
            Self::User(user) => user.touch(Access::Store),
            Self::Into(_) | Self::From(_) => Ok(()),
        }
    }

    /// Brings in the page at which taking has stopped.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn touch_to_get(&self) -> Result<(), Errno> {
        match self {
            Self::User(user) => user.touch(Access::Load),
            Self::Into(_) | Self::From(_) => Ok(()),
        }
    }

    /// After something that takes all bytes or none has met a page that is not there: brings
    /// every one in.
    ///
    /// # Errors
    /// EFAULT.
    pub(crate) fn touch_all_to_get(&self) -> Result<(), Errno> {
        match self {
            Self::User(user) => user.touch_all(Access::Load),
            Self::Into(_) | Self::From(_) => Ok(()),
        }
    }
}

/// Puts part of a frame into the kernel's memory.
#[inline(never)]
fn fill(to: &mut &mut [u8], frame: Ppn, offset: usize, count: usize) -> usize {
    let count = count.min(to.len());
    let (head, tail) = core::mem::take(to).split_at_mut(count);
    read_frame(frame, offset, head);
    *to = tail;
    count
}

/// Takes bytes of the kernel's memory into part of a frame.
#[inline(never)]
fn drain(from: &mut &[u8], frame: Ppn, offset: usize, count: usize) -> usize {
    let (head, tail) = from.split_at(count.min(from.len()));
    write_frame(frame, offset, head);
    *from = tail;
    head.len()
}

/// What a transfer yields that an error has ended: what was moved, if anything was.
pub(crate) fn moved_or(done: usize, errno: Errno) -> Result<usize, Errno> {
    if done > 0 { Ok(done) } else { Err(errno) }
}
