//! [`Aging`]: an approximation of LRU. Each page has a register; whenever the hand passes, it is
//! shifted to the right, and the accessed bit comes in at the left. So the smaller the register,
//! the longer ago the last use. A page whose register is empty goes. If a circle has found none,
//! the least that it met is what goes in the next one.
//!
//! Source: Tanenbaum and Bos, Modern Operating Systems, "Simulating LRU in Software".

use super::{Kind, Mark, Policy, Refault, Seen, Verdict};

/// What an access puts into the register.
const ACCESSED: u8 = 1 << 7;

/// See the file's beginning.
#[derive(Debug)]
pub(super) struct Aging {
    resident: u32,
    /// Pages that are left of the circle.
    left: u32,
    /// Pages go whose register is not more than this.
    bar: u8,
    /// The least register of those that were kept in this circle.
    least: u8,
}

impl Aging {
    pub(super) const fn new() -> Self {
        Self { resident: 0, left: 0, bar: 0, least: u8::MAX }
    }

    fn begin_circle(&mut self, bar: u8) {
        (self.bar, self.least, self.left) = (bar, u8::MAX, self.resident);
    }
}

impl Policy for Aging {
    fn begin(&mut self, _: u32, resident: u32) {
        self.resident = resident;
        self.begin_circle(0);
    }

    fn look(&mut self, mark: &mut Mark, seen: Seen) -> Verdict {
        if !mark.is_of(Kind::Aging) {
            mark.claim(Kind::Aging);
        }
        mark.age = mark.age >> 1 | if seen.accessed { ACCESSED } else { 0 };
        if mark.age <= self.bar {
            return Verdict::Trim;
        }
        self.least = self.least.min(mark.age);
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.begin_circle(self.least);
        }
        Verdict::Keep
    }

    fn evicted(&mut self, mark: &mut Mark) {
        mark.clear();
    }

    fn returned(&mut self, _: &mut Mark, _: Refault) {}
}
