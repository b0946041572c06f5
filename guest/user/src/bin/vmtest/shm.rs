//! System V shared memory, as memory: one frame behind several addresses, counted once, there as
//! long as somebody has it, and gone after that. The calls are held against Linux elsewhere.

use alloc::format;
use alloc::vec::Vec;

use guest_user::bytes;
use guest_user::errno::Errno;
use guest_user::proc::table::Table;
use guest_user::status::Status;
use guest_user::sys::{file, process};
use linux_raw_sys::general as g;

use crate::Case;
use crate::ipc::{IPC_CREAT, IPC_RMID, line_of, shared};
use crate::world::{
    PAGE, add, call, error, frame, futex_wait, futex_wake, is_present, load, load_word, outcome,
    start, store, unmap, wait_for,
};

pub(crate) const CASES: &[Case] = &[
    ("shm-one-frame", one_frame),
    ("shm-counted-once", counted_once),
    ("shm-areas", areas),
    ("shm-exec", executing),
    ("shm-maps", maps),
    ("shm-locked", locked),
    ("shm-futex", futex),
    ("shm-crowd", crowd),
];

const SHM_RDONLY: usize = 0o10000;
const SHM_LOCK: usize = 11;
const SHM_UNLOCK: usize = 12;

fn segment(bytes: usize) -> usize {
    call(g::__NR_shmget, &[0, bytes, IPC_CREAT | 0o600]).expect("shmget")
}

fn attach(segment: usize, flags: usize) -> usize {
    call(g::__NR_shmat, &[segment, 0, flags]).expect("shmat")
}

fn detach(at: usize) {
    call(g::__NR_shmdt, &[at]).expect("shmdt");
}

fn control(segment: usize, command: usize) {
    call(g::__NR_shmctl, &[segment, command, 0]).expect("shmctl");
}

/// How many areas show it.
fn count(segment: usize) -> i64 {
    line_of("shm", segment).expect("a line")[6]
}

/// Two processes see one frame at different addresses.
fn one_frame() {
    let segment = segment(2 * PAGE);
    let (first, second) = (attach(segment, 0), attach(segment, SHM_RDONLY));
    store(first + PAGE, 77);
    assert_eq!(load(second + PAGE), 77);
    assert_eq!(frame(first + PAGE), frame(second + PAGE));
    let expect = frame(first + PAGE);
    let status = outcome(|| {
        let third = attach(segment, 0);
        assert!(third != first && third != second);
        assert_eq!(load(third + PAGE), 77);
        assert_eq!(frame(third + PAGE), expect);
        store(third, 88);
    });
    assert_eq!((status, load(second)), (Status::Exited(0), 88));
    control(segment, IPC_RMID);
}

fn shmem_kib() -> u64 {
    Table(&file::read_file(b"/proc/meminfo").expect("meminfo")).number("Shmem")
}

/// Its pages count once, however often it is attached, until it goes.
fn counted_once() {
    const PAGES: usize = 20;
    let before = shmem_kib();
    let segment = segment(PAGES * PAGE);
    assert_eq!(shmem_kib(), before, "nothing was touched");
    let (first, second) = (attach(segment, 0), attach(segment, 0));
    for page in 0..PAGES {
        store(first + page * PAGE, 1);
        assert_eq!(load(second + page * PAGE), 1);
    }
    let kib = (PAGES * PAGE / 1024) as u64;
    assert_eq!(shmem_kib() - before, kib);
    let fields = line_of("shm", segment).expect("a line");
    assert_eq!(fields[3], (PAGES * PAGE) as i64);
    assert_eq!(fields[14..], [(PAGES * PAGE) as i64, 0], "in RAM and in swap");
    detach(first);
    detach(second);
    assert_eq!(shmem_kib() - before, kib, "it is there still");
    control(segment, IPC_RMID);
    assert_eq!(shmem_kib(), before);
}

/// Each area counts: those of a child, those of one that was split.
fn areas() {
    let segment = segment(3 * PAGE);
    let at = attach(segment, 0);
    let status = outcome(|| {
        assert_eq!(count(segment), 2);
        unmap(at + PAGE, PAGE);
        assert_eq!(count(segment), 3);
        let again = attach(segment, 0);
        assert_eq!(count(segment), 4);
        detach(at);
        assert_eq!(count(segment), 2);
        unmap(again, 3 * PAGE);
        assert_eq!(count(segment), 1);
        assert_eq!(error(g::__NR_shmdt, &[again]), Errno::INVAL);
    });
    assert_eq!((status, count(segment)), (Status::Exited(0), 1));
    store(at, 5);
    control(segment, IPC_RMID);
    assert_eq!(line_of("shm", segment).expect("a line")[2], 1600, "it goes with its last area");
    assert_eq!(load(at), 5);
    detach(at);
    assert_eq!(line_of("shm", segment), None);
}

/// A program that is executed has nothing attached.
fn executing() {
    let segment = segment(PAGE);
    let child = start(|| {
        attach(segment, 0);
        control(segment, IPC_RMID);
        let error = process::exec(c"/bin/true", [].into_iter(), [].into_iter());
        panic!("exec: {error:?}");
    });
    assert_eq!(wait_for(child), Status::Exited(0));
    assert_eq!(line_of("shm", segment), None);
}

/// /proc/PID/maps names it.
fn maps() {
    let key = 0x1234_abcd;
    let segment = call(g::__NR_shmget, &[key, PAGE, IPC_CREAT | 0o600]).expect("shmget");
    let at = attach(segment, SHM_RDONLY);
    let text = file::read_file(b"/proc/self/maps").expect("maps");
    let start = format!("{at:08x}-");
    let line = bytes::lines(&text).find(|line| line.starts_with(start.as_bytes())).expect("a line");
    let fields: Vec<&[u8]> = bytes::fields(line).collect();
    assert_eq!(fields[1..4], [&b"r--s"[..], b"00000000", b"00:01"]);
    assert_eq!(bytes::decimal(fields[4]), Some(segment as u64));
    assert_eq!(fields[5..], [&b"/SYSV1234abcd"[..], b"(deleted)"]);
    control(segment, IPC_RMID);
}

/// Pages that are locked stay, and those that come; the audit that follows counts them.
fn locked() {
    const PAGES: usize = 16;
    let segment = segment(PAGES * PAGE);
    let at = attach(segment, 0);
    (0..PAGES / 2).for_each(|page| store(at + page * PAGE, 1));
    control(segment, SHM_LOCK);
    assert_eq!(line_of("shm", segment).expect("a line")[2], 2600);
    control(segment, SHM_LOCK);
    (PAGES / 2..PAGES).for_each(|page| store(at + page * PAGE, 1));
    assert!((0..PAGES).all(|page| is_present(at + page * PAGE)));
    control(segment, SHM_UNLOCK);
    control(segment, SHM_UNLOCK);
    control(segment, SHM_LOCK);
    // It goes while it is locked.
    control(segment, IPC_RMID);
    detach(at);
    assert_eq!(line_of("shm", segment), None);
}

/// A word is known by its place in the segment, whatever its address.
fn futex() {
    let segment = segment(PAGE);
    let (first, second) = (attach(segment, 0), attach(segment, 0));
    let child = start(|| {
        let third = attach(segment, 0);
        while load_word(third + 8) == 0 {
            let _ = futex_wait(third + 8, 0);
        }
    });
    // It goes as soon as nobody has it attached; the waiter has, whatever happens here.
    control(segment, IPC_RMID);
    detach(first);
    while futex_wake(second + 8, 1) == 0 {
        process::give_way();
    }
    store(second + 8, 1);
    futex_wake(second + 8, 1);
    detach(second);
    // The word may have been changed between the child's look and its wait.
    assert_eq!(wait_for(child), Status::Exited(0));
}

/// Many attach, write, fork, detach and remove at once, on all harts.
fn crowd() {
    const CHILDREN: usize = 6;
    const ROUNDS: usize = 40;
    let sums = shared(PAGE);
    let own = segment(4 * PAGE);
    let children: Vec<i32> = (0..CHILDREN)
        .map(|number| {
            start(move || {
                for round in 0..ROUNDS {
                    let at = attach(own, 0);
                    add(at + (round % 4) * PAGE, 1);
                    let new = segment(PAGE * (1 + number));
                    let there = attach(new, 0);
                    store(there + number * PAGE, round as u64);
                    control(new, IPC_RMID);
                    if round % 8 == 0 {
                        let status = outcome(|| {
                            assert_eq!(load(there + number * PAGE), round as u64);
                            detach(there);
                        });
                        assert_eq!(status, Status::Exited(0));
                    }
                    detach(there);
                    detach(at);
                    add(sums, 1);
                }
            })
        })
        .collect();
    while load(sums) < (CHILDREN * ROUNDS) as u64 {
        // Listing looks at all spaces, which come and go.
        assert!(count(own) <= 2 * CHILDREN as i64);
    }
    for child in children {
        assert_eq!(wait_for(child), Status::Exited(0));
    }
    let at = attach(own, SHM_RDONLY);
    let sum: u64 = (0..4).map(|page| load(at + page * PAGE)).sum();
    assert_eq!((sum, count(own)), ((CHILDREN * ROUNDS) as u64, 1));
    control(own, IPC_RMID);
}
