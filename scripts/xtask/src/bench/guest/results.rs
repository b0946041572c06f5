//! [`Results`]: what a run of `--guest` found, as the JSON file has it, and the goals.

use serde::{Deserialize, Serialize};

use super::super::figures;
use super::super::goals::Verdict;
use super::super::results::lines;

/// How many times as much is touched with load control, at least.
const TIMES_AS_MUCH: f64 = 100.0;
/// With so many processes.
const CROWD: u64 = 8;
/// How often processes take turns where not all of them fit into RAM.
pub(super) const TURN_US: u64 = 4_000_000;

/// A whole run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(in super::super) struct Results {
    /// By the number of processes, each without and with load control.
    pub(super) throughput: Vec<Throughput>,
    pub(super) workloads: Vec<Workload>,
    /// The guest first.
    pub(super) costs: Vec<Cost>,
    /// What was left out, and why.
    pub(super) notes: Vec<String>,
    /// What failed, a line each.
    pub(super) troubles: Vec<String>,
}

/// Processes that each need 0.3 of RAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Throughput {
    pub(super) processes: u64,
    /// Load control.
    pub(super) control: bool,
    /// For how long they were counted.
    pub(super) window_us: u64,
    /// Touches of each process.
    pub(super) touches: Vec<u64>,
    pub(super) swapped_in: u64,
    pub(super) swapped_out: u64,
    pub(super) suspended: u64,
}

/// One workload under each policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Workload {
    pub(super) name: String,
    /// That were free when it began.
    pub(super) frames: u64,
    /// That it works on.
    pub(super) pages: u64,
    /// Length of its string.
    pub(super) references: u64,
    /// Pages that have to come back at least, and under exact LRU.
    pub(super) opt: u64,
    pub(super) lru: u64,
    pub(super) policies: Vec<Policy>,
}

/// Pages that came back under a policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Policy {
    pub(super) name: String,
    /// In the guest.
    pub(super) guest: u64,
    /// In the simulation.
    pub(super) simulated: u64,
}

/// Instructions for a page or an access, at twice RAM.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cost {
    pub(super) system: String,
    /// Pages of RAM that the system tells of.
    pub(super) ram: u64,
    pub(super) steps: Vec<Step>,
}

/// One kind of access.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Step {
    pub(super) name: String,
    pub(super) insns: u64,
    pub(super) swapped_in: u64,
    pub(super) swapped_out: u64,
}

/// What is counted: its name, what it is, and how many instructions are the goal.
pub(super) const STEPS: [(&str, &str, u64); 3] = [
    ("write", "writing beyond RAM, per page", 4000),
    ("reread", "reading all of it in order, per page", 6000),
    ("random", "writing anywhere, per access", 6000),
];

impl Throughput {
    /// Touches in a second.
    pub(super) fn per_second(&self) -> f64 {
        self.touches.iter().sum::<u64>() as f64 * 1e6 / self.window_us as f64
    }

    /// Whether it is with load control, and each process has had a turn.
    fn has_all_turns(&self) -> bool {
        self.control && self.window_us >= TURN_US * self.processes
    }

    /// What the process had that got on least, as a part of an even share.
    pub(super) fn least_share(&self) -> f64 {
        let (least, sum) = (self.touches.iter().min(), self.touches.iter().sum::<u64>());
        least.map_or(0.0, |least| (least * self.touches.len() as u64) as f64 / sum.max(1) as f64)
    }
}

impl Cost {
    /// Instructions of a step.
    pub(super) fn insns(&self, step: &str) -> Option<u64> {
        self.steps.iter().find(|one| one.name == step).map(|one| one.insns)
    }
}

impl Results {
    /// Whether everything that was to be measured has figures.
    pub(in super::super) fn are_sound(&self) -> bool {
        self.troubles.is_empty()
    }

    /// The figures of so many processes.
    pub(super) fn of(&self, processes: u64, control: bool) -> Option<&Throughput> {
        let mut all = self.throughput.iter();
        all.find(|one| one.processes == processes && one.control == control)
    }

    /// How many times as much so many processes touch with load control.
    pub(super) fn gain(&self, processes: u64) -> Option<f64> {
        Some(self.of(processes, true)?.per_second() / self.of(processes, false)?.per_second())
    }

    /// The numbers of processes.
    pub(super) fn crowds(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.throughput.iter().map(|one| one.processes).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// All goals that were measured.
    pub(super) fn goals(&self) -> Vec<Verdict> {
        let mut goals = Vec::new();
        let mut goal = |goal: String, met| goals.push(Verdict { goal, met: Some(met) });
        if let Some(gain) = self.gain(CROWD) {
            let words = format!("{CROWD} processes touch >= {TIMES_AS_MUCH} x as much");
            goal(words, gain >= TIMES_AS_MUCH);
        }
        let mut complete = self.throughput.iter().filter(|one| one.has_all_turns()).peekable();
        if complete.peek().is_some() {
            let gets_on = |one: &Throughput| one.touches.iter().all(|touches| *touches > 0);
            goal("every process gets on with load control".to_owned(), complete.all(gets_on));
        }
        if let Some(own) = self.costs.first() {
            for (name, label, limit) in STEPS {
                let Some(insns) = own.insns(name) else { continue };
                goal(format!("{label}: <= {limit} instructions"), insns <= limit);
            }
        }
        goals
    }

    /// The file: a line for each item.
    ///
    /// # Errors
    /// Nothing here has a value that JSON has not.
    pub(in super::super) fn to_json(&self) -> serde_json::Result<String> {
        let Self { throughput, workloads, costs, notes, troubles } = self;
        Ok(format!(
            "{{\n\"throughput\": {},\n\"workloads\": {},\n\"costs\": {},\n\"notes\": {},\n\
             \"troubles\": {}\n}}\n",
            lines(throughput)?,
            lines(workloads)?,
            lines(costs)?,
            lines(notes)?,
            lines(troubles)?,
        ))
    }
}

/// A rate: three digits, thousands and millions by their letter.
pub(super) fn rate(value: f64) -> String {
    match value {
        _ if value >= 999_500.0 => format!("{} M", figures::three_digits(value / 1e6)),
        _ if value >= 999.5 => format!("{} K", figures::three_digits(value / 1e3)),
        _ => figures::three_digits(value),
    }
}

/// A power of ten, from one on.
pub(super) fn decade(exponent: i32) -> String {
    const LETTERS: [&str; 4] = ["", " K", " M", " G"];
    let letter = (exponent as usize / 3).min(LETTERS.len() - 1);
    format!("{}{}", 10f64.powi(exponent - 3 * letter as i32), LETTERS[letter])
}
