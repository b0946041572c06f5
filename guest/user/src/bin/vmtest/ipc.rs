//! Message queues and System V's queues and semaphores: many at once, on all harts; limits; what the
//! files about them say. That each call yields what Linux does is held against Linux elsewhere.

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::errno::{Errno, Result};
use guest_user::status::Status;
use guest_user::sys::{dir, file, process, time};
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, RW, add, call, error, load, map_at, outcome, start, store, wait_for};

pub(crate) const CASES: &[Case] = &[
    ("mq-crowd", queue_crowd),
    ("mq-order", queue_order),
    ("mq-turns", queue_turns),
    ("mq-files", queue_files),
    ("mq-limits", queue_limits),
    ("msg-crowd", message_crowd),
    ("msg-copy", message_copy),
    ("msg-info", message_info),
    ("sem-crowd", semaphore_crowd),
    ("sem-killed", semaphore_killed),
    ("sysvipc-files", listing),
    ("sysvipc-limits", limits),
];

pub(crate) const IPC_CREAT: usize = 0o1000;
pub(crate) const IPC_NOWAIT: usize = 0o4000;
const MSG_COPY: usize = 0o40000;
pub(crate) const IPC_RMID: usize = 0;
const MSG_INFO: usize = 12;
const SETVAL: usize = 16;
const GETVAL: usize = 12;
const SEM_UNDO: u16 = 0o10000;
/// Size of a message here: its number.
const MESSAGE: usize = 8;

/// Memory that children share.
pub(crate) fn shared(bytes: usize) -> usize {
    map_at(0, bytes, RW, g::MAP_SHARED | g::MAP_ANONYMOUS).expect("memory")
}

fn open(name: &core::ffi::CStr, flags: u32, size: Option<[u64; 8]>) -> Result<usize> {
    let size = size.as_ref().map_or(0, |size| size.as_ptr() as usize);
    call(g::__NR_mq_open, &[name.as_ptr() as usize, flags as usize, 0o600, size])
}

/// A queue for so many messages, which has no name any more.
fn queue(messages: u64) -> usize {
    let size = [0, messages, MESSAGE as u64, 0, 0, 0, 0, 0];
    let name = c"vmtest";
    let queue = open(name, g::O_CREAT | g::O_EXCL | g::O_RDWR, Some(size)).expect("mq_open");
    call(g::__NR_mq_unlink, &[name.as_ptr() as usize]).expect("mq_unlink");
    queue
}

fn send(queue: usize, number: u64, priority: usize) -> Result<usize> {
    let text = number.to_le_bytes();
    call(g::__NR_mq_timedsend, &[queue, text.as_ptr() as usize, MESSAGE, priority, 0])
}

fn receive(queue: usize) -> Result<(u64, u32)> {
    let (mut text, mut priority) = ([0; MESSAGE], 0u32);
    let (at, priority_at) = (text.as_mut_ptr() as usize, &raw mut priority as usize);
    call(g::__NR_mq_timedreceive, &[queue, at, MESSAGE, priority_at, 0])?;
    Ok((u64::from_le_bytes(text), priority))
}

/// Told to readers, who then end.
const END: u64 = u64::MAX;

/// Two writers, six readers: each message is read exactly once, and nobody reads two of a writer
/// in another order than they were sent.
fn queue_crowd() {
    const READERS: usize = 6;
    const WRITERS: u64 = 2;
    const EACH: u64 = 400;
    let (queue, counts) = (queue(7), shared(2 * PAGE));
    let readers = [(); READERS].map(|()| {
        start(|| {
            let mut last = [None; WRITERS as usize];
            loop {
                let (number, _) = receive(queue).expect("mq_receive");
                if number == END {
                    return;
                }
                let writer = (number / EACH) as usize;
                assert!(last[writer].replace(number) < Some(number));
                add(counts + 8 * number as usize, 1);
            }
        })
    });
    let writers = [0, 1].map(|writer| {
        start(move || {
            for number in 0..EACH {
                send(queue, writer * EACH + number, 0).expect("mq_send");
            }
        })
    });
    for child in writers {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    readers.iter().for_each(|_| {
        send(queue, END, 0).expect("mq_send");
    });
    for child in readers {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    for number in 0..WRITERS * EACH {
        assert_eq!(load(counts + 8 * number as usize), 1, "message {number}");
    }
}

/// Four writers with priorities of their own: what is in the queue comes by priority, and within
/// one in the order in which it was sent.
fn queue_order() {
    const EACH: u64 = 50;
    let queue = queue(4 * EACH);
    let writers = [0, 1, 2, 3].map(|priority| {
        start(move || {
            for number in 0..EACH {
                send(queue, number, priority).expect("mq_send");
            }
        })
    });
    for child in writers {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    for priority in (0..4).rev() {
        for number in 0..EACH {
            assert_eq!(receive(queue), Ok((number, priority)));
        }
    }
}

/// Readers who wait get messages in turn: nobody gets a second one before all have one.
fn queue_turns() {
    const READERS: usize = 4;
    const ROUNDS: u64 = 25;
    let (queue, answers) = (queue(4), queue(8));
    let readers: Vec<i32> = (0..READERS as u64)
        .map(|reader| {
            start(move || {
                for _ in 0..ROUNDS {
                    receive(queue).expect("mq_receive");
                    send(answers, reader, 0).expect("mq_send");
                }
            })
        })
        .collect();
    // Each has had as many as the others when all have had theirs.
    for _ in 0..ROUNDS {
        (0..READERS).for_each(|_| {
            send(queue, 0, 0).expect("mq_send");
        });
        let mut seen = [0; READERS];
        (0..READERS).for_each(|_| seen[receive(answers).expect("an answer").0 as usize] += 1);
        time::sleep(core::time::Duration::from_millis(2)).expect("sleep");
    }
    for child in readers {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
}

/// Queues are files in /dev/mqueue.
fn queue_files() {
    let path = b"/dev/mqueue/vmtest-file";
    let names = || dir::entries(b"/dev/mqueue").expect("/dev/mqueue");
    let is_there = || names().iter().any(|entry| entry.name == b"vmtest-file");
    assert!(!is_there());
    let queue =
        open(c"vmtest-file", g::O_CREAT | g::O_RDWR | g::O_NONBLOCK, None).expect("mq_open");
    assert!(is_there());
    send(queue, 1, 0).expect("mq_send");
    let told = file::read_file(path).expect("its line");
    let want = "QSIZE:8          NOTIFY:0     SIGNO:0     NOTIFY_PID:0     \n";
    assert_eq!(told, want.as_bytes());
    let event = [7u64, u64::from(g::SIGUSR1), 0, 0, 0, 0, 0, 0];
    call(g::__NR_mq_notify, &[queue, event.as_ptr() as usize]).expect("mq_notify");
    let told = file::read_file(path).expect("its line");
    let pid = process::id();
    let want = format!("QSIZE:8          NOTIFY:0     SIGNO:10    NOTIFY_PID:{pid:<6}\n");
    assert_eq!(told, want.as_bytes());
    assert_eq!(file::stat(path).expect("stat").st_size, 80);
    assert_eq!(
        file::open(b"/dev/mqueue/new", g::O_CREAT | g::O_WRONLY, 0o600).map(file::close),
        Ok(Ok(()))
    );
    assert_eq!(open(c"new", g::O_RDONLY, None).map(|fd| file::close(fd as i32)), Ok(Ok(())));
    for path in [&b"/dev/mqueue/new"[..], path] {
        file::unlink(path).expect("unlink");
    }
    assert_eq!(open(c"vmtest-file", g::O_RDONLY, None), Err(Errno::NOENT));
    assert_eq!(file::make_directory(b"/dev/mqueue/d", 0o700), Err(Errno::PERM));
    let link = file::read_link(format!("/proc/self/fd/{queue}").as_bytes());
    assert_eq!(link.expect("a link"), b"/vmtest-file (deleted)");
}

/// A user has so many bytes in queues, whatever is in them; the system so many queues.
fn queue_limits() {
    let size = [0, 10, 100, 0, 0, 0, 0, 0];
    let flags = g::O_CREAT | g::O_RDWR;
    // Bytes of messages, and of what is kept of each.
    process::set_limit(g::RLIMIT_MSGQUEUE, 10 * 100 + 10 * 96).expect("setrlimit");
    let first = open(c"vmtest-1", flags, Some(size)).expect("within the limit");
    assert_eq!(open(c"vmtest-2", flags, Some(size)), Err(Errno::MFILE));
    call(g::__NR_mq_unlink, &[c"vmtest-1".as_ptr() as usize]).expect("mq_unlink");
    assert_eq!(open(c"vmtest-2", flags, Some(size)), Err(Errno::MFILE), "it is open still");
    file::close(first as i32).expect("close");
    let second = open(c"vmtest-2", flags, Some(size)).expect("the first has gone");
    call(g::__NR_mq_unlink, &[c"vmtest-2".as_ptr() as usize]).expect("mq_unlink");
    file::close(second as i32).expect("close");
    let limit = b"/proc/sys/fs/mqueue/queues_max";
    let before = file::read_file(limit).expect("a number");
    write(limit, b"0\n");
    let status = outcome(|| {
        call(g::__NR_setuid, &[77]).expect("setuid");
        assert_eq!(open(c"vmtest-3", flags, Some(size)), Err(Errno::NOSPC));
    });
    write(limit, &before);
    assert_eq!(status, Status::Exited(0));
}

fn write(path: &[u8], text: &[u8]) {
    let file = file::File::open_with(path, g::O_WRONLY, 0).expect("open");
    file.write_all(text).expect("write");
}

fn message_queue() -> usize {
    call(g::__NR_msgget, &[0, IPC_CREAT | 0o600]).expect("msgget")
}

fn send_message(queue: usize, kind: u64, number: u64) -> Result<usize> {
    let message = [kind, number];
    call(g::__NR_msgsnd, &[queue, message.as_ptr() as usize, MESSAGE, 0])
}

/// Type and number.
fn receive_message(queue: usize, kind: i64, flags: usize) -> Result<[u64; 2]> {
    let mut message = [0; 2];
    let at = message.as_mut_ptr() as usize;
    call(g::__NR_msgrcv, &[queue, at, MESSAGE, kind as usize, flags])?;
    Ok(message)
}

fn remove_messages(queue: usize) {
    call(g::__NR_msgctl, &[queue, IPC_RMID, 0]).expect("msgctl");
}

/// Readers of one type each, and some of any: each message is read exactly once.
fn message_crowd() {
    const READERS: [i64; 6] = [1, 2, 3, -3, -2, 0];
    const COUNT: u64 = 600;
    let (queue, counts) = (message_queue(), shared(2 * PAGE));
    let readers = READERS.map(|kind| {
        start(move || {
            let mut last = None;
            loop {
                match receive_message(queue, kind, 0) {
                    Ok([own, number]) => {
                        assert!(kind <= 0 || own == kind as u64 && last < Some(number));
                        last = Some(number);
                        add(counts + 8 * number as usize, 1);
                        add(counts + 8 * COUNT as usize, 1);
                    }
                    Err(error) => {
                        assert!(matches!(error, Errno::IDRM | Errno::INVAL), "{error}");
                        return;
                    }
                }
            }
        })
    });
    for number in 0..COUNT {
        send_message(queue, number % 3 + 1, number).expect("msgsnd");
    }
    while load(counts + 8 * COUNT as usize) < COUNT {
        process::give_way();
    }
    remove_messages(queue);
    for child in readers {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    for number in 0..COUNT {
        assert_eq!(load(counts + 8 * number as usize), 1, "message {number}");
    }
}

/// A message can be looked at in its place.
fn message_copy() {
    let queue = message_queue();
    for kind in [5, 6] {
        send_message(queue, kind, kind * 10).expect("msgsnd");
    }
    let look = |place, flags| receive_message(queue, place, flags);
    assert_eq!(look(1, MSG_COPY | IPC_NOWAIT), Ok([6, 60]));
    assert_eq!(look(0, MSG_COPY | IPC_NOWAIT), Ok([5, 50]));
    assert_eq!(look(2, MSG_COPY | IPC_NOWAIT), Err(Errno::NOMSG));
    assert_eq!(look(0, MSG_COPY), Err(Errno::INVAL));
    assert_eq!(look(0, 0), Ok([5, 50]));
    remove_messages(queue);
}

/// What is in all queues is told.
fn message_info() {
    let info = || {
        let mut words = [0u64; 4];
        call(g::__NR_msgctl, &[0, MSG_INFO, words.as_mut_ptr() as usize]).expect("MSG_INFO");
        let low = |word: u64| word & u64::from(u32::MAX);
        // Queues, messages, bytes.
        [low(words[0]), words[0] >> 32, low(words[3])]
    };
    let before = info();
    let queue = message_queue();
    send_message(queue, 1, 1).expect("msgsnd");
    send_message(queue, 1, 2).expect("msgsnd");
    let after = info();
    assert_eq!([0, 1, 2].map(|at| after[at] - before[at]), [1, 2, 16]);
    remove_messages(queue);
    assert_eq!(info(), before);
    assert_eq!(error(g::__NR_msgctl, &[queue, IPC_RMID, 0]), Errno::INVAL);
}

fn operate(set: usize, operations: &[[u16; 3]]) -> Result<usize> {
    call(g::__NR_semop, &[set, operations.as_ptr() as usize, operations.len()])
}

fn value(set: usize, number: usize) -> usize {
    call(g::__NR_semctl, &[set, number, GETVAL]).expect("GETVAL")
}

/// Philosophers: each needs two of the forks at once, and nobody starves or has one alone.
fn semaphore_crowd() {
    const FORKS: usize = 5;
    const MEALS: usize = 60;
    let set = call(g::__NR_semget, &[0, FORKS, 0o600]).expect("semget");
    for fork in 0..FORKS {
        call(g::__NR_semctl, &[set, fork, SETVAL, 1]).expect("SETVAL");
    }
    let held = shared(PAGE);
    let eaters: Vec<i32> = (0..FORKS)
        .map(|left| {
            start(move || {
                let forks = [left, (left + 1) % FORKS];
                for _ in 0..MEALS {
                    let by = |amount: i16| forks.map(|fork| [fork as u16, amount as u16, SEM_UNDO]);
                    operate(set, &by(-1)).expect("semop");
                    for fork in forks {
                        assert_eq!(add(held + 8 * fork, 1), 0, "somebody has fork {fork}");
                    }
                    for fork in forks {
                        add(held + 8 * fork, 1u64.wrapping_neg());
                    }
                    operate(set, &by(1)).expect("semop");
                }
            })
        })
        .collect();
    for child in eaters {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    for fork in 0..FORKS {
        assert_eq!(value(set, fork), 1);
    }
    call(g::__NR_semctl, &[set, 0, IPC_RMID]).expect("IPC_RMID");
}

/// Whoever is killed while it has something gives it back, and one who waited goes on.
fn semaphore_killed() {
    let set = call(g::__NR_semget, &[0, 1, 0o600]).expect("semget");
    let has_it = shared(PAGE);
    let take = [[0, -1i16 as u16, SEM_UNDO]];
    operate(set, &[[0, 1, 0]]).expect("semop");
    let first = start(|| {
        operate(set, &take).expect("semop");
        store(has_it, 1);
        loop {
            process::give_way();
        }
    });
    while load(has_it) == 0 {
        process::give_way();
    }
    let second = start(|| {
        operate(set, &take).expect("semop");
    });
    time::sleep(core::time::Duration::from_millis(5)).expect("sleep");
    process::kill(first, g::SIGKILL).expect("kill");
    assert_eq!(wait_for(first), Status::Killed(g::SIGKILL));
    assert_eq!(wait_for(second), Status::Exited(0));
    assert_eq!(value(set, 0), 1);
    call(g::__NR_semctl, &[set, 0, IPC_RMID]).expect("IPC_RMID");
}

/// The fields of the line about an object, in the file of its kind.
pub(crate) fn line_of(kind: &str, id: usize) -> Option<Vec<i64>> {
    let text = file::read_file(format!("/proc/sysvipc/{kind}").as_bytes()).expect("a list");
    let number = |field: &[u8]| core::str::from_utf8(field).ok()?.parse::<i64>().ok();
    let mut lines = bytes::lines(&text).skip(1);
    lines.find_map(|line| {
        let fields: Vec<i64> = bytes::fields(line).filter_map(number).collect();
        (fields.get(1) == Some(&(id as i64))).then_some(fields)
    })
}

/// /proc/sysvipc tells of each object as long as it is there.
fn listing() {
    let key = 0x7654_3210;
    let queue = call(g::__NR_msgget, &[key, IPC_CREAT | 0o640]).expect("msgget");
    send_message(queue, 1, 1).expect("msgsnd");
    let fields = line_of("msg", queue).expect("a line");
    let pid = i64::from(process::id());
    // Key, identifier, mode, bytes, messages, sender, receiver.
    assert_eq!(fields[..7], [key as i64, queue as i64, 640, 8, 1, pid, 0]);
    remove_messages(queue);
    assert_eq!(line_of("msg", queue), None);
    let set = call(g::__NR_semget, &[0, 3, 0o600]).expect("semget");
    assert_eq!(line_of("sem", set).expect("a line")[..4], [0, set as i64, 600, 3]);
    call(g::__NR_semctl, &[set, 0, IPC_RMID]).expect("IPC_RMID");
    assert_eq!(line_of("sem", set), None);
}

/// Limits are numbers that can be changed.
fn limits() {
    for (path, small, what) in [
        (&b"/proc/sys/kernel/msgmni"[..], &b"0"[..], g::__NR_msgget),
        (b"/proc/sys/kernel/sem", b"32000 1024000000 500 0", g::__NR_semget),
        (b"/proc/sys/kernel/sem", b"32000 0 500 32000", g::__NR_semget),
        (b"/proc/sys/kernel/shmmni", b"0", g::__NR_shmget),
        (b"/proc/sys/kernel/shmall", b"0", g::__NR_shmget),
    ] {
        let before = file::read_file(path).expect("a number");
        write(path, small);
        let arguments: &[usize] = match what {
            g::__NR_msgget => &[0, 0o600],
            _ => &[0, 1, 0o600],
        };
        let made = call(what, arguments);
        write(path, &before);
        assert_eq!(made, Err(Errno::NOSPC), "{}", path.escape_ascii());
        assert_eq!(file::read_file(path).expect("a number"), before);
    }
    let longest = b"/proc/sys/kernel/msgmax";
    let before = file::read_file(longest).expect("a number");
    let queue = message_queue();
    write(longest, b"7");
    let sent = send_message(queue, 1, 1);
    write(longest, &before);
    assert_eq!(sent, Err(Errno::INVAL));
    remove_messages(queue);
}
