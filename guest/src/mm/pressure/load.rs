//! [`LoadControl`]: where the working sets of all processes do not fit, each one waits for pages
//! that the others take away again, and nothing gets done. Then some have to pause, so that the
//! rest fits, and take turns.
//!
//! Asked once a second, it suspends one process after two windows in which the machine mostly
//! waited for pages that it had had, or somebody did who gets nowhere while others do. Whoever has
//! waited longest comes back when the working sets of those who run fit again; while they do not,
//! he takes the place of somebody who has had his turn. Working sets are estimates: a return that
//! was a mistake makes it wait longer before the next one.
//!
//! Source: Denning, "Working Sets Past and Present" (IEEE Transactions on Software Engineering,
//! 1980), on load control.

#[cfg(test)]
mod tests;

/// The process that is never suspended.
const INIT_PID: u32 = 1;
/// A window is a lost one where the machine waited for memory for more of it.
const LOST_PERMILLE: u32 = 400;
/// So many lost windows in a row are too many.
const LOST_WINDOWS_MAX: u32 = 2;
/// A process is worth suspending, and counts as one that runs, with this part of the memory.
const USEFUL_PART: u64 = 64;

const SECOND_NS: u64 = 1_000_000_000;
/// How often processes take turns.
pub const ROTATION_NS: u64 = 4 * SECOND_NS;
/// A turn lasts until the process has run for so long, at least [`ROTATION_NS`].
pub const TURN_PROGRESS_NS: u64 = SECOND_NS / 2;
/// No turn lasts longer, whatever the process did.
pub const TURN_MAX_NS: u64 = 30 * SECOND_NS;
/// Who has run for less than this part of his turn starves, once that has lasted so long.
const STARVING_PART: u64 = 50;
/// See [`STARVING_PART`].
const STARVING_NS: u64 = 8 * SECOND_NS;
/// Who returns although it does not fit shows that within this time.
const RELAPSE_NS: u64 = 10 * SECOND_NS;
/// How long nothing else happens before somebody returns, at first, and after many mistakes.
const PATIENCE_MIN_NS: u64 = 2 * SECOND_NS;
/// See [`PATIENCE_MIN_NS`].
const PATIENCE_MAX_NS: u64 = 64 * SECOND_NS;

/// What the last window, about a second, showed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Time since boot.
    pub now_ns: u64,
    /// Share in which all tasks that were not idle waited for memory, in 1/1000.
    pub full_permille: u32,
    /// Pages that came in from swap and files.
    pub came_in: u64,
    /// Those of them that had been there and were taken away, however long before: the more is
    /// wanted, the longer it takes until a page comes back.
    pub refaults: u64,
    /// Pages that all processes may have together.
    pub available: u64,
}

impl Sample {
    /// Whether time was lost for pages that had been there: everybody's, or that of one who starves
    /// while others have all they need.
    fn is_lost(&self, members: &[Member]) -> bool {
        let starves = || members.iter().any(|member| member.starves(self.now_ns));
        self.refaults > self.came_in / 2 && (self.full_permille > LOST_PERMILLE || starves())
    }
}

/// Whether a process may run, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// It may.
    Active {
        /// When it was started or resumed.
        since_ns: u64,
    },
    /// It must not.
    Suspended {
        /// When it was suspended.
        since_ns: u64,
    },
}

/// What is to be done with a process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    #[default]
    Keep,
    /// It pauses, and all its pages may go.
    Suspend,
    /// It goes on.
    Resume,
}

/// A process that has memory.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    /// Its number.
    pub pid: u32,
    /// Its priority: -20, the highest, to 19.
    pub nice: i8,
    /// Pages that are there.
    pub resident: u64,
    /// Pages that it needs to get on, by an estimate; of one that is suspended, by the last one
    /// before that.
    pub working_set: u64,
    /// Processor time that it has used since its turn began.
    pub progress_ns: u64,
    /// Its part of [`Sample::refaults`].
    pub refaults: u64,
    /// It waits for something else than memory: in the last window it has neither run nor had a
    /// page come in. What it has in RAM is there for the taking.
    pub is_idle: bool,
    /// Whether it may run.
    pub turn: Turn,
    /// What [`LoadControl::decide`] wants.
    pub verdict: Verdict,
}

impl Member {
    /// When it became active, if it is.
    fn active_since(&self) -> Option<u64> {
        match self.turn {
            Turn::Active { since_ns } if self.verdict != Verdict::Suspend => Some(since_ns),
            _ => None,
        }
    }

    /// When it was suspended, if it is.
    fn suspended_since(&self) -> Option<u64> {
        match self.turn {
            Turn::Suspended { since_ns } => Some(since_ns),
            Turn::Active { .. } => None,
        }
    }

    /// What others win by its absence.
    fn size(&self) -> u64 {
        self.resident.max(self.working_set)
    }

    /// Whether it is active and runs.
    fn runs(&self) -> bool {
        self.active_since().is_some() && !self.is_idle
    }

    /// Whether it makes a difference that it runs, and it may be suspended.
    fn is_useful(&self, sample: &Sample) -> bool {
        let is_large = self.size() > sample.available / USEFUL_PART;
        self.pid != INIT_PID && self.runs() && is_large
    }

    /// How long its turn has lasted, if it is active.
    fn active_for_ns(&self, now_ns: u64) -> Option<u64> {
        self.active_since().map(|since_ns| now_ns.saturating_sub(since_ns))
    }

    /// Whether it has got on as far as the others may ask for it.
    fn had_its_turn(&self, now_ns: u64) -> bool {
        let lasted = self.active_for_ns(now_ns).is_some_and(|ns| ns >= ROTATION_NS);
        lasted && self.progress_ns >= TURN_PROGRESS_NS
    }

    /// Whether it has had its turn, or all the time that there is for one.
    fn makes_way(&self, now_ns: u64) -> bool {
        let is_overdue = self.active_for_ns(now_ns).is_some_and(|ns| ns >= TURN_MAX_NS);
        is_overdue || self.had_its_turn(now_ns)
    }

    /// Whether it has done nothing for long but wait for pages that it had had.
    fn starves(&self, now_ns: u64) -> bool {
        let Some(active_ns) = self.active_for_ns(now_ns) else { return false };
        let hardly_ran = self.progress_ns < active_ns / STARVING_PART;
        self.refaults > 0 && active_ns >= STARVING_NS && hardly_ran
    }
}

/// What is remembered from window to window.
#[derive(Clone, Debug)]
pub struct LoadControl {
    /// Lost windows in a row.
    lost_windows: u32,
    /// When somebody was last suspended or resumed without another one in his place.
    changed_ns: u64,
    /// When processes last took turns.
    rotated_ns: u64,
    /// When somebody last returned, as long as that may prove a mistake.
    returned_ns: Option<u64>,
    /// How long nothing happens before the next one returns.
    patience_ns: u64,
}

impl LoadControl {
    /// Everybody runs.
    pub const fn new() -> Self {
        Self {
            lost_windows: 0,
            changed_ns: 0,
            rotated_ns: 0,
            returned_ns: None,
            patience_ns: PATIENCE_MIN_NS,
        }
    }

    /// Decides, after a window, what is to be done with each member: fills in the verdicts. The
    /// caller does it before the next window ends. Processes that are not shown stay as they are.
    pub fn decide(&mut self, sample: &Sample, members: &mut [Member]) {
        members.iter_mut().for_each(|member| member.verdict = Verdict::Keep);
        if !sample.is_lost(members) {
            self.lost_windows = 0;
            self.resume(sample, members);
            return;
        }
        self.lost_windows += 1;
        // One who does not fit alone must not keep the others from running.
        if self.lost_windows >= LOST_WINDOWS_MAX && !self.suspend(sample, members) {
            self.resume(sample, members);
        }
    }

    /// One of those who run has to pause; false if he is the last one.
    fn suspend(&mut self, sample: &Sample, members: &mut [Member]) -> bool {
        let now_ns = sample.now_ns;
        if members.iter().filter(|member| member.is_useful(sample)).count() < 2 {
            return false;
        }
        // Who has had his turn goes first, so that everybody gets on; then whoever matters least.
        let rank = |member: &Member| {
            let active_ns = member.active_for_ns(now_ns);
            (member.had_its_turn(now_ns), member.nice, member.size(), active_ns, member.pid)
        };
        let useful = members.iter_mut().filter(|member| member.is_useful(sample));
        let Some(member) = useful.max_by_key(|member| rank(member)) else { return false };
        member.verdict = Verdict::Suspend;
        let returned_ns = self.returned_ns.take();
        if returned_ns.is_some_and(|then_ns| now_ns.saturating_sub(then_ns) < RELAPSE_NS) {
            self.patience_ns = (self.patience_ns * 2).min(PATIENCE_MAX_NS);
        }
        self.lost_windows = 0;
        self.changed_ns = now_ns;
        self.rotated_ns = now_ns;
        true
    }

    /// Whoever has waited longest returns if he fits, or takes another one's place.
    fn resume(&mut self, sample: &Sample, members: &mut [Member]) {
        let now_ns = sample.now_ns;
        let waiting = members.iter().enumerate();
        let waiting = waiting.filter_map(|(i, m)| Some((m.suspended_since()?, m.pid, i)));
        let Some((_, _, next)) = waiting.min() else { return };
        let running = members.iter().filter(|member| member.runs());
        let load = running.map(|member| member.working_set).sum::<u64>();
        let with_next = load.saturating_add(members[next].working_set);
        let waited_ns = now_ns.saturating_sub(self.changed_ns);
        // There is no doubt about half the memory, nor where nobody else runs.
        let is_plain = with_next <= sample.available / 2
            || !members.iter().any(|member| member.is_useful(sample));
        if is_plain || with_next <= sample.available && waited_ns >= self.patience_ns {
            members[next].verdict = Verdict::Resume;
            let before_ns = self.returned_ns.replace(now_ns);
            if before_ns.is_some_and(|then_ns| now_ns.saturating_sub(then_ns) >= RELAPSE_NS) {
                self.patience_ns = PATIENCE_MIN_NS;
            }
            self.changed_ns = now_ns;
            self.rotated_ns = now_ns;
        } else if now_ns.saturating_sub(self.rotated_ns) >= ROTATION_NS
            && make_room(sample, members, with_next)
        {
            members[next].verdict = Verdict::Resume;
            self.rotated_ns = now_ns;
        }
    }
}

impl Default for LoadControl {
    fn default() -> Self {
        Self::new()
    }
}

/// Suspends who has had his turn, at least one, until a load of `load` pages would fit; false, and
/// nobody, if that takes one who has not.
fn make_room(sample: &Sample, members: &mut [Member], mut load: u64) -> bool {
    let now_ns = sample.now_ns;
    loop {
        let may_go = |member: &&mut Member| member.is_useful(sample) && member.makes_way(now_ns);
        let rank = |member: &Member| (member.nice, member.active_for_ns(now_ns), member.pid);
        match members.iter_mut().filter(may_go).max_by_key(|member| rank(member)) {
            Some(member) => {
                member.verdict = Verdict::Suspend;
                load = load.saturating_sub(member.working_set);
            }
            None => {
                members.iter_mut().for_each(|member| member.verdict = Verdict::Keep);
                return false;
            }
        }
        if load <= sample.available || !members.iter().any(|member| member.is_useful(sample)) {
            return true;
        }
    }
}
