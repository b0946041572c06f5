//! Files in memory: mapped shared and private, coherent with read and write, cut while they are.

use guest_user::status::Status;
use guest_user::sys::file::{self, File};
use guest_user::sys::mapping::Mapping;
use linux_raw_sys::general as g;

use crate::Case;
use crate::world::{PAGE, bytes, expect_file, map, outcome, write_file};

pub(crate) const CASES: &[Case] = &[
    ("mapped-shared", shared),
    ("mapped-private", private),
    ("mapped-processes", processes),
    ("mapped-hole", hole),
    ("mapped-end", end),
    ("mapped-cut", cut),
    ("mapped-tail", tail),
    ("mapped-again", again),
];

fn word(file: &File, at: usize) -> u64 {
    let mut bytes = [0; 8];
    assert_eq!(file.read_at(&mut bytes, at as u64), Ok(8));
    u64::from_le_bytes(bytes)
}

/// What is stored is read, and what is written is loaded, at once.
fn shared() {
    let file = write_file(b"f", &bytes(1, 8 * PAGE));
    let memory = map(&file, 8, g::MAP_SHARED);
    for page in 0..8 {
        let at = page * PAGE + 16;
        assert_eq!(memory.read(at), word(&file, at));
        memory.write(at, page as u64);
        assert_eq!(word(&file, at), page as u64);
        file.write_at(&77_u64.to_le_bytes(), at as u64 + 8).expect("write");
        assert_eq!(memory.read(at + 8), 77);
    }
    memory.sync(0, 8 * PAGE).expect("msync");
    drop(memory);
    let mut want = bytes(1, 8 * PAGE);
    for page in 0..8_usize {
        let at = page * PAGE + 16;
        want[at..at + 8].copy_from_slice(&(page as u64).to_le_bytes());
        want[at + 8..at + 16].copy_from_slice(&77_u64.to_le_bytes());
    }
    expect_file(b"f", &want);
}

/// What is stored stays with whoever has stored it.
fn private() {
    let content = bytes(2, 4 * PAGE);
    let file = write_file(b"f", &content);
    let memory = map(&file, 4, g::MAP_PRIVATE);
    memory.write(0, 1);
    file.write_at(&2_u64.to_le_bytes(), 0).expect("write");
    file.write_at(&3_u64.to_le_bytes(), PAGE as u64).expect("write");
    assert_eq!((memory.read(0), memory.read(PAGE)), (1, 3));
    assert_eq!((word(&file, 0), word(&file, PAGE)), (2, 3));
}

/// Two processes, one file, one content.
fn processes() {
    let file = write_file(b"f", &bytes(3, 2 * PAGE));
    let memory = map(&file, 2, g::MAP_SHARED);
    let status = outcome(|| {
        let own = File::open_with(b"f", g::O_RDWR, 0).expect("open");
        let own = map(&own, 2, g::MAP_SHARED);
        own.write(PAGE, 11);
        memory.write(0, 12);
    });
    assert_eq!(status, Status::Exited(0));
    assert_eq!((memory.read(PAGE), memory.read(0)), (11, 12));
    assert_eq!((word(&file, PAGE), word(&file, 0)), (11, 12));
}

/// A hole that is stored to gets its place on the disk.
fn hole() {
    let file = write_file(b"f", b"");
    file.truncate(64 * PAGE as u64).expect("ftruncate");
    let memory = map(&file, 64, g::MAP_SHARED);
    assert_eq!(memory.read(40 * PAGE), 0);
    (0..64).step_by(3).for_each(|page| memory.write(page * PAGE + 8, page as u64 + 1));
    memory.sync(0, 64 * PAGE).expect("msync");
    // Again, after they were written.
    (0..64).step_by(6).for_each(|page| memory.write(page * PAGE + 8, page as u64 + 2));
    drop(memory);
    file.sync().expect("fsync");
    for page in 0..64 {
        let want = match page % 6 {
            0 => page as u64 + 2,
            3 => page as u64 + 1,
            _ => 0,
        };
        assert_eq!(word(&file, page * PAGE + 8), want, "page {page}");
    }
}

/// Beyond the end there is nothing but SIGBUS; up to the end of its page, zeros.
fn end() {
    let file = write_file(b"f", &bytes(4, PAGE + 100));
    let memory = map(&file, 3, g::MAP_SHARED);
    assert_eq!(memory.read(PAGE + 104), 0);
    assert_eq!(outcome(|| _ = memory.read(2 * PAGE)), Status::Killed(g::SIGBUS));
    assert_eq!(outcome(|| memory.write(2 * PAGE, 1)), Status::Killed(g::SIGBUS));
    file.truncate(3 * PAGE as u64).expect("ftruncate");
    memory.write(2 * PAGE, 5);
    assert_eq!(word(&file, 2 * PAGE), 5);
}

/// A mapped file is cut.
fn cut() {
    let file = write_file(b"f", &bytes(5, 4 * PAGE));
    let memory = map(&file, 4, g::MAP_SHARED);
    let own = map(&file, 4, g::MAP_PRIVATE);
    (0..4).for_each(|page| memory.write(page * PAGE, 9));
    own.write(3 * PAGE, 8);
    file.truncate(PAGE as u64 + 8).expect("ftruncate");
    assert_eq!((memory.read(PAGE), memory.read(PAGE + 8)), (9, 0));
    for at in [2 * PAGE, 3 * PAGE] {
        assert_eq!(outcome(|| _ = memory.read(at)), Status::Killed(g::SIGBUS), "{at}");
        assert_eq!(outcome(|| _ = own.read(at)), Status::Killed(g::SIGBUS), "{at}");
    }
    file.truncate(4 * PAGE as u64).expect("ftruncate");
    assert_eq!((memory.read(PAGE), memory.read(2 * PAGE), own.read(3 * PAGE)), (9, 0, 0));
}

/// What was stored behind the end of a file never gets into it.
fn tail() {
    let file = write_file(b"f", b"short");
    let memory = map(&file, 1, g::MAP_SHARED);
    memory.write(64, u64::MAX);
    memory.sync(0, PAGE).expect("msync");
    drop(memory);
    file.truncate(200).expect("ftruncate");
    let mut want = b"short".to_vec();
    want.resize(200, 0);
    expect_file(b"f", &want);
}

/// Mapped, written and dropped many times, with sync in between.
fn again() {
    let file = write_file(b"f", &[0; PAGE]);
    for round in 0..100_u64 {
        let memory: Mapping = map(&file, 1, g::MAP_SHARED);
        assert_eq!(memory.read(8), round);
        memory.write(8, round + 1);
        if round % 3 == 0 {
            memory.sync(0, PAGE).expect("msync");
            assert_eq!(memory.read(8), round + 1);
        }
        if round % 7 == 0 {
            file::sync_all().expect("sync");
        }
    }
    assert_eq!(word(&file, 8), 100);
}
