//! A machine on which more is wanted than fits: processes with a working set each, one processor,
//! one slow disk, second-chance replacement. With it the tests see the cliff, where everybody waits
//! for pages that the others take away, and the plateau that load control makes of it.
//!
//! Time is counted in visits to pages; everything follows from the seed.

use std::collections::VecDeque;

use super::load::{LoadControl, Member, Sample, Turn, Verdict};
use super::psi::{Activity, Psi, Window};

/// How long a visit takes: what a program does with a page before it needs the next one.
const VISIT_NS: u64 = 20_000;
const SECOND: u64 = 1_000_000_000 / VISIT_NS;
/// How long the disk takes for a page, or for a cluster that is written.
const DISK: u64 = SECOND / 50;
/// Pages that are written in one go.
const CLUSTER_PAGES: usize = 32;
const SLICE: u64 = SECOND / 100;
const FRAMES: usize = 200;
/// 0.3 of the frames.
const SET_PAGES: usize = FRAMES * 3 / 10;
/// One page of so many is written when it is visited.
const WRITE_PART: usize = 4;
/// None of them is init.
const FIRST_PID: u32 = 100;
/// A page belongs to a working set for so many visits of its process.
const SET_VISITS: u64 = 2000;

/// How a working set is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Estimate {
    /// By the process's own time, as Denning defines it.
    ProcessTime,
    /// By the time on the wall: wrong for who hardly runs.
    WallTime,
}

/// In which order a process visits its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// One after the other, round and round: what is replaced is what is needed next.
    Round,
    /// As it comes: who has most of his pages needs the others rarely, and gets ahead.
    Anywhere,
}

/// Where a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// In the program's file.
    Untouched,
    Frame(usize),
    /// Back on the disk.
    Evicted,
}

#[derive(Clone, Debug)]
struct Page {
    place: Place,
    /// Visits of its process, and the time, when it was last visited.
    visits: u64,
    time: u64,
}

#[derive(Clone, Debug)]
struct Frame {
    owner: (usize, usize),
    is_referenced: bool,
    is_dirty: bool,
}

#[derive(Clone, Debug)]
struct Process {
    pattern: Pattern,
    pages: Vec<Page>,
    waits: bool,
    has_ended: bool,
    visits: u64,
    turn: Turn,
    /// Visits when the turn began, and its working set when it was suspended.
    turn_visits: u64,
    frozen_set: u64,
    /// In this window.
    refaults: u64,
}

/// What the disk does.
#[derive(Clone, Copy, Debug)]
enum Transfer {
    Read { process: usize, page: usize, frame: usize },
    Write,
}

struct Machine {
    now: u64,
    processes: Vec<Process>,
    frames: Vec<Option<Frame>>,
    free: Vec<usize>,
    hand: usize,
    dirty: usize,
    /// With the time at which each one is done.
    disk: VecDeque<(u64, Transfer)>,
    turn: usize,
    psi: Psi,
    is_productive: bool,
    window: Window,
    came_in: u64,
    control: Option<(LoadControl, Estimate)>,
    suspensions: u64,
}

impl Process {
    fn new(pattern: Pattern, since_ns: u64) -> Self {
        let page = Page { place: Place::Untouched, visits: 0, time: 0 };
        Self {
            pattern,
            pages: vec![page; SET_PAGES],
            waits: false,
            has_ended: false,
            visits: 0,
            turn: Turn::Active { since_ns },
            turn_visits: 0,
            frozen_set: 0,
            refaults: 0,
        }
    }

    /// The page that it needs.
    fn next(&self) -> usize {
        let number = match self.pattern {
            Pattern::Round => self.visits,
            // Some bits of a product with little to be recognised in them.
            Pattern::Anywhere => self.visits.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20,
        };
        number as usize % SET_PAGES
    }

    fn is_ready(&self) -> bool {
        !self.waits && !self.has_ended && matches!(self.turn, Turn::Active { .. })
    }

    fn working_set(&self, now: u64, estimate: Estimate) -> u64 {
        let belongs = |page: &&Page| match estimate {
            _ if page.place == Place::Untouched => false,
            Estimate::ProcessTime => self.visits - page.visits < SET_VISITS,
            Estimate::WallTime => now - page.time < SECOND,
        };
        self.pages.iter().filter(belongs).count() as u64
    }

    fn resident(&self) -> u64 {
        let resident = |page: &&Page| matches!(page.place, Place::Frame(_));
        self.pages.iter().filter(resident).count() as u64
    }
}

impl Machine {
    fn new(control: Option<Estimate>) -> Self {
        Self {
            now: 0,
            processes: Vec::new(),
            frames: vec![None; FRAMES],
            free: (0..FRAMES).rev().collect(),
            hand: 0,
            dirty: 0,
            disk: VecDeque::new(),
            turn: 0,
            psi: Psi::new(),
            is_productive: false,
            window: Window::default(),
            came_in: 0,
            control: control.map(|estimate| (LoadControl::new(), estimate)),
            suspensions: 0,
        }
    }

    fn now_ns(&self) -> u64 {
        self.now * VISIT_NS
    }

    /// Starts so many processes.
    fn start(&mut self, processes: usize, pattern: Pattern) {
        let process = Process::new(pattern, self.now_ns());
        self.processes.extend(std::iter::repeat_n(process, processes));
    }

    /// Goes on for so many seconds.
    fn run(&mut self, seconds: u64) {
        for _ in 0..seconds {
            let end = (self.now / SECOND + 1) * SECOND;
            while self.now < end {
                self.finish_transfers();
                let count = self.processes.len();
                let order = (0..count).map(|step| (self.turn + step) % count);
                let ready = order.into_iter().find(|index| self.processes[*index].is_ready());
                self.note_activity(ready.is_some());
                let transfer_end = self.disk.front().map_or(end, |(done, _)| *done);
                match ready {
                    Some(index) => self.run_slice(index, transfer_end.min(end)),
                    None => self.now = transfer_end.min(end),
                }
            }
            self.end_window();
        }
    }

    fn note_activity(&mut self, is_productive: bool) {
        if self.is_productive != is_productive {
            self.is_productive = is_productive;
            let activity = if is_productive { Activity::Productive } else { Activity::Idle };
            self.psi.hart_turns(self.now_ns(), 0, activity);
        }
    }

    /// Lets a process run until its slice ends, it waits, or something happens at `end`.
    fn run_slice(&mut self, index: usize, end: u64) {
        let slice_end = self.now + SLICE;
        while self.now < end.min(slice_end) {
            let process = &mut self.processes[index];
            let page = process.next();
            if let Place::Frame(frame) = process.pages[page].place {
                self.now += 1;
                process.visits += 1;
                process.pages[page].visits = process.visits;
                process.pages[page].time = self.now;
                let frame = self.frames[frame].as_mut().expect("a page has its frame");
                frame.is_referenced = true;
                frame.is_dirty |= page.is_multiple_of(WRITE_PART);
            } else {
                self.fault(index, page);
                break;
            }
        }
        if self.now >= slice_end || self.processes[index].waits {
            self.turn = (index + 1) % self.processes.len();
        }
    }

    /// Gets a frame for the page; the process waits for the disk.
    fn fault(&mut self, index: usize, page: usize) {
        let frame = self.take_frame();
        self.came_in += 1;
        if self.processes[index].pages[page].place == Place::Evicted {
            self.processes[index].refaults += 1;
        }
        self.processes[index].waits = true;
        self.psi.enter(self.now_ns());
        self.transfer(Transfer::Read { process: index, page, frame });
    }

    fn transfer(&mut self, transfer: Transfer) {
        let begins = self.disk.back().map_or(self.now, |(done, _)| *done);
        self.disk.push_back((begins + DISK, transfer));
    }

    fn finish_transfers(&mut self) {
        while let Some((_, transfer)) = self.disk.pop_front_if(|(done, _)| *done <= self.now) {
            if let Transfer::Read { process, page, frame } = transfer {
                let new = Frame { owner: (process, page), is_referenced: true, is_dirty: false };
                self.frames[frame] = Some(new);
                self.processes[process].pages[page].place = Place::Frame(frame);
                self.processes[process].waits = false;
                self.psi.leave(self.now_ns());
            }
        }
    }

    /// A free frame, or the first one that has not been referenced since the hand came by.
    fn take_frame(&mut self) -> usize {
        if let Some(frame) = self.free.pop() {
            return frame;
        }
        loop {
            let index = self.hand;
            self.hand = (self.hand + 1) % FRAMES;
            match &mut self.frames[index] {
                Some(frame) if frame.is_referenced => frame.is_referenced = false,
                Some(_) => {
                    self.evict(index);
                    return index;
                }
                // It is being read: one for each process at most.
                None => {}
            }
        }
    }

    fn evict(&mut self, index: usize) {
        let frame = self.frames[index].take().expect("somebody's");
        let (process, page) = frame.owner;
        self.processes[process].pages[page].place = Place::Evicted;
        self.dirty += usize::from(frame.is_dirty);
        if self.dirty == CLUSTER_PAGES {
            self.dirty = 0;
            self.transfer(Transfer::Write);
        }
    }

    /// A second is over: load control decides.
    fn end_window(&mut self) {
        let now_ns = self.now_ns();
        let totals = self.psi.totals(now_ns);
        let full_permille = self.window.close(now_ns, totals).full_permille;
        let came_in = std::mem::take(&mut self.came_in);
        let Some((mut control, estimate)) = self.control.take() else { return };
        let available = FRAMES as u64;
        let mut members = self.members(estimate);
        let refaults = members.iter().map(|member| member.refaults).sum();
        let sample = Sample { now_ns, full_permille, came_in, refaults, available };
        control.decide(&sample, &mut members);
        self.control = Some((control, estimate));
        for member in members {
            let index = (member.pid - FIRST_PID) as usize;
            match member.verdict {
                Verdict::Keep => {}
                Verdict::Suspend => self.suspend(index, estimate),
                Verdict::Resume => {
                    self.processes[index].turn = Turn::Active { since_ns: now_ns };
                    self.processes[index].turn_visits = self.processes[index].visits;
                }
            }
        }
    }

    fn members(&mut self, estimate: Estimate) -> Vec<Member> {
        let now = self.now;
        let alive = self.processes.iter_mut().enumerate().filter(|(_, process)| !process.has_ended);
        let member = |(index, process): (usize, &mut Process)| Member {
            pid: FIRST_PID + index as u32,
            nice: 0,
            resident: process.resident(),
            working_set: match process.turn {
                Turn::Active { .. } => process.working_set(now, estimate),
                Turn::Suspended { .. } => process.frozen_set,
            },
            progress_ns: (process.visits - process.turn_visits) * VISIT_NS,
            refaults: std::mem::take(&mut process.refaults),
            is_idle: false,
            turn: process.turn,
            verdict: Verdict::Keep,
        };
        alive.map(member).collect()
    }

    fn suspend(&mut self, index: usize, estimate: Estimate) {
        self.suspensions += 1;
        let working_set = self.processes[index].working_set(self.now, estimate);
        self.processes[index].turn = Turn::Suspended { since_ns: self.now_ns() };
        self.processes[index].frozen_set = working_set;
        self.free_all(index);
    }

    fn end(&mut self, index: usize) {
        self.processes[index].has_ended = true;
        self.free_all(index);
    }

    /// All frames of a process are free.
    fn free_all(&mut self, index: usize) {
        for frame in 0..FRAMES {
            if self.frames[frame].as_ref().is_some_and(|frame| frame.owner.0 == index) {
                self.evict(frame);
                self.free.push(frame);
            }
        }
    }
}

/// Seconds until load control has found out how many fit.
const START_SECONDS: u64 = 30;
const SECONDS: u64 = 60;
/// What the processor has time for.
const MOST_VISITS: u64 = SECONDS * SECOND;

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    visits: u64,
    /// By the process that did least.
    least_visits: u64,
    /// Part of the time in which everybody waited.
    full_permille: u32,
    suspensions: u64,
}

/// How much so many processes get done.
fn measure(processes: usize, pattern: Pattern, control: Option<Estimate>) -> Outcome {
    let mut machine = Machine::new(control);
    machine.start(processes, pattern);
    machine.run(START_SECONDS);
    let before: Vec<u64> = machine.processes.iter().map(|process| process.visits).collect();
    let (began_ns, totals) = (machine.now_ns(), machine.psi.totals(machine.now_ns()));
    machine.run(SECONDS);
    let after = machine.processes.iter().map(|process| process.visits);
    let done = after.zip(before).map(|(after, before)| after - before);
    let (now_ns, after) = (machine.now_ns(), machine.psi.totals(machine.now_ns()));
    Outcome {
        visits: done.clone().sum(),
        least_visits: done.min().expect("a process"),
        full_permille: Window::new(began_ns, totals).close(now_ns, after).full_permille,
        suspensions: machine.suspensions,
    }
}

#[test]
fn what_fits_runs_and_is_left_alone() {
    for control in [None, Some(Estimate::ProcessTime), Some(Estimate::WallTime)] {
        for (processes, pattern) in
            [(1, Pattern::Round), (3, Pattern::Round), (3, Pattern::Anywhere)]
        {
            let outcome = measure(processes, pattern, control);
            assert_eq!(outcome.visits, MOST_VISITS, "{processes} {pattern:?}");
            assert!(outcome.least_visits >= MOST_VISITS / 4, "{processes}: {outcome:?}");
            assert_eq!((outcome.full_permille, outcome.suspensions), (0, 0), "{processes}");
        }
    }
}

#[test]
fn there_is_a_cliff_and_control_makes_it_a_plateau() {
    for pattern in [Pattern::Round, Pattern::Anywhere] {
        for processes in [4, 8] {
            let without = measure(processes, pattern, None);
            for estimate in [Estimate::ProcessTime, Estimate::WallTime] {
                let with = measure(processes, pattern, Some(estimate));
                let what = format!("{processes} {pattern:?} {estimate:?}: {without:?} {with:?}");
                assert!(with.visits >= MOST_VISITS * 9 / 10, "{what}");
                // Nobody has less than half of what he would have of all.
                assert!(with.least_visits >= with.visits / processes as u64 / 2, "{what}");
                assert!(with.full_permille <= 100, "{what}");
                assert!(with.least_visits >= 100 * without.least_visits, "{what}");
                // Four in no order leave one of them behind; what the others do is all there is.
                if (processes, pattern) != (4, Pattern::Anywhere) {
                    assert!(with.visits >= 100 * without.visits, "{what}");
                    assert!(without.full_permille >= 990, "{what}");
                }
            }
        }
    }
}

#[test]
fn whoever_pauses_returns_when_there_is_room() {
    for estimate in [Estimate::ProcessTime, Estimate::WallTime] {
        let mut machine = Machine::new(Some(estimate));
        machine.start(8, Pattern::Round);
        machine.run(START_SECONDS);
        let paused = |machine: &Machine| {
            let alive = machine.processes.iter().filter(|process| !process.has_ended);
            alive.filter(|process| matches!(process.turn, Turn::Suspended { .. })).count()
        };
        assert!(paused(&machine) > 0, "{estimate:?}");
        (0..5).for_each(|index| machine.end(index));
        machine.run(40);
        assert_eq!(paused(&machine), 0, "{estimate:?}");
        let suspensions = machine.suspensions;
        machine.run(20);
        assert_eq!(machine.suspensions, suspensions, "{estimate:?}: three fit");
    }
}
