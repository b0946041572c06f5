//! The table of jobs: which processes belong together, how they are, and what is said of them.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use crate::bytes::{self, Bytes};
use crate::signals;
use crate::status::Status;

/// Width of the state in a line about a job.
const STATE_COLUMNS: usize = 24;

/// A pipeline that was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// From 1 on.
    pub number: usize,
    /// Its process group; the shell's own where there is no job control.
    pub group: i32,
    /// As it was written.
    pub text: Vec<u8>,
    /// The processes in the order of the pipeline; none while one runs.
    processes: Vec<(i32, Option<Status>)>,
    /// Whether the user was told of the present state.
    told: bool,
}

/// How a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A process of it runs.
    Running,
    /// This signal stopped what is left of it.
    Stopped(u32),
    /// Over: the status of its last process.
    Done(Status),
}

impl Job {
    /// How it is.
    pub fn state(&self) -> State {
        let mut stopped = None;
        for (_, status) in &self.processes {
            match status {
                None | Some(Status::Continued) => return State::Running,
                Some(Status::Stopped(signal)) => stopped = Some(*signal),
                Some(Status::Exited(_) | Status::Killed(_)) => {}
            }
        }
        let last = self.processes.last().and_then(|process| process.1);
        match stopped {
            Some(signal) => State::Stopped(signal),
            None => State::Done(last.unwrap_or(Status::Exited(0))),
        }
    }

    /// Its processes.
    pub fn pids(&self) -> impl Iterator<Item = i32> {
        self.processes.iter().map(|process| process.0)
    }
}

/// What a job's state is called.
fn state_text(state: State) -> String {
    let mut text = String::new();
    // A string accepts everything.
    let _ = match state {
        State::Running => write!(text, "Running"),
        State::Stopped(signal) => write!(text, "{}", signals::description(signal)),
        State::Done(Status::Exited(0)) => write!(text, "Done"),
        State::Done(Status::Killed(signal)) => write!(text, "{}", signals::description(signal)),
        State::Done(status) => write!(text, "Exit {}", status.code()),
    };
    text
}

/// All jobs, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub struct Jobs {
    jobs: Vec<Job>,
    /// Numbers of the current job (`%+`) last, of the previous one (`%-`) before it.
    recent: Vec<usize>,
}

impl Jobs {
    /// Adds a job that runs; its number.
    pub fn add(&mut self, group: i32, pids: &[i32], text: &[u8]) -> usize {
        let number = self.jobs.last().map_or(1, |job| job.number + 1);
        let processes = pids.iter().map(|pid| (*pid, None)).collect();
        self.jobs.push(Job { number, group, text: text.to_vec(), processes, told: true });
        number
    }

    /// Makes a job the current one.
    pub fn make_current(&mut self, number: usize) {
        self.recent.retain(|other| *other != number);
        self.recent.push(number);
    }

    /// Notes how a process changed. Whether it belongs to a job.
    pub fn update(&mut self, pid: i32, status: Status) -> bool {
        for job in &mut self.jobs {
            let before = job.state();
            let found = job.processes.iter_mut().find(|process| process.0 == pid);
            if let Some(process) = found {
                process.1 = Some(status);
                job.told &= job.state() == before;
                return true;
            }
        }
        false
    }

    /// Notes that a job goes on.
    pub fn set_running(&mut self, number: usize) {
        for job in self.jobs.iter_mut().filter(|job| job.number == number) {
            for (_, status) in &mut job.processes {
                if matches!(status, Some(Status::Stopped(_))) {
                    *status = None;
                }
            }
            job.told = true;
        }
    }

    /// The job with this number.
    pub fn get(&self, number: usize) -> Option<&Job> {
        self.jobs.iter().find(|job| job.number == number)
    }

    /// All jobs.
    pub fn iter(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter()
    }

    /// Takes a job off the table.
    pub fn remove(&mut self, number: usize) {
        self.jobs.retain(|job| job.number != number);
        self.recent.retain(|other| *other != number);
    }

    /// Forgets everything: a child has no jobs.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The job that `%1`, `%+`, `%%`, `%-`, `%text` or `%?text` names.
    pub fn find(&self, name: &[u8]) -> Option<&Job> {
        let name = name.strip_prefix(b"%")?;
        let number = match name {
            b"" | b"+" | b"%" => self.nth_recent(0)?,
            b"-" => self.nth_recent(1)?,
            _ => match bytes::decimal(name) {
                Some(number) => usize::try_from(number).ok()?,
                None => return self.jobs.iter().rev().find(|job| is_called(job, name)),
            },
        };
        self.get(number)
    }

    /// The number of the current job (0) or the previous one (1).
    fn nth_recent(&self, n: usize) -> Option<usize> {
        let others = self.jobs.iter().rev().map(|job| job.number);
        let others = others.filter(|number| !self.recent.contains(number));
        self.recent.iter().rev().copied().chain(others).nth(n)
    }

    /// A line about a job: `[1]+  Running                 mem &`.
    pub fn line(&self, job: &Job) -> String {
        let sign = match Some(job.number) {
            number if number == self.nth_recent(0) => '+',
            number if number == self.nth_recent(1) => '-',
            _ => ' ',
        };
        let state = job.state();
        let mut line = String::new();
        let ampersand = if state == State::Running { " &" } else { "" };
        // A string accepts everything.
        let _ = write!(
            line,
            "[{}]{sign}  {:STATE_COLUMNS$}{}{ampersand}",
            job.number,
            state_text(state),
            Bytes(&job.text)
        );
        line
    }

    /// Lines about the jobs that stopped or ended since the user was told; those that ended go.
    pub fn news(&mut self) -> Vec<String> {
        let changed: Vec<usize> =
            self.jobs.iter().filter(|job| !job.told).map(|job| job.number).collect();
        let jobs = self.jobs.iter().filter(|job| !job.told && job.state() != State::Running);
        let lines = jobs.map(|job| self.line(job)).collect();
        for number in changed {
            self.mark_told(number);
        }
        lines
    }

    /// Notes that the user knows how a job is; one that ended goes.
    pub fn mark_told(&mut self, number: usize) {
        match self.jobs.iter_mut().find(|job| job.number == number) {
            Some(job) if matches!(job.state(), State::Done(_)) => self.remove(number),
            Some(job) => job.told = true,
            None => {}
        }
    }
}

fn is_called(job: &Job, name: &[u8]) -> bool {
    match name.strip_prefix(b"?") {
        Some(part) => job.text.windows(part.len().max(1)).any(|window| window == part),
        None => job.text.starts_with(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Jobs {
        let mut jobs = Jobs::default();
        for (pid, text) in [(10, "mem"), (20, "a | b"), (30, "sleep 9")] {
            let number = jobs.add(pid, &[pid, pid + 1], text.as_bytes());
            jobs.make_current(number);
        }
        jobs
    }

    #[test]
    fn jobs_are_found_by_their_names() {
        let mut jobs = three();
        for (name, want) in [
            ("%1", Some(1)),
            ("%+", Some(3)),
            ("%%", Some(3)),
            ("%", Some(3)),
            ("%-", Some(2)),
            ("%mem", Some(1)),
            ("%?| b", Some(2)),
            ("%4", None),
            ("1", None),
            ("%none", None),
        ] {
            assert_eq!(jobs.find(name.as_bytes()).map(|job| job.number), want, "{name}");
        }
        jobs.remove(3);
        assert_eq!(jobs.find(b"%+").map(|job| job.number), Some(2));
        jobs.make_current(1);
        assert_eq!(jobs.find(b"%-").map(|job| job.number), Some(2));
        assert_eq!(jobs.add(40, &[40], b"x"), 3);
    }

    #[test]
    fn a_job_is_what_its_processes_are() {
        let mut jobs = three();
        let state = |jobs: &Jobs| jobs.get(1).map(Job::state);
        assert_eq!(state(&jobs), Some(State::Running));
        assert!(jobs.update(10, Status::Exited(3)));
        assert_eq!(state(&jobs), Some(State::Running));
        assert!(jobs.update(11, Status::Stopped(20)));
        assert_eq!(state(&jobs), Some(State::Stopped(20)));
        jobs.set_running(1);
        assert_eq!(state(&jobs), Some(State::Running));
        assert!(jobs.update(11, Status::Killed(15)));
        assert_eq!(state(&jobs), Some(State::Done(Status::Killed(15))));
        assert!(!jobs.update(99, Status::Exited(0)));
    }

    #[test]
    fn news_are_told_once() {
        let mut jobs = three();
        assert_eq!(jobs.news(), [""; 0]);
        for (pid, status) in [
            (10, Status::Exited(0)),
            (11, Status::Exited(0)),
            (20, Status::Exited(1)),
            (21, Status::Exited(2)),
            (30, Status::Stopped(20)),
            (31, Status::Stopped(20)),
        ] {
            jobs.update(pid, status);
        }
        assert_eq!(
            jobs.news(),
            [
                "[1]   Done                    mem",
                "[2]-  Exit 2                  a | b",
                "[3]+  Stopped                 sleep 9",
            ]
        );
        assert_eq!(jobs.news(), [""; 0]);
        assert_eq!(jobs.iter().count(), 1);
        jobs.set_running(3);
        let job = jobs.get(3).expect("it is still there");
        assert_eq!(jobs.line(job), "[3]+  Running                 sleep 9 &");
    }
}
