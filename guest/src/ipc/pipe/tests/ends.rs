//! Ends that are opened and closed while others wait.

use super::*;

/// With the last writer gone a reader gets what is left, then nothing; without readers a writer
/// gets EPIPE, even one that waits.
#[test]
fn the_last_one_wakes_the_other_end() {
    let reading = || {
        let pipe = pipe(1, 2, 1);
        let [reader, first, second] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || assert_eq!(read_all(&reader, 8), [5]))
            .task(move || {
                assert_eq!(write(&first, vec![5], Patience::Endless), Ok(1));
                first.close(WRITES);
            })
            .task(move || second.close(WRITES))
    };
    explore::all(2, 800, reading).unwrap();
    let writing = || {
        let pipe = pipe(2, 2, 1);
        let [first, second, one, two] = [pipe.clone(), pipe.clone(), pipe.clone(), pipe];
        let write_on = |pipe: Pipe| {
            move || {
                let written = write(&pipe, vec![1; PAGE + 1], Patience::Endless);
                assert!(matches!(written, Err(Errno::EPIPE) | Ok(1..=PAGE)), "{written:?}");
                assert_eq!(write(&pipe, vec![1], Patience::Endless), Err(Errno::EPIPE));
            }
        };
        Play::new()
            .task(write_on(first))
            .task(write_on(second))
            .task(move || one.close(READS))
            .task(move || two.close(READS))
    };
    explore::all(1, 600, writing).unwrap();
    explore::seeds(400, writing).unwrap();
}

/// Both who open a named pipe go on, even if the other one closes it at once.
#[test]
fn ends_of_named_pipes_meet() {
    let play = || {
        let pipe = pipe(0, 0, 1);
        let [reader, writer] = [pipe.clone(), pipe];
        Play::new()
            .task(move || {
                reader.open(READS, Patience::Endless).unwrap();
                reader.close(READS);
            })
            .task(move || {
                writer.open(WRITES, Patience::Endless).unwrap();
                writer.close(WRITES);
            })
    };
    assert!(explore::all(4, 1500, play).unwrap() > 100);
    let with_bytes = || {
        let pipe = pipe(0, 0, 1);
        let [reader, writer] = [pipe.clone(), pipe];
        Play::new()
            .task(move || {
                reader.open(READS, Patience::Endless).unwrap();
                let got = read_all(&reader, 9);
                assert!(got == [1] || got.is_empty(), "{got:?}");
                reader.close(READS);
            })
            .task(move || {
                writer.open(WRITES, Patience::Endless).unwrap();
                assert_eq!(write(&writer, vec![1], Patience::Endless), Ok(1));
                writer.close(WRITES);
            })
    };
    explore::all(2, 1200, with_bytes).unwrap();
    explore::seeds(500, with_bytes).unwrap();
}

/// Who does not wait opens for reading, or gets ENXIO; nobody is counted that has failed.
#[test]
fn nobody_waits_who_does_not_want_to() {
    let play = || {
        let pipe = pipe(0, 0, 1);
        let [reader, writer, judged] = [pipe.clone(), pipe.clone(), pipe];
        Play::new()
            .task(move || {
                reader.open(READS, Patience::None).unwrap();
                // Somebody may have opened the other end meanwhile.
                let got = read(&reader, 1, Patience::None);
                assert!(got == Ok(Vec::new()) || got == Err(Errno::EAGAIN), "{got:?}");
                reader.close(READS);
            })
            .task(move || match writer.open(WRITES, Patience::None) {
                Ok(()) => writer.close(WRITES),
                other => assert_eq!(other, Err(Errno::ENXIO)),
            })
            .judged(move |asleep| {
                let is_closed = has_no_writers(&judged) && judged.state.lock().reading.open == 0;
                if asleep.is_empty() && is_closed { Ok(()) } else { Err("an end is open".into()) }
            })
    };
    explore::all(3, 1200, play).unwrap();
}

fn has_no_writers(pipe: &Pipe) -> bool {
    pipe.state.lock().writing.open == 0
}

/// A signal ends the wait for the other end, which then has not been opened.
#[test]
fn whoever_gives_up_has_not_opened() {
    let play = || {
        let pipe = pipe(0, 0, 1);
        let [reader, judged] = [pipe.clone(), pipe];
        Play::new()
            .task(move || assert_eq!(reader.open(READS, Patience::Endless), Err(Errno::EINTR)))
            .task(|| interrupt(0))
            .judged(move |asleep| {
                let is_closed = judged.state.lock().reading.open == 0;
                if asleep.is_empty() && is_closed { Ok(()) } else { Err("it is open".into()) }
            })
    };
    explore::all(3, 1200, play).unwrap();
}

/// More room lets a writer go on.
#[test]
fn a_bigger_pipe_is_noticed() {
    let play = || {
        let pipe = pipe(1, 1, 1);
        assert_eq!(write(&pipe, vec![1; PAGE], Patience::None), Ok(PAGE));
        let [writer, other] = [pipe.clone(), pipe];
        Play::new()
            .task(move || assert_eq!(write(&writer, vec![2; 8], Patience::Endless), Ok(8)))
            .task(move || assert_eq!(other.resize(2 * PAGE), Ok(2 * PAGE)))
    };
    assert!(explore::all(3, 1200, play).unwrap() > 20);
}

/// Whoever polls sees bytes, room, and the end.
#[test]
fn watchers_are_woken() {
    let play = || {
        let pipe = pipe(1, 1, 1);
        assert_eq!(write(&pipe, vec![1; PAGE], Patience::None), Ok(PAGE));
        let [reader, writer] = [pipe.clone(), pipe];
        Play::new()
            .task(move || {
                assert_eq!(read(&reader, PAGE, Patience::None), Ok(vec![1; PAGE]));
                let has_bytes = || (!reader.state.lock().ring.is_empty()).then_some(());
                reader.watchers.wait(has_bytes);
                assert_eq!(read(&reader, 9, Patience::None), Ok(vec![2]));
                let is_over = || (reader.state.lock().writing.open == 0).then_some(());
                reader.watchers.wait(is_over);
            })
            .task(move || {
                let has_room = || writer.state.lock().has_room(PAGE).then_some(());
                writer.watchers.wait(has_room);
                assert_eq!(write(&writer, vec![2], Patience::None), Ok(1));
                writer.close(WRITES);
            })
    };
    explore::all(3, 1500, play).unwrap();
}
