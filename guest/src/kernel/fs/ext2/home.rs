//! [`Home`]: where on the disk a file's content is, and how it gets there and back.

use arrayvec::ArrayVec;
use guest::errno::Errno;
use guest::fs::Identity;
use guest::{PAGE_SIZE_BYTES, Ppn};

use super::super::names::who;
use super::System;
use super::disk::Stretch;
use crate::block::{Operation, PIECES_MAX};
use crate::mm::{read_frame, write_frame};

/// Pages that are read or written together.
pub(super) type Frames = ArrayVec<Ppn, PIECES_MAX>;

/// Where the content of a file stays.
#[derive(Clone, Copy)]
pub(super) struct Home<'a> {
    pub(super) system: &'a System,
    pub(super) number: u32,
}

/// Page and offset of a position, and how many bytes from there on are in that page.
pub(super) fn split(at: u64) -> (u64, usize, usize) {
    let offset = at % PAGE_SIZE_BYTES;
    (at / PAGE_SIZE_BYTES, offset as usize, (PAGE_SIZE_BYTES - offset) as usize)
}

/// Writes zeros over bytes of a frame.
pub(super) fn clear(frame: Ppn, from: usize, to: usize) {
    static ZEROS: [u8; 256] = [0; 256];
    let mut offset = from;
    while offset < to {
        let part = (to - offset).min(ZEROS.len());
        write_frame(frame, offset, &ZEROS[..part]);
        offset += part;
    }
}

impl Home<'_> {
    /// Reads or writes pages from `first` on of a file of that size: what is a hole is zeros when it
    /// is read, and gets blocks when it is written and is no zeros.
    pub(super) fn transfer(
        self,
        operation: Operation,
        first: u64,
        (frames, size): (&Frames, u64),
    ) -> Result<(), Errno> {
        let block_bytes = u64::from(self.system.block_bytes());
        let start = first * PAGE_SIZE_BYTES;
        let whole = frames.len() as u64 * PAGE_SIZE_BYTES;
        let is_write = operation == Operation::Write;
        let end = if is_write { whole.min(size.saturating_sub(start)) } else { whole };
        let mut at = 0;
        while at < end {
            let (block, inner) = ((start + at) / block_bytes, (start + at) % block_bytes);
            let limit = (inner + end - at).div_ceil(block_bytes) as u32;
            let (mut place, mut count) = self.system.find(self.number, (block, limit), None)?;
            let mut stop = (at + u64::from(count) * block_bytes - inner).min(whole);
            if is_write && place.is_none() {
                // What was written has blocks since then. Other zeros need none.
                if is_zero(frames, at, stop) {
                    at = stop;
                    continue;
                }
                let by = Some(&Identity::ROOT);
                (place, count) = self.system.find(self.number, (block, limit), by)?;
                stop = (at + u64::from(count) * block_bytes - inner).min(whole);
            }
            match place {
                Some(place) => {
                    let position = u64::from(place) * block_bytes + inner;
                    let stretch = Stretch { frames, start: at, end: stop, position };
                    self.system.transfer(operation, stretch)?;
                }
                None => clear_stretch(frames, at, stop),
            }
            at = stop;
        }
        Ok(())
    }

    /// Sees to it that page `index` has blocks, up to that end of the file.
    pub(super) fn reserve(self, index: u64, end: u64) -> Result<(), Errno> {
        let block_bytes = u64::from(self.system.block_bytes());
        let start = index * PAGE_SIZE_BYTES;
        let stop = end.min(start + PAGE_SIZE_BYTES);
        if end > self.system.max_file_bytes() {
            return Err(Errno::EFBIG);
        }
        let (mut block, last) = (start / block_bytes, stop.div_ceil(block_bytes));
        let who = who();
        while block < last {
            let limit = (last - block) as u32;
            let (_, count) = self.system.find(self.number, (block, limit), Some(&who))?;
            block += u64::from(count);
        }
        Ok(())
    }

    pub(super) fn is_hole(self, at: u64) -> Result<bool, Errno> {
        let block = at / u64::from(self.system.block_bytes());
        Ok(self.system.find(self.number, (block, 1), None)?.0.is_none())
    }

    pub(super) fn resize(self, size: u64) -> Result<(), Errno> {
        self.system.resize(self.number, size)
    }

    /// The first position from `from` on that is a hole, or is none, or is at the end.
    pub(super) fn seek(self, from: u64, size: u64, hole: bool) -> Result<u64, Errno> {
        let block_bytes = u64::from(self.system.block_bytes());
        let mut at = from;
        while at < size {
            let block = at / block_bytes;
            let limit = (size - at).div_ceil(block_bytes).min(u32::MAX.into()) as u32;
            let (place, count) = self.system.find(self.number, (block, limit), None)?;
            if place.is_none() == hole {
                break;
            }
            at = (block + u64::from(count)) * block_bytes;
        }
        Ok(at)
    }
}

/// Whether there are only zeros in part of some frames.
fn is_zero(frames: &Frames, start: u64, end: u64) -> bool {
    let mut part = [0; 256];
    let mut at = start;
    while at < end {
        let (page, offset, in_page) = split(at);
        let count = part.len().min(in_page).min((end - at) as usize);
        read_frame(frames[page as usize], offset, &mut part[..count]);
        if part[..count].iter().any(|byte| *byte != 0) {
            return false;
        }
        at += count as u64;
    }
    true
}

fn clear_stretch(frames: &Frames, start: u64, end: u64) {
    let mut at = start;
    while at < end {
        let (page, offset, in_page) = split(at);
        let stop = (offset + in_page).min(offset + (end - at) as usize);
        clear(frames[page as usize], offset, stop);
        at += (stop - offset) as u64;
    }
}
