//! Queues against a model, and what callers can see of waiting.

use proptest::prelude::*;

use super::*;

fn message(priority: u32, text: &str) -> Message {
    Message { priority, text: text.into() }
}

fn queue(messages: u64) -> Queue<u32> {
    Queue::new(Size { messages, message_bytes: 16 })
}

#[test]
fn sizes_have_limits() {
    let most = Size { messages: 10, message_bytes: 8192 };
    for (limit, limit_bytes, is_good) in [
        (1, 1, true),
        (10, 8192, true),
        (11, 1, false),
        (1, 8193, false),
        (0, 1, false),
        (1, 0, false),
        (-1, 1, false),
        (1, i64::MIN, false),
    ] {
        let attributes = QueueAttributes { limit, limit_bytes, ..Default::default() };
        let found = Size::wanted(&attributes, most);
        assert_eq!(found.is_ok(), is_good, "{limit} {limit_bytes}");
    }
    // What Linux counts for a queue by default, and for the biggest.
    assert_eq!(most.cost_bytes(), 10 * 8192 + 10 * 96);
    let biggest = Size { messages: LIMIT_MAX, message_bytes: LIMIT_BYTES_MAX };
    assert_eq!(biggest.cost_bytes(), (LIMIT_MAX << 24) + LIMIT_MAX * 48 + (LIMIT_MAX / 2) * 48);
}

#[test]
fn the_next_is_the_most_urgent_then_the_oldest() {
    let mut queue = queue(9);
    for (priority, text) in [(1, "a"), (3, "b"), (1, "c"), (0, "d"), (3, "e"), (32767, "f")] {
        assert_eq!(queue.send(message(priority, text)), Ok(Sent::Queued(None)));
    }
    assert_eq!((queue.len(), queue.bytes()), (6, 6));
    let taken: Vec<_> = std::iter::from_fn(|| queue.receive()).collect();
    let texts: Vec<_> = taken.iter().map(|(message, _)| &message.text[..]).collect();
    assert_eq!(texts, [b"f", b"b", b"e", b"a", b"c", b"d"]);
    assert_eq!((queue.is_empty(), queue.bytes()), (true, 0));
}

#[test]
fn who_waits_longest_is_first() {
    let mut queue = queue(1);
    queue.wait_for_message(1).unwrap();
    queue.wait_for_message(2).unwrap();
    assert_eq!(queue.give_up(|waiter| *waiter == 1), Some((1, None)));
    assert_eq!(queue.give_up(|waiter| *waiter == 1), None);
    queue.wait_for_message(3).unwrap();
    for receiver in [2, 3] {
        let sent = queue.send(message(0, "x"));
        assert_eq!(sent, Ok(Sent::HandedTo(receiver, message(0, "x"))));
    }
    assert_eq!(queue.send(message(0, "a")), Ok(Sent::Queued(None)));
    assert_eq!(queue.send(message(9, "b")), Ok(Sent::Full(message(9, "b"))));
    for (sender, text) in [(4, "b"), (5, "c"), (6, "d")] {
        queue.wait_for_room(sender, message(9, text)).unwrap();
    }
    assert_eq!(queue.give_up(|waiter| *waiter == 5), Some((5, Some(message(9, "c")))));
    assert_eq!(queue.receive(), Some((message(0, "a"), Some(4))));
    assert_eq!(queue.receive(), Some((message(9, "b"), Some(6))));
    assert_eq!(queue.receive(), Some((message(9, "d"), None)));
    assert_eq!(queue.receive(), None);
}

#[test]
fn one_process_is_told_once() {
    let mut queue = queue(4);
    let registered = |pid| Registered { pid, how: How::Signal { number: 10, value: 7 } };
    queue.send(message(0, "a")).unwrap();
    queue.register(registered(1)).unwrap();
    assert_eq!(queue.register(registered(1)), Err(Errno::EBUSY));
    queue.forget(2);
    assert_eq!(queue.registered(), Some(&registered(1)));
    // There was one already.
    assert_eq!(queue.send(message(0, "b")), Ok(Sent::Queued(None)));
    while queue.receive().is_some() {}
    // Whoever waits is served before anybody is told.
    queue.wait_for_message(5).unwrap();
    assert!(matches!(queue.send(message(0, "c")), Ok(Sent::HandedTo(5, _))));
    assert_eq!(queue.send(message(0, "d")), Ok(Sent::Queued(Some(registered(1)))));
    assert_eq!(queue.registered(), None);
    queue.register(registered(3)).unwrap();
    queue.forget(3);
    assert_eq!(queue.registered(), None);
}

#[test]
fn users_have_what_they_are_charged() {
    let mut charges = Charges::new();
    for (uid, bytes, expect) in [
        (1, 60, Ok(())),
        (1, 41, Err(Errno::EMFILE)),
        (1, 40, Ok(())),
        (2, 100, Ok(())),
        (2, 1, Err(Errno::EMFILE)),
        (3, 101, Err(Errno::EMFILE)),
        (1, u64::MAX, Err(Errno::EMFILE)),
    ] {
        assert_eq!(charges.add(uid, bytes, 100), expect, "{uid} {bytes}");
    }
    charges.remove(1, 60);
    charges.remove(2, 100);
    assert_eq!(charges.users, [(1, 40)]);
}

proptest! {
    /// A queue does as a list of all messages in their order, from which the first of the highest
    /// priority is taken; nobody waits for what is there, and none is lost or told twice.
    #[test]
    fn the_queue_does_as_a_list(
        steps in prop::collection::vec((0..3u8, 0..4u32), 1..200),
        room in 1..6u64,
    ) {
        let mut queue = queue(room);
        let (mut model, mut receivers, mut senders) = (Vec::new(), Vec::new(), Vec::new());
        for (number, (kind, priority)) in (0..).zip(steps) {
            match kind {
                0 => {
                    let new = message(priority, &number.to_string());
                    match queue.send(new.clone()).unwrap() {
                        Sent::Queued(_) => {
                            prop_assert!(receivers.is_empty());
                            model.push(new);
                        }
                        Sent::HandedTo(receiver, given) => {
                            prop_assert_eq!((receiver, given), (receivers.remove(0), new));
                            prop_assert!(model.is_empty());
                        }
                        Sent::Full(given) => {
                            prop_assert_eq!(model.len() as u64, room);
                            queue.wait_for_room(number, given).unwrap();
                            senders.push((number, new));
                        }
                    }
                }
                1 => match queue.receive() {
                    None => {
                        prop_assert!(model.is_empty());
                        queue.wait_for_message(number).unwrap();
                        receivers.push(number);
                    }
                    Some((given, sender)) => {
                        let urgent = model.iter().map(|message| message.priority).max();
                        let at = model.iter().position(|message| Some(message.priority) == urgent);
                        prop_assert_eq!(given, model.remove(at.unwrap()));
                        if senders.is_empty() {
                            prop_assert_eq!(sender, None);
                        } else {
                            let (first, message) = senders.remove(0);
                            prop_assert_eq!(sender, Some(first));
                            model.push(message);
                        }
                    }
                },
                _ => {
                    let waiters = receivers.iter().chain(senders.iter().map(|(sender, _)| sender));
                    let chosen = waiters.copied().nth(priority as usize);
                    let left = queue.give_up(|waiter| Some(*waiter) == chosen);
                    prop_assert_eq!(left.map(|(waiter, _)| waiter), chosen);
                    receivers.retain(|waiter| Some(*waiter) != chosen);
                    senders.retain(|(waiter, _)| Some(*waiter) != chosen);
                }
            }
            let bytes: usize = model.iter().map(|message| message.text.len()).sum();
            prop_assert_eq!((queue.len(), queue.bytes()), (model.len() as u64, bytes as u64));
        }
    }
}
