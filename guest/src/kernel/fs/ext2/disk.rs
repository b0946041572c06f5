//! [`KernelDisk`]: a disk as `guest::fs::ext2` wants it, for metadata, by way of a frame of its own;
//! and [`move_pages`], by which the content of files gets from and to where it stays.
//!
//! Transfers are waited for one after the other, so writes reach the disk in the order in which they
//! were asked for.

use alloc::sync::Arc;

use arrayvec::ArrayVec;
use guest::errno::Errno;
use guest::fs::ext2::{self, IoError};
use guest::mm::{Class, Owner};
use guest::{PAGE_SIZE_BYTES, Ppn};

use crate::block::{self, Disk, Operation, PIECES_MAX, Piece, SECTOR_BYTES, Transfer};
use crate::mm::{memory, read_frame, write_frame};

/// A disk with a file system on it.
pub(super) struct KernelDisk {
    disk: Arc<dyn Disk>,
    bounce: Ppn,
}

impl KernelDisk {
    /// This disk.
    ///
    /// # Errors
    /// ENOMEM.
    pub(super) fn new(disk: Arc<dyn Disk>) -> Result<Self, Errno> {
        let bounce = memory(|memory| memory.alloc(Class::Kernel, Owner::Kernel))?;
        Ok(Self { disk, bounce })
    }

    fn transfer(&self, operation: Operation, position: u64, bytes: usize) -> Result<(), IoError> {
        let sector = position / SECTOR_BYTES;
        let pieces = [Piece { address: self.bounce.base(), length_bytes: bytes as u32 }];
        let transfer = Transfer { operation, sector, pieces: &pieces };
        block::wait_for(&*self.disk, transfer).map_err(|_| IoError)
    }
}

impl Drop for KernelDisk {
    fn drop(&mut self) {
        memory(|memory| memory.frames.free(self.bounce));
    }
}

impl ext2::Disk for KernelDisk {
    fn size_bytes(&self) -> u64 {
        self.disk.sectors().saturating_mul(SECTOR_BYTES)
    }

    fn is_read_only(&self) -> bool {
        self.disk.is_read_only()
    }

    fn read(&self, position: u64, to: &mut [u8]) -> Result<(), IoError> {
        let mut at = position;
        for part in to.chunks_mut(PAGE_SIZE_BYTES as usize) {
            self.transfer(Operation::Read, at, part.len())?;
            read_frame(self.bounce, 0, part);
            at += part.len() as u64;
        }
        Ok(())
    }

    fn write(&self, position: u64, from: &[u8]) -> Result<(), IoError> {
        let mut at = position;
        for part in from.chunks(PAGE_SIZE_BYTES as usize) {
            write_frame(self.bounce, 0, part);
            self.transfer(Operation::Write, at, part.len())?;
            at += part.len() as u64;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), IoError> {
        block::flush(&*self.disk).map_err(|_| IoError)
    }
}

/// Bytes of some frames, one behind the other, and where on the disk they are.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch<'a> {
    /// [`PIECES_MAX`] at most.
    pub(super) frames: &'a [Ppn],
    /// First byte within the frames, of whole sectors.
    pub(super) start: u64,
    /// The byte behind the last one.
    pub(super) end: u64,
    /// Where on the disk the first byte is.
    pub(super) position: u64,
}

/// Reads or writes a stretch; sleeps until that is done.
///
/// # Errors
/// EIO.
pub(super) fn move_pages(
    disk: &dyn Disk,
    operation: Operation,
    stretch: Stretch<'_>,
) -> Result<(), Errno> {
    let mut pieces = ArrayVec::<Piece, PIECES_MAX>::new();
    let mut at = stretch.start;
    while at < stretch.end {
        let (page, offset) = ((at / PAGE_SIZE_BYTES) as usize, at % PAGE_SIZE_BYTES);
        let count = (PAGE_SIZE_BYTES - offset).min(stretch.end - at);
        let address = stretch.frames[page].base() + offset;
        pieces.push(Piece { address, length_bytes: count as u32 });
        at += count;
    }
    let transfer = Transfer { operation, sector: stretch.position / SECTOR_BYTES, pieces: &pieces };
    block::wait_for(disk, transfer).map_err(|_| Errno::EIO)
}
