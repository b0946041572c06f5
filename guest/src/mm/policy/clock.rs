//! [`Clock`]: the second chance. A page that was accessed since the hand last passed stays; one
//! that was not goes.
//!
//! Source: Corbató, "A Paging Experiment with the Multics System".

use super::{Mark, Policy, Refault, Seen, Verdict};

/// See the file's beginning. The accessed bit is all that it goes by.
#[derive(Debug)]
pub(super) struct Clock;

impl Clock {
    pub(super) const fn new() -> Self {
        Self
    }
}

impl Policy for Clock {
    fn begin(&mut self, _: u32, _: u32) {}

    #[inline]
    fn look(&mut self, _: &mut Mark, seen: Seen) -> Verdict {
        if seen.accessed { Verdict::Keep } else { Verdict::Trim }
    }

    fn evicted(&mut self, _: &mut Mark) {}

    fn returned(&mut self, _: &mut Mark, _: Refault) {}
}
