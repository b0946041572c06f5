//! Whether the lists of free and idle frames and the counters agree with the entries of the frames.

use super::meta::{FrameMeta, HOT, INNER, NOBODY};
use super::{Frames, Kind, List, ORDERS};
use crate::pte::Ppn;

/// Something that does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::mm) enum Disagreement {
    /// The lists of free or idle frames are broken at this one.
    Lists(Ppn),
    /// So many frames of the kind there are, and so many were counted.
    Count {
        /// Which.
        kind: Kind,
        /// Entries that say so.
        found: u64,
        /// What the books say.
        counted: u64,
    },
    /// So many frames are marked as free, and so many are on lists.
    Unlisted {
        /// Marked.
        free: u64,
        /// On lists.
        listed: u64,
    },
}

/// Tells `report` what does not agree. Uses no heap and ends, however broken the lists are.
pub(in crate::mm) fn check(frames: &Frames, report: &mut dyn FnMut(Disagreement)) {
    let mut counts = [0_u64; Kind::ALL.len()];
    for meta in frames.meta.iter() {
        counts[meta.kind as usize] += 1;
    }
    for kind in Kind::ALL {
        let (found, counted) = (counts[kind as usize], frames.count(kind));
        if found != counted {
            report(Disagreement::Count { kind, found, counted });
        }
    }
    List::ALL.into_iter().for_each(|list| idle_frames(frames, list, report));
    let mut listed = hot_frames(frames, report);
    for order in 0..ORDERS {
        listed += blocks(frames, order, report) << order;
    }
    let free = counts[Kind::Free as usize];
    if free != listed {
        report(Disagreement::Unlisted { free, listed });
    }
}

/// The free frame at this index, if there is one with this order.
fn free_frame(frames: &Frames, index: u32, order: u8) -> Option<&FrameMeta> {
    let meta = frames.meta.get(index as usize);
    meta.filter(|meta| meta.kind == Kind::Free && meta.order == order)
}

fn hot_frames(frames: &Frames, report: &mut dyn FnMut(Disagreement)) -> u64 {
    let mut next = frames.hot;
    for listed in 0..u64::from(frames.hot_frames) {
        let Some(meta) = free_frame(frames, next, HOT) else {
            report(Disagreement::Lists(frames.ppn(next)));
            return listed;
        };
        next = meta.link;
    }
    if next != NOBODY {
        report(Disagreement::Lists(frames.ppn(next)));
    }
    u64::from(frames.hot_frames)
}

/// Whether a list of idle frames has as many as are counted, each of which knows that it is on it.
fn idle_frames(frames: &Frames, list: List, report: &mut dyn FnMut(Disagreement)) {
    let (mut next, mut back) = (frames.lists.head(list), NOBODY);
    for _ in 0..frames.listed(list) {
        let meta = frames.meta.get(next as usize);
        let Some(meta) = meta.filter(|meta| meta.list() == Some(list) && meta.back == back) else {
            return report(Disagreement::Lists(frames.ppn(next)));
        };
        (next, back) = (meta.link, next);
    }
    if next != NOBODY || frames.lists.tail(list) != back {
        report(Disagreement::Lists(frames.ppn(next)));
    }
}

fn blocks(frames: &Frames, order: usize, report: &mut dyn FnMut(Disagreement)) -> u64 {
    let (mut next, mut back) = (frames.buddy.head(order), NOBODY);
    let length = frames.buddy.blocks()[order];
    for listed in 0..length {
        let block = free_frame(frames, next, order as u8).filter(|block| block.back == back);
        let inside = (next + 1..).take((1 << order) - 1);
        let whole = inside.into_iter().all(|index| free_frame(frames, index, INNER).is_some());
        let Some(block) = block.filter(|_| whole && frames.buddy.is_aligned(next, order)) else {
            report(Disagreement::Lists(frames.ppn(next)));
            return listed;
        };
        (next, back) = (block.link, next);
    }
    if next != NOBODY {
        report(Disagreement::Lists(frames.ppn(next)));
    }
    length
}
