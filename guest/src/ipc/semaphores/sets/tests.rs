//! Operations on System V semaphores, in every order.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::super::UNDO;
use super::*;
use crate::ipc::ids::{NO_WAIT, PRIVATE, Permissions};
use crate::sync::explore::{self, Eventually, Explored, Play, interrupt, pause};

const WHO: Identity = Identity::ROOT;

/// A set.
struct Stage {
    sets: Sets<Explored>,
    id: i32,
}

impl Stage {
    fn new(values: &[u16]) -> Arc<Self> {
        let sets = Sets::<Explored>::new(Lock::new(Table::new()));
        let permissions = Permissions::new(PRIVATE, 0o600, &WHO);
        let set = Set::new(values.len(), 0).unwrap();
        let id = sets.lock().insert(permissions, set, 1).unwrap();
        let stage = Self { sets, id };
        stage.sets.set_values(id, 0, values, &WHO, Self::by(0)).unwrap();
        Arc::new(stage)
    }

    fn by(pid: u32) -> By {
        By { pid, now: 0 }
    }

    fn operate(&self, pid: u32, operations: &[(u16, i16, u16)]) -> Result<(), Errno> {
        self.operate_until(None, pid, operations)
    }

    fn operate_until(
        &self,
        deadline: Option<Eventually>,
        pid: u32,
        operations: &[(u16, i16, u16)],
    ) -> Result<(), Errno> {
        let operation = |(number, amount, flags): &(u16, i16, u16)| Operation {
            number: *number,
            amount: *amount,
            flags: *flags,
        };
        let operations: Vec<_> = operations.iter().map(operation).collect();
        self.sets.operate(self.id, &operations, deadline, &WHO, Self::by(pid))
    }

    fn values(&self) -> Vec<u16> {
        let mut sets = self.sets.lock();
        let set = &sets.get(self.id).unwrap().object;
        (0..set.count()).map(|number| set.value(number).unwrap()).collect()
    }

    /// Everybody ends, and the values are these.
    fn ends_with(self: Arc<Self>, play: Play, values: &'static [u16]) -> Play {
        play.judged(move |asleep| {
            let found = self.values();
            let is_good = asleep.is_empty() && found == values;
            if is_good { Ok(()) } else { Err(format!("{asleep:?} {found:?}")) }
        })
    }
}

#[test]
fn one_at_a_time_is_inside() {
    let play = || {
        let (stage, is_inside) = (Stage::new(&[1]), Arc::new(AtomicBool::new(false)));
        let mut play = Play::new();
        for pid in 0..3 {
            let (stage, is_inside) = (stage.clone(), is_inside.clone());
            play = play.task(move || {
                stage.operate(pid, &[(0, -1, 0)]).unwrap();
                assert!(!is_inside.swap(true, Ordering::Relaxed), "somebody else is inside");
                pause();
                is_inside.store(false, Ordering::Relaxed);
                stage.operate(pid, &[(0, 1, 0)]).unwrap();
            });
        }
        stage.ends_with(play, &[1])
    };
    explore::all(2, 800, play).unwrap();
    explore::seeds(500, play).unwrap();
}

/// Both or none: those who take two in different orders do not block each other.
#[test]
fn operations_on_several_are_one() {
    let play = || {
        let stage = Stage::new(&[1, 1, 0]);
        let mut play = Play::new();
        for (pid, [first, second]) in [(1, [0, 1]), (2, [1, 0])] {
            let stage = stage.clone();
            play = play.task(move || {
                stage.operate(pid, &[(first, -1, 0), (second, -1, 0)]).unwrap();
                pause();
                let found = stage.values();
                assert_eq!(found[..2], [0, 0], "both are mine");
                stage.operate(pid, &[(first, 1, 0), (second, 1, 0), (2, 1, 0)]).unwrap();
            });
        }
        // This one waits for both to be done, and for nobody to be inside.
        let last = stage.clone();
        let play = play.task(move || last.operate(3, &[(2, -2, 0), (2, 0, 0)]).unwrap());
        stage.ends_with(play, &[1, 1, 0])
    };
    explore::all(1, 600, play).unwrap();
    explore::seeds(500, play).unwrap();
}

/// Whoever gives up has taken nothing; a value is never lost between those who wait.
#[test]
fn whoever_gives_up_has_done_nothing() {
    for how in [Errno::EAGAIN, Errno::EINTR] {
        let play = || {
            let (stage, taken) = (Stage::new(&[0]), Arc::new(AtomicUsize::new(0)));
            let mut play = Play::new();
            for pid in 0..2 {
                let (stage, taken) = (stage.clone(), taken.clone());
                play = play.task(move || {
                    let deadline = (how == Errno::EAGAIN && pid == 0).then_some(Eventually);
                    match stage.operate_until(deadline, pid, &[(0, -1, 0)]) {
                        Ok(()) => drop(taken.fetch_add(1, Ordering::Relaxed)),
                        other => assert_eq!((pid, other), (0, Err(how))),
                    }
                });
            }
            let adding = stage.clone();
            play = play.task(move || adding.operate(9, &[(0, 1, 0)]).unwrap());
            if how == Errno::EINTR {
                play = play.task(|| interrupt(0));
            }
            play.judged(move |asleep| {
                let (taken, left) = (taken.load(Ordering::Relaxed), stage.values()[0]);
                // Of two one gets it; the other one has given up, or is the second, who cannot.
                let is_good = taken == 1 && left == 0 && (asleep.is_empty() || asleep == [1]);
                if is_good { Ok(()) } else { Err(format!("{asleep:?} {taken} {left}")) }
            })
        };
        explore::all(2, 1200, play).unwrap();
        explore::seeds(400, play).unwrap();
    }
}

/// What a process has taken with [`UNDO`] is there for others after its end, all at once.
#[test]
fn the_end_of_a_process_gives_back() {
    let play = || {
        let stage = Stage::new(&[2, 0]);
        let [ending, waiting, zero] = [stage.clone(), stage.clone(), stage.clone()];
        let play = Play::new()
            .task(move || {
                ending.operate(1, &[(0, -1, UNDO), (1, 1, UNDO)]).unwrap();
                ending.operate(1, &[(0, -1, UNDO)]).unwrap();
                ending.sets.end(Stage::by(1));
            })
            .task(move || {
                // Twice, so that it is not only served before the other one.
                waiting.operate(2, &[(0, -2, 0)]).unwrap();
                waiting.operate(2, &[(0, 2, 0)]).unwrap();
            })
            .task(move || zero.operate(3, &[(1, 0, 0)]).unwrap());
        stage.ends_with(play, &[2, 0])
    };
    explore::all(2, 1200, play).unwrap();
    explore::seeds(400, play).unwrap();
}

#[test]
fn the_end_of_a_set_ends_all_waits() {
    let play = || {
        let stage = Stage::new(&[0, 1]);
        let [decreasing, zero, trying, removing] =
            [stage.clone(), stage.clone(), stage.clone(), stage.clone()];
        let is_gone = |errno| matches!(errno, Errno::EIDRM | Errno::EINVAL);
        Play::new()
            .task(move || assert!(decreasing.operate(1, &[(0, -1, 0)]).is_err_and(is_gone)))
            .task(move || assert!(zero.operate(2, &[(1, 0, 0)]).is_err_and(is_gone)))
            .task(move || {
                let tried = trying.operate(3, &[(0, -1, NO_WAIT as u16)]);
                assert!(tried.is_err_and(|errno| errno == Errno::EAGAIN || is_gone(errno)));
            })
            .task(move || assert_eq!(removing.sets.remove(removing.id, &WHO), Ok(2)))
    };
    explore::all(2, 1200, play).unwrap();
}

/// SETVAL and SETALL let those go on who can.
#[test]
fn set_values_are_noticed() {
    let play = || {
        let stage = Stage::new(&[0, 1]);
        let [waiting, setting] = [stage.clone(), stage.clone()];
        let play = Play::new()
            .task(move || waiting.operate(1, &[(0, -3, 0), (1, 0, 0)]).unwrap())
            .task(move || {
                setting.sets.set_values(setting.id, 0, &[3], &WHO, Stage::by(2)).unwrap();
                setting.sets.set_values(setting.id, 1, &[0], &WHO, Stage::by(2)).unwrap();
            });
        stage.ends_with(play, &[0, 0])
    };
    assert!(explore::all(3, 1200, play).unwrap() > 50);
}
