//! Senders and receivers of System V messages, in every order.

use std::sync::{Arc, Mutex};

use super::super::Choice;
use super::*;
use crate::ipc::ids::{PRIVATE, Permissions};
use crate::sync::explore::{self, Explored, Play, interrupt};

const WHO: Identity = Identity::ROOT;
const OWNER: NewOwner = NewOwner { uid: 0, gid: 0, mode: 0o600 };

/// A queue, and what was received by whom.
struct Stage {
    queues: Queues<Explored>,
    id: i32,
    received: Mutex<Vec<(u32, Message)>>,
}

impl Stage {
    /// With room for so many bytes.
    fn new(limit_bytes: u64) -> Arc<Self> {
        let queues = Queues::<Explored>::new(Lock::new(Table::new()));
        let permissions = Permissions::new(PRIVATE, 0o600, &WHO);
        let id = queues.lock().insert(permissions, Queue::new(limit_bytes, 0), 1).unwrap();
        Arc::new(Self { queues, id, received: Mutex::new(Vec::new()) })
    }

    fn by(pid: u32) -> By {
        By { pid, now: 0 }
    }

    fn send(&self, pid: u32, kind: i64, text: u8) -> Result<(), Errno> {
        let message = Message { kind, text: vec![text] };
        self.queues.send(self.id, message, 0, &WHO, Self::by(pid))
    }

    fn receive(&self, pid: u32, choice: Choice) -> Result<(), Errno> {
        let wanted = Wanted { choice, room: 9, may_cut: false };
        let received = self.queues.receive(self.id, wanted, 0, &WHO, Self::by(pid))?;
        self.received.lock().unwrap().push((pid, received));
        Ok(())
    }

    /// What is in the queue now.
    fn left(&self) -> u64 {
        self.queues.lock().get(self.id).map_or(0, |entry| entry.object.status().count)
    }

    fn texts(&self, by: Option<u32>) -> Vec<u8> {
        let received = self.received.lock().unwrap();
        let mine = received.iter().filter(|(pid, _)| by.is_none_or(|by| by == *pid));
        mine.map(|(_, message)| message.text[0]).collect()
    }
}

/// Two senders of two messages each and two receivers, with room for one.
fn everybody() -> Play {
    let stage = Stage::new(1);
    let mut play = Play::new();
    for sender in 0..2 {
        let (stage, receiving) = (stage.clone(), stage.clone());
        play = play.task(move || {
            for number in 0..2 {
                stage.send(sender.into(), 1, sender * 2 + number).unwrap();
            }
        });
        play = play.task(move || {
            for _ in 0..2 {
                receiving.receive((sender + 7).into(), Choice::First).unwrap();
            }
        });
    }
    play.judged(move |asleep| {
        let mut all = stage.texts(None);
        all.sort_unstable();
        let in_order = [7, 8].into_iter().all(|receiver| {
            let mine = stage.texts(Some(receiver));
            [[0, 1], [2, 3]].iter().all(|[first, second]| {
                let at = |text| mine.iter().position(|mine| *mine == text);
                at(*first).zip(at(*second)).is_none_or(|(first, second)| first < second)
            })
        });
        let is_good = asleep.is_empty() && all == [0, 1, 2, 3] && in_order && stage.left() == 0;
        if is_good { Ok(()) } else { Err(format!("{asleep:?} {:?}", stage.received)) }
    })
}

#[test]
fn each_message_comes_once_and_in_order() {
    explore::all(1, 600, everybody).unwrap();
    explore::seeds(500, everybody).unwrap();
}

/// Receivers that choose types do not keep each other's messages.
#[test]
fn nobody_waits_for_what_is_there() {
    let play = || {
        let stage = Stage::new(2);
        let mut play = Play::new();
        for kind in 1..=3u8 {
            let (sending, receiving) = (stage.clone(), stage.clone());
            play = play
                .task(move || receiving.receive(kind.into(), Choice::Only(kind.into())).unwrap())
                .task(move || sending.send(9, kind.into(), kind).unwrap());
        }
        play
    };
    explore::all(1, 600, play).unwrap();
    explore::seeds(500, play).unwrap();
}

/// A signal ends a wait, or comes too late: no message is lost or comes twice.
#[test]
fn whoever_is_interrupted_has_done_nothing() {
    let receiver = || {
        let stage = Stage::new(9);
        let [sending, receiving] = [stage.clone(), stage.clone()];
        Play::new()
            .task(move || match receiving.receive(1, Choice::First) {
                Ok(()) | Err(Errno::EINTR) => {}
                other => panic!("{other:?}"),
            })
            .task(move || sending.send(2, 1, 5).unwrap())
            .task(|| interrupt(0))
            .judged(move |asleep| {
                let count = stage.texts(None).len() as u64 + stage.left();
                if asleep.is_empty() && count == 1 { Ok(()) } else { Err(format!("{count}")) }
            })
    };
    assert!(explore::all(2, 1500, receiver).unwrap() > 100);
    let sender = || {
        let (stage, sent) = (Stage::new(1), Arc::new(Mutex::new(1)));
        stage.send(0, 1, 4).unwrap();
        let [sending, receiving] = [stage.clone(), stage.clone()];
        let counted = sent.clone();
        Play::new()
            .task(move || match sending.send(1, 1, 5) {
                Ok(()) => *counted.lock().unwrap() += 1,
                other => assert_eq!(other, Err(Errno::EINTR)),
            })
            .task(move || receiving.receive(2, Choice::First).unwrap())
            .task(|| interrupt(0))
            .judged(move |asleep| {
                let (count, sent) = (1 + stage.left(), *sent.lock().unwrap());
                let is_good = asleep.is_empty() && count == sent && stage.texts(None) == [4];
                if is_good { Ok(()) } else { Err(format!("{count} of {sent}")) }
            })
    };
    assert!(explore::all(2, 1500, sender).unwrap() > 100);
}

/// Whoever waits learns that the queue goes; whoever comes later finds none.
#[test]
fn the_end_of_a_queue_ends_all_waits() {
    let play = || {
        let stage = Stage::new(1);
        stage.send(0, 1, 4).unwrap();
        let [sending, receiving, removing] = [stage.clone(), stage.clone(), stage.clone()];
        let is_gone = |errno| matches!(errno, Errno::EIDRM | Errno::EINVAL);
        Play::new()
            .task(move || assert!(sending.send(1, 1, 5).is_err_and(is_gone)))
            .task(move || assert!(receiving.receive(2, Choice::Only(7)).is_err_and(is_gone)))
            .task(move || removing.queues.remove(removing.id, &WHO).unwrap())
    };
    assert!(explore::all(2, 1500, play).unwrap() > 100);
}

/// With another limit whoever waits looks again.
#[test]
fn a_higher_limit_is_noticed() {
    let play = || {
        let stage = Stage::new(0);
        let [sending, changing] = [stage.clone(), stage.clone()];
        Play::new()
            .task(move || sending.send(1, 1, 5).unwrap())
            .task(move || changing.queues.change(changing.id, OWNER, [1, 1], &WHO, 0).unwrap())
            .judged(move |asleep| {
                let is_good = asleep.is_empty() && stage.left() == 1;
                if is_good { Ok(()) } else { Err(format!("{asleep:?}")) }
            })
    };
    assert!(explore::all(3, 1500, play).unwrap() > 30);
}
