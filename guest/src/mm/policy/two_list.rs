//! [`TwoList`]: pages come in inactive, and are active once they were used again. Only inactive
//! ones leave, so what is used once does not push out what is used often. A page that comes back
//! so soon that the active pages' room would have kept it becomes active at once, and one active
//! page that is not used has to make room for it.
//!
//! Sources: Johnson and Shasha, "2Q: A Low Overhead High Performance Buffer Management Replacement
//! Algorithm"; Weiner, "mm: thrash detection-based file cache sizing".

use super::{Kind, Mark, Policy, Refault, Seen, Verdict};

/// The page is on the active list.
const ACTIVE: u8 = 1 << 0;
/// An inactive page was accessed; the first time that is because it came in.
const REFERENCED: u8 = 1 << 1;

/// See the file's beginning. The lists are flags of the marks; how long they are is counted as the
/// hand goes round.
#[derive(Debug)]
pub(super) struct TwoList {
    resident: u32,
    /// Active pages when the circle before this one was complete, and changes since.
    active: u32,
    /// Pages that were passed in this circle.
    passed: u32,
    /// Active ones among them.
    counted: u32,
    /// Pages that have become active as they came back, and for which none has made room.
    owed: u32,
    /// Pages that were kept since the round began or one was trimmed.
    kept: u32,
}

impl TwoList {
    pub(super) const fn new() -> Self {
        Self { resident: 1, active: 0, passed: 0, counted: 0, owed: 0, kept: 0 }
    }

    fn count(&mut self, mark: &Mark) {
        self.passed += 1;
        self.counted += u32::from(mark.has(ACTIVE));
        if self.passed >= self.resident {
            self.active = self.counted;
            (self.passed, self.counted) = (0, 0);
        }
    }

    /// Whether this active page has to go to the other list.
    fn deactivates(&mut self, accessed: bool) -> bool {
        if accessed {
            // Where all are in use, use is no distinction.
            return self.kept > self.resident;
        }
        if self.owed > 0 {
            self.owed -= 1;
            return true;
        }
        self.active > self.resident / 2
    }
}

impl Policy for TwoList {
    fn begin(&mut self, _: u32, resident: u32) {
        (self.resident, self.kept) = (resident, 0);
    }

    fn look(&mut self, mark: &mut Mark, seen: Seen) -> Verdict {
        if !mark.is_of(Kind::TwoList) {
            mark.claim(Kind::TwoList);
        }
        if mark.has(ACTIVE) {
            if self.deactivates(seen.accessed) {
                mark.unset(ACTIVE);
                self.active = self.active.saturating_sub(1);
            }
        } else if !seen.accessed {
            self.kept = 0;
            return Verdict::Trim;
        } else if mark.has(REFERENCED) {
            mark.unset(REFERENCED);
            mark.set(ACTIVE);
            self.active += 1;
        } else {
            mark.set(REFERENCED);
        }
        self.kept += 1;
        self.count(mark);
        Verdict::Keep
    }

    fn evicted(&mut self, mark: &mut Mark) {
        mark.claim(Kind::TwoList);
    }

    fn returned(&mut self, mark: &mut Mark, refault: Refault) {
        mark.claim(Kind::TwoList);
        if refault.distance <= self.active.max(refault.resident / 2) {
            mark.set(ACTIVE);
            self.active += 1;
            self.owed += 1;
        }
    }
}
