//! [`Frames`]: an entry for each frame of RAM, which says whose it is, and the free ones.
//!
//! A free frame is *hot*, on a stack of single frames where most allocations begin and end, or in
//! a block of the buddy allocator (`frames/buddy.rs`). `frames/marks.rs` says how far down each
//! [`Class`] may use them up, `frames/lists.rs` which frames are idle and could be taken from
//! their cells, `frames/check.rs` whether all of this agrees with itself. What is counted is
//! counted as it changes; nothing here walks all of RAM but [`Frames::donate`].

mod buddy;
pub(super) mod check;
mod lists;
mod marks;
mod meta;

use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

pub use buddy::{MAX_ORDER, ORDERS};
pub use lists::List;
pub use marks::Watermarks;
pub use meta::{FrameMeta, Kind, Owner};

use self::buddy::Buddy;
use self::lists::Lists;
use self::meta::{HOT, INNER, NOBODY};
use super::OutOfMemory;
use crate::PAGE_SIZE_BYTES;
use crate::pte::Ppn;

/// How urgently a frame is wanted: how far down the free ones may be used up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// For a process: stops at the low watermark.
    User,
    /// For the kernel on behalf of one: to the minimum.
    Kernel,
    /// Where nobody may wait: to half the minimum.
    Atomic,
}

/// A block of this order is cut into hot frames when there is none left.
const REFILL_ORDER: u8 = 4;
/// Hot frames that are kept however little RAM there is.
const HOT_MIN_FRAMES: u32 = 32;
/// Hot frames that are kept however much RAM there is: bounds the work of giving them back.
const HOT_MAX_FRAMES: u32 = 512;
/// One frame in so many may be hot.
const HOT_SHARE: u32 = 64;

/// The books on frames.
pub struct Frames {
    first: Ppn,
    meta: &'static mut [FrameMeta],
    buddy: Buddy,
    lists: Lists,
    hot: u32,
    hot_frames: u32,
    hot_limit: u32,
    counts: [u32; Kind::ALL.len()],
    marks: Watermarks,
    /// Free frames that each class leaves alone.
    floors: [u32; 3],
    /// Where it is published how many frames processes may have for sure.
    gauge: Option<&'static AtomicU32>,
    /// What `set_min_free_kbytes` was told.
    chosen_min: Option<u64>,
    #[cfg(test)]
    fail_in: Option<u64>,
}

impl Frames {
    /// Books on the frames from `first` on, an entry of `meta` each; all are reserved.
    pub fn new(first: Ppn, meta: &'static mut [FrameMeta]) -> Self {
        let frames = u32::try_from(meta.len()).ok().filter(|frames| *frames < NOBODY);
        let frames = frames.expect("frame indices fit 32 bits");
        meta.fill(FrameMeta::RESERVED);
        let mut counts = [0; Kind::ALL.len()];
        counts[Kind::Reserved as usize] = frames;
        Self {
            first,
            meta,
            buddy: Buddy::new(first),
            lists: Lists::new(),
            hot: NOBODY,
            hot_frames: 0,
            hot_limit: HOT_MIN_FRAMES,
            counts,
            marks: Watermarks::of_min(0),
            floors: [0; 3],
            gauge: None,
            chosen_min: None,
            #[cfg(test)]
            fail_in: None,
        }
    }

    /// From now on `gauge` says how many frames processes may have for sure, for those who look
    /// without the lock of the books: those in blocks above the low watermark. Hot ones, which come
    /// and go all the time, and idle ones do not count.
    pub fn publish_to(&mut self, gauge: &'static AtomicU32) {
        self.gauge = Some(gauge);
        self.publish();
    }

    fn publish(&self) {
        if let Some(gauge) = self.gauge {
            let in_blocks = self.counts[Kind::Free as usize] - self.hot_frames;
            let spare = in_blocks.saturating_sub(self.floors[Class::User as usize]);
            gauge.store(spare, Ordering::Relaxed);
        }
    }

    /// Makes reserved frames free, and sets the watermarks for the RAM there is now.
    pub fn donate(&mut self, frames: Range<Ppn>) {
        let (start, end) = (frames.start.0 - self.first.0, frames.end.0 - self.first.0);
        for meta in &mut self.meta[start as usize..end as usize] {
            assert!(meta.kind == Kind::Reserved, "{:?} frame donated", meta.kind);
            meta.kind = Kind::Free;
            meta.order = INNER;
        }
        self.buddy.give_range(self.meta, start as u32..end as u32);
        self.counts[Kind::Reserved as usize] -= (end - start) as u32;
        self.counts[Kind::Free as usize] += (end - start) as u32;
        let total = self.total_frames();
        self.hot_limit = (total as u32 / HOT_SHARE).clamp(HOT_MIN_FRAMES, HOT_MAX_FRAMES);
        let min = self.chosen_min.unwrap_or_else(|| marks::min_frames(total));
        self.set_marks(min);
    }

    /// A frame, with this owner, mapped nowhere; its content is whatever was there.
    ///
    /// # Errors
    /// None is free above the class's watermark.
    #[inline]
    pub fn alloc(&mut self, class: Class, owner: Owner) -> Result<Ppn, OutOfMemory> {
        if !self.may_take(1, class) || self.hot == NOBODY && !self.refill() {
            return Err(OutOfMemory);
        }
        let index = self.hot;
        let meta = &mut self.meta[index as usize];
        self.hot = meta.link;
        self.hot_frames -= 1;
        let kind = meta.take(owner);
        self.counts[Kind::Free as usize] -= 1;
        self.counts[kind as usize] += 1;
        Ok(self.ppn(index))
    }

    /// `1 << order` contiguous frames, aligned to their size.
    ///
    /// # Errors
    /// As [`alloc`](Self::alloc).
    pub fn alloc_block(
        &mut self,
        order: u8,
        class: Class,
        owner: Owner,
    ) -> Result<Ppn, OutOfMemory> {
        if order > MAX_ORDER || !self.may_take(1 << order, class) {
            return Err(OutOfMemory);
        }
        let index = match self.buddy.take(self.meta, order) {
            Some(index) => index,
            None => {
                // Hot frames may be what keeps blocks apart.
                self.cool(self.hot_frames);
                self.buddy.take(self.meta, order).ok_or(OutOfMemory)?
            }
        };
        let mut kind = Kind::Free;
        for meta in &mut self.meta[index as usize..][..1 << order] {
            kind = meta.take(owner);
        }
        self.counts[Kind::Free as usize] -= 1 << order;
        self.counts[kind as usize] += 1 << order;
        self.publish();
        Ok(self.ppn(index))
    }

    /// Gives a frame back. Asserts that it is neither mapped nor pinned nor free.
    #[inline]
    pub fn free(&mut self, frame: Ppn) {
        let index = self.index(frame);
        let hot = self.hot;
        let meta = &mut self.meta[index as usize];
        let kind = meta.release();
        meta.order = HOT;
        meta.link = hot;
        self.hot = index;
        self.hot_frames += 1;
        self.counts[kind as usize] -= 1;
        self.counts[Kind::Free as usize] += 1;
        if self.hot_frames > self.hot_limit {
            self.cool(self.hot_limit / 2);
        }
    }

    /// Gives a block back, all frames of which have one kind of owner.
    pub fn free_block(&mut self, frame: Ppn, order: u8) {
        let index = self.index(frame);
        let block = &mut self.meta[index as usize..][..1 << order];
        let kind = block[0].kind;
        for meta in block {
            assert!(meta.kind == kind, "{:?} frame in a block of {kind:?} ones", meta.kind);
            meta.release();
        }
        self.counts[kind as usize] -= 1 << order;
        self.counts[Kind::Free as usize] += 1 << order;
        self.buddy.give(self.meta, index, order);
        self.publish();
    }

    /// Whose it is; what is not RAM at all is reserved, too.
    pub fn owner(&self, frame: Ppn) -> Owner {
        self.meta(frame).map_or(Owner::Reserved, FrameMeta::owner)
    }

    /// What is written down of it; asserts that it is RAM.
    #[inline]
    pub fn look(&self, frame: Ppn) -> &FrameMeta {
        &self.meta[self.index(frame) as usize]
    }

    /// Changes whose it is, without freeing it.
    pub fn set_owner(&mut self, frame: Ppn, owner: Owner) {
        let index = self.index(frame);
        let (old, new) = self.meta[index as usize].change_owner(owner);
        self.counts[old as usize] -= 1;
        self.counts[new as usize] += 1;
    }

    /// One more PTE maps it; asserts that its owner is one whose frames processes may see.
    #[inline]
    pub fn map(&mut self, frame: Ppn) {
        let meta = self.meta_mut(frame);
        assert!(meta.kind.is_mappable(), "{:?} frame mapped", meta.kind);
        meta.mapped = meta.mapped.checked_add(1).expect("PTEs fit in RAM");
    }

    /// One more PTE maps it if a cell lives in it; whether one does.
    #[inline]
    pub fn map_cell(&mut self, frame: Ppn) -> bool {
        let meta = self.meta_mut(frame);
        let is_cell = meta.kind == Kind::Anon;
        if is_cell {
            meta.mapped = meta.mapped.checked_add(1).expect("PTEs fit in RAM");
        }
        is_cell
    }

    /// One PTE less maps it; what is written down of it now. Comes after the fence: an object
    /// frees a frame that nobody maps, and the only one to map a cell's frame writes to it.
    #[inline]
    pub fn unmap(&mut self, frame: Ppn) -> FrameMeta {
        let meta = self.meta_mut(frame);
        meta.mapped = meta.mapped.checked_sub(1).expect("unmapped as often as mapped");
        *meta
    }

    /// How many PTEs map it.
    pub fn mapped(&self, frame: Ppn) -> u32 {
        self.meta(frame).map_or(0, |meta| meta.mapped)
    }

    /// It is in use by somebody who copies: it is neither freed nor reused meanwhile.
    #[inline]
    pub fn pin(&mut self, frame: Ppn) {
        let meta = self.meta_mut(frame);
        assert!(meta.kind != Kind::Free, "free frame pinned");
        meta.pins = meta.pins.checked_add(1).expect("fewer copies in flight than threads");
    }

    /// The end of [`pin`](Self::pin); what is written down of it now.
    #[inline]
    pub fn unpin(&mut self, frame: Ppn) -> &FrameMeta {
        let meta = self.meta_mut(frame);
        meta.pins = meta.pins.checked_sub(1).expect("unpinned as often as pinned");
        meta
    }

    /// How often it is pinned.
    pub fn pins(&self, frame: Ppn) -> u16 {
        self.meta(frame).map_or(0, |meta| meta.pins)
    }

    /// How many frames are free.
    pub fn free_frames(&self) -> u64 {
        self.count(Kind::Free)
    }

    /// How many frames there are, reserved ones not counted.
    pub fn total_frames(&self) -> u64 {
        self.meta.len() as u64 - self.count(Kind::Reserved)
    }

    /// How many frames have an owner of this kind.
    pub fn count(&self, kind: Kind) -> u64 {
        u64::from(self.counts[kind as usize])
    }

    /// Free blocks of each order; a hot frame is one of order 0.
    pub fn free_blocks(&self) -> [u64; ORDERS] {
        let mut blocks = self.buddy.blocks();
        blocks[0] += u64::from(self.hot_frames);
        blocks
    }

    /// All frames that are accounted for here, reserved ones among them.
    pub fn range(&self) -> Range<Ppn> {
        self.first..Ppn(self.first.0 + self.meta.len() as u64)
    }

    /// The watermarks, in frames.
    pub fn watermarks(&self) -> Watermarks {
        self.marks
    }

    /// vm.min_free_kbytes.
    pub fn min_free_kbytes(&self) -> u64 {
        self.marks.min * PAGE_SIZE_BYTES / 1024
    }

    /// Sets the watermarks by the minimum; it is half of RAM at most.
    pub fn set_min_free_kbytes(&mut self, kbytes: u64) {
        let min = (kbytes.saturating_mul(1024) / PAGE_SIZE_BYTES).min(self.total_frames() / 2);
        self.chosen_min = Some(min);
        self.set_marks(min);
    }

    /// How many frames lack before `frames` of them could be had.
    pub(super) fn lacking(&self, frames: u32, class: Class) -> u32 {
        let wanted = self.floors[class as usize].saturating_add(frames);
        wanted.saturating_sub(self.counts[Kind::Free as usize])
    }

    fn set_marks(&mut self, min: u64) {
        self.marks = Watermarks::of_min(min);
        self.floors[Class::User as usize] = self.marks.low as u32;
        self.floors[Class::Kernel as usize] = self.marks.min as u32;
        self.floors[Class::Atomic as usize] = self.marks.min as u32 / 2;
        self.publish();
    }

    #[inline]
    fn may_take(&mut self, frames: u32, class: Class) -> bool {
        #[cfg(test)]
        if self.fails_now() {
            return false;
        }
        self.counts[Kind::Free as usize] >= self.floors[class as usize] + frames
    }

    /// Makes frames hot; whether there were any.
    #[cold]
    fn refill(&mut self) -> bool {
        for order in (0..=REFILL_ORDER).rev() {
            if let Some(start) = self.buddy.take(self.meta, order) {
                // The lowest ends on top.
                for index in (start..start + (1 << order)).rev() {
                    let meta = &mut self.meta[index as usize];
                    (meta.order, meta.link) = (HOT, self.hot);
                    self.hot = index;
                }
                self.hot_frames += 1 << order;
                self.publish();
                return true;
            }
        }
        false
    }

    /// Gives so many hot frames back to the buddy allocator.
    #[cold]
    fn cool(&mut self, frames: u32) {
        for _ in 0..frames {
            let index = self.hot;
            self.hot = self.meta[index as usize].link;
            self.buddy.give(self.meta, index, 0);
        }
        self.hot_frames -= frames;
        self.publish();
    }

    fn ppn(&self, index: u32) -> Ppn {
        Ppn(self.first.0 + u64::from(index))
    }

    #[inline]
    fn index(&self, frame: Ppn) -> u32 {
        let index = frame.0.wrapping_sub(self.first.0);
        if index >= self.meta.len() as u64 {
            not_ram(frame);
        }
        index as u32
    }

    fn meta(&self, frame: Ppn) -> Option<&FrameMeta> {
        self.meta.get(usize::try_from(frame.0.wrapping_sub(self.first.0)).ok()?)
    }

    #[inline]
    fn meta_mut(&mut self, frame: Ppn) -> &mut FrameMeta {
        let index = self.index(frame);
        &mut self.meta[index as usize]
    }
}

#[cold]
#[inline(never)]
fn not_ram(frame: Ppn) -> ! {
    panic!("{frame:?} is not a frame of RAM");
}

impl fmt::Debug for Frames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = Kind::ALL.map(|kind| (kind, self.count(kind)));
        f.debug_struct("Frames").field("range", &self.range()).field("counts", &counts).finish()
    }
}

/// For tests of what happens when no memory is to be had.
#[cfg(test)]
impl Frames {
    /// The `nth` allocation from now fails, 1 being the next; `None`: none does.
    pub(crate) fn fail_nth(&mut self, nth: Option<u64>) {
        self.fail_in = nth;
    }

    /// Whether the failure asked for is still to come.
    pub(crate) fn failure_is_due(&self) -> bool {
        self.fail_in.is_some()
    }

    fn fails_now(&mut self) -> bool {
        self.fail_in = match self.fail_in {
            Some(1) => {
                self.fail_in = None;
                return true;
            }
            other => other.map(|nth| nth - 1),
        };
        false
    }

    /// Changes the counts of owners or the number of hot frames to what is not so.
    pub(crate) fn corrupt(&mut self, change: fn(&mut [u32], &mut u32)) {
        change(&mut self.counts, &mut self.hot_frames);
    }

    /// Makes these books, of the same size, say what `other` says.
    pub(crate) fn copy_from(&mut self, other: &Self) {
        self.meta.copy_from_slice(other.meta);
        let meta = core::mem::take(&mut self.meta);
        *self = Self { meta, buddy: other.buddy.clone(), lists: other.lists.clone(), ..*other };
    }
}

#[cfg(test)]
mod tests;
