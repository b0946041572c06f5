//! Disks as files: /dev/vda and so on. What is read and written goes through a frame of the
//! kernel, sector by sector; nothing is kept.

use alloc::sync::Arc;

use guest::errno::{Answer, Errno};
use guest::mm::{Class, Owner};
use guest::{PAGE_SIZE_BYTES, Ppn};
use linux_raw_sys::{general as linux, ioctl};

use super::buffer::{Buffer, moved_or};
use super::inode::{File, Flags};
use crate::block::{self, Disk, Operation, Piece, Reservation, SECTOR_BYTES, Transfer};
use crate::mm::{memory, user};

/// Opens the disk with this number.
///
/// # Errors
/// ENXIO where there is none; EROFS where it cannot be written; EBUSY where somebody has it for
/// himself, with O_EXCL.
pub(super) fn open(number: u64, flags: Flags) -> Result<Arc<dyn File>, Errno> {
    let disk = block::find(number).ok_or(Errno::ENXIO)?;
    if flags.writes() && disk.is_read_only() {
        return Err(Errno::EROFS);
    }
    let alone = flags.has(linux::O_EXCL) && !flags.has(linux::O_CREAT);
    let reservation = alone.then(|| Reservation::new(&*disk)).transpose()?;
    Ok(Arc::new(DiskFile(disk, reservation)))
}

/// A disk that is open, and whether nobody else may use it meanwhile.
struct DiskFile(
    Arc<dyn Disk>,
    #[expect(dead_code, reason = "it is what it is")] Option<Reservation>,
);

/// A frame between the disk and user memory.
struct Bounce(Ppn);

impl Bounce {
    fn new() -> Result<Self, Errno> {
        Ok(Self(memory(|memory| memory.alloc(Class::Kernel, Owner::Kernel))?))
    }
}

impl Drop for Bounce {
    fn drop(&mut self) {
        memory(|memory| memory.frames.free(self.0));
    }
}

/// The sectors around some bytes that a frame has room for.
#[derive(Clone, Copy)]
struct Span {
    sector: u64,
    /// Where in the first sector the bytes begin.
    skip: usize,
    count: usize,
}

impl Span {
    /// Of the bytes from `at` on, up to `wanted`.
    fn new(at: u64, wanted: usize) -> Self {
        let skip = (at % SECTOR_BYTES) as usize;
        let count = wanted.min(PAGE_SIZE_BYTES as usize - skip);
        Self { sector: at / SECTOR_BYTES, skip, count }
    }

    /// Whether it is of whole sectors.
    fn is_whole(self) -> bool {
        (self.skip + self.count).is_multiple_of(SECTOR_BYTES as usize) && self.skip == 0
    }
}

impl DiskFile {
    fn size_bytes(&self) -> u64 {
        self.0.sectors().saturating_mul(SECTOR_BYTES)
    }

    /// Bytes from `at` to the end, `wanted` at most.
    fn left(&self, at: u64, wanted: usize) -> usize {
        let left = self.size_bytes().saturating_sub(at);
        wanted.min(usize::try_from(left).unwrap_or(usize::MAX))
    }

    fn transfer(&self, operation: Operation, span: Span, frame: Ppn) -> Result<(), Errno> {
        let bytes = (span.skip + span.count) as u64;
        let length_bytes = bytes.next_multiple_of(SECTOR_BYTES) as u32;
        let pieces = [Piece { address: frame.base(), length_bytes }];
        let transfer = Transfer { operation, sector: span.sector, pieces: &pieces };
        block::wait_for(&*self.0, transfer).map_err(|_| Errno::EIO)
    }

    /// Reads what a frame has room for; how many bytes.
    fn read_some(&self, at: u64, to: &mut Buffer<'_>, frame: Ppn) -> Result<usize, Errno> {
        let span = Span::new(at, self.left(at, to.remaining()));
        if span.count > 0 {
            self.transfer(Operation::Read, span, frame)?;
        }
        let mut done = 0;
        while done < span.count {
            let put = to.try_put_frame(frame, span.skip + done, span.count - done);
            done += put;
            if done < span.count {
                to.touch_to_put()?;
            }
        }
        Ok(done)
    }

    /// Writes what a frame has room for; how many bytes.
    fn write_some(&self, at: u64, from: &mut Buffer<'_>, frame: Ppn) -> Result<usize, Errno> {
        let span = Span::new(at, self.left(at, from.remaining()));
        if span.count == 0 {
            return Err(Errno::ENOSPC);
        }
        if !span.is_whole() {
            self.transfer(Operation::Read, span, frame)?;
        }
        let mut done = 0;
        while done < span.count {
            done += from.try_get_frame(frame, span.skip + done, span.count - done);
            if done < span.count {
                from.touch_to_get()?;
            }
        }
        self.transfer(Operation::Write, span, frame)?;
        Ok(done)
    }
}

impl File for DiskFile {
    fn read(&self, at: &mut u64, to: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        let start = *at;
        let bounce = Bounce::new()?;
        loop {
            match self.read_some(*at, to, bounce.0) {
                Ok(0) => return Ok((*at - start) as usize),
                Ok(count) => *at += count as u64,
                Err(errno) => return moved_or((*at - start) as usize, errno),
            }
        }
    }

    fn write(&self, at: &mut u64, from: &mut Buffer<'_>, _: Flags) -> Result<usize, Errno> {
        let start = *at;
        let bounce = Bounce::new()?;
        while from.remaining() > 0 {
            match self.write_some(*at, from, bounce.0) {
                Ok(count) => *at += count as u64,
                Err(errno) => return moved_or((*at - start) as usize, errno),
            }
        }
        Ok((*at - start) as usize)
    }

    fn end(&self) -> Result<u64, Errno> {
        Ok(self.size_bytes())
    }

    fn sync(&self) -> Result<(), Errno> {
        block::flush(&*self.0).map_err(|_| Errno::EIO)
    }

    fn ioctl(&self, request: u32, argument: u64, _: Flags) -> Answer {
        match request {
            ioctl::BLKGETSIZE64 => user::write(argument, &self.size_bytes())?,
            ioctl::BLKGETSIZE => user::write(argument, &self.0.sectors())?,
            ioctl::BLKSSZGET => user::write(argument, &(SECTOR_BYTES as u32))?,
            ioctl::BLKROGET => user::write(argument, &u32::from(self.0.is_read_only()))?,
            _ => return Err(Errno::ENOTTY),
        }
        Ok(0)
    }
}
