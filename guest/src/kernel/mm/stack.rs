//! Kernel stacks, in a region of their own with nothing mapped below each: an overflow faults
//! and never reaches a neighbour. The stacks of tasks that have ended wait for new ones, mapped.
//!
//! A stack is the upper half of a slot of twice its size, so bit 14 of a stack pointer tells an
//! overflow. Tables of the region stay once they are made: a frame for 64 stacks.

use alloc::vec::Vec;

use guest::errno::Errno;
use guest::mm::OutOfMemory;
use guest::{PAGE_SIZE_BYTES, Ppn};

use super::books::memory;
use super::region;
use crate::arch::{hart, tlb};
use crate::sync::SpinLock;

/// First address of the region.
pub(super) const REGION: u64 = 0xffff_ffe0_0000_0000;
/// Size of a stack.
pub(crate) const SIZE_BYTES: u64 = 16 << 10;
/// What lies between the ends of two stacks.
const SLOT_SIZE_BYTES: u64 = 2 * SIZE_BYTES;
/// How many stacks there may be.
const SLOTS: u32 = (region::SIZE_BYTES / SLOT_SIZE_BYTES) as u32;
const PAGES: usize = (SIZE_BYTES / PAGE_SIZE_BYTES) as usize;
/// Mapped stacks that wait for a task, besides one per hart.
const SPARE: usize = 2;

/// Slots by what is in them. The rest is in use, or was never used.
struct Slots {
    /// Mapped, and nobody's.
    ready: Vec<u32>,
    /// Not mapped any more.
    vacant: Vec<u32>,
    /// First one that was never used.
    fresh: u32,
}

static STACKS: SpinLock<Slots> =
    SpinLock::new(Slots { ready: Vec::new(), vacant: Vec::new(), fresh: 0 });

/// A kernel stack with a guard below.
#[derive(Debug)]
pub(crate) struct KernelStack {
    slot: u32,
}

impl KernelStack {
    /// Mapped and ready; its content is whatever was there.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub(crate) fn new() -> Result<Self, Errno> {
        let slot = {
            let mut slots = STACKS.lock();
            if let Some(slot) = slots.ready.pop() {
                return Ok(Self { slot });
            }
            match slots.vacant.pop() {
                Some(slot) => slot,
                None if slots.fresh < SLOTS => {
                    slots.fresh += 1;
                    slots.fresh - 1
                }
                None => return Err(Errno::ENOMEM),
            }
        };
        if map(slot).is_err() {
            STACKS.lock().vacant.push(slot);
            return Err(Errno::ENOMEM);
        }
        // An entry that was not valid may be in a TLB as such.
        fence(slot);
        Ok(Self { slot })
    }

    /// Address behind its last byte.
    pub(crate) fn top(&self) -> u64 {
        bottom(self.slot) + SIZE_BYTES
    }
}

impl Drop for KernelStack {
    fn drop(&mut self) {
        {
            let mut slots = STACKS.lock();
            if slots.ready.len() < hart::online() + SPARE {
                slots.ready.push(self.slot);
                return;
            }
        }
        release(self.slot);
    }
}

/// Gives the frames of stacks back that wait for a task.
pub(crate) fn trim() {
    loop {
        let slot = STACKS.lock().ready.pop();
        match slot {
            Some(slot) => release(slot),
            None => return,
        }
    }
}

/// How many frames the mapped stacks have, and how many their tables.
pub(crate) fn frames() -> (u64, u64) {
    let slots = STACKS.lock();
    let mapped = u64::from(slots.fresh) - slots.vacant.len() as u64;
    let slots_per_table = (1 << 21) / SLOT_SIZE_BYTES;
    (mapped * PAGES as u64, u64::from(slots.fresh).div_ceil(slots_per_table))
}

/// Lowest address of a stack.
fn bottom(slot: u32) -> u64 {
    REGION + u64::from(slot) * SLOT_SIZE_BYTES + (SLOT_SIZE_BYTES - SIZE_BYTES)
}

fn fence(slot: u32) {
    tlb::fence_kernel(bottom(slot)..bottom(slot) + SIZE_BYTES);
}

fn map(slot: u32) -> Result<(), OutOfMemory> {
    for page in 0..PAGES {
        if let Err(error) = region::map_page(page_of(slot, page)) {
            unmap(slot, page);
            return Err(error);
        }
    }
    Ok(())
}

/// Address of a page of a stack.
fn page_of(slot: u32, page: usize) -> u64 {
    bottom(slot) + page as u64 * PAGE_SIZE_BYTES
}

/// Unmaps the lowest `pages` of a stack and frees them.
fn unmap(slot: u32, pages: usize) {
    let mut gone = [Ppn(0); PAGES];
    for (page, frame) in gone[..pages].iter_mut().enumerate() {
        *frame = region::unmap_page(page_of(slot, page));
    }
    fence(slot);
    memory(|books| gone[..pages].iter().for_each(|frame| books.frames.free(*frame)));
}

/// Unmaps a stack that is nobody's.
fn release(slot: u32) {
    unmap(slot, PAGES);
    STACKS.lock().vacant.push(slot);
}
