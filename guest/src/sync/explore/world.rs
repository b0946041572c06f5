//! [`World`]: the tasks of a run, of which one at a time has the turn.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::Choices;
use super::schedule::{Chooser, First, Schedule};

/// What a task does.
pub(super) type Role = Box<dyn FnOnce() + Send>;

/// A run that takes more steps does not end.
const STEPS_MAX: usize = 20_000;

thread_local! {
    /// Whose thread this is.
    static ME: RefCell<Option<(Arc<World>, usize)>> = const { RefCell::new(None) };
}

/// What a task does at present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// It goes on when it is its turn.
    Ready,
    /// It waits for the lock with this number.
    Locked(usize),
    /// It sleeps.
    Asleep,
    /// It has come to its end.
    Ended,
}

#[derive(Debug)]
struct Task {
    phase: Phase,
    /// It is about to sleep, and nobody has woken it since.
    is_announced: bool,
    /// Signals end its sleep.
    hears: bool,
    is_interrupted: bool,
    /// Whether its wait has a deadline; and whether that has come.
    deadline: Option<bool>,
}

#[derive(Debug)]
struct State {
    tasks: Vec<Task>,
    turn: Option<usize>,
    chooser: Chooser,
    steps: usize,
    /// Those who are woken for nothing once everybody sleeps; the one that is at present.
    probes: Vec<usize>,
    probed: Option<usize>,
    has_probed: bool,
    failure: Option<String>,
    is_over: bool,
}

/// Tasks.
pub(super) struct World {
    state: Mutex<State>,
    /// One for each task, and one for the end.
    turns: Vec<Condvar>,
}

/// How a run has ended.
pub(super) struct End {
    pub(super) failure: Option<String>,
    pub(super) asleep: Vec<usize>,
    pub(super) choices: Choices,
}

/// Ends the thread of a task that would sleep for ever.
struct Over;

impl World {
    /// Lets them run until nobody can go on.
    pub(super) fn run(schedule: Schedule, roles: Vec<Role>) -> End {
        let count = roles.len();
        let task = |_| Task {
            phase: Phase::Ready,
            is_announced: false,
            hears: false,
            is_interrupted: false,
            deadline: None,
        };
        let state = State {
            tasks: (0..count).map(task).collect(),
            turn: None,
            chooser: Chooser::new(schedule),
            steps: 0,
            probes: Vec::new(),
            probed: None,
            has_probed: false,
            failure: None,
            is_over: false,
        };
        let turns = (0..=count).map(|_| Condvar::new()).collect();
        let world = Arc::new(Self { state: Mutex::new(state), turns });
        let threads: Vec<_> = (0..)
            .zip(roles)
            .map(|(number, role)| {
                let world = world.clone();
                thread::spawn(move || world.play(number, role))
            })
            .collect();
        world.pass_on(&mut world.lock(), None);
        let mut state = world.lock();
        while !state.is_over {
            state = world.turns[count].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        drop(state);
        for thread in threads {
            // Its panics are the run's failure already.
            let _ = thread.join();
        }
        let mut state = world.lock();
        let asleep = (0..count).filter(|task| state.tasks[*task].phase != Phase::Ended).collect();
        let schedule = Schedule::Choices(Vec::new(), 0);
        let chooser = std::mem::replace(&mut state.chooser, Chooser::new(schedule));
        End { failure: state.failure.take(), asleep, choices: chooser.into_made() }
    }

    /// A task from its first turn to its last.
    fn play(self: Arc<Self>, me: usize, role: Role) {
        ME.set(Some((self.clone(), me)));
        let played = panic::catch_unwind(AssertUnwindSafe(|| {
            drop(self.wait_for_turn(self.lock(), me));
            role();
        }));
        ME.set(None);
        let mut state = self.lock();
        match played {
            Ok(()) => {
                state.tasks[me].phase = Phase::Ended;
                self.pass_on(&mut state, None);
            }
            Err(end) if end.is::<Over>() => {}
            Err(panic) => {
                let text = panic.downcast_ref::<String>().cloned();
                let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).into()));
                self.fail(&mut state, format!("task {me}: {}", text.unwrap_or_default()));
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fail(&self, state: &mut State, what: String) {
        state.failure.get_or_insert(what);
        self.end(state);
    }

    fn end(&self, state: &mut State) {
        (state.is_over, state.turn) = (true, None);
        self.turns.iter().for_each(Condvar::notify_all);
    }

    fn wait_for_turn<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        me: usize,
    ) -> MutexGuard<'a, State> {
        while state.turn != Some(me) {
            if state.is_over {
                drop(state);
                panic::resume_unwind(Box::new(Over));
            }
            state = self.turns[me].wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state
    }

    /// Gives the turn to somebody: to `from`, who has it, perhaps once more.
    fn pass_on(&self, state: &mut State, from: Option<usize>) {
        if state.is_over {
            return;
        }
        state.steps += 1;
        if state.steps > STEPS_MAX {
            return self.fail(state, "this does not end".into());
        }
        let is_ready = |task: usize| state.tasks[task].phase == Phase::Ready;
        let others = (0..state.tasks.len()).filter(|task| Some(*task) != from && is_ready(*task));
        let mine = from.filter(|from| is_ready(*from));
        let mut next: Vec<(usize, Event)> =
            mine.into_iter().chain(others).map(|task| (task, Event::Turn)).collect();
        if state.probed.is_none() {
            let timers = (0..state.tasks.len()).filter(|task| {
                let Task { phase, deadline, .. } = state.tasks[*task];
                phase == Phase::Asleep && deadline == Some(false)
            });
            next.extend(timers.map(|task| (task, Event::Deadline)));
        }
        if next.is_empty() {
            return self.rest(state);
        }
        let first = if mine.is_some() { First::GoesOn } else { First::IsAnother };
        let (task, event) = next[state.chooser.choose(next.len(), first)];
        if event == Event::Deadline {
            (state.tasks[task].deadline, state.tasks[task].phase) = (Some(true), Phase::Ready);
        }
        state.turn = Some(task);
        if Some(task) != from {
            self.turns[task].notify_one();
        }
    }

    /// Nobody can go on: whoever sleeps is woken for nothing, one after the other.
    fn rest(&self, state: &mut State) {
        state.probed = None;
        let is_locked = |task: &Task| matches!(task.phase, Phase::Locked(_));
        if state.tasks.iter().any(is_locked) {
            let phases: Vec<_> = state.tasks.iter().map(|task| task.phase).collect();
            return self.fail(state, format!("a lock is never let go of: {phases:?}"));
        }
        if !state.has_probed {
            state.has_probed = true;
            let is_asleep = |task: &usize| state.tasks[*task].phase == Phase::Asleep;
            state.probes = (0..state.tasks.len()).filter(is_asleep).collect();
        }
        match state.probes.pop() {
            Some(task) => {
                state.tasks[task].phase = Phase::Ready;
                (state.probed, state.turn) = (Some(task), Some(task));
                self.turns[task].notify_one();
            }
            None => self.end(state),
        }
    }
}

/// Why a task is next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Turn,
    Deadline,
}

/// Does something with the state; the caller has the turn, or there is no run.
fn with<R>(work: impl FnOnce(&World, MutexGuard<'_, State>, usize) -> R) -> Option<R> {
    let me = ME.with_borrow(Clone::clone)?;
    let (world, me) = &me;
    if thread::panicking() {
        return None;
    }
    Some(work(world, world.lock(), *me))
}

/// Somebody else may be next.
pub(super) fn step() {
    with(|world, mut state, me| {
        world.pass_on(&mut state, Some(me));
        drop(world.wait_for_turn(state, me));
    });
}

/// Waits until the lock with this number is let go of.
pub(super) fn wait_for_lock(lock: usize) {
    with(|world, mut state, me| {
        state.tasks[me].phase = Phase::Locked(lock);
        world.pass_on(&mut state, None);
        drop(world.wait_for_turn(state, me));
    });
}

/// A lock was let go of.
pub(super) fn unlocked(lock: usize) {
    with(|_, mut state, _| {
        for task in &mut state.tasks {
            if task.phase == Phase::Locked(lock) {
                task.phase = Phase::Ready;
            }
        }
    });
}

/// The number of the task that runs.
pub(super) fn me() -> usize {
    with(|_, _, me| me).expect("only tasks of a run wait")
}

/// The task is going to sleep.
pub(super) fn announce() {
    with(|_, mut state, me| state.tasks[me].is_announced = true);
}

/// Why the task does not sleep any longer.
pub(super) fn must_end(hears: bool, has_deadline: bool) -> Option<super::super::WaitError> {
    with(|_, mut state, me| {
        let task = &mut state.tasks[me];
        task.hears = hears;
        if hears && task.is_interrupted {
            task.is_interrupted = false;
            return Some(super::super::WaitError::Interrupted);
        }
        if !has_deadline {
            return None;
        }
        let is_late = *task.deadline.get_or_insert(false);
        is_late.then_some(super::super::WaitError::TimedOut)
    })
    .flatten()
}

/// Sleeps, unless somebody has woken the task since it announced that.
pub(super) fn block() {
    with(|world, mut state, me| {
        if state.tasks[me].is_announced {
            state.tasks[me].phase = Phase::Asleep;
        }
        world.pass_on(&mut state, Some(me));
        let mut state = world.wait_for_turn(state, me);
        state.tasks[me].is_announced = false;
    });
}

/// The task's wait is over.
pub(super) fn withdraw() {
    with(|world, mut state, me| {
        let task = &mut state.tasks[me];
        (task.is_announced, task.deadline, task.hears) = (false, None, false);
        if state.probed == Some(me) {
            let what = format!("task {me} was not woken, though it could go on");
            world.fail(&mut state, what);
            drop(world.wait_for_turn(state, me));
        }
    });
}

/// Wakes a task, or keeps it awake.
pub(super) fn wake(task: usize) {
    with(|_, mut state, _| {
        let task = &mut state.tasks[task];
        task.is_announced = false;
        if task.phase == Phase::Asleep {
            task.phase = Phase::Ready;
        }
    });
}

/// A signal comes to a task.
pub(super) fn interrupt(task: usize) {
    with(|_, mut state, _| {
        let task = &mut state.tasks[task];
        task.is_interrupted = true;
        if task.hears {
            task.is_announced = false;
            if task.phase == Phase::Asleep {
                task.phase = Phase::Ready;
            }
        }
    });
}
