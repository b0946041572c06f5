//! [`Fifo`]: what has been in RAM longest goes, used or not. The yardstick that others have to
//! beat, and the one that may get worse when there is more RAM.
//!
//! The hand meets pages in order of address, so their arrivals tell which are oldest: no page came
//! in before `floor`. A round takes those that came in with the next `want` arrivals after it,
//! which are never more than it wants. When a circle has found none of them, its oldest page is
//! the new floor.

use super::{Mark, Policy, Refault, Seen, Verdict};

/// See the file's beginning.
#[derive(Debug)]
pub(super) struct Fifo {
    want: u32,
    resident: u32,
    /// No page came in before this arrival; `None`: no circle has been made yet.
    floor: Option<u32>,
    /// The oldest page that was kept since the circle began.
    oldest: Option<u32>,
    /// Pages that are left of the circle.
    left: u32,
    /// Pages that were trimmed from behind the floor.
    trimmed: u32,
}

impl Fifo {
    pub(super) const fn new() -> Self {
        Self { want: 0, resident: 0, floor: None, oldest: None, left: 0, trimmed: 0 }
    }

    fn begin_circle(&mut self) {
        (self.oldest, self.left) = (None, self.resident);
    }

    fn raise_floor(&mut self, floor: Option<u32>) {
        (self.floor, self.trimmed) = (floor, 0);
        self.begin_circle();
    }

    /// Whether arrival `a` was before `b`, as the count of arrivals wraps.
    const fn is_before(a: u32, b: u32) -> bool {
        (a.wrapping_sub(b) as i32) < 0
    }
}

impl Policy for Fifo {
    fn begin(&mut self, want: u32, resident: u32) {
        (self.want, self.resident) = (want.clamp(1, i32::MAX as u32), resident);
        self.begin_circle();
    }

    fn look(&mut self, mark: &mut Mark, _: Seen) -> Verdict {
        let arrival = mark.arrival();
        if let Some(floor) = self.floor {
            let limit = floor.wrapping_add(self.want);
            if Self::is_before(arrival, limit) {
                self.trimmed += 1;
                if self.trimmed == self.want {
                    self.raise_floor(Some(limit));
                }
                return Verdict::Trim;
            }
        }
        if self.oldest.is_none_or(|oldest| Self::is_before(arrival, oldest)) {
            self.oldest = Some(arrival);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.raise_floor(self.oldest);
        }
        Verdict::Keep
    }

    fn evicted(&mut self, _: &mut Mark) {}

    fn returned(&mut self, _: &mut Mark, _: Refault) {}
}
