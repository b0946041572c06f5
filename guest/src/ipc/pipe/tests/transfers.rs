//! What is written is read, once and in order; nobody sleeps who could go on.

use super::*;

/// Two writers of two messages of a page each, with room for one.
fn whole_pages(readers: usize) -> Play {
    let pipe = pipe(readers, 2, 1);
    let read = Arc::new(Mutex::new(Vec::new()));
    let mut play = Play::new();
    for writer in 0..2_u8 {
        let pipe = pipe.clone();
        play = play.task(move || {
            for number in 0..2 {
                let message = vec![writer * 2 + number; PAGE];
                assert_eq!(write(&pipe, message, Patience::Endless), Ok(PAGE));
            }
            pipe.close(WRITES);
        });
    }
    for _ in 0..readers {
        let (pipe, read) = (pipe.clone(), read.clone());
        play = play.task(move || {
            let mine = read_all(&pipe, PAGE);
            read.lock().unwrap().push(mine);
        });
    }
    play.judged(move |asleep| {
        let read = read.lock().unwrap();
        let mut messages = Vec::new();
        for mine in read.iter().flat_map(|mine| mine.chunks(PAGE)) {
            // Writes of up to so many bytes are not mixed.
            if mine.iter().any(|byte| *byte != mine[0]) || mine.len() != PAGE {
                return Err("a message is torn".into());
            }
            messages.push(mine[0]);
        }
        let in_order = |mine: &Vec<u8>| {
            let at = |byte| mine.iter().position(|mine| *mine == byte);
            [[0, 1], [2, 3]].iter().all(|[first, second]| {
                at(*first).zip(at(*second)).is_none_or(|(first, second)| first < second)
            })
        };
        let is_good = asleep.is_empty() && read.iter().all(in_order);
        messages.sort_unstable();
        let is_good = is_good && messages == [0, 1, 2, 3];
        if is_good { Ok(()) } else { Err(format!("{asleep:?} {messages:?}")) }
    })
}

#[test]
fn what_is_written_whole_is_read_whole() {
    for readers in 1..=2 {
        explore::all(2, 600, || whole_pages(readers)).unwrap();
        explore::seeds(400, || whole_pages(readers)).unwrap();
    }
}

/// Writers of few bytes, which fit beside each other, and readers who leave some behind.
#[test]
fn small_writes_and_small_reads() {
    let play = || {
        let (pipe, count) = (pipe(2, 2, 1), Arc::new(AtomicUsize::new(0)));
        assert_eq!(write(&pipe, vec![9; PAGE - 40], Patience::None), Ok(PAGE - 40));
        let mut play = Play::new();
        for writer in 0..2 {
            let pipe = pipe.clone();
            play = play.task(move || {
                for _ in 0..2 {
                    assert_eq!(write(&pipe, vec![writer; 30], Patience::Endless), Ok(30));
                }
                pipe.close(WRITES);
            });
        }
        for _ in 0..2 {
            let (pipe, count) = (pipe.clone(), count.clone());
            play = play.task(move || {
                count.fetch_add(read_all(&pipe, PAGE / 2 - 7).len(), Ordering::Relaxed);
            });
        }
        play.judged(move |asleep| {
            let count = count.load(Ordering::Relaxed);
            let is_good = asleep.is_empty() && count == PAGE + 80;
            if is_good { Ok(()) } else { Err(format!("{asleep:?} {count}")) }
        })
    };
    explore::all(1, 600, play).unwrap();
    explore::seeds(700, play).unwrap();
}

/// One change that is enough for two wakes two, one after the other.
#[test]
fn enough_for_two() {
    let reading = || {
        let pipe = pipe(2, 1, 1);
        let [first, second, writing] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || assert_eq!(read(&first, 1, Patience::Endless), Ok(vec![4])))
            .task(move || assert_eq!(read(&second, 1, Patience::Endless), Ok(vec![4])))
            .task(move || assert_eq!(write(&writing, vec![4; 2], Patience::Endless), Ok(2)))
    };
    explore::all(2, 800, reading).unwrap();
    let writing = || {
        let pipe = pipe(1, 2, 1);
        assert_eq!(write(&pipe, vec![0; PAGE], Patience::None), Ok(PAGE));
        let [first, second, reading] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || assert_eq!(write(&first, vec![1; 30], Patience::Endless), Ok(30)))
            .task(move || assert_eq!(write(&second, vec![2; 30], Patience::Endless), Ok(30)))
            .task(move || assert_eq!(read(&reading, PAGE, Patience::None), Ok(vec![0; PAGE])))
    };
    explore::all(2, 800, writing).unwrap();
    explore::seeds(300, writing).unwrap();
}

/// A write of more than fits comes piece by piece, in order.
#[test]
fn long_writes() {
    let play = || {
        let pipe = pipe(1, 1, 1);
        let [writing, reading] = [pipe.clone(), pipe];
        let bytes: Vec<u8> = (0..PAGE * 2 + 90).map(|at| (at / 7) as u8).collect();
        let expect = bytes.clone();
        Play::new()
            .task(move || {
                let count = bytes.len();
                assert_eq!(write(&writing, bytes, Patience::Endless), Ok(count));
                writing.close(WRITES);
            })
            .task(move || assert!(read_all(&reading, PAGE / 2 + 1) == expect))
    };
    explore::all(2, 600, play).unwrap();
    explore::seeds(500, play).unwrap();
}

/// A signal ends a wait, or comes too late; whoever waits behind goes on.
#[test]
fn whoever_is_interrupted_keeps_nobody_waiting() {
    let readers = || {
        let pipe = pipe(2, 1, 1);
        let [first, second, writing] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || match read(&first, 9, Patience::Endless) {
                Ok(bytes) => assert_eq!(write(&first, bytes, Patience::Endless), Ok(1)),
                other => assert_eq!(other, Err(Errno::EINTR)),
            })
            .task(move || assert_eq!(read(&second, 9, Patience::Endless), Ok(vec![3])))
            .task(move || assert_eq!(write(&writing, vec![3], Patience::Endless), Ok(1)))
            .task(|| interrupt(0))
    };
    explore::all(2, 1000, readers).unwrap();
    explore::seeds(400, readers).unwrap();
    let writers = || {
        let pipe = pipe(1, 2, 1);
        assert_eq!(write(&pipe, vec![0; PAGE], Patience::None), Ok(PAGE));
        let [first, second, reading] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || {
                match write(&first, vec![1; PAGE], Patience::Endless) {
                    Ok(count) => {
                        assert_eq!(read(&first, count, Patience::None), Ok(vec![1; count]))
                    }
                    other => assert_eq!(other, Err(Errno::EINTR)),
                }
                first.close(WRITES);
            })
            .task(move || assert_eq!(write(&second, vec![2; PAGE], Patience::Endless), Ok(PAGE)))
            .task(move || assert_eq!(read(&reading, PAGE, Patience::None), Ok(vec![0; PAGE])))
            .task(|| interrupt(0))
    };
    explore::all(2, 1000, writers).unwrap();
    explore::seeds(400, writers).unwrap();
}

/// Memory that is brought in, or cannot be: who is woken and then fails keeps nobody waiting.
#[test]
fn faults_keep_nobody_waiting() {
    let play = || {
        let pipe = pipe(2, 1, 1);
        let [bad, slow, writing] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || assert_eq!(read_slowly(&bad, 9, false), Err(Errno::EFAULT)))
            .task(move || assert_eq!(read_slowly(&slow, 3, true), Ok(vec![7; 3])))
            .task(move || assert_eq!(write(&writing, vec![7; 4], Patience::Endless), Ok(4)))
    };
    explore::all(2, 1000, play).unwrap();
    explore::seeds(400, play).unwrap();
    let writing = || {
        let pipe = pipe(1, 2, 1);
        assert_eq!(write(&pipe, vec![0; PAGE], Patience::None), Ok(PAGE));
        let [bad, good, reading] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || {
                let mut memory = Memory { is_good: false, ..Memory::new(vec![1; 30], 0) };
                assert_eq!(bad.write_on(&mut memory, Patience::Endless), Err(Errno::EFAULT));
            })
            .task(move || assert_eq!(write(&good, vec![2; 30], Patience::Endless), Ok(30)))
            .task(move || assert_eq!(read(&reading, PAGE, Patience::None), Ok(vec![0; PAGE])))
    };
    explore::all(2, 800, writing).unwrap();
    explore::seeds(300, writing).unwrap();
}

/// What one has held nobody else reads; what it leaves, they do.
#[test]
fn what_is_held_is_read_once() {
    let play = || {
        let pipe = pipe(2, 1, 1);
        let [holding, reading, writing] = [pipe.clone(), pipe.clone(), pipe];
        let got = Arc::new(Mutex::new(Vec::new()));
        let (mine, theirs) = (got.clone(), got.clone());
        Play::new()
            .task(move || {
                holding.wait_for_bytes().unwrap();
                let mut first = 0;
                let held = holding.hold(|state| {
                    let span = state.readable();
                    span.map_or(0, |span| {
                        first = with_page(span.page, |page| page[span.offset]);
                        span.count
                    })
                });
                if let Some(held) = held {
                    holding.let_go(held.min(1));
                    mine.lock().unwrap().extend((held > 0).then_some(first));
                }
            })
            .task(move || {
                let read = read_all(&reading, 1);
                theirs.lock().unwrap().extend(read);
            })
            .task(move || {
                for byte in 0..3 {
                    assert_eq!(write(&writing, vec![byte], Patience::Endless), Ok(1));
                }
                writing.close(WRITES);
            })
            .judged(move |asleep| {
                let mut got = got.lock().unwrap().clone();
                got.sort_unstable();
                let is_good = asleep.is_empty() && got == [0, 1, 2];
                if is_good { Ok(()) } else { Err(format!("{asleep:?} {got:?}")) }
            })
    };
    explore::all(2, 1000, play).unwrap();
    explore::seeds(400, play).unwrap();
}
