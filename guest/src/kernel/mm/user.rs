//! Arguments of system calls that are addresses: typed reads and writes, strings, vectors.

use alloc::vec::Vec;
use core::mem::MaybeUninit;

use guest::PAGE_SIZE_BYTES;
use guest::Ppn;
use guest::errno::Errno;
use guest::mm::addr::USER_END;
use guest::mm::{PageRange, Vpn};
use guest::walk::Access;

use super::direct;
use crate::arch::fpu::FpState;
use crate::arch::uaccess::{self, BadAddress};

/// Most ranges of a vector (IOV_MAX).
const RANGES_MAX: usize = 1024;
/// Most bytes that a vector moves (Linux's MAX_RW_COUNT).
pub(crate) const MOVE_MAX_BYTES: usize = (i32::MAX as usize) & !(PAGE_SIZE_BYTES as usize - 1);

/// Plain old data: any bytes are a value, and it has no padding.
///
/// # Safety
/// As said.
pub(crate) unsafe trait Plain: Copy {}

macro_rules! plain {
    ($($type:ty)*) => {
        $(
            // SAFETY: any bytes are a value of an integer, and of an array or a structure of
            // nothing but those; there is no padding in these.
            unsafe impl Plain for $type {}
        )*
    };
}

plain! {
    u8 i8 u16 i16 u32 i32 u64 i64 usize isize
    FpState
    linux_raw_sys::general::__kernel_timespec
    linux_raw_sys::general::__kernel_old_timeval
    linux_raw_sys::general::rlimit64
}

// SAFETY: an array adds no padding.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {}

/// The bytes of a value.
fn bytes_of<T: Plain>(value: &T) -> &[u8] {
    // SAFETY: plain values have no padding, so all their bytes are initialised.
    unsafe { core::slice::from_raw_parts(core::ptr::from_ref(value).cast(), size_of::<T>()) }
}

/// Reads a value.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn read<T: Plain>(at: u64) -> Result<T, Errno> {
    let mut value = MaybeUninit::<T>::zeroed();
    // SAFETY: zeroed, so initialised as bytes, which are all that is borrowed.
    let bytes =
        unsafe { core::slice::from_raw_parts_mut(value.as_mut_ptr().cast::<u8>(), size_of::<T>()) };
    uaccess::copy_in(bytes, at).map_err(fault)?;
    // SAFETY: any bytes are a value of plain data.
    Ok(unsafe { value.assume_init() })
}

/// The same to where there is a value already; after a fault some of it may be new.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn read_to<T: Plain>(at: u64, value: &mut T) -> Result<(), Errno> {
    // SAFETY: any bytes are a value of plain data.
    let bytes = unsafe {
        core::slice::from_raw_parts_mut(core::ptr::from_mut(value).cast::<u8>(), size_of::<T>())
    };
    uaccess::copy_in(bytes, at).map_err(fault)
}

/// Writes a value.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn write<T: Plain>(at: u64, value: &T) -> Result<(), Errno> {
    uaccess::copy_out(at, bytes_of(value)).map_err(fault)
}

/// Reads as many bytes as there is room for.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn read_bytes(at: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    uaccess::copy_in(bytes, at).map_err(fault)
}

/// Writes bytes.
///
/// # Errors
/// `EFAULT`.
pub(crate) fn write_bytes(at: u64, bytes: &[u8]) -> Result<(), Errno> {
    uaccess::copy_out(at, bytes).map_err(fault)
}

/// Reads a string that ends in 0, of at most `max_bytes` with it; without the 0.
///
/// # Errors
/// `EFAULT`, `ENAMETOOLONG`, `ENOMEM`.
pub(crate) fn read_string(at: u64, max_bytes: usize) -> Result<Vec<u8>, Errno> {
    const CHUNK_BYTES: usize = 64;
    let mut string = Vec::new();
    let mut at = at;
    let mut left = max_bytes;
    while left > 0 {
        let mut chunk = [0; CHUNK_BYTES];
        // A chunk never crosses a page, whose neighbour need not be there.
        let in_page = (PAGE_SIZE_BYTES - at % PAGE_SIZE_BYTES) as usize;
        let chunk = &mut chunk[..CHUNK_BYTES.min(in_page).min(left)];
        uaccess::copy_in(chunk, at).map_err(fault)?;
        let end = chunk.iter().position(|byte| *byte == 0);
        let part = &chunk[..end.unwrap_or(chunk.len())];
        string.try_reserve(part.len()).map_err(|_| Errno::ENOMEM)?;
        string.extend_from_slice(part);
        if end.is_some() {
            return Ok(string);
        }
        at += chunk.len() as u64;
        left -= chunk.len();
    }
    Err(Errno::ENAMETOOLONG)
}

fn fault(BadAddress: BadAddress) -> Errno {
    Errno::EFAULT
}

/// Part of user memory.
#[derive(Clone, Copy, Debug)]
struct Range {
    at: u64,
    length: usize,
}

impl Range {
    fn new(at: u64, length: usize) -> Result<Self, Errno> {
        let end = at.checked_add(length as u64).filter(|end| *end <= USER_END);
        end.map(|_| Self { at, length }).ok_or(Errno::EFAULT)
    }
}

/// `struct iovec`.
type Iovec = [u64; 2];

/// A buffer in user memory, or several (readv), that is consumed from its front.
#[derive(Clone, Debug)]
pub(crate) struct UserBuffer {
    first: Range,
    /// Those behind, the last one first.
    rest: Vec<Range>,
    remaining: usize,
}

impl UserBuffer {
    /// One range, or as much of it as one call moves.
    ///
    /// # Errors
    /// `EFAULT` where it reaches out of user space.
    pub(crate) fn new(at: u64, length: usize) -> Result<Self, Errno> {
        let first = Range::new(at, length)?;
        let remaining = length.min(MOVE_MAX_BYTES);
        Ok(Self { first: Range { length: remaining, ..first }, rest: Vec::new(), remaining })
    }

    /// From an array of `struct iovec`.
    ///
    /// # Errors
    /// `EINVAL` for too many, or lengths that are negative; `EFAULT`; `ENOMEM`.
    pub(crate) fn from_iovec(at: u64, count: usize) -> Result<Self, Errno> {
        if count > RANGES_MAX {
            return Err(Errno::EINVAL);
        }
        let mut buffer = Self::new(0, 0)?;
        buffer.rest.try_reserve_exact(count).map_err(|_| Errno::ENOMEM)?;
        for index in 0..count as u64 {
            let [at, length] = read::<Iovec>(at + index * size_of::<Iovec>() as u64)?;
            if length > isize::MAX as u64 {
                return Err(Errno::EINVAL);
            }
            // As much of a single one as one call moves need be in user space.
            let most = if count == 1 { MOVE_MAX_BYTES } else { usize::MAX };
            let mut range = Range::new(at, most.min(length as usize))?;
            range.length = range.length.min(MOVE_MAX_BYTES - buffer.remaining);
            buffer.remaining += range.length;
            buffer.rest.push(range);
        }
        buffer.rest.reverse();
        buffer.settle();
        Ok(buffer)
    }

    /// Forgets all but the first `bytes`, of which there are as many.
    pub(crate) fn shorten(&mut self, bytes: usize) {
        let mut left = bytes;
        for range in core::iter::once(&mut self.first).chain(self.rest.iter_mut().rev()) {
            range.length = range.length.min(left);
            left -= range.length;
        }
        self.remaining = bytes;
    }

    /// Bytes left.
    pub(crate) fn remaining(&self) -> usize {
        self.remaining
    }

    /// Copies to it and moves on, taking faults (not under a spin lock). Where it ends first, the
    /// others are not copied.
    ///
    /// # Errors
    /// `EFAULT`; what came before the bad address is copied.
    pub(crate) fn put(&mut self, from: &[u8]) -> Result<(), Errno> {
        let mut from = from;
        while !from.is_empty() && self.remaining > 0 {
            let (part, rest) = from.split_at(from.len().min(self.first.length));
            uaccess::copy_out(self.first.at, part).map_err(fault)?;
            self.advance(part.len());
            from = rest;
        }
        Ok(())
    }

    /// Copies from it and moves on, taking faults.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(crate) fn get(&mut self, to: &mut [u8]) -> Result<(), Errno> {
        let mut to = to;
        while !to.is_empty() && self.remaining > 0 {
            let (part, rest) = to.split_at_mut(to.len().min(self.first.length));
            uaccess::copy_in(part, self.first.at).map_err(fault)?;
            self.advance(part.len());
            to = rest;
        }
        Ok(())
    }

    /// Bytes up to the end of the page that it begins in: those that one [`touch`](Self::touch)
    /// is for.
    pub(crate) fn in_first_page(&self) -> usize {
        let in_page = PAGE_SIZE_BYTES - self.first.at % PAGE_SIZE_BYTES;
        self.first.length.min(in_page as usize)
    }

    /// The one range that is left, to [`restore`](Self::restore) it; `None` where there are more.
    #[inline]
    pub(crate) fn only_range(&self) -> Option<(u64, usize)> {
        self.rest.is_empty().then_some((self.first.at, self.first.length))
    }

    /// Goes back to where only this range was left.
    pub(crate) fn restore(&mut self, (at, length): (u64, usize)) {
        assert!(self.rest.is_empty(), "only that range was left");
        (self.first, self.remaining) = (Range { at, length }, length);
    }

    /// As far as no fault is needed; how many bytes. For use under locks.
    pub(crate) fn try_put(&mut self, from: &[u8]) -> usize {
        self.try_move(from.len(), |at, done, count| {
            uaccess::try_copy_out(at, &from[done..done + count])
        })
    }

    /// Likewise.
    pub(crate) fn try_get(&mut self, to: &mut [u8]) -> usize {
        self.try_move(to.len(), |at, done, count| {
            uaccess::try_copy_in(&mut to[done..done + count], at)
        })
    }

    /// From a frame, likewise.
    #[inline]
    pub(crate) fn try_put_frame(&mut self, frame: Ppn, offset: usize, count: usize) -> usize {
        self.try_move(count, |at, done, count| {
            direct::try_frame_to_user(frame, offset + done, at, count)
        })
    }

    /// To a frame, likewise.
    #[inline]
    pub(crate) fn try_get_frame(&mut self, frame: Ppn, offset: usize, count: usize) -> usize {
        self.try_move(count, |at, done, count| {
            direct::try_user_to_frame(at, frame, offset + done, count)
        })
    }

    /// Brings the next page in that a `try_` stopped at, for `access`.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(crate) fn touch(&self, access: Access) -> Result<(), Errno> {
        if self.remaining == 0 {
            return Ok(());
        }
        super::copy_fault(self.first.at, access).map_err(fault)
    }

    /// Brings every page in that is left, for a copy that is done as a whole or not at all.
    ///
    /// # Errors
    /// `EFAULT`.
    pub(crate) fn touch_all(&self, access: Access) -> Result<(), Errno> {
        for range in core::iter::once(&self.first).chain(&self.rest) {
            if range.length > 0 {
                let last = range.at + range.length as u64 - 1;
                let pages = PageRange::new(Vpn::of(range.at), Vpn::of(last).add(1));
                for page in pages.iter() {
                    super::copy_fault(page.base(), access).map_err(fault)?;
                }
            }
        }
        Ok(())
    }

    /// Moves up to `count` bytes, range by range, with `step(address, bytes done, bytes wanted)`,
    /// until one stops early.
    #[inline(always)]
    fn try_move(
        &mut self,
        count: usize,
        mut step: impl FnMut(u64, usize, usize) -> usize,
    ) -> usize {
        // Mostly everything lies in the one range there is.
        if count <= self.first.length && self.rest.is_empty() {
            let moved = step(self.first.at, 0, count);
            self.first.at += moved as u64;
            self.first.length -= moved;
            self.remaining -= moved;
            return moved;
        }
        self.try_move_through(count, &mut step)
    }

    #[inline(never)]
    fn try_move_through(
        &mut self,
        count: usize,
        step: &mut dyn FnMut(u64, usize, usize) -> usize,
    ) -> usize {
        let mut done = 0;
        while done < count && self.remaining > 0 {
            let wanted = (count - done).min(self.first.length);
            let moved = step(self.first.at, done, wanted);
            done += moved;
            self.advance(moved);
            if moved < wanted {
                break;
            }
        }
        done
    }

    /// Leaves `bytes` of the first range behind.
    fn advance(&mut self, bytes: usize) {
        self.first.at += bytes as u64;
        self.first.length -= bytes;
        self.remaining -= bytes;
        self.settle();
    }

    /// Makes the first range one that is not empty, if there is any.
    fn settle(&mut self) {
        while self.first.length == 0
            && let Some(next) = self.rest.pop()
        {
            self.first = next;
        }
    }
}
