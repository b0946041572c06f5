//! Queues against a model, and what callers can see of waiting.

use proptest::prelude::*;

use super::*;

const BY: By = By { pid: 9, now: 5 };

fn message(kind: i64, text: &str) -> Message {
    Message { kind, text: text.into() }
}

fn wanted(choice: Choice, room: usize) -> Wanted {
    Wanted { choice, room, may_cut: false }
}

/// What a call tells those who wait.
fn telling<R>(work: impl FnOnce(&mut dyn FnMut(Told<u32>)) -> R) -> (R, Vec<Told<u32>>) {
    let mut told = Vec::new();
    let result = work(&mut |news| told.push(news));
    (result, told)
}

fn filled(limit_bytes: u64, messages: &[(i64, &str)]) -> Queue<u32> {
    let mut queue = Queue::new(limit_bytes, 1);
    for (kind, text) in messages {
        let sent = telling(|tell| queue.send(message(*kind, text), BY, tell));
        assert_eq!(sent, (Ok(None), vec![]));
    }
    queue
}

#[test]
fn choices() {
    for (kind, flags, expect) in [
        (0, 0, Ok(Choice::First)),
        (0, EXCEPT, Ok(Choice::First)),
        (3, NO_ERROR, Ok(Choice::Only(3))),
        (3, EXCEPT, Ok(Choice::Except(3))),
        (-3, 0, Ok(Choice::UpTo(3))),
        (i64::MIN, 0, Ok(Choice::UpTo(i64::MAX))),
        (3, COPY | NO_WAIT, Ok(Choice::Number(3))),
        (3, COPY, Err(Errno::EINVAL)),
        (3, COPY | NO_WAIT | EXCEPT, Err(Errno::EINVAL)),
    ] {
        assert_eq!(Choice::of(kind, flags), expect, "{kind} {flags:o}");
    }
    let queue = filled(99, &[(5, "a"), (2, "b"), (4, "c"), (2, "d")]);
    for (choice, expect) in [
        (Choice::First, Some("a")),
        (Choice::Only(4), Some("c")),
        (Choice::Only(3), None),
        (Choice::Except(5), Some("b")),
        (Choice::UpTo(4), Some("b")),
        (Choice::UpTo(1), None),
        (Choice::Number(3), Some("d")),
        (Choice::Number(4), None),
        (Choice::Number(-1), None),
    ] {
        let found = queue.look(&wanted(choice, 9)).ok().map(|message| &message.text[..]);
        assert_eq!(found, expect.map(str::as_bytes), "{choice:?}");
    }
}

#[test]
fn messages_that_are_too_long() {
    let mut queue = filled(99, &[(1, "long")]);
    let short = wanted(Choice::First, 3);
    assert_eq!(telling(|tell| queue.receive(&short, BY, tell)).0, Err(Errno::E2BIG));
    assert_eq!(queue.look(&short), Err(Errno::E2BIG));
    let cut = Wanted { may_cut: true, ..short };
    assert_eq!(telling(|tell| queue.receive(&cut, BY, tell)).0, Ok(Some(message(1, "long"))));
    // The one who has waited hears of it, and the next one gets it.
    queue.wait_for_message(1, short, 1).unwrap();
    queue.wait_for_message(2, cut, 2).unwrap();
    let sent = telling(|tell| queue.send(message(1, "long"), BY, tell));
    let told =
        vec![Told::Receiver(1, Err(Errno::E2BIG)), Told::Receiver(2, Ok(message(1, "long")))];
    assert_eq!(sent, (Ok(None), told));
    assert_eq!((queue.status().count, queue.status().receiver), (0, 2));
}

#[test]
fn room_is_counted_in_bytes_and_in_messages() {
    let mut queue = filled(4, &[(1, "abc")]);
    let full = telling(|tell| queue.send(message(1, "de"), BY, tell));
    assert_eq!(full.0, Ok(Some(message(1, "de"))));
    let mut queue = filled(2, &[(1, ""), (1, "")]);
    let full = telling(|tell| queue.send(message(1, ""), BY, tell));
    assert_eq!(full.0, Ok(Some(message(1, ""))));
}

#[test]
fn room_goes_to_those_who_fit_in_their_order() {
    let mut queue = filled(8, &[(1, "four"), (2, "four")]);
    for (sender, text) in [(1, "longer"), (2, "two"), (3, "x"), (4, "y")] {
        queue.wait_for_room(sender, message(3, text), sender).unwrap();
    }
    let (taken, told) = telling(|tell| queue.receive(&wanted(Choice::Only(2), 9), BY, tell));
    assert_eq!(taken, Ok(Some(message(2, "four"))));
    assert_eq!(told, [Told::Sender(2), Told::Sender(3)]);
    assert_eq!((queue.status().count, queue.status().bytes, queue.status().sender), (3, 8, 3));
    assert_eq!(queue.give_up(|waiter| *waiter == 4), Some((4, Some(message(3, "y")))));
    let left: Vec<_> = queue.expel().collect();
    assert_eq!(left, [(1, Some(message(3, "longer")))]);
}

#[test]
fn whoever_has_waited_for_the_type_gets_it() {
    let mut queue = Queue::new(9, 1);
    for (receiver, choice) in [(1, Choice::Only(7)), (2, Choice::UpTo(5)), (3, Choice::First)] {
        queue.wait_for_message(receiver, wanted(choice, 9), receiver).unwrap();
    }
    for (kind, receiver) in [(6, 3), (5, 2), (7, 1)] {
        let sent = telling(|tell| queue.send(message(kind, "m"), BY, tell));
        assert_eq!(sent, (Ok(None), vec![Told::Receiver(receiver, Ok(message(kind, "m")))]));
    }
    assert_eq!(queue.give_up(|_| true), None);
}

proptest! {
    /// A queue does as a list; nobody waits for what is there or would fit.
    #[test]
    fn the_queue_does_as_a_list(
        steps in prop::collection::vec((0..2u8, -3..4i64, 0..6usize), 1..200),
        limit in 4..24u64,
    ) {
        let mut queue = Queue::new(limit, 0);
        let (mut model, mut waiting) = (Vec::<Message>::new(), Vec::<(u32, Choice)>::new());
        let mut senders = Vec::<(u32, Message)>::new();
        for (number, (kind, selector, length)) in (0..).zip(steps) {
            let mut told = Vec::new();
            if kind == 0 {
                let new = message(selector.abs() + 1, &"x".repeat(length));
                let tell = &mut |news| told.push(news);
                if let Some(given) = queue.send(new.clone(), BY, tell).unwrap() {
                    queue.wait_for_room(number, given, 1).unwrap();
                    senders.push((number, new));
                } else if told.is_empty() {
                    model.push(new);
                }
            } else {
                let choice = Choice::of(selector, 0).unwrap();
                let wanted = wanted(choice, 9);
                match queue.receive(&wanted, BY, &mut |news| told.push(news)).unwrap() {
                    Some(message) => {
                        let mine = model.iter().filter(|message| choice.takes(message));
                        let least = mine.map(|message| message.kind).min();
                        let is_it = |message: &Message| match choice {
                            Choice::UpTo(_) => Some(message.kind) == least,
                            choice => choice.takes(message),
                        };
                        let at = model.iter().position(is_it).unwrap();
                        prop_assert_eq!(message, model.remove(at));
                    }
                    None => {
                        prop_assert!(!model.iter().any(|message| choice.takes(message)));
                        queue.wait_for_message(number, wanted, 1).unwrap();
                        waiting.push((number, choice));
                    }
                }
            }
            for news in told {
                match news {
                    Told::Receiver(waiter, given) => {
                        let given = given.unwrap();
                        let first = waiting.iter().position(|(_, choice)| choice.takes(&given));
                        prop_assert_eq!(waiting.remove(first.unwrap()).0, waiter);
                        if model.last() == Some(&given) && kind == 1 {
                            // A sender's, which was let in a moment ago.
                            model.pop();
                        }
                    }
                    Told::Sender(waiter) => {
                        let at = senders.iter().position(|(sender, _)| *sender == waiter).unwrap();
                        model.push(senders.remove(at).1);
                    }
                }
            }
            let bytes: usize = model.iter().map(|message| message.text.len()).sum();
            prop_assert_eq!(queue.status().bytes, bytes as u64);
            prop_assert_eq!(queue.status().count, model.len() as u64);
            for (_, message) in &senders {
                prop_assert!(!queue.has_room(message.text.len()));
            }
            for (_, choice) in &waiting {
                prop_assert!(!model.iter().any(|message| choice.takes(message)));
            }
        }
    }
}
