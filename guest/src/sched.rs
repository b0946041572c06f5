//! Scheduling policy, as pure functions: which hart a task goes to, which of two lines a hart
//! takes the next task from, and what a task that has slept gains. `kernel/sched` keeps the
//! queues and switches.
//!
//! Each hart has two lines: in the first one wait tasks that have slept since they last used up a
//! slice, in the second one those that compute. The first goes first, but not for ever.

/// How long a task runs while others wait.
pub const SLICE_NS: u64 = 10_000_000;
/// How long the second line waits at most for a hart that always has somebody in the first one.
pub const PATIENCE_NS: u64 = 4 * SLICE_NS;

/// Where a task waits for its hart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// It has slept.
    First,
    /// It has used up a slice since it slept.
    Second,
}

/// The line that the next task comes from: whether somebody waits in the first one, and for how
/// long the oldest of the second has waited.
pub const fn next_line(first: Option<()>, second_waits_ns: Option<u64>) -> Option<Line> {
    match (first, second_waits_ns) {
        (None, None) => None,
        (Some(()), Some(waits)) if waits > PATIENCE_NS => Some(Line::Second),
        (Some(()), _) => Some(Line::First),
        (None, Some(_)) => Some(Line::Second),
    }
}

/// What a task has had of its slice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    used_ns: u64,
    computes: bool,
}

impl Share {
    /// Of a task that was made by one with this share: a new task is no way to a new slice.
    #[must_use]
    pub const fn of_child(self) -> Self {
        self
    }

    /// It has run for so long.
    #[must_use]
    pub const fn after_running(self, ran_ns: u64) -> Self {
        let used_ns = self.used_ns + ran_ns;
        if used_ns >= SLICE_NS {
            Self { used_ns: 0, computes: true }
        } else {
            Self { used_ns, ..self }
        }
    }

    /// It has slept, and was woken.
    #[must_use]
    pub const fn after_sleeping(self) -> Self {
        Self { used_ns: 0, computes: false }
    }

    /// It has waited for memory, which is no choice of its own: what is left of its slice is as
    /// urgent as after a sleep, but it has no other one.
    #[must_use]
    pub const fn after_stalling(self) -> Self {
        Self { computes: self.computes && self.used_ns == 0, ..self }
    }

    /// As a number, to be kept in an atomic.
    pub const fn to_bits(self) -> u64 {
        self.used_ns << 1 | self.computes as u64
    }

    /// From the number that [`to_bits`](Self::to_bits) made.
    pub const fn from_bits(bits: u64) -> Self {
        Self { used_ns: bits >> 1, computes: bits & 1 == 1 }
    }

    /// Where it waits.
    pub const fn line(self) -> Line {
        if self.computes { Line::Second } else { Line::First }
    }

    /// What is left of its slice.
    pub const fn left_ns(self) -> u64 {
        SLICE_NS - self.used_ns
    }
}

/// The hart for a task that was last at `home`: that one if it is idle, else the one with the
/// least to do. `loads` are the numbers of tasks that run or wait at each.
pub fn place(loads: &[usize], home: usize) -> usize {
    let better = |best: usize, hart: usize| if loads[hart] < loads[best] { hart } else { best };
    (0..loads.len()).fold(home.min(loads.len() - 1), better)
}

/// From whom a hart without work takes some: the one with the longest line. `waiting` are the
/// numbers of tasks that wait at each.
pub fn victim(waiting: &[usize], thief: usize) -> Option<usize> {
    let others = (0..waiting.len()).filter(|hart| *hart != thief && waiting[*hart] > 0);
    others.max_by_key(|hart| waiting[*hart])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_goes_first_but_not_for_ever() {
        for (first, second, want) in [
            (None, None, None),
            (Some(()), None, Some(Line::First)),
            (None, Some(0), Some(Line::Second)),
            (Some(()), Some(PATIENCE_NS), Some(Line::First)),
            (Some(()), Some(PATIENCE_NS + 1), Some(Line::Second)),
        ] {
            assert_eq!(next_line(first, second), want, "{first:?} {second:?}");
        }
    }

    #[test]
    fn who_waits_for_memory_gets_no_new_slice() {
        let half = Share::default().after_running(SLICE_NS / 2);
        let stalled = half.after_stalling();
        assert_eq!((stalled.line(), stalled.left_ns()), (Line::First, SLICE_NS / 2));
        let used_up = stalled.after_running(SLICE_NS / 2);
        assert_eq!(used_up.line(), Line::Second);
        assert_eq!(used_up.after_stalling(), used_up, "the others are next");
        // In its next slice it is urgent again.
        assert_eq!(used_up.after_running(1).after_stalling().line(), Line::First);
    }

    #[test]
    fn who_uses_up_a_slice_computes_until_it_sleeps() {
        let fresh = Share::default();
        assert_eq!((fresh.line(), fresh.left_ns()), (Line::First, SLICE_NS));
        let half = fresh.after_running(SLICE_NS / 2);
        assert_eq!((half.line(), half.left_ns()), (Line::First, SLICE_NS / 2));
        let full = half.after_running(SLICE_NS / 2);
        assert_eq!((full.line(), full.left_ns()), (Line::Second, SLICE_NS));
        let more = full.after_running(1);
        assert_eq!((more.line(), more.left_ns()), (Line::Second, SLICE_NS - 1));
        assert_eq!(more.after_sleeping(), fresh);
        for share in [fresh, half, full, more, half.of_child()] {
            assert_eq!(Share::from_bits(share.to_bits()), share);
        }
    }

    #[test]
    fn tasks_stay_where_they_were_if_that_is_as_good() {
        for (loads, home, want) in [
            (&[0][..], 0, 0),
            (&[1, 0, 0], 2, 2),
            (&[1, 0, 1], 2, 1),
            (&[1, 1, 1], 2, 2),
            (&[3, 2, 4], 0, 1),
            (&[0, 0], 7, 1),
        ] {
            assert_eq!(place(loads, home), want, "{loads:?} {home}");
        }
    }

    #[test]
    fn the_longest_line_is_stolen_from() {
        for (waiting, thief, want) in [
            (&[0, 0][..], 0, None),
            (&[5, 0], 0, None),
            (&[0, 1], 0, Some(1)),
            (&[1, 0, 3], 1, Some(2)),
        ] {
            assert_eq!(victim(waiting, thief), want, "{waiting:?} {thief}");
        }
    }
}
