//! Counting: [`Meter::repeat`] runs a piece of work often, a [`Watch`] counts in the parts of it
//! that matter, and [`Meter::take`] makes minimum and median of it.

use alloc::vec::Vec;

use guest_user::status::Status;
use guest_user::sys::counter::Counter;
use guest_user::sys::probe;
use guest_user::{Errno, Result};

/// Times that each piece of work is done and counted.
const REPETITIONS: usize = 31;
/// Times that it is done before: what happens only once is not the cost of an operation.
const WARM_UPS: usize = 3;
/// Instructions in a tick of the timer, where time is counted in instructions: on an emulator that
/// says 10 MHz and executes an instruction in 10 ns.
const TICK_INSNS: u64 = 100;

/// The counters that will do, with what one step of each counts for and how that is said.
const CLOCKS: [(Counter, u64, &str); 2] = [
    (Counter::Instructions, 1, "instret"),
    (
        Counter::Time,
        TICK_INSNS,
        "time, since instret cannot be read: ticks of 10 MHz as 100 instructions each, which is right \
         on an emulator whose time is counted instructions, and nowhere else",
    ),
];

/// What counts instructions.
#[derive(Debug)]
pub(crate) struct Meter {
    counter: Counter,
    step_insns: u64,
    name: &'static str,
    /// Instructions that an empty watch counts.
    overhead: u64,
    samples: Vec<u64>,
}

/// Counts while something runs.
#[derive(Debug)]
pub(crate) struct Watch {
    counter: Counter,
    overhead: u64,
    steps: u64,
}

impl Watch {
    /// Runs this and counts.
    #[inline(always)]
    pub(crate) fn run<T>(&mut self, work: impl FnOnce() -> T) -> T {
        let from = self.counter.read();
        let value = work();
        let steps = self.counter.read().wrapping_sub(from);
        self.steps += steps.saturating_sub(self.overhead);
        value
    }

    /// Steps of the counter so far.
    pub(crate) fn steps(&self) -> u64 {
        self.steps
    }

    /// Forgets so many of them: they are the cost of something else.
    pub(crate) fn take_away(&mut self, steps: u64) {
        self.steps = self.steps.saturating_sub(steps);
    }
}

impl Meter {
    /// With the best counter that can be read.
    pub(crate) fn new() -> Result<Self> {
        for (counter, step_insns, name) in CLOCKS {
            let report = probe::report(|| {
                counter.read();
            })?;
            if report.status == Status::Exited(0) {
                let mut meter =
                    Self { counter, step_insns, name, overhead: 0, samples: Vec::new() };
                meter.overhead = meter.empty();
                return Ok(meter);
            }
        }
        Err(Errno::NOSYS)
    }

    /// What is counted while nothing runs.
    fn empty(&self) -> u64 {
        let counts = (0..REPETITIONS).map(|_| {
            let mut watch = self.watch();
            watch.run(|| ());
            watch.steps
        });
        counts.min().unwrap_or(0)
    }

    fn watch(&self) -> Watch {
        Watch { counter: self.counter, overhead: self.overhead, steps: 0 }
    }

    /// The counter in words.
    pub(crate) fn clock(&self) -> &'static str {
        self.name
    }

    /// Does `work` again and again; each time it does as many operations as it returns.
    pub(crate) fn repeat(&mut self, mut work: impl FnMut(&mut Watch) -> Result<u64>) -> Result<()> {
        self.samples.clear();
        self.samples.reserve(REPETITIONS);
        for turn in 0..WARM_UPS + REPETITIONS {
            let mut watch = self.watch();
            let operations = work(&mut watch)?;
            if turn >= WARM_UPS && operations > 0 {
                let insns = watch.steps * self.step_insns;
                self.samples.push((insns + operations / 2) / operations);
            }
        }
        Ok(())
    }

    /// Minimum and median of what [`Meter::repeat`] found.
    pub(crate) fn take(&mut self) -> Result<(u64, u64)> {
        self.samples.sort_unstable();
        let median = *self.samples.get(self.samples.len() / 2).ok_or(Errno::AGAIN)?;
        let minimum = self.samples[0];
        self.samples.clear();
        Ok((minimum, median))
    }
}
