//! Sets against a model, and what callers can see of waiting and undoing.

use proptest::prelude::*;

use super::*;

const fn by(pid: Pid) -> By {
    By { pid, now: 5 }
}

const fn op(number: u16, amount: i16, flags: u16) -> Operation {
    Operation { number, amount, flags }
}

const DONT_WAIT: u16 = NO_WAIT as u16;

fn set(values: &[u16]) -> Set<u32> {
    let mut set = Set::new(values.len(), 1).unwrap();
    set.set_values(0, values, by(1)).unwrap();
    set
}

fn values(set: &Set<u32>) -> Vec<u16> {
    let mut values = vec![0; set.count()];
    set.values(&mut values);
    values
}

fn settle(set: &mut Set<u32>) -> Vec<(u32, Result<(), Errno>)> {
    let mut told = Vec::new();
    set.settle(6, &mut |waiter, result| told.push((waiter, result)));
    told
}

#[test]
fn all_or_nothing() {
    for (operations, expect, after) in [
        (&[op(0, -2, 0), op(1, 3, 0)][..], Ok(Tried::Done), [0, 4]),
        (&[op(0, -2, 0), op(0, 0, 0), op(0, 7, 0)], Ok(Tried::Done), [7, 1]),
        (&[op(0, 5, 0), op(1, -2, 0)], Ok(Tried::Blocked(1)), [2, 1]),
        (&[op(0, 5, 0), op(1, -2, DONT_WAIT)], Err(Errno::EAGAIN), [2, 1]),
        (&[op(0, 5, DONT_WAIT), op(1, -2, 0)], Ok(Tried::Blocked(1)), [2, 1]),
        (&[op(0, 1, 0), op(1, 32767, 0)], Err(Errno::ERANGE), [2, 1]),
        (&[op(0, 1, 0), op(2, 1, 0)], Err(Errno::EFBIG), [2, 1]),
        (&[op(1, 0, 0)], Ok(Tried::Blocked(0)), [2, 1]),
        (&[op(0, i16::MIN, 0)], Ok(Tried::Blocked(0)), [2, 1]),
    ] {
        let mut set = set(&[2, 1]);
        assert_eq!(set.operate(operations, by(9)), expect, "{operations:?}");
        assert_eq!(values(&set), after, "{operations:?}");
        let pid = if expect == Ok(Tried::Done) { 9 } else { 1 };
        assert_eq!(set.pid(0), Ok(pid), "{operations:?}");
    }
}

#[test]
fn the_first_that_can_goes_on() {
    let mut set = set(&[0, 0]);
    let waiting = [
        vec![op(0, -2, 0)],
        vec![op(0, -1, 0), op(1, 1, 0)],
        vec![op(1, -1, 0), op(0, 1, 0)],
        vec![op(0, 0, 0), op(1, 0, 0)],
    ];
    for (waiter, operations) in (0..).zip(waiting) {
        let Ok(tried) = set.operate(&operations, by(waiter + 10)) else { panic!("{waiter}") };
        match tried {
            Tried::Blocked(at) => set.wait(waiter, operations, waiter + 10, at).unwrap(),
            Tried::Done => assert_eq!(waiter, 3),
        }
    }
    assert_eq!(set.waiters(0, For::Increase), Ok(2));
    assert_eq!(set.waiters(1, For::Increase), Ok(1));
    assert_eq!(set.waiters(2, For::Zero), Err(Errno::EINVAL));
    set.operate(&[op(0, 1, 0)], by(9)).unwrap();
    // 1 takes it, 2 then can, which gives 0 not enough.
    assert_eq!(settle(&mut set), [(1, Ok(())), (2, Ok(()))]);
    assert_eq!(values(&set), [1, 0]);
    set.operate(&[op(0, 1, 0)], by(9)).unwrap();
    assert_eq!(settle(&mut set), [(0, Ok(()))]);
    assert_eq!((values(&set), set.pid(0)), (vec![0, 0], Ok(10)));
}

#[test]
fn those_who_wait_learn_of_errors() {
    let mut set = set(&[0, 1]);
    // It waits for the first, and cannot have the second when that comes.
    for (waiter, operations) in [
        (1, vec![op(0, -1, 0), op(1, -2, DONT_WAIT)]),
        (2, vec![op(0, -1, 0), op(1, 32767, 0)]),
        (3, vec![op(0, -1, 0)]),
    ] {
        set.wait(waiter, operations, 7, 0).unwrap();
    }
    set.operate(&[op(0, 1, 0)], by(9)).unwrap();
    let told = [(1, Err(Errno::EAGAIN)), (2, Err(Errno::ERANGE)), (3, Ok(()))];
    assert_eq!(settle(&mut set), told);
    set.wait(4, vec![op(0, -1, 0)], 7, 0).unwrap();
    set.wait(5, vec![op(0, -1, 0)], 7, 0).unwrap();
    assert_eq!(set.give_up(|waiter| *waiter == 4), Some(4));
    assert_eq!(set.give_up(|waiter| *waiter == 4), None);
    assert_eq!(set.expel().collect::<Vec<_>>(), [5]);
}

#[test]
fn what_is_undone() {
    let mut set = set(&[5, 0, 3]);
    for (pid, operations) in [
        (9, [op(0, -2, UNDO), op(1, 4, UNDO)]),
        (8, [op(1, -3, 0), op(2, -1, UNDO)]),
        (9, [op(2, 1, 0), op(0, -1, UNDO)]),
    ] {
        assert_eq!(set.operate(&operations, by(pid)), Ok(Tried::Done));
    }
    assert_eq!(values(&set), [2, 1, 3]);
    assert!(set.end(by(9)) && !set.end(by(9)) && !set.end(by(7)));
    // The second would be below 0.
    assert_eq!(values(&set), [5, 0, 3]);
    set.set_values(2, &[7], by(1)).unwrap();
    assert!(set.end(by(8)));
    assert_eq!(values(&set), [5, 0, 7]);
    assert_eq!(set.set_values(2, &[7, 8], by(1)), Err(Errno::EINVAL));
    assert_eq!(set.set_values(0, &[32768], by(1)), Err(Errno::ERANGE));
}

#[test]
fn what_is_undone_has_a_limit() {
    let mut set = set(&[0]);
    for _ in 0..2 {
        set.operate(&[op(0, 20_000, UNDO)], by(9)).unwrap();
        let taken = set.operate(&[op(0, -20_000, 0)], by(8));
        assert_eq!(taken, Ok(Tried::Done));
        if set.operate(&[op(0, 20_000, UNDO)], by(9)) == Err(Errno::ERANGE) {
            return;
        }
    }
    panic!("there is none");
}

proptest! {
    /// No operation that could be done waits once all has settled; nothing is done halfway; and
    /// when everybody has ended, what was undone is as it was.
    #[test]
    fn nobody_waits_in_vain(
        steps in prop::collection::vec(
            prop::collection::vec((0..3u16, -3..4i16), 1..4),
            1..80,
        ),
    ) {
        let mut set = set(&[0; 3]);
        // What is in each semaphore, and what each process has put there.
        let (mut sum, mut parts) = ([0i32; 3], [[0i32; 3]; 4]);
        let mut waiting = Vec::new();
        let mut count = |pid: u32, operations: &[Operation]| {
            for operation in operations {
                let (number, amount) = (usize::from(operation.number), operation.amount);
                sum[number] += i32::from(amount);
                parts[pid as usize % 4][number] += i32::from(amount);
            }
            sum
        };
        let mut found = [0; 3];
        for (number, step) in (0..).zip(steps) {
            let operations: Vec<_> =
                step.into_iter().map(|(number, amount)| op(number, amount, UNDO)).collect();
            match set.operate(&operations, by(number % 4)).unwrap() {
                Tried::Done => found = count(number, &operations),
                Tried::Blocked(at) => {
                    set.wait(number, operations.clone(), number % 4, at).unwrap();
                    waiting.push((number, operations));
                }
            }
            for (waiter, result) in settle(&mut set) {
                prop_assert_eq!(result, Ok(()));
                let at = waiting.iter().position(|(number, _)| *number == waiter).unwrap();
                found = count(waiter, &waiting.remove(at).1);
            }
            prop_assert_eq!(values(&set), found.map(|value| value as u16));
            for (_, operations) in &waiting {
                let blocked = set.operate(operations, by(0)).unwrap();
                prop_assert!(matches!(blocked, Tried::Blocked(_)));
            }
        }
        let waiters: Vec<_> = waiting.iter().map(|(number, _)| *number).collect();
        prop_assert_eq!(set.expel().collect::<Vec<_>>(), waiters);
        for (pid, part) in (0..).zip(parts) {
            set.end(by(pid));
            for (value, part) in found.iter_mut().zip(part) {
                *value = (*value - part).max(0);
            }
            prop_assert_eq!(values(&set), found.map(|value| value as u16));
        }
    }
}
