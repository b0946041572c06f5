//! Tasks that take their steps in every order: what blocks ([`System`]) runs here on threads of the
//! host of which one at a time goes on, up to its next lock, wake-up or sleep; a [`Schedule`]
//! chooses who is next. So the code that the kernel runs is tried out in many interleavings, and a
//! run that fails is repeated from what the failure names: a seed, or a list of choices.
//!
//! `world.rs` has the tasks and passes the turn on, `system.rs` locks and sleeps, `schedule.rs`
//! chooses: by a seed, or one choice after the other until there is none left with so many tasks
//! interrupted where they could have gone on.
//!
//! Whenever everybody sleeps, each sleeper is woken once for nothing: if it finds what it waits for,
//! a wake-up was lost. Steps are sequentially consistent; nothing is said here about fences.
//!
//! [`System`]: super::System

use std::fmt;

mod schedule;
mod system;
mod world;

pub(crate) use schedule::Schedule;
pub(crate) use system::{Eventually, Explored, Lock, Queue, interrupt, pause};
use world::{Role, World};

/// What happens in one run: those who take part, and what is to be true in the end.
pub(crate) struct Play {
    roles: Vec<Role>,
    judge: Judge,
}

type Judge = Box<dyn FnOnce(&[usize]) -> Result<(), String>>;

impl Play {
    /// Nobody takes part yet; everybody has to come to an end.
    pub(crate) fn new() -> Self {
        let judge = |asleep: &[usize]| match asleep {
            [] => Ok(()),
            asleep => Err(format!("tasks {asleep:?} sleep for ever")),
        };
        Self { roles: Vec::new(), judge: Box::new(judge) }
    }

    /// One more takes part.
    pub(crate) fn task(mut self, role: impl FnOnce() + Send + 'static) -> Self {
        self.roles.push(Box::new(role));
        self
    }

    /// What is to be true once nobody can go on: `judge` is told who sleeps.
    pub(crate) fn judged(
        mut self,
        judge: impl FnOnce(&[usize]) -> Result<(), String> + 'static,
    ) -> Self {
        self.judge = Box::new(judge);
        self
    }
}

/// A run that has failed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What is wrong.
    pub(crate) what: String,
    /// How to come there again.
    pub(crate) schedule: Schedule,
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; again with Schedule::{:?}", self.what, self.schedule)
    }
}

/// What was chosen in a run: one of how many.
pub(crate) type Choices = Vec<(usize, usize)>;

/// One run; what was chosen.
pub(crate) fn run(schedule: Schedule, play: Play) -> Result<Choices, Failure> {
    let Play { roles, judge } = play;
    let again = schedule.clone();
    let end = World::run(schedule, roles);
    let judged = end.failure.map_or_else(|| judge(&end.asleep), Err);
    match judged {
        Ok(()) => Ok(end.choices),
        Err(what) => {
            let choices = || end.choices.iter().map(|(choice, _)| *choice as u8).collect();
            // A list is as long as it has to be for this.
            let schedule =
                if again.is_seeded() { again } else { Schedule::Choices(choices(), again.turns()) };
            Err(Failure { what, schedule })
        }
    }
}

/// A run for each of so many seeds.
pub(crate) fn seeds(count: u64, play: impl Fn() -> Play) -> Result<(), Failure> {
    for seed in 0..count {
        run(Schedule::Seed(seed), play())?;
    }
    Ok(())
}

/// All runs in which at most so many tasks are interrupted where they could have gone on, but not
/// more than `most`; how many there were.
pub(crate) fn all(turns: usize, most: usize, play: impl Fn() -> Play) -> Result<usize, Failure> {
    let mut choices = Vec::new();
    for count in 1.. {
        let made = run(Schedule::Choices(choices, turns), play())?;
        match schedule::following(&made) {
            Some(next) if count < most => choices = next,
            _ => return Ok(count),
        }
    }
    unreachable!("there are always more numbers")
}

#[cfg(test)]
mod tests;
