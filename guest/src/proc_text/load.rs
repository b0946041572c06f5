//! [`LoadAverage`]: how many tasks want to run, averaged over 1, 5 and 15 minutes: exponentially
//! damped, in steps of 5 s, as Linux counts. Steps that nobody looked at count what the next one
//! finds.

use core::fmt;

/// Nanoseconds between two steps.
const STEP_NS: u64 = 5_000_000_000;
/// After so many steps without a change, nothing is left of what was.
const STEPS_MAX: u64 = 4000;
/// 1 in the fixed point of the averages.
const ONE: u64 = 1 << 11;
/// What is left after a step: exp(-5 s / 1, 5 and 15 min).
const DECAYS: [u64; 3] = [1884, 2014, 2037];

/// The averages.
#[derive(Clone, Debug, Default)]
pub struct LoadAverage {
    loads: [u64; 3],
    steps: u64,
}

impl LoadAverage {
    /// No load, at the start.
    pub const fn new() -> Self {
        Self { loads: [0; 3], steps: 0 }
    }

    /// It is `now_ns` since the start, and `running` tasks want to run.
    pub fn advance(&mut self, now_ns: u64, running: u64) {
        let steps = now_ns / STEP_NS;
        for _ in 0..steps.saturating_sub(self.steps).min(STEPS_MAX) {
            for (load, decay) in self.loads.iter_mut().zip(DECAYS) {
                let active = running * ONE;
                let rounding = if active >= *load { ONE - 1 } else { 0 };
                *load = (*load * decay + active * (ONE - decay) + rounding) / ONE;
            }
        }
        self.steps = self.steps.max(steps);
    }

    /// The averages, to be printed.
    pub fn loads(&self) -> [Load; 3] {
        self.loads.map(Load)
    }
}

/// A load, printed with two decimals.
#[derive(Clone, Copy, Debug)]
pub struct Load(u64);

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rounded = self.0 + ONE / 200;
        write!(f, "{}.{:02}", rounded / ONE, rounded % ONE * 100 / ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(average: &LoadAverage) -> String {
        average.loads().map(|load| load.to_string()).join(" ")
    }

    #[test]
    fn the_load_goes_where_the_tasks_are() {
        let mut average = LoadAverage::new();
        average.advance(4 * 1_000_000_000, 2);
        assert_eq!(text(&average), "0.00 0.00 0.00", "no step has passed");
        average.advance(60 * 1_000_000_000, 2);
        // 2 (1 - 1/e) after a minute, and less of the longer averages.
        assert_eq!(text(&average), "1.27 0.37 0.13");
        average.advance(10_000 * 1_000_000_000, 2);
        assert_eq!(text(&average), "2.00 2.00 2.00");
        average.advance(u64::MAX, 0);
        assert_eq!(text(&average), "0.00 0.00 0.00", "steps are bounded");
    }
}
