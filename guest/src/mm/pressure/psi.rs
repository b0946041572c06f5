//! [`Psi`]: pressure stall information: for how long some task, or every task that is not idle,
//! waited for memory, in total, as damped averages, and over a [`Window`].
//!
//! The times are exact, across all harts: `some` passes while at least one task is stalled, `full`
//! while one is and no hart runs a task that is not. Linux gives a hart's time its weight instead,
//! which comes to the same on one hart. Averages take Linux's steps and fixed point; nobody has to
//! come by for them, since whoever changes the state makes up for all steps before.
//!
//! Source: Linux, "PSI - Pressure Stall Information" (Documentation/accounting/psi.rst).

use core::fmt;

#[cfg(test)]
mod tests;

/// Nanoseconds between two steps of the averages.
pub const STEP_NS: u64 = 2_000_000_000;
/// Bits behind the point of the averages.
const FRACTION_BITS: u32 = 11;
/// 1 in the fixed point of the averages.
const ONE: u64 = 1 << FRACTION_BITS;
/// What is left of the averages over 10, 60 and 300 s after a step: exp(-2 s / 10, 60, 300 s).
const DECAYS: [u64; 3] = [1677, 1981, 2034];
/// All of the time, in percent and in the fixed point.
const ALL: u64 = 100 * ONE;

/// What a hart is busy with, as far as memory is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It has no task.
    Idle,
    /// Its task looks for memory, for itself or for others.
    Stalled,
    /// Its task gets on.
    Productive,
}

/// How long tasks have been stalled, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// At least one of them.
    pub some_ns: u64,
    /// All that were not idle.
    pub full_ns: u64,
}

/// The bookkeeping. The caller has a lock around it.
#[derive(Clone, Debug)]
pub struct Psi {
    stalled: u32,
    /// A bit for each hart that is [`Activity::Productive`].
    productive: u64,
    /// Up to when the totals are right.
    settled_ns: u64,
    totals: Totals,
    some: Average,
    full: Average,
    /// When the next step of the averages is due.
    step_ns: u64,
}

/// A share of the time in percent, damped in three ways, in the fixed point.
#[derive(Clone, Copy, Debug, Default)]
struct Average {
    damped: [u64; 3],
    /// The total at the last step.
    before_ns: u64,
}

impl Psi {
    /// At time 0; nobody is stalled.
    pub const fn new() -> Self {
        Self {
            stalled: 0,
            productive: 0,
            settled_ns: 0,
            totals: Totals { some_ns: 0, full_ns: 0 },
            some: Average { damped: [0; 3], before_ns: 0 },
            full: Average { damped: [0; 3], before_ns: 0 },
            step_ns: STEP_NS,
        }
    }

    /// A task begins to be stalled, whether it runs or waits.
    #[inline]
    pub fn enter(&mut self, now_ns: u64) {
        self.settle(now_ns);
        self.stalled += 1;
    }

    /// A task is no longer stalled.
    ///
    /// Panics where none was.
    #[inline]
    pub fn leave(&mut self, now_ns: u64) {
        self.settle(now_ns);
        self.stalled = self.stalled.checked_sub(1).expect("who leaves has entered");
    }

    /// What the hart of this number, below 64, is busy with from now on. While nobody is stalled
    /// it does not matter, and need not be told.
    #[inline]
    pub fn hart_turns(&mut self, now_ns: u64, hart: u32, activity: Activity) {
        self.settle(now_ns);
        self.productive &= !(1 << hart);
        self.productive |= u64::from(activity == Activity::Productive) << hart;
    }

    /// How many tasks are stalled.
    pub const fn stalled(&self) -> u32 {
        self.stalled
    }

    /// How long tasks have been stalled up to now.
    pub fn totals(&mut self, now_ns: u64) -> Totals {
        self.settle(now_ns);
        self.totals
    }

    /// What is to be read in /proc/pressure/memory now.
    pub fn report(&mut self, now_ns: u64) -> Report {
        self.settle(now_ns);
        Report { totals: self.totals, some: self.some.damped, full: self.full.damped }
    }

    /// Adds the time since the last change. Clocks that harts have read before they came here may
    /// be behind; their time has been counted then.
    #[inline]
    fn settle(&mut self, now_ns: u64) {
        if now_ns >= self.step_ns {
            self.step(now_ns);
        }
        self.pass_until(now_ns);
    }

    /// Adds the time up to `until_ns`, in which nothing changed.
    #[inline]
    fn pass_until(&mut self, until_ns: u64) {
        let Some(passed_ns) = until_ns.checked_sub(self.settled_ns) else { return };
        self.settled_ns = until_ns;
        if self.stalled > 0 {
            self.totals.some_ns += passed_ns;
            if self.productive == 0 {
                self.totals.full_ns += passed_ns;
            }
        }
    }

    /// Takes all steps of the averages that are due. Nothing has changed since before the first of
    /// them, so all but that one are alike.
    #[cold]
    fn step(&mut self, now_ns: u64) {
        self.pass_until(self.step_ns);
        self.some.step(self.totals.some_ns);
        self.full.step(self.totals.full_ns);
        let more = (now_ns - self.step_ns) / STEP_NS;
        self.step_ns += more * STEP_NS;
        self.pass_until(self.step_ns);
        self.some.steps(self.totals.some_ns, more);
        self.full.steps(self.totals.full_ns, more);
        self.step_ns += STEP_NS;
    }
}

impl Default for Psi {
    fn default() -> Self {
        Self::new()
    }
}

impl Average {
    /// A step after which the total is `total_ns`.
    fn step(&mut self, total_ns: u64) {
        self.steps(total_ns, 1);
    }

    /// So many steps, in which the total rose evenly.
    fn steps(&mut self, total_ns: u64, steps: u64) {
        if steps == 0 {
            return;
        }
        let rose_ns = total_ns - self.before_ns;
        self.before_ns = total_ns;
        // Whole percents, as on Linux.
        let active = (rose_ns / steps * 100 / STEP_NS * ONE).min(ALL);
        for (damped, decay) in self.damped.iter_mut().zip(DECAYS) {
            let decay = power(decay, steps);
            let rounding = if active >= *damped { ONE - 1 } else { 0 };
            *damped = (*damped * decay + active * (ONE - decay) + rounding) / ONE;
        }
    }
}

/// `base` to the power of `exponent`, in the fixed point, for bases of at most 1.
fn power(mut base: u64, mut exponent: u64) -> u64 {
    let times = |a: u64, b: u64| (a * b + ONE / 2) >> FRACTION_BITS;
    let mut result = ONE;
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = times(result, base);
        }
        base = times(base, base);
        exponent >>= 1;
    }
    result
}

/// What is to be read in /proc/pressure/memory at some time: `Display` gives its two lines.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    totals: Totals,
    some: [u64; 3],
    full: [u64; 3],
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, averages, total_ns) in
            [("some", self.some, self.totals.some_ns), ("full", self.full, self.totals.full_ns)]
        {
            f.write_str(name)?;
            for (seconds, average) in [10, 60, 300].into_iter().zip(averages) {
                let hundredths = average % ONE * 100 / ONE;
                write!(f, " avg{seconds}={}.{hundredths:02}", average / ONE)?;
            }
            writeln!(f, " total={}", total_ns / 1000)?;
        }
        Ok(())
    }
}

/// Shares of a stretch of time in 1/1000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shares {
    /// In which some task was stalled.
    pub some_permille: u32,
    /// In which all were.
    pub full_permille: u32,
}

/// A stretch of time, which ends where the next one begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Window {
    began_ns: u64,
    before: Totals,
}

impl Window {
    /// Begins now.
    pub const fn new(now_ns: u64, totals: Totals) -> Self {
        Self { began_ns: now_ns, before: totals }
    }

    /// What was lost since the window began; it begins anew.
    pub fn close(&mut self, now_ns: u64, totals: Totals) -> Shares {
        let length_ns = now_ns.saturating_sub(self.began_ns).max(1);
        let permille = |after_ns: u64, before_ns: u64| {
            let stalled_ns = after_ns.saturating_sub(before_ns).min(length_ns);
            (u128::from(stalled_ns) * 1000 / u128::from(length_ns)) as u32
        };
        let shares = Shares {
            some_permille: permille(totals.some_ns, self.before.some_ns),
            full_permille: permille(totals.full_ns, self.before.full_ns),
        };
        *self = Self::new(now_ns, totals);
        shares
    }
}
