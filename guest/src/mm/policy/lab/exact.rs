//! What no hand can do, to measure the others by: OPT, which knows the future, and LRU and FIFO
//! with exact books on every access. All count faults, first touches included.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec;
use alloc::vec::Vec;

use super::Reference;

/// Faults if what is used again last leaves, which no policy can beat.
///
/// Source: Belady, "A Study of Replacement Algorithms for a Virtual-Storage Computer".
pub fn opt(frames: usize, string: &[Reference]) -> u64 {
    let mut coming = BTreeMap::new();
    let mut next_use = vec![usize::MAX; string.len()];
    for (time, reference) in string.iter().enumerate().rev() {
        next_use[time] = coming.insert(reference.page, time).unwrap_or(usize::MAX);
    }
    // By their next use, and by the page, as there is no next use of many.
    let mut resident = BTreeSet::new();
    let mut faults = 0;
    for (time, reference) in string.iter().enumerate() {
        if !resident.remove(&(time, reference.page)) {
            faults += 1;
            if resident.len() == frames {
                resident.pop_last();
            }
        }
        resident.insert((next_use[time], reference.page));
    }
    faults
}

/// Faults if what was used last the longest time ago leaves.
pub fn lru(frames: usize, string: &[Reference]) -> u64 {
    let mut last_use = BTreeMap::new();
    let mut resident = BTreeMap::new();
    let mut faults = 0;
    for (time, reference) in string.iter().enumerate() {
        let before = last_use.insert(reference.page, time);
        if before.and_then(|before| resident.remove(&before)).is_none() {
            faults += 1;
            if resident.len() == frames {
                resident.pop_first();
            }
        }
        resident.insert(time, reference.page);
    }
    faults
}

/// Faults if what came in the longest time ago leaves.
pub fn fifo(frames: usize, string: &[Reference]) -> u64 {
    let mut line = VecDeque::new();
    let mut is_resident: Vec<bool> = Vec::new();
    let mut faults = 0;
    for page in string.iter().map(|reference| reference.page as usize) {
        if page >= is_resident.len() {
            is_resident.resize(page + 1, false);
        }
        if is_resident[page] {
            continue;
        }
        faults += 1;
        if line.len() == frames
            && let Some(oldest) = line.pop_front()
        {
            is_resident[oldest] = false;
        }
        line.push_back(page);
        is_resident[page] = true;
    }
    faults
}
