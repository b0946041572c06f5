//! [`Watermarks`]: how many frames stay free for those who need them more.

use crate::PAGE_SIZE_BYTES;

/// The minimum however much RAM there is.
const MIN_AT_MOST_BYTES: u64 = 64 << 20;

/// Numbers of free frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    /// The rest is the kernel's own.
    pub min: u64,
    /// Processes get no more, and memory has to be reclaimed.
    pub low: u64,
    /// Enough.
    pub high: u64,
}

impl Watermarks {
    /// The marks that follow from the minimum.
    pub(super) const fn of_min(min: u64) -> Self {
        Self { min, low: 2 * min, high: 3 * min }
    }
}

/// The minimum for so much RAM: it grows with the square root, as what is in flight does.
pub(super) fn min_frames(total_frames: u64) -> u64 {
    let total_kib = total_frames * PAGE_SIZE_BYTES / 1024;
    (total_kib.isqrt() * 1024).min(MIN_AT_MOST_BYTES) / PAGE_SIZE_BYTES
}
