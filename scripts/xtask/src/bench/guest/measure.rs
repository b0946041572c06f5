//! What is run, and what comes of it: [`measure`] makes [`Results`] of all runs, as many of them at
//! a time as the host has processors.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};
use guest::mm::policy::Kind;

use super::machine::{Figures, Machine, Size};
use super::results::{Cost, Policy, Results, STEPS, Step, Throughput, Workload};
use super::strings;

/// For processes that each need 0.3 of RAM.
const CROWD: Size = Size { ram: "16M", swap: "64M", latency: "hdd" };
/// For workloads under each policy.
const REPLACEMENT: Size = Size { ram: "16M", swap: "64M", latency: "ssd" };
/// For the price of a page. Linux does not run in much less.
const COST: Size = Size { ram: "160M", swap: "512M", latency: "none" };

/// So many processes fit into RAM together: nothing changes as they run on.
const FITTING: u64 = 2;
/// So many do where the others get nowhere.
const CAPTURING: u64 = 3;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    /// Numbers of processes.
    crowds: &'static [u64],
    /// For how long they are counted with load control, for each process that there is.
    turn_ms: u64,
    workloads: &'static [&'static str],
    linux: bool,
}

/// All.
pub(super) const FULL: Extent = Extent {
    crowds: &[1, 2, 3, 4, 5, 6, 7, 8],
    turn_ms: 5000,
    workloads: &["loop", "quicksort", "matrix"],
    linux: true,
};

/// What a minute is enough for.
pub(super) const QUICK: Extent =
    Extent { crowds: &[1, 2, 4, 8], turn_ms: 2000, workloads: &["loop"], linux: false };

/// A run.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Task {
    Crowd { processes: u64, control: bool, warm_ms: u64, window_ms: u64 },
    Replace { workload: &'static str, kind: Kind },
    Cost,
    LinuxCost,
}

impl Task {
    fn name(&self) -> String {
        match self {
            Self::Crowd { processes, control, .. } => {
                let control = if *control { "on" } else { "off" };
                format!("{processes} processes, load control {control}")
            }
            Self::Replace { workload, kind } => format!("{workload}, {}", kind.name()),
            Self::Cost => "cost of a page".to_owned(),
            Self::LinuxCost => "cost of a page on Linux".to_owned(),
        }
    }
}

impl Extent {
    /// All runs; the longest come first.
    fn tasks(self) -> Vec<Task> {
        let crowd = |processes: u64, control| {
            let (warm_ms, window_ms) = match (processes, control) {
                (..=FITTING, _) => (100, 1000),
                (CAPTURING, false) => (3000, 5000),
                (_, false) => (5000, 20_000),
                (_, true) => (1000 * processes, self.turn_ms * processes),
            };
            Task::Crowd { processes, control, warm_ms, window_ms }
        };
        let mut tasks = vec![Task::Cost];
        if self.linux {
            tasks.push(Task::LinuxCost);
        }
        for control in [true, false] {
            tasks.extend(self.crowds.iter().rev().map(|processes| crowd(*processes, control)));
        }
        for workload in self.workloads {
            tasks.extend(Kind::ALL.map(|kind| Task::Replace { workload, kind }));
        }
        tasks
    }
}

/// Runs everything.
pub(super) fn measure(
    machine: &Machine,
    extent: Extent,
    progress: impl Fn(&str) + Sync,
) -> Results {
    let tasks = extent.tasks();
    let mut results = Results::default();
    let found = parallel(&tasks, |task| {
        let figures = run(machine, task);
        progress(&format!("done: {}", task.name()));
        figures
    });
    let mut replaced = Vec::new();
    for (task, figures) in tasks.iter().zip(found) {
        let taken = figures.and_then(|found| take(task, found, &mut results, &mut replaced));
        if let Err(error) = taken {
            results.troubles.push(format!("{}: {error:#}", task.name()));
        }
    }
    results.throughput.sort_by_key(|one| (one.processes, one.control));
    let counted = parallel(extent.workloads, |workload| {
        let counted = count(machine, workload, &replaced);
        progress(&format!("done: {workload}, recorded"));
        counted
    });
    for (workload, counted) in extent.workloads.iter().zip(counted) {
        match counted {
            Ok(workload) => results.workloads.push(workload),
            Err(error) => results.troubles.push(format!("{workload}, recorded: {error:#}")),
        }
    }
    results
}

/// The system and its figures; none where it is not there.
type Found = Option<(String, Figures)>;

fn run(machine: &Machine, task: &Task) -> Result<Found> {
    let own = |size, arguments: &[&str]| {
        machine.run(size, arguments).map(|figures| Some(("Pagewalk".to_owned(), figures)))
    };
    match task {
        Task::Crowd { processes, control, warm_ms, window_ms } => {
            let numbers = [*processes, u64::from(*control), *warm_ms, *window_ms];
            let [processes, control, warm, window] = numbers.map(|number| number.to_string());
            own(CROWD, &["throughput", &processes, &control, &warm, &window])
        }
        Task::Replace { workload, kind } => own(REPLACEMENT, &["replace", workload, kind.name()]),
        Task::Cost => own(COST, &["cost"]),
        Task::LinuxCost => machine.run_on_linux(COST),
    }
}

/// What a workload needed under a policy.
#[derive(Debug)]
struct Replaced {
    workload: &'static str,
    kind: Kind,
    frames: u64,
    pages: u64,
    returned: u64,
}

fn take(
    task: &Task,
    found: Found,
    results: &mut Results,
    replaced: &mut Vec<Replaced>,
) -> Result<()> {
    let Some((system, figures)) = found else {
        results.notes.push(format!(
            "{}: left out, as its kernel is not here; scripts/linux fetches it",
            task.name()
        ));
        return Ok(());
    };
    match task {
        Task::Crowd { processes, control, .. } => {
            results.throughput.push(throughput(*processes, *control, &figures)?);
        }
        Task::Replace { workload, kind } => replaced.push(Replaced {
            workload,
            kind: *kind,
            frames: figures.one("frames")?,
            pages: figures.one("pages")?,
            returned: figures.one("pswpin")?,
        }),
        Task::Cost | Task::LinuxCost => results.costs.push(cost(system, &figures)?),
    }
    Ok(())
}

fn throughput(processes: u64, control: bool, figures: &Figures) -> Result<Throughput> {
    let touches = figures.all("touches");
    anyhow::ensure!(touches.len() as u64 == processes, "{} processes", touches.len());
    Ok(Throughput {
        processes,
        control,
        window_us: figures.one("window_us")?,
        touches,
        swapped_in: figures.one("pswpin")?,
        swapped_out: figures.one("pswpout")?,
        suspended: figures.one("suspend")?,
    })
}

fn cost(system: String, figures: &Figures) -> Result<Cost> {
    let step = |(name, ..): (&str, &str, u64)| {
        Ok(Step {
            name: name.to_owned(),
            insns: figures.one(name)?,
            swapped_in: figures.one(&format!("{name}.in"))?,
            swapped_out: figures.one(&format!("{name}.out"))?,
        })
    };
    let steps = STEPS.map(step).into_iter().collect::<Result<_>>()?;
    Ok(Cost { system, ram: figures.one("ram")?, steps })
}

/// Records a workload, and counts on its string what the guest was counted on.
fn count(machine: &Machine, name: &str, replaced: &[Replaced]) -> Result<Workload> {
    let all = || replaced.iter().filter(|one| one.workload == name);
    let first = all().next().context("it ran under no policy")?;
    let (frames, pages) = (first.frames, first.pages);
    let alike = all().all(|one| (one.frames, one.pages) == (frames, pages));
    anyhow::ensure!(alike, "it did not have the same memory under each policy");
    let string = strings::parse(&machine.record(name, pages)?, pages)?;
    let counts = strings::count(&string, u32::try_from(frames)?);
    let policies = Kind::ALL.iter().zip(counts.simulated).filter_map(|(kind, simulated)| {
        let guest = all().find(|one| one.kind == *kind)?.returned;
        Some(Policy { name: kind.name().to_owned(), guest, simulated })
    });
    Ok(Workload {
        name: name.to_owned(),
        frames,
        pages,
        references: string.len() as u64,
        opt: counts.opt,
        lru: counts.lru,
        policies: policies.collect(),
    })
}

/// Does the same to all items, several at a time; what came of each, in their order.
fn parallel<T: Sync, R: Send>(items: &[T], work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let done: Vec<Mutex<Option<R>>> = items.iter().map(|_| Mutex::new(None)).collect();
    let workers = thread::available_parallelism().map_or(1, usize::from).min(items.len());
    thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some((item, slot)) = {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    items.get(index).zip(done.get(index))
                } {
                    let result = work(item);
                    *slot.lock().unwrap_or_else(|error| error.into_inner()) = Some(result);
                }
            });
        }
    });
    let taken = done.into_iter().map(|slot| slot.into_inner().unwrap_or_else(|e| e.into_inner()));
    taken.map(|result| result.expect("every item was somebody's")).collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::TURN_US;
    use super::*;

    #[test]
    fn everything_is_run_once_and_all_have_their_turn() {
        const { assert!(FULL.turn_ms * 1000 > TURN_US) };
        for (extent, runs) in [(FULL, 2 + 16 + 18), (QUICK, 1 + 8 + 6)] {
            let tasks = extent.tasks();
            assert_eq!(tasks.len(), runs);
            for (index, task) in tasks.iter().enumerate() {
                assert!(!tasks[..index].contains(task), "{task:?}");
                let Task::Crowd { window_ms, .. } = task else { continue };
                assert!(*window_ms >= 1000, "{task:?}");
            }
        }
    }

    #[test]
    fn items_keep_their_order() {
        let items: Vec<u32> = (0..100).collect();
        assert_eq!(
            parallel(&items, |item| item * 2),
            items.iter().map(|i| i * 2).collect::<Vec<_>>()
        );
        assert!(parallel(&[0; 0], |item: &u32| *item).is_empty());
    }

    fn figures(text: &str) -> Figures {
        Figures::parse(text.as_bytes()).unwrap()
    }

    fn own(text: &str) -> Found {
        Some(("Pagewalk".to_owned(), figures(text)))
    }

    #[test]
    fn figures_become_results() {
        let mut results = Results::default();
        let mut replaced = Vec::new();
        let crowd = Task::Crowd { processes: 2, control: true, warm_ms: 1, window_ms: 2 };
        let good = "figure pswpin 1\nfigure pswpout 2\nfigure suspend 3\nfigure resume 3\n\
                    figure window_us 500000\nfigure touches 10\nfigure touches 30\n";
        take(&crowd, own(good), &mut results, &mut replaced).unwrap();
        let one = &results.throughput[0];
        assert_eq!((one.per_second(), one.least_share(), one.suspended), (80.0, 0.5, 3));
        let one_less = good.replace("touches 10", "touch 10");
        for bad in ["", "figure touches 10\n", &one_less] {
            assert!(take(&crowd, own(bad), &mut results, &mut replaced).is_err(), "{bad}");
        }
        let task = Task::Replace { workload: "loop", kind: Kind::Clock };
        let text = "figure frames 3\nfigure pages 4\nfigure pswpin 5\n";
        take(&task, own(text), &mut results, &mut replaced).unwrap();
        assert_eq!((replaced[0].frames, replaced[0].pages, replaced[0].returned), (3, 4, 5));
        let text = "figure ram 9\nfigure write 1\nfigure write.in 2\nfigure write.out 3\n\
                    figure reread 4\nfigure reread.in 5\nfigure reread.out 6\n\
                    figure random 7\nfigure random.in 8\nfigure random.out 9\n";
        take(&Task::Cost, own(text), &mut results, &mut replaced).unwrap();
        assert_eq!(results.costs[0].insns("reread"), Some(4));
        take(&Task::LinuxCost, None, &mut results, &mut replaced).unwrap();
        assert_eq!((results.costs.len(), results.notes.len()), (1, 1));
    }
}
