//! What Pagewalk wants to reach: one table, [`RULES`], and [`judge`], which holds a row against
//! it.

use serde::{Deserialize, Serialize};

use super::peers::{PAGEWALK, QEMU, SPIKE};
use super::results::{Row, Unit};

/// What is wanted of a row.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Goal {
    /// To be at least so many times as fast as a peer.
    Times(f64, &'static str),
    /// To need at most so much; rows with such a goal have this unit.
    AtMost(f64, Unit),
}

/// Goals of the rows that a pattern names. Of several that name a row the first holds.
#[derive(Debug)]
struct Rule {
    /// Parts of a row's name as far as they matter; `*` is any part.
    pattern: &'static str,
    /// Only rows whose last part is a number from this one on.
    from: u64,
    goals: &'static [Goal],
}

const fn rule(pattern: &'static str, goals: &'static [Goal]) -> Rule {
    Rule { pattern, from: 0, goals }
}

/// With so many pages a walk through them misses in any TLB of a peer; fewer may fit.
const MISSES_FROM_PAGES: u64 = 512;

const TRAP: &[Goal] = &[Goal::Times(8.0, QEMU)];
const INTEGER: &[Goal] = &[Goal::Times(0.17, QEMU), Goal::Times(1.2, SPIKE)];
const FLOAT: &[Goal] = &[Goal::Times(0.3, QEMU)];

const RULES: &[Rule] = &[
    rule("fence", TRAP),
    rule("switch", TRAP),
    rule("ecall", TRAP),
    rule("sum", TRAP),
    rule("timer", TRAP),
    rule("fault", TRAP),
    rule("protect-copy", TRAP),
    Rule { from: MISSES_FROM_PAGES, ..rule("miss.*.stride", &[Goal::Times(4.0, QEMU)]) },
    rule("compute.matrix", FLOAT),
    rule("compute.nbody", FLOAT),
    rule("compute", INTEGER),
    rule("smc", &[Goal::AtMost(200.0, Unit::Nanoseconds)]),
    rule("startup.memory", &[Goal::AtMost(10.0, Unit::Megabytes)]),
    rule("startup", &[Goal::AtMost(5.0, Unit::Milliseconds)]),
];

/// A goal held against what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Verdict {
    /// The goal in words.
    pub(super) goal: String,
    /// Whether it is met; none where the peer has no figure.
    pub(super) met: Option<bool>,
}

impl Rule {
    fn names(&self, row: &str) -> bool {
        let mut parts = row.split('.');
        let alike = |wanted: &str| parts.next().is_some_and(|part| wanted == "*" || wanted == part);
        let number = || row.rsplit('.').next().and_then(|part| part.parse::<u64>().ok());
        self.pattern.split('.').all(alike)
            && (self.from == 0 || number().is_some_and(|number| number >= self.from))
    }
}

impl Goal {
    fn words(self) -> String {
        match self {
            Self::Times(times, peer) => format!(">= {times} x {peer}"),
            Self::AtMost(limit, unit) => format!("<= {}", unit.figure(limit)),
        }
    }

    /// Without a figure of Pagewalk's no goal is met.
    fn is_met(self, row: &Row) -> Option<bool> {
        let own = row.figure(PAGEWALK);
        match self {
            Self::Times(times, peer) => {
                let theirs = row.figure(peer)?;
                Some(own.is_some_and(|own| theirs / own >= times))
            }
            Self::AtMost(limit, _) => Some(own.is_some_and(|own| own <= limit)),
        }
    }
}

/// The goals of a row and whether they are met.
pub(super) fn judge(row: &Row) -> Vec<Verdict> {
    let rule = RULES.iter().find(|rule| rule.names(&row.name));
    let goals = rule.map_or(&[][..], |rule| rule.goals).iter();
    goals.map(|goal| Verdict { goal: goal.words(), met: goal.is_met(row) }).collect()
}

/// The table of goals in words, a line each.
pub(super) fn list() -> Vec<String> {
    let line = |rule: &Rule| {
        let from = match rule.from {
            0 => String::new(),
            from => format!(" from {from} pages on"),
        };
        let goals = rule.goals.iter().map(|goal| goal.words());
        format!("{}{from}: {}", rule.pattern, goals.collect::<Vec<_>>().join(", "))
    };
    RULES.iter().map(line).collect()
}
