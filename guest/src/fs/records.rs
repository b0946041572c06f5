//! [`Records`]: the locks of fcntl on parts of a file: who has which bytes locked, and how.
//!
//! Source: POSIX, `fcntl`, "F_SETLK".

use alloc::vec::Vec;

/// How bytes are locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// With others who share it: F_RDLCK.
    Shared,
    /// By one process alone: F_WRLCK.
    Exclusive,
}

/// Bytes from `start` up to, not including, `end`; `u64::MAX` is the end of every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// First byte behind them.
    pub end: u64,
}

impl Span {
    /// The bytes that a length from a position on means: with 0 all, with a negative length those
    /// before it. `None` where there are no such positions.
    pub fn new(position: i64, length: i64) -> Option<Self> {
        let other = position.checked_add(length);
        let (start, end) = match length {
            0 => (position, None),
            1.. => (position, Some(other?)),
            _ => (other?, Some(position)),
        };
        let start = u64::try_from(start).ok()?;
        let end = end.map_or(Some(u64::MAX), |end| u64::try_from(end).ok())?;
        Some(Self { start, end })
    }

    /// As a position and a length that say the same: 0 for up to the end.
    pub fn parts(self) -> (i64, i64) {
        let length = if self.end == u64::MAX { 0 } else { self.end - self.start };
        (self.start as i64, length as i64)
    }

    fn meets(self, other: Span) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// Bytes that somebody has locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Number of the process.
    pub owner: u32,
    /// Which bytes.
    pub span: Span,
    /// How.
    pub lock: Lock,
}

/// The locks on one file.
#[derive(Debug, Default)]
pub struct Records {
    records: Vec<Record>,
}

impl Records {
    /// Whether nobody has any.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// A lock of somebody else that keeps this one from being granted: the first of them.
    pub fn conflict(&self, wanted: Record) -> Option<Record> {
        let against = |other: &&Record| {
            let both_share = other.lock == Lock::Shared && wanted.lock == Lock::Shared;
            other.owner != wanted.owner && other.span.meets(wanted.span) && !both_share
        };
        self.records.iter().filter(against).min_by_key(|record| record.span.start).copied()
    }

    /// Locks bytes for a process, or unlocks them, whatever it had on them before.
    pub fn set(&mut self, owner: u32, span: Span, lock: Option<Lock>) {
        let mut rest = Vec::new();
        self.records.retain(|old| {
            if old.owner != owner || !old.span.meets(span) {
                return true;
            }
            let before = Span { start: old.span.start, end: span.start };
            let behind = Span { start: span.end, end: old.span.end };
            for span in [before, behind] {
                if span.start < span.end {
                    rest.push(Record { span, ..*old });
                }
            }
            false
        });
        self.records.append(&mut rest);
        if let Some(lock) = lock {
            self.join(Record { owner, span, lock });
        }
    }

    /// Adds a lock, making one of it and those of the same kind beside it.
    fn join(&mut self, mut new: Record) {
        self.records.retain(|old| {
            let same = (old.owner, old.lock) == (new.owner, new.lock);
            let beside = old.span.end == new.span.start || new.span.end == old.span.start;
            if same && beside {
                new.span.start = new.span.start.min(old.span.start);
                new.span.end = new.span.end.max(old.span.end);
            }
            !(same && beside)
        });
        self.records.push(new);
    }

    /// Unlocks everything that a process has locked; whether there was anything.
    pub fn release(&mut self, owner: u32) -> bool {
        let before = self.records.len();
        self.records.retain(|record| record.owner != owner);
        self.records.len() < before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn spans_are_what_positions_and_lengths_mean() {
        for (position, length, expect) in [
            (5, 10, Some((5, 15))),
            (5, 0, Some((5, u64::MAX))),
            (5, -5, Some((0, 5))),
            (5, -6, None),
            (-1, 5, None),
            (i64::MAX, 1, None),
        ] {
            let span = Span::new(position, length);
            assert_eq!(span.map(|span| (span.start, span.end)), expect, "{position} {length}");
        }
        assert_eq!(Span::new(7, 0).map(Span::parts), Some((7, 0)));
        assert_eq!(Span::new(7, -3).map(Span::parts), Some((4, 3)));
    }

    const BYTES: u64 = 12;

    proptest! {
        /// The same as a table of who has which byte, and no longer than it need be.
        #[test]
        fn records_do_as_a_table_of_bytes(
            steps in prop::collection::vec(
                (0..3u32, 0..BYTES, 1..=BYTES, prop::option::of(any::<bool>())), 1..60),
        ) {
            let mut records = Records::default();
            let mut model = [[None; BYTES as usize]; 3];
            for (owner, start, length, lock) in steps {
                let span = Span { start, end: (start + length).min(BYTES) };
                let lock = lock.map(|alone| if alone { Lock::Exclusive } else { Lock::Shared });
                let bytes = span.start as usize..span.end as usize;
                if let Some(lock) = lock {
                    let against = |other: &Option<Lock>| {
                        other.is_some_and(|other| (other, lock) != (Lock::Shared, Lock::Shared))
                    };
                    let conflict = (0..3).any(|other| {
                        other != owner && model[other as usize][bytes.clone()].iter().any(against)
                    });
                    let found = records.conflict(Record { owner, span, lock });
                    prop_assert_eq!(found.is_some(), conflict);
                    if conflict {
                        continue;
                    }
                }
                records.set(owner, span, lock);
                model[owner as usize][bytes].fill(lock);
                let mut shown = [[None; BYTES as usize]; 3];
                for record in &records.records {
                    for byte in record.span.start..record.span.end {
                        let slot = &mut shown[record.owner as usize][byte as usize];
                        prop_assert_eq!(slot.replace(record.lock), None, "two for one byte");
                    }
                }
                prop_assert_eq!(shown, model);
                let runs = |bytes: &[Option<Lock>]| {
                    bytes.chunk_by(|one, other| one == other).filter(|run| run[0].is_some()).count()
                };
                let expect: usize = model.iter().map(|bytes| runs(bytes)).sum();
                prop_assert_eq!(records.records.len(), expect);
            }
            for owner in 0..3 {
                let had = model[owner as usize].iter().any(Option::is_some);
                prop_assert_eq!(records.release(owner), had);
            }
            prop_assert!(records.is_empty());
        }
    }
}
