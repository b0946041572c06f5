//! [`Buddy`]: blocks of `1 << order` free frames, aligned in physical memory, on a list per order;
//! two that halve a larger one become it. Works on the entries of [`Frames`](super::Frames).

use core::ops::Range;

use super::meta::{FrameMeta, INNER, Kind, NOBODY};
use crate::pte::Ppn;

/// Order of the largest blocks: 4 MiB.
pub const MAX_ORDER: u8 = 10;
/// How many orders there are.
pub const ORDERS: usize = MAX_ORDER as usize + 1;

/// The lists.
#[derive(Clone, Debug)]
pub(super) struct Buddy {
    heads: [u32; ORDERS],
    lengths: [u32; ORDERS],
    /// What an index lacks to be aligned as its frame is.
    skew: u32,
}

impl Buddy {
    /// No free blocks among the frames from `first` on.
    pub(super) fn new(first: Ppn) -> Self {
        let skew = first.0 as u32 % (1 << MAX_ORDER);
        Self { heads: [NOBODY; ORDERS], lengths: [0; ORDERS], skew }
    }

    /// How many blocks of each order there are.
    pub(super) fn blocks(&self) -> [u64; ORDERS] {
        self.lengths.map(u64::from)
    }

    /// The first block on the list of `order`.
    pub(super) fn head(&self, order: usize) -> u32 {
        self.heads[order]
    }

    /// Whether a block of this order may begin at this index.
    pub(super) fn is_aligned(&self, index: u32, order: usize) -> bool {
        (index + self.skew).is_multiple_of(1 << order)
    }

    /// Takes a block of exactly this order, cut from a larger one where need be. Its frames are
    /// still marked as free.
    pub(super) fn take(&mut self, meta: &mut [FrameMeta], order: u8) -> Option<u32> {
        let mut have = (order..=MAX_ORDER).find(|have| self.heads[*have as usize] != NOBODY)?;
        let index = self.heads[have as usize];
        self.unlink(meta, index, have);
        while have > order {
            have -= 1;
            self.link(meta, index + (1 << have), have);
        }
        Some(index)
    }

    /// Takes in a block whose frames are all marked as free.
    pub(super) fn give(&mut self, meta: &mut [FrameMeta], index: u32, order: u8) {
        let (mut index, mut order) = (index, order);
        while order < MAX_ORDER {
            let other = ((index + self.skew) ^ 1 << order).wrapping_sub(self.skew);
            let joins = |other: &FrameMeta| other.kind == Kind::Free && other.order == order;
            if !meta.get(other as usize).is_some_and(joins) {
                break;
            }
            self.unlink(meta, other, order);
            meta[index.max(other) as usize].order = INNER;
            index = index.min(other);
            order += 1;
        }
        self.link(meta, index, order);
    }

    /// Takes in frames that are all marked as free, in blocks as large as they get.
    pub(super) fn give_range(&mut self, meta: &mut [FrameMeta], range: Range<u32>) {
        let mut index = range.start;
        while index < range.end {
            let aligned = (index + self.skew).trailing_zeros();
            let fits = (range.end - index).ilog2();
            let order = aligned.min(fits).min(MAX_ORDER.into()) as u8;
            self.give(meta, index, order);
            index += 1 << order;
        }
    }

    fn link(&mut self, meta: &mut [FrameMeta], index: u32, order: u8) {
        let next = core::mem::replace(&mut self.heads[order as usize], index);
        if next != NOBODY {
            meta[next as usize].back = index;
        }
        let head = &mut meta[index as usize];
        (head.order, head.link, head.back) = (order, next, NOBODY);
        self.lengths[order as usize] += 1;
    }

    fn unlink(&mut self, meta: &mut [FrameMeta], index: u32, order: u8) {
        let block = &mut meta[index as usize];
        let (next, back) = (block.link, block.back);
        block.order = INNER;
        match back {
            NOBODY => self.heads[order as usize] = next,
            back => meta[back as usize].link = next,
        }
        if next != NOBODY {
            meta[next as usize].back = back;
        }
        self.lengths[order as usize] -= 1;
    }
}
