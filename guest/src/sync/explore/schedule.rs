//! [`Schedule`]: who is next.

use super::Choices;

/// Who is next, of those who can go on: the one whose turn it is comes first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Schedule {
    /// By numbers that follow from this one.
    Seed(u64),
    /// These, and from then on the first; with so many turns away from one who could go on, of all.
    Choices(Vec<u8>, usize),
}

impl Schedule {
    pub(super) fn is_seeded(&self) -> bool {
        matches!(self, Self::Seed(_))
    }

    pub(super) fn turns(&self) -> usize {
        match self {
            Self::Seed(_) => usize::MAX,
            Self::Choices(_, turns) => *turns,
        }
    }
}

/// A schedule in use.
#[derive(Debug)]
pub(super) struct Chooser {
    schedule: Schedule,
    made: Choices,
    random: u64,
}

/// Out of so many choices of a seeded run, one turns away from whoever could go on.
const TURNS_ONE_IN: u64 = 3;

impl Chooser {
    pub(super) fn new(schedule: Schedule) -> Self {
        let random = match schedule {
            Schedule::Seed(seed) => seed,
            Schedule::Choices(..) => 0,
        };
        Self { schedule, made: Vec::new(), random }
    }

    /// One of `count`, of which the first could go on, or not.
    pub(super) fn choose(&mut self, count: usize, first: First) -> usize {
        if count == 1 {
            return 0;
        }
        let choice = match &mut self.schedule {
            Schedule::Seed(_) => {
                let (turn, which) = (self.next(), self.next());
                match first {
                    First::GoesOn if !turn.is_multiple_of(TURNS_ONE_IN) => 0,
                    _ => (which % count as u64) as usize,
                }
            }
            Schedule::Choices(_, 0) if first == First::GoesOn => return 0,
            Schedule::Choices(choices, turns) => {
                let choice = choices.get(self.made.len()).map_or(0, |choice| usize::from(*choice));
                *turns -= usize::from(first == First::GoesOn && choice > 0);
                choice.min(count - 1)
            }
        };
        self.made.push((choice, count));
        choice
    }

    /// What was chosen where there was a choice.
    pub(super) fn into_made(self) -> Choices {
        self.made
    }

    /// The next number: Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
    fn next(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.random ^ self.random >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }
}

/// What the first of those is who can be next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// The one whose turn it is.
    GoesOn,
    /// Somebody else: that one sleeps, or has ended.
    IsAnother,
}

/// The choices after these: the last one that can be another is.
pub(super) fn following(made: &Choices) -> Option<Vec<u8>> {
    let last = made.iter().rposition(|(choice, count)| choice + 1 < *count)?;
    let mut next: Vec<u8> = made[..=last].iter().map(|(choice, _)| *choice as u8).collect();
    next[last] += 1;
    Some(next)
}
