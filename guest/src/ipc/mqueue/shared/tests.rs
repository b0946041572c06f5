//! Senders and receivers of a POSIX message queue, in every order.

use std::sync::Mutex;

use super::super::How;
use super::*;
use crate::fs::{Identity, Kind};
use crate::sync::explore::{self, Eventually, Explored, Play, interrupt, pause};

/// A queue, and what was sent and received until now.
struct Stage {
    queue: Shared<Explored>,
    sent: Mutex<Vec<u32>>,
    received: Mutex<Vec<u32>>,
}

fn now() -> Time {
    Time::default()
}

impl Stage {
    /// With room for so many.
    fn new(messages: u64) -> Arc<Self> {
        let attributes = Attributes::new(Kind::Regular, 0o600, &Identity::ROOT, now());
        let queue = Shared::new(attributes, Size { messages, message_bytes: 8 });
        Arc::new(Self { queue, sent: Mutex::new(Vec::new()), received: Mutex::new(Vec::new()) })
    }

    /// Sends a message that says no more than its priority; how many are told of it.
    fn send(&self, priority: u32, patience: Patience<Eventually>) -> Result<usize, Errno> {
        let message = Message { priority, text: Vec::new() };
        let told = self.queue.send(message, patience, now)?;
        self.sent.lock().unwrap().push(priority);
        Ok(told.into_iter().count())
    }

    fn receive(&self, patience: Patience<Eventually>) -> Result<u32, Errno> {
        let Message { priority, .. } = self.queue.receive(patience, now)?;
        self.received.lock().unwrap().push(priority);
        Ok(priority)
    }

    /// Everybody ends; what was sent was received, or is there still.
    fn loses_nothing(self: Arc<Self>, play: Play) -> Play {
        play.judged(move |asleep| {
            let mut received = self.received.lock().unwrap().clone();
            while let Ok(Message { priority, .. }) = self.queue.receive(Patience::None, now) {
                received.push(priority);
            }
            let mut sent = self.sent.lock().unwrap().clone();
            sent.sort_unstable();
            received.sort_unstable();
            let is_good = asleep.is_empty() && sent == received;
            if is_good { Ok(()) } else { Err(format!("{asleep:?} {sent:?} {received:?}")) }
        })
    }
}

#[test]
fn each_message_comes_once() {
    let play = || {
        let stage = Stage::new(1);
        let mut play = Play::new();
        for sender in 0..2 {
            let (sending, receiving) = (stage.clone(), stage.clone());
            play = play
                .task(move || {
                    for number in 0..2 {
                        sending.send(sender * 2 + number, Patience::Endless).unwrap();
                    }
                })
                .task(move || {
                    for _ in 0..2 {
                        receiving.receive(Patience::Endless).unwrap();
                    }
                });
        }
        stage.loses_nothing(play)
    };
    explore::all(1, 600, play).unwrap();
    explore::seeds(500, play).unwrap();
}

/// A receiver gets nothing as long as something more urgent is there.
#[test]
fn the_most_urgent_comes_first() {
    let play = || {
        let stage = Stage::new(2);
        let mut play = Play::new();
        for priorities in [[1, 4], [3, 2]] {
            let stage = stage.clone();
            play = play.task(move || {
                for priority in priorities {
                    stage.send(priority, Patience::Endless).unwrap();
                }
            });
        }
        let receiving = stage.clone();
        play = play.task(move || {
            for _ in 0..4 {
                pause();
                let mut there = receiving.sent.lock().unwrap().clone();
                let known = receiving.received.lock().unwrap().clone();
                there.retain(|priority| !known.contains(priority));
                let got = receiving.receive(Patience::Endless).unwrap();
                assert!(there.iter().all(|there| *there <= got), "{got} before {there:?}");
            }
        });
        stage.loses_nothing(play)
    };
    explore::all(1, 600, play).unwrap();
    explore::seeds(700, play).unwrap();
}

/// A deadline or a signal ends a wait, or comes too late.
#[test]
fn whoever_gives_up_has_done_nothing() {
    for how in [Errno::ETIMEDOUT, Errno::EINTR] {
        let until = match how {
            Errno::ETIMEDOUT => Patience::Until(Eventually),
            _ => Patience::Endless,
        };
        let ends = move |play: Play| match how {
            Errno::EINTR => play.task(|| interrupt(0)),
            _ => play,
        };
        let receiver = || {
            let stage = Stage::new(1);
            let [sending, receiving] = [stage.clone(), stage.clone()];
            let play = Play::new()
                .task(move || {
                    let got = receiving.receive(until);
                    assert!(got == Ok(5) || got == Err(how), "{got:?}");
                })
                .task(move || assert_eq!(sending.send(5, Patience::Endless), Ok(0)));
            stage.loses_nothing(ends(play))
        };
        explore::all(2, 1200, receiver).unwrap();
        let sender = || {
            let stage = Stage::new(1);
            stage.send(3, Patience::None).unwrap();
            let [sending, receiving] = [stage.clone(), stage.clone()];
            let play = Play::new()
                .task(move || match sending.send(5, until) {
                    Ok(_) => {}
                    other => assert_eq!(other, Err(how)),
                })
                .task(move || assert_eq!(receiving.receive(Patience::Endless), Ok(3)));
            stage.loses_nothing(ends(play))
        };
        explore::all(2, 1200, sender).unwrap();
        explore::seeds(500, sender).unwrap();
    }
}

/// Of the messages into an empty queue one is told of; none that a receiver has waited for.
#[test]
fn one_message_is_told_of() {
    let play = |receivers: u32| {
        let (stage, told) = (Stage::new(9), Arc::new(Mutex::new(0)));
        stage.queue.lock().queue.register(Registered { pid: 7, how: How::Silently }).unwrap();
        let mut play = Play::new();
        for sender in 0..2 {
            let (stage, told) = (stage.clone(), told.clone());
            play = play.task(move || {
                let more = stage.send(sender, Patience::Endless).unwrap();
                *told.lock().unwrap() += more;
            });
        }
        for _ in 0..receivers {
            let stage = stage.clone();
            play = play.task(move || {
                stage.receive(Patience::Endless).unwrap();
            });
        }
        play.judged(move |asleep| {
            let told = *told.lock().unwrap();
            let is_there = stage.queue.lock().queue.registered().is_some();
            // With as many receivers as messages all may have waited.
            let is_good = asleep.is_empty() && told + usize::from(is_there) == 1;
            let is_good = is_good && (told == 1 || receivers == 2);
            if is_good { Ok(()) } else { Err(format!("{asleep:?} {told} {is_there}")) }
        })
    };
    for receivers in [0, 1, 2] {
        explore::all(2, 600, || play(receivers)).unwrap();
        explore::seeds(500, || play(receivers)).unwrap();
    }
}

/// Whoever polls learns of each change that it waits for.
#[test]
fn watchers_are_woken() {
    let play = || {
        let stage = Stage::new(1);
        let [readable, writable, sending, receiving] =
            [stage.clone(), stage.clone(), stage.clone(), stage.clone()];
        stage.send(1, Patience::None).unwrap();
        let play = Play::new()
            .task(move || {
                let is_writable = || (!writable.queue.lock().queue.is_full()).then_some(());
                writable.queue.watchers().wait(is_writable);
                assert_eq!(sending.send(2, Patience::None), Ok(0));
            })
            .task(move || {
                assert_eq!(receiving.receive(Patience::None), Ok(1));
                let is_readable = || (!readable.queue.lock().queue.is_empty()).then_some(());
                readable.queue.watchers().wait(is_readable);
                assert_eq!(receiving.receive(Patience::None), Ok(2));
            });
        stage.loses_nothing(play)
    };
    explore::all(3, 1500, play).unwrap();
}
