//! [`WsClock`]: pages stay that belong to their process's working set, which are those that it has
//! used within the last `tau` of its own running time. So a process that does not run loses
//! nothing to those that do. Of the others the clean ones go first, within limits.
//!
//! No `tau` is right for each machine: it grows while many of a circle's pages go, and shrinks
//! while few do.
//!
//! Source: Carr and Hennessy, "WSClock: A Simple and Effective Algorithm for Virtual Memory
//! Management".

use super::{Kind, Mark, Policy, Refault, Seen, Verdict};

/// What `tau` begins with, in ticks.
const TAU_TICKS: u16 = 100;
/// What `tau` grows to at most, in ticks; the time on a mark wraps later.
const TAU_MAX_TICKS: u16 = 1 << 14;
/// `tau` shrinks if less than this part of a circle's pages goes.
const FEW_PART: u32 = 32;
/// `tau` grows if more than this part of a circle's pages goes.
const MANY_PART: u32 = 8;

/// See the file's beginning.
#[derive(Debug)]
pub(super) struct WsClock {
    want: u32,
    resident: u32,
    tau: u16,
    /// Dirty pages of no working set that were passed over in this round.
    passed_over: u32,
    /// Pages that were passed in this circle.
    passed: u32,
    /// Pages that were trimmed in this circle.
    trimmed: u32,
    /// The longest that a page of this circle was not accessed, of those that were kept.
    oldest: u16,
}

impl WsClock {
    pub(super) const fn new() -> Self {
        Self {
            want: 0,
            resident: 1,
            tau: TAU_TICKS,
            passed_over: 0,
            passed: 0,
            trimmed: 0,
            oldest: 0,
        }
    }

    fn count(&mut self) {
        self.passed += 1;
        if self.passed < self.resident {
            return;
        }
        if self.trimmed < self.resident / FEW_PART + 1 {
            let tau = self.tau.min(self.oldest);
            self.tau = tau - tau.div_ceil(8);
        } else if self.trimmed > self.resident / MANY_PART {
            self.tau = (self.tau + self.tau / 8 + 1).min(TAU_MAX_TICKS);
        }
        (self.passed, self.trimmed, self.oldest) = (0, 0, 0);
    }

    /// Whether a page that was not accessed for so long is to go.
    fn goes(&mut self, idle: u16, dirty: bool) -> bool {
        if idle < self.tau {
            return false;
        }
        let passes = dirty && self.passed_over < self.want;
        self.passed_over += u32::from(passes);
        !passes
    }
}

impl Policy for WsClock {
    fn begin(&mut self, want: u32, resident: u32) {
        (self.want, self.resident, self.passed_over) = (want, resident, 0);
    }

    fn look(&mut self, mark: &mut Mark, seen: Seen) -> Verdict {
        self.count();
        let now = seen.time as u16;
        let idle = now.wrapping_sub(mark.time);
        if seen.accessed || !mark.is_of(Kind::WsClock) {
            mark.claim(Kind::WsClock);
            mark.time = now;
        } else if self.goes(idle, seen.dirty) {
            self.trimmed += 1;
            return Verdict::Trim;
        } else {
            self.oldest = self.oldest.max(idle);
        }
        Verdict::Keep
    }

    fn evicted(&mut self, mark: &mut Mark) {
        mark.clear();
    }

    fn returned(&mut self, _: &mut Mark, _: Refault) {}
}
