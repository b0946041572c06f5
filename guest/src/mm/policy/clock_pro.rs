//! [`ClockPro`]: pages are hot or cold by how soon they are used again, not by when they were used
//! last. A cold page that is used again within its *test period* becomes hot, and one hot page that
//! was not used becomes cold in turn. Only cold pages leave. The test goes on when a page has left:
//! its mark stays. Cold pages get more room while tests succeed, and less as they fail.
//!
//! Of the three hands one is left, as pages are met in order of address and not of time. Where
//! hot pages have to become cold it also *sweeps*: each hot page loses what it has of references,
//! or its heat. A test period ends when the sweep under way has met all hot pages, or when twice as
//! many pages have left since this one as fit into RAM.
//!
//! Source: Jiang, Chen, Zhang, "CLOCK-Pro: An Effective Improvement of the CLOCK Replacement".

use super::{Kind, Mark, Policy, Refault, Seen, Verdict};

/// The page is hot.
const HOT: u8 = 1 << 0;
/// A cold page is in its test period, which began in the sweep of [`Mark::time`].
const TEST: u8 = 1 << 1;
/// A hot page was accessed since the sweep met it.
const REFERENCED: u8 = 1 << 2;

/// At least this part of the pages should be cold, which bounds the way to the next one.
const COLD_MIN_PART: u32 = 16;
/// At most this part of the pages should be cold, as heat is what loops and scans spare.
const COLD_MAX_PART: u32 = 2;
/// A test ends when so many times the pages of RAM have left.
const TEST_RAM_TIMES: u32 = 2;

/// See the file's beginning.
#[derive(Debug)]
pub(super) struct ClockPro {
    resident: u32,
    /// How many pages should be cold.
    cold: u32,
    /// Hot pages when the circle before this one was complete, and changes since.
    hot: u32,
    /// Pages that were passed in this circle.
    passed: u32,
    /// Hot ones among them.
    counted: u32,
    /// Sweeps that are complete, wrapping.
    sweep: u16,
    /// Hot pages that are left of the sweep; 0: it has not begun.
    left: u32,
    /// Tests that began in this sweep and were not passed yet.
    tests: u32,
    /// Pages that have become hot in this sweep, and for which none has become cold.
    owed: u32,
}

impl ClockPro {
    pub(super) const fn new() -> Self {
        Self {
            resident: 1,
            cold: 0,
            hot: 0,
            passed: 0,
            counted: 0,
            sweep: 0,
            left: 0,
            tests: 0,
            owed: 0,
        }
    }

    fn set_cold(&mut self, cold: u32) {
        let [least, most] = [COLD_MIN_PART, COLD_MAX_PART].map(|part| self.resident / part + 1);
        self.cold = cold.clamp(least, most);
    }

    fn count(&mut self, mark: &Mark) {
        self.passed += 1;
        self.counted += u32::from(mark.has(HOT));
        if self.passed >= self.resident {
            self.hot = self.counted;
            (self.passed, self.counted) = (0, 0);
        }
    }

    fn begin_test(&mut self, mark: &mut Mark) {
        mark.set(TEST);
        mark.time = self.sweep;
        self.tests += 1;
    }

    fn is_in_test(&self, mark: &Mark) -> bool {
        mark.has(TEST) && mark.time == self.sweep
    }

    /// It has passed its test.
    fn heat(&mut self, mark: &mut Mark) {
        mark.unset(TEST);
        mark.set(HOT);
        self.hot += 1;
        self.owed += 1;
        self.tests = self.tests.saturating_sub(1);
        self.set_cold(self.cold + 1);
    }

    fn cool(&mut self, mark: &mut Mark) {
        mark.unset(HOT | REFERENCED);
        self.hot = self.hot.saturating_sub(1);
        self.owed = self.owed.saturating_sub(1);
    }

    fn look_hot(&mut self, mark: &mut Mark, accessed: bool) {
        if accessed {
            mark.set(REFERENCED);
        }
        if self.owed == 0 && self.hot + self.cold <= self.resident {
            return;
        }
        if self.left == 0 {
            self.left = self.hot;
        }
        if mark.has(REFERENCED) {
            mark.unset(REFERENCED);
        } else {
            self.cool(mark);
        }
        self.left = self.left.saturating_sub(1);
        if self.left == 0 {
            self.end_sweep();
        }
    }

    /// The sweep has met all hot pages; what is still in test has failed.
    fn end_sweep(&mut self) {
        self.set_cold(self.cold.saturating_sub(self.tests));
        self.sweep = self.sweep.wrapping_add(1);
        (self.tests, self.owed) = (0, 0);
    }

    fn look_cold(&mut self, mark: &mut Mark, accessed: bool) -> Verdict {
        if !accessed {
            return Verdict::Trim;
        }
        if self.is_in_test(mark) {
            self.heat(mark);
        } else {
            self.begin_test(mark);
        }
        Verdict::Keep
    }
}

impl Policy for ClockPro {
    fn begin(&mut self, _: u32, resident: u32) {
        self.resident = resident;
        self.set_cold(self.cold);
    }

    fn look(&mut self, mark: &mut Mark, seen: Seen) -> Verdict {
        // Its first access is why it came in, and begins the test.
        if !mark.is_of(Kind::ClockPro) {
            mark.claim(Kind::ClockPro);
        }
        self.count(mark);
        if mark.has(HOT) {
            self.look_hot(mark, seen.accessed);
            return Verdict::Keep;
        }
        self.look_cold(mark, seen.accessed)
    }

    fn evicted(&mut self, mark: &mut Mark) {
        if mark.is_of(Kind::ClockPro) && mark.has(HOT) {
            self.cool(mark);
        }
    }

    fn returned(&mut self, mark: &mut Mark, refault: Refault) {
        let ends = refault.resident.saturating_mul(TEST_RAM_TIMES);
        let is_in_test = mark.is_of(Kind::ClockPro) && self.is_in_test(mark);
        mark.clear();
        if is_in_test && refault.distance <= ends {
            mark.claim(Kind::ClockPro);
            self.heat(mark);
        }
    }
}
